package main

import (
	"strings"

	"github.com/open-policy-agent/opa/v1/ast"
)

// checkFires finds rules whose body can't be true: two different values wanted of one field, a value that the schema's list
// of them hasn't got, or a plain falsehood. Such a rule is somebody's control that never works.
func checkFires(rule *ast.Rule, schema any, found *findingsError) {
	wanted := map[string]*ast.Term{}
	for _, expr := range rule.Body {
		if why := neverTrue(expr, schema, wanted); why != "" {
			found.at(expr.Location, "never_fires", "correct the value, or remove the rule: it can't fire", "%s", why)
		}
	}
}

func neverTrue(expr *ast.Expr, schema any, wanted map[string]*ast.Term) string {
	if expr.Negated || len(expr.With) > 0 {
		return ""
	}
	if term, ok := expr.Terms.(*ast.Term); ok && term.Equal(ast.BooleanTerm(false)) {
		return "the body of this rule is false"
	}
	left, right, ok := equality(expr)
	if !ok {
		return ""
	}
	if isScalar(left) && isScalar(right) {
		if left.Equal(right) {
			return ""
		}
		return left.String() + " is never " + right.String()
	}
	if isScalar(left) {
		left, right = right, left
	}
	ref, isRef := left.Value.(ast.Ref)
	if !isRef || !isScalar(right) || !ref.IsGround() || !ref.HasPrefix(ast.InputRootRef) {
		return ""
	}
	if before, taken := wanted[ref.String()]; taken && !before.Equal(right) {
		return ref.String() + " can't be both " + before.String() + " and " + right.String()
	}
	wanted[ref.String()] = right
	if known := enumAt(schema, schema, ref[1:]); known != nil && !contains(known, right) {
		return ref.String() + " is never " + right.String() + "; the schema knows " + strings.Join(known, ", ")
	}
	return ""
}

func equality(expr *ast.Expr) (left, right *ast.Term, ok bool) {
	if !expr.IsCall() || len(expr.Operands()) != 2 {
		return nil, nil, false
	}
	name := expr.Operator().String()
	return expr.Operand(0), expr.Operand(1), name == ast.Equal.Name || name == ast.Equality.Name
}

func isScalar(term *ast.Term) bool {
	switch term.Value.(type) {
	case ast.String, ast.Number, ast.Boolean, ast.Null:
		return true
	}
	return false
}

// enumAt is what the schema lists for a path, as Rego writes it; nil where it lists nothing.
func enumAt(root, schema any, path ast.Ref) []string {
	object, ok := resolved(root, schema).(map[string]any)
	if !ok {
		return nil
	}
	if len(path) == 0 {
		return listed(object)
	}
	if key, isText := path[0].Value.(ast.String); isText {
		properties, _ := object["properties"].(map[string]any)
		return enumAt(root, properties[string(key)], path[1:])
	}
	return enumAt(root, object["items"], path[1:])
}

func resolved(root, schema any) any {
	object, _ := schema.(map[string]any)
	ref, isRef := object["$ref"].(string)
	if !isRef || !strings.HasPrefix(ref, "#/") {
		return schema
	}
	at := root
	for _, word := range strings.Split(ref[2:], "/") {
		inner, _ := at.(map[string]any)
		at = inner[word]
	}
	return at
}

func listed(object map[string]any) []string {
	values, isList := object["enum"].([]any)
	if constant, isConst := object["const"]; isConst {
		values, isList = []any{constant}, true
	}
	if !isList {
		return nil
	}
	names := make([]string, 0, len(values))
	for _, value := range values {
		known, err := ast.InterfaceToValue(value)
		if err != nil {
			return nil
		}
		names = append(names, known.String())
	}
	return names
}

func contains(names []string, term *ast.Term) bool {
	for _, name := range names {
		if name == term.String() {
			return true
		}
	}
	return false
}

// checkConflicts finds complete rules that give two values on the same condition: whichever request meets it gets neither,
// because the evaluation fails.
func checkConflicts(modules []module, found *findingsError) {
	seen := map[string][]*ast.Rule{}
	for _, m := range modules {
		for _, rule := range m.parsed.Rules {
			if rule.Default || rule.Head.RuleKind() == ast.MultiValue || len(rule.Head.Args) > 0 || rule.Head.Value == nil {
				continue
			}
			name := m.parsed.Package.Path.String() + "." + rule.Head.Ref().String()
			for _, other := range seen[name] {
				if isScalar(rule.Head.Value) && isScalar(other.Head.Value) && !rule.Head.Value.Equal(other.Head.Value) && rule.Body.Equal(other.Body) {
					found.at(rule.Location, "conflict", "keep one of them, or let their conditions exclude each other",
						"%s is %s here and %s at %s:%d, on the same condition", rule.Head.Ref(), rule.Head.Value, other.Head.Value,
						other.Location.File, other.Location.Row)
				}
			}
			seen[name] = append(seen[name], rule)
		}
	}
}
