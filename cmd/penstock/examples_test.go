package main

import (
	"bytes"
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// notRun are the examples that are only parsed, by a word in them, and why.
var notRun = map[string]string{
	"--target": "there is no account", "emr": "it serves until it is interrupted", "tail": "it waits for events",
	"--watch": "it goes on until it is interrupted", "1000000": "it makes half a gigabyte", "completion": "its help is the library's",
}

// ends are the examples that end otherwise than with 0 in the folder of the test, by their begin, and why.
var ends = map[string]int{
	"bzip2 -d":                       exitError,  // standard input is no bzip2 stream
	"run --events 10000 --engine":    exitError,  // there is no Hadoop
	"send":                           exitError,  // there is no such data directory
	"cancel":                         exitNoData, // nothing runs
	"logs 2026-11-23T07 --run 2":     exitNoData, // there was one run
	"trace 2026-11-23T07 --sequence": exitNoData, // the record has another number
	"invoke seal":                    exitError,  // nobody holds the hour
}

// TestEveryExampleOfAHelpRuns runs the examples in a folder that has a data directory and the files that they name.
func TestEveryExampleOfAHelpRuns(t *testing.T) {
	t.Parallel()
	kept := exampleFolder(t)
	ran := 0
	for name, help := range helps(t) {
		for _, args := range examples(help) {
			line := strings.Join(args, " ")
			if slices.ContainsFunc(args, func(a string) bool { return notRun[a] != "" }) || name == "run" && len(args) == 1 {
				continue
			}
			ran++
			dir := filepath.Join(t.TempDir(), "d")
			must(os.CopyFS(dir, os.DirFS(kept)))
			want := exitOK
			for begin, code := range ends {
				if strings.HasPrefix(line, begin) {
					want = code
				}
			}
			if out, code := example(t, dir, args...); code != want {
				t.Errorf("penstock %s: exit code %d, want %d: %s", line, code, want, out)
			}
		}
	}
	if ran < 50 {
		t.Errorf("only %d examples were run", ran)
	}
}

// example runs the command in a folder and returns what it wrote to standard error.
func example(t *testing.T, dir string, args ...string) (string, int) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, "penstock", args...)
	cmd.Dir, cmd.Env = dir, append(os.Environ(), "PENSTOCK_NO_SYNC=1", "NO_COLOR=1", "PENSTOCK_TARGET=", "PENSTOCK_DATA=")
	cmd.Stdin = strings.NewReader("{\"time\":\"2026-11-25T07:00:00Z\",\"type\":\"view\"}\n")
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	err := cmd.Run()
	if exit := (*exec.ExitError)(nil); errors.As(err, &exit) {
		return stderr.String(), exit.ExitCode()
	} else if err != nil {
		t.Fatalf("penstock %s: %v", strings.Join(args, " "), err)
	}
	return stderr.String(), 0
}

// exampleFolder is a folder with what the examples name: the hour 2026-11-23T07, published, and files.
func exampleFolder(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	for _, args := range [][]string{
		{"generate", "--start", "2026-11-23T07", "--duration", "50m", "--events", "200", "--output", "hour.ndjson"},
		{"run", "hour.ndjson", "--clock", "time"},
	} {
		if out, code := example(t, dir, args...); code != 0 {
			t.Fatalf("penstock %s: exit code %d: %s", strings.Join(args, " "), code, out)
		}
	}
	for name, text := range map[string]string{
		"events.ndjson": "{\"time\":\"2026-11-25T07:00:00Z\",\"type\":\"view\"}\n", "input.json": "{}", "seal.json": `{"hour":"2026-11-23T07"}`,
		"mocks.json":       `{"Claim":[{"error":"AlreadyRunning","cause":"somebody else"}]}`,
		"machine.asl.json": `{"StartAt":"A","States":{"A":{"Type":"Succeed"}}}`,
		"a.bz2":            string(compress([]byte("a\n"))), "b.bz2": string(compress([]byte("b\n"))), "c.bz2": string(compress([]byte("c\n"))),
	} {
		must(os.WriteFile(filepath.Join(dir, name), []byte(text), 0o666))
	}
	must(os.CopyFS(filepath.Join(dir, "playbooks"), os.DirFS("../../playbooks")))
	must(os.CopyFS(filepath.Join(dir, "statemachines"), os.DirFS("../../statemachines")))
	must(os.CopyFS(filepath.Join(dir, "mine.json.d"), os.DirFS("../../playbooks")))
	must(os.Rename(filepath.Join(dir, "mine.json.d", "video.json"), filepath.Join(dir, "mine.json")))
	return dir
}
