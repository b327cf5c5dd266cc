// OPA itself, for test/bench/policy.ts: its command line as it is, and its library timed in this process.
//
//	library DIR   loads DIR; for each line `{"query", "input", "runs"}` answers `{"nanoseconds", "result"}`
//	anything else OPA's own command, such as `run --server`
package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"time"

	"github.com/open-policy-agent/opa/cmd"
	"github.com/open-policy-agent/opa/v1/rego"
	"github.com/open-policy-agent/opa/v1/util"
)

func main() {
	if len(os.Args) == 3 && os.Args[1] == "library" {
		if err := library(context.Background(), os.Args[2]); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	if err := cmd.RootCommand.Execute(); err != nil {
		os.Exit(1)
	}
}

type question struct {
	Query string          `json:"query"`
	Input json.RawMessage `json:"input"`
	Runs  int             `json:"runs"`
}

type timing struct {
	Nanoseconds []int64 `json:"nanoseconds"`
	Result      any     `json:"result"`
}

func library(ctx context.Context, dir string) error {
	prepared := map[string]rego.PreparedEvalQuery{}
	lines := bufio.NewScanner(os.Stdin)
	lines.Buffer(nil, 1<<20)
	answers := json.NewEncoder(os.Stdout)
	for lines.Scan() {
		var asked question
		if err := json.Unmarshal(lines.Bytes(), &asked); err != nil {
			return err
		}
		query, known := prepared[asked.Query]
		if !known {
			var err error
			if query, err = rego.New(rego.Query(asked.Query), rego.Load([]string{dir}, nil)).PrepareForEval(ctx); err != nil {
				return err
			}
			prepared[asked.Query] = query
		}
		timed, err := decide(ctx, query, asked)
		if err != nil {
			return err
		}
		if err := answers.Encode(timed); err != nil {
			return err
		}
	}
	return lines.Err()
}

// decide begins with the request's JSON each time, as the gateway's module and OPA's server do.
func decide(ctx context.Context, query rego.PreparedEvalQuery, asked question) (timing, error) {
	timed := timing{Nanoseconds: make([]int64, 0, asked.Runs)}
	for range asked.Runs {
		start := time.Now()
		var input any
		if err := util.NewJSONDecoder(bytes.NewReader(asked.Input)).Decode(&input); err != nil {
			return timed, err
		}
		results, err := query.Eval(ctx, rego.EvalInput(input))
		timed.Nanoseconds = append(timed.Nanoseconds, time.Since(start).Nanoseconds())
		if err != nil {
			return timed, err
		}
		if len(results) != 1 {
			return timed, fmt.Errorf("%s is undefined", asked.Query)
		}
		timed.Result = results[0].Expressions[0].Value
	}
	return timed, nil
}
