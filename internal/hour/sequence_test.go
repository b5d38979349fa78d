package hour

import (
	"encoding/json"
	"math/big"
	"math/rand/v2"
	"strings"
	"testing"
)

func TestSequenceNumbersCompareAsNumbers(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	number := func() string {
		b := make([]byte, 1+r.IntN(60))
		if r.IntN(4) == 0 {
			b = make([]byte, MaxSequenceDigits-r.IntN(3))
		}
		for i := range b {
			b[i] = '0' + byte(r.IntN(10))
			if r.IntN(3) == 0 {
				b[i] = '0'
			}
		}
		return string(b)
	}
	for range 20_000 {
		x, y := number(), number()
		switch r.IntN(4) {
		case 0:
			y = "000" + x
			if len(y) > MaxSequenceDigits {
				y = x
			}
		case 1: // differs in the last digit only
			y = x[:len(x)-1] + string('0'+byte(r.IntN(10)))
		}
		a, err := ParseSequence(x)
		if err != nil {
			t.Fatal(err)
		}
		b, err := ParseSequence(y)
		if err != nil {
			t.Fatal(err)
		}
		i, _ := new(big.Int).SetString(x, 10)
		j, _ := new(big.Int).SetString(y, 10)
		if a.Compare(b) != i.Cmp(j) || b.Compare(a) != j.Cmp(i) {
			t.Fatalf("Compare(%s, %s) = %d, want %d", a, b, a.Compare(b), i.Cmp(j))
		}
		if string(a) != i.String() {
			t.Fatalf("ParseSequence(%s) = %s, want %s", x, a, i)
		}
		if back, err := ParseSequence(a.padded()); err != nil || back != a || len(a.padded()) < sequenceWidth {
			t.Fatalf("%s padded to %s came back as %s, %v", a, a.padded(), back, err)
		}
	}
}

func TestWhatIsNoSequenceNumberIsRefused(t *testing.T) {
	for _, s := range []string{
		"", "-1", "+1", "1.0", "1e3", "0x1f", " 1", "1 ", "1\x00", "LATEST", "１", strings.Repeat("9", MaxSequenceDigits+1), strings.Repeat("0", 1<<16),
	} {
		if got, err := ParseSequence(s); err == nil {
			t.Errorf("ParseSequence(%.40q) = %.40s", s, got)
		} else if len(err.Error()) > 100 {
			t.Errorf("ParseSequence(%.40q): an error of %d bytes", s, len(err.Error()))
		}
	}
	for _, s := range []string{`""`, `"01"`, `"-1"`, `"a"`, `1`} {
		var got struct{ S Sequence }
		if err := json.Unmarshal([]byte(`{"S":`+s+`}`), &got); err == nil {
			t.Errorf("a document's sequence number %s was read as %s", s, got.S)
		}
	}
	var got struct{ S Sequence }
	if err := json.Unmarshal([]byte(`{"S":"0"}`), &got); err != nil || got.S != "0" {
		t.Error(got, err)
	}
}
