// Command regoc is Countersign's Rego compiler, checker and test runner: a small front to OPA's own packages, so that
// the gateway itself needs neither Go nor a compiler. Every command writes one JSON document to standard output.
//
// Exit codes: 0 nothing to object to; 1 findings (what the JSON says); 2 it could not be done at all.
package main

import (
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
)

const (
	exitOK       = 0
	exitFindings = 1
	exitFailure  = 2
)

const usage = `regoc <command> --pack FILE [flags]
  build         compile a pack to a bundle (--out FILE [--revision R] [--git-revision R [--git-dirty]])
  check         types, capabilities, metadata and controls
  test          unit tests with coverage (--threshold PERCENT, default 100)
  eval          one request through the interpreter (--plane ID, request on standard input; --lines for many)
  explain       which rules a request met, and where the others stopped (--plane ID, request on standard input)
  fmt           list unformatted files of the pack; --write rewrites them
  cases         OPA's own test cases (--dir) compiled for our host (--capabilities FILE), a line of JSON each
  capabilities  what the gateway's host can run, from --host FILE (a JSON list of builtin names)
`

// A command returns what it prints and whether that holds findings; an error means it could not be done.
type command func(args []string, stdin io.Reader) (report any, clean bool, err error)

var commands = map[string]command{
	"build":        buildCommand,
	"check":        checkCommand,
	"test":         testCommand,
	"eval":         evalCommand,
	"explain":      explainCommand,
	"fmt":          fmtCommand,
	"capabilities": capabilitiesCommand,
	"cases":        casesCommand,
}

func main() {
	os.Exit(run(os.Args[1:], os.Stdin, os.Stdout, os.Stderr))
}

func run(args []string, stdin io.Reader, stdout, stderr io.Writer) int {
	if len(args) == 0 || commands[args[0]] == nil {
		fmt.Fprint(stderr, usage)
		return exitFailure
	}
	report, clean, err := commands[args[0]](args[1:], stdin)
	if found := new(findingsError); errors.As(err, &found) {
		report, clean, err = found.report(), false, nil
	}
	if err != nil {
		fmt.Fprintf(stderr, "regoc %s: %v\n", args[0], err)
		return exitFailure
	}
	if report == nil { // it has written lines of its own
		return exitOK
	}
	encoder := json.NewEncoder(stdout)
	encoder.SetEscapeHTML(false)
	encoder.SetIndent("", "  ")
	if err := encoder.Encode(report); err != nil {
		fmt.Fprintf(stderr, "regoc %s: %v\n", args[0], err)
		return exitFailure
	}
	if !clean {
		return exitFindings
	}
	return exitOK
}

// packFlags is a flag set with the one flag that nearly all commands share.
func packFlags(name string) (*flag.FlagSet, *string) {
	flags := flag.NewFlagSet(name, flag.ContinueOnError)
	return flags, flags.String("pack", "", "the pack's JSON `file`")
}

// parsePack reads the command's flags and the pack that they name, with all its sources.
func parsePack(flags *flag.FlagSet, path *string, args []string) (*pack, error) {
	if err := flags.Parse(args); err != nil {
		return nil, err
	}
	if *path == "" || flags.NArg() > 0 {
		return nil, fmt.Errorf("expected --pack FILE and flags, found %q", args)
	}
	return readPack(*path)
}
