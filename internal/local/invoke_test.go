package local

import (
	"context"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"penstock/internal/fault"
	"penstock/internal/hadoop"
	"penstock/internal/playbook"
	"penstock/playbooks"
)

// invoke calls a function by hand.
func (s session) invoke(function, payload string) (string, error) {
	s.t.Helper()
	book, err := playbook.Parse(playbooks.Web)
	if err != nil {
		s.t.Fatal(err)
	}
	wall := func() time.Time { return began }
	open, err := OpenSession(context.Background(), s.dir, SessionOptions{Holder: "test", Wall: wall})
	if err != nil {
		s.t.Fatal(err)
	}
	defer open.Close()
	out, err := open.Invoke(context.Background(), function, []byte(payload), Job{Playbook: book, Exec: hadoop.InProcess{}, Seed: 1, Wall: wall})
	return string(out), err
}

func TestAFunctionIsCalledByHandAsOftenAsOneLikes(t *testing.T) {
	s := newSession(t)
	if _, err := s.invoke("due", "{}"); fault.NameOf(err) != "NotFound" {
		t.Errorf("without a run: %v", err)
	}
	if _, err := s.run("a", began, 5, 0); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if out, err := s.invoke("due", "{}"); err != nil || !strings.HasPrefix(out, `{"hours":[]`) {
			t.Errorf("due answers %s, %v", out, err)
		}
	}
	if _, err := s.invoke("seal", `{"hour":"`+began.Format("2006-01-02T15")+`","n":1,"execution":"nobody"}`); fault.NameOf(err) != "Superseded" {
		t.Errorf("seal without the hour: %v", err)
	}
	if _, err := s.invoke("seal", `[`); fault.NameOf(err) != "BadInput" {
		t.Errorf("seal of nonsense: %v", err)
	}
	if _, err := s.invoke("nothing", `{}`); fault.NameOf(err) != "BadInput" {
		t.Errorf("a function that is not there: %v", err)
	}
	if report, err := s.run("b", began.Add(time.Hour), 5, 0); err != nil || report.Input.Events != 5 {
		t.Errorf("the next run: %+v, %v", report, err)
	}
}

func TestTheNamedFunctionsAreThoseOfThePipeline(t *testing.T) {
	s := newSession(t)
	open, err := OpenSession(t.Context(), s.dir, SessionOptions{Holder: "test", Wall: time.Now})
	if err != nil {
		t.Fatal(err)
	}
	defer open.Close()
	book, err := playbook.Parse(playbooks.Web)
	if err != nil {
		t.Fatal(err)
	}
	p, err := open.pipeline(began, Job{Playbook: book, Exec: hadoop.InProcess{}})
	if err != nil {
		t.Fatal(err)
	}
	defer p.EMR.Close()
	if have := slices.Sorted(maps.Keys(p.functions)); !slices.Equal(have, FunctionNames()) {
		t.Errorf("the pipeline has %v", have)
	}
}
