package ledger

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"penstock/internal/fault"
	"penstock/internal/hour"
)

// Project returns the manifest of a state, or nil while nothing is published. It depends on the entries up to the
// publication it shows, so that whoever projects an hour, and however much later, writes the same bytes.
func Project(s *State) *hour.Manifest {
	e := s.Published()
	if e == nil {
		return nil
	}
	m := &hour.Manifest{
		Version: hour.Version, Hour: s.Hour, Ledger: e.Number, LedgerHash: s.Hash(e.Number), Revision: e.Revision,
		Run: e.Run, Execution: e.Execution, Trace: e.Trace, PublishedAt: e.At, Publication: *e.Publish,
	}
	m.OpenRuns = len(Fold(s.Hour, s.Entries[:e.Number], s.hashes[:e.Number]).Open())
	for _, r := range s.PublishedRevisions() {
		if r != e.Revision {
			m.Superseded = append(m.Superseded, r)
		}
	}
	return m
}

// ReadManifest reads an hour's manifest; nil if there is none. The ETag is the store's, "" without a manifest.
func (l *Ledger) ReadManifest(ctx context.Context, h hour.Hour) (*hour.Manifest, string, error) {
	key := l.Keys.ManifestKey(h)
	b, o, err := l.Store.Get(ctx, key, MaxEntry)
	var none *fault.NotFound
	switch {
	case errors.As(err, &none):
		return nil, "", nil
	case err != nil:
		return nil, "", fmt.Errorf("read manifest of hour %s: %w", h, err)
	}
	m, err := l.Keys.DecodeManifest(key, b)
	return m, o.ETag, err
}

// WriteManifest makes the hour's manifest the projection of s, unless the one that stands shows a later publication. It
// is safe to repeat and to race. It returns the manifest that stands, nil while nothing is published. A manifest that is
// damaged is replaced; one of a newer release is left alone.
func (l *Ledger) WriteManifest(ctx context.Context, s *State) (*hour.Manifest, error) {
	m := Project(s)
	if m == nil {
		return nil, nil
	}
	key, b := l.Keys.ManifestKey(s.Hour), hour.Encode(m)
	var last error
	for range tries {
		have, etag, err := l.standing(ctx, key, b)
		switch {
		case err != nil:
			return nil, err
		case have != nil && have.Ledger >= m.Ledger:
			return have, nil
		}
		_, err = l.Store.Replace(ctx, key, etag, b)
		if err == nil {
			return m, nil
		}
		last = fmt.Errorf("write manifest of hour %s: %w", s.Hour, err)
		var changed *fault.Changed
		var unavailable *fault.Unavailable
		if !errors.As(err, &changed) && !errors.As(err, &unavailable) || ctx.Err() != nil {
			return nil, last
		}
	}
	return nil, &fault.Unavailable{Service: "ledger", Action: "write manifest of hour " + s.Hour.String(), Err: last}
}

// standing returns the manifest that stands, nil if there is none, it is damaged, or it is of want's publication but has
// other bytes.
func (l *Ledger) standing(ctx context.Context, key string, want []byte) (*hour.Manifest, string, error) {
	b, o, err := l.Store.Get(ctx, key, MaxEntry)
	var none *fault.NotFound
	if errors.As(err, &none) {
		return nil, "", nil
	}
	if err != nil {
		return nil, "", fmt.Errorf("read %s: %w", key, err)
	}
	have, err := l.Keys.DecodeManifest(key, b)
	var corrupt *fault.Corrupt
	switch {
	case errors.As(err, &corrupt):
		return nil, o.ETag, nil
	case err != nil:
		return nil, "", err
	}
	w, err := l.Keys.DecodeManifest(key, want)
	if err == nil && w.Ledger == have.Ledger && !slices.Equal(b, want) {
		return nil, o.ETag, nil
	}
	return have, o.ETag, nil
}
