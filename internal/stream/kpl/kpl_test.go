package kpl_test

import (
	"bytes"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
	"testing"

	"google.golang.org/protobuf/encoding/protowire"

	"penstock/internal/fault"
	"penstock/internal/stream/kpl"
	"penstock/internal/stream/kpl/kpltest"
)

func TestAggregatesComeApartInOrder(t *testing.T) {
	var in []kpltest.Record
	for i := range 300 {
		in = append(in, kpltest.Record{PartitionKey: fmt.Sprint("k", i%7), Data: bytes.Repeat([]byte{byte(i)}, i)})
	}
	in[3].ExplicitHashKey = "12345"
	data := kpltest.Aggregate(in...)
	before := bytes.Clone(data)
	out, aggregated, err := kpl.Deaggregate(data)
	if err != nil || !aggregated || len(out) != len(in) {
		t.Fatalf("%d records, aggregated %t, %v", len(out), aggregated, err)
	}
	for i := range in {
		if !bytes.Equal(out[i], in[i].Data) {
			t.Errorf("record %d differs", i)
		}
		_ = append(out[i], 'x') // must not run into the next
	}
	if !bytes.Equal(data, before) {
		t.Error("appending to a record changed the aggregate")
	}
	if out, aggregated, err := kpl.Deaggregate(kpltest.Aggregate()); len(out) != 0 || !aggregated || err != nil {
		t.Errorf("empty aggregate: %d records, %t, %v", len(out), aggregated, err)
	}
}

// The bytes follow the format's description by hand: table "a", one record of key 0 with data "hi".
func TestAggregatesHaveTheDocumentedBytes(t *testing.T) {
	body, err := hex.DecodeString("0a0161" + "1a06" + "0800" + "1a026869")
	if err != nil {
		t.Fatal(err)
	}
	want := kpltest.Frame(body)
	if got := kpltest.Aggregate(kpltest.Record{PartitionKey: "a", Data: []byte("hi")}); !bytes.Equal(got, want) {
		t.Errorf("aggregate %x, want %x", got, want)
	}
	out, _, err := kpl.Deaggregate(want)
	if err != nil || len(out) != 1 || string(out[0]) != "hi" {
		t.Errorf("records %q, %v", out, err)
	}
}

func TestWhatIsNotFramedIsAPlainRecord(t *testing.T) {
	aggregate := kpltest.Aggregate(kpltest.Record{PartitionKey: "a", Data: []byte("hi")})
	broken := bytes.Clone(aggregate)
	broken[6] ^= 1
	for name, data := range map[string][]byte{
		"nothing": nil, "JSON": []byte(`{"a":1}`), "magic alone": []byte(kpl.Magic), "cut": aggregate[:len(aggregate)-1],
		"changed": broken, "other magic": append([]byte("\xf3\x89\x9a\xc3"), aggregate[4:]...),
	} {
		if out, aggregated, err := kpl.Deaggregate(data); out != nil || aggregated || err != nil {
			t.Errorf("%s: %d records, aggregated %t, %v", name, len(out), aggregated, err)
		}
	}
}

func TestMalformedAggregatesAreRefusedWhole(t *testing.T) {
	key := []byte{0x0a, 1, 'a'}
	good := []byte{0x1a, 5, 0x08, 0, 0x1a, 1, 'x'}
	join := func(parts ...[]byte) []byte { return bytes.Join(parts, nil) }
	many := join(key, bytes.Repeat([]byte{0x1a, 4, 0x08, 0, 0x1a, 0}, kpl.MaxRecords+1))
	for name, c := range map[string]struct {
		body []byte
		says string
	}{
		"not protobuf":         {[]byte("hello, world"), "field"},
		"cut tag":              {join(key, good, []byte{0x80}), "unexpected EOF"},
		"cut record":           {join(key, good[:5]), "unexpected EOF"},
		"no data":              {join(key, []byte{0x1a, 2, 0x08, 0}), "lacks"},
		"no key index":         {join(key, []byte{0x1a, 3, 0x1a, 1, 'x'}), "lacks"},
		"key out of table":     {good, "partition key 0 of 0"},
		"hash out of table":    {join(key, []byte{0x1a, 7, 0x08, 0, 0x10, 3, 0x1a, 1, 'x'}), "hash key 3 of 0"},
		"records as a number":  {join(key, []byte{0x18, 1}), "wire type"},
		"data as a number":     {join(key, []byte{0x1a, 4, 0x08, 0, 0x18, 1}), "wire type"},
		"too many records":     {many, "more than"},
		"group without an end": {join(key, []byte{0x1b}), "field"},
	} {
		out, aggregated, err := kpl.Deaggregate(kpltest.Frame(c.body))
		if out != nil || !aggregated || !errors.As(err, new(*fault.BadInput)) || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: %d records, aggregated %t, %v", name, len(out), aggregated, err)
		}
	}
}

func TestLaterFieldsAndTagsAreSkipped(t *testing.T) {
	body := []byte{0x0a, 1, 'a', 0x22, 1, 'z', 0x1a, 10, 0x08, 0, 0x22, 3, 0x0a, 1, 't', 0x1a, 1, 'x'}
	out, aggregated, err := kpl.Deaggregate(kpltest.Frame(body))
	if err != nil || !aggregated || len(out) != 1 || string(out[0]) != "x" {
		t.Errorf("%q, aggregated %t, %v", out, aggregated, err)
	}
}

func FuzzDeaggregate(f *testing.F) {
	f.Add(kpltest.Aggregate(kpltest.Record{PartitionKey: "a", Data: []byte("hi")}, kpltest.Record{PartitionKey: "b", ExplicitHashKey: "1"}))
	f.Add([]byte(`{"event":"start"}`))
	f.Add([]byte(kpl.Magic))
	f.Add(protowire.AppendVarint([]byte{0x1a}, 1<<40))
	f.Fuzz(func(t *testing.T, data []byte) {
		for _, input := range [][]byte{data, kpltest.Frame(data)} {
			out, aggregated, err := kpl.Deaggregate(input)
			if err != nil || !aggregated {
				if out != nil {
					t.Errorf("%d records beside aggregated %t, %v", len(out), aggregated, err)
				}
				continue
			}
			var again []kpltest.Record
			size := 0
			for _, r := range out {
				size += len(r)
				again = append(again, kpltest.Record{PartitionKey: "k", Data: r})
			}
			if size > len(input) {
				t.Errorf("%d bytes of records out of %d", size, len(input))
			}
			round, _, err := kpl.Deaggregate(kpltest.Aggregate(again...))
			if err != nil || len(round) != len(out) {
				t.Fatalf("round trip: %d of %d records, %v", len(round), len(out), err)
			}
			for i := range out {
				if !bytes.Equal(round[i], out[i]) {
					t.Errorf("round trip changes record %d", i)
				}
			}
		}
	})
}
