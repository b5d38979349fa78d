package path

import (
	"bytes"
	"compress/bzip2"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	"penstock/internal/clock"
	"penstock/internal/hour"
	"penstock/internal/local"
	"penstock/internal/stream"
)

// truth is what one hour has to hold.
type truth struct {
	records int
	lines   map[string]int
	rejects map[string]int
	sums    map[group]totals
}

// truths counts what the stream holds, hour by hour. What each record is worth was said when it was cooked.
func (w *world) truths(t *testing.T) map[hour.Hour]*truth {
	t.Helper()
	worth := map[string]put{}
	for _, p := range w.puts {
		worth[string(p.Data)] = p
	}
	all := map[hour.Hour]*truth{}
	records := 0
	for _, r := range append(w.records(t), w.late...) {
		h, err := hour.Parse(r.Arrival.UTC().Format("2006-01-02T15"))
		if err != nil {
			t.Fatal(err)
		}
		if all[h] == nil {
			all[h] = &truth{lines: map[string]int{}, rejects: map[string]int{}, sums: map[group]totals{}}
		}
		p, ok := worth[string(r.Data)]
		if !ok {
			t.Fatalf("nobody sent record %s", r.Sequence)
		}
		all[h].add(p)
		records++
	}
	if records < w.sent {
		t.Fatalf("the stream holds %d records, %d were sent", records, w.sent)
	}
	return all
}

func (x *truth) add(p put) {
	x.records++
	for _, line := range p.lines {
		x.lines[line]++
		var v struct {
			group
			Bytes int64 `json:"bytes"`
		}
		if json.Unmarshal([]byte(line), &v) != nil {
			v.group = group{} // a line of text
		}
		sum := x.sums[v.group]
		x.sums[v.group] = totals{sum.Requests + 1, sum.Bytes + v.Bytes}
	}
	for _, payload := range p.rejects {
		x.rejects[payload]++
	}
}

// records reads the stream, all shards from their begin.
func (w *world) records(t *testing.T) (all []stream.Record) {
	t.Helper()
	ctx := context.Background()
	shards, err := w.model.Shards(ctx, time.Time{})
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range shards {
		it, err := w.model.Iterator(ctx, s.ID, stream.Start{Type: stream.TrimHorizon})
		for err == nil && it != "" {
			var page stream.Page
			if page, err = w.model.Records(ctx, it, stream.MaxRead); err == nil {
				all = append(all, page.Records...)
				it = page.Next
				if len(page.Records) == 0 && page.BehindTip == 0 {
					break
				}
			}
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	return all
}

// check holds everything that is published against the stream. Hours in except need not be published.
func (w *world) check(t *testing.T, p *local.Pipeline) {
	t.Helper()
	want := w.truths(t)
	for h, x := range want {
		w.checkHour(t, h, x)
	}
	for _, key := range keysOf(t, w.hours, "") {
		if h, ok := w.keys.ParseManifestKey(key); ok && want[h] == nil {
			w.checkHour(t, h, &truth{}) // nothing arrived in it
		}
	}
	w.checkClusters(t, p)
}

func (w *world) checkClusters(t *testing.T, p *local.Pipeline) {
	t.Helper()
	var out []byte
	var err error
	for range 100 { // the answer may be lost
		in := json.RawMessage(`{"ClusterStates":["STARTING","BOOTSTRAPPING","RUNNING","WAITING","TERMINATING"]}`)
		if out, err = p.EMR.Call(context.Background(), "ListClusters", in); err == nil {
			break
		}
	}
	var page struct{ Clusters []struct{ Name string } }
	if err == nil {
		err = json.Unmarshal(out, &page)
	}
	if err != nil || len(page.Clusters) > 0 {
		t.Errorf("clusters that outlive their work: %v, %v", page.Clusters, err)
	}
}

func (w *world) checkHour(t *testing.T, h hour.Hour, x *truth) {
	t.Helper()
	complain := func(format string, args ...any) {
		t.Helper()
		t.Errorf("seed %d, hour %s: %s", w.recipe.seed, h, fmt.Sprintf(format, args...))
	}
	last, hash := w.checkLedger(t, h)
	if last == nil {
		complain("is not published; its ledger: %s", w.story(t, h))
		return
	}
	m, err := w.keys.DecodeManifest(w.keys.ManifestKey(h), get(t, w.hours, w.keys.ManifestKey(h)))
	if err != nil {
		complain("manifest: %v", err)
		return
	}
	if m.Ledger != last.Number || m.LedgerHash != hash || m.Revision != last.Revision || m.Run != last.Run {
		complain("the manifest shows entry %d (revision %s), the last publication is entry %d (%s)", m.Ledger, m.Revision, last.Number, last.Revision)
	}
	w.checkSeal(t, h, m, x)
	lines, parts := map[string]int{}, 0
	for _, part := range m.Parts {
		b := get(t, w.hours, part.Key)
		if sum(b) != part.SHA256 || int64(len(b)) != part.Size {
			complain("part %s is not what the manifest says", part.Key)
		}
		n := 0
		for line := range strings.Lines(unzip(t, part.Key, b)) {
			lines[strings.TrimSuffix(line, "\n")]++
			n++
		}
		if n != part.Events {
			complain("part %d holds %d events, the manifest says %d", part.Number, n, part.Events)
		}
		parts += n
	}
	differences(complain, "event", lines, x.lines)
	rejects, n := map[string]int{}, 0
	if m.Rejects != nil {
		b := get(t, w.hours, m.Rejects.Key)
		if sum(b) != m.Rejects.SHA256 {
			complain("the rejects are not what the manifest says")
		}
		names := map[string]bool{}
		for line := range strings.Lines(unzip(t, m.Rejects.Key, b)) {
			var r struct {
				Shard, Sequence string
				Sub             int
				Payload         []byte
			}
			if err := json.Unmarshal([]byte(line), &r); err != nil {
				t.Fatal(err)
			}
			name := fmt.Sprint(r.Shard, r.Sequence, r.Sub)
			if names[name] {
				complain("reject %s stands twice", name)
			}
			names[name] = true
			rejects[string(r.Payload)]++
			n++
		}
	}
	differences(complain, "reject", rejects, x.rejects)
	if m.Events != parts || m.RejectN != n {
		complain("the manifest counts %d events and %d rejects, there are %d and %d", m.Events, m.RejectN, parts, n)
	}
	w.checkResult(t, complain, m, x)
}

// checkResult holds the rollup's output against the counts.
func (w *world) checkResult(t *testing.T, complain func(string, ...any), m *hour.Manifest, x *truth) {
	t.Helper()
	got := map[group]totals{}
	for _, f := range m.Results {
		b := get(t, w.hours, f.Key)
		if int64(len(b)) != f.Size {
			complain("result %s is not of the size that the manifest says", f.Key)
		}
		if !strings.Contains(f.Key, "/part-") {
			continue
		}
		for line := range strings.Lines(string(b)) {
			k, v, _ := strings.Cut(line, "\t")
			var g group
			var sums struct {
				totals
				Events int64 `json:"events"`
			}
			if json.Unmarshal([]byte(k), &g) != nil || json.Unmarshal([]byte(v), &sums) != nil {
				t.Fatalf("result line %q", line)
			}
			sums.Requests += sums.Events // text counts events
			got[g] = sums.totals
		}
	}
	if len(got) != len(x.sums) {
		complain("the result has %d groups, want %d", len(got), len(x.sums))
	}
	for g, sums := range x.sums {
		if got[g] != sums {
			complain("the result says %+v of %v, want %+v", got[g], g, sums)
		}
	}
	if len(x.lines) == 0 && (m.Cluster != 0 || len(m.Results) != 0) {
		complain("has no events and yet cluster %d and %d results", m.Cluster, len(m.Results))
	}
}

// checkSeal holds the seal against the publication and the archive.
func (w *world) checkSeal(t *testing.T, h hour.Hour, m *hour.Manifest, x *truth) {
	t.Helper()
	b := get(t, w.hours, m.Seal.Key)
	var seal struct {
		Revision        string
		Events, Rejects int
		Pieces          []struct {
			Events, Rejects int
			Index           hour.Ref
		}
	}
	if err := json.Unmarshal(b, &seal); err != nil {
		t.Fatal(err)
	}
	events, rejects := 0, 0
	for _, p := range seal.Pieces {
		events += p.Events
		rejects += p.Rejects
		if sum(get(t, w.archive, p.Index.Key)) != p.Index.SHA256 {
			t.Errorf("hour %s: index %s is not what was sealed", h, p.Index.Key)
		}
	}
	if sum(b) != m.Seal.SHA256 || seal.Revision != m.Revision || events != m.Events || rejects != m.RejectN {
		t.Errorf("hour %s: seal of %s with %d events and %d rejects, the manifest says %s, %d, %d", h, seal.Revision, events, rejects, m.Revision, m.Events, m.RejectN)
	}
}

// checkLedger follows the chain from entry 1 and returns the last publication and its hash.
func (w *world) checkLedger(t *testing.T, h hour.Hour) (last *hour.Entry, hash string) {
	t.Helper()
	previous := ""
	ids := map[string]int{}
	for i, key := range keysOf(t, w.hours, w.keys.LedgerPrefix(h)) {
		b := get(t, w.hours, key)
		var e hour.Entry
		if err := json.Unmarshal(b, &e); err != nil {
			t.Fatal(err)
		}
		if e.Number != i+1 || key != w.keys.LedgerKey(h, i+1) || e.Previous != previous {
			t.Errorf("hour %s: the ledger's chain breaks at %s", h, key)
		}
		if ids[e.ID]++; ids[e.ID] > 1 {
			t.Errorf("hour %s: entry %s stands twice", h, e.ID)
		}
		previous = sum(b)
		if e.Type == hour.EntryPublished {
			last, hash = &e, previous
		}
	}
	return last, hash
}

// story is an hour's ledger in a line.
func (w *world) story(t *testing.T, h hour.Hour) string {
	t.Helper()
	var words []string
	for _, key := range keysOf(t, w.hours, w.keys.LedgerPrefix(h)) {
		var e hour.Entry
		if err := json.Unmarshal(get(t, w.hours, key), &e); err != nil {
			t.Fatal(err)
		}
		word := fmt.Sprintf("%s(%d)", e.Type, e.Run)
		if e.Error+e.Status+e.By+e.Cause != "" {
			word += strings.TrimRight(fmt.Sprintf(" %s%s%s %.300s", e.Error, e.Status, e.By, e.Cause), " ")
		}
		words = append(words, word)
	}
	return strings.Join(words, ", ")
}

func differences(complain func(string, ...any), what string, got, want map[string]int) {
	shown := 0
	for _, side := range []map[string]int{want, got} {
		for s := range side {
			if got[s] == want[s] {
				continue
			}
			if shown++; shown <= 5 {
				complain("%d of %s %.60q, want %d", got[s], what, s, want[s])
			}
			want[s] = got[s] // once is enough
		}
	}
}

func sum(b []byte) string {
	s := sha256.Sum256(b)
	return hex.EncodeToString(s[:])
}

func unzip(t *testing.T, key string, b []byte) string {
	t.Helper()
	out, err := io.ReadAll(bzip2.NewReader(bytes.NewReader(b)))
	if err != nil {
		t.Errorf("decode %s: %v", key, err)
	}
	return string(out)
}

// publications counts how often an hour was published.
func (w *world) publications(t *testing.T, h hour.Hour) (n int) {
	t.Helper()
	return w.count(t, h, hour.EntryPublished)
}

func (w *world) count(t *testing.T, h hour.Hour, kind string) (n int) {
	t.Helper()
	for _, key := range keysOf(t, w.hours, w.keys.LedgerPrefix(h)) {
		e, err := w.keys.DecodeEntry(key, get(t, w.hours, key))
		if err != nil {
			t.Fatal(err)
		}
		if e.Type == kind {
			n++
		}
	}
	return n
}

// run runs a task on the clock between two processes.
func (w *world) run(t *testing.T, task func(c clock.Clock)) {
	t.Helper()
	if err := w.clock.Run(func() { task(w.clock) }); err != nil {
		t.Fatal(err)
	}
}
