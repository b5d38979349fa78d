package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"golang.org/x/term"
)

// console is where a command reads and writes.
type console struct {
	In       io.Reader
	Out, Err io.Writer
	Width    int  // of the terminal, in cells; 0: Out is none
	Color    bool // Out shows ANSI colours
	Now      func() time.Time
}

// newConsole looks at what the process was given. COLUMNS sets the width; NO_COLOR and CLICOLOR_FORCE say whether to
// colour, else a terminal does (see no-color.org and bixense.com/clicolors).
func newConsole(in io.Reader, out, err *os.File, getenv func(string) string) *console {
	c := &console{In: in, Out: out, Err: err, Now: time.Now}
	if term.IsTerminal(int(out.Fd())) {
		c.Color = getenv("TERM") != "dumb"
		if w, _, err := term.GetSize(int(out.Fd())); err == nil {
			c.Width = w
		}
	}
	if n, err := strconv.Atoi(getenv("COLUMNS")); err == nil && n > 0 {
		c.Width = n
	}
	if f := getenv("CLICOLOR_FORCE"); f != "" && f != "0" {
		c.Color = true
	}
	if getenv("NO_COLOR") != "" {
		c.Color = false
	}
	return c
}

// Colours, as ANSI escape sequences.
const (
	red    = "\x1b[31m"
	green  = "\x1b[32m"
	yellow = "\x1b[33m"
	blue   = "\x1b[34m"
	dim    = "\x1b[2m"
	plain  = "\x1b[0m"
)

func (c *console) paint(ink, s string) string {
	if !c.Color || ink == "" || s == "" {
		return s
	}
	return ink + s + plain
}

// printJSON prints v for programs.
func (c *console) printJSON(v any) error {
	e := json.NewEncoder(c.Out)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	if err := e.Encode(v); err != nil {
		return fmt.Errorf("print: %w", err)
	}
	return nil
}

// terminal says whether w is one: bytes that are no text do not go there.
func terminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}

// writeWhole makes the file path of what fill writes. The name exists only once all is written; after an error it is
// what it was.
func writeWhole(path string, fill func(io.Writer) error) (err error) {
	f, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+".*")
	if err != nil {
		return fmt.Errorf("write %s: %w", path, withoutPath(err))
	}
	defer func() {
		if err != nil {
			os.Remove(f.Name())
		}
	}()
	if err := fill(f); err != nil {
		return errors.Join(err, f.Close())
	}
	if err := errors.Join(f.Chmod(0o644), f.Sync(), f.Close()); err != nil {
		return fmt.Errorf("write %s: %w", path, withoutPath(err))
	}
	if err := os.Rename(f.Name(), path); err != nil {
		return fmt.Errorf("write %s: %w", path, withoutPath(err))
	}
	return nil
}
