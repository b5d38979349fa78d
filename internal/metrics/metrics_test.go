package metrics

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-lambda-go/events"

	"penstock/internal/emf"
	"penstock/internal/fault"
	"penstock/internal/stream/kpl/kpltest"
)

var noon = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)

func newHandler(t testing.TB, out *bytes.Buffer, change ...func(*Config)) *Handler {
	t.Helper()
	c := Config{Now: func() time.Time { return noon.Add(65 * time.Second) }, Figures: emf.Figures{Out: out, Stack: "s"}, TypeField: "type"}
	for _, f := range change {
		f(&c)
	}
	h, err := New(c)
	if err != nil {
		t.Fatal(err)
	}
	return h
}

func at(offset time.Duration, data string) events.KinesisEventRecord {
	return events.KinesisEventRecord{Kinesis: events.KinesisRecord{
		Data: []byte(data), ApproximateArrivalTimestamp: events.SecondsEpochTime{Time: noon.Add(offset)}}}
}

func window(last bool, state map[string]string, records ...events.KinesisEventRecord) events.KinesisTimeWindowEvent {
	var e events.KinesisTimeWindowEvent
	e.Records = records
	e.Window = events.Window{Start: events.RFC3339EpochTime{Time: noon}, End: events.RFC3339EpochTime{Time: noon.Add(time.Minute)}}
	e.State, e.ShardID, e.IsFinalInvokeForWindow = state, "shardId-000000000000", last
	return e
}

// lines reads figures: type -> events, rejects, bytes.
func lines(t testing.TB, out *bytes.Buffer) map[string]string {
	t.Helper()
	got := map[string]string{}
	for line := range bytes.Lines(out.Bytes()) {
		var m map[string]any
		if err := json.Unmarshal(line, &m); err != nil {
			t.Fatal(err)
		}
		stamp := int64(m["_aws"].(map[string]any)["Timestamp"].(float64))
		key := fmt.Sprintf("%s %v %v", time.UnixMilli(stamp).UTC().Format("15:04"), m["Stack"], m["Type"])
		got[key] = fmt.Sprint(m["TypeEvents"], m["TypeRejects"], m["TypeBytes"], m["SecondsAfterArrival"], m["SecondsAfterArrivalMax"])
	}
	return got
}

func TestAWindowIsAddedUpOverItsBatches(t *testing.T) {
	var out bytes.Buffer
	h := newHandler(t, &out)
	var state map[string]string
	aggregate := string(kpltest.Aggregate(kpltest.Record{PartitionKey: "k", Data: []byte(`{"type":"play"}`)}, kpltest.Record{PartitionKey: "k", Data: []byte("x")}))
	for i, e := range []events.KinesisTimeWindowEvent{
		window(false, nil, at(0, `{"type":"view"}`), at(15*time.Second, `{"type":"play"}`), at(5*time.Second, "mangled")),
		window(false, nil, at(25*time.Second, aggregate), at(time.Hour, `{"type":7}`+"\n")),
		window(true, nil),
	} {
		e.State = state
		b, err := json.Marshal(e)
		if err != nil {
			t.Fatal(err)
		}
		var sent events.KinesisTimeWindowEvent
		if err := json.Unmarshal(b, &sent); err != nil {
			t.Fatal(err)
		}
		answer, err := h.Handle(t.Context(), sent)
		if err != nil || answer.BatchItemFailures == nil || (out.Len() > 0) != (i == 2) {
			t.Fatal(i, answer, err, out.String())
		}
		state = answer.State
	}
	want := map[string]string{"12:00 s view": "1 0 15 65 65", "12:00 s play": "2 0 30 45 50", "12:00 s none": "1 2 19 33.333 60"}
	if got := lines(t, &out); !maps.Equal(got, want) || state != nil {
		t.Errorf("%v, want %v; state %v", got, want, state)
	}
}

func TestAWindowThatEndsEarlyIsWritten(t *testing.T) {
	var out bytes.Buffer
	e := window(false, nil, at(0, `{"type":"a"}`))
	e.IsWindowTerminatedEarly, e.IsFinalInvokeForWindow = true, true
	if _, err := newHandler(t, &out).Handle(t.Context(), e); err != nil || len(lines(t, &out)) != 1 {
		t.Error(err, out.String())
	}
}

func TestTheStateIsBounded(t *testing.T) {
	var out bytes.Buffer
	h := newHandler(t, &out, func(c *Config) { c.MaxTypes = 3 })
	var e events.KinesisTimeWindowEvent // without a window, so that minutes are not bounded by it
	for i := range 2000 {
		e.Records = append(e.Records, at(time.Duration(i)*time.Minute, fmt.Sprintf(`{"type":"t%d"}`, i%50)))
	}
	for range 3 {
		answer, err := h.Handle(t.Context(), e)
		if err != nil || len(answer.State) > maxMinutes*5 {
			t.Fatal(len(answer.State), err)
		}
		e.State = answer.State
	}
	e.State["nonsense"], e.State["1 x y"], e.State["1 a"], e.State["2 b"] = "1 1 1 1 1", "1 1 1 1 1", "1 1", "x"
	e.Records, e.IsFinalInvokeForWindow = nil, true
	if _, err := h.Handle(t.Context(), e); err != nil {
		t.Fatal(err)
	}
	total, types := 0, map[string]bool{}
	for key, v := range lines(t, &out) {
		var n int
		if _, err := fmt.Sscan(v, &n); err != nil {
			t.Fatal(err)
		}
		total += n
		types[key[strings.LastIndexByte(key, ' ')+1:]] = true
	}
	if total != 6000 || len(types) != 4 || !types[TypeOther] {
		t.Errorf("%d events of %v", total, types)
	}
}

func TestWhatARecordCounts(t *testing.T) {
	for _, c := range []struct {
		format, split, data string
		want                string // type, ! for a reject, size
	}{
		{"json", "", `{"type":"a.b:c/d-e_1"}`, "a.b:c/d-e_1 22"},
		{"json", "", `{"type":"two words"}`, "other 20"},
		{"json", "", `{"type":"\u0061"}`, "other 17"},
		{"json", "", `{"type":""}`, "other 11"},
		{"json", "", `{"type":"` + strings.Repeat("x", 65) + `"}`, "other 76"},
		{"json", "", `{"type":null}`, "none 13"},
		{"json", "", ` {"type":"a"}`, "a 13"},
		{"json", "", `[1]`, "none 3"},
		{"json", "", "", "none ! 0"},
		{"json", "", "\"\xff\"", "none ! 3"},
		{"json", "", string(kpltest.Frame([]byte{0x1a, 0xff})), "none ! 22"},
		{"json", "lines", "{\"type\":\"a\"}\r\n\n{\n", "a 14, none ! 2"},
		{"text", "", "a\n", "none 2"},
		{"text", "", "a\nb", "none ! 3"},
		{"text", "lines", "a\nb", "none 2, none 1"},
	} {
		var got []string
		h := newHandler(t, &bytes.Buffer{}, func(x *Config) { x.Format, x.Split = c.format, c.split })
		h.record([]byte(c.data), func(kind string, rejected bool, size int) {
			mark := ""
			if rejected {
				mark = "! "
			}
			got = append(got, fmt.Sprintf("%s %s%d", kind, mark, size))
		})
		if strings.Join(got, ", ") != c.want {
			t.Errorf("%.40q counts %q, want %q", c.data, got, c.want)
		}
	}
}

type broken struct{}

func (broken) Write([]byte) (int, error) { return 0, errors.New("closed") }

func TestFiguresThatCannotBeWrittenFailTheBatch(t *testing.T) {
	h := newHandler(t, nil, func(c *Config) { c.Figures.Out = broken{} })
	if _, err := h.Handle(t.Context(), window(true, nil, at(0, "{}"))); fmt.Sprintf("%T", err) != "*fault.Unavailable" {
		t.Errorf("%T %v", err, err)
	}
	for _, change := range []func(*Config){
		func(c *Config) { c.Now = nil }, func(c *Config) { c.Format = "x" }, func(c *Config) { c.Split = "x" }, func(c *Config) { c.MaxTypes = -1 },
	} {
		c := Config{Now: time.Now, Figures: emf.Figures{Out: broken{}}}
		change(&c)
		if _, err := New(c); !errors.As(err, new(*fault.BadInput)) {
			t.Error(err)
		}
	}
}

func FuzzHandle(f *testing.F) {
	f.Add([]byte(`{"type":"a"}`), "1795435200 a", "1 0 5 0 0", false)
	f.Add([]byte("a\r\n\n"), "x", "1", true)
	f.Fuzz(func(t *testing.T, data []byte, key, value string, split bool) {
		var out bytes.Buffer
		h := newHandler(t, &out, func(c *Config) {
			if split {
				c.Split = SplitLines
			}
		})
		answer, err := h.Handle(t.Context(), window(false, map[string]string{key: value}, at(0, string(data))))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := h.Handle(t.Context(), window(true, answer.State)); err != nil {
			t.Fatalf("state %v: %v", answer.State, err)
		}
	})
}
