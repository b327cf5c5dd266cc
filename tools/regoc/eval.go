package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"reflect"
	"strings"

	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/rego"
	"github.com/open-policy-agent/opa/v1/storage/inmem"
	"github.com/open-policy-agent/opa/v1/util"
)

func evalCommand(args []string, stdin io.Reader) (any, bool, error) {
	flags, file := packFlags("eval")
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
	result, err := p.evaluate(context.Background(), plane, raw)
	return result, err == nil, err
}

// evaluate asks OPA's interpreter: a second opinion beside the WASM module that the gateway runs.
func (p *pack) evaluate(ctx context.Context, plane plane, input []byte) (any, error) {
	var document any
	if err := util.UnmarshalJSON(input, &document); err != nil {
		return nil, fmt.Errorf("the request is not JSON: %w", err)
	}
	compiler := p.compiler()
	if compiler.Compile(parsedModules(p.modules)); compiler.Failed() {
		found := &findingsError{}
		found.addOPA(compiler.Errors)
		return nil, found
	}
	results, err := rego.New(
		rego.ParsedQuery(ast.MustParseBody("data."+strings.ReplaceAll(plane.entrypoint(), "/", "."))),
		rego.Compiler(compiler), rego.Store(inmem.NewFromObject(p.data)), rego.Input(document),
		rego.StrictBuiltinErrors(true),
	).Eval(ctx)
	if err != nil {
		return nil, err
	}
	if len(results) != 1 {
		return nil, fmt.Errorf("data.%s is undefined for this request", plane.entrypoint())
	}
	return results[0].Expressions[0].Value, nil
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
