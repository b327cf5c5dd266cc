package main

import (
	"github.com/open-policy-agent/opa/v1/ast"
)

// integerKeys finds `data.limits[2]` where the data has an object with the key "2": OPA's store takes the number for that
// text, the compiled module does not, and a rule over it would silently never fire.
func integerKeys(parsed *ast.Module, data map[string]any, found *findingsError) {
	ast.WalkRefs(parsed, func(ref ast.Ref) bool {
		if !ref.HasPrefix(ast.DefaultRootRef) {
			return false
		}
		if at := integerKey(ref[1:], data); at >= 0 {
			found.at(parsed.Package.Location, "integer_key", "write the key as text: [\""+ref[1+at].String()+"\"]",
				"%s looks up a number where the data's keys are text", ref)
			found.findings[len(found.findings)-1].Line = lineOf(ref, parsed)
		}
		return false
	})
}

func lineOf(ref ast.Ref, parsed *ast.Module) int {
	for _, term := range ref {
		if term.Location != nil {
			return term.Location.Row
		}
	}
	return parsed.Package.Location.Row
}

// integerKey is the place in the path where a number meets an object, else -1.
func integerKey(path ast.Ref, data map[string]any) int {
	var at any = data
	for i, term := range path {
		object, isObject := at.(map[string]any)
		switch key := term.Value.(type) {
		case ast.Number:
			if isObject {
				return i
			}
			list, isList := at.([]any)
			index, whole := key.Int()
			if !isList || !whole || index < 0 || index >= len(list) {
				return -1
			}
			at = list[index]
		case ast.String:
			if at = object[string(key)]; at == nil {
				return -1
			}
		default:
			return -1
		}
	}
	return -1
}
