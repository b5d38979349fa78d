package main

import (
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/alecthomas/kong"
	"github.com/rogpeppe/go-internal/testscript"

	"penstock/internal/local"
)

var updateScripts = flag.Bool("update-scripts", false, "write what commands print into the scripts' cmp files")

var raceScripts = flag.Bool("race-scripts", false, "run the scripts' commands under the race detector, too: some 600 processes that start slowly")

func TestMain(m *testing.M) {
	flag.Parse()
	if at := flag.Lookup("test.parallel"); at.Value.String() == at.DefValue {
		_ = at.Value.Set("8") // scripts wait for clocks more than they work
	}
	os.Exit(withCommand(m.Run))
}

// withCommand builds the command and lets it be found while run runs.
func withCommand(run func() int) int {
	dir, err := os.MkdirTemp("", "penstock-scripts-*")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir)
	args := []string{"build", "-o", dir}
	if *raceScripts {
		args = append(args, "-race")
	}
	if out, err := exec.Command("go", append(args, "penstock/cmd/penstock")...).CombinedOutput(); err != nil {
		fmt.Fprintf(os.Stderr, "build the command: %v\n%s", err, out)
		return 1
	}
	os.Setenv("PATH", dir+string(os.PathListSeparator)+os.Getenv("PATH"))
	return run()
}

// TestScripts runs the command as a shell would. Of the scripts' own commands, `exits CODE COMMAND...` runs a command, wants that
// exit code and, unless it is 0, at most one line on standard error that says what is wrong; `fixture DIR` makes a data
// directory (see fixture), to which `waiting DIR` adds an hour that waits, `archived DIR` a batch; `seen DIR` serves
// it as the stack aws:seen (see serveSeen); `flip FILE OFFSET` flips a bit; `stack` is a stack (see stackCommand); `hash HOUR FLAG...` sets $HASH
// to what a dry run expects; `steps N` waits until N processes of steps run for $WORK/data.
func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir:           "testdata/script",
		UpdateScripts: *updateScripts,
		Setup: func(e *testscript.Env) error {
			e.Setenv("NO_COLOR", "")
			e.Setenv("COLUMNS", "")
			e.Setenv("PENSTOCK_NO_SYNC", "1")
			e.Values["seen"] = &seenBox{}
			e.Setenv("GORACE", "atexit_sleep_ms=10") // it is a second else, in each process
			return nil
		},
		Condition: func(name string) (bool, error) { return name == "root" && os.Getuid() == 0, nil },
		Cmds: map[string]func(ts *testscript.TestScript, neg bool, args []string){
			"exits": exits,
			"stack": stackCommand,
			"hash":  hashCommand,
			"steps": stepsCommand,
			"fixture": func(ts *testscript.TestScript, _ bool, args []string) {
				ts.Check(fixture(ts.MkAbs(args[0])))
			},
			"waiting": func(ts *testscript.TestScript, _ bool, args []string) {
				ts.Check(waiting(ts.MkAbs(args[0])))
			},
			"archived": func(ts *testscript.TestScript, _ bool, args []string) {
				ts.Check(archived(ts.MkAbs(args[0])))
			},
			"seen": serveSeen,
			"flip": func(ts *testscript.TestScript, _ bool, args []string) {
				b := []byte(ts.ReadFile(args[0]))
				at, err := strconv.Atoi(args[1])
				ts.Check(err)
				b[at] ^= 4
				ts.Check(os.WriteFile(ts.MkAbs(args[0]), b, 0o666))
			},
		},
	})
}

func hashCommand(ts *testscript.TestScript, _ bool, args []string) {
	ts.Check(ts.Exec("penstock", append([]string{"rerun", "--dry-run", "--json"}, args...)...))
	var d struct{ Expect string }
	ts.Check(json.Unmarshal([]byte(ts.ReadFile("stdout")), &d))
	ts.Setenv("HASH", d.Expect)
}

func stepsCommand(ts *testscript.TestScript, _ bool, args []string) {
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	mark := "\x00PENSTOCK_STEP_OF=" + local.Mark(ts.MkAbs("data")) + "\x00"
	n := 0
	for range 200 {
		n = 0
		names, err := filepath.Glob("/proc/[0-9]*/environ")
		ts.Check(err)
		for _, name := range names {
			if b, err := os.ReadFile(name); err == nil && strings.Contains("\x00"+string(b), mark) {
				n++
			}
		}
		if n == want {
			return
		}
		time.Sleep(50 * time.Millisecond)
	}
	ts.Fatalf("%d processes of steps run, want %d", n, want)
}

func exits(ts *testscript.TestScript, _ bool, args []string) {
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	err = ts.Exec(args[1], args[2:]...)
	code := 0
	if exit := (*exec.ExitError)(nil); errors.As(err, &exit) {
		code = exit.ExitCode()
	} else {
		ts.Check(err)
	}
	if code != want {
		ts.Fatalf("exit code %d, want %d", code, want)
	}
	text := ts.ReadFile("stderr")
	if code != 0 && text != "" && (strings.Count(text, "\n") != 1 || !strings.HasPrefix(text, "penstock: ") || len(text) > 1100 || strings.Contains(text, "\x1b")) {
		ts.Fatalf("standard error is not one clear line: %q", text)
	}
}

// helps returns the help text of each command by its name.
func helps(t *testing.T) map[string]string {
	t.Helper()
	var g grammar
	p, err := newParser(&g, io.Discard, io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	all := map[string]string{}
	for _, n := range p.Model.Leaves(true) {
		all[n.Name] = n.Detail
	}
	return all
}

// examples returns the commands of a help text that call penstock, without what a shell would do with their output.
func examples(help string) [][]string {
	var all [][]string
	for line := range strings.SplitSeq(help, "\n") {
		for part := range strings.SplitSeq(line, " | ") {
			words := split(strings.TrimSpace(part))
			if strings.HasPrefix(line, "  ") && len(words) > 0 && words[0] == "penstock" {
				all = append(all, words[1:])
			}
		}
	}
	return all
}

// split splits a shell's words, single quotes included, up to a redirection.
func split(line string) []string {
	var words []string
	word, quoted, open := "", false, false
	for _, r := range line {
		switch {
		case r == '\'':
			quoted, open = !quoted, true
		case r == ' ' && !quoted:
			if open {
				words = append(words, word)
			}
			word, open = "", false
		case (r == '>' || r == '<') && !quoted && !open:
			return words
		default:
			word, open = word+string(r), true
		}
	}
	if open {
		words = append(words, word)
	}
	return words
}

func TestEveryCommandHasExamplesThatParse(t *testing.T) {
	for name, help := range helps(t) {
		if name == "completion" {
			continue // its help is the library's
		}
		list := examples(help)
		if len(list) == 0 {
			t.Errorf("the help of %s has no example", name)
		}
		for _, args := range list {
			var g grammar
			p, err := newParser(&g, io.Discard, io.Discard)
			if err != nil {
				t.Fatal(err)
			}
			k, err := p.Parse(levels(args))
			if err != nil {
				t.Errorf("example penstock %s: %v", strings.Join(args, " "), err)
			} else if got := strings.Fields(k.Command())[0]; got != name && !strings.Contains(help, "penstock "+name) {
				t.Errorf("an example of %s is penstock %s", name, got)
			}
		}
	}
}

func TestEveryFlagAndCommandSaysWhatItIsFor(t *testing.T) {
	var g grammar
	p, err := newParser(&g, io.Discard, io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	for _, n := range p.Model.Leaves(true) {
		if n.Help == "" {
			t.Errorf("command %s has no help", n.Name)
		}
		if n.Name == "completion" {
			continue
		}
		values := append([]*kong.Value{}, n.Positional...)
		for _, f := range n.Flags {
			values = append(values, f.Value)
		}
		for _, v := range values {
			if v.Help == "" || !strings.HasSuffix(v.Help, ".") && !strings.HasSuffix(v.Help, ")") {
				t.Errorf("%s of %s: help %q is no sentence", v.Name, n.Name, v.Help)
			}
		}
	}
}
