package verify_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"penstock/internal/datadir"
	"penstock/internal/hadoop"
	"penstock/internal/hour"
	"penstock/internal/local"
	"penstock/internal/playbook"
	"penstock/internal/store"
	"penstock/internal/verify"
	"penstock/playbooks"
)

const day = "2026-11-02"

// events are page views of one hour, one of them mangled.
func events(n int) []byte {
	var b bytes.Buffer
	for i := range n {
		fmt.Fprintf(&b, `{"time":"%sT07:%02d:%02dZ","status":200,"method":"GET","bytes":%d}`+"\n", day, i/60, i%60, i)
		if i == n/2 {
			b.WriteString("{mangled\n")
		}
	}
	return b.Bytes()
}

func book(t *testing.T) *playbook.Playbook {
	t.Helper()
	b, err := playbook.Parse(playbooks.Web)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// made makes a data directory whose one hour is published, and returns its path.
func made(t *testing.T, data []byte) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "data")
	if err := datadir.Init(dir, datadir.Marker{Name: "web", Format: "json"}); err != nil {
		t.Fatal(err)
	}
	s, err := local.OpenSession(context.Background(), dir, local.SessionOptions{Holder: "test", Wall: time.Now, NoSync: true})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	_, err = s.Run(context.Background(), local.Job{Name: "views", Digest: strings.Repeat("ab", 32), Clock: "time", Seed: 1, Playbook: book(t),
		Shards: 1, Window: time.Second, Exec: hadoop.InProcess{}, Wall: time.Now,
		Open: func(start time.Time) (local.Source, error) {
			return local.NewLines("views", bytes.NewReader(data), "time", start, 0), nil
		}})
	if err != nil {
		t.Fatal(err)
	}
	return dir
}

// place is an object of a data directory.
type place struct {
	bucket verify.Bucket
	key    string
}

// world is a data directory in memory.
type world struct {
	stores map[verify.Bucket]*store.Memory
	*verify.Verifier
	bytes map[place][]byte
	hour  hour.Hour
}

func load(t *testing.T, dir string) *world {
	t.Helper()
	at := time.Date(2026, 11, 2, 9, 0, 0, 0, time.UTC)
	now := func() time.Time { return at }
	d, err := datadir.Open(dir, datadir.Options{Now: now})
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	w := &world{stores: map[verify.Bucket]*store.Memory{verify.Archive: store.NewMemory(now), verify.Hours: store.NewMemory(now)},
		bytes: map[place][]byte{}}
	for bucket, from := range map[verify.Bucket]*store.Dir{verify.Archive: d.Archive, verify.Hours: d.Hours} {
		for o, err := range from.List(context.Background(), "") {
			if err != nil {
				t.Fatal(err)
			}
			if strings.HasPrefix(o.Key, "logs/") { // EMR's, which no document names
				continue
			}
			b, _, err := from.Get(context.Background(), o.Key, hour.MaxDocument)
			if err != nil {
				t.Fatal(err)
			}
			w.put(t, place{bucket, o.Key}, b)
			w.bytes[place{bucket, o.Key}] = b
		}
	}
	b, err := json.Marshal(book(t))
	if err != nil {
		t.Fatal(err)
	}
	w.Verifier = &verify.Verifier{Archive: w.stores[verify.Archive], Hours: w.stores[verify.Hours], Keys: d.Keys, Playbook: book(t),
		PlaybookHash: hour.SHA256(b), Now: now, ArchiveKeep: 840 * time.Hour, Procs: 1}
	if w.hour, err = hour.Parse(day + "T07"); err != nil {
		t.Fatal(err)
	}
	return w
}

// put writes an object, whatever stands; nil deletes it.
func (w *world) put(t *testing.T, p place, b []byte) {
	t.Helper()
	s := w.stores[p.bucket]
	if err := s.Delete(context.Background(), p.key); err != nil {
		t.Fatal(err)
	}
	if b == nil {
		return
	}
	if _, err := s.Create(context.Background(), p.key, b); err != nil {
		t.Fatal(err)
	}
}

func (w *world) places() []place {
	var all []place
	for p := range w.bytes {
		all = append(all, p)
	}
	slices.SortFunc(all, func(a, b place) int { return strings.Compare(string(a.bucket)+a.key, string(b.bucket)+b.key) })
	return all
}

func (w *world) check(t *testing.T) *verify.Report {
	t.Helper()
	r, err := w.Hour(context.Background(), w.hour)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// must fails unless something is found about one of the places, and restores them.
func (w *world) must(t *testing.T, what string, places ...place) {
	t.Helper()
	r := w.check(t)
	found := slices.ContainsFunc(r.Findings, func(f verify.Finding) bool { return slices.Contains(places, place{f.Bucket, f.Key}) })
	if !found {
		t.Errorf("%s %v: not found among %+v, notes %+v", what, places, r.Findings, r.Notes)
	}
	for _, p := range places {
		w.put(t, p, w.bytes[p])
	}
}

func TestAnHourOfARunIsSound(t *testing.T) {
	w := load(t, made(t, events(20)))
	w.Procs = 4
	documents := 0
	scope, err := w.Scan(context.Background(), hour.Range{From: w.hour.Add(-3), To: w.hour.Add(30)})
	if err != nil || len(scope.Hours) != 1 || scope.Hours[0] != w.hour {
		t.Fatalf("scope %+v, %v", scope, err)
	}
	w.Progress = func() { documents++ }
	w.Procs = 1
	r := w.check(t)
	if len(r.Findings)+len(r.Notes) > 0 || documents != scope.Documents {
		t.Errorf("%+v, progress %d of %d", r, documents, scope.Documents)
	}
	total := 0
	for _, b := range w.bytes {
		total += len(b)
	}
	if r.Objects != len(w.bytes)-1 || r.Bytes != int64(total) { // _SUCCESS is empty and not read
		t.Errorf("%d objects, %d bytes; there are %d, %d", r.Objects, r.Bytes, len(w.bytes), total)
	}
	kinds := map[string]bool{}
	for p := range w.bytes {
		kinds[string(p.bucket)+filepath.Ext(p.key)] = true
	}
	for _, k := range []string{"archive.bz2", "archive.rejects", "archive.index", "hours.bz2", "hours.rejects", "hours.json"} {
		if !kinds[k] {
			t.Errorf("the hour has no %s: %v", k, kinds)
		}
	}
}

// TestEverySingleBitFlipIsFound flips bits in every object of an hour: of small ones in every byte if PENSTOCK_EVERY_BYTE is
// set, else in bytes some way apart.
func TestEverySingleBitFlipIsFound(t *testing.T) {
	flipBits(t, load(t, made(t, events(6))))
}

func flipBits(t *testing.T, w *world) {
	t.Helper()
	every := os.Getenv("PENSTOCK_EVERY_BYTE") != ""
	flips := 0
	begun := time.Now()
	for i, p := range w.places() {
		b := w.bytes[p]
		step := max(1, len(b)/12)
		if every && len(b) < 4<<10 {
			step = 1
		}
		for at := i % step; at < len(b); at += step {
			c := bytes.Clone(b)
			c[at] ^= 1 << ((at + i) % 8)
			w.put(t, p, c)
			w.must(t, fmt.Sprintf("flip in byte %d of %d", at, len(b)), p)
			flips++
		}
	}
	if r := w.check(t); len(r.Findings) > 0 {
		t.Errorf("the hour was not restored: %+v", r.Findings)
	}
	t.Logf("%d flips in %d objects, %v", flips, len(w.bytes), time.Since(begun))
}

func TestEveryDeletedCutSwappedOrReplacedObjectIsFound(t *testing.T) {
	replaceObjects(t, load(t, made(t, events(4))))
}

func replaceObjects(t *testing.T, w *world) {
	t.Helper()
	places := w.places()
	for i, p := range places {
		b := w.bytes[p]
		w.put(t, p, nil)
		w.must(t, "deletion", p)
		for _, n := range []int{0, len(b) / 2, len(b) - 1} {
			if n < 0 || n >= len(b) {
				continue
			}
			w.put(t, p, b[:n])
			w.must(t, fmt.Sprintf("cut to %d of %d bytes", n, len(b)), p)
		}
		w.put(t, p, append(bytes.Clone(b), '\n'))
		if !strings.HasSuffix(p.key, "_SUCCESS") { // whose content means nothing
			w.must(t, "byte more", p)
		}
		w.put(t, p, b)
		for _, q := range places[i+1:] {
			if q.bucket != p.bucket || bytes.Equal(b, w.bytes[q]) {
				continue
			}
			w.put(t, p, w.bytes[q])
			w.put(t, q, b)
			w.must(t, "swap", p, q)
		}
	}
}

func TestADocumentThatIsSoundInItselfButNotTheOneIsFound(t *testing.T) {
	w := load(t, made(t, events(20)))
	ctx := context.Background()
	for p, b := range w.bytes {
		if s, ok := w.Keys.ParseIndexKey(p.key); ok {
			x, err := w.Keys.DecodeIndex(p.key, b)
			if err != nil || s != x.Span() {
				t.Fatal(err)
			}
			x.Request = "forged"
			w.put(t, p, hour.Encode(x))
			w.must(t, "index with another request id", p)
		}
		if _, ok := w.Keys.ParseManifestKey(p.key); ok {
			m, err := w.Keys.DecodeManifest(p.key, b)
			if err != nil {
				t.Fatal(err)
			}
			m.Events++
			w.put(t, p, hour.Encode(m))
			w.must(t, "manifest with another count", p)
		}
		if _, n, ok := w.Keys.ParseLedgerKey(p.key); ok {
			e, err := w.Keys.DecodeEntry(p.key, b)
			if err != nil {
				t.Fatal(err)
			}
			e.ID += "x"
			w.put(t, p, hour.Encode(e))
			r := w.check(t)
			// The chain breaks at the next entry; that of the last one at the manifest.
			want := w.Keys.LedgerKey(w.hour, n+1)
			if _, there := w.bytes[place{verify.Hours, want}]; !there {
				want = w.Keys.ManifestKey(w.hour)
			}
			if len(r.Findings) == 0 || r.Findings[0].Key != want {
				t.Errorf("entry %d forged: %+v", n, r.Findings)
			}
			w.put(t, p, b)
		}
	}
	if _, err := w.Hour(ctx, w.hour); err != nil {
		t.Fatal(err)
	}
}

func TestStraysAndNewsAreNotes(t *testing.T) {
	w := load(t, made(t, events(6)))
	other := w.Keys.ObjectKey(hour.DataKey{Span: hour.Span{Hour: w.hour, Shard: "s", First: "1", Last: "2"}, Count: 1, Hash: "0123456789ab"})
	w.put(t, place{verify.Archive, other}, []byte("x"))
	part := w.Keys.PartKey(w.hour, "0123456789ab", 0)
	w.put(t, place{verify.Hours, part}, []byte("x"))
	r := w.check(t)
	if len(r.Findings) > 0 || len(r.Notes) != 2 || r.Notes[0].Key != other || r.Notes[1].Key != part || r.Notes[1].Mend != verify.MendNone {
		t.Errorf("%+v", r)
	}
}

func TestAnArchivePastItsKeepTimeMayBeGoneAsAWholeOnly(t *testing.T) {
	w := load(t, made(t, events(6)))
	late := w.hour.End().Add(w.ArchiveKeep + time.Hour)
	w.Now = func() time.Time { return late }
	var first place
	for _, p := range w.places() {
		if p.bucket != verify.Archive {
			continue
		}
		if first.key == "" {
			first = p
			continue
		}
		w.put(t, p, nil)
	}
	r := w.check(t)
	if len(r.Findings) == 0 {
		t.Error("an archive that is gone in part is in order")
	}
	for _, f := range r.Findings {
		if f.Mend != verify.MendClean { // which was interrupted
			t.Errorf("%+v", f)
		}
	}
	w.put(t, first, nil)
	if r := w.check(t); len(r.Findings) > 0 || len(r.Notes) != 1 {
		t.Errorf("%+v", r)
	}
	w.Now = func() time.Time { return w.hour.End() }
	if r := w.check(t); len(r.Findings) == 0 {
		t.Error("an archive that is gone before its time is in order")
	}
}

func TestADamagedObjectsLinesAreFoundInThePart(t *testing.T) {
	w := load(t, made(t, events(20)))
	for _, p := range w.places() {
		d, ok := w.Keys.ParseObjectKey(p.key)
		if !ok || p.bucket != verify.Archive {
			continue
		}
		w.put(t, p, nil)
		r := w.check(t)
		if len(r.Findings) != 1 || r.Findings[0].Mend != verify.MendCopy || r.Findings[0].Holds == nil ||
			r.Findings[0].Holds.To-r.Findings[0].Holds.From+1 != d.Count {
			t.Errorf("%+v", r.Findings)
		}
		w.put(t, p, w.bytes[p])
	}
}

// TestThePartIsMadeAgainByARunByForce does as the advice says.
func TestThePartIsMadeAgainByARunByForce(t *testing.T) {
	dir := made(t, events(20))
	w := load(t, dir)
	for _, p := range w.places() {
		_, _, _, isPart := w.Keys.ParsePartKey(p.key)
		if _, _, isRejects := w.Keys.ParseHourRejectsKey(p.key); p.bucket != verify.Hours || !isPart && !isRejects {
			continue
		}
		w.put(t, p, []byte("BZh"))
		r := w.check(t)
		if len(r.Findings) != 1 || r.Findings[0].Mend != verify.MendReplace {
			t.Fatalf("%+v", r.Findings)
		}
		w.put(t, p, w.bytes[p])
		if err := os.Remove(filepath.Join(dir, "hours", filepath.FromSlash(p.key))); err != nil {
			t.Fatal(err)
		}
	}
	s, err := local.OpenSession(context.Background(), dir, local.SessionOptions{Holder: "test", Wall: time.Now, NoSync: true})
	if err != nil {
		t.Fatal(err)
	}
	_, _, err = s.Rerun(context.Background(), w.hour, hour.Options{Force: true}, local.Job{Playbook: book(t), Exec: hadoop.InProcess{}, Seed: 1, Wall: time.Now})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if r := load(t, dir).check(t); len(r.Findings)+len(r.Notes) > 0 {
		t.Errorf("%+v", r)
	}
}

// unreadable answers every read with an error of the machine.
type unreadable struct{ verify.Store }

func (unreadable) GetRange(context.Context, string, string, int64, int64) (io.ReadCloser, error) {
	return nil, io.ErrUnexpectedEOF
}

func TestAStoreThatDoesNotAnswerIsAnErrorNotAFinding(t *testing.T) {
	w := load(t, made(t, events(6)))
	w.Hours = unreadable{w.Hours}
	if r, err := w.Hour(context.Background(), w.hour); err == nil {
		t.Errorf("%+v", r)
	}
}
