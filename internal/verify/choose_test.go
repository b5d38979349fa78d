package verify

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"math/rand/v2"
	"testing"

	"penstock/internal/hour"
)

// TestTakenLinesAndRejectsAreThoseOfTheRows compares with a list of every sub-record, for rows of all kinds.
func TestTakenLinesAndRejectsAreThoseOfTheRows(t *testing.T) {
	const seed = 7
	t.Logf("seed %d", seed)
	rnd := rand.New(rand.NewPCG(seed, 0))
	for range 300 {
		var rows []hour.Row
		type sub struct{ row, sub int }
		lines := [2][]sub{}
		for i := range 1 + rnd.IntN(8) {
			fates := make([]byte, rnd.IntN(30))
			for j := range fates {
				fates[j] = 'e'
				kind := events
				if rnd.IntN(3) == 0 {
					fates[j], kind = 'r', rejects
				}
				lines[kind] = append(lines[kind], sub{i, j})
			}
			rows = append(rows, hour.Row{Sequence: hour.Sequence(fmt.Sprint(100 + i)), Kind: hour.KindOf(fates)})
		}
		places := rejectPlaces{rows: rows}
		for _, want := range lines[rejects] {
			row, n, ok := places.next()
			if !ok || row != &rows[want.row] || n != want.sub {
				t.Fatalf("rows %v: reject %d of %v, %v; want %v", rows, n, row, ok, want)
			}
		}
		if row, _, ok := places.next(); ok {
			t.Fatalf("rows %v: a reject too many of %v", rows, row)
		}

		var take [][2]int
		for at := rnd.IntN(3); at < len(rows); at += 1 + rnd.IntN(3) {
			to := at + 1 + rnd.IntN(len(rows)-at)
			take, at = append(take, [2]int{at, to}), to
		}
		taken := func(row int) bool {
			for _, r := range take {
				if r[0] <= row && row < r[1] {
					return true
				}
			}
			return take == nil
		}
		s := selected{take: take}
		s.choose(rows)
		for kind, all := range lines {
			want, n := sha256.New(), 0
			for i, l := range all {
				line := fmt.Appendln(nil, kind, l)
				s.pickers[kind].line(i, line)
				if taken(l.row) {
					want.Write(line)
					n++
				}
			}
			s.sum(kind)
			if !s.known || s.n[kind] != n || s.text[kind] != hex.EncodeToString(want.Sum(nil)) {
				t.Fatalf("rows %v, take %v, kind %d: %d lines, want %d", rows, take, kind, s.n[kind], n)
			}
		}
		if want := max(1, len(take)); len(s.runs) != want {
			t.Fatalf("take %v: runs %v", take, s.runs)
		}
	}
	s := selected{take: [][2]int{{0, 2}}}
	if s.choose([]hour.Row{{Sequence: "1", Kind: "e"}}); s.known {
		t.Error("more rows are taken than there are")
	}
}

func TestASealThatDoesNotAddUpIsFound(t *testing.T) {
	sound := func() *hour.Seal {
		return &hour.Seal{Events: 5, Rejects: 1, Bytes: 50, Pieces: []hour.Piece{{Events: 2, Bytes: 20}, {Events: 3, Rejects: 1, Bytes: 30}},
			Parts: []hour.PartPlan{{From: 0, To: 1, Events: 2}, {From: 1, To: 2, Events: 3}}}
	}
	if why := sums(sound()); why != "" {
		t.Fatal(why)
	}
	for name, change := range map[string]func(*hour.Seal){
		"events":            func(s *hour.Seal) { s.Events++ },
		"rejects":           func(s *hour.Seal) { s.Rejects-- },
		"bytes":             func(s *hour.Seal) { s.Bytes++ },
		"a gap":             func(s *hour.Seal) { s.Parts[1].From = 0 },
		"a piece left out":  func(s *hour.Seal) { s.Parts = s.Parts[:1] },
		"a piece too many":  func(s *hour.Seal) { s.Parts[1].To = 3 },
		"events of a part":  func(s *hour.Seal) { s.Parts[1].Events = 2 },
		"a part of nothing": func(s *hour.Seal) { s.Parts[0].To = 0 },
	} {
		s := sound()
		change(s)
		if sums(s) == "" {
			t.Errorf("%s: not found", name)
		}
	}
}
