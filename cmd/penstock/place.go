package main

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"penstock/internal/hour"
)

// DefaultData is where data lies if nobody says otherwise.
const DefaultData = "./data"

// folder says which data directory a command is about.
type folder struct {
	Data string `short:"d" default:"${default_data}" predictor:"dir" placeholder:"DIR" env:"PENSTOCK_DATA" help:"The data directory (${default_data} unless given)."`
}

// AfterApply implements kong's hook: an empty PENSTOCK_DATA is none.
func (p *folder) AfterApply() error {
	if p.Data == "" {
		p.Data = DefaultData
	}
	return nil
}

// open opens the data directory for reading.
func (p folder) open(_ context.Context, c *console) (*site, error) { return openDir(p.Data, c.Now) }

// command is a penstock command to type next, about the same data.
func (p folder) command(format string, args ...any) string {
	s := "penstock " + fmt.Sprintf(format, args...)
	if p.Data != DefaultData {
		s += " --data " + p.Data
	}
	return "`" + s + "`"
}

// place says which data a command is about: a data directory, or a stack.
type place struct {
	folder
	Target string `short:"t" placeholder:"aws:STACK" env:"PENSTOCK_TARGET" help:"A deployed stack, with the credentials and region of the environment, instead of a data directory."`
}

// targetPrefix begins a target; more kinds of accounts may come.
const targetPrefix = "aws:"

// stack is the name of the stack, "" for a data directory.
func (p place) stack() string { return strings.TrimPrefix(p.Target, targetPrefix) }

// Validate implements kong's hook.
func (p place) Validate() error {
	if p.Target != "" && (!strings.HasPrefix(p.Target, targetPrefix) || p.stack() == "") {
		return fmt.Errorf("--target %.60q is not aws:STACK", p.Target)
	}
	return nil
}

// open opens the data directory or the stack for reading.
func (p place) open(ctx context.Context, c *console) (*site, error) {
	if p.Target != "" {
		return openStack(ctx, p.stack(), c.Now)
	}
	return p.folder.open(ctx, c)
}

// where is the place's name for people.
func (p place) where() string {
	if p.Target != "" {
		return p.Target
	}
	return p.Data
}

// command is a penstock command to type next, about the same place.
func (p place) command(format string, args ...any) string {
	if p.Target == "" {
		return p.folder.command(format, args...)
	}
	return "`penstock " + fmt.Sprintf(format, args...) + " --target " + p.Target + "`"
}

// durability is the flag of commands that run hours on this machine.
type durability struct {
	NoSync bool `env:"PENSTOCK_NO_SYNC" help:"Do not wait for the disk: much faster on a slow one. Nothing is lost when the command is killed; it may be when the machine crashes."`
}

// asJSON is the flag of commands that print a table.
type asJSON struct {
	JSON bool `name:"json" help:"Print JSON, for programs."`
}

// span is a RANGE on the command line.
type span struct {
	hour.Range
	Given bool `kong:"-"`
}

// UnmarshalText implements encoding.TextUnmarshaler.
func (s *span) UnmarshalText(b []byte) (err error) {
	s.Range, err = hour.ParseRange(string(b))
	s.Given = err == nil
	return err
}

// placeFirst moves a place that is named before the command behind it: penstock --target aws:STACK status.
func placeFirst(args []string) []string {
	i := 0
	for i < len(args) && strings.HasPrefix(args[i], "-") {
		name, _, whole := strings.Cut(args[i], "=")
		switch {
		case name != "--target" && name != "-t" && name != "--data" && name != "-d":
			return args
		case whole:
			i++
		default:
			i += 2
		}
	}
	if i == 0 || i >= len(args) {
		return args
	}
	return slices.Concat(args[i:i+1], args[:i], args[i+1:])
}
