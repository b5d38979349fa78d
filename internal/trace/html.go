package trace

import (
	"bufio"
	_ "embed"
	"encoding/json"
	"fmt"
	"html/template"
	"io"
	"maps"
	"math"
	"slices"
	"time"
)

//go:embed page.html
var pageSource string

// page is what the template shows.
type page struct {
	Title, Status, Took, Summary string
	Facts                        []string
	Ticks                        []pageTick
	Grid                         float64 // per cent between grid lines
	Rows                         []pageRow
	Legend                       []string
}

type pageTick struct {
	Left float64
	Text string
}

type pageRow struct {
	Label, Note, Look, Start, Took, Tip string
	Depth                               int
	Left, Width                         float64 // per cent of the run's time
	Failed, Running                     bool
	Errors                              []Failure
	Details                             []pageDetail
	Children, Folded                    []pageRow
}

type pageDetail struct{ Key, Value string }

// HTML writes t as one page without scripts and without anything from elsewhere: the waterfall, light or dark as the
// reader's system is, with the details of each line to open.
func HTML(w io.Writer, t *Trace) error {
	tmpl, err := template.New("page").Parse(pageSource)
	if err != nil {
		return fmt.Errorf("parse trace page: %w", err)
	}
	p := page{Took: briefly(t.span()), Summary: t.summary(), Grid: 100}
	p.Title, p.Status, p.Facts = t.facts()
	total := t.span()
	if step := tickEvery(total, 8); total > 0 {
		p.Grid = percent(step, total)
		for at := time.Duration(0); at <= total*19/20; at += step {
			p.Ticks = append(p.Ticks, pageTick{Left: percent(at, total), Text: tick(at)})
		}
	}
	used := map[string]bool{}
	p.Rows = pageRows(t, t.rows(), 0, used)
	for l := lookWork; l <= lookFold; l++ {
		if used[l.class()] {
			p.Legend = append(p.Legend, l.class())
		}
	}
	b := bufio.NewWriter(w)
	if err := tmpl.Execute(b, p); err != nil {
		return fmt.Errorf("write trace page: %w", err)
	}
	if err := b.Flush(); err != nil {
		return fmt.Errorf("write trace page: %w", err)
	}
	return nil
}

func percent(d, total time.Duration) float64 {
	if total <= 0 {
		return 0
	}
	return math.Round(float64(d)/float64(total)*1e5) / 1e3
}

// class is the class of a look on the page.
func (l look) class() string {
	return [...]string{"work", "wait", "cluster", "failedbar", "fold"}[l]
}

func pageRows(t *Trace, rows []*row, depth int, used map[string]bool) []pageRow {
	var out []pageRow
	total := t.span()
	for _, r := range rows {
		used[r.look.class()] = true
		p := pageRow{
			Label: r.label, Note: r.note, Look: r.look.class(), Depth: depth, Failed: r.failed, Running: r.running, Errors: r.errs,
			Start: offset(r.start.Sub(t.Start)), Took: briefly(r.took),
			Left: percent(r.start.Sub(t.Start), total), Width: percent(r.took, total),
		}
		if r.running {
			p.Took = "running"
		}
		p.Tip = joinNotes(r.label, r.note) + "\n" + r.start.UTC().Format("2006-01-02 15:04:05.000") + " UTC, " + p.Took
		for _, s := range r.segs {
			p.Details = append(p.Details, detailsOf(s)...)
		}
		p.Children = pageRows(t, r.children, depth+1, used)
		p.Folded = pageRows(t, r.folded, depth+1, used)
		out = append(out, p)
	}
	return out
}

func detailsOf(s *Segment) []pageDetail {
	what := string(s.Kind)
	if s.Type != "" {
		what += ", " + s.Type
	}
	end := "now"
	if !s.Running {
		end = s.End.UTC().Format("15:04:05.000")
	}
	out := []pageDetail{{printable(s.Name), printable(what + ", " + s.Start.UTC().Format("15:04:05.000") + " to " + end + ", segment " + s.ID)}}
	for _, k := range slices.Sorted(maps.Keys(s.Annotations)) {
		out = append(out, pageDetail{printable(k), printable(value(s.Annotations[k]))})
	}
	for _, k := range slices.Sorted(maps.Keys(s.Details)) {
		out = append(out, pageDetail{printable(k), printable(s.Details[k])})
	}
	return out
}

// JSON writes t as indented JSON: the tree, with the totals.
func JSON(w io.Writer, t *Trace) error {
	enc := json.NewEncoder(w)
	enc.SetIndent("", "  ")
	enc.SetEscapeHTML(false)
	if err := enc.Encode(struct {
		*Trace
		Totals Totals `json:"totals"`
	}{t, t.Totals()}); err != nil {
		return fmt.Errorf("write trace: %w", err)
	}
	return nil
}
