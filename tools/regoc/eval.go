package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"reflect"
	"strings"
	"time"

	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/rego"
	"github.com/open-policy-agent/opa/v1/storage/inmem"
	"github.com/open-policy-agent/opa/v1/util"
)

func evalCommand(args []string, stdin io.Reader) (any, bool, error) {
	flags, file := packFlags("eval")
	id := flags.String("plane", "", "the plane whose entrypoint is asked")
	lines := flags.Bool("lines", false, "a request a line, and a result or null a line")
	p, err := parsePack(flags, file, args)
	if err != nil {
		return nil, false, err
	}
	plane, err := p.plane(*id)
	if err != nil {
		return nil, false, err
	}
	query, err := p.prepare(context.Background(), plane)
	if err != nil {
		return nil, false, err
	}
	if *lines {
		return nil, true, query.decideLines(context.Background(), stdin, os.Stdout)
	}
	raw, err := io.ReadAll(stdin)
	if err != nil {
		return nil, false, err
	}
	result, err := query.decide(context.Background(), raw)
	return result, err == nil, err
}

// A query is a plane's entrypoint, ready for OPA's interpreter: a second opinion beside the WASM module that the gateway runs.
type query struct {
	entrypoint string
	compiler   *ast.Compiler
	prepared   rego.PreparedEvalQuery
}

func (p *pack) prepare(ctx context.Context, plane plane) (*query, error) {
	compiler := p.compiler()
	if compiler.Compile(parsedModules(p.modules)); compiler.Failed() {
		found := &findingsError{}
		found.addOPA(compiler.Errors)
		return nil, found
	}
	entrypoint := "data." + strings.ReplaceAll(plane.entrypoint(), "/", ".")
	prepared, err := rego.New(
		rego.ParsedQuery(ast.MustParseBody(entrypoint)), rego.Compiler(compiler),
		rego.Store(inmem.NewFromObject(p.data)), rego.StrictBuiltinErrors(true),
	).PrepareForEval(ctx)
	return &query{entrypoint, compiler, prepared}, err
}

func (q *query) decide(ctx context.Context, input []byte, options ...rego.EvalOption) (any, error) {
	var document any
	if err := util.UnmarshalJSON(input, &document); err != nil {
		return nil, fmt.Errorf("the request is not JSON: %w", err)
	}
	if at, told := timeOf(document); told {
		options = append(options, rego.EvalTime(at))
	}
	results, err := q.prepared.Eval(ctx, append(options, rego.EvalInput(document))...)
	if err != nil {
		return nil, err
	}
	if len(results) != 1 {
		return nil, fmt.Errorf("%s is undefined for this request", q.entrypoint)
	}
	return results[0].Expressions[0].Value, nil
}

// timeOf is the request's own time: as in a replay, it is asked as if it were then.
func timeOf(document any) (time.Time, bool) {
	request, _ := document.(map[string]any)
	context, _ := request["context"].(map[string]any)
	text, _ := context["time"].(string)
	at, err := time.Parse(time.RFC3339Nano, text)
	return at, err == nil
}

const longestLine = 1 << 20

// decideLines answers null where there is no result: what is compared is whether the module answers, and what.
func (q *query) decideLines(ctx context.Context, in io.Reader, out io.Writer) error {
	scanner := bufio.NewScanner(in)
	scanner.Buffer(make([]byte, 0, longestLine), longestLine)
	buffered := bufio.NewWriter(out)
	for scanner.Scan() {
		result, err := q.decide(ctx, bytes.Clone(scanner.Bytes()))
		if err != nil {
			result = nil
		}
		line, err := json.Marshal(result)
		if err != nil {
			return err
		}
		if _, err := buffered.Write(append(line, '\n')); err != nil {
			return err
		}
	}
	if err := scanner.Err(); err != nil {
		return err
	}
	return buffered.Flush()
}

func (p *pack) evaluate(ctx context.Context, plane plane, input []byte) (any, error) {
	query, err := p.prepare(ctx, plane)
	if err != nil {
		return nil, err
	}
	return query.decide(ctx, input)
}

// sameJSON compares by value, numbers by their text.
func sameJSON(one, other any) bool {
	left, right := plainJSON(one), plainJSON(other)
	return left != nil && reflect.DeepEqual(left, right)
}

func plainJSON(value any) any {
	var plain any
	raw, err := json.Marshal(value)
	if err != nil || util.UnmarshalJSON(raw, &plain) != nil {
		return nil
	}
	return plain
}
