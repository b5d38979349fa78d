package hour

import (
	"bytes"
	"errors"
	"reflect"
	"strings"
	"testing"
	"time"
)

// sampleIndex is an index of three records, one of them an aggregate.
func sampleIndex(t testing.TB) *Index {
	t.Helper()
	start := time.Date(2026, 11, 23, 7, 0, 0, 0, time.UTC)
	columns, err := EncodeRows([]Row{
		{seqA, start.Add(5 * time.Millisecond), "e"},
		{Sequence(seqA[:55] + "9"), start.Add(17 * time.Millisecond), "3er2e"},
		{seqB, start.Add(16 * time.Millisecond), "r"},
	})
	if err != nil {
		t.Fatal(err)
	}
	return &Index{
		Version: Version, Hour: Of(start), Shard: "shardId-000000000003", First: seqA, Last: seqB,
		Records: 3, Events: 6, Rejects: 2, Bytes: 3005,
		FirstArrival: At(start.Add(5 * time.Millisecond)), LastArrival: At(start.Add(16 * time.Millisecond)),
		Object:      &File{Key: "2026/11/o.bz2", Size: 812, ETag: `"x"`, SHA256: SHA256([]byte("o"))},
		RejectsFile: &File{Key: "2026/11/_r.rejects", Size: 99, SHA256: SHA256([]byte("r"))},
		RecordsHash: SHA256(nil), ArchivedAt: At(start.Add(2 * time.Second)), Writer: WriterMapping,
		Request: "c6af9ac6-7b61-11e6-9a41-93e8deadbeef", Trace: "1-581cf771-a006649127e371903a2de979", Columns: columns,
	}
}

func sampleSeal() *Seal {
	at := At(time.Date(2026, 11, 23, 8, 1, 0, 0, time.UTC))
	s := &Seal{
		Version: Version, Hour: Hour{}.Add(498_727), Layout: Layout,
		Pieces: []Piece{
			{Kind: PieceRange, Shard: "shardId-000000000003", First: seqA, Last: seqB, Index: Ref{"i", SHA256([]byte("i"))},
				RecordsHash: SHA256([]byte("records")), Object: &File{Key: "o", Size: 1, ETag: `"e"`, SHA256: SHA256([]byte("o"))},
				Take: [][2]int{{0, 1}, {2, 3}}, Events: 5, Rejects: 1, Bytes: 3005},
			{Kind: PieceRepair, Shard: "shardId-000000000003", First: seqA, Last: seqB, Index: Ref{"j", SHA256([]byte("j"))},
				RecordsHash: SHA256([]byte("repaired")), Events: 1, Bytes: 40, Repairs: [][2]int{{0, 1}}},
		},
		Events: 6, Rejects: 1, Bytes: 3045, Parts: []PartPlan{{0, 2, 6}}, Proof: ProofTail,
		Shards:  []ShardProof{{"shardId-000000000003", "record", "7", &at}},
		Mapping: &Mapping{ID: "m", State: "Enabled", Start: "TRIM_HORIZON", Factor: 1}, SealedAt: at, Execution: "2026-11-23T07-1",
	}
	s.Revision = RevisionOf(s.Layout, s.Pieces)
	return s
}

func sampleRepair() *Repair {
	events := []byte("{}\n[]\n")
	r := &Repair{Version: Version, Hour: Hour{}.Add(498_727), Shard: "shardId-000000000003", First: seqA, Last: seqB, Index: Ref{"", SHA256([]byte("i"))},
		Repairs: [][2]int{{0, 1}, {3, 4}}, Events: 2, Bytes: 6, Object: &File{Key: "o", Size: 40, SHA256: SHA256([]byte("o"))}, Format: "json",
		RepairedAt: At(time.Date(2026, 11, 24, 9, 0, 0, 0, time.UTC))}
	r.Index.Key = Keys{DefaultName}.IndexKey(r.Span())
	r.RecordsHash = RepairHash(r.Index, r.Repairs, events)
	return r
}

func sampleEntry() *Entry {
	return &Entry{Version: Version, Hour: Hour{}.Add(498_727), Number: 2, Previous: SHA256([]byte("1")), ID: "2026-11-23T07-1/Claim/0",
		Type: EntryClaimed, At: At(time.Date(2026, 11, 23, 8, 1, 0, 0, time.UTC)), Run: 1, Execution: "2026-11-23T07-1"}
}

func sampleManifest() *Manifest {
	return &Manifest{Version: Version, Hour: Hour{}.Add(498_727), Ledger: 7, LedgerHash: SHA256([]byte("7")), Revision: "0123456789ab",
		Run: 1, Execution: "2026-11-23T07-1", PublishedAt: At(time.Date(2026, 11, 23, 8, 31, 0, 0, time.UTC)),
		Publication: Publication{Seal: Ref{"s", SHA256([]byte("s"))}, Parts: []Part{{File{Key: "p", Size: 9}, 0, 6, 3045}}, Events: 6, RejectN: 1,
			Objects: 1, Bytes: 3045, Job: "video", Cluster: 1, Result: "results/", Minutes: 17.5, Cost: &Cost{"2026-10", 0.25}}}
}

// sample is an encoded document with its decoder.
type sample struct {
	key    string
	doc    any
	decode func(key string, b []byte) (any, error)
}

func samples(t testing.TB) map[string]sample {
	k := testKeys(t)
	x, s, e, m, r := sampleIndex(t), sampleSeal(), sampleEntry(), sampleManifest(), sampleRepair()
	return map[string]sample{
		"index":    {k.IndexKey(x.Span()), x, func(key string, b []byte) (any, error) { return k.DecodeIndex(key, b) }},
		"seal":     {k.SealKey(s.Hour, s.Revision), s, func(key string, b []byte) (any, error) { return k.DecodeSeal(key, b) }},
		"entry":    {k.LedgerKey(e.Hour, e.Number), e, func(key string, b []byte) (any, error) { return k.DecodeEntry(key, b) }},
		"manifest": {k.ManifestKey(m.Hour), m, func(key string, b []byte) (any, error) { return k.DecodeManifest(key, b) }},
		"repair":   {r.Key(k), r, func(key string, b []byte) (any, error) { return k.DecodeRepair(key, b) }},
	}
}

func TestDocumentsComeBackFromTheirBytes(t *testing.T) {
	for name, c := range samples(t) {
		b := Encode(c.doc)
		got, err := c.decode(c.key, b)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if !reflect.DeepEqual(got, c.doc) {
			t.Errorf("%s came back as\n%+v, was\n%+v", name, got, c.doc)
		}
		if again := Encode(got); !bytes.Equal(again, b) {
			t.Errorf("%s: encoded again it is\n%s, was\n%s", name, again, b)
		}
		if bytes.Count(b, []byte("\n")) != 1 || b[len(b)-1] != '\n' {
			t.Errorf("%s is not one line", name)
		}
	}
}

// The bytes of documents are part of the contract: results and ledgers of older releases name them by hash.
func TestTheBytesOfDocumentsDoNotChange(t *testing.T) {
	golden := map[string]string{
		"index":    "7a8a663627fa40f8599c2ddc72b3a6f7407b344f3fbeda5f219851a2624b6802",
		"seal":     "8c3514ea66955ffc87fb595c1ce7b20359e99dcda793cd5a78088e13ad125d81",
		"entry":    "97a82eef8ee8eae4f5f67c71e7d2951ece67e82345fc368b66145cfb41308796",
		"manifest": "e4b70d8972350a282d60f75e760fbb4b2fae21167f2cfec5342f521f7de6e47c",
		"repair":   "4dbd01aedc4acdf7f74cfb43a0202820dd76620183772a7783349a74de4374fe",
	}
	for name, c := range samples(t) {
		if x, ok := c.doc.(*Index); ok {
			x.Columns = "eJw=" // compress/zlib may change with Go; the hash of raw records knows such an index as the same
		}
		if got := SHA256(Encode(c.doc)); got != golden[name] {
			t.Errorf("%s has the hash\n%s, want\n%s: older releases must be able to read that, or Version rises", name, got, golden[name])
		}
	}
	want := `{"version":1,"hour":"2026-11-23T07","number":2,"previous":"` + SHA256([]byte("1")) +
		`","id":"2026-11-23T07-1/Claim/0","type":"Claimed","at":"2026-11-23T08:01:00.000Z","run":1,"execution":"2026-11-23T07-1","hash":"`
	if got := string(Encode(sampleEntry())); !strings.HasPrefix(got, want) || len(got) != len(want)+64+3 {
		t.Errorf("entry\n%s, want\n%s", got, want)
	}
}

func TestEverySingleFlippedBitIsFound(t *testing.T) {
	for name, c := range samples(t) {
		b := Encode(c.doc)
		for i := range b {
			for bit := range 8 {
				b[i] ^= 1 << bit
				_, err := c.decode(c.key, b)
				var corrupt *Corrupt
				if !errors.As(err, &corrupt) || corrupt.Key != c.key {
					t.Fatalf("%s with bit %d of byte %d flipped: %v", name, bit, i, err)
				}
				b[i] ^= 1 << bit
			}
		}
		if _, err := c.decode(c.key, b); err != nil {
			t.Fatalf("%s, mended: %v", name, err)
		}
	}
}

func TestACutOrLengthenedDocumentIsFound(t *testing.T) {
	for name, c := range samples(t) {
		b := Encode(c.doc)
		bad := [][]byte{nil, {}, []byte("{}\n"), []byte("null"), append(b[:len(b):len(b)], ' '), append(b[:len(b):len(b)], b...), b[1:]}
		for i := range b {
			bad = append(bad, b[:i])
		}
		for _, x := range bad {
			var corrupt *Corrupt
			if _, err := c.decode(c.key, x); !errors.As(err, &corrupt) {
				t.Fatalf("%s of %d bytes instead of %d: %v", name, len(x), len(b), err)
			}
		}
	}
}

func TestANewerVersionIsRefusedWithAdvice(t *testing.T) {
	for name, c := range samples(t) {
		doc := reflect.New(reflect.TypeOf(c.doc).Elem())
		doc.Elem().Set(reflect.ValueOf(c.doc).Elem())
		doc.Elem().FieldByName("Version").SetInt(Version + 1)
		_, err := c.decode(c.key, Encode(doc.Interface()))
		var newer *NewerVersion
		if !errors.As(err, &newer) || newer.Have != Version+1 || newer.Know != Version || !strings.Contains(err.Error(), "upgrade penstock") {
			t.Errorf("%s of the next version: %v", name, err)
		}
		for _, v := range []int64{0, -1} {
			doc.Elem().FieldByName("Version").SetInt(v)
			var corrupt *Corrupt
			if _, err := c.decode(c.key, Encode(doc.Interface())); !errors.As(err, &corrupt) {
				t.Errorf("%s of version %d: %v", name, v, err)
			}
		}
	}
}

func TestADocumentUnderAnotherKeyIsRefused(t *testing.T) {
	k := testKeys(t)
	h := Hour{}.Add(498_728)
	wrong := map[string][]string{
		"index":    {k.IndexKey(Span{h, "shardId-000000000003", seqA, seqB}), k.IndexKey(Span{h.Add(-1), "shardId-000000000004", seqA, seqB}), "x.index"},
		"seal":     {k.SealKey(h, sampleSeal().Revision), k.SealKey(h.Add(-1), "0123456789ab"), "x.seal.json"},
		"entry":    {k.LedgerKey(h, 2), k.LedgerKey(h.Add(-1), 3), "000002.json"},
		"manifest": {k.ManifestKey(h), "manifest.json"},
	}
	for name, c := range samples(t) {
		for _, key := range wrong[name] {
			var corrupt *Corrupt
			if _, err := c.decode(key, Encode(c.doc)); !errors.As(err, &corrupt) {
				t.Errorf("%s read as %s: %v", name, key, err)
			}
		}
	}
}

func TestAFieldOfTheWrongTypeIsRefused(t *testing.T) {
	k := testKeys(t)
	for _, body := range []string{`"hour":7`, `"hour":"2026-11-23T07","first":"-1"`, `"hour":"2026-11-23T07","records":"3"`} {
		b := Encode(struct {
			Version int    `json:"version"`
			X       string `json:"x"`
		}{1, "y"})
		head := append(bytes.TrimSuffix(b[:bytes.LastIndex(b, []byte(hashField))], []byte(`"x":"y"`)), body...)
		b = append(head, hashField+SHA256(head)+"\"}\n"...)
		var corrupt *Corrupt
		if _, err := k.DecodeIndex("x.index", b); !errors.As(err, &corrupt) || !strings.Contains(err.Error(), "wrong type") {
			t.Errorf("%s: %v", body, err)
		}
	}
}

func TestTheRevisionIsTheSelectionAndTheLayout(t *testing.T) {
	s := sampleSeal()
	const golden = "96c92468fa2f"
	if s.Revision != golden {
		t.Errorf("revision %s, want %s: if that is meant, Layout rises", s.Revision, golden)
	}
	if CheckRevision(s.Revision) != nil {
		t.Errorf("revision %s", s.Revision)
	}
	if RevisionOf(Layout+1, s.Pieces) == s.Revision {
		t.Error("another layout has the same revision")
	}
	same := map[string]func(p *Piece){
		"the index's key":       func(p *Piece) { p.Index.Key = "elsewhere" },
		"the index's bytes":     func(p *Piece) { p.Index.SHA256 = SHA256(nil) },
		"the ETag":              func(p *Piece) { p.Object.ETag = `"other"` },
		"the key of the object": func(p *Piece) { p.Object.Key = "other" },
	}
	different := map[string]func(p *Piece){
		"kind":         func(p *Piece) { p.Kind = PieceRepair },
		"shard":        func(p *Piece) { p.Shard = "shardId-000000000004" },
		"first":        func(p *Piece) { p.First = "1" },
		"last":         func(p *Piece) { p.Last = p.Last + "0" },
		"records":      func(p *Piece) { p.RecordsHash = SHA256(nil) },
		"take":         func(p *Piece) { p.Take = [][2]int{{0, 1}} },
		"whole":        func(p *Piece) { p.Take = nil },
		"object bytes": func(p *Piece) { p.Object.SHA256 = SHA256(nil) },
		"no object":    func(p *Piece) { p.Object = nil },
		"repairs":      func(p *Piece) { p.Repairs = [][2]int{{1, 2}} },
	}
	for name, change := range same {
		s := sampleSeal()
		change(&s.Pieces[0])
		if RevisionOf(s.Layout, s.Pieces) != s.Revision {
			t.Errorf("%s changes the revision", name)
		}
	}
	for name, change := range different {
		s := sampleSeal()
		change(&s.Pieces[0])
		if RevisionOf(s.Layout, s.Pieces) == s.Revision {
			t.Errorf("%s does not change the revision", name)
		}
	}
	s.Pieces[0], s.Pieces[1] = s.Pieces[1], s.Pieces[0]
	if RevisionOf(s.Layout, s.Pieces) == s.Revision {
		t.Error("the order of pieces does not change the revision")
	}
	if !s.Pieces[0].Whole() || s.Pieces[1].Whole() {
		t.Error("Whole")
	}
	if s.Pieces[0].Span(s.Hour) != (Span{s.Hour, "shardId-000000000003", seqA, seqB}) {
		t.Error("Span")
	}
}
