package local

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"penstock/internal/clock"
	"penstock/internal/datadir"
	"penstock/internal/fault"
	"penstock/internal/hadoop"
	"penstock/internal/hour"
	"penstock/internal/playbook"
	"penstock/internal/store"
	"penstock/internal/stream"
	"penstock/playbooks"
)

func TestWhatIsSavedIsLoaded(t *testing.T) {
	ctx := context.Background()
	c := clock.NewVirtual(began)
	model, err := stream.NewMemory(stream.Options{Now: c.Now, Shards: 2})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := model.PutRecords(ctx, []stream.Entry{{PartitionKey: "a", Data: []byte("one")}, {PartitionKey: "b", Data: []byte("two")}}); err != nil {
		t.Fatal(err)
	}
	to := store.NewMemory(c.Now)
	if none, err := Load(ctx, to); none != nil || err != nil {
		t.Errorf("loaded from nothing: %v, %v", none, err)
	}
	p := &Pipeline{Config: Config{Clock: c, Stream: model}}
	want := Saved{Input: "abc", Events: 2, Hours: []hour.Hour{hour.Of(began)}, Done: true}
	for range 2 { // the second replaces the first
		if err := p.Save(ctx, to, want); err != nil {
			t.Fatal(err)
		}
	}
	got, err := Load(ctx, to)
	if err != nil {
		t.Fatal(err)
	}
	if got.Input != want.Input || got.Events != 2 || !got.Done || !reflect.DeepEqual(got.Hours, want.Hours) || !got.Clock.Equal(began) || !got.Begin().Equal(began) {
		t.Errorf("%+v", got)
	}
	restored, err := stream.Restore(stream.Options{Now: c.Now}, got.Stream)
	if err != nil {
		t.Fatal(err)
	}
	again, err := restored.Snapshot(ctx)
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for _, r := range again.Records {
		n += len(r.Records)
	}
	if n != 2 {
		t.Errorf("%d records were restored", n)
	}
}

func TestANewerStateIsRefused(t *testing.T) {
	ctx := context.Background()
	to := store.NewMemory(time.Now)
	if _, err := to.Create(ctx, savedKey, []byte(`{"version":2,"stream":"of another shape"}`)); err != nil {
		t.Fatal(err)
	}
	_, err := Load(ctx, to)
	var newer *fault.NewerVersion
	if !errors.As(err, &newer) {
		t.Errorf("%v", err)
	}
	runs := store.NewMemory(time.Now)
	if err := replace(ctx, runs, "a.json", map[string]any{"version": 2}); err != nil {
		t.Fatal(err)
	}
	if _, err := Inputs(ctx, runs); !errors.As(err, &newer) {
		t.Errorf("%v", err)
	}
	if err := replace(ctx, to, savedKey, json.RawMessage(`[]`)); err != nil {
		t.Fatal(err)
	}
	var corrupt *fault.Corrupt
	if _, err := Load(ctx, to); !errors.As(err, &corrupt) {
		t.Errorf("%v", err)
	}
}

type session struct {
	t   *testing.T
	dir string
}

func newSession(t *testing.T) session {
	t.Helper()
	s := session{t, filepath.Join(t.TempDir(), "data")}
	if err := datadir.Init(s.dir, datadir.Marker{Name: "web", Format: "json"}); err != nil {
		t.Fatal(err)
	}
	return s
}

// run runs an input of events a minute apart; Next fails after stop of them, if stop is not 0.
func (s session) run(name string, from time.Time, events, stop int) (*Report, error) {
	s.t.Helper()
	ctx := context.Background()
	book, err := playbook.Parse(playbooks.Web)
	if err != nil {
		s.t.Fatal(err)
	}
	wall := func() time.Time { return began }
	open, err := OpenSession(ctx, s.dir, SessionOptions{Holder: "test", Wall: wall, NoSync: true})
	if err != nil {
		s.t.Fatal(err)
	}
	defer open.Close()
	return open.Run(ctx, Job{Name: name, Digest: strings.Repeat(fmt.Sprintf("%02x", name[0]), 32), Clock: "time", Seed: 1, Playbook: book, Exec: hadoop.InProcess{},
		Wall: wall, Open: func(time.Time) (Source, error) { return &minutes{from: from, events: events, stop: stop}, nil }})
}

type minutes struct {
	from               time.Time
	events, stop, next int
}

var errStop = errors.New("the input breaks off")

func (m *minutes) Next() (Event, error) {
	if m.next == m.events {
		return Event{}, io.EOF
	}
	if m.next++; m.next == m.stop {
		return Event{}, errStop
	}
	at := m.from.Add(time.Duration(m.next) * time.Minute)
	return Event{Time: at, Data: fmt.Appendf(nil, `{"status":200,"method":"GET","n":%d}`, m.next)}, nil
}

func TestTheSameInputTwiceDoesNothing(t *testing.T) {
	s := newSession(t)
	first, err := s.run("a", began, 90, 0)
	if err != nil || first.Already || first.Input.Events != 90 || len(first.Input.Hours) != 2 || !first.Input.Done {
		t.Fatalf("%+v, %v", first, err)
	}
	second, err := s.run("a", began, 90, 0)
	if err != nil || !second.Already || second.Input.Events != 90 {
		t.Errorf("%+v, %v", second, err)
	}
	third, err := s.run("b", began.Add(30*time.Hour), 10, 0)
	if err != nil || third.Already || third.Input.Events != 10 {
		t.Errorf("another input goes on after the stream's clock: %+v, %v", third, err)
	}
}

func TestAnOlderInputIsRefusedWithAdvice(t *testing.T) {
	s := newSession(t)
	if _, err := s.run("a", began, 30, 0); err != nil {
		t.Fatal(err)
	}
	_, err := s.run("b", began.Add(-time.Hour), 30, 0)
	var older *Older
	if !errors.As(err, &older) || !strings.Contains(err.Error(), "DATA=") {
		t.Errorf("%v", err)
	}
}

func TestAnUnfinishedInputComesFirst(t *testing.T) {
	s := newSession(t)
	if _, err := s.run("a", began, 150, 100); !errors.Is(err, errStop) {
		t.Fatalf("%v", err)
	}
	_, err := s.run("b", began.Add(30*time.Hour), 30, 0)
	var unfinished *Unfinished
	if !errors.As(err, &unfinished) || unfinished.Name != "a" {
		t.Errorf("%v", err)
	}
	report, err := s.run("a", began, 150, 0)
	if err != nil || report.Resumed == 0 || report.Input.Events != 150 || !report.Input.Done {
		t.Errorf("%+v, %v", report, err)
	}
}

func TestAnInputWithoutEventsIsRefused(t *testing.T) {
	_, err := newSession(t).run("a", began, 0, 0)
	var empty *Empty
	if !errors.As(err, &empty) {
		t.Errorf("%v", err)
	}
}
