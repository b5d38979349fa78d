package hour

import (
	"errors"
	"math/rand/v2"
	"reflect"
	"testing"
	"time"
)

func TestARepairThatDoesNotNameItsRejectsIsRefused(t *testing.T) {
	k := testKeys(t)
	for name, change := range map[string]func(*Repair){
		"no rejects":                 func(r *Repair) { r.Repairs = nil },
		"an empty range":             func(r *Repair) { r.Repairs = [][2]int{{1, 1}} },
		"a range that is not behind": func(r *Repair) { r.Repairs = [][2]int{{3, 4}, {0, 1}} },
		"ranges that touch":          func(r *Repair) { r.Repairs = [][2]int{{0, 1}, {1, 2}} },
		"a negative place":           func(r *Repair) { r.Repairs = [][2]int{{-1, 1}} },
		"fewer events than rejects":  func(r *Repair) { r.Repairs = [][2]int{{0, 3}} },
		"places beyond any batch":    func(r *Repair) { r.Repairs = [][2]int{{MaxSubRecords, MaxSubRecords + 1}} },
		"no object":                  func(r *Repair) { r.Object = nil },
		"another batch's index":      func(r *Repair) { r.Index.Key = "i" },
		"no hash":                    func(r *Repair) { r.RecordsHash = "" },
	} {
		r := sampleRepair()
		key := r.Key(k)
		change(r)
		var corrupt *Corrupt
		if _, err := k.DecodeRepair(key, Encode(r)); !errors.As(err, &corrupt) {
			t.Errorf("%s: %v", name, err)
		}
	}
	r := sampleRepair()
	other := r.Span()
	other.Last += "0"
	if _, err := k.DecodeRepair(k.RepairKey(DataKey{other, r.Events, r.RecordsHash[:12]}), Encode(r)); err == nil {
		t.Error("a repair under another batch's key is read")
	}
}

func TestARepairsHashIsOfItsBatchPlacesAndEvents(t *testing.T) {
	r := sampleRepair()
	seen := map[string]bool{}
	for _, h := range []string{
		r.RecordsHash, RepairHash(Ref{"i", SHA256([]byte("j"))}, r.Repairs, []byte("{}\n[]\n")),
		RepairHash(r.Index, [][2]int{{0, 2}}, []byte("{}\n[]\n")), RepairHash(r.Index, r.Repairs, []byte("{}\n[1]\n")),
	} {
		if seen[h] {
			t.Error("two repairs have the same hash")
		}
		seen[h] = true
	}
	if RepairHash(Ref{"elsewhere", r.Index.SHA256}, r.Repairs, []byte("{}\n[]\n")) != r.RecordsHash {
		t.Error("the index's key changes the hash")
	}
}

func TestRangesAreSetsOfNumbers(t *testing.T) {
	const seed, most = 3, 12
	t.Logf("seed %d", seed)
	rnd := rand.New(rand.NewPCG(seed, 0))
	set := func(ranges [][2]int) (s [most]bool) {
		for _, r := range ranges {
			for i := r[0]; i < r[1]; i++ {
				s[i] = true
			}
		}
		return s
	}
	draw := func() (ranges [][2]int) {
		for at := rnd.IntN(4); at < most; at += 1 + rnd.IntN(3) {
			to := min(most, at+1+rnd.IntN(4))
			ranges, at = append(ranges, [2]int{at, to}), to
		}
		return ranges
	}
	for range 2000 {
		a, b := draw(), draw()
		with, without := Union(a, b), Without(a, b)
		var or, not [most]bool
		n := 0
		for i := range most {
			or[i] = set(a)[i] || set(b)[i]
			not[i] = set(a)[i] && !set(b)[i]
			if or[i] {
				n++
			}
		}
		if set(with) != or || set(without) != not || Count(with) != n {
			t.Fatalf("%v and %v: together %v, without %v", a, b, with, without)
		}
		for _, r := range [][][2]int{with, without} {
			if len(r) > 0 && !Ascending(r) {
				t.Fatalf("%v and %v give %v, which is not ascending", a, b, r)
			}
		}
	}
	if Ascending(nil) {
		t.Error("no range at all is ascending")
	}
}

func TestLinesAreThoseOfTheRecordsTaken(t *testing.T) {
	rows := []Row{{Kind: "2er"}, {Kind: "-"}, {Kind: "r"}, {Kind: "e"}, {Kind: "3re"}, {Kind: "e"}}
	for _, c := range []struct {
		take    [][2]int
		rejects bool
		want    [][2]int
	}{
		{nil, false, [][2]int{{0, 5}}},
		{nil, true, [][2]int{{0, 5}}},
		{[][2]int{{0, 1}, {4, 5}}, false, [][2]int{{0, 2}, {3, 4}}},
		{[][2]int{{0, 1}, {4, 5}}, true, [][2]int{{0, 1}, {2, 5}}},
		{[][2]int{{1, 2}, {5, 6}}, true, [][2]int{}},
		{[][2]int{{1, 4}}, true, [][2]int{{1, 2}}},
	} {
		if got, err := Lines(rows, c.take, c.rejects); err != nil || !reflect.DeepEqual(got, c.want) {
			t.Errorf("take %v, rejects %t: %v, %v, want %v", c.take, c.rejects, got, err, c.want)
		}
	}
	if _, err := Lines([]Row{{Kind: "x"}}, nil, false); err == nil {
		t.Error("an unknown kind has lines")
	}
}

func FuzzDecodeRepair(f *testing.F) {
	k := testKeys(f)
	r := sampleRepair()
	f.Add(r.Key(k), Encode(r))
	f.Add("", []byte(`{"version":1,"repairs":[[0,1e9]],"hash":"`))
	f.Fuzz(func(t *testing.T, key string, b []byte) {
		r, err := k.DecodeRepair(key, b)
		if err != nil {
			if r != nil {
				t.Fatal("a repair with an error")
			}
			return
		}
		if r.Key(k) != key || !Ascending(r.Repairs) || r.RepairedAt.After(time.Date(10000, 1, 1, 0, 0, 0, 0, time.UTC)) {
			t.Fatalf("%+v under %s", r, key)
		}
	})
}
