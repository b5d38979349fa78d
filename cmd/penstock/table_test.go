package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"penstock/internal/fault"
)

func render(t *testing.T, c console, l listing) string {
	t.Helper()
	var b bytes.Buffer
	c.Out = &b
	if err := c.printTable(l); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func TestATableFitsOrBecomesRecords(t *testing.T) {
	c := console{Color: true}
	l := listing{Columns: []column{{"hour", false}, {"events", true}, {"state", false}},
		Rows:   [][]string{{"2026-11-23T07", "12", c.paint(green, "published")}, {"2026-11-23T08", "7", ""}},
		Footer: []string{"2 hours", "19", "1 published"}}
	wide := "" +
		"HOUR           EVENTS  STATE\n" +
		"2026-11-23T07      12  \x1b[32mpublished\x1b[0m\n" +
		"2026-11-23T08       7\n" +
		"2 hours            19  1 published\n"
	for _, width := range []int{0, 34, 200} {
		if got := render(t, console{Width: width}, l); got != wide {
			t.Errorf("width %d:\n%s\nwant\n%s", width, got, wide)
		}
	}
	narrow := "" +
		"2026-11-23T07\n  events  12\n  state   \x1b[32mpublished\x1b[0m\n" +
		"2026-11-23T08\n  events  7\n" +
		"2 hours\n  events  19\n  state   1 published\n"
	if got := render(t, console{Width: 30}, l); got != narrow {
		t.Errorf("width 30:\n%s\nwant\n%s", got, narrow)
	}
	if plainly := (&console{}).paint(green, "x"); plainly != "x" {
		t.Errorf("without colour: %q", plainly)
	}
}

func TestSizesAreShort(t *testing.T) {
	for n, want := range map[int64]string{0: "0 B", 999: "999 B", 1000: "1.0 kB", 999_949: "999.9 kB", 999_950: "1.0 MB", 118_300_000: "118.3 MB",
		1 << 62: "4.6 EB"} {
		if got := size(n); got != want {
			t.Errorf("size(%d) = %s, want %s", n, got, want)
		}
	}
}

func TestErrorsHaveTheExitCodesOfTheDesign(t *testing.T) {
	for _, c := range []struct {
		err  error
		want int
	}{
		{nil, 0},
		{errors.New("x"), 1},
		{failf(exitUsage, "x"), 2},
		{fmt.Errorf("read: %w", &fault.NotFound{Key: "k"}), 3},
		{&fault.HourNotComplete{}, 4},
		{fmt.Errorf("run: %w", &fault.StepFailed{}), 5},
		{&fault.ClusterFailed{}, 5},
		{&fault.AlreadyRunning{}, 6},
		{&fault.Corrupt{}, 7},
		{fmt.Errorf("x: %w", failf(exitNoData, "y")), 3},
	} {
		var b bytes.Buffer
		k := console{Err: &b}
		if got := k.fail(c.err); got != c.want {
			t.Errorf("%v: exit code %d, want %d", c.err, got, c.want)
		}
		if (b.Len() == 0) != (c.err == nil) {
			t.Errorf("%v: printed %q", c.err, b.String())
		}
	}
	if got := (&console{}).fail(&failure{code: 4}); got != 4 {
		t.Errorf("a code alone: %d", got)
	}
}

func TestAnErrorIsOneLineOfPlainText(t *testing.T) {
	var b bytes.Buffer
	c := console{Err: &b}
	c.fail(fmt.Errorf("a\nb\x1b[31m\x07\u009b%s", strings.Repeat("é", 5000)))
	if s := b.String(); strings.Count(s, "\n") != 1 || len(s) > 1100 || strings.ContainsAny(s, "\x1b\x07\u009b") || !strings.HasPrefix(s, "penstock: a b") {
		t.Errorf("%q", s)
	}
}

func TestAFileIsWrittenWholeOrNotAtAll(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "out")
	if err := os.WriteFile(path, []byte("old"), 0o600); err != nil {
		t.Fatal(err)
	}
	broken := errors.New("broken")
	err := writeWhole(path, func(w io.Writer) error {
		_, _ = w.Write([]byte("half"))
		return broken
	})
	if !errors.Is(err, broken) {
		t.Error(err)
	}
	if b, err := os.ReadFile(path); err != nil || string(b) != "old" {
		t.Errorf("%s, %v", b, err)
	}
	if err := writeWhole(path, func(w io.Writer) error {
		_, err := w.Write([]byte("new"))
		return err
	}); err != nil {
		t.Error(err)
	}
	if b, err := os.ReadFile(path); err != nil || string(b) != "new" {
		t.Errorf("%s, %v", b, err)
	}
	if entries, err := os.ReadDir(dir); err != nil || len(entries) != 1 {
		t.Errorf("%v, %v", entries, err)
	}
	if err := writeWhole(filepath.Join(dir, "none", "out"), func(io.Writer) error { return nil }); err == nil {
		t.Error("a file in no directory was written")
	}
}
