package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/util"
)

// A pack is what becomes one bundle: named source directories, read in the order given, and what they are judged by.
// Paths in its file are relative to that file.
type pack struct {
	Name string `json:"name"`
	// Planes in the order of their entrypoints: the compiled bytes depend on it.
	Planes []plane `json:"planes"`
	// Sources are directories with *.rego, *_test.rego and data/*.yaml in them.
	Sources      []string `json:"sources"`
	Controls     string   `json:"controls"`
	Capabilities string   `json:"capabilities"`
	SelfTest     string   `json:"self_test"`

	dir          string
	modules      []module
	tests        []module
	data         map[string]any
	capabilities *ast.Capabilities
}

// A plane has one entrypoint, data.countersign.<id>.verdict, and a JSON Schema that types its input.
type plane struct {
	ID     string `json:"id"`
	Schema string `json:"schema"`
}

func (p plane) entrypoint() string { return "countersign/" + p.ID + "/verdict" }

// A module's name is its path from the pack's directory with slashes: it goes into the compiled bytes.
type module struct {
	name   string
	raw    []byte
	parsed *ast.Module
}

func readPack(file string) (*pack, error) {
	raw, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	p := &pack{dir: filepath.Dir(file), data: map[string]any{}}
	decoder := json.NewDecoder(bytes.NewReader(raw))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(p); err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	if p.Name == "" || len(p.Planes) == 0 || len(p.Sources) == 0 || p.Controls == "" || p.Capabilities == "" {
		return nil, fmt.Errorf("%s: name, planes, sources, controls and capabilities are all required", file)
	}
	if err := p.checkTwice(); err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	if p.capabilities, err = ast.LoadCapabilitiesFile(p.path(p.Capabilities)); err != nil {
		return nil, fmt.Errorf("%s: %w", p.Capabilities, err)
	}
	p.capabilities.AllowNet = []string{} // nil would let a schema's $ref fetch from anywhere
	found := &findingsError{}
	for _, source := range p.Sources {
		if err := p.readSource(source, found); err != nil {
			return nil, err
		}
	}
	return p, found.orNil()
}

// checkTwice: two merges that each add a plane would otherwise make a bundle in which one of them counts.
func (p *pack) checkTwice() error {
	seen := map[string]bool{}
	names := slices.Clone(p.Sources)
	for _, plane := range p.Planes {
		names = append(names, "plane "+plane.ID)
	}
	for _, name := range names {
		if seen[name] {
			return fmt.Errorf("%s is listed twice; leave one", name)
		}
		seen[name] = true
	}
	return nil
}

func (p *pack) path(relative string) string {
	return filepath.Join(p.dir, filepath.FromSlash(relative))
}

// readSource walks in lexical order. What it doesn't know it leaves alone, but never a link: it could lead anywhere.
func (p *pack) readSource(source string, found *findingsError) error {
	return filepath.WalkDir(p.path(source), func(file string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if entry.IsDir() {
			return nil
		}
		if !entry.Type().IsRegular() {
			return fmt.Errorf("%s: expected a regular file", file)
		}
		relative, err := filepath.Rel(p.dir, file)
		if err != nil {
			return err
		}
		raw, err := os.ReadFile(file)
		if err != nil {
			return err
		}
		return p.add(filepath.ToSlash(relative), raw, found)
	})
}

func (p *pack) add(name string, raw []byte, found *findingsError) error {
	switch {
	case strings.HasSuffix(name, ".rego"):
		p.addModule(name, raw, found)
	case path.Base(path.Dir(name)) == "data" && slices.Contains([]string{".yaml", ".json"}, path.Ext(name)):
		return p.addData(name, raw)
	}
	return nil
}

func (p *pack) addModule(name string, raw []byte, found *findingsError) {
	// Parsed with all that OPA knows: a builtin outside our capabilities is the compiler's finding, with its place.
	options := ast.ParserOptions{ProcessAnnotation: true, RegoVersion: ast.RegoV1}
	parsed, err := ast.ParseModuleWithOpts(name, string(raw), options)
	if err != nil {
		found.addOPA(err)
		return
	}
	if strings.HasSuffix(name, "_test.rego") {
		p.tests = append(p.tests, module{name, raw, parsed})
		return
	}
	p.modules = append(p.modules, module{name, raw, parsed})
}

// addData puts a file's top-level keys at the root of `data`. A key has one owner: merging would hide a mistake.
func (p *pack) addData(name string, raw []byte) error {
	var document map[string]any
	if err := util.Unmarshal(raw, &document); err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	for key, value := range document {
		if _, taken := p.data[key]; taken || key == "countersign" {
			return fmt.Errorf("%s: %q is already taken; a top-level key belongs to one file", name, key)
		}
		p.data[key] = value
	}
	return nil
}

// parsedModules are fresh copies: the compiler rewrites what it is given.
func parsedModules(modules []module) map[string]*ast.Module {
	parsed := make(map[string]*ast.Module, len(modules))
	for _, m := range modules {
		parsed[m.name] = m.parsed.Copy()
	}
	return parsed
}

// compiler knows our host's builtins only, and is strict about unused and shadowed names.
func (p *pack) compiler() *ast.Compiler {
	return ast.NewCompiler().WithCapabilities(p.capabilities).WithStrict(true).WithUseTypeCheckAnnotations(true)
}

func (p *pack) plane(id string) (plane, error) {
	for _, candidate := range p.Planes {
		if candidate.ID == id {
			return candidate, nil
		}
	}
	return plane{}, errors.New("no such plane in this pack: " + id)
}
