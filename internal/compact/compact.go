// Package compact writes the parts of a sealed hour: archive objects joined bit by bit into one bzip2 stream a part.
//
// No block is decoded, except where objects are small (runs of them are re-encoded into full blocks) or taken in part.
// Memory does not grow with the hour. See DESIGN section "Compact".
package compact

import (
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"time"

	"penstock/internal/emf"
	"penstock/internal/fault"
	"penstock/internal/hour"
	"penstock/internal/ledger"
	"penstock/internal/store"
	"penstock/internal/trace"
)

// Source is what compaction needs of the archive bucket.
type Source interface {
	Get(ctx context.Context, key string, max int64) ([]byte, store.Object, error)
	GetRange(ctx context.Context, key, etag string, off, n int64) (io.ReadCloser, error)
}

// Hours is what compaction needs of the hours bucket.
type Hours interface {
	List(ctx context.Context, prefix string) iter.Seq2[store.Object, error]
	GetRange(ctx context.Context, key, etag string, off, n int64) (io.ReadCloser, error)
	CreateFrom(ctx context.Context, key string, r io.Reader) (store.Object, error)
}

// Ledger is what compaction needs of the hours' ledgers.
type Ledger interface {
	Read(ctx context.Context, h hour.Hour) (*ledger.State, error)
	ReadSeal(ctx context.Context, ref hour.Ref) (*hour.Seal, error)
	Append(ctx context.Context, h hour.Hour, decide func(*ledger.State) (*hour.Entry, error)) (*ledger.State, error)
}

// Handler compacts hours. Its fields are set once; calls for different parts may run at the same time.
type Handler struct {
	Archive Source
	Hours   Hours
	Ledger  Ledger
	Keys    hour.Keys
	Procs   int // goroutines that compress; 0 means 1
	Fetch   int // objects read at a time, up to 32; 0 means 1, in the caller's goroutine
	// Compute runs pure work; nil runs it in place. The one-machine engine lets it run beside its event loop.
	Compute func(fn func())
	// Figures gets CompactSeconds, what writing a part took by the clock Now; nothing where Now is nil.
	Figures emf.Figures
	Now     func() time.Time
}

// In is the input of one iteration of the state Compact.
type In struct {
	Hour      hour.Hour `json:"hour"`
	N         int       `json:"n"`
	Execution string    `json:"execution"`
	Revision  string    `json:"revision"`
	Part      int       `json:"part"` // from 0
}

// Out is the answer.
type Out struct {
	Part   int `json:"part"`
	Events int `json:"events"`
}

// Handle writes one part of the sealed revision, and with part 0 the hour's rejects. Same revision, same bytes: what
// stands already is compared, not replaced. Errors are types of package fault.
func (h *Handler) Handle(ctx context.Context, in In) (Out, error) {
	ctx, span := trace.Begin(ctx, "compact")
	span.Annotate("hour", in.Hour.String())
	span.Annotate("revision", in.Revision)
	span.Annotate("execution", in.Execution)
	span.Annotate("part", in.Part)
	out, err := h.compact(ctx, in)
	span.Annotate("events", out.Events)
	err = fault.Outermost(err)
	span.End(err)
	return out, err
}

func (h *Handler) compact(ctx context.Context, in In) (Out, error) {
	id := fmt.Sprintf("%s/Compact/%s/%d", in.Execution, in.Revision, in.Part)
	state, err := h.Ledger.Read(ctx, in.Hour)
	if err != nil {
		return Out{}, err
	}
	run, err := state.Own(in.N, in.Execution)
	if err != nil {
		return Out{}, err
	}
	if run.Seal == nil || run.Revision != in.Revision {
		return Out{}, &fault.BadInput{Detail: fmt.Sprintf("run %d of hour %s has not sealed revision %s", in.N, in.Hour, in.Revision)}
	}
	s, err := h.Ledger.ReadSeal(ctx, *run.Seal)
	if err != nil {
		return Out{}, err
	}
	if in.Part < 0 || in.Part >= len(s.Parts) {
		return Out{}, &fault.BadInput{Detail: fmt.Sprintf("revision %s has %d parts, no part %d", in.Revision, len(s.Parts), in.Part)}
	}
	plan := s.Parts[in.Part]
	out := Out{Part: in.Part, Events: plan.Events}
	if state.Has(id) {
		return out, nil
	}
	e := hour.Entry{ID: id, Type: hour.EntryCompacted, Run: in.N, Execution: in.Execution, Revision: in.Revision}
	done, err := h.earlier(ctx, state, &e, in.Part)
	if err != nil {
		return Out{}, err
	}
	if !done {
		if err := h.files(ctx, s, &e, in.Part); err != nil {
			return Out{}, err
		}
	}
	_, err = h.Ledger.Append(ctx, in.Hour, func(st *ledger.State) (*hour.Entry, error) {
		if st.Has(e.ID) {
			return nil, nil
		}
		if _, err := st.Own(in.N, in.Execution); err != nil {
			return nil, err
		}
		entry := e
		return &entry, nil
	})
	return out, err
}

// earlier takes over what an earlier run of the same revision wrote, if it still stands: same revision, same bytes.
func (h *Handler) earlier(ctx context.Context, state *ledger.State, e *hour.Entry, part int) (bool, error) {
	for i := range state.Entries {
		b := &state.Entries[i]
		if b.Type != hour.EntryCompacted || b.Revision != e.Revision {
			continue
		}
		if b.Part != nil && b.Part.Number != part || b.Part == nil && part != 0 {
			continue
		}
		stands, err := h.stands(ctx, b.Rejects)
		if b.Part != nil && stands && err == nil {
			stands, err = h.stands(ctx, &b.Part.File)
		}
		if err != nil {
			return false, err
		}
		if stands {
			e.Part, e.Rejects = b.Part, b.Rejects
			return true, nil
		}
	}
	return false, nil
}

// stands says whether a file is still there as it was written; no file at all is.
func (h *Handler) stands(ctx context.Context, f *hour.File) (bool, error) {
	if f == nil {
		return true, nil
	}
	for o, err := range h.Hours.List(ctx, f.Key) {
		return err == nil && o.Key == f.Key && o.ETag == f.ETag, err
	}
	return false, nil
}

// files writes the files of a part, and says how long that took.
func (h *Handler) files(ctx context.Context, s *hour.Seal, e *hour.Entry, part int) (err error) {
	if h.Now != nil {
		begun := h.Now()
		defer func() {
			if err == nil {
				now := h.Now()
				h.Figures.Report(ctx, now, emf.Metric{Name: "CompactSeconds", Unit: emf.Seconds, Value: max(0, now.Sub(begun).Seconds())})
			}
		}()
	}
	if s.Parts[part].Events > 0 {
		if e.Part, err = h.part(ctx, s, part); err != nil {
			return fmt.Errorf("compact part %d of %s: %w", part, s.Hour, err)
		}
	}
	if part == 0 && s.Rejects > 0 {
		if e.Rejects, err = h.rejects(ctx, s); err != nil {
			return fmt.Errorf("collect rejects of %s: %w", s.Hour, err)
		}
	}
	return nil
}

// part writes one part's file.
func (h *Handler) part(ctx context.Context, s *hour.Seal, n int) (*hour.Part, error) {
	plan := s.Parts[n]
	r := h.newReader(ctx, s.Pieces[plan.From:plan.To], events, plan.Events)
	f, err := h.create(ctx, h.Keys.PartKey(s.Hour, s.Revision, n), r)
	if err != nil {
		return nil, err
	}
	return &hour.Part{File: *f, Number: n, Events: r.lines, Bytes: r.raw}, nil
}

// rejects writes the hour's rejects, all parts' together.
func (h *Handler) rejects(ctx context.Context, s *hour.Seal) (*hour.File, error) {
	return h.create(ctx, h.Keys.HourRejectsKey(s.Hour, s.Revision), h.newReader(ctx, s.Pieces, rejects, s.Rejects))
}

// create writes a file if it is absent. What stands under its key was written by an earlier try: it must be the same.
func (h *Handler) create(ctx context.Context, key string, r *reader) (*hour.File, error) {
	o, err := h.Hours.CreateFrom(ctx, key, r)
	var exists *fault.Exists
	if errors.As(err, &exists) {
		// The body may not have been read to its end; the hash of the whole is needed to compare.
		if _, err := io.Copy(io.Discard, r); err != nil {
			return nil, err
		}
		o, err = h.same(ctx, key, r)
	}
	if err != nil {
		return nil, err
	}
	return &hour.File{Key: key, Size: o.Size, ETag: o.ETag, SHA256: r.sum()}, nil
}

// same compares what stands with what was made.
func (h *Handler) same(ctx context.Context, key string, r *reader) (store.Object, error) {
	for o, err := range h.Hours.List(ctx, key) {
		if err != nil {
			return store.Object{}, err
		}
		if o.Key != key {
			break
		}
		body, err := h.Hours.GetRange(ctx, key, o.ETag, 0, -1)
		if err != nil {
			return store.Object{}, err
		}
		sum, err := digest(body)
		if err := errors.Join(err, body.Close()); err != nil {
			return store.Object{}, err
		}
		if sum != r.sum() {
			return store.Object{}, &fault.Conflict{Key: key, Detail: "another release wrote this revision with other bytes"}
		}
		return o, nil
	}
	return store.Object{}, &fault.NotFound{Key: key}
}
