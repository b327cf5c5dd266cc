package main

import (
	"cmp"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/open-policy-agent/opa/v1/ast"
)

// A finding says where something is wrong and what to do about it.
type finding struct {
	File    string `json:"file"`
	Line    int    `json:"line"`
	Column  int    `json:"column"`
	Code    string `json:"code"`
	Message string `json:"message"`
	Fix     string `json:"fix"`
}

// findingsError collects findings; as an error it ends a command with exit code 1 and a report.
type findingsError struct{ findings []finding }

type findingsReport struct {
	OK       bool      `json:"ok"`
	Findings []finding `json:"findings"`
}

func (f *findingsError) Error() string {
	lines := make([]string, 0, len(f.findings))
	for _, found := range f.findings {
		lines = append(lines, fmt.Sprintf("%s:%d: %s: %s", found.File, found.Line, found.Code, found.Message))
	}
	return strings.Join(lines, "\n")
}

func (f *findingsError) orNil() error {
	if len(f.findings) == 0 {
		return nil
	}
	return f
}

// report is sorted by place, so that the same tree gives the same text; one place and message is told once.
func (f *findingsError) report() findingsReport {
	slices.SortFunc(f.findings, func(a, b finding) int {
		return cmp.Or(cmp.Compare(a.File, b.File), cmp.Compare(a.Line, b.Line), cmp.Compare(a.Column, b.Column),
			cmp.Compare(a.Code, b.Code), cmp.Compare(a.Message, b.Message))
	})
	return findingsReport{len(f.findings) == 0, append([]finding{}, slices.Compact(f.findings)...)}
}

func (f *findingsError) at(place *ast.Location, code, fix, format string, args ...any) {
	found := finding{Code: code, Message: fmt.Sprintf(format, args...), Fix: fix}
	if place != nil {
		found.File, found.Line, found.Column = place.File, place.Row, place.Col
	}
	f.findings = append(f.findings, found)
}

// addOPA takes the parser's and the compiler's errors, which come alone or as a list.
func (f *findingsError) addOPA(err error) {
	var list ast.Errors
	var one *ast.Error
	switch {
	case errors.As(err, &list):
		for _, e := range list {
			f.addOPA(e)
		}
	case errors.As(err, &one):
		message := one.Message
		if one.Details != nil {
			message = strings.Join(append([]string{message}, one.Details.Lines()...), "\n")
		}
		code, fix := explain(one)
		f.at(one.Location, code, fix, "%s", message)
	default:
		f.at(nil, "error", "see the message", "%v", err)
	}
}

var undefinedFunction = regexp.MustCompile(`^undefined function (\S+)`)

// explain turns the compiler's code into one of ours where we know better what to do.
func explain(e *ast.Error) (code, fix string) {
	if match := undefinedFunction.FindStringSubmatch(e.Message); match != nil {
		if _, known := ast.BuiltinMap[match[1]]; known {
			return "unsupported_builtin", "the gateway does not run this builtin: decide on what the request carries, or put " +
				"what the rule needs into the bundle's data; policies/host-builtins.json lists what the host adds"
		}
		return "undefined_function", "define it, or import the package that does"
	}
	switch {
	case e.Code == ast.TypeErr && strings.HasPrefix(e.Message, "undefined ref"):
		return "undefined_field", "compare with the plane's request.schema.json: a misspelt field would be undefined, and a rule over " +
			"it would silently never fire"
	case e.Code == ast.ParseErr:
		return e.Code, "correct the syntax at this place"
	default:
		return e.Code, "correct the rule at this place"
	}
}
