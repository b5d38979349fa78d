package seal_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"penstock/internal/fault"
	"penstock/internal/hour"
	"penstock/internal/seal"
	"penstock/internal/stream"
)

// narrow is a stream that gives a few records an answer, each of which takes its time, and counts the records.
type narrow struct {
	*stream.Model
	w      *world
	give   int           // records an answer
	takes  time.Duration // for an answer
	limit  int           // answers of a call before it is throttled; 0 for no limit
	asked  int
	gave   int
	begins []stream.Start
}

func (n *narrow) Iterator(ctx context.Context, shard string, start stream.Start) (string, error) {
	n.begins = append(n.begins, start)
	return n.Model.Iterator(ctx, shard, start)
}

func (n *narrow) Records(ctx context.Context, it string, _ int) (stream.Page, error) {
	n.asked++
	if n.limit > 0 && n.asked > n.limit {
		return stream.Page{}, &fault.Unavailable{Service: "kinesis", Action: "read", Err: errors.New("throttled")}
	}
	n.w.now = n.w.now.Add(n.takes)
	page, err := n.Model.Records(ctx, it, n.give)
	n.gave += len(page.Records)
	return page, err
}

// crowded is an hour of that many archived records that has to be read through, because the mapping was made anew.
func crowded(t *testing.T, records int) (*world, *narrow) {
	w := newWorld(t)
	w.at(time.Minute)
	for i := range records {
		w.put(fmt.Sprintf(`{"n":%d}`, i))
	}
	w.at(time.Hour + 2*margin).put(`{"n":-1}`)
	w.takeAll()
	w.mapping.ID, w.mapping.Start = "m2", stream.Latest
	n := &narrow{Model: w.stream, w: w, give: 1}
	w.h.Stream = n
	w.at(time.Hour + 10*time.Minute)
	return w, n
}

// again calls until the hour is complete, with the cursor of each answer, as the machine does.
func again(t *testing.T, w *world, in seal.In, calls int) (out seal.Out, waits []string) {
	t.Helper()
	for range calls {
		var err error
		if out, err = w.h.Handle(ctx, in); err != nil {
			t.Fatal(err)
		}
		if out.Complete {
			return out, waits
		}
		waits = append(waits, out.Waiting)
		b, err := json.Marshal(out.Cursor) // as it travels
		if err != nil {
			t.Fatal(err)
		}
		in.Cursor = seal.Cursor{}
		if err := json.Unmarshal(b, &in.Cursor); err != nil {
			t.Fatal(err)
		}
	}
	t.Fatalf("not complete after %d calls: %q", calls, waits)
	return out, waits
}

func TestAShardThatHoldsMoreThanACallReadsIsProvedInSeveral(t *testing.T) {
	w, n := crowded(t, 450)
	out, waits := again(t, w, w.claim(hr, hour.Options{}), 3)
	if out.Events != 450 || len(waits) != 2 || !strings.HasPrefix(waits[0], shard0+": read up to 07:01:") {
		t.Errorf("%+v after waiting for %q", out, waits)
	}
	if n.gave != 451 {
		t.Errorf("%d records were read, want each once", n.gave)
	}
	if s := w.standing(hr, out.Revision); s.Proof != hour.ProofFull || s.Shards[0].How != "record" {
		t.Errorf("proof %s %+v", s.Proof, s.Shards)
	}
}

func TestACallReadsForALimitedTime(t *testing.T) {
	w, n := crowded(t, 30)
	n.takes = time.Minute
	_, waits := again(t, w, w.claim(hr, hour.Options{}), 8)
	if len(waits) < 3 || n.gave != 31 {
		t.Errorf("waited for %q, %d records were read", waits, n.gave)
	}
}

func TestWhatWasReadBeforeTheStreamThrottledIsNotReadAgain(t *testing.T) {
	w, n := crowded(t, 10)
	in := w.claim(hr, hour.Options{})
	n.limit = 4
	out, err := w.h.Handle(ctx, in)
	if err != nil || out.Complete || len(out.Cursor.Shards) != 1 {
		t.Fatalf("%+v %v", out, err)
	}
	n.limit = 1
	n.asked = 1
	_, err = w.h.Handle(ctx, in)
	is[*fault.Unavailable](t, err) // nothing was read: the machine tries again by itself
	n.limit = 0
	in.Cursor = out.Cursor
	again(t, w, in, 1)
	if n.gave != 11 {
		t.Errorf("%d records were read, want each once", n.gave)
	}
}

func TestACursorStopsBeforeTheFirstUnarchivedRecord(t *testing.T) {
	w := newWorld(t)
	w.at(time.Minute).put(`{"n":0}`, `{"n":1}`, `{"n":2}`, `{"n":3}`)
	w.take(shard0, 2)
	w.mapping.Start = stream.Latest // read through
	w.at(time.Hour + 10*time.Minute)
	in := w.claim(hr, hour.Options{})
	out, err := w.h.Handle(ctx, in)
	if err != nil || out.Waiting != shard0+": 2 records behind" || string(out.Cursor.Shards[shard0]) != w.read[shard0] {
		t.Fatalf("%+v %v, want the cursor at %s", out, err, w.read[shard0])
	}
	w.takeAll()
	in.Cursor = out.Cursor
	if out, _ := again(t, w, in, 1); out.Events != 4 {
		t.Errorf("%d events", out.Events)
	}
}

func TestACursorFromBehindTheArchivedIsNotTakenForOneFromTheBegin(t *testing.T) {
	w, n := crowded(t, 5)
	in := w.claim(hr, hour.Options{})
	in.Cursor = seal.Cursor{Shards: map[string]hour.Sequence{shard0: hour.Sequence(w.read[shard0])}}
	again(t, w, in, 1)
	if n.begins[0].Type != stream.AtTimestamp {
		t.Errorf("began at %+v", n.begins[0])
	}
	in.Cursor.Full = true
	again(t, w, in, 1)
	if n.begins[1].Type != stream.AfterSequence {
		t.Errorf("began at %+v", n.begins[1])
	}
}

func TestACursorThatIsNoneIsRefused(t *testing.T) {
	var c seal.Cursor
	for _, s := range []string{`{"shards":{"s":"x"}}`, `{"shards":{"s":"007"}}`, `{"shards":{"s":"` + strings.Repeat("9", 130) + `"}}`} {
		if err := json.Unmarshal([]byte(s), &c); err == nil {
			t.Errorf("%.40s was taken: %+v", s, c)
		}
	}
}
