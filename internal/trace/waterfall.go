package trace

import (
	"bufio"
	"fmt"
	"io"
	"math"
	"strings"
	"time"

	"github.com/mattn/go-runewidth"
)

// Widths of a waterfall's columns, in cells.
const (
	minWidth    = 40
	maxWidth    = 240
	offsetCells = 8
	tookCells   = 7
	maxIndent   = 20
	errorLines  = 4
)

// Colours, as ANSI escape sequences.
const (
	plainInk = "\x1b[0m"
	dimInk   = "\x1b[2m"
	boldInk  = "\x1b[1m"
	redInk   = "\x1b[31m"
	greenInk = "\x1b[32m"
	blueInk  = "\x1b[34m"
	pinkInk  = "\x1b[35m"
)

// ink is the letter of a bar and its colour; the letters differ, so that nothing depends on colour.
func (l look) ink() (letter, colour string) {
	switch l {
	case lookWait:
		return "░", dimInk
	case lookCluster:
		return "▓", pinkInk
	case lookFailed:
		return "▚", redInk
	case lookFold:
		return "·", dimInk
	}
	return "█", blueInk
}

// Waterfall writes t for a terminal of that width (80 if it is not positive): a line for each piece of work with its
// bar, its start and its duration, and the errors below what failed. Color says whether to use ANSI colours.
func Waterfall(w io.Writer, t *Trace, width int, color bool) error {
	if width <= 0 {
		width = 80
	}
	width = min(max(width, minWidth), maxWidth)
	d := &drawing{w: bufio.NewWriter(w), trace: t, color: color, width: width, total: t.span()}
	d.names = min(max((width-offsetCells-tookCells-3)*11/20, 16), 60)
	d.bars = width - d.names - offsetCells - tookCells - 3
	d.heading()
	for _, r := range t.rows() {
		d.row(r, 0)
	}
	if s := t.summary(); s != "" {
		d.line("")
		d.wrap("", s, 10, "")
	}
	d.line(d.paint(dimInk, d.fit(d.legend(), width)))
	if err := d.w.Flush(); err != nil {
		return fmt.Errorf("write waterfall: %w", err)
	}
	return nil
}

type drawing struct {
	w                  *bufio.Writer
	trace              *Trace
	color              bool
	width, names, bars int
	total              time.Duration
}

// line writes a line; bufio keeps the first error for Flush.
func (d *drawing) line(s string) { _, _ = d.w.WriteString(strings.TrimRight(s, " ") + "\n") }

func (d *drawing) paint(ink, s string) string {
	if !d.color || s == "" {
		return s
	}
	return ink + s + plainInk
}

// fit cuts s to n cells, with a mark where something is missing.
func (d *drawing) fit(s string, n int) string { return runewidth.Truncate(s, n, "…") }

func (d *drawing) heading() {
	title, status, facts := d.trace.facts()
	ink := greenInk
	if status == "failed" {
		ink = redInk
	}
	state := status
	if status != "running" {
		state += " after " + briefly(d.total)
	}
	room := max(d.width-runewidth.StringWidth(state)-1, 10)
	d.line(d.paint(boldInk, d.fit(title, room)) + " " + d.paint(ink, state))
	d.wrap("", strings.Join(facts, " · "), 10, dimInk)
	d.line("")
	d.line(d.paint(dimInk, strings.Repeat(" ", d.names+1)+d.axis()+fmt.Sprintf(" %*s %*s", offsetCells, "start", tookCells, "took")))
}

// axis is the line of times above the bars.
func (d *drawing) axis() string {
	cells := []rune(strings.Repeat(" ", d.bars))
	step := tickEvery(d.total, d.bars/8)
	for at := time.Duration(0); at <= d.total; at += step {
		text := []rune(tick(at))
		from := d.cell(at)
		if from+len(text) > d.bars {
			break
		}
		copy(cells[from:], text)
		if step <= 0 {
			break
		}
	}
	return string(cells)
}

// cell returns the cell of a time since the start.
func (d *drawing) cell(at time.Duration) int {
	if d.total <= 0 {
		return 0
	}
	return min(max(int(float64(at)/float64(d.total)*float64(d.bars)), 0), d.bars-1)
}

func (d *drawing) bar(r *row) string {
	from := d.cell(r.start.Sub(d.trace.Start))
	n := 1
	if d.total > 0 {
		n = int(math.Round(float64(r.took) / float64(d.total) * float64(d.bars)))
	}
	n = min(max(n, 1), d.bars-from)
	letter, colour := r.look.ink()
	text := strings.Repeat(letter, n)
	if r.running {
		text = strings.Repeat(letter, n-1) + "▶"
	}
	return strings.Repeat(" ", from) + d.paint(colour, text) + strings.Repeat(" ", d.bars-from-n)
}

func (d *drawing) row(r *row, depth int) {
	indent := strings.Repeat("  ", min(depth, maxIndent, d.names/4))
	mark, ink := "", ""
	switch {
	case r.failed:
		mark, ink = "✗ ", redInk
	case r.look == lookFold:
		mark, ink = "⋮ ", dimInk
	}
	label := d.fit(indent+mark+r.label, d.names)
	room := d.names - runewidth.StringWidth(label)
	name := d.paint(ink, label)
	if r.note != "" && room > 4 {
		note := d.fit(" "+r.note, room)
		name += d.paint(dimInk, note)
		room -= runewidth.StringWidth(note)
	}
	took := briefly(r.took)
	if r.running {
		took = "running"
	}
	d.line(name + strings.Repeat(" ", room) + " " + d.bar(r) +
		fmt.Sprintf(" %*s %*s", offsetCells, offset(r.start.Sub(d.trace.Start)), tookCells, took))
	for _, e := range r.errs {
		text := e.Error
		if e.Cause != "" {
			text = strings.TrimPrefix(text+": "+e.Cause, ": ")
		}
		d.wrap(indent+"  ", text, errorLines, redInk)
	}
	for _, c := range r.children {
		d.row(c, depth+1)
	}
}

// wrap writes text at an indent in at most n lines.
func (d *drawing) wrap(indent, text string, n int, ink string) {
	room := d.width - runewidth.StringWidth(indent)
	for words := strings.Fields(text); len(words) > 0 && n > 0; n-- {
		line := words[0]
		words = words[1:]
		if runewidth.StringWidth(line) > room {
			head := runewidth.Truncate(line, room, "")
			if head != "" && n > 1 {
				words = append([]string{line[len(head):]}, words...)
			}
			line = d.fit(line, room)
			if n > 1 {
				line = head
			}
		}
		for len(words) > 0 && runewidth.StringWidth(line)+1+runewidth.StringWidth(words[0]) <= room {
			line += " " + words[0]
			words = words[1:]
		}
		if n == 1 && len(words) > 0 {
			line = d.fit(line+" …", room)
		}
		d.line(indent + d.paint(ink, line))
	}
}

// legend explains the letters that occur.
func (d *drawing) legend() string {
	used := map[look]bool{}
	var collect func([]*row)
	collect = func(rows []*row) {
		for _, r := range rows {
			used[r.look] = true
			collect(r.children)
		}
	}
	collect(d.trace.rows())
	var parts []string
	for _, l := range []look{lookWork, lookWait, lookCluster, lookFailed, lookFold} {
		if used[l] {
			letter, _ := l.ink()
			parts = append(parts, letter+" "+l.String())
		}
	}
	return strings.Join(parts, "  ")
}

// String names a look for legends.
func (l look) String() string {
	return [...]string{"work", "wait", "cluster", "failed", "rounds left out"}[l]
}
