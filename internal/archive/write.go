package archive

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"penstock/internal/emf"
	"penstock/internal/fault"
	"penstock/internal/hour"
	"penstock/internal/trace"
)

// outcome is what became of a delivery.
type outcome struct {
	events, rejects int   // committed by this invocation
	bytes           int64 // of the events, uncompressed
	stored          int64 // of the objects and indexes
	duplicates      int   // batches that stood already
	conflicts       int
}

// write writes the objects, then the index.
func (h *Handler) write(ctx context.Context, c *commit, payload []byte, done *outcome) error {
	x := &c.index
	for _, o := range []struct {
		file *hour.File
		data []byte
	}{{x.Object, c.object}, {x.RejectsFile, c.rejects}} {
		if o.file == nil {
			continue
		}
		// One that exists holds these bytes: its name has their hash.
		if _, err := h.Store.Create(ctx, o.file.Key, o.data); err != nil && !is[*fault.Exists](err) {
			return fmt.Errorf("create %s: %w", o.file.Key, err)
		}
	}
	x.ArchivedAt, x.Request, x.Trace = hour.At(h.Now()), trace.RequestID(ctx), trace.ID(ctx)
	key, document := h.Keys.IndexKey(c.span), hour.Encode(x)
	_, err := h.Store.Create(ctx, key, document)
	switch {
	case err == nil:
	case is[*fault.Exists](err):
		return h.compare(ctx, c, key, document, payload, done)
	default:
		return fmt.Errorf("create %s: %w", key, err)
	}
	done.add(x, document)
	return nil
}

func (o *outcome) add(x *hour.Index, document []byte) {
	o.events += x.Events
	o.rejects += x.Rejects
	o.bytes += x.Bytes
	o.stored += int64(len(document))
	for _, f := range []*hour.File{x.Object, x.RejectsFile} {
		if f != nil {
			o.stored += f.Size
		}
	}
}

// compare decides about a batch whose index stands.
func (h *Handler) compare(ctx context.Context, c *commit, key string, document, payload []byte, done *outcome) error {
	standing, _, err := h.Store.Get(ctx, key, hour.MaxDocument)
	if err != nil && !is[*fault.Corrupt](err) { // larger than any index
		return fmt.Errorf("get %s: %w", key, err)
	}
	if bytes.Equal(standing, document) { // an earlier try of this very put, whose answer was lost
		done.add(&c.index, document)
		return nil
	}
	detail := "another batch stands there"
	switch theirs, err := h.recordsHash(key, standing); {
	case err != nil:
		detail = "the index that stands there cannot be read: " + err.Error()
	case theirs == c.index.RecordsHash:
		done.duplicates++
		return nil
	}
	done.conflicts++
	conflict := &fault.Conflict{Key: key, Detail: detail}
	if h.Log != nil {
		h.Log.ErrorContext(ctx, "batch differs from the archive's", "error", "Conflict", "key", key, "detail", detail,
			"records", c.index.Records, "recordsHash", c.index.RecordsHash, "kept", h.Failures != nil)
	}
	if h.Failures == nil {
		return nil
	}
	kept := h.Keys.ConflictKey(c.span, c.index.RecordsHash[:12])
	if _, err := h.Failures.Create(ctx, kept, payload); err != nil && !is[*fault.Exists](err) {
		// Not joined with conflict: that must not block the shard, this is tried again.
		return fmt.Errorf("keep delivery of %s: %w", conflict.Key, err)
	}
	return nil
}

// recordsHash reads the hash of the raw records from an index, also from one that a newer release wrote: its meaning
// never changes.
func (h *Handler) recordsHash(key string, document []byte) (string, error) {
	x, err := h.Keys.DecodeIndex(key, document)
	if err == nil {
		return x.RecordsHash, nil
	}
	var newer struct {
		RecordsHash string `json:"recordsHash"`
	}
	if is[*fault.NewerVersion](err) && json.Unmarshal(document, &newer) == nil && newer.RecordsHash != "" {
		return newer.RecordsHash, nil
	}
	return "", err
}

// report writes the figures of an invocation. It cannot fail it: everything is committed.
func (h *Handler) report(ctx context.Context, w *workspace, o *outcome) {
	now := h.Now()
	metrics := []emf.Metric{
		{Name: "ArchivedEvents", Unit: emf.Count, Value: float64(o.events)},
		{Name: "ArchivedBytes", Unit: emf.Bytes, Value: float64(o.bytes)},
		{Name: "StoredBytes", Unit: emf.Bytes, Value: float64(o.stored)},
		{Name: "Rejects", Unit: emf.Count, Value: float64(o.rejects)},
		{Name: "DuplicateBatches", Unit: emf.Count, Value: float64(o.duplicates)},
		{Name: "Conflicts", Unit: emf.Count, Value: float64(o.conflicts)},
	}
	if n := len(w.batch.records); n > 0 {
		lag := now.Sub(w.batch.records[n-1].arrival().Time)
		metrics = append(metrics, emf.Metric{Name: "ArchiveLag", Unit: emf.Seconds, Value: max(0, lag.Seconds())})
	}
	h.Figures.Report(ctx, now, metrics...)
}

func is[E error](err error) bool {
	var e E
	return errors.As(err, &e)
}
