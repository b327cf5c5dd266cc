package main

import (
	"context"
	"fmt"
	"io"

	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/rego"
	"github.com/open-policy-agent/opa/v1/topdown"
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
	explained := explanation{Result: result, Rules: []explainedRule{}}
	for _, rule := range rules {
		if how, known := seen.reached[place(rule.File, rule.Line)]; known {
			explained.Rules = append(explained.Rules, how.explain(rule))
		}
	}
	return explained, true, nil
}

func place(file string, line int) string { return fmt.Sprintf("%s:%d", file, line) }

// reach is how far a rule's body got, over all the values that it was tried with.
type reach struct {
	fired    bool
	furthest int
	failed   *ast.Location
}

func (r *reach) explain(rule ruleEntry) explainedRule {
	explained := explainedRule{ruleEntry: rule, Fired: r.fired}
	if !r.fired && r.failed != nil {
		explained.Failed = &failedExpression{r.failed.File, r.failed.Row, string(r.failed.Text)}
	}
	return explained
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
			how.furthest, how.failed = node.Index, node.Location
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
