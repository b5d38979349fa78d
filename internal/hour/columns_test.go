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
		want := new(big.Int).Sub(x, y)
		if got := string(d.appendDecimal(nil)); !ok || got != want.String() {
			t.Fatalf("seed %d, round %d: %s - %s = %s, want %s", seed, i, a, b, got, want)
		}
		if _, ok := w.sub(&v); ok && a != b {
			t.Fatalf("seed %d: %s - %s does not borrow", seed, b, a)
		}
		if d.add(&w); string(d.appendDecimal(nil)) != a || d.bitLen() != x.BitLen() {
			t.Fatalf("seed %d, round %d: %s + %s does not give %s back", seed, i, want, b, a)
		}
		q, by := v.div(uint64(i+1)), big.NewInt(int64(i+1))
		if string(q.appendDecimal(nil)) != new(big.Int).Div(x, by).String() {
			t.Fatalf("seed %d: %s / %s = %s", seed, a, by, q.appendDecimal(nil))
		}
		n, shift := r.Int64()-r.Int64(), r.IntN(380)
		z := signed(n, shift).zigzag()
		signedWant := new(big.Int).Lsh(big.NewInt(n), uint(shift))
		zigzag := new(big.Int).Lsh(new(big.Int).Abs(signedWant), 1)
		if n < 0 {
			zigzag.Sub(zigzag, big.NewInt(1))
		}
		if string(z.appendDecimal(nil)) != zigzag.String() || z.unzigzag() != signed(n, shift) {
			t.Fatalf("seed %d: zigzag of %s is %s", seed, signedWant, z.appendDecimal(nil))
		}
	}
}

func TestWideNumbersRefuseWhatIsNone(t *testing.T) {
	var w wide
	for _, s := range []string{"", "-1", "1 ", "1_0", strings.Repeat("9", maxWideDigits+1)} {
		if w.parseDecimal([]byte(s)) {
			t.Errorf("%q is taken as decimal", s)
		}
	}
	w.parseDecimal([]byte("0"))
	if got := string(w.appendDecimal(nil)); got != "0" {
		t.Errorf("zero is written as %q", got)
	}
	for i := range w {
		w[i] = ^uint64(0)
	}
	if w.add(&wide{1}) {
		t.Error("an overflow is not seen")
	}
}

// What a full batch's list may take: sequence numbers that count, and such that carry the time.
func TestColumnsAreSmall(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	const n = 4856
	for name, limit := range map[string]int{"count": 5800, "time": 4400} {
		ms, rows := int64(1_700_000_000_000), []Row(nil)
		seq, _ := new(big.Int).SetString("49590338271490256608559692538361571095921575989136588898", 10)
		for range n {
			wait := int64(r.ExpFloat64() * 8.6)
			if ms += wait; ms >= 1_700_002_800_000 {
				ms = 1_700_000_000_000
			}
			step := big.NewInt(1 + r.Int64N(3))
			if name == "time" {
				step = big.NewInt(wait<<20 + 1)
			}
			seq.Add(seq, step.Lsh(step, 64))
			rows = append(rows, Row{Sequence(seq.String()), time.UnixMilli(ms).UTC(), "e"})
		}
		columns, err := EncodeRows(rows)
		if err != nil || len(columns) > limit {
			t.Errorf("%s: %d bytes, limit %d (%v)", name, len(columns), limit, err)
		}
		x := Index{Hour: Of(rows[0].Arrival), First: rows[0].Sequence, Last: rows[n-1].Sequence, Records: n, Events: n, Columns: columns}
		if got, err := x.Rows(); err != nil || !reflect.DeepEqual(got, rows) {
			t.Errorf("%s: rows do not come back: %v", name, err)
		}
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
