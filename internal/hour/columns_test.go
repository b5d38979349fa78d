package hour

import (
	"fmt"
	"math/big"
	"math/rand/v2"
	"reflect"
	"strings"
	"testing"
	"time"
)

func TestWideNumbersAgreeWithMathBig(t *testing.T) {
	const seed = 11
	r := rand.New(rand.NewPCG(seed, 0))
	digits := func() string {
		b := []byte{byte('1' + r.IntN(9))}
		for range r.IntN(MaxSequenceDigits) {
			b = append(b, byte('0'+r.IntN(10)*r.IntN(2)))
		}
		return string(b)
	}
	for i := range 3000 {
		a, b := digits(), digits()
		x, _ := new(big.Int).SetString(a, 10)
		y, _ := new(big.Int).SetString(b, 10)
		if x.Cmp(y) < 0 {
			a, b, x, y = b, a, y, x
		}
		var v, w wide
		if !v.parseDecimal([]byte(a)) || !w.parseDecimal([]byte(b)) {
			t.Fatalf("seed %d, round %d: %s or %s is refused", seed, i, a, b)
		}
		d, ok := v.sub(&w)
		want := new(big.Int).Sub(x, y).Text(16)
		if got := string(d.appendHex(nil)); !ok || got != want {
			t.Fatalf("seed %d, round %d: %s - %s = %s, want %s", seed, i, a, b, got, want)
		}
		if _, ok := w.sub(&v); ok && a != b {
			t.Fatalf("seed %d: %s - %s does not borrow", seed, b, a)
		}
		var h wide
		if !h.parseHex(want) || !h.add(&w) || string(h.appendDecimal(nil)) != a {
			t.Fatalf("seed %d, round %d: %s + %s does not give %s back", seed, i, want, b, a)
		}
	}
}

func TestWideNumbersRefuseWhatIsNone(t *testing.T) {
	var w wide
	for _, s := range []string{"", "-1", "1 ", "1_0", strings.Repeat("9", MaxSequenceDigits+1)} {
		if w.parseDecimal([]byte(s)) {
			t.Errorf("%q is taken as decimal", s)
		}
	}
	for _, s := range []string{"", "-1", "g", "+1", strings.Repeat("f", 113)} {
		if w.parseHex(s) {
			t.Errorf("%q is taken as hex", s)
		}
	}
	w.parseDecimal([]byte("0"))
	if got := string(w.appendDecimal(nil)) + string(w.appendHex(nil)); got != "00" {
		t.Errorf("zero is written as %q", got)
	}
	w.parseHex(strings.Repeat("f", 112))
	one := wide{1}
	if w.add(&one) {
		t.Error("an overflow is not seen")
	}
}

func TestAnEncoderIsUsedAgain(t *testing.T) {
	var e ColumnsEncoder
	for round := range 3 {
		var rows []Row
		e.Reset()
		for i := range 20 * (3 - round) {
			row := Row{Sequence(fmt.Sprintf("4957%050d", i*i+1)), time.UnixMilli(int64(1_700_000_000_000 + i*7 - i%3*20)).UTC(), KindOf([]byte("eer"[i%3 : 3]))}
			rows = append(rows, row)
			if err := e.Add([]byte(row.Sequence), row.Arrival.UnixMilli(), row.Kind); err != nil {
				t.Fatal(err)
			}
		}
		x := Index{Hour: Of(rows[0].Arrival), Records: len(rows), First: rows[0].Sequence, Last: rows[len(rows)-1].Sequence, Columns: e.Columns()}
		for _, r := range rows {
			events, rejects, err := r.Kind.Counts()
			if err != nil {
				t.Fatal(err)
			}
			x.Events, x.Rejects = x.Events+events, x.Rejects+rejects
		}
		got, err := x.Rows()
		if err != nil || !reflect.DeepEqual(got, rows) {
			t.Fatalf("round %d: %v, %v", round, got, err)
		}
		if again, err := EncodeRows(rows); err != nil || again != x.Columns {
			t.Errorf("round %d: EncodeRows differs from an encoder that was used before (%v)", round, err)
		}
	}
	if err := e.Add([]byte("1"), 0, "e"); err == nil {
		t.Error("a sequence number that does not grow is taken")
	}
}

func TestRecordsHashIsTheSameForBytes(t *testing.T) {
	a, b := NewRecordsHasher(), NewRecordsHasher()
	a.Add("123", time.UnixMilli(5), []byte("x"))
	b.AddBytes([]byte("123"), 5, []byte("x"))
	if x, y := a.Sum(), b.Sum(); x != y {
		t.Errorf("%s and %s", x, y)
	}
}

func TestConflictKeysGoBothWays(t *testing.T) {
	k, err := NewKeys(DefaultName)
	if err != nil {
		t.Fatal(err)
	}
	s := Span{Of(time.Unix(1_795_417_200, 0)), "shardId-000000000001", "17", "99"}
	key := k.ConflictKey(s, "0123456789ab")
	if got, hash, ok := k.ParseConflictKey(key); !ok || got != s || hash != "0123456789ab" {
		t.Errorf("%s is read as %v, %s, %t", key, got, hash, ok)
	}
	for _, bad := range []string{"", "conflicts/", key + "x", strings.Replace(key, "conflicts", "aws", 1), strings.Replace(key, "0123456789ab", "xyz", 1)} {
		if _, _, ok := k.ParseConflictKey(bad); ok {
			t.Errorf("%q is taken", bad)
		}
	}
}
