package verify

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"hash"
	"math"

	"penstock/internal/hour"
)

// file is a part or the rejects of a revision, as the ledger names it.
type file struct {
	hour.File
	revision string
	kind     int
	n        int   // lines
	bytes    int64 // decoded; of rejects -1
	pieces   []hour.Piece
}

// checkFiles checks the parts and the rejects of every revision that the ledger knows, or the manifest names.
func (c *check) checkFiles(ctx context.Context) error {
	files := map[string]*file{}
	if c.state != nil {
		ignored := map[int]bool{}
		for _, n := range c.state.Ignored {
			ignored[n] = true
		}
		for i := range c.state.Entries {
			if e := &c.state.Entries[i]; e.Type == hour.EntryCompacted && !ignored[e.Number] {
				c.expect(files, e.Revision, e.Part, e.Rejects, -1)
			}
		}
	}
	if p := c.published; p != nil {
		for i := range p.Parts {
			c.expect(files, c.revision, &p.Parts[i], nil, 0)
		}
		c.expect(files, c.revision, nil, p.Rejects, p.RejectN)
		if s := c.seals[c.revision]; s != nil {
			for i, plan := range s.Parts {
				if f := files[c.Keys.PartKey(c.hour, c.revision, i)]; plan.Events > 0 && (f == nil || f.n != plan.Events) {
					c.find(Hours, p.Seal.Key, MendRerun, "the publication lacks part %d of its plan, with its %d events", i, plan.Events)
				}
			}
		}
	}
	keys := sorted(files)
	return c.each(ctx, len(keys), func(ctx context.Context, i int) error { return c.checkFile(ctx, files[keys[i]]) })
}

// expect adds a part and a rejects file to what is checked. The seal says how many rejects there are, where it is sound.
func (c *check) expect(files map[string]*file, revision string, p *hour.Part, r *hour.File, rejectN int) {
	s := c.seals[revision]
	if p != nil {
		f := &file{File: p.File, revision: revision, kind: events, n: p.Events, bytes: p.Bytes}
		if s != nil && p.Number < len(s.Parts) && p.Key == c.Keys.PartKey(c.hour, revision, p.Number) {
			f.pieces = s.Pieces[s.Parts[p.Number].From:s.Parts[p.Number].To]
		}
		files[p.Key] = f
	}
	if r != nil {
		f := &file{File: *r, revision: revision, kind: rejects, n: rejectN, bytes: -1}
		if s != nil {
			f.pieces, f.n = s.Pieces, s.Rejects
		}
		files[r.Key] = f
	}
}

func (c *check) checkFile(ctx context.Context, f *file) error {
	o, there, err := c.look(ctx, Hours, f.Key)
	if err != nil {
		return err
	}
	again := c.again(f)
	if !there {
		switch {
		case c.published != nil && f.revision != c.revision:
			c.note(Hours, f.Key, MendNone, "gone: it was of revision %s, which is not the published one", f.revision)
		case again:
			c.find(Hours, f.Key, MendRerun, "gone: the ledger names it")
		default:
			c.find(Hours, f.Key, MendRestore, "gone: the ledger names it, and the archive is not whole")
		}
		return nil
	}
	most := f.bytes
	if most < 0 {
		most = math.MaxInt64
	}
	split := c.splitter(f)
	s, err := c.scan(ctx, Hours, f.Key, most, split.line)
	if err != nil {
		return err
	}
	m := MendRestore
	if again {
		m = MendReplace
	}
	switch {
	case s.gone || s.size != f.Size:
		c.find(Hours, f.Key, m, "%d bytes, the ledger says %d", s.size, f.Size)
	case s.sha != f.SHA256:
		c.find(Hours, f.Key, m, "its SHA-256 is not the one that the ledger names")
	case s.bad != "":
		c.find(Hours, f.Key, m, "%s", s.bad)
	case f.n >= 0 && s.n != f.n || f.bytes >= 0 && s.raw != f.bytes:
		c.find(Hours, f.Key, m, "%d lines of %d bytes, the ledger says %d of %d", s.n, s.raw, f.n, f.bytes)
	case o.ETag != f.ETag || o.Size != f.Size:
		c.find(Hours, f.Key, m, "its ETag is not the one that the ledger names")
	}
	return nil
}

// again says whether a run would make the file again: the archive has all its lines.
func (c *check) again(f *file) bool {
	for i := range f.pieces {
		p := &f.pieces[i]
		if count(p, f.kind) > 0 && c.lines(p, f.kind) == "" {
			return false
		}
	}
	return len(f.pieces) > 0
}

// lines is the SHA-256 of the lines that a piece takes, "" where the archive does not tell.
func (c *check) lines(p *hour.Piece, kind int) string {
	if s := c.selected[p]; s != nil {
		return s.text[kind]
	}
	return ""
}

func count(p *hour.Piece, kind int) int {
	if kind == rejects {
		return p.Rejects
	}
	return p.Events
}

// splitter tells a file's lines apart by the pieces that they come from and holds each piece's against the archive.
type splitter struct {
	want []share
	n    int // lines of want[0] so far
	sum  hash.Hash
}

type share struct {
	index string
	n     int
	text  string // SHA-256 of its lines, "" where the archive does not tell
}

func (c *check) splitter(f *file) *splitter {
	s := &splitter{sum: sha256.New()}
	for i := range f.pieces {
		p := &f.pieces[i]
		n := count(p, f.kind)
		if n == 0 {
			continue
		}
		s.want = append(s.want, share{index: p.Index.Key, n: n, text: c.lines(p, f.kind)})
	}
	return s
}

func (s *splitter) line(b []byte) string {
	if len(s.want) == 0 {
		return ""
	}
	s.sum.Write(b)
	if s.n++; s.n < s.want[0].n {
		return ""
	}
	w := s.want[0]
	got := hex.EncodeToString(s.sum.Sum(nil))
	s.sum.Reset()
	s.want, s.n = s.want[1:], 0
	if w.text != "" && w.text != got {
		return fmt.Sprintf("ends lines that are not those of %s", w.index)
	}
	return ""
}

// holds finds where the lines of damaged archive objects stand.
func (c *check) holds() {
	s := c.seals[c.revision]
	if s == nil || c.published == nil {
		return
	}
	type place struct {
		Lines
		whole bool
	}
	places := map[string]place{}
	add := func(f *hour.File, key string, line *int, n int, whole bool) {
		if f != nil && n > 0 && c.sound(Hours, key) {
			places[f.Key] = place{Lines{key, *line + 1, *line + n}, whole}
		}
		*line += n
	}
	reject, repaired := 0, hour.Repaired(s.Pieces)
	for n, plan := range s.Parts {
		line := 0
		for i := plan.From; i < plan.To && i < len(s.Pieces); i++ {
			p := &s.Pieces[i]
			add(p.Object, c.Keys.PartKey(c.hour, c.revision, n), &line, p.Events, p.Whole())
			add(p.RejectsFile, c.Keys.HourRejectsKey(c.hour, c.revision), &reject, p.Rejects, p.Whole() && repaired(p) == nil)
		}
	}
	for i := range c.report.Findings {
		f := &c.report.Findings[i]
		if p, ok := places[f.Key]; ok && f.Bucket == Archive {
			f.Holds = &p.Lines
			if p.whole && f.Mend != MendClean {
				f.Mend = MendCopy
			}
		}
	}
}
