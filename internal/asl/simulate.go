package asl

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"regexp"
	"sync"
	"time"

	"penstock/internal/clock"
)

// Simulation is one run of a definition with mocked tasks under a virtual clock. The same
// Simulation always gives the same Report.
type Simulation struct {
	// Definition may hold placeholders ${Name}, as a file that is to be deployed does. In a
	// Resource that is nothing else it stands for the ARN of a Lambda function of that name;
	// ${Partition}, ${Region} and ${AccountId}, also with AWS:: before, stand for aws, us-east-1
	// and 123456789012; any other stands for the text Name.
	Definition []byte
	Input      []byte // JSON; empty is {}
	// Mocks is JSON: {"State": [{"result": ...}, {"error": "Name", "cause": "..."}, ...]}, one
	// entry for each invocation of that Task, retries and later visits alike; the last repeats.
	// With "seconds" the entry takes that long, else no time at all.
	Mocks []byte
	Seed  uint64    // of jitter and random functions
	Start time.Time // of the clock; 2026-01-01T00:00:00Z when zero
}

// Report is what came of a Simulation.
type Report struct {
	Status  Status          `json:"status"`
	Output  json.RawMessage `json:"output,omitempty"`
	Error   string          `json:"error,omitempty"`
	Cause   string          `json:"cause,omitempty"`
	History []Event         `json:"history"`
}

// MockError says what is wrong with the mocks, or which one is missing.
type MockError struct{ Detail string }

func (e *MockError) Error() string { return e.Detail }

// mock is one answer.
type mock struct {
	Result  json.RawMessage `json:"result"`
	Error   string          `json:"error"`
	Cause   string          `json:"cause"`
	Seconds int64           `json:"seconds"`
}

// Simulate runs the definition. The error is a *LoadError when the definition is refused, a
// *MockError when a mock is wrong or missing, a *RequestError when the input is refused. An
// execution that fails is no error.
func Simulate(s Simulation) (*Report, error) {
	m, err := Parse(standIn(s.Definition))
	if err != nil {
		return nil, err
	}
	mocks, err := parseMocks(s.Mocks, m)
	if err != nil {
		return nil, err
	}
	if s.Start.IsZero() {
		s.Start = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	}
	c := clock.NewVirtual(s.Start)
	mocked := &mockedTasks{clock: c, mocks: mocks, next: map[string]int{}, missing: c.NewEvent()}
	engine := NewEngine(Config{Clock: c, Invoker: mocked, Seed: s.Seed})
	if _, err := engine.CreateMachine("simulation", m); err != nil {
		return nil, err
	}
	report := &Report{}
	ran := c.Run(func() {
		var x Execution
		if x, err = engine.StartExecution(context.Background(), "simulation", "simulation", s.Input); err != nil {
			return
		}
		c.Go(func() {
			if x, err = engine.Wait(-1, x.ARN); err == nil {
				report.Status, report.Output, report.Error, report.Cause = x.Status, x.Output, x.Error, x.Cause
				report.History, err = engine.GetExecutionHistory(x.ARN)
			}
			mocked.missing.Fire()
		})
		c.Wait(-1, mocked.missing)
	})
	switch {
	case mocked.err != nil:
		return nil, mocked.err
	case err != nil:
		return nil, err
	case ran != nil:
		return nil, fmt.Errorf("simulate a state machine: %w", ran)
	}
	return report, nil
}

var (
	resourcePlaceholder = regexp.MustCompile(`("Resource"\s*:\s*")\$\{([A-Za-z0-9]+)\}"`)
	pseudoParameter     = regexp.MustCompile(`\$\{(?:AWS::)?(Partition|Region|AccountId)\}`)
)

// standIn gives every placeholder a value that keeps the definition valid.
func standIn(definition []byte) []byte {
	out := resourcePlaceholder.ReplaceAll(definition, []byte(`${1}arn:aws:lambda:us-east-1:123456789012:function:${2}"`))
	out = pseudoParameter.ReplaceAllFunc(out, func(match []byte) []byte {
		switch {
		case bytes.HasSuffix(match, []byte("Partition}")):
			return []byte("aws")
		case bytes.HasSuffix(match, []byte("Region}")):
			return []byte("us-east-1")
		}
		return []byte("123456789012")
	})
	return placeholder.ReplaceAll(out, []byte("${1}"))
}

// parseMocks reads the mock file and checks it against the machine.
func parseMocks(data []byte, m *Machine) (map[string][]mock, error) {
	mocks := map[string][]mock{}
	if len(bytes.TrimSpace(data)) == 0 {
		return mocks, nil
	}
	d := json.NewDecoder(bytes.NewReader(data))
	d.DisallowUnknownFields()
	if err := d.Decode(&mocks); err != nil {
		return nil, &MockError{fmt.Sprintf(`read the mocks: %v (the form is {"State": [{"result": ...} or {"error": "Name", "cause": "..."}]})`, err)}
	}
	tasks := map[string]bool{}
	m.root.tasks(tasks)
	for _, state := range sortedKeys(mocks) {
		if !tasks[state] {
			return nil, &MockError{fmt.Sprintf("mock of state %s: the machine has no Task of that name", clip(state))}
		}
		if len(mocks[state]) == 0 {
			return nil, &MockError{fmt.Sprintf("mock of state %s: the list is empty", state)}
		}
		for i, one := range mocks[state] {
			if (one.Result != nil) == (one.Error != "") || one.Cause != "" && one.Error == "" || one.Seconds < 0 || one.Seconds > maxSeconds {
				return nil, &MockError{fmt.Sprintf("mock %d of state %s: it has either a result, or an error and perhaps a cause", i+1, state)}
			}
		}
	}
	return mocks, nil
}

// tasks collects the names of all Tasks of b and of the blocks within.
func (b *block) tasks(into map[string]bool) {
	for name, s := range b.states {
		if s.kind == "Task" {
			into[name] = true
		}
		for _, branch := range s.branches {
			branch.tasks(into)
		}
		if s.processor != nil {
			s.processor.tasks(into)
		}
	}
}

// mockedTasks is the Invoker of a simulation.
type mockedTasks struct {
	clock   clock.Clock
	mocks   map[string][]mock
	missing clock.Event // also fired when the execution is over
	err     error

	mu   sync.Mutex
	next map[string]int
}

func (t *mockedTasks) Invoke(_ context.Context, call Call) (json.RawMessage, error) {
	t.mu.Lock()
	list, i := t.mocks[call.State], t.next[call.State]
	t.next[call.State]++
	if len(list) == 0 {
		t.err = &MockError{fmt.Sprintf(`state %s is a Task without a mock: add "%s": [{"result": {}}] to the mock file and name it with --mock`,
			call.State, call.State)}
		t.missing.Fire()
		t.mu.Unlock()
		t.clock.Wait(-1) // the simulation ends here
		return nil, nil
	}
	t.mu.Unlock()
	one := list[min(i, len(list)-1)]
	clock.Sleep(t.clock, time.Duration(one.Seconds)*time.Second)
	if one.Error != "" {
		return nil, &Error{Name: one.Error, Cause: one.Cause}
	}
	return one.Result, nil
}
