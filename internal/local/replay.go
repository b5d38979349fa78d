package local

import (
	"context"
	"time"

	"penstock/internal/clock"
	"penstock/internal/datadir"
	"penstock/internal/ledger"
	"penstock/internal/replay"
	"penstock/internal/stream"
)

// Replaying is how a data directory is replayed whose last run left saved, nil for none: on the stream's clock, which
// stands where that run left it. wall is the real clock, for a directory in which nothing was run.
func Replaying(ctx context.Context, d *datadir.Dir, saved *Saved, wall func() time.Time) (replay.Config, error) {
	c := replay.Config{Archive: d.Archive, Failure: d.Failed, Keys: d.Keys, Format: d.Marker.Format, Split: d.Marker.Split, Now: wall}
	if saved != nil {
		c.Now = func() time.Time { return saved.Clock.Time }
		s, err := stream.Restore(stream.Options{Now: c.Now}, saved.Stream)
		if err == nil {
			c.Retention, err = s.Retention(ctx)
		}
		if err != nil {
			return c, err
		}
	}
	c.Ledger = &ledger.Ledger{Store: d.Hours, Keys: d.Keys, Now: c.Now}
	return c, nil
}

// Replay archives what the failure destination holds and repairs rejects. The hours of the report are left to be run.
func (s *Session) Replay(ctx context.Context, in replay.Request, progress func(done, of int)) (*replay.Report, error) {
	c, err := Replaying(ctx, s.dir, s.saved, s.wall)
	if err != nil {
		return nil, err
	}
	if s.saved != nil { // what is written carries the stream's time
		s.clock = clock.NewVirtual(s.saved.Clock.Time)
	}
	c.Progress = progress
	h, err := replay.New(c)
	if err != nil {
		return nil, err
	}
	return h.Handle(ctx, in)
}
