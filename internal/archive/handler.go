package archive

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"sync"
	"time"

	"penstock/internal/bzip2"
	"penstock/internal/emf"
	"penstock/internal/fault"
	"penstock/internal/hour"
	"penstock/internal/store"
	"penstock/internal/trace"
)

// Formats of an event.
const (
	FormatJSON = "json" // a JSON document; the default
	FormatText = "text" // a line of text
)

// SplitLines takes each line of a record as an event of its own.
const SplitLines = "lines"

// Store is what a Handler needs of the archive bucket. store.Store has the contract.
type Store interface {
	Creator
	// Get returns a document whole, or *fault.NotFound.
	Get(ctx context.Context, key string, max int64) ([]byte, store.Object, error)
}

// Creator writes a key if it is absent, else answers *fault.Exists. It does not keep data once it has answered.
type Creator interface {
	Create(ctx context.Context, key string, data []byte) (store.Object, error)
}

// Config configures a Handler. Store, Keys and Now are needed.
type Config struct {
	Store Store
	Keys  hour.Keys
	Now   func() time.Time // stands in the index, and gives the lag
	// Failures keeps deliveries that conflict with the archive; nil: they are reported only.
	Failures Creator
	Format   string             // FormatJSON if empty
	Split    string             // SplitLines, or "" for one event a record
	Writer   string             // hour.WriterMapping if empty; hour.WriterReplay for what mended deliveries write
	Bzip2    bzip2.WriterConfig // level 9 on one goroutine if zero
	// Compute runs the pure part of an invocation, which takes and changes nothing but memory of its own; nil runs it
	// in place.
	Compute func(fn func())
	// Figures gets one line for each invocation that succeeds.
	Figures emf.Figures
	Log     *slog.Logger // gets conflicts; may be nil
}

// Handler archives deliveries. It implements lambda.Handler and is safe for concurrent use.
type Handler struct {
	Config
	probe func(data []byte) // for tests: see sorter

	mu   sync.Mutex
	idle []*workspace
}

// maxIdle is how many workspaces are kept. A Lambda environment has one invocation at a time.
const maxIdle = 4

// New returns a handler. A configuration that is none is a *fault.BadInput.
func New(c Config) (*Handler, error) {
	if c.Format == "" {
		c.Format = FormatJSON
	}
	if c.Writer == "" {
		c.Writer = hour.WriterMapping
	}
	if c.Compute == nil {
		c.Compute = func(fn func()) { fn() }
	}
	switch {
	case c.Store == nil || c.Now == nil || c.Keys == hour.Keys{}:
		return nil, &fault.BadInput{Detail: "configure archive: Store, Keys and Now are needed"}
	case c.Writer != hour.WriterMapping && c.Writer != hour.WriterReplay:
		return nil, &fault.BadInput{Detail: fmt.Sprintf("configure archive: writer %.20q is unknown", c.Writer)}
	}
	if err := checkFormat(c.Format, c.Split); err != nil {
		return nil, err
	}
	if _, err := bzip2.NewWriter(io.Discard, c.Bzip2); err != nil {
		return nil, &fault.BadInput{Detail: "configure archive: " + err.Error()}
	}
	return &Handler{Config: c}, nil
}

func checkFormat(format, split string) error {
	switch {
	case format != FormatJSON && format != FormatText:
		return &fault.BadInput{Detail: fmt.Sprintf("configure archive: format %.20q is neither json nor text", format)}
	case split != "" && split != SplitLines:
		return &fault.BadInput{Detail: fmt.Sprintf("configure archive: split %.20q is neither empty nor lines", split)}
	}
	return nil
}

// Invoke archives one delivery: the JSON event that Lambda sends for a Kinesis stream. It succeeds once every record is
// in a committed batch, or kept as a conflict; after an error Lambda delivers the batch again. Its errors are
// *fault.BadInput for what is no such event, and otherwise the store's, outermost.
func (h *Handler) Invoke(ctx context.Context, payload []byte) ([]byte, error) {
	w := h.take()
	var err error
	h.Compute(func() { err = w.prepare(payload) })
	if err != nil {
		h.give(w)
		return nil, err
	}
	var done outcome
	for i := range w.commits {
		if err := h.commit(ctx, w, &w.commits[i], payload, &done); err != nil {
			// A client that gave up may still be reading the workspace's memory: it is not used again.
			return nil, outermost(err, w.commits[i].span)
		}
	}
	h.report(ctx, w, &done)
	h.give(w)
	return []byte(`{"batchItemFailures":[]}`), nil
}

// commit writes one hour of a delivery.
func (h *Handler) commit(ctx context.Context, w *workspace, c *commit, payload []byte, done *outcome) (err error) {
	ctx, span := trace.Begin(ctx, "archive")
	defer func() { span.End(err) }()
	span.Annotate(trace.Hour, c.span.Hour.String())
	span.Annotate(trace.Shard, c.span.Shard)
	span.Annotate(trace.Events, c.index.Events)
	span.Annotate("rejects", c.index.Rejects)
	return h.write(ctx, c, payload, done)
}

// outermost makes err one that Lambda reports by a name of package fault.
func outermost(err error, s hour.Span) error {
	err = fault.Outermost(err)
	switch err.(type) {
	case *fault.Unavailable, *fault.AccessDenied, *fault.BadInput, *fault.Corrupt, *fault.NotFound:
		return err
	}
	return &fault.Unavailable{Service: "archive", Action: fmt.Sprintf("write %s of hour %s", s.Shard, s.Hour), Err: err}
}

func (h *Handler) take() *workspace {
	h.mu.Lock()
	defer h.mu.Unlock()
	if n := len(h.idle); n > 0 {
		w := h.idle[n-1]
		h.idle = h.idle[:n-1]
		return w
	}
	return newWorkspace(h)
}

func (h *Handler) give(w *workspace) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if len(h.idle) < maxIdle && w.size() <= maxKept {
		h.idle = append(h.idle, w)
	}
}
