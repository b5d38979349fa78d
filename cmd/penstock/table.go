package main

import (
	"fmt"
	"strings"

	"github.com/jedib0t/go-pretty/v6/table"
	"github.com/jedib0t/go-pretty/v6/text"
)

// column is a column of a table.
type column struct {
	Name  string
	Right bool // numbers
}

// listing is a table for people. Cells may hold ANSI colours.
type listing struct {
	Columns []column
	Rows    [][]string
	Footer  []string // nil for none
}

// printTable prints a table without borders: cells are two blanks apart. On a terminal that is too narrow for it, each
// row becomes a few lines of its own.
func (c *console) printTable(l listing) error {
	t := table.NewWriter()
	style := table.StyleDefault
	style.Box.PaddingLeft, style.Box.PaddingRight = "", "  "
	style.Options = table.OptionsNoBordersAndSeparators
	style.Format.Header, style.Format.Footer = text.FormatUpper, text.FormatDefault
	t.SetStyle(style)
	header := table.Row{}
	var configs []table.ColumnConfig
	for i, col := range l.Columns {
		header = append(header, col.Name)
		config := table.ColumnConfig{Number: i + 1}
		if col.Right {
			config.Align, config.AlignHeader, config.AlignFooter = text.AlignRight, text.AlignRight, text.AlignRight
		}
		configs = append(configs, config)
	}
	t.SetColumnConfigs(configs)
	t.AppendHeader(header)
	for _, r := range l.Rows {
		t.AppendRow(cells(r))
	}
	if l.Footer != nil {
		t.AppendFooter(cells(l.Footer))
	}
	var b strings.Builder
	widest := 0
	for line := range strings.SplitSeq(t.Render(), "\n") {
		line = strings.TrimRight(line, " ")
		widest = max(widest, text.StringWidthWithoutEscSequences(line))
		b.WriteString(line + "\n")
	}
	if c.Width > 0 && widest > c.Width {
		b.Reset()
		l.records(&b)
	}
	if _, err := fmt.Fprint(c.Out, b.String()); err != nil {
		return fmt.Errorf("print: %w", err)
	}
	return nil
}

func cells(row []string) table.Row {
	r := make(table.Row, len(row))
	for i, s := range row {
		r[i] = s
	}
	return r
}

// records writes the first cell of each row as a heading, a number with its name, and the others that are not empty below
// it by name.
func (l listing) records(b *strings.Builder) {
	names := 0
	for _, col := range l.Columns[1:] {
		names = max(names, text.StringWidthWithoutEscSequences(col.Name))
	}
	rows := l.Rows
	if l.Footer != nil {
		rows = append(rows[:len(rows):len(rows)], l.Footer)
	}
	for _, r := range rows {
		if l.Columns[0].Right {
			b.WriteString(l.Columns[0].Name + " ")
		}
		b.WriteString(r[0] + "\n")
		for i, s := range r[1:] {
			if s != "" {
				b.WriteString("  " + text.Pad(l.Columns[i+1].Name, names+2, ' ') + s + "\n")
			}
		}
	}
}

// size is a number of bytes for people, in units of 1 000.
func size(n int64) string {
	units := []string{"kB", "MB", "GB", "TB", "PB", "EB"}
	if n < 1000 {
		return fmt.Sprintf("%d B", n)
	}
	v := float64(n)
	for i, u := range units {
		v /= 1000
		if v < 999.95 || i == len(units)-1 {
			return fmt.Sprintf("%.1f %s", v, u)
		}
	}
	return ""
}

// count is a number of things.
func count(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %s", n, many)
}
