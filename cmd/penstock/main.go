// Command penstock is the operator's seat: it runs the path of an hour on this machine, and shows, checks and repeats what
// was made. See `penstock --help`.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"github.com/alecthomas/kong"
	kongcompletion "github.com/jotaen/kong-completion"

	"penstock/internal/supervise"
)

// grammar is the command line: one field a command, each in a file of its own.
type grammar struct {
	Run      runCmd      `cmd:"" group:"hours" help:"Run a file of events, or a generated day, through the whole path."`
	Rerun    rerunCmd    `cmd:"" group:"hours" help:"Run an hour once more."`
	Backfill backfillCmd `cmd:"" group:"hours" help:"Run a range of hours once more, some at a time."`
	Cancel   cancelCmd   `cmd:"" group:"hours" help:"Stop what runs for an hour, its cluster too."`
	Replay   replayCmd   `cmd:"" group:"hours" help:"Archive what was given up, and read rejects again."`
	Status   statusCmd   `cmd:"" group:"hours" help:"Show the hours as a grid: published, running, waiting, failed, late or missing."`
	Files    filesCmd    `cmd:"" group:"hours" help:"List the files that hold an hour, from its manifest."`
	Cat      catCmd      `cmd:"" group:"hours" help:"Print the events of an hour."`
	Result   resultCmd   `cmd:"" group:"hours" help:"Print the processed result of an hour."`
	Ledger   ledgerCmd   `cmd:"" group:"hours" help:"Show all that ever happened to an hour."`
	Verify   verifyCmd   `cmd:"" group:"hours" help:"Check all that is stored of hours, bit by bit."`
	Clean    cleanCmd    `cmd:"" group:"hours" help:"Show what nobody gets any more, and delete it if asked to."`
	Trace    traceCmd    `cmd:"" group:"hours" help:"Show where the time of a run went, and what failed in it."`

	Logs logsCmd `cmd:"" group:"hours" help:"Print the log of a function, or what the steps of an hour's run wrote to standard error."`

	Send     sendCmd     `cmd:"" group:"stream" help:"Send events to the stream or to the HTTP edge."`
	Tail     tailCmd     `cmd:"" group:"stream" help:"Print events as they arrive, like tail -f."`
	Clusters clustersCmd `cmd:"" group:"stream" help:"Show which clusters exist, who owns them, and what they cost."`
	Invoke   invokeCmd   `cmd:"" group:"stream" help:"Call a function by hand."`

	Playbook playbookCmd `cmd:"" group:"tools" help:"Check a playbook, or print the cluster request that it makes."`
	Generate generateCmd `cmd:"" group:"tools" help:"Make seeded video-player events."`
	EMR      emrCmd      `cmd:"" name:"emr" group:"tools" help:"Serve EMR over its own wire protocol, running steps here."`
	ASL      aslCmd      `cmd:"" name:"asl" group:"tools" help:"Run a state machine file with mocked tasks."`
	Bzip2    bzip2Cmd    `cmd:"" name:"bzip2" group:"tools" help:"Compress or decompress, on several cores."`
	Join     joinCmd     `cmd:"" group:"tools" help:"Join bzip2 files into one stream without decoding them."`

	Rollup rollupCmd `cmd:"" hidden:"" passthrough:""`

	Completion kongcompletion.Completion `cmd:"" group:"about" help:"Say how to switch on completion in your shell."`
	Version    versionCmd                `cmd:"" group:"about" help:"Print the version."`
}

const description = `Carries events into hour files and processes each hour once.

An HOUR is a UTC hour of arrival, 2026-11-23T07. A RANGE is an hour, a day 2026-11-23, a month 2026-11, or FROM..TO of any of them, both included.

Exit codes: 0 ok, 1 error, 2 usage, 3 no data, 4 not complete yet, 5 the hour failed, 6 already running, 7 verification failed.`

func newParser(g *grammar, stdout, stderr io.Writer) (*kong.Kong, error) {
	return kong.New(g, kong.Name("penstock"), kong.Description(description), kong.Writers(stdout, stderr), kong.Vars{"default_data": DefaultData},
		kong.ConfigureHelp(kong.HelpOptions{Compact: true, WrapUpperBound: 100, NoExpandSubcommands: true}),
		kong.ExplicitGroups([]kong.Group{
			{Key: "hours", Title: "Hours:"}, {Key: "stream", Title: "Stream, clusters and functions:"},
			{Key: "tools", Title: "Tools:"}, {Key: "about", Title: "About:"},
		}))
}

func main() {
	if len(os.Args) > 1 && os.Args[1] == supervise.Argument { // this process stands between an engine and its end
		os.Exit(supervise.Main(os.Args[2:]))
	}
	os.Exit(run(os.Args[1:]))
}

// run does what args say and returns the exit code.
func run(args []string) (code int) {
	c := newConsole(os.Stdin, os.Stdout, os.Stderr, os.Getenv)
	defer func() {
		if p := recover(); p != nil {
			fmt.Fprintf(c.Err, "penstock: internal error: %.300v: please report it with the command you typed\n", p)
			code = exitError
		}
	}()
	var g grammar
	parser, err := newParser(&g, c.Out, c.Err)
	if err != nil {
		return c.fail(err)
	}
	kongcompletion.Register(parser, kongcompletion.WithPredictors(predictors(c)))
	if len(args) == 0 {
		args = []string{"--help"}
	}
	k, err := parser.Parse(levels(placeFirst(args)))
	if err != nil {
		return c.fail(usage(err))
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	context.AfterFunc(ctx, stop) // a second Ctrl-C ends the process at once
	k.BindTo(ctx, (*context.Context)(nil))
	k.Bind(c)
	err = k.Run()
	if ctx.Err() != nil && errors.Is(err, context.Canceled) {
		err = errors.New("interrupted")
	}
	return c.fail(err)
}

// usage makes one line of what the parser says, with the next command.
func usage(err error) error {
	next := "penstock --help"
	var p *kong.ParseError
	if errors.As(err, &p) && p.Context != nil {
		if n := p.Context.Selected(); n != nil {
			next = "penstock " + n.Name + " --help"
		}
	}
	return &failure{exitUsage, fmt.Errorf("%s: see `%s`", strings.ReplaceAll(err.Error(), "\n", " "), next)}
}
