// Package publish makes a run's parts and results what readers get.
//
// It looks at everything it is about to name: the parts of the seal's plan, the hour's rejects, the job's output. Then it
// appends Published, the one entry that makes them exist for readers, and last it replaces the manifest, which shows that
// entry. A run that no longer holds the hour, or whose seal is older than the published one, publishes nothing.
package publish

import (
	"context"
	"fmt"
	"io"
	"iter"

	"penstock/internal/emf"
	"penstock/internal/fault"
	"penstock/internal/hour"
	"penstock/internal/ledger"
	"penstock/internal/playbook"
	"penstock/internal/store"
	"penstock/internal/trace"
)

// Hours is what publish needs of the hours bucket; store.Store states the contract of each method.
type Hours interface {
	List(ctx context.Context, prefix string) iter.Seq2[store.Object, error]
	GetRange(ctx context.Context, key, etag string, off, n int64) (io.ReadCloser, error)
}

// Playbooks gives the job's playbook as it is now. It may be called concurrently.
type Playbooks interface {
	Playbook(ctx context.Context) (*playbook.Playbook, hour.Ref, error)
}

// In is what the state Publish gives.
type In struct {
	Hour      hour.Hour `json:"hour"`
	N         int       `json:"n"`
	Execution string    `json:"execution"`
	Revision  string    `json:"revision"`
	Cluster   int       `json:"cluster"` // 0 for an hour without events
	Result    string    `json:"result"`  // key prefix of the cluster's output, "" without one
}

// Out says what was published.
type Out struct {
	Hour     hour.Hour `json:"hour"`
	Revision string    `json:"revision"`
	Events   int       `json:"events"`
	Version  int       `json:"version"` // number of the Published entry
}

// Handler publishes hours. It is safe for concurrent use.
type Handler struct {
	Ledger    *ledger.Ledger
	Hours     Hours
	Playbooks Playbooks
	// Figures gets HourCost, the estimate in US dollars of what the publication cost.
	Figures emf.Figures
}

// Handle publishes the run's revision. It may be repeated: what is published stays, and the manifest is written if it
// shows less. Errors are *fault.Superseded, *fault.ResultMismatch (no complete output, or one that fails the playbook's
// check), *fault.Corrupt (a file is not as the ledger says), *fault.BadInput (a part is missing from the ledger), and
// those of the ledger and the store.
func (h *Handler) Handle(ctx context.Context, in In) (out Out, err error) {
	ctx, span := trace.Begin(ctx, "publish")
	defer func() {
		err = fault.Outermost(err)
		span.End(err)
	}()
	span.Annotate(trace.Hour, in.Hour.String())
	span.Annotate(trace.Revision, in.Revision)
	s, err := h.Ledger.Read(ctx, in.Hour)
	if err != nil {
		return Out{}, err
	}
	e := publishedBy(s, in)
	if e == nil {
		if s, err = h.publish(ctx, s, in); err != nil {
			return Out{}, err
		}
		if e = publishedBy(s, in); e == nil {
			return Out{}, &fault.Superseded{Hour: in.Hour.String(), Detail: "the publication was not taken"}
		}
		h.Figures.Report(ctx, h.Ledger.Now(), emf.Metric{Name: "HourCost", Unit: emf.None, Value: e.Publish.Cost.Dollars})
	}
	span.Annotate(trace.Events, e.Publish.Events)
	if _, err := h.Ledger.WriteManifest(ctx, s); err != nil {
		return Out{}, err
	}
	return Out{in.Hour, e.Revision, e.Publish.Events, e.Number}, nil
}

// publishedBy returns the entry with which the execution has published this revision, or nil.
func publishedBy(s *ledger.State, in In) *hour.Entry {
	r := s.Run(in.N)
	if r == nil || r.Published == 0 || r.Execution != in.Execution || r.Revision != in.Revision {
		return nil
	}
	return &s.Entries[r.Published-1]
}

// publish checks everything and appends Published.
func (h *Handler) publish(ctx context.Context, s *ledger.State, in In) (*ledger.State, error) {
	r, err := s.MayPublish(in.N, in.Execution)
	if err != nil {
		return nil, err
	}
	if r.Revision != in.Revision {
		return nil, &fault.BadInput{Detail: fmt.Sprintf("run %d of hour %s has not sealed revision %.20q", in.N, in.Hour, in.Revision)}
	}
	seal, err := h.Ledger.ReadSeal(ctx, *r.Seal)
	if err != nil {
		return nil, err
	}
	p, err := assemble(h.Ledger.Keys, seal, s, r, in)
	if err != nil {
		return nil, err
	}
	if err := h.stand(ctx, p); err != nil {
		return nil, err
	}
	var book *playbook.Playbook
	if in.Cluster > 0 {
		if book, _, err = h.Playbooks.Playbook(ctx); err != nil {
			return nil, err
		}
		if p.Results, err = h.results(ctx, in, book.Check, p.Events); err != nil {
			return nil, err
		}
	}
	if p.Cost, err = Estimate(p, len(r.Clusters), book); err != nil {
		return nil, err
	}
	return h.Ledger.Append(ctx, in.Hour, func(s *ledger.State) (*hour.Entry, error) {
		now, err := s.MayPublish(in.N, in.Execution)
		switch {
		case publishedBy(s, in) != nil:
			return nil, nil
		case err != nil:
			return nil, err
		case now.Sealed != r.Sealed:
			return nil, &fault.Superseded{Hour: in.Hour.String(), Detail: "the run has sealed again"}
		}
		return &hour.Entry{
			ID: fmt.Sprintf("%s/Published/%s", in.Execution, in.Revision), Type: hour.EntryPublished, Run: in.N, Execution: in.Execution,
			Revision: in.Revision, Publish: p,
		}, nil
	})
}

// stand checks that the files which the publication names stand as they were written.
func (h *Handler) stand(ctx context.Context, p *hour.Publication) error {
	files := make([]hour.File, 0, len(p.Parts)+1)
	for _, part := range p.Parts {
		files = append(files, part.File)
	}
	if p.Rejects != nil {
		files = append(files, *p.Rejects)
	}
	for _, f := range files {
		if err := h.stands(ctx, f); err != nil {
			return err
		}
	}
	return nil
}

func (h *Handler) stands(ctx context.Context, f hour.File) error {
	for o, err := range h.Hours.List(ctx, f.Key) {
		switch {
		case err != nil:
			return fmt.Errorf("look at %s: %w", f.Key, err)
		case o.Key == f.Key && o.Size == f.Size && o.ETag == f.ETag:
			return nil
		}
		break
	}
	return &fault.Corrupt{Key: f.Key, Detail: "it is not as the run wrote it, or gone"}
}
