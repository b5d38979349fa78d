package rollup

import (
	"bytes"
	"errors"
	"flag"
	"fmt"
	"io"
	"strings"
)

// Command is what the rollup program was asked to do.
type Command struct {
	// Role is "map", "combine" or "reduce".
	Role string
	// Spec is what to map; the other roles need none.
	Spec Spec
}

const usage = `rollup counts and sums newline-delimited JSON events by group, for Hadoop Streaming.

  rollup map [--group FIELD,...] [--count NAME[:FIELD=VALUE]]... [--sum NAME:FIELD]... [--text]
  rollup combine
  rollup reduce

All read standard input and write standard output. The measures come out in the
order of the flags. --text takes events that are no JSON: only counts make sense.

  rollup map --group status,method --count requests --sum bytes:bytes
`

// ErrHelp says that the arguments asked for help.
var ErrHelp = errors.New("help was asked for")

// ParseCommand reads the arguments of the rollup program, without its name.
func ParseCommand(args []string) (Command, error) {
	if len(args) == 0 {
		return Command{}, errors.New("want map, combine or reduce")
	}
	c := Command{Role: args[0]}
	flags := flag.NewFlagSet("rollup "+c.Role, flag.ContinueOnError)
	flags.SetOutput(io.Discard)
	switch c.Role {
	case "map":
		c.Spec.define(flags)
	case "combine", "reduce":
	case "help", "-h", "-help", "--help":
		return Command{}, ErrHelp
	default:
		return Command{}, fmt.Errorf("unknown role %q: want map, combine or reduce", c.Role)
	}
	switch err := flags.Parse(args[1:]); {
	case errors.Is(err, flag.ErrHelp):
		return Command{}, ErrHelp
	case err != nil:
		return Command{}, fmt.Errorf("rollup %s: %w", c.Role, err)
	case flags.NArg() > 0:
		return Command{}, fmt.Errorf("rollup %s: unexpected argument %q", c.Role, flags.Arg(0))
	}
	if c.Role == "map" {
		return c, c.Spec.Validate()
	}
	return c, nil
}

func (s *Spec) define(flags *flag.FlagSet) {
	flags.Func("group", "fields that make the key", func(v string) error {
		s.Group = append(s.Group, strings.Split(v, ",")...)
		return nil
	})
	each := func(parse func(string) (Measure, error)) func(string) error {
		return func(v string) error {
			for part := range strings.SplitSeq(v, ",") {
				m, err := parse(part)
				if err != nil {
					return err
				}
				s.Measures = append(s.Measures, m)
			}
			return nil
		}
	}
	flags.Func("count", "events, or those that meet a condition", each(ParseCount))
	flags.Func("sum", "a field's sum", each(ParseSum))
	flags.BoolVar(&s.Text, "text", false, "events are lines of text")
}

// Run does what the command says and reports the counters on stderr.
func (c Command) Run(stdin io.Reader, stdout, stderr io.Writer) error {
	if c.Role != "map" {
		return Reduce(stdin, stdout)
	}
	counters := Counters{}
	if err := Map(stdin, stdout, c.Spec, counters); err != nil {
		return err
	}
	if err := counters.Report(stderr); err != nil {
		return fmt.Errorf("report counters: %w", err)
	}
	return nil
}

// Main is the rollup program: it returns its exit code, 0, 1 for an error or 2
// for wrong arguments. An error is one line on stderr.
func Main(args []string, stdin io.Reader, stdout, stderr io.Writer) int {
	c, err := ParseCommand(args)
	if errors.Is(err, ErrHelp) {
		io.WriteString(stdout, usage)
		return 0
	}
	if err != nil {
		fmt.Fprintf(stderr, "rollup: %s\n", oneLine(err))
		return 2
	}
	if err := c.Run(stdin, stdout, stderr); err != nil {
		fmt.Fprintf(stderr, "rollup: %s\n", oneLine(err))
		return 1
	}
	return 0
}

func oneLine(err error) []byte {
	return bytes.ReplaceAll([]byte(err.Error()), []byte{'\n'}, []byte(" "))
}
