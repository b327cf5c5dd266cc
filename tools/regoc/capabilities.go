package main

import (
	"bytes"
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/bundle"
	"github.com/open-policy-agent/opa/v1/compile"
)

// compileTime builtins never reach the module: the compiler puts something else in their place.
var compileTime = []string{"assign", "eq", "rego.metadata.chain", "rego.metadata.rule"}

// refused builtins compile, but one needs `print` at run time and the others come from the test runner.
var refused = []string{"print", "internal.print", "internal.test_case", "trace"}

// capabilitiesCommand prints OPA's own capabilities less what neither the WASM module nor our host can run.
func capabilitiesCommand(args []string, _ io.Reader) (any, bool, error) {
	flags := flag.NewFlagSet("capabilities", flag.ContinueOnError)
	host := flags.String("host", "", "JSON `file` with the names that the host provides")
	if err := flags.Parse(args); err != nil {
		return nil, false, err
	}
	raw, err := os.ReadFile(*host)
	if err != nil {
		return nil, false, err
	}
	var names []string
	if err := json.Unmarshal(raw, &names); err != nil {
		return nil, false, fmt.Errorf("%s: expected an array of names: %w", *host, err)
	}
	capabilities := ast.CapabilitiesForThisVersion()
	for _, name := range names {
		if !capabilities.ContainsBuiltin(name) {
			return nil, false, fmt.Errorf("%s: OPA has no builtin %q", *host, name)
		}
	}
	native, err := nativeBuiltins(context.Background(), capabilities)
	if err != nil {
		return nil, false, err
	}
	keep := slices.Concat(names, native, compileTime)
	capabilities.Builtins = slices.DeleteFunc(capabilities.Builtins, func(b *ast.Builtin) bool {
		return slices.Contains(refused, b.Name) || !slices.Contains(keep, b.Name)
	})
	return capabilities, true, nil
}

// nativeBuiltins asks the compiler itself: a module that calls every builtin holds the names of those it leaves to the
// host, each ended by NUL, and of no other.
func nativeBuiltins(ctx context.Context, capabilities *ast.Capabilities) ([]string, error) {
	var text strings.Builder
	text.WriteString("package probe\n")
	var called []string
	for _, builtin := range capabilities.Builtins {
		if slices.Contains(compileTime, builtin.Name) || slices.Contains(refused, builtin.Name) || builtin.IsDeprecated() {
			continue
		}
		called = append(called, builtin.Name)
		fmt.Fprintf(&text, "p contains x if x := %s\n", probeCall(builtin))
	}
	module, err := ast.ParseModuleWithOpts("p.rego", text.String(), ast.ParserOptions{Capabilities: capabilities})
	if err != nil {
		return nil, err
	}
	unit := &bundle.Bundle{Modules: []bundle.ModuleFile{{URL: "p.rego", Path: "p.rego", Parsed: module}}, Data: map[string]any{}}
	unit.Manifest.Init()
	compiler := compile.New().WithTarget(compile.TargetWasm).WithBundle(unit).WithEntrypoints("probe/p").WithRegoVersion(ast.RegoV1)
	if err := compiler.Build(ctx); err != nil {
		return nil, err
	}
	raw := compiler.Bundle().WasmModules[0].Raw
	return slices.DeleteFunc(called, func(name string) bool { return bytes.Contains(raw, []byte("\x00"+name+"\x00")) }), nil
}

func probeCall(builtin *ast.Builtin) string {
	arguments := make([]string, builtin.Decl.Arity())
	for i := range arguments {
		arguments[i] = fmt.Sprintf("input.a%d", i)
	}
	return fmt.Sprintf("%s(%s)", builtin.Name, strings.Join(arguments, ", "))
}
