package rollup

import (
	"bytes"
	"encoding/json"
	"math/big"
	"slices"
	"strings"
	"testing"
)

// seeds are lines that a scanner may get wrong.
func seeds() []string {
	return []string{
		`{"a":1,"b":{"c":"x","d":[1,{"c":2}]},"e":null}`, `{"b":{"c":1},"b":{"d":2}}`, `{"b":{"c":1},"b":3}`, `{"a":{"a":1}}`,
		`{"\u0061":"\ud83d\ude00","\u0062":{"\u0063":"\\\""}}`, "{\"a\":\"\xff\xfe\",\"b\":{\"c\":\"é\"}}", `{"a":"12345678\n12345678"}`,
		`[1,-0,0.10,1e5,1E-5,12345678901234567890.5]`, `"12345678"`, `{"a":-1.50e+2}`, `{"a" : 1 , "b" : { } }`, " \t\r\n1 ",
		`{"a":1`, `{"a":01}`, `{"a":1.}`, `{"a":.5}`, `{"a":1e}`, `{"a":+1}`, `{"a":-}`, `{"a":tru}`, `{"a":"\x"}`, `{"a":"\u12g4"}`, `{"a":"\u12`, `{a:1}`,
		`{"a":1,}`, `[1,]`, `[,1]`, `{"a"}`, `{"a":}`, `{}{}`, `]`, `}`, ``, ` `, `nul`, `nulll`, "\"a\x1fb\"", "\"abcdefgh\x00\"", `"`, `"\`, `"abcdefg\"`,
	}
}

// FuzzScan holds the scanner to encoding/json: the same lines are JSON, and the
// fields have the same values.
func FuzzScan(f *testing.F) {
	for _, s := range seeds() {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, line []byte) {
		s := scanner{root: field{slot: -1}}
		slots := map[string]int{}
		for _, path := range []string{"a", "b.c", "b", "b.d.c"} {
			slots[path] = s.slot(path)
		}
		got := s.scan(line)
		if want := json.Valid(line); got != want {
			t.Fatalf("scan says %v, encoding/json %v: %q", got, want, line)
		}
		if !got {
			return
		}
		d := json.NewDecoder(bytes.NewReader(line))
		d.UseNumber()
		var document any
		if err := d.Decode(&document); err != nil {
			return // valid, but a number or a surrogate that cannot be represented
		}
		for path, slot := range slots {
			token := s.tokens[slot]
			switch want := at(document, strings.Split(path, ".")).(type) {
			case nil:
				if token.kind != absent {
					t.Errorf("%s is %+v, want absent in %q", path, token, line)
				}
			case string:
				if token.kind != text || unquote(token.raw[1:len(token.raw)-1]) != want {
					t.Errorf("%s is %q, want %q in %q", path, token.raw, want, line)
				}
				if token.kind == text && plainText(want) && !token.is(want) {
					t.Errorf("%s is not %q in %q", path, want, line)
				}
			case json.Number:
				if token.kind != number || string(token.raw) != want.String() {
					t.Errorf("%s is %q, want %s in %q", path, token.raw, want, line)
				}
			case bool:
				if token.kind != boolean || want != (token.raw[0] == 't') {
					t.Errorf("%s is %q, want %v in %q", path, token.raw, want, line)
				}
			default:
				if token.kind != container {
					t.Errorf("%s is %+v, want a container in %q", path, token, line)
				}
			}
		}
	})
}

func at(v any, path []string) any {
	for _, name := range path {
		object, _ := v.(map[string]any)
		v = object[name]
	}
	return v
}

// FuzzDecimal holds sums to math/big.
func FuzzDecimal(f *testing.F) {
	f.Add("0.1 0.2 -0.3")
	f.Add("9223372036854775807 1 -1 -9223372036854775808 -1e0")
	f.Add("1e35 -1e35 1e-18 999999999999999999.999999999999999999")
	f.Add("-0 0.000 0e99 100e-2 1.50 200 1E+2 123456789012345678 1234567890123456789")
	f.Add("9007199254740993 0.5 0.25")
	f.Fuzz(func(t *testing.T, list string) {
		var all []decimal
		sum := new(big.Rat)
		for _, word := range strings.Fields(list) {
			if len(word) > 60 || !json.Valid([]byte(word)) || (word[0] != '-' && (word[0] < '0' || word[0] > '9')) {
				continue
			}
			d, ok := parseDecimal([]byte(word))
			if i := strings.IndexAny(word, "eE"); i >= 0 && len(word)-i > 6 {
				continue // too long for math/big
			}
			exact, _ := new(big.Rat).SetString(word)
			if inRange := fits(exact); inRange != ok {
				t.Fatalf("parse %s: %v, want %v", word, ok, inRange)
			}
			if !ok {
				continue
			}
			if back, ok := readSum(d.append(nil)); !ok || string(back.append(nil)) != string(d.append(nil)) {
				t.Errorf("%s is written as %s, which is read as %s", word, d.append(nil), back.append(nil))
			}
			all = append(all, d)
			sum.Add(sum, exact)
		}
		forward, backward := decimal{}, decimal{}
		for i := range all {
			forward.add(all[i])
			backward.add(all[len(all)-1-i])
		}
		text := string(forward.append(nil))
		if text != string(backward.append(nil)) {
			t.Errorf("sum of %q is %s in one order, %s in the other", list, text, backward.append(nil))
		}
		if got, ok := new(big.Rat).SetString(text); !ok || got.Cmp(sum) != 0 {
			t.Errorf("sum of %q is %s, want %s", list, text, sum.FloatString(20))
		}
		if !json.Valid([]byte(text)) || text == "-0" || strings.Contains(text, ".") && text[len(text)-1] == '0' {
			t.Errorf("sum of %q is written as %s", list, text)
		}
	})
}

// fits reports whether r is in the range that is summed.
func fits(r *big.Rat) bool {
	limit := new(big.Int).Exp(big.NewInt(10), big.NewInt(maxDigits), nil)
	scaled := new(big.Rat).Mul(r, new(big.Rat).SetInt64(powers[maxPlaces]))
	return new(big.Rat).Abs(r).Cmp(new(big.Rat).SetInt(limit)) < 0 && scaled.IsInt()
}

// FuzzReduce feeds Reduce with lines that Map may never have written: it
// accepts or refuses them, and what it writes it accepts again, unchanged.
func FuzzReduce(f *testing.F) {
	f.Add([]byte("{\"a\":1}\t{\"n\":1,\"s\":-0.5}\n{\"a\":1}\t{\"n\":2,\"s\":7}\n{\"a\":2}\t{\"n\":1,\"s\":0}\n"))
	f.Add([]byte("k\t{\"n\":123456789012345678901234567890.000000000000000001}\nk\t{\"n\":-0}\n"))
	f.Fuzz(func(t *testing.T, in []byte) {
		var once, twice bytes.Buffer
		if Reduce(bytes.NewReader(in), &once) != nil {
			return
		}
		if err := Reduce(bytes.NewReader(once.Bytes()), &twice); err != nil || !bytes.Equal(once.Bytes(), twice.Bytes()) {
			t.Errorf("%q becomes %q and then %q, error %v", in, once.Bytes(), twice.Bytes(), err)
		}
	})
}

func TestLinesOfLimitedLength(t *testing.T) {
	in := newLines(strings.NewReader("abcd\r\nabcde\n\r\nabcdefgh\nx"), 4)
	var got []string
	for {
		line, oversized, err := in.next()
		if err != nil {
			break
		}
		if oversized {
			line = []byte("oversized")
		}
		got = append(got, string(line))
	}
	if want := []string{"abcd", "oversized", "", "oversized", "x"}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestSortIsByBytesOfTheWholeLine(t *testing.T) {
	got := Sort([]byte("b\na\tz\n\xff\na\naa\n\nB"))
	if want := "\nB\na\na\tz\naa\nb\n\xff\n"; string(got) != want {
		t.Errorf("got %q, want %q", got, want)
	}
}
