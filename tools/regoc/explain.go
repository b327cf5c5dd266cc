package main

import (
	"context"
	"fmt"
	"io"
	"strings"

	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/rego"
	"github.com/open-policy-agent/opa/v1/topdown"
	"github.com/open-policy-agent/opa/v1/util"
)

// explanation is what each rule of a plane did with one request.
type explanation struct {
	Result any             `json:"result"`
	Rules  []explainedRule `json:"rules"`
}

type explainedRule struct {
	ruleEntry
	Fired bool `json:"fired"`
	// Failed is the expression that the rule's body did not get past; nil where it fired.
	Failed *failedExpression `json:"failed"`
}

type failedExpression struct {
	File string `json:"file"`
	Line int    `json:"line"`
	Text string `json:"text"`
	// Values are what the request has where the expression looks: null where it has nothing there.
	Values map[string]any `json:"values"`
	// Because are the rules that the expression asks, where they in turn stopped.
	Because []failedExpression `json:"because"`
}

func explainCommand(args []string, stdin io.Reader) (any, bool, error) {
	flags, file := packFlags("explain")
	id := flags.String("plane", "", "the plane whose entrypoint is asked")
	p, err := parsePack(flags, file, args)
	if err != nil {
		return nil, false, err
	}
	plane, err := p.plane(*id)
	if err != nil {
		return nil, false, err
	}
	raw, err := io.ReadAll(stdin)
	if err != nil {
		return nil, false, err
	}
	rules, _, err := p.check()
	if err != nil {
		return nil, false, err
	}
	query, err := p.prepare(context.Background(), plane)
	if err != nil {
		return nil, false, err
	}
	seen := &ruleTracer{reached: map[string]*reach{}, bodies: map[uint64]string{}}
	// Without the index, a rule that it would rule out is tried, and says where it ends.
	result, err := query.decide(context.Background(), raw, rego.EvalQueryTracer(seen), rego.EvalRuleIndexing(false), rego.EvalEarlyExit(false))
	if err != nil {
		return nil, false, err
	}
	var input any
	if err := util.UnmarshalJSON(raw, &input); err != nil {
		return nil, false, err
	}
	explained := explanation{Result: result, Rules: []explainedRule{}}
	told := &teller{query.compiler, seen.reached, input}
	for _, rule := range rules {
		if how, known := seen.reached[place(rule.File, rule.Line)]; known {
			explained.Rules = append(explained.Rules, explainedRule{rule, how.fired, told.failure(how, 0)})
		}
	}
	return explained, true, nil
}

func place(file string, line int) string { return fmt.Sprintf("%s:%d", file, line) }

// reach is how far a rule's body got, over all the values that it was tried with.
type reach struct {
	fired    bool
	furthest int
	failed   *ast.Expr
}

// teller puts what the tracer saw into places, texts and values.
type teller struct {
	compiler *ast.Compiler
	reached  map[string]*reach
	input    any
}

// deepest is how many rules behind a rule are told of: further than that, nobody reads.
const deepest = 4

func (t *teller) failure(how *reach, depth int) *failedExpression {
	if how == nil || how.fired || how.failed == nil {
		return nil
	}
	location := how.failed.Location
	failed := &failedExpression{location.File, location.Row, string(location.Text), map[string]any{}, []failedExpression{}}
	// The compiler takes references out of an expression: its text still has them.
	if written, err := ast.ParseBodyWithOpts(failed.Text, ast.ParserOptions{RegoVersion: ast.RegoV1}); err == nil {
		ast.WalkRefs(written, func(ref ast.Ref) bool {
			if ref.HasPrefix(ast.InputRootRef) {
				path := constantPrefix(ref[1:])
				failed.Values[strings.Join(append([]string{"input"}, path...), ".")] = valueAt(t.input, path)
			}
			return false
		})
	}
	ast.WalkRefs(how.failed, func(ref ast.Ref) bool {
		if ref.HasPrefix(ast.DefaultRootRef) && !how.failed.Negated && depth < deepest {
			failed.Because = append(failed.Because, t.behind(ref, depth+1)...)
		}
		return false
	})
	return failed
}

// behind is where the rules of a reference stopped.
func (t *teller) behind(ref ast.Ref, depth int) []failedExpression {
	var stopped []failedExpression
	for _, rule := range t.compiler.GetRulesForVirtualDocument(ref) {
		if rule.Location == nil {
			continue
		}
		if failed := t.failure(t.reached[place(rule.Location.File, rule.Location.Row)], depth); failed != nil {
			stopped = append(stopped, *failed)
		}
	}
	return stopped
}

func valueAt(document any, path []string) any {
	for _, name := range path {
		object, _ := document.(map[string]any)
		document = object[name]
	}
	return document
}

// ruleTracer keeps, of all that the interpreter tells, which rules ended and where the others stopped.
type ruleTracer struct {
	reached map[string]*reach
	bodies  map[uint64]string
}

func (*ruleTracer) Enabled() bool               { return true }
func (*ruleTracer) Config() topdown.TraceConfig { return topdown.TraceConfig{} }

func (t *ruleTracer) TraceEvent(event topdown.Event) {
	switch node := event.Node.(type) {
	case *ast.Rule:
		t.rule(event, node)
	case *ast.Expr:
		how := t.reached[t.bodies[event.QueryID]]
		if event.Op == topdown.FailOp && how != nil && node.Location != nil && (how.failed == nil || node.Index >= how.furthest) {
			how.furthest, how.failed = node.Index, node
		}
	}
}

func (t *ruleTracer) rule(event topdown.Event, rule *ast.Rule) {
	if rule.Location == nil {
		return
	}
	at := place(rule.Location.File, rule.Location.Row)
	if t.reached[at] == nil {
		t.reached[at] = &reach{}
	}
	switch event.Op {
	case topdown.EnterOp:
		t.bodies[event.QueryID] = at
	case topdown.ExitOp:
		t.reached[at].fired = true
	}
}
