package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"

	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/rego"
	"github.com/open-policy-agent/opa/v1/test/cases"
	"github.com/open-policy-agent/opa/v1/util"
)

// compiledCase is one of OPA's own test cases, ready for a host: a module, or why our capabilities refuse it.
type compiledCase struct {
	Note         string          `json:"note"`
	File         string          `json:"file"`
	Builtins     []string        `json:"builtins"`
	Data         json.RawMessage `json:"data"`
	Input        json.RawMessage `json:"input,omitempty"`
	WantResult   json.RawMessage `json:"want_result,omitempty"`
	WantError    string          `json:"want_error,omitempty"`
	SortBindings bool            `json:"sort_bindings"`
	StrictError  bool            `json:"strict_error"`
	// Generated bindings (`__localq…`) in the result don't count.
	IgnoreGenerated bool `json:"ignore_generated_vars"`
	// Refused is the builtin, or the reason, that keeps the case from being built.
	Refused string `json:"refused,omitempty"`
	WASM    []byte `json:"wasm,omitempty"`
}

// casesCommand writes one line of JSON a case, in the order of their files.
func casesCommand(args []string, _ io.Reader) (any, bool, error) {
	flags := flag.NewFlagSet("cases", flag.ContinueOnError)
	dir := flags.String("dir", "", "`directory` of OPA's test cases (v1/test/cases/testdata/v1 of its module)")
	file := flags.String("capabilities", "", "`file` with the gateway's capabilities")
	every := flags.Int("every", 1, "take each `n`th case only")
	if err := flags.Parse(args); err != nil {
		return nil, false, err
	}
	capabilities, err := ast.LoadCapabilitiesFile(*file)
	if err != nil {
		return nil, false, err
	}
	set, err := cases.Load(*dir) // in file order: the same run anywhere
	if err != nil {
		return nil, false, err
	}
	chosen := slices.DeleteFunc(slices.Collect(indices(len(set.Cases))), func(at int) bool { return at%*every != 0 })
	err = inOrder(len(chosen), func(at int) ([]byte, error) { return compileCase(set.Cases[chosen[at]], *dir, capabilities) }, func(line []byte) error {
		_, err := os.Stdout.Write(append(line, '\n'))
		return err
	})
	return nil, true, err
}

func indices(count int) func(yield func(int) bool) {
	return func(yield func(int) bool) {
		for at := range count {
			if !yield(at) {
				return
			}
		}
	}
}

// inOrder makes items on all cores and takes them in order, a few ahead of what was taken.
func inOrder(count int, produce func(int) ([]byte, error), take func([]byte) error) error {
	type made struct {
		line []byte
		err  error
	}
	slots := make([]chan made, count)
	for at := range slots {
		slots[at] = make(chan made, 1)
	}
	ahead := make(chan struct{}, 2*runtime.NumCPU())
	var next sync.Mutex
	from := 0
	for range runtime.NumCPU() {
		go func() {
			for {
				ahead <- struct{}{}
				next.Lock()
				at := from
				from++
				next.Unlock()
				if at >= count {
					return
				}
				line, err := produce(at)
				slots[at] <- made{line, err}
			}
		}()
	}
	for _, slot := range slots {
		item := <-slot
		<-ahead
		if item.err != nil {
			return item.err
		}
		if err := take(item.line); err != nil {
			return err
		}
	}
	return nil
}

func compileCase(c cases.TestCase, dir string, capabilities *ast.Capabilities) ([]byte, error) {
	file, err := filepath.Rel(dir, c.Filename)
	if err != nil {
		return nil, err
	}
	out := compiledCase{Note: c.Note, File: filepath.ToSlash(file), SortBindings: c.SortBindings, StrictError: c.StrictError,
		IgnoreGenerated: c.IgnoreGeneratedVars, Data: json.RawMessage("{}"), Builtins: builtinsOf(c)}
	if c.WantErrorCode != nil {
		out.WantError = *c.WantErrorCode
	} else if c.WantError != nil {
		out.WantError = *c.WantError
	}
	if err := out.documents(c); err != nil {
		out.Refused = err.Error()
		return json.Marshal(out)
	}
	options := []func(*rego.Rego){rego.Query(c.Query), rego.SetRegoVersion(ast.RegoV1), rego.Capabilities(capabilities)}
	for at, module := range c.Modules {
		options = append(options, rego.Module(fmt.Sprintf("module-%d.rego", at), module))
	}
	if err := integerKeysOf(c); err != nil {
		out.Refused = refusal(err)
		return json.Marshal(out)
	}
	compiled, err := rego.New(options...).Compile(context.Background())
	if err != nil {
		out.Refused = refusal(err)
		return json.Marshal(out)
	}
	out.WASM = compiled.Bytes
	return json.Marshal(out)
}

func (out *compiledCase) documents(c cases.TestCase) (err error) {
	if c.Data != nil {
		if out.Data, err = json.Marshal(*c.Data); err != nil {
			return err
		}
	}
	if c.WantResult != nil {
		if out.WantResult, err = json.Marshal(*c.WantResult); err != nil {
			return err
		}
	}
	switch {
	case c.InputTerm != nil:
		out.Input, err = termJSON(*c.InputTerm)
	case c.Input != nil:
		out.Input, err = json.Marshal(*c.Input)
	}
	return err
}

var errNotJSON = errors.New("an input that is not JSON")

// termJSON takes an input written as Rego, if JSON says the same.
func termJSON(text string) (json.RawMessage, error) {
	term, err := ast.ParseTerm(text)
	if err != nil {
		return nil, err
	}
	plain, err := ast.JSON(term.Value)
	if err != nil {
		return nil, errNotJSON
	}
	raw, err := json.Marshal(plain)
	if err != nil {
		return nil, err
	}
	var back any
	if err := util.UnmarshalJSON(raw, &back); err != nil {
		return nil, err
	}
	if value, err := ast.InterfaceToValue(back); err != nil || value.Compare(term.Value) != 0 {
		return nil, errNotJSON
	}
	return bytes.TrimSpace(raw), nil
}

func refusal(err error) string {
	found := &findingsError{}
	found.addOPA(err)
	for _, each := range found.findings {
		if match := undefinedFunction.FindStringSubmatch(each.Message); match != nil {
			return match[1]
		}
	}
	return found.findings[0].Message
}

// integerKeysOf is what check says of a pack with these modules and data.
func integerKeysOf(c cases.TestCase) error {
	found := &findingsError{}
	for _, text := range c.Modules {
		if module, err := ast.ParseModuleWithOpts("case.rego", text, ast.ParserOptions{RegoVersion: ast.RegoV1, AllFutureKeywords: true}); err == nil && c.Data != nil {
			integerKeys(module, *c.Data, found)
		}
	}
	return found.orNil()
}

// builtinsOf names what the case calls, that its table be by builtin.
func builtinsOf(c cases.TestCase) []string {
	names := map[string]bool{}
	visit := func(node any) {
		ast.WalkTerms(node, func(term *ast.Term) bool {
			if ref, ok := term.Value.(ast.Ref); ok && ast.BuiltinMap[ref.String()] != nil {
				names[ref.String()] = true
			}
			return false
		})
	}
	for _, text := range c.Modules {
		if module, err := ast.ParseModuleWithOpts("case.rego", text, ast.ParserOptions{RegoVersion: ast.RegoV1, AllFutureKeywords: true}); err == nil {
			visit(module)
		}
	}
	if body, err := ast.ParseBody(c.Query); err == nil {
		visit(body)
	}
	for _, operator := range []string{"eq", "equal", "assign", "internal.member_2", "internal.member_3"} {
		delete(names, operator)
	}
	sorted := util.KeysSorted(names)
	return slices.DeleteFunc(sorted, func(name string) bool { return strings.HasPrefix(name, "internal.") })
}
