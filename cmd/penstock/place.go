package main

import (
	"fmt"

	"penstock/internal/datadir"
	"penstock/internal/hour"
)

// DefaultData is where data lies if nobody says otherwise.
const DefaultData = "./data"

// place says which data a command is about.
type place struct {
	Data string `short:"d" default:"${default_data}" predictor:"dir" placeholder:"DIR" env:"PENSTOCK_DATA" help:"The data directory (${default_data} unless given)."`
}

// AfterApply implements kong's hook: an empty PENSTOCK_DATA is none.
func (p *place) AfterApply() error {
	if p.Data == "" {
		p.Data = DefaultData
	}
	return nil
}

// open opens the data directory for reading.
func (p place) open(c *console) (*datadir.Dir, error) {
	return datadir.Open(p.Data, datadir.Options{Now: c.Now})
}

// command is a penstock command to type next, about the same data.
func (p place) command(format string, args ...any) string {
	s := "penstock " + fmt.Sprintf(format, args...)
	if p.Data != DefaultData {
		s += " --data " + p.Data
	}
	return "`" + s + "`"
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
