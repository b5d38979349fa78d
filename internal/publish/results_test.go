package publish

import (
	"math/big"
	"testing"
)

func TestNumbersAreSummedExactly(t *testing.T) {
	sum := new(big.Rat)
	for _, line := range []string{"k\t{\"n\":0.1}", "k\t{\"n\":0.2}", "{\"n\":9007199254740993}", "k\t{\"a\":\"x\",\"n\":-0.3}"} {
		if bad := addLine(sum, []byte(line), "n"); bad != "" {
			t.Errorf("%s: %s", line, bad)
		}
	}
	if got := sum.RatString(); got != "9007199254740993" {
		t.Errorf("sum %s", got)
	}
}

func FuzzAddLine(f *testing.F) {
	for _, s := range []string{"[\"a\"]\t{\"n\":1}", "{\"n\":1e9}", "\t", "{\"n\":\"1\"}", "{\"n\":-}", "k\t{\"n\":1.25}\t{}"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, line []byte) {
		sum := new(big.Rat)
		if bad := addLine(sum, line, "n"); bad != "" && sum.Sign() != 0 {
			t.Errorf("a bad line added %s", sum)
		}
		if len(sum.Num().Bits())+len(sum.Denom().Bits()) > 64 {
			t.Errorf("a line of %d bytes made a huge number", len(line))
		}
	})
}
