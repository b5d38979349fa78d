package main

import (
	"fmt"
	"strings"

	"github.com/jedib0t/go-pretty/v6/text"

	"penstock/internal/hour"
)

// States that only a view of several hours knows; see states in hours.go for the others.
const (
	stateEmpty   = "empty"   // published, without events
	stateMissing = "missing" // nothing is known of it, but of hours before and after it
)

// sign is how a state is shown in a grid: the symbols differ, so that nothing depends on colour.
type sign struct {
	state, symbol, ink string
}

// signs are in the order of the legend: from what is done to what needs somebody.
var signs = []sign{
	{statePublished, "✓", green}, {stateEmpty, "○", green}, {stateRunning, "▶", blue}, {stateWaiting, "…", yellow}, {stateLate, "+", yellow},
	{stateMissing, "?", yellow}, {stateFailed, "✗", red}, {stateCorrupt, "!", red},
}

func signOf(state string) sign {
	for _, s := range signs {
		if s.state == state {
			return s
		}
	}
	return sign{state, "!", red}
}

// viewed completes the rows of hours for people: an hour that was published without events is empty, and one of which
// nothing is known is missing if it lies between others: those of around, the hours that are known in and near the range r
// (nil: all), in order.
func viewed(rows []hourRow, around []hour.Hour, r *hour.Range) []hourRow {
	var all []hourRow
	for _, row := range rows {
		if row.State == statePublished && row.Events == 0 && row.Rejects == 0 {
			row.State = stateEmpty
		}
		for len(all) > 0 && all[len(all)-1].Hour.Add(1).Before(row.Hour) {
			all = append(all, hourRow{Hour: all[len(all)-1].Hour.Add(1), State: stateMissing})
		}
		all = append(all, row)
	}
	if r == nil || len(all) == 0 {
		return all
	}
	var before []hourRow
	for h := r.From; h.Before(all[0].Hour); h = h.Add(1) {
		if around[0].Before(h) {
			before = append(before, hourRow{Hour: h, State: stateMissing})
		}
	}
	for h := all[len(all)-1].Hour.Add(1); !r.To.Before(h) && h.Before(around[len(around)-1]); h = h.Add(1) {
		all = append(all, hourRow{Hour: h, State: stateMissing})
	}
	return append(before, all...)
}

// Widths of a grid, in cells.
const (
	dayCells    = len("2026-11-23")
	eventsCells = 12
)

// drawGrid draws a row a day and a column an hour, for a terminal of that width (0: none, and as much as it takes), with a
// legend that counts. The hours are as viewed returns them, in order.
func drawGrid(rows []hourRow, width int, paint func(ink, s string) string) []string {
	pitch := 3
	for pitch > 1 && width > 0 && dayCells+1+24*pitch > width {
		pitch--
	}
	events := width == 0 || dayCells+1+24*pitch+eventsCells <= width
	header := strings.Repeat(" ", dayCells+1)
	for h := 0; h < 24; {
		label := fmt.Sprintf("%02d", h)
		step := (len(label) + 1 + pitch - 1) / pitch // hours that the label and a blank take
		if pitch < 3 {
			step = 6 / pitch
		}
		header += text.Pad(label, step*pitch, ' ')
		h += step
	}
	if events {
		header += fmt.Sprintf("%*s", eventsCells-2, "EVENTS")
	}
	lines := []string{strings.TrimRight(header, " ")}
	byHour := map[hour.Hour]*hourRow{}
	for i := range rows {
		byHour[rows[i].Hour] = &rows[i]
	}
	var day hour.Hour
	for i := 0; i < len(rows); i++ {
		if d := dayOf(rows[i].Hour); i > 0 && d == day {
			continue
		} else {
			day = d
		}
		line, blanks, sum, known := day.Start().Format("2006-01-02")+" ", 0, 0, false
		for h := range 24 {
			row := byHour[day.Add(h)]
			if row == nil {
				blanks += pitch
				continue
			}
			s := signOf(row.State)
			line += strings.Repeat(" ", blanks) + paint(s.ink, s.symbol)
			blanks = pitch - 1
			sum += row.Events
			known = known || row.State != stateMissing
		}
		if events && known {
			line += strings.Repeat(" ", blanks) + fmt.Sprintf("%*d", eventsCells-2, sum)
		}
		lines = append(lines, line)
	}
	return append(append(lines, ""), legend(rows, width, paint)...)
}

func dayOf(h hour.Hour) hour.Hour { return h.Add(-h.Start().Hour()) }

// legend explains and counts the symbols that occur.
func legend(rows []hourRow, width int, paint func(ink, s string) string) []string {
	counts := map[string]int{}
	for _, r := range rows {
		counts[r.State]++
	}
	var lines []string
	line, used := "", 0
	for _, s := range signs {
		if counts[s.state] == 0 {
			continue
		}
		words := fmt.Sprintf(" %d %s", counts[s.state], s.state)
		cells := text.StringWidthWithoutEscSequences(s.symbol + words)
		if used > 0 && width > 0 && used+3+cells > width {
			lines, line, used = append(lines, line), "", 0
		}
		if used > 0 {
			line, used = line+"   ", used+3
		}
		line, used = line+paint(s.ink, s.symbol)+words, used+cells
	}
	return append(lines, line)
}

// troubles are the lines below a grid: what needs somebody, each run of equal missing hours once, at most most of them.
func troubles(rows []hourRow, most int) (lines []trouble, more int) {
	for i := 0; i < len(rows); i++ {
		r := rows[i]
		if r.State == statePublished || r.State == stateEmpty {
			continue
		}
		t := trouble{from: r.Hour, to: r.Hour, state: r.State, detail: r.Detail}
		for r.Detail == "" && i+1 < len(rows) && rows[i+1].State == r.State && rows[i+1].Detail == "" {
			i++
			t.to = rows[i].Hour
		}
		lines = append(lines, t)
	}
	if len(lines) > most { // the newest
		return lines[len(lines)-most:], len(lines) - most
	}
	return lines, 0
}

type trouble struct {
	from, to      hour.Hour
	state, detail string
}

func (t trouble) hours() string {
	if t.from == t.to {
		return t.from.String()
	}
	return t.from.String() + ".." + t.to.String()
}
