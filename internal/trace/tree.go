package trace

import (
	"cmp"
	"slices"
	"time"
)

// maxDepth is the depth of a tree: what lies deeper hangs at this depth.
const maxDepth = 32

// Trace is what is known of one trace, as a forest of segments.
type Trace struct {
	ID        string     `json:"trace_id"`
	Start     time.Time  `json:"start"`
	End       time.Time  `json:"end"`                 // the last moment known of, also of a trace that runs
	Running   bool       `json:"running,omitempty"`   // a root segment has not ended
	Truncated bool       `json:"truncated,omitempty"` // there was more than is read
	Damaged   int        `json:"damaged,omitempty"`   // documents that could not be read
	Roots     []*Segment `json:"segments"`
}

// Segment is a piece of work in a trace.
type Segment struct {
	ID          string            `json:"id"`
	Name        string            `json:"name"`
	Kind        Kind              `json:"kind"`
	Type        string            `json:"type,omitempty"` // a state's type, as "Task"
	Start       time.Time         `json:"start"`
	End         time.Time         `json:"end,omitzero"` // zero while it runs
	Running     bool              `json:"running,omitempty"`
	Failed      bool              `json:"failed,omitempty"`
	Throttled   bool              `json:"throttled,omitempty"`
	Orphan      bool              `json:"orphan,omitempty"` // its parent's document is missing
	Errors      []Failure         `json:"errors,omitempty"`
	Annotations map[string]any    `json:"annotations,omitempty"`
	Details     map[string]string `json:"details,omitempty"`
	Children    []*Segment        `json:"segments,omitempty"`
}

// span is the time that bars are scaled to. What claims to last longer than ten years is cut, so that sums and axes
// stay within a Duration.
func (t *Trace) span() time.Duration { return min(max(0, t.End.Sub(t.Start)), 10*365*24*time.Hour) }

// Took is how long the segment lasted, until end if it still runs.
func (s *Segment) Took(end time.Time) time.Duration {
	if !s.Running {
		end = s.End
	}
	return max(0, end.Sub(s.Start))
}

// Execution returns the trace's segment of the execution of that name ("" for the first execution), or nil.
func (t *Trace) Execution(name string) *Segment {
	for _, r := range t.Roots {
		if r.Kind == KindExecution && (name == "" || r.Annotations[Execution] == name) {
			return r
		}
	}
	return nil
}

// traces builds the tree of each trace, in the order of first appearance.
func (r *reading) traces() []*Trace {
	var ids []string
	byTrace := map[string][]flat{}
	for _, f := range r.segments {
		if _, ok := byTrace[f.traceID]; !ok {
			ids = append(ids, f.traceID)
		}
		byTrace[f.traceID] = append(byTrace[f.traceID], f)
	}
	var out []*Trace
	for i, id := range ids {
		t := plant(id, byTrace[id])
		t.Truncated = r.truncated
		if i == 0 {
			t.Damaged = r.damaged
		}
		out = append(out, t)
	}
	return out
}

// plant builds one tree. A segment whose parent is missing, or that is among its own ancestors, becomes a root.
func plant(id string, all []flat) *Trace {
	all = unique(all)
	t := &Trace{ID: id}
	known := map[string]bool{}
	for _, f := range all {
		known[f.seg.ID] = true
	}
	children := map[string][]*Segment{}
	placed := map[string]bool{}
	for _, f := range all {
		if f.parent != "" && known[f.parent] {
			children[f.parent] = append(children[f.parent], f.seg)
		}
	}
	for _, f := range all {
		if f.parent == "" || !known[f.parent] {
			f.seg.Orphan = f.parent != ""
			t.Roots = append(t.Roots, f.seg)
			hang(f.seg, children, placed)
		}
	}
	for _, f := range all { // what is left goes round in circles
		if !placed[f.seg.ID] {
			f.seg.Orphan = true
			t.Roots = append(t.Roots, f.seg)
			hang(f.seg, children, placed)
		}
	}
	for i, f := range all {
		s := f.seg
		slices.SortStableFunc(s.Children, byStart)
		if i == 0 || s.Start.Before(t.Start) {
			t.Start = s.Start
		}
		for _, at := range []time.Time{s.Start, s.End} {
			if at.After(t.End) {
				t.End = at
			}
		}
	}
	slices.SortStableFunc(t.Roots, byStart)
	for _, s := range t.Roots {
		t.Running = t.Running || s.Running
	}
	return t
}

// byStart orders siblings by their start, a cluster before what watches it. Equals stay in the order in which they were
// written, which is that of their ends.
func byStart(a, b *Segment) int {
	return cmp.Or(a.Start.Compare(b.Start), cmp.Compare(rank(a), rank(b)))
}

func rank(s *Segment) int {
	if s.Kind == KindCluster {
		return 0
	}
	return 1
}

// unique keeps one segment of each id: one that has ended before one that runs, then the later.
func unique(all []flat) []flat {
	at := map[string]int{}
	var out []flat
	for _, f := range all {
		i, ok := at[f.seg.ID]
		switch {
		case !ok:
			at[f.seg.ID] = len(out)
			out = append(out, f)
		case out[i].seg.Running || !f.seg.Running:
			out[i] = f
		}
	}
	return out
}

// hang attaches children to root, and theirs to them, down to maxDepth.
func hang(root *Segment, children map[string][]*Segment, placed map[string]bool) {
	type place struct {
		seg, under *Segment
		depth      int
	}
	placed[root.ID] = true
	stack := []place{{seg: root, under: root}}
	for len(stack) > 0 {
		p := stack[len(stack)-1]
		stack = stack[:len(stack)-1]
		next := place{under: p.seg, depth: p.depth + 1}
		if p.depth >= maxDepth {
			next = place{under: p.under, depth: p.depth}
		}
		for _, c := range children[p.seg.ID] {
			if placed[c.ID] {
				continue
			}
			placed[c.ID] = true
			next.under.Children = append(next.under.Children, c)
			next.seg = c
			stack = append(stack, next)
		}
	}
}

// walk calls f with every segment under segs, depth first.
func walk(segs []*Segment, f func(*Segment)) {
	for _, s := range segs {
		f(s)
		walk(s.Children, f)
	}
}

// Totals is what a trace amounts to.
type Totals struct {
	States   int           `json:"states"`
	Attempts int           `json:"attempts"`
	Failed   int           `json:"failed_attempts"`
	Waited   time.Duration `json:"waited_ns"`  // in Wait states and before retries
	Cluster  time.Duration `json:"cluster_ns"` // life of the clusters, added up
}

// Totals adds up a trace.
func (t *Trace) Totals() Totals {
	var sum Totals
	walk(t.Roots, func(s *Segment) {
		switch s.Kind {
		case KindState:
			sum.States++
			if s.Type == "Wait" {
				sum.Waited += s.Took(t.End)
			}
		case KindAttempt:
			sum.Attempts++
			if s.Failed {
				sum.Failed++
			}
		case KindWait:
			sum.Waited += s.Took(t.End)
		}
	})
	for _, c := range clusters(t.Roots) {
		sum.Cluster += c.Took(t.End)
	}
	return sum
}

// clusters returns the outermost segments of clusters, by their start.
func clusters(segs []*Segment) []*Segment {
	var out []*Segment
	for _, s := range segs {
		if s.Kind == KindCluster {
			out = append(out, s)
		} else {
			out = append(out, clusters(s.Children)...)
		}
	}
	slices.SortStableFunc(out, func(a, b *Segment) int {
		return cmp.Or(a.Start.Compare(b.Start), cmp.Compare(a.ID, b.ID))
	})
	return out
}

// Annotated says whether a segment of the trace has an annotation of that value.
func (t *Trace) Annotated(key, value string) bool {
	found := false
	walk(t.Roots, func(s *Segment) { found = found || s.Annotations[key] == value })
	return found
}
