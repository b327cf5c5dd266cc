package main

import (
	"bytes"
	"io"
	"slices"

	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/format"
)

type formatReport struct {
	OK bool `json:"ok"`
	// Files that are not as the formatter writes them, or were not before --write.
	Files []string `json:"files"`
}

func fmtCommand(args []string, _ io.Reader) (any, bool, error) {
	flags, file := packFlags("fmt")
	write := flags.Bool("write", false, "rewrite the files in place")
	p, err := parsePack(flags, file, args)
	if err != nil {
		return nil, false, err
	}
	report := formatReport{Files: []string{}}
	for _, m := range slices.Concat(p.modules, p.tests) {
		formatted, err := format.SourceWithOpts(m.name, m.raw, format.Opts{RegoVersion: ast.RegoV1})
		if err != nil {
			return nil, false, err
		}
		if bytes.Equal(formatted, m.raw) {
			continue
		}
		report.Files = append(report.Files, m.name)
		if *write {
			if err := writeFile(p.path(m.name), formatted); err != nil {
				return nil, false, err
			}
		}
	}
	report.OK = len(report.Files) == 0
	return report, report.OK || *write, nil
}
