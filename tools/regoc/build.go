package main

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"

	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/bundle"
	"github.com/open-policy-agent/opa/v1/compile"
	"github.com/open-policy-agent/opa/v1/util"
	"github.com/open-policy-agent/opa/v1/version"
)

type buildReport struct {
	OK          bool     `json:"ok"`
	File        string   `json:"file"`
	SHA256      string   `json:"sha256"`
	Bytes       int      `json:"bytes"`
	Revision    string   `json:"revision"`
	Entrypoints []string `json:"entrypoints"`
	Rules       int      `json:"rules"`
	SelfTests   int      `json:"self_tests"`
}

// selfTest is a vector that the gateway replays through the WASM module before it lets a bundle decide.
type selfTest struct {
	Name       string `json:"name"`
	Entrypoint string `json:"entrypoint"`
	Input      any    `json:"input"`
	Result     any    `json:"result"`
}

// source is told, never looked up: a committed bundle must rebuild to the same bytes in any checkout.
type source struct {
	Revision string `json:"revision"`
	Dirty    bool   `json:"dirty"`
}

func buildCommand(args []string, _ io.Reader) (any, bool, error) {
	flags, file := packFlags("build")
	out := flags.String("out", "", "the bundle `file` to write")
	revision := flags.String("revision", "", "revision of the bundle; default: its content's digest")
	git := flags.String("git-revision", "", "commit to record in the bundle's metadata")
	dirty := flags.Bool("git-dirty", false, "record that the tree had uncommitted changes")
	p, err := parsePack(flags, file, args)
	if err != nil {
		return nil, false, err
	}
	if *out == "" {
		return nil, false, errors.New("expected --out FILE")
	}
	var from *source
	if *git != "" {
		from = &source{*git, *dirty}
	}
	report, raw, err := p.build(context.Background(), *revision, from)
	if err != nil {
		return nil, false, err
	}
	report.File = *out
	return report, true, writeFile(*out, raw)
}

// writeFile renames into place: whoever reads the bundle sees the old one or the new one whole.
func writeFile(name string, raw []byte) error {
	if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		return err
	}
	temporary := name + ".new"
	if err := os.WriteFile(temporary, raw, 0o644); err != nil {
		return err
	}
	return os.Rename(temporary, name)
}

func (p *pack) build(ctx context.Context, revision string, from *source) (*buildReport, []byte, error) {
	rules, controls, err := p.check()
	if err != nil {
		return nil, nil, err
	}
	vectors, err := p.selfTests(ctx)
	if err != nil {
		return nil, nil, err
	}
	wasm, manifest, err := p.compileWASM(ctx)
	if err != nil {
		return nil, nil, err
	}
	data, err := json.Marshal(p.data)
	if err != nil {
		return nil, nil, err
	}
	if revision == "" {
		revision = fmt.Sprintf("%s-%.16x", p.Name, sha256.Sum256(slices.Concat(wasm, data)))
	}
	manifest.Revision = revision
	if manifest.Metadata, err = p.metadata(rules, controls, vectors, from); err != nil {
		return nil, nil, err
	}
	raw, err := archive(wasm, data, manifest)
	return &buildReport{OK: true, SHA256: fmt.Sprintf("%x", sha256.Sum256(raw)), Bytes: len(raw), Revision: revision,
		Entrypoints: p.entrypoints(), Rules: len(rules), SelfTests: len(vectors)}, raw, err
}

func (p *pack) entrypoints() []string {
	names := make([]string, len(p.Planes))
	for i, plane := range p.Planes {
		names[i] = plane.entrypoint()
	}
	return names
}

// compileWASM never optimizes: -O1 and -O2 inline base data into the module, which then answers by data that was replaced.
func (p *pack) compileWASM(ctx context.Context) ([]byte, *bundle.Manifest, error) {
	unit := &bundle.Bundle{Data: p.data}
	unit.Manifest.Init()
	unit.Manifest.Roots = p.roots()
	for _, m := range p.modules {
		name := "/" + m.name
		unit.Modules = append(unit.Modules, bundle.ModuleFile{URL: name, Path: name, RelativePath: name, Raw: m.raw, Parsed: m.parsed.Copy()})
	}
	compiler := compile.New().WithTarget(compile.TargetWasm).WithBundle(unit).WithEntrypoints(p.entrypoints()...).
		WithCapabilities(p.capabilities).WithRegoVersion(ast.RegoV1).WithOptimizationLevel(0)
	if err := compiler.Build(ctx); err != nil {
		return nil, nil, err
	}
	compiled := compiler.Bundle()
	if len(compiled.WasmModules) != 1 {
		return nil, nil, fmt.Errorf("expected one WASM module, the compiler made %d", len(compiled.WasmModules))
	}
	manifest := &bundle.Manifest{Roots: p.roots(), WasmResolvers: compiled.Manifest.WasmResolvers}
	return compiled.WasmModules[0].Raw, manifest, nil
}

// roots is all that this bundle owns of `data`.
func (p *pack) roots() *[]string {
	roots := append(util.KeysSorted(p.data), "countersign")
	slices.Sort(roots)
	return &roots
}

func (p *pack) metadata(rules []ruleEntry, controls *controlPack, vectors []selfTest, from *source) (map[string]any, error) {
	capabilities, err := os.ReadFile(p.path(p.Capabilities))
	if err != nil {
		return nil, err
	}
	metadata := map[string]any{
		"pack":                p.Name,
		"compiler":            "opa " + version.Version,
		"capabilities_sha256": fmt.Sprintf("%x", sha256.Sum256(capabilities)),
		"control_pack":        map[string]string{"version": controls.Version, "digest": controls.Digest},
		"rules":               rules,
		"self_test":           vectors,
	}
	if reads := p.readSet(); reads != nil {
		metadata["reads"] = reads
	}
	if from != nil {
		metadata["source"] = from
	}
	return metadata, nil
}

// selfTests reads the pack's vectors and refuses one whose wanted result the interpreter does not give.
func (p *pack) selfTests(ctx context.Context) ([]selfTest, error) {
	vectors := []selfTest{}
	if p.SelfTest == "" {
		return vectors, nil
	}
	files, err := filepath.Glob(filepath.Join(p.path(p.SelfTest), "*.json"))
	if err != nil || len(files) == 0 {
		return nil, fmt.Errorf("%s: expected at least one *.json: %w", p.SelfTest, err)
	}
	for _, file := range files {
		vector, err := p.selfTest(ctx, file)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", file, err)
		}
		vectors = append(vectors, vector)
	}
	return vectors, nil
}

func (p *pack) selfTest(ctx context.Context, file string) (selfTest, error) {
	var read struct {
		Plane  string          `json:"plane"`
		Input  json.RawMessage `json:"input"`
		Result any             `json:"result"`
	}
	raw, err := os.ReadFile(file)
	if err != nil {
		return selfTest{}, err
	}
	if err := util.UnmarshalJSON(raw, &read); err != nil {
		return selfTest{}, err
	}
	plane, err := p.plane(read.Plane)
	if err != nil {
		return selfTest{}, err
	}
	got, err := p.evaluate(ctx, plane, read.Input)
	if err != nil {
		return selfTest{}, err
	}
	if !sameJSON(got, read.Result) {
		text, err := json.Marshal(got)
		return selfTest{}, fmt.Errorf("the policy answers %s; correct the policy or the vector's result: %w", text, errors.Join(errVector, err))
	}
	return selfTest{filepath.Base(file), plane.entrypoint(), read.Input, read.Result}, nil
}

var errVector = errors.New("self-test vector not met")
