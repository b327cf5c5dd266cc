package main

import (
	"context"
	"fmt"
	"io"
	"slices"

	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/cover"
	"github.com/open-policy-agent/opa/v1/storage/inmem"
	"github.com/open-policy-agent/opa/v1/tester"
	"github.com/open-policy-agent/opa/v1/topdown"
)

type testReport struct {
	OK       bool           `json:"ok"`
	Passed   int            `json:"passed"`
	Failed   []testFailure  `json:"failed"`
	Coverage coverageReport `json:"coverage"`
}

type testFailure struct {
	File    string `json:"file"`
	Line    int    `json:"line"`
	Name    string `json:"name"`
	Message string `json:"message"`
}

type coverageReport struct {
	Percent   float64           `json:"percent"`
	Threshold float64           `json:"threshold"`
	Lines     int               `json:"lines"`
	Uncovered map[string][]span `json:"uncovered"`
}

// span is a range of lines, both ends included.
type span [2]int

func testCommand(args []string, _ io.Reader) (any, bool, error) {
	flags, file := packFlags("test")
	threshold := flags.Float64("threshold", 100, "least coverage, in `percent` of lines")
	p, err := parsePack(flags, file, args)
	if err != nil {
		return nil, false, err
	}
	report, err := p.test(context.Background(), *threshold)
	if err != nil {
		return nil, false, err
	}
	return report, report.OK, nil
}

// test traces only where it must: a trace costs several times what the tests do, and nobody reads one of a test that passed.
func (p *pack) test(ctx context.Context, threshold float64) (*testReport, error) {
	coverage := cover.New()
	report, err := p.run(ctx, coverage, false)
	if err == nil && len(report.Failed) > 0 {
		report, err = p.run(ctx, nil, true)
	}
	if err != nil {
		return nil, err
	}
	report.Coverage = coverageOf(coverage.Report(coverable(p.modules)), threshold)
	report.OK = len(report.Failed) == 0 && report.Passed > 0 && report.Coverage.Percent >= threshold
	return report, nil
}

func (p *pack) run(ctx context.Context, coverage *cover.Cover, traced bool) (*testReport, error) {
	store := inmem.NewFromObject(p.data)
	txn, err := store.NewTransaction(ctx)
	if err != nil {
		return nil, err
	}
	defer store.Abort(ctx, txn)
	runner := tester.NewRunner().SetCompiler(p.compiler().WithRewriteTestRules(true)).SetStore(store).
		SetModules(parsedModules(slices.Concat(p.modules, p.tests))).EnableTracing(traced).RaiseBuiltinErrors(true)
	if coverage != nil {
		runner = runner.SetCoverageQueryTracer(coverage)
	}
	results, err := runner.RunTests(ctx, txn)
	if err != nil {
		found := &findingsError{}
		found.addOPA(err)
		return nil, found
	}
	report := &testReport{Failed: []testFailure{}}
	for result := range results {
		report.add(result)
	}
	return report, nil
}

// add counts a skipped test as a failed one: what was not run shows nothing.
func (r *testReport) add(result *tester.Result) {
	if result.Pass() {
		r.Passed++
		return
	}
	failure := testFailure{File: result.Location.File, Line: result.Location.Row, Name: result.Package + "." + result.Name}
	switch {
	case result.Error != nil:
		failure.Message = result.Error.Error()
	case result.Skip:
		failure.Message = "skipped: a test named todo_ shows nothing"
	default:
		failure.Message = "not true"
		if at := lastFailure(result); at != nil {
			failure.Line, failure.Message = at.Row, fmt.Sprintf("not true: %s", at.Text)
		}
	}
	r.Failed = append(r.Failed, failure)
}

// lastFailure is the last expression of the test's own file that did not hold.
func lastFailure(result *tester.Result) *ast.Location {
	for _, event := range slices.Backward(result.Trace) {
		if event.Op == topdown.FailOp && event.Location != nil && event.Location.File == result.Location.File {
			return event.Location
		}
	}
	return nil
}

// coverable leaves out rules that only declare their set: no test can make them fire.
func coverable(modules []module) map[string]*ast.Module {
	sources := parsedModules(modules)
	for _, source := range sources {
		source.Rules = slices.DeleteFunc(source.Rules, neverFires)
	}
	return sources
}

func coverageOf(measured cover.Report, threshold float64) coverageReport {
	report := coverageReport{Percent: measured.Coverage, Threshold: threshold, Uncovered: map[string][]span{},
		Lines: measured.CoveredLines + measured.NotCoveredLines}
	for name, file := range measured.Files {
		for _, gap := range file.NotCovered {
			report.Uncovered[name] = append(report.Uncovered[name], span{gap.Start.Row, gap.End.Row})
		}
	}
	return report
}
