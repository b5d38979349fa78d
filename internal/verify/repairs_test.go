package verify_test

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"penstock/internal/hadoop"
	"penstock/internal/hour"
	"penstock/internal/local"
	"penstock/internal/playbook"
	"penstock/internal/replay"
	"penstock/internal/verify"
	"penstock/playbooks"
)

// repaired makes a data directory whose one hour was published with three rejects, then repaired as lines of text and
// published again.
func repaired(t *testing.T, n int) *world {
	t.Helper()
	dir := made(t, append(events(n), "{mangled again\n{mangled thrice\n"...))
	marker := filepath.Join(dir, "penstock.json")
	b, err := os.ReadFile(marker)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(marker, bytes.Replace(b, []byte(`"json"`), []byte(`"text"`), 1), 0o666); err != nil {
		t.Fatal(err)
	}
	ctx := context.Background()
	s, err := local.OpenSession(ctx, dir, local.SessionOptions{Holder: "test", Wall: time.Now, NoSync: true})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	h, err := hour.Parse(day + "T07")
	if err != nil {
		t.Fatal(err)
	}
	r, err := s.Replay(ctx, replay.Request{Range: &hour.Range{From: h, To: h}}, nil)
	if err != nil || len(r.Run) != 1 || r.Rejects[0].Repaired != 3 {
		t.Fatalf("%+v, %v", r, err)
	}
	text, err := playbook.Parse(playbooks.Text)
	if err != nil {
		t.Fatal(err)
	}
	if x, n, err := s.Rerun(ctx, h, hour.Options{}, local.Job{Playbook: text, Exec: hadoop.InProcess{}, Seed: 1, Wall: time.Now}); err != nil || x.Run(n).Published == 0 {
		t.Fatalf("%+v, %v", x, err)
	}
	w := load(t, dir)
	w.Text, w.Playbook, w.PlaybookHash = true, nil, ""
	m, err := w.Keys.DecodeManifest(w.Keys.ManifestKey(h), w.bytes[place{verify.Hours, w.Keys.ManifestKey(h)}])
	if err != nil || len(m.Superseded) != 1 {
		t.Fatalf("%+v, %v", m, err)
	}
	for p := range w.bytes { // what was superseded may go
		if strings.Contains(p.key, m.Superseded[0]) {
			delete(w.bytes, p)
		}
	}
	return w
}

func TestARepairedHourIsSound(t *testing.T) {
	w := repaired(t, 8)
	scope, err := w.Scan(context.Background(), hour.Range{From: w.hour, To: w.hour})
	documents := 0
	w.Progress = func() { documents++ }
	if r := w.check(t); err != nil || len(r.Findings)+len(r.Notes) > 0 || documents != scope.Documents {
		t.Errorf("%+v, progress %d of %d, %v", r, documents, scope.Documents, err)
	}
}

func TestEveryBitFlipInARepairedHourIsFound(t *testing.T) { flipBits(t, repaired(t, 4)) }

func TestEveryReplacedObjectOfARepairedHourIsFound(t *testing.T) { replaceObjects(t, repaired(t, 3)) }

// repair is the hour's repair of two rejects, and where it lies.
func (w *world) repair(t *testing.T) (place, *hour.Repair) {
	t.Helper()
	for p, b := range w.bytes {
		if _, ok := w.Keys.ParseRepairKey(p.key); ok {
			r, err := w.Keys.DecodeRepair(p.key, b)
			if err != nil {
				t.Fatal(err)
			}
			if r.Events == 2 {
				return p, r
			}
		}
	}
	t.Fatal("there is no repair")
	return place{}, nil
}

func TestARepairThatIsSoundInItselfButNotTheOneIsFound(t *testing.T) {
	w := repaired(t, 4)
	p, r := w.repair(t)
	for what, change := range map[string]func(*hour.Repair){
		"another time":      func(r *hour.Repair) { r.RepairedAt.Time = r.RepairedAt.Add(time.Second) },
		"an unknown format": func(r *hour.Repair) { r.Format = "xml" },
		"JSON that is none": func(r *hour.Repair) { r.Format = "json" },
		"other rejects":     func(r *hour.Repair) { r.Repairs = [][2]int{{0, 1}} },
		"too many rejects":  func(r *hour.Repair) { r.Repairs = [][2]int{{1, 3}} }, // one that the batch does not have
		"another size":      func(r *hour.Repair) { r.Bytes++ },
	} {
		other := *r
		change(&other)
		w.put(t, p, hour.Encode(&other))
		w.must(t, what, p, place{verify.Archive, r.Object.Key})
	}
}

func TestARepairThatWasWrittenSinceIsANote(t *testing.T) {
	w := repaired(t, 4)
	_, r := w.repair(t)
	again := *r
	again.Repairs, again.Events, again.Bytes = [][2]int{{0, 1}}, 1, 9
	text := []byte("{mangled\n")
	again.RecordsHash = hour.RepairHash(r.Index, again.Repairs, text)
	object := bytes.Clone(w.bytes[place{verify.Archive, r.Object.Key}]) // some other content: it is found
	again.Object = &hour.File{Key: w.Keys.ObjectKey(hour.DataKey{Span: r.Span(), Count: 1, Hash: hour.SHA256(object)[:12]}), Size: int64(len(object)), SHA256: hour.SHA256(object)}
	p := place{verify.Archive, again.Key(w.Keys)}
	w.put(t, p, hour.Encode(&again))
	w.put(t, place{verify.Archive, again.Object.Key}, object)
	rep := w.check(t)
	if len(rep.Notes) != 1 || rep.Notes[0].Key != p.key || !strings.Contains(rep.Notes[0].Why, "after the hour was sealed") {
		t.Errorf("notes %+v", rep.Notes)
	}
	if !slices.ContainsFunc(rep.Findings, func(f verify.Finding) bool { return f.Key == again.Object.Key }) {
		t.Errorf("findings %+v", rep.Findings)
	}
}

func TestRejectsOfWhichSomeWereRepairedAreNotCopiedFromTheHour(t *testing.T) {
	w := repaired(t, 4)
	for p, b := range w.bytes {
		if _, ok := w.Keys.ParseRejectsKey(p.key); !ok {
			continue
		}
		w.put(t, p, append(bytes.Clone(b), 0))
		for _, f := range w.check(t).Findings {
			if f.Key == p.key && f.Mend != verify.MendRestore {
				t.Errorf("%+v", f)
			}
		}
		w.must(t, "rejects", p)
	}
}
