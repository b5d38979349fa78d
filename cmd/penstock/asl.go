package main

import (
	"context"
	"fmt"
	"strings"

	"penstock/internal/asl"
)

type aslCmd struct {
	File  string `arg:"" predictor:"file" help:"The state machine, in Amazon States Language with JSONPath."`
	Input string `default:"{}" placeholder:"JSON" help:"The execution's input; @FILE reads it from a file (${default})."`
	Mock  string `predictor:"file" placeholder:"FILE" help:"Answers of the tasks, by state."`
	Seed  uint64 `placeholder:"N" help:"Of jitter and random functions."`
}

// Help implements kong.HelpProvider.
func (aslCmd) Help() string {
	return `Runs under a virtual clock, so that hours of waiting take no time, and prints status, output, error, cause and history as JSON. What the interpreter does not implement is refused with exit code 2, never ignored. An execution that fails is no error.

The mock file has a list of answers for each task, one for each attempt, of which the last repeats:
{"State": [{"error": "Name", "cause": "..."}, {"result": {}}]}

Examples:

  penstock asl statemachines/hour.asl.json --input '{"hour":"2026-11-23T07"}' --mock mocks.json
  penstock asl machine.asl.json --input @input.json
`
}

const maxDefinition = 1 << 20 // Step Functions takes 1 MB

func (cmd aslCmd) Run(_ context.Context, c *console) error {
	s := asl.Simulation{Input: []byte(cmd.Input), Seed: cmd.Seed}
	var err error
	if s.Definition, err = readFile(cmd.File, maxDefinition); err != nil {
		return err
	}
	if name, ok := strings.CutPrefix(cmd.Input, "@"); ok {
		if s.Input, err = readFile(name, maxDefinition); err != nil {
			return err
		}
	}
	if cmd.Mock != "" {
		if s.Mocks, err = readFile(cmd.Mock, 16*maxDefinition); err != nil {
			return err
		}
	}
	report, err := asl.Simulate(s)
	switch {
	case is[*asl.LoadError](err):
		return &failure{exitUsage, fmt.Errorf("%s is refused: %w", cmd.File, err)}
	case is[*asl.MockError](err), is[*asl.RequestError](err):
		return &failure{exitUsage, err}
	case err != nil:
		return err
	}
	return c.printJSON(report)
}
