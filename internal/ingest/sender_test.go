package ingest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"
	"time"

	"penstock/internal/fault"
	"penstock/internal/stream"
)

// fake is a stream that keeps what it takes; answer decides about the k-th call (from 1).
type fake struct {
	calls  int
	sizes  []int
	taken  []stream.Entry
	answer func(call int, entries []stream.Entry) (codes []string, err error)
}

func (f *fake) PutRecords(ctx context.Context, entries []stream.Entry) ([]stream.Put, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	f.calls++
	size := 0
	for _, e := range entries {
		if n := len(e.PartitionKey) + len(e.Data); n > stream.MaxRecordBytes {
			return nil, &fault.BadInput{Detail: "record too large"}
		}
		size += len(e.PartitionKey) + len(e.Data)
	}
	if len(entries) == 0 || len(entries) > stream.MaxEntries || size > stream.MaxPutBytes {
		return nil, &fault.BadInput{Detail: "call too large"}
	}
	f.sizes = append(f.sizes, len(entries))
	codes := make([]string, len(entries))
	if f.answer != nil {
		c, err := f.answer(f.calls, entries)
		if err != nil {
			return nil, err
		}
		copy(codes, c)
	}
	puts := make([]stream.Put, len(entries))
	for i, e := range entries {
		if puts[i].ErrorCode = codes[i]; codes[i] == "" {
			f.taken = append(f.taken, e)
		}
	}
	return puts, nil
}

func (f *fake) data() (all []string) {
	for _, e := range f.taken {
		all = append(all, string(e.Data))
	}
	return all
}

func newSender(f *fake, slept *[]time.Duration) *Sender {
	return NewSender(SenderConfig{Writer: f, Attempts: 4, Seed: 9, Sleep: func(ctx context.Context, d time.Duration) error {
		if slept != nil {
			*slept = append(*slept, d)
		}
		return ctx.Err()
	}})
}

func numbered(n int) (list []Event) {
	for i := range n {
		list = append(list, Event{Key: fmt.Sprint(i % 7), Data: fmt.Append(nil, i)})
	}
	return list
}

func TestEventsGoInCallsOfTheServicesSize(t *testing.T) {
	var f fake
	list := numbered(1201)
	failures, err := newSender(&f, nil).Send(t.Context(), list)
	if err != nil || len(failures) > 0 || !slices.Equal(f.sizes, []int{500, 500, 201}) {
		t.Fatal(failures, err, f.sizes)
	}
	for i, e := range f.taken {
		if string(e.Data) != fmt.Sprint(i) || e.PartitionKey != list[i].Key {
			t.Fatalf("entry %d is %s of %s", i, e.Data, e.PartitionKey)
		}
	}
	f = fake{}
	big := make([]Event, 12)
	for i := range big {
		big[i] = Event{Key: "k", Data: make([]byte, stream.MaxRecordBytes-1)}
	}
	if failures, err := newSender(&f, nil).Send(t.Context(), big); err != nil || len(failures) > 0 || !slices.Equal(f.sizes, []int{5, 5, 2}) {
		t.Fatal(failures, err, f.sizes)
	}
	if failures, err := newSender(&f, nil).Send(t.Context(), nil); err != nil || failures != nil {
		t.Error("nothing to send:", failures, err)
	}
}

func TestOnlyFailedEntriesArePutAgain(t *testing.T) {
	f := fake{answer: func(call int, entries []stream.Entry) (codes []string, err error) {
		for i := range entries {
			codes = append(codes, "")
			if call == 1 && i%3 == 0 || call == 2 && i == 1 {
				codes[i] = CodeThrottled
			}
		}
		return codes, nil
	}}
	var slept []time.Duration
	failures, err := newSender(&f, &slept).Send(t.Context(), numbered(10))
	if err != nil || len(failures) > 0 || !slices.Equal(f.sizes, []int{10, 4, 1}) {
		t.Fatal(failures, err, f.sizes)
	}
	if got := strings.Join(f.data(), " "); got != "1 2 4 5 7 8 0 6 9 3" {
		t.Error(got)
	}
	if len(slept) != 2 || slept[0] > 50*time.Millisecond || slept[1] > 100*time.Millisecond || slept[0]+slept[1] == 0 {
		t.Error("waits", slept)
	}
	var again []time.Duration
	f.calls = 0
	if newSender(&f, &again).Send(t.Context(), numbered(10)); !slices.Equal(slept, again) {
		t.Error("the same seed waits", slept, again)
	}
}

func TestWhatNeverGetsThroughIsNamed(t *testing.T) {
	f := fake{answer: func(_ int, entries []stream.Entry) (codes []string, err error) {
		for _, e := range entries {
			code := ""
			if string(e.Data) == "3" || string(e.Data) == "504" {
				code = "InternalFailure"
			}
			codes = append(codes, code)
		}
		return codes, nil
	}}
	list := numbered(1100)
	list[1].Data = make([]byte, stream.MaxRecordBytes)
	list[2].Key = strings.Repeat("k", 257)
	failures, err := newSender(&f, nil).Send(t.Context(), list)
	var unavailable *fault.Unavailable
	if !errors.As(err, &unavailable) {
		t.Error(err)
	}
	want := []Failure{{1, CodeTooLarge}, {2, CodeBadKey}, {3, "InternalFailure"}}
	if len(failures) != 3+1100-502 || !slices.Equal(failures[:3], want) || failures[3] != (Failure{502, CodeNotSent}) {
		t.Errorf("%d: %v", len(failures), failures[:min(5, len(failures))])
	}
	if len(f.taken)+len(failures) != len(list) || f.calls != 4 {
		t.Errorf("%d taken, %d failed of %d in %d calls", len(f.taken), len(failures), len(list), f.calls)
	}
}

func TestACallThatFailsIsMadeAgainIfThatHelps(t *testing.T) {
	for _, c := range []struct {
		err   error
		times int // it fails
		calls int
		code  string
	}{
		{&fault.Unavailable{Service: "kinesis", Action: "put", Err: io.EOF}, 2, 3, ""},
		{&fault.Unavailable{Service: "kinesis", Action: "put", Err: io.EOF}, 9, 4, CodeUnavailable},
		{&fault.AccessDenied{Service: "kinesis", Action: "put", Err: io.EOF}, 9, 1, CodeUnavailable},
		{&fault.BadInput{Detail: "no such stream"}, 9, 1, CodeUnavailable},
		{context.Canceled, 9, 1, CodeUnavailable},
	} {
		f := fake{answer: func(call int, _ []stream.Entry) ([]string, error) {
			if call <= c.times {
				return nil, fmt.Errorf("put: %w", c.err)
			}
			return nil, nil
		}}
		failures, err := newSender(&f, nil).Send(t.Context(), numbered(2))
		if f.calls != c.calls || (err == nil) != (c.code == "") || err != nil && !errors.Is(err, c.err) {
			t.Errorf("%v: %d calls, %v", c.err, f.calls, err)
		}
		if c.code != "" && (len(failures) != 2 || failures[1] != Failure{1, c.code}) || c.code == "" && failures != nil {
			t.Errorf("%v: %v", c.err, failures)
		}
	}
	short := NewSender(SenderConfig{Writer: writer(func([]stream.Entry) ([]stream.Put, error) { return nil, nil }), Attempts: 1})
	if failures, err := short.Send(t.Context(), numbered(2)); err == nil || len(failures) != 2 {
		t.Error("an answer for no entry:", failures, err)
	}
}

type writer func([]stream.Entry) ([]stream.Put, error)

func (w writer) PutRecords(_ context.Context, entries []stream.Entry) ([]stream.Put, error) {
	return w(entries)
}

func TestAContextThatEndsStopsAtOnce(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	f := fake{answer: func(call int, entries []stream.Entry) ([]string, error) {
		cancel()
		return []string{CodeThrottled}, nil
	}}
	s := NewSender(SenderConfig{Writer: &f, Backoff: time.Hour, MaxBackoff: time.Hour})
	failures, err := s.Send(ctx, numbered(3))
	if !errors.Is(err, context.Canceled) || !slices.Equal(failures, []Failure{{0, CodeThrottled}}) || len(f.taken) != 2 {
		t.Error(failures, err)
	}
	if failures, err := s.Send(ctx, numbered(3)); !errors.Is(err, context.Canceled) || len(failures) != 3 || failures[0].Code != CodeNotSent || f.calls != 1 {
		t.Error(failures, err)
	}
}

func TestKeysComeFromAFieldOrSpread(t *testing.T) {
	for event, want := range map[string]string{
		`{"a":1,"s":"x\u0041"}`: "xA",
		`{"s":12.50}`:           "12.50",
		`{"s":"x","s":"y"}`:     "y",
		`{"s":null}`:            "",
		`{"s":{"s":"x"}}`:       "",
		`{"S":"x"}`:             "",
		`{"s":""}`:              "",
		`[]`:                    "",
		`{"s":"x"`:              "",
		`{"s":"` + strings.Repeat("é", 256) + `"}`: strings.Repeat("é", 256),
	} {
		if got := KeyOf([]byte(event), "s"); got != want {
			t.Errorf("%.60s has the key %q, want %q", event, got, want)
		}
	}
	if got := KeyOf([]byte(`{"s":"`+strings.Repeat("k", 257)+`"}`), "s"); len(got) != 32 {
		t.Errorf("a long key is %q", got)
	}
	var f fake
	var list []Event
	for range 200 {
		list = append(list, Event{Data: []byte("same")})
	}
	if _, err := newSender(&f, nil).Send(t.Context(), list); err != nil {
		t.Fatal(err)
	}
	keys := map[string]bool{}
	for _, e := range f.taken {
		keys[e.PartitionKey] = true
	}
	if len(keys) != 200 {
		t.Errorf("%d keys for 200 events", len(keys))
	}
}
