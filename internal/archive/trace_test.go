package archive

import (
	"strings"
	"sync"
	"testing"
	"time"

	"penstock/internal/hour"
	"penstock/internal/trace"
)

// folder keeps what a sink appends.
type folder struct {
	mu   sync.Mutex
	text strings.Builder
}

func (f *folder) Append(_ string, lines []byte) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.text.Write(lines)
	return nil
}

func TestTraceAndRequestAreInTheIndexAndTheHourInTheTrace(t *testing.T) {
	var out folder
	now := time.UnixMilli(noon)
	sink, err := trace.NewSink(&out, func() time.Time { return now })
	if err != nil {
		t.Fatal(err)
	}
	id := trace.TraceIDFor(1, "request-1", now)
	ctx, end := sink.Invoke(t.Context(), trace.Invocation{Function: "archive", RequestID: "request-1", Header: trace.Header(id, "")})
	s := memory()
	h := newHandler(t, s)
	if _, err := h.Invoke(ctx, delivery("shardId-7", rec{"1", noon - 1, "{}"}, rec{"2", noon, "x"})); err != nil {
		t.Fatal(err)
	}
	end(nil)
	for _, want := range []string{`"hour":"2026-11-23T11"`, `"hour":"2026-11-23T12"`, `"shard":"shardId-7"`, `"events":1`, `"rejects":1`, `"events":0`} {
		if !strings.Contains(out.text.String(), want) {
			t.Errorf("no %s in %s", want, out.text.String())
		}
	}
	indexes := 0
	for key, b := range stored(t, s) {
		if _, ok := h.Keys.ParseIndexKey(key); !ok {
			continue
		}
		x, err := h.Keys.DecodeIndex(key, []byte(b))
		if err != nil || x.Trace != id || x.Request != "request-1" || x.Writer != hour.WriterMapping {
			t.Errorf("%+v, %v", x, err)
		}
		indexes++
	}
	if indexes != 2 {
		t.Errorf("%d indexes", indexes)
	}
}
