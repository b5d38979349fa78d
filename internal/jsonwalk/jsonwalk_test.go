package jsonwalk

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
)

func TestDepthIsBounded(t *testing.T) {
	nested := func(n int) []byte { return []byte(strings.Repeat("[", n) + strings.Repeat("]", n)) }
	if err := Valid(nested(MaxDepth)); err != nil {
		t.Error(err)
	}
	if err := Valid(nested(MaxDepth + 1)); err != ErrDepth {
		t.Error(err)
	}
	if err := Valid(bytes.Repeat([]byte(`{"a":`), 1_000_000)); err != ErrDepth {
		t.Error(err)
	}
}

func TestMembersAreVisitedByTheirMeaning(t *testing.T) {
	w := New([]byte(`{ "a" : 1, "\u0062\n":[ "x" ,2.50],"c":{}} `))
	var got []string
	err := w.Object(func(name []byte) error {
		got = append(got, string(name))
		if w.Peek() == '[' {
			return w.Array(func() error {
				got = append(got, string(w.Peek()))
				return w.Value()
			})
		}
		return w.Value()
	})
	if err != nil || w.End() != nil || strings.Join(got, "|") != "a|b\n|\"|2|c" {
		t.Errorf("%q, %v", got, err)
	}
}

func TestNothingIsAllocatedWithoutEscapes(t *testing.T) {
	doc := []byte(`{"a":[1,-0.5e+7,"x",true,false,null,{"b":""}]}`)
	if n := testing.AllocsPerRun(100, func() {
		if Valid(doc) != nil {
			t.Fatal("not valid")
		}
	}); n > 0 {
		t.Errorf("%v allocations", n)
	}
}

func FuzzValid(f *testing.F) {
	for _, s := range []string{`{"a":[1,-0.5e+7,"\u00e9\\",true,false,null,{}]} `, "\"\x7f\xff\"", `01`, `1.`, `-`, `{"a":1,}`, `[,]`, `"\x"`, "nul", "{\"a\"\r\n:1\t}", `"\u001`, "\"\\u\x10111\"", ``} {
		f.Add([]byte(s))
	}
	f.Add([]byte(strings.Repeat("[", 600) + strings.Repeat("]", 600)))
	f.Fuzz(func(t *testing.T, doc []byte) {
		err := Valid(doc)
		if valid := json.Valid(doc); valid != (err == nil) && err != ErrDepth {
			t.Fatalf("encoding/json says %t, here %v: %q", valid, err, doc)
		}
		if err != nil {
			return
		}
		var want bytes.Buffer
		if err := json.Compact(&want, doc); err != nil {
			t.Fatal(err)
		}
		if got := AppendCompact(nil, doc); !bytes.Equal(got, want.Bytes()) {
			t.Fatalf("compacted to %q, want %q", got, want.Bytes())
		}
	})
}
