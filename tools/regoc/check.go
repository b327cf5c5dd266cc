package main

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"github.com/open-policy-agent/opa/v1/ast"
)

func checkCommand(args []string, _ io.Reader) (any, bool, error) {
	flags, file := packFlags("check")
	p, err := parsePack(flags, file, args)
	if err != nil {
		return nil, false, err
	}
	if _, _, err := p.check(); err != nil {
		return nil, false, err
	}
	return checkReport{(&findingsError{}).report(), p.readSet()}, true, nil
}

// checkReport also tells what the pack reads of a request; null where it uses `input` whole.
type checkReport struct {
	findingsReport
	Reads [][]string `json:"reads"`
}

// check gives the rule index and the control pack, or a findingsError with all that is wrong.
func (p *pack) check() ([]ruleEntry, *controlPack, error) {
	controls, err := readControls(p.path(p.Controls))
	if err != nil {
		return nil, nil, err
	}
	found := &findingsError{}
	rules := indexRules(p.modules, controls, found)
	p.checkPackages(found)
	p.checkNames(found)
	checkConflicts(p.modules, found)
	for _, m := range p.modules {
		integerKeys(m.parsed, p.data, found)
	}
	for _, plane := range p.Planes {
		if err := p.checkPlane(plane, found); err != nil {
			return nil, nil, err
		}
	}
	return rules, controls, found.orNil()
}

// checkPackages: a rule in a misspelt package would compile, and never be asked.
func (p *pack) checkPackages(found *findingsError) {
	for _, m := range p.modules {
		if owner := planeOf(m); owner != libraryPackage && !p.hasPlane(owner) {
			found.at(m.parsed.Package.Location, "unreachable_package",
				"use package countersign.<plane> with a plane of this pack, or countersign.lib",
				"no entrypoint reaches %s", m.parsed.Package.Path)
		}
	}
}

const libraryPackage = "lib"

// planeOf is the second word of `countersign.<word>…`, else "".
func planeOf(m module) string {
	words := strings.Split(strings.TrimPrefix(m.parsed.Package.Path.String(), "data."), ".")
	if len(words) < 2 || words[0] != "countersign" {
		return ""
	}
	return words[1]
}

func (p *pack) hasPlane(id string) bool {
	return slices.ContainsFunc(p.Planes, func(candidate plane) bool { return candidate.ID == id })
}

// checkNames: a rule named like an operator's builtin takes the operator's place in its whole package.
func (p *pack) checkNames(found *findingsError) {
	for _, m := range p.modules {
		for _, rule := range m.parsed.Rules {
			builtin, taken := ast.BuiltinMap[rule.Head.Name.String()]
			if taken && builtin.Infix != "" {
				found.at(rule.Location, "shadows_operator", "choose another name",
					"a rule named %s changes what %s means in its package", builtin.Name, builtin.Infix)
			}
		}
	}
}

// checkPlane types the plane's own rules, and the library under them, by the schema of that plane's request.
func (p *pack) checkPlane(plane plane, found *findingsError) error {
	raw, err := os.ReadFile(p.path(plane.Schema))
	if err != nil {
		return err
	}
	var schema any
	if err := json.Unmarshal(raw, &schema); err != nil {
		return fmt.Errorf("%s: %w", plane.Schema, err)
	}
	schemas := ast.NewSchemaSet()
	schemas.Put(ast.SchemaRootRef, schema)
	modules := slices.DeleteFunc(slices.Clone(p.modules), func(m module) bool {
		owner := planeOf(m)
		return owner != libraryPackage && owner != plane.ID
	})
	for _, m := range modules {
		for _, rule := range m.parsed.Rules {
			if planeOf(m) == plane.ID && !neverFires(rule) {
				checkFires(rule, schema, found)
			}
		}
	}
	// Print statements are kept so that they are found; a build would drop them without a word.
	compiler := p.compiler().WithSchemas(schemas).WithEnablePrintStatements(true)
	if compiler.Compile(parsedModules(modules)); compiler.Failed() {
		found.addOPA(compiler.Errors)
		return nil
	}
	if entrypoint := ast.MustParseRef("data." + strings.ReplaceAll(plane.entrypoint(), "/", ".")); len(compiler.GetRules(entrypoint)) == 0 {
		found.at(nil, "entrypoint", "define it; policies/postgres/main.rego shows how", "%s is not defined", entrypoint)
	}
	return nil
}
