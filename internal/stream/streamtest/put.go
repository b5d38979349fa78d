package streamtest

import (
	"bytes"
	"context"
	"crypto/md5"
	"errors"
	"fmt"
	"math/big"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"penstock/internal/stream"
)

func puts() map[string]func(*testing.T, Subject) {
	return map[string]func(*testing.T, Subject){
		"what is put can be read, in order, once": func(t *testing.T, s Subject) {
			want := map[string][]string{}
			for from := 0; from < 300; from += 100 {
				for shard, list := range put(t, s, entries(from, 100)) {
					want[shard] = append(want[shard], list...)
				}
			}
			if len(want) != 2 {
				t.Errorf("300 keys went to %d shards, want both", len(want))
			}
			for _, shard := range shards(t, s) {
				records := readAll(t, s, shard.ID)
				got := sequences(records)
				wantGrowing(t, got)
				slices.SortFunc(want[shard.ID], stream.CompareSequences) // the service may place a call's entries in any order
				wantSame(t, shard.ID, got, want[shard.ID])
				for _, r := range records {
					if want := "event " + strings.TrimPrefix(r.PartitionKey, "key-"); string(r.Data) != want {
						t.Errorf("record of %s reads %q", r.PartitionKey, r.Data)
					}
					if d := s.Now().Sub(r.Arrival); d < -time.Second || d > time.Minute {
						t.Errorf("record of %s arrived %s ago", r.PartitionKey, d)
					}
				}
			}
		},
		"records go to the shard of their hash key": func(t *testing.T, s Subject) {
			list := shards(t, s)
			if len(list) != 2 || list[0].ID >= list[1].ID {
				t.Fatalf("shards %+v, want two in order", list)
			}
			in := entries(0, 50)
			in = append(in, stream.Entry{PartitionKey: "x", ExplicitHashKey: list[0].StartHash, Data: []byte("low")},
				stream.Entry{PartitionKey: "x", ExplicitHashKey: list[0].EndHash, Data: []byte("low")},
				stream.Entry{PartitionKey: "x", ExplicitHashKey: list[1].StartHash, Data: []byte("high")},
				stream.Entry{PartitionKey: "x", ExplicitHashKey: list[1].EndHash, Data: []byte("high")})
			put(t, s, in)
			n := 0
			for _, shard := range list {
				for _, r := range readAll(t, s, shard.ID) {
					n++
					sum := md5.Sum([]byte(r.PartitionKey))
					key := new(big.Int).SetBytes(sum[:])
					if r.PartitionKey == "x" {
						if want := map[bool]string{true: "low", false: "high"}[shard.ID == list[0].ID]; string(r.Data) != want {
							t.Errorf("%s holds the record for %s", shard.ID, r.Data)
						}
					} else if key.Cmp(number(t, shard.StartHash)) < 0 || key.Cmp(number(t, shard.EndHash)) > 0 {
						t.Errorf("%s holds key %s", shard.ID, r.PartitionKey)
					}
				}
			}
			if n != len(in) {
				t.Errorf("read %d records, put %d", n, len(in))
			}
		},
		"calls beyond the limits write nothing": func(t *testing.T, s Subject) {
			big := bytes.Repeat([]byte("x"), stream.MaxRecordBytes)
			for name, list := range map[string][]stream.Entry{
				"no entry":          nil,
				"too many entries":  entries(0, stream.MaxEntries+1),
				"no partition key":  {{Data: []byte("x")}},
				"long key":          {{PartitionKey: strings.Repeat("ä", stream.MaxKeyBytes+1), Data: []byte("x")}},
				"record too large":  {{PartitionKey: "k", Data: big}},
				"hash key no digit": {{PartitionKey: "k", ExplicitHashKey: "x", Data: []byte("x")}},
				"hash key too big":  {{PartitionKey: "k", ExplicitHashKey: "340282366920938463463374607431768211456", Data: []byte("x")}},
				"one bad of two":    {{PartitionKey: "k", Data: []byte("x")}, {PartitionKey: "", Data: []byte("x")}},
			} {
				if _, err := s.PutRecords(background(), list); err == nil {
					t.Errorf("%s: taken", name)
				} else {
					badInput(t, err)
				}
			}
			put(t, s, []stream.Entry{{PartitionKey: "k", Data: big[1:]}, {PartitionKey: strings.Repeat("ä", 256), Data: nil}})
			n := 0
			for _, shard := range shards(t, s) {
				n += len(readAll(t, s, shard.ID))
			}
			if n != 2 {
				t.Errorf("read %d records, want 2", n)
			}
		},
		"concurrent writers lose nothing": func(t *testing.T, s Subject) {
			const writers, calls, size = 8, 5, 20
			var mu sync.Mutex
			want := map[string][]string{}
			var wg sync.WaitGroup
			for w := range writers {
				wg.Go(func() {
					for c := range calls {
						answers, err := s.PutRecords(background(), entries((w*calls+c)*size, size))
						if err != nil {
							t.Error(err)
							return
						}
						mu.Lock()
						for _, p := range answers {
							want[p.Shard] = append(want[p.Shard], p.Sequence)
						}
						mu.Unlock()
					}
				})
			}
			wg.Wait()
			for _, shard := range shards(t, s) {
				slices.SortFunc(want[shard.ID], stream.CompareSequences)
				wantSame(t, shard.ID, sequences(readAll(t, s, shard.ID)), want[shard.ID])
			}
		},
		"a cancelled context stops every call": func(t *testing.T, s Subject) {
			put(t, s, entries(0, 1))
			it := iterator(t, s, shards(t, s)[0].ID, stream.Start{Type: stream.TrimHorizon})
			dead, cancel := context.WithCancel(background())
			cancel()
			_, putErr := s.PutRecords(dead, entries(1, 1))
			_, shardsErr := s.Shards(dead, time.Time{})
			_, iteratorErr := s.Iterator(dead, shards(t, s)[0].ID, stream.Start{Type: stream.Latest})
			_, recordsErr := s.Records(dead, it, 1)
			for name, err := range map[string]error{"put": putErr, "shards": shardsErr, "iterator": iteratorErr, "records": recordsErr} {
				if !errors.Is(err, context.Canceled) {
					t.Errorf("%s: error %v, want context.Canceled", name, err)
				}
			}
		},
		"a restart keeps everything": func(t *testing.T, s Subject) {
			if s.Reopen == nil {
				t.Skip("the subject cannot be restarted")
			}
			before := put(t, s, entries(0, 40))
			list := shards(t, s)
			it := iterator(t, s, list[0].ID, stream.Start{Type: stream.TrimHorizon})
			s = s.Reopen()
			if got := shards(t, s); !slices.Equal(got, list) {
				t.Fatalf("shards %+v, before the restart %+v", got, list)
			}
			records, _ := drain(t, s, it, 7)
			wantSame(t, "old iterator", sequences(records), before[list[0].ID])
			after := put(t, s, entries(40, 40))
			for _, shard := range list {
				wantSame(t, shard.ID, sequences(readAll(t, s, shard.ID)), append(before[shard.ID], after[shard.ID]...))
				wantGrowing(t, sequences(readAll(t, s, shard.ID)))
			}
		},
	}
}

func number(t *testing.T, s string) *big.Int {
	t.Helper()
	v, ok := new(big.Int).SetString(s, 10)
	if !ok || fmt.Sprint(v) != s {
		t.Fatalf("%q is not a number", s)
	}
	return v
}
