package trace

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
)

// row is a line of a waterfall: a segment, merged with what it merely passes on to, or a fold of repeated rounds.
type row struct {
	label    string
	note     string // what else to know, shown less loudly
	look     look
	start    time.Time
	took     time.Duration
	running  bool
	failed   bool
	errs     []Failure // those that no row below shows
	segs     []*Segment
	children []*row
	folded   []*row // rows of the rounds left out
}

// look is how a bar looks.
type look int

const (
	lookWork look = iota
	lookWait
	lookCluster
	lookFailed
	lookFold
)

// rows arranges a trace for people.
func (t *Trace) rows() []*row {
	rows := arrange(t.Roots, t.End, nil)
	shorten(rows, map[Failure]bool{})
	return rows
}

// shorten leaves out the cause of an error that was shown before.
func shorten(rows []*row, shown map[Failure]bool) {
	for _, r := range rows {
		for i, e := range r.errs {
			if shown[e] && e.Cause != "" {
				r.errs[i].Cause = "as above"
			}
			shown[e] = true
		}
		shorten(r.children, shown)
		shorten(r.folded, shown)
	}
}

func arrange(segs []*Segment, end time.Time, parent *Segment) []*row {
	attempts := 0
	for _, s := range segs {
		if s.Kind == KindAttempt {
			attempts++
		}
	}
	var rows []*row
	n := 0
	for _, s := range segs {
		r := rowOf(s, end)
		if s.Kind == KindAttempt {
			n++
			if attempts > 1 {
				r.label = fmt.Sprintf("attempt %d", n)
				if parent == nil || !sameWork(parent.Name, s.Name) {
					r.note = joinNotes(s.Name, r.note)
				}
			}
		}
		rows = append(rows, r)
	}
	return fold(rows)
}

func rowOf(s *Segment, end time.Time) *row {
	r := &row{label: printable(s.Name), start: s.Start, took: s.Took(end), running: s.Running, failed: s.Failed, segs: []*Segment{s}}
	last, work := s, s.Name
	for {
		next := passedTo(last)
		if next == nil {
			break
		}
		if next.Kind == KindState || next.Kind == KindAttempt && !sameWork(work, next.Name) {
			r.note = joinNotes(r.note, printable(next.Name))
		}
		if next.Kind == KindState {
			work = next.Name
		}
		last = next
		r.segs = append(r.segs, last)
	}
	for _, seg := range r.segs {
		if seg.Kind != KindExecution { // the heading has them
			r.note = joinNotes(r.note, annotationNote(seg))
		}
	}
	if s.Orphan {
		r.note = joinNotes(r.note, "(parent not recorded)")
	}
	r.children = arrange(last.Children, end, s)
	r.look = lookOf(s)
	if r.look == lookFailed && anyFailed(r.children) {
		whole := *s // the bar of what failed first hand is enough
		whole.Failed = false
		r.look = lookOf(&whole)
	}
	r.errs = ownErrors(r)
	return r
}

func anyFailed(rows []*row) bool {
	return slices.ContainsFunc(rows, func(r *row) bool { return r.failed || anyFailed(r.children) })
}

// passedTo returns the only child of s if it adds no more than a layer: the state of a branch, the attempt of a state,
// the function that an attempt calls, the stage of that name in it.
func passedTo(s *Segment) *Segment {
	if len(s.Children) != 1 {
		return nil
	}
	c := s.Children[0]
	if c.Failed != s.Failed || c.Running != s.Running {
		return nil
	}
	switch {
	case s.Kind == KindBranch && c.Kind == KindState,
		s.Kind == KindState && c.Kind == KindAttempt,
		(s.Kind == KindAttempt || s.Kind == KindService) && (c.Kind == KindFunction || c.Kind == KindService),
		s.Kind == KindFunction && c.Kind == KindStage && sameWork(s.Name, c.Name):
		return c
	}
	return nil
}

// sameWork says whether a state and what it calls have the same name, as "Compact" and "lambda:compact".
func sameWork(state, called string) bool {
	if i := strings.LastIndexAny(called, ":/"); i >= 0 {
		called = called[i+1:]
	}
	return strings.EqualFold(state, called)
}

func lookOf(s *Segment) look {
	switch {
	case s.Kind == KindWait || s.Kind == KindState && s.Type == "Wait":
		return lookWait
	case s.Failed:
		return lookFailed
	case s.Kind == KindCluster || s.Kind == KindStep:
		return lookCluster
	}
	return lookWork
}

// annotationNote lists a segment's annotations, except those of the run that its heading shows.
func annotationNote(s *Segment) string {
	var parts []string
	for _, k := range slices.Sorted(maps.Keys(s.Annotations)) {
		if k == Hour || k == Execution {
			continue
		}
		parts = append(parts, printable(fmt.Sprintf("%s=%s", k, value(s.Annotations[k]))))
	}
	return strings.Join(parts, " ")
}

// value formats an annotation: whole numbers without an exponent.
func value(v any) string {
	if f, ok := v.(float64); ok && f == float64(int64(f)) {
		return fmt.Sprint(int64(f))
	}
	return fmt.Sprint(v)
}

func joinNotes(a, b string) string {
	if a == "" || b == "" {
		return a + b
	}
	return a + " " + b
}

// ownErrors returns the errors of a row that no row below it has.
func ownErrors(r *row) []Failure {
	below := map[string]bool{}
	var collect func([]*row)
	collect = func(rows []*row) {
		for _, c := range rows {
			for _, s := range c.segs {
				for _, e := range s.Errors {
					below[e.Error] = true
				}
			}
			collect(c.children)
			collect(c.folded)
		}
	}
	collect(r.children)
	var out []Failure
	for _, s := range slices.Backward(r.segs) { // the innermost says it first hand
		for _, e := range s.Errors {
			if !below[e.Error] {
				below[e.Error] = true
				out = append(out, Failure{Error: printable(e.Error), Cause: printable(e.Cause)})
			}
		}
	}
	return out
}

const (
	maxPeriod = 6 // rows of one round that are recognised
	minRounds = 4 // rounds that are shown in full
)

// fold replaces the middle of a loop, as a machine that looks and waits makes it, by one row. Rounds with an error are
// never folded.
func fold(rows []*row) []*row {
	var out []*row
	for i := 0; i < len(rows); {
		period, rounds := loopAt(rows[i:])
		if rounds <= minRounds {
			out = append(out, rows[i])
			i++
			continue
		}
		last := i + period*(rounds-1)
		middle := rows[i+period : last]
		var names []string
		for _, r := range rows[i : i+period] {
			names = append(names, r.label)
		}
		end := rows[last].start
		f := &row{
			label: fmt.Sprintf("%d more rounds", rounds-2), note: strings.Join(names, ", "), look: lookFold,
			start: middle[0].start, took: max(0, end.Sub(middle[0].start)), folded: middle,
		}
		out = append(out, rows[i:i+period]...)
		out = append(out, f)
		out = append(out, rows[last:last+period]...)
		i = last + period
	}
	return out
}

// loopAt finds the loop at the beginning of rows that covers most of them: rows of one round, number of rounds.
func loopAt(rows []*row) (period, rounds int) {
	period, rounds = 1, 1
	for p := 1; p <= maxPeriod && p <= len(rows)/2; p++ {
		n := p
		for n < len(rows) && rows[n].label == rows[n-p].label && quiet(rows[n]) && quiet(rows[n-p]) {
			n++
		}
		if r := n / p; r > 1 && r*p > period*rounds {
			period, rounds = p, r
		}
	}
	return period, rounds
}

// quiet says that nothing under the row failed or still runs.
func quiet(r *row) bool {
	if r.failed || r.running || r.label == "" || len(r.folded) > 0 {
		return false
	}
	for _, c := range r.children {
		if !quiet(c) {
			return false
		}
	}
	return true
}

// facts are the heading of a trace: what it is, when, and how it ended.
func (t *Trace) facts() (title, status string, facts []string) {
	title, status = "trace "+t.ID, "ended"
	for _, r := range t.Roots {
		if r.Failed {
			status = "failed"
		}
	}
	if e := t.Execution(""); e != nil {
		title, status = printable(e.Name), "succeeded"
		if name, ok := e.Annotations[Execution].(string); ok {
			title = printable(name)
		}
		if e.Failed {
			status = "failed"
		}
		for _, k := range slices.Sorted(maps.Keys(e.Annotations)) {
			if k != Execution {
				facts = append(facts, printable(k+" "+value(e.Annotations[k])))
			}
		}
	} else if len(t.Roots) > 0 {
		title = printable(t.Roots[0].Name)
	}
	if t.Running {
		status = "running"
	}
	facts = append(facts, "began "+t.Start.UTC().Format("2006-01-02 15:04:05")+" UTC", "trace "+t.ID)
	return title, status, facts
}

// summary is the last line: what the trace amounts to, and what is wrong with the record of it.
func (t *Trace) summary() string {
	sum := t.Totals()
	var parts []string
	add := func(format string, args ...any) { parts = append(parts, fmt.Sprintf(format, args...)) }
	if sum.States > 0 {
		add("%d states", sum.States)
	}
	switch {
	case sum.Failed > 0:
		add("%d attempts (%d failed)", sum.Attempts, sum.Failed)
	case sum.Attempts > 0:
		add("%d attempts", sum.Attempts)
	}
	if sum.Waited > 0 {
		add("waited %s", briefly(sum.Waited))
	}
	if sum.Cluster > 0 {
		add("cluster %s", briefly(sum.Cluster))
	}
	if t.Damaged > 0 {
		add("%d documents unreadable", t.Damaged)
	}
	if t.Truncated {
		add("more than %d segments, the rest left out", MaxSegments)
	}
	return strings.Join(parts, " · ")
}
