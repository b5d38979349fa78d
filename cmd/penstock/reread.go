package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"penstock/internal/clock"
	"penstock/internal/fault"
	"penstock/internal/hour"
	"penstock/internal/reread"
	"penstock/internal/verify"
)

// rereadRate is how many bytes a second are read of a shard of a stack: half of what all its readers have together, so that
// the archive keeps up. Source: Kinesis Data Streams developer guide, quotas.
const rereadRate = 1 << 20

// shardsAtOnce is how many shards are read at the same time: each holds some batches in memory.
const shardsAtOnce = 4

// reader makes what reads the stream again.
func (cmd verifyCmd) reader(ctx context.Context, d *site, v *verify.Verifier) (*reread.Reader, error) {
	r := &reread.Reader{Archive: d.Archive, Ledger: d.Ledger(), Keys: d.Keys, Format: d.Format, Split: d.Split, Now: v.Now, Procs: shardsAtOnce}
	var err error
	r.Stream, err = d.Stream(ctx)
	var none *fault.NotFound
	if errors.As(err, &none) {
		return nil, failf(exitNoData, "%s has no stream: %s makes one", cmd.where(), cmd.command("run"))
	}
	if err != nil {
		return nil, err
	}
	if d.Stack != nil {
		r.Pause = func(ctx context.Context, bytes int) error {
			return clock.Pause(ctx, max(250*time.Millisecond, time.Duration(bytes)*time.Second/rereadRate))
		}
		return r, nil
	}
	saved, err := d.saved(ctx)
	if err == nil {
		r.Dropped = saved.Archived()
	}
	return r, err
}

// compared sums what comparing with the stream has shown.
type compared struct {
	Archived int    `json:"archived"` // records that indexes list
	Compared int    `json:"compared"` // of them, those that the stream still has
	Left     int    `json:"left"`     // of them, those that have left it
	Waiting  int    `json:"waiting"`  // not archived yet
	Reach    string `json:"reach"`    // in words
}

func (s *compared) add(r *reread.Report) {
	s.Archived, s.Compared, s.Left, s.Waiting = s.Archived+r.Archived, s.Compared+r.Compared, s.Left+r.Left, s.Waiting+r.Waiting
}

// reach says how far back the stream reaches.
func (s *compared) reach(ctx context.Context, d *site, r *reread.Reader) error {
	if d.Dir != nil {
		s.Reach = "a data directory's stream keeps only what is not archived yet"
		return nil
	}
	retention, err := r.Stream.Retention(ctx)
	s.Reach = fmt.Sprintf("the stream keeps %s, and so reaches back to %s", retention, instant(hour.At(r.Now().Add(-retention))))
	return err
}

func (s *compared) line() string {
	text := fmt.Sprintf("stream: %d of %s compared", s.Compared, count(s.Archived, "archived record", "archived records"))
	if s.Left > 0 {
		text += fmt.Sprintf(", %d are no longer in it: %s", s.Left, s.Reach)
	}
	if s.Waiting > 0 {
		text += fmt.Sprintf("; %s of it not archived yet", count(s.Waiting, "record", "records"))
	}
	return text
}

// rebuiltIndex is an index that was gone, and what became of it.
type rebuiltIndex struct {
	reread.Lost
	Next string `json:"next,omitempty"` // what to do, as a command where there is one
}

// rebuild makes the hours' lost indexes again.
func (cmd verifyCmd) rebuild(ctx context.Context, d *site, r *reread.Reader, hours []hour.Hour) ([]rebuiltIndex, error) {
	if d.Dir != nil {
		release, err := d.Dir.Lock("penstock verify")
		if err != nil {
			return nil, err
		}
		defer release()
	}
	all := []rebuiltIndex{}
	for _, h := range hours {
		lost, err := r.Rebuild(ctx, h, true)
		if err != nil {
			return nil, err
		}
		holes, err := r.Fill(ctx, h, true)
		if err != nil {
			return nil, err
		}
		for _, l := range append(lost, holes...) {
			all = append(all, rebuiltIndex{l, cmd.instead(d, l)})
		}
	}
	return all, nil
}

// instead says what can be done about an index that cannot be rebuilt.
func (cmd verifyCmd) instead(d *site, l reread.Lost) string {
	index := d.path(string(verify.Archive), l.Key)
	earlier := "bring back an earlier version of " + index
	if d.Stack != nil {
		earlier = fmt.Sprintf("bring back an earlier version: `aws s3api list-object-versions --bucket %s --prefix %s` lists them", d.bucket(string(verify.Archive)), l.Key)
	}
	switch {
	case l.Hole && !l.Rebuilt:
		return cmd.command("verify %s", l.Hour)
	case l.Rebuilt && l.Named:
		return ""
	case l.Rebuilt:
		return cmd.command("rerun %s", l.Hour) + " takes it in"
	case l.Damaged && l.Records > 0:
		return fmt.Sprintf("`%s`, then %s", remove(d, verify.Archive, l.Key), cmd.command("verify %s --rebuild", l.Hour))
	case l.Published:
		return "the published parts hold its events, and readers miss nothing; but parts and object do not tell each record's arrival and sequence number, so that " +
			"a run for late data ends as ArchiveExpired: " + earlier
	case l.Object != "":
		return fmt.Sprintf("its object alone does not tell each record's arrival and sequence number: %s, or send its events again: they are in %s", earlier,
			d.path(string(verify.Archive), l.Object))
	}
	return earlier
}

func (r *rebuiltIndex) line(c *console) string {
	what := c.paint(red, "lost    ")
	text := fmt.Sprintf("%s archive/%s: %s", r.Hour, r.Key, r.Why)
	if r.Rebuilt {
		what = c.paint(green, "rebuilt ")
		if r.Hole {
			what = c.paint(green, "archived")
		}
		text = fmt.Sprintf("%s archive/%s: %s", r.Hour, r.Key, count(r.Records, "record", "records"))
		if r.Exact {
			text += ", byte by byte what was lost"
		}
	}
	if r.Next != "" {
		text += ": " + r.Next
	}
	return what + " " + clean(text)
}
