package seal

import (
	"context"
	"errors"
	"fmt"
	"iter"

	"penstock/internal/fault"
	"penstock/internal/hour"
	"penstock/internal/ledger"
	"penstock/internal/store"
)

// Reused is what a run that resumes takes over from earlier runs of its hour.
type Reused struct {
	Seal    *hour.Seal
	Ref     hour.Ref
	Run     int         // that sealed last
	Parts   []hour.Part // by number; nil when the run compacts anew
	Rejects *hour.File
	// Cluster is the last one that completed on the seal, ClusterRun its run and Result where its output lies; 0 when the
	// run asks for a cluster of its own.
	Cluster    int
	ClusterRun int
	Result     string
}

// Lister is what looking after files needs of the hours bucket.
type Lister interface {
	List(ctx context.Context, prefix string) iter.Seq2[store.Object, error]
}

// Reuse finds what a run of that state takes over when it resumes at a stage, and looks at all of it: the seal by its
// hash, parts and rejects by size and ETag, a result by the mark of its completeness. The last seal is the one, never an
// older one: what readers get only moves on. What is missing is a *fault.BadInput that names it; other errors are the
// ledger's and the store's.
func Reuse(ctx context.Context, hours Lister, l Ledger, s *ledger.State, from string) (*Reused, error) {
	refuse := func(format string, args ...any) error {
		return &fault.BadInput{Detail: fmt.Sprintf("hour %s cannot resume at %s: %s", s.Hour, from, fmt.Sprintf(format, args...))}
	}
	last := lastSealed(s)
	if last == nil {
		return nil, refuse("no run has sealed it")
	}
	seal, err := l.ReadSeal(ctx, *last.Seal)
	var none *fault.NotFound
	if errors.As(err, &none) {
		return nil, refuse("the seal of run %d is gone", last.N)
	}
	if err != nil {
		return nil, err
	}
	r := &Reused{Seal: seal, Ref: *last.Seal, Run: last.N}
	if from == hour.FromCompact {
		return r, nil
	}
	if gone, err := r.files(ctx, hours, s); err != nil || gone != "" {
		return nil, orRefuse(err, refuse, gone)
	}
	if from == hour.FromPublish && seal.Events > 0 {
		if gone, err := r.result(ctx, hours, s); err != nil || gone != "" {
			return nil, orRefuse(err, refuse, gone)
		}
	}
	return r, nil
}

func orRefuse(err error, refuse func(string, ...any) error, why string) error {
	if err != nil {
		return err
	}
	return refuse("%s", why)
}

// lastSealed is the run whose seal is the newest, nil if there is none.
func lastSealed(s *ledger.State) *ledger.Run {
	var last *ledger.Run
	for _, r := range s.Runs {
		if r.Sealed > 0 && (last == nil || r.Sealed > last.Sealed) {
			last = r
		}
	}
	return last
}

// files takes over the parts and the rejects of the seal's revision, and says what is missing.
func (r *Reused) files(ctx context.Context, hours Lister, s *ledger.State) (missing string, err error) {
	parts := map[int]hour.Part{}
	for i := range s.Entries { // the last word on each counts
		e := &s.Entries[i]
		if e.Type != hour.EntryCompacted || e.Revision != r.Seal.Revision {
			continue
		}
		if e.Part != nil {
			parts[e.Part.Number] = *e.Part
		}
		if e.Rejects != nil {
			r.Rejects = e.Rejects
		}
	}
	r.Parts = []hour.Part{}
	for i, plan := range r.Seal.Parts {
		if plan.Events == 0 {
			continue // only rejects: no file
		}
		p, ok := parts[i]
		if !ok || p.Events != plan.Events {
			return fmt.Sprintf("part %d of revision %s was never compacted", i, r.Seal.Revision), nil
		}
		if ok, err := stands(ctx, hours, p.File); err != nil || !ok {
			return p.Key + " is not as the ledger names it, or gone", err
		}
		r.Parts = append(r.Parts, p)
	}
	if r.Seal.Rejects == 0 {
		return "", nil
	}
	if r.Rejects == nil {
		return fmt.Sprintf("the rejects of revision %s were never collected", r.Seal.Revision), nil
	}
	if ok, err := stands(ctx, hours, *r.Rejects); err != nil || !ok {
		return r.Rejects.Key + " is not as the ledger names it, or gone", err
	}
	return "", nil
}

// result takes over the output of the last cluster that completed on the seal, and says what is missing. Nobody but that
// cluster wrote there, and Publish checks all of it again.
func (r *Reused) result(ctx context.Context, hours Lister, s *ledger.State) (missing string, err error) {
	for _, run := range s.Runs {
		for _, c := range run.Clusters {
			if run.Revision == r.Seal.Revision && c.Ended && c.Verdict == hour.VerdictCompleted {
				r.Cluster, r.ClusterRun, r.Result = c.Number, run.N, c.Result
			}
		}
	}
	switch {
	case r.Cluster == 0:
		return fmt.Sprintf("no cluster has completed on revision %s", r.Seal.Revision), nil
	case r.Result == "":
		return fmt.Sprintf("the ledger does not say where cluster %d of run %d wrote", r.Cluster, r.ClusterRun), nil
	}
	key := r.Result + "_SUCCESS"
	for o, err := range hours.List(ctx, key) {
		if err != nil {
			return "", fmt.Errorf("look at %s: %w", key, err)
		}
		if o.Key == key {
			return "", nil
		}
		break
	}
	return key + " is gone", nil
}

// stands says whether a file is there as it was written.
func stands(ctx context.Context, hours Lister, f hour.File) (bool, error) {
	for o, err := range hours.List(ctx, f.Key) {
		if err != nil {
			return false, fmt.Errorf("look at %s: %w", f.Key, err)
		}
		return o.Key == f.Key && o.Size == f.Size && o.ETag == f.ETag, nil
	}
	return false, nil
}

// resume seals with the seal of an earlier run. Nothing is proven or selected anew: what was archived since is left to the
// schedule, which finds it as late data.
func (h *Handler) resume(ctx context.Context, in In, state *ledger.State, published *hour.Seal) (Out, error) {
	r, err := Reuse(ctx, h.Hours, h.Ledger, state, in.Options.From)
	if err != nil {
		return Out{}, err
	}
	out := outOf(in, published, r.Seal)
	out.Cluster, out.Result = r.Cluster, r.Result
	if err := h.tell(ctx, in, r.Ref, out); err != nil {
		return Out{}, err
	}
	return out, nil
}

// Preview is what a run would seal if it began now.
type Preview struct {
	Seal      *hour.Seal // as it would be written, without the proof
	Reused    *Reused    // nil unless the run resumes
	Unchanged bool       // this revision is published, and the options do not force it
}

// Preview tells what Handle would seal now. It writes nothing and does not read the stream: whether the hour is complete is
// left to the run.
func (h *Handler) Preview(ctx context.Context, state *ledger.State, options hour.Options) (*Preview, error) {
	published, err := h.published(ctx, state)
	if err != nil {
		return nil, err
	}
	in := In{Hour: state.Hour, Options: options}
	if options.Resumes() {
		r, err := Reuse(ctx, h.Hours, h.Ledger, state, options.From)
		if err != nil {
			return nil, err
		}
		return &Preview{Seal: r.Seal, Reused: r, Unchanged: outOf(in, published, r.Seal).Unchanged}, nil
	}
	have, err := h.committed(ctx, state.Hour, Archived{})
	if err != nil {
		return nil, err
	}
	s, err := h.stated(published, have)
	if err != nil {
		return nil, err
	}
	s.Hour = state.Hour
	return &Preview{Seal: s, Unchanged: outOf(in, published, s).Unchanged}, nil
}
