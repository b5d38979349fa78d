package verify

import (
	"bytes"
	"context"
	"errors"
	"fmt"

	"penstock/internal/fault"
	"penstock/internal/hour"
	"penstock/internal/ledger"
)

// get reads a small document; nil if there is none, or it is damaged in its length.
func (c *check) get(ctx context.Context, b Bucket, key string, max int64, m Mend) ([]byte, error) {
	s, _ := c.bucket(b)
	data, _, err := s.Get(ctx, key, max)
	var none *fault.NotFound
	var corrupt *fault.Corrupt
	switch {
	case errors.As(err, &none):
		return nil, nil
	case errors.As(err, &corrupt):
		c.find(b, key, m, "%s", corrupt.Detail)
		return nil, nil
	case err != nil:
		return nil, fmt.Errorf("read %s: %w", key, err)
	}
	c.count(int64(len(data)))
	return data, nil
}

// damage tells what is wrong with a document; an error that is none of the document's is returned.
func (c *check) damage(b Bucket, key string, m Mend, err error) error {
	var corrupt *hour.Corrupt
	if errors.As(err, &corrupt) {
		c.find(b, key, m, "%s", corrupt.Detail)
		return nil
	}
	return err
}

// readLedger walks the chain. Its fold counts only if every entry is there and sound.
func (c *check) readLedger(ctx context.Context) error {
	var entries []hour.Entry
	var hashes []string
	next, last := 1, ""
	sound, follows := true, true // follows: last is the hash of entry next-1
	for o, err := range c.Hours.List(ctx, c.Keys.LedgerPrefix(c.hour)) {
		if err != nil {
			return fmt.Errorf("list ledger: %w", err)
		}
		_, n, ok := c.Keys.ParseLedgerKey(o.Key)
		if !ok || n > ledger.MaxEntries {
			c.find(Hours, o.Key, MendRestore, "no ledger has an entry of this name")
			sound = false
			continue
		}
		if n != next {
			c.find(Hours, c.Keys.LedgerKey(c.hour, next), MendRestore, "gone: the ledger goes on with entry %d", n)
			sound, follows = false, false
		}
		next = n + 1
		b, err := c.get(ctx, Hours, o.Key, ledger.MaxEntry, MendRestore)
		if err != nil {
			return err
		}
		e, err := c.Keys.DecodeEntry(o.Key, b)
		if err != nil {
			if c.sound(Hours, o.Key) {
				if err := c.damage(Hours, o.Key, MendRestore, err); err != nil {
					return err
				}
			}
			sound, follows = false, false
			continue
		}
		if follows && e.Previous != last {
			c.find(Hours, o.Key, MendRestore, "it does not follow the entry before it")
			sound = false
		}
		last, follows = hour.SHA256(b), true
		entries, hashes = append(entries, *e), append(hashes, last)
	}
	if !sound {
		return nil
	}
	c.state = ledger.Fold(c.hour, entries, hashes)
	for _, n := range c.state.Ignored {
		c.note(Hours, c.Keys.LedgerKey(c.hour, n), MendNone, "entry %s broke a rule and changed nothing", entries[n-1].Type)
	}
	for _, r := range c.state.Open() {
		c.note(Hours, c.Keys.LedgerPrefix(c.hour), MendNone, "run %d is not over", r.N)
	}
	if p := c.state.Published(); p != nil {
		c.published, c.revision = p.Publish, p.Revision
	}
	return nil
}

// readManifest holds the manifest against the fold's projection, byte for byte. Without a sound ledger, a manifest that is
// sound in itself tells what is published.
func (c *check) readManifest(ctx context.Context) error {
	key := c.Keys.ManifestKey(c.hour)
	b, err := c.get(ctx, Hours, key, ledger.MaxEntry, MendRerun)
	if err != nil || !c.sound(Hours, key) {
		return err
	}
	if b != nil {
		if c.manifest, err = c.Keys.DecodeManifest(key, b); err != nil {
			c.manifest = nil
			return c.damage(Hours, key, MendRerun, err)
		}
		// Another document of the hour decodes as one, too.
		if m := c.manifest; m.Ledger < 1 || m.Seal.Key != c.Keys.SealKey(c.hour, m.Revision) {
			c.manifest = nil
			c.find(Hours, key, MendRerun, "it is not a manifest")
			return nil
		}
	}
	if c.state == nil {
		if m := c.manifest; m != nil {
			c.published, c.revision = &m.Publication, m.Revision
		}
		return nil
	}
	want := ledger.Project(c.state)
	switch {
	case want == nil && b == nil:
	case b == nil:
		c.find(Hours, key, MendRerun, "gone: entry %d of the ledger has published revision %s", want.Ledger, want.Revision)
	case c.manifest.Ledger > c.state.Last:
		c.find(Hours, c.Keys.LedgerKey(c.hour, c.manifest.Ledger), MendRestore, "gone: the manifest shows it, and the ledger ends with entry %d", c.state.Last)
		c.published, c.revision = &c.manifest.Publication, c.manifest.Revision
	case want == nil:
		c.find(Hours, key, MendRestore, "the ledger has published nothing")
	case !bytes.Equal(b, hour.Encode(want)):
		c.find(Hours, key, MendRerun, "it is not what the ledger's entries add up to")
	}
	return nil
}

// readSeals reads every seal that the ledger, or the manifest, names or that is there.
func (c *check) readSeals(ctx context.Context) error {
	want := map[string]string{} // key -> hash
	if c.state != nil {
		for _, e := range c.state.Entries {
			if e.Seal != nil {
				want[e.Seal.Key] = e.Seal.SHA256 // the latest
			}
		}
	}
	if c.published != nil {
		want[c.published.Seal.Key] = c.published.Seal.SHA256
	}
	all := map[string]bool{}
	for key := range want {
		all[key] = true
	}
	for key := range c.hours {
		if _, _, ok := c.Keys.ParseSealKey(key); ok {
			all[key] = true
		}
	}
	for _, key := range sorted(all) {
		b, err := c.get(ctx, Hours, key, hour.MaxDocument, MendRestore)
		if err != nil {
			return err
		}
		sha, known := want[key]
		current := c.published != nil && key == c.published.Seal.Key
		switch {
		case b == nil && !c.sound(Hours, key):
		case b == nil && current:
			c.find(Hours, key, MendRestore, "gone: the published revision rests on it")
		case b == nil:
			c.note(Hours, key, MendNone, "this seal is gone; it is not the published one")
		case known && hour.SHA256(b) != sha:
			c.find(Hours, key, MendRestore, "it is not the seal that the ledger names")
		default:
			s, err := c.Keys.DecodeSeal(key, b)
			if err != nil {
				if err := c.damage(Hours, key, MendRestore, err); err != nil {
					return err
				}
				continue
			}
			if !known && c.state != nil {
				c.note(Hours, key, MendClean, "no entry of the ledger names this seal")
			}
			c.seals[s.Revision] = s
		}
	}
	return nil
}
