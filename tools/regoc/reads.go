package main

import (
	"slices"

	"github.com/open-policy-agent/opa/v1/ast"
)

// readSet lists every part of `input` that a pack's modules name, as paths, each the shortest under which something is
// read; nil where a module uses `input` whole. It leaves out only modules whose package nothing refers to, and takes all
// rules of the others: a path too many costs a few bytes of a cache's key, a path too few would answer one request with
// another's verdict.
func (p *pack) readSet() [][]string {
	reads := &inputReads{paths: [][]string{}}
	for _, m := range p.reachable() {
		for _, imported := range m.parsed.Imports {
			reads.walk(imported.Path)
		}
		for _, rule := range m.parsed.Rules {
			reads.walk(rule)
		}
	}
	if reads.whole {
		return nil
	}
	return shortest(reads.paths)
}

// reachable are the planes' own modules, and those that a reachable one refers to, however vaguely. References are taken
// from what the compiler made of them, where imports are written out.
func (p *pack) reachable() []module {
	compiler := p.compiler()
	if compiler.Compile(parsedModules(p.modules)); compiler.Failed() {
		return p.modules
	}
	reached := map[string]bool{}
	var queue []module
	reach := func(wanted func(module) bool) {
		for _, m := range p.modules {
			if !reached[m.name] && wanted(m) {
				reached[m.name] = true
				queue = append(queue, m)
			}
		}
	}
	reach(func(m module) bool { return p.hasPlane(planeOf(m)) })
	for at := 0; at < len(queue); at++ {
		for _, ref := range dataRefs(compiler.Modules[queue[at].name]) {
			reach(func(m module) bool {
				return m.parsed.Package.Path.HasPrefix(ref) || ref.HasPrefix(m.parsed.Package.Path)
			})
		}
	}
	return slices.DeleteFunc(slices.Clone(p.modules), func(m module) bool { return !reached[m.name] })
}

// dataRefs are the references into `data`, each as far as it is constant.
func dataRefs(m *ast.Module) []ast.Ref {
	var refs []ast.Ref
	for _, rule := range m.Rules {
		ast.WalkRefs(rule, func(ref ast.Ref) bool {
			if ref.HasPrefix(ast.DefaultRootRef) {
				refs = append(refs, ref.ConstantPrefix())
			}
			return false
		})
	}
	return refs
}

type inputReads struct {
	paths [][]string
	whole bool
}

func (r *inputReads) walk(node any) {
	ast.NewGenericVisitor(func(node any) bool {
		switch node := node.(type) {
		case ast.Ref:
			return r.ref(node)
		case ast.Var:
			r.whole = r.whole || isInput(node)
		}
		return false
	}).Walk(node)
}

// ref takes a reference into `input` as a path; what stands in its brackets is walked like anything else.
func (r *inputReads) ref(ref ast.Ref) bool {
	if !isInput(ref[0].Value) {
		return false
	}
	path := constantPrefix(ref[1:])
	r.paths = append(r.paths, path)
	r.whole = r.whole || len(path) == 0
	for _, term := range ref[1:] {
		r.walk(term)
	}
	return true
}

func isInput(value ast.Value) bool {
	name, ok := value.(ast.Var)
	return ok && name.Equal(ast.InputRootDocument.Value)
}

// constantPrefix ends at the first variable: everything below that point may be read.
func constantPrefix(terms []*ast.Term) []string {
	path := []string{}
	for _, term := range terms {
		key, ok := term.Value.(ast.String)
		if !ok {
			break
		}
		path = append(path, string(key))
	}
	return path
}

// shortest drops each path that lies below another one. In order, a path follows what it lies below.
func shortest(paths [][]string) [][]string {
	slices.SortFunc(paths, slices.Compare)
	kept := [][]string{}
	for _, path := range paths {
		last := len(kept) - 1
		if last >= 0 && len(path) >= len(kept[last]) && slices.Equal(path[:len(kept[last])], kept[last]) {
			continue
		}
		kept = append(kept, path)
	}
	return kept
}
