// Package seal decides when an hour is complete and states, once and for ever, which pieces of the archive are it.
//
// The order is: prove, then read the failure destination, then list and select. What arrives in between is late data,
// not a hole. See DESIGN section "Seal".
package seal

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"time"

	"penstock/internal/emf"
	"penstock/internal/fault"
	"penstock/internal/hour"
	"penstock/internal/ledger"
	"penstock/internal/store"
	"penstock/internal/stream"
	"penstock/internal/trace"
)

// Archive is what sealing needs of the archive bucket.
type Archive interface {
	List(ctx context.Context, prefix string) iter.Seq2[store.Object, error]
	Get(ctx context.Context, key string, max int64) ([]byte, store.Object, error)
}

// Hours is what sealing needs of the hours bucket.
type Hours interface {
	List(ctx context.Context, prefix string) iter.Seq2[store.Object, error]
	Get(ctx context.Context, key string, max int64) ([]byte, store.Object, error)
	Create(ctx context.Context, key string, data []byte) (store.Object, error)
}

// Stream is what sealing needs of the stream.
type Stream interface {
	Shards(ctx context.Context, from time.Time) ([]stream.Shard, error)
	Iterator(ctx context.Context, shard string, start stream.Start) (string, error)
	Records(ctx context.Context, iterator string, limit int) (stream.Page, error)
	Retention(ctx context.Context) (time.Duration, error)
}

// Mapping tells the event source mapping's present state.
type Mapping interface {
	Mapping(ctx context.Context) (hour.Mapping, error)
}

// Ledger is what sealing needs of the hours' ledgers.
type Ledger interface {
	Read(ctx context.Context, h hour.Hour) (*ledger.State, error)
	ReadSeal(ctx context.Context, ref hour.Ref) (*hour.Seal, error)
	Append(ctx context.Context, h hour.Hour, decide func(*ledger.State) (*hour.Entry, error)) (*ledger.State, error)
}

// Handler seals hours. Its fields are set once.
type Handler struct {
	Archive  Archive
	Hours    Hours
	Failure  Archive // the failure destination of the archive's mapping, and of no other; nil for none
	Stream   Stream
	Mapping  Mapping // nil: the mapping never changes
	Ledger   Ledger
	Keys     hour.Keys
	Now      func() time.Time
	Margin   time.Duration // after the hour's end, given to what is under way
	Deadline time.Duration // of one run's waiting, from its start
	PartSize int64         // compressed bytes of a part; 0 for PartBytes
	// Fetch is how many indexes are read at a time; 0 means 1, in the caller's goroutine.
	Fetch int
	// Figures gets SealWait, the seconds from a run's start to the end of its waiting: sealed, or given up.
	Figures emf.Figures
}

// In is the input of the state Seal.
type In struct {
	Hour      hour.Hour    `json:"hour"`
	N         int          `json:"n"`
	Execution string       `json:"execution"`
	Started   time.Time    `json:"started"` // of the execution
	Options   hour.Options `json:"options"`
	Cursor    Cursor       `json:"cursor"` // of the answer before
}

// Out is the answer. An hour that is not complete is a value, not an error: the machine waits and asks again.
type Out struct {
	Complete bool   `json:"complete"`
	Waiting  string `json:"waiting,omitempty"`
	Revision string `json:"revision"`
	Parts    int    `json:"parts"`
	Events   int    `json:"events"`
	// Unchanged says that this very revision is published and nobody asked to force it.
	Unchanged bool `json:"unchanged"`
	// Cursor goes into the next call while the hour is not complete.
	Cursor Cursor `json:"cursor"`
	// Cluster and Result are those of an earlier run whose result is to be published; 0 and "" if the run makes its own.
	Cluster int    `json:"cluster"`
	Result  string `json:"result"`
}

// Handle seals the hour if it is complete. Errors are types of package fault.
func (h *Handler) Handle(ctx context.Context, in In) (Out, error) {
	ctx, span := trace.Begin(ctx, "seal")
	span.Annotate("hour", in.Hour.String())
	span.Annotate("execution", in.Execution)
	out, err := h.seal(ctx, in)
	if out.Revision != "" {
		span.Annotate("revision", out.Revision)
		span.Annotate("events", out.Events)
	}
	if out.Waiting != "" {
		span.Metadata("waiting", out.Waiting)
	}
	err = fault.Outermost(err)
	span.End(err)
	h.report(ctx, in, out, err)
	return out, err
}

// report tells how long a run waited, once it waits no longer.
func (h *Handler) report(ctx context.Context, in In, out Out, err error) {
	_, late := err.(*fault.HourNotComplete)
	if in.Started.IsZero() || !late && (err != nil || !out.Complete) {
		return
	}
	now := h.Now()
	h.Figures.Report(ctx, now, emf.Metric{Name: "SealWait", Unit: emf.Seconds, Value: max(0, now.Sub(in.Started).Seconds())})
}

func (h *Handler) seal(ctx context.Context, in In) (Out, error) {
	state, err := h.Ledger.Read(ctx, in.Hour)
	if err != nil {
		return Out{}, err
	}
	published, err := h.published(ctx, state)
	if err != nil {
		return Out{}, err
	}
	if in.Options.Resumes() {
		return h.resume(ctx, in, state, published)
	}
	// What was proven stays so: this seal covers the published one, and what is added since fills what was lost.
	proven := published != nil && published.Proof != hour.ProofNone
	e, err := h.evidence(ctx, in.Hour, in.Options.AcceptUnproven || proven, in.Cursor)
	if err != nil {
		return Out{}, err
	}
	before, mapping, p := e.before, e.mapping, e.proof
	if p.kind == hour.ProofNone && proven {
		p.kind, p.shards, mapping = published.Proof, published.Shards, published.Mapping
	}
	if p.waiting != "" {
		if !in.Started.IsZero() && h.Now().Sub(in.Started) > h.Deadline {
			return Out{}, &fault.HourNotComplete{Hour: in.Hour.String(), Waiting: p.waiting}
		}
		return Out{Waiting: p.waiting, Cursor: p.cursor}, nil
	}
	failed, err := h.failed(ctx, in.Hour)
	if err != nil {
		return Out{}, err
	}
	have, err := h.committed(ctx, in.Hour, before)
	if err != nil {
		return Out{}, err
	}
	s, err := h.stated(published, have)
	if err != nil {
		return Out{}, err
	}
	s.Hour = in.Hour
	s.Proof, s.Shards, s.Mapping = p.kind, p.shards, mapping
	s.Lost = stillLost(failed, coverageOf(have.Batches))
	s.SealedAt, s.Execution = hour.At(h.Now()), in.Execution
	return h.write(ctx, in, published, s)
}

// evidence is what was looked at before anything is selected.
type evidence struct {
	before  Archived // committed before the proof
	mapping *hour.Mapping
	proof   *proof
}

// evidence proves the hour complete, or finds what it waits for.
func (h *Handler) evidence(ctx context.Context, hr hour.Hour, accept bool, cursor Cursor) (*evidence, error) {
	before, err := h.committed(ctx, hr, Archived{})
	if err != nil {
		return nil, err
	}
	mapping, changed, err := h.mapping(ctx, hr)
	if err != nil {
		return nil, err
	}
	shards, err := h.archivedShards(ctx, hr, before.Batches)
	if err != nil {
		return nil, err
	}
	p, err := h.prove(ctx, question{hour: hr, shards: shards, full: changed || archivedLate(before.Batches), accept: accept, cursor: cursor})
	if err != nil {
		return nil, err
	}
	return &evidence{before, mapping, p}, nil
}

// Waiting says what keeps the hour from being sealed now, "" if nothing does, in the words of Out.Waiting. It reads what
// Handle would read, of a shard that is behind some answers of the stream, and writes nothing. An hour that the stream
// does not prove any more is a *fault.Unproven.
func (h *Handler) Waiting(ctx context.Context, hr hour.Hour) (string, error) {
	e, err := h.evidence(ctx, hr, false, Cursor{})
	if err != nil {
		return "", fault.Outermost(err)
	}
	return e.proof.waiting, nil
}

// stated selects from the batches and says so as a seal, without proof.
func (h *Handler) stated(published *hour.Seal, have Archived) (*hour.Seal, error) {
	sel, err := Select(published, have)
	if err != nil {
		return nil, err
	}
	from := 0
	if published != nil {
		from = len(published.Pieces)
	}
	for _, p := range sel.Pieces[from:] {
		if gone := unheld(&p); gone != "" {
			return nil, &fault.Corrupt{Key: gone, Detail: "an index names it, but it is not in the archive"}
		}
	}
	s := &hour.Seal{Version: hour.Version, Layout: hour.Layout, Pieces: sel.Pieces, Duplicates: sel.Duplicates,
		Events: sel.Events, Rejects: sel.Rejects, Bytes: sel.Bytes}
	size := h.PartSize
	if size == 0 {
		size = PartBytes
	}
	if s.Events+s.Rejects > 0 {
		s.Parts = Parts(s.Pieces, size, PartObjects)
	}
	s.Revision = hour.RevisionOf(s.Layout, s.Pieces)
	if published != nil {
		s.Previous = published.Revision
		if gone := Missing(published, have); gone != "" && s.Revision != published.Revision {
			return nil, &fault.ArchiveExpired{Hour: published.Hour.String(), Detail: gone + " is gone"}
		}
	}
	return s, nil
}

// unheld names an object of a piece that was not in the archive when it was listed, or "". Nothing of it may be lost
// silently.
func unheld(p *hour.Piece) string {
	for _, f := range []*hour.File{p.Object, p.RejectsFile} {
		if f != nil && f.ETag == "" {
			return f.Key
		}
	}
	return ""
}

// write creates the seal and tells the ledger. A seal of the same revision that stands already stays: it says the same.
func (h *Handler) write(ctx context.Context, in In, published, s *hour.Seal) (Out, error) {
	if err := expected(in, s.Revision); err != nil {
		return Out{}, err
	}
	key := h.Keys.SealKey(in.Hour, s.Revision)
	data := hour.Encode(s)
	_, err := h.Hours.Create(ctx, key, data)
	var exists *fault.Exists
	if errors.As(err, &exists) {
		if data, _, err = h.Hours.Get(ctx, key, hour.MaxDocument); err != nil {
			return Out{}, err
		}
		if s, err = h.Keys.DecodeSeal(key, data); err != nil {
			return Out{}, err
		}
	} else if err != nil {
		return Out{}, err
	}
	out := outOf(in, published, s)
	if err := h.tell(ctx, in, hour.Ref{Key: key, SHA256: hour.SHA256(data)}, out); err != nil {
		return Out{}, err
	}
	return out, nil
}

// expected refuses another revision than a dry run showed.
func expected(in In, revision string) error {
	want, err := hour.ParseExpect(in.Options.Expect)
	if err != nil {
		return &fault.BadInput{Detail: err.Error()}
	}
	if changed := hour.Changed("its revision", revision, want.Revision); changed != "" {
		return &fault.HourChanged{Hour: in.Hour.String(), Detail: changed}
	}
	return nil
}

// outOf is the answer of a run that seals s.
func outOf(in In, published, s *hour.Seal) Out {
	return Out{Complete: true, Revision: s.Revision, Parts: len(s.Parts), Events: s.Events,
		Unchanged: published != nil && published.Revision == s.Revision && !in.Options.Force}
}

// tell appends Sealed, or Ended if the hour is unchanged.
func (h *Handler) tell(ctx context.Context, in In, seal hour.Ref, out Out) error {
	if err := expected(in, out.Revision); err != nil {
		return err
	}
	_, err := h.Ledger.Append(ctx, in.Hour, func(st *ledger.State) (*hour.Entry, error) {
		id := fmt.Sprintf("%s/Seal/%s", in.Execution, out.Revision)
		e := &hour.Entry{ID: id, Type: hour.EntrySealed, Run: in.N, Execution: in.Execution,
			Revision: out.Revision, Seal: &seal}
		if out.Unchanged {
			e = &hour.Entry{ID: id, Type: hour.EntryEnded, Run: in.N, Execution: in.Execution,
				Revision: out.Revision, Status: "SUCCEEDED", Cause: "the hour is unchanged since it was published"}
		}
		if st.Has(id) {
			return nil, nil
		}
		if _, err := st.Own(in.N, in.Execution); err != nil {
			return nil, err
		}
		return e, nil
	})
	return err
}

// published reads the seal of the published revision, nil if none is.
func (h *Handler) published(ctx context.Context, st *ledger.State) (*hour.Seal, error) {
	p := st.Published()
	if p == nil {
		return nil, nil
	}
	return h.Ledger.ReadSeal(ctx, p.Publish.Seal)
}
