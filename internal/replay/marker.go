package replay

import (
	"context"
	"errors"
	"fmt"

	"penstock/internal/fault"
	"penstock/internal/hour"
	"penstock/internal/store"
)

// markerPrefix, before the key of a failure object, is the key of its marker.
const markerPrefix = "replayed/"

// maxMarker bounds what is read of a marker: 20 000 records may be of as many hours.
const maxMarker = 16 << 20

// marker says that all records of a failure object are archived. It saves the next replay the reading of the object, and
// nothing rests on it: without it, or with a damaged one, the object is read.
type marker struct {
	Version    int       `json:"version"`
	Key        string    `json:"key"`  // of the failure object
	ETag       string    `json:"etag"` // its version
	Records    int       `json:"records"`
	Ranges     []Range   `json:"ranges"`
	ReplayedAt hour.Time `json:"replayedAt"`
}

// readMarker reads the marker of a failure object, nil if it is none of this version.
func (h *Handler) readMarker(ctx context.Context, o store.Object) (*marker, error) {
	key := markerPrefix + o.Key
	b, _, err := h.Failure.Get(ctx, key, maxMarker)
	var m marker
	if err == nil {
		err = hour.Decode("marker", key, b, &m)
	}
	var corrupt *fault.Corrupt
	var newer *fault.NewerVersion
	var gone *fault.NotFound
	if errors.As(err, &corrupt) || errors.As(err, &newer) || errors.As(err, &gone) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	if m.Key != o.Key || m.ETag != o.ETag {
		return nil, nil
	}
	return &m, nil
}

// mark writes the marker of a failure object whose records are all archived.
func (h *Handler) mark(ctx context.Context, o store.Object, ranges []Range, records int) error {
	key := markerPrefix + o.Key
	m := &marker{Version: hour.Version, Key: o.Key, ETag: o.ETag, Records: records, Ranges: ranges, ReplayedAt: hour.At(h.Now())}
	stands := ""
	for old, err := range h.Failure.List(ctx, key) {
		if err != nil {
			return fmt.Errorf("list %s: %w", key, err)
		}
		if old.Key == key { // of another version, or damaged
			stands = old.ETag
		}
		break
	}
	_, err := h.Failure.Replace(ctx, key, stands, hour.Encode(m))
	var changed *fault.Changed
	if err != nil && !errors.As(err, &changed) { // somebody else has marked it
		return fmt.Errorf("mark %s: %w", o.Key, err)
	}
	return nil
}
