package asl

import (
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"regexp"
	"strings"
	"sync"
	"time"

	"penstock/internal/clock"
)

// Config is what an Engine works with. Clock and Invoker are required.
type Config struct {
	Clock   clock.Clock
	Invoker Invoker
	// Seed is where everything random begins: jitter, States.UUID, States.MathRandom, the names
	// of executions that are started without one.
	Seed uint64
	// Observe, if set, is called for every moment of every execution, from the task that lives
	// it. It must not wait and must not call the engine.
	Observe func(Observation)
	// Partition, Region, Account and Role make the ARNs; the defaults are aws, us-east-1,
	// 123456789012 and a role of that account.
	Partition, Region, Account, Role string
	// Retention is how long closed executions are kept, and their names taken; 90 days when 0.
	Retention time.Duration
}

// Engine runs executions of state machines. Its methods may be called concurrently; those that
// wait do so on the clock, from a task of it.
type Engine struct {
	config Config
	clock  clock.Clock

	mu         sync.Mutex // never held while a task waits
	random     *rand.PCG
	machines   map[string]*deployed // by name
	executions map[string]*execution
	order      []*execution // as started
}

// deployed is a machine under a name.
type deployed struct {
	name, arn string
	machine   *Machine
}

// NewEngine makes an engine without machines.
func NewEngine(c Config) *Engine {
	set := func(field *string, value string) {
		if *field == "" {
			*field = value
		}
	}
	set(&c.Partition, "aws")
	set(&c.Region, "us-east-1")
	set(&c.Account, "123456789012")
	set(&c.Role, fmt.Sprintf("arn:%s:iam::%s:role/states", c.Partition, c.Account))
	if c.Retention == 0 {
		c.Retention = 90 * 24 * time.Hour
	}
	return &Engine{
		config: c, clock: c.Clock, random: rand.NewPCG(c.Seed, 0x9e3779b97f4a7c15),
		machines: map[string]*deployed{}, executions: map[string]*execution{},
	}
}

// CreateMachine puts a machine under a name and returns its ARN.
func (e *Engine) CreateMachine(name string, m *Machine) (arn string, err error) {
	if !validName(name) {
		return "", refuse("InvalidName", "%q cannot name a state machine", clip(name))
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.machines[name] != nil {
		return "", refuse("StateMachineAlreadyExists", "there is a state machine %s", name)
	}
	d := &deployed{name: name, machine: m,
		arn: fmt.Sprintf("arn:%s:states:%s:%s:stateMachine:%s", e.config.Partition, e.config.Region, e.config.Account, name)}
	e.machines[name] = d
	return d.arn, nil
}

// find gives the machine of a name or an ARN; the engine is locked.
func (e *Engine) find(machine string) (*deployed, error) {
	name := machine
	if strings.HasPrefix(machine, "arn:") {
		name = machine[strings.LastIndexByte(machine, ':')+1:]
	}
	d := e.machines[name]
	if d == nil || name != machine && d.arn != machine {
		return nil, refuse("StateMachineDoesNotExist", "there is no state machine %s", clip(machine))
	}
	return d, nil
}

var badInName = regexp.MustCompile("[\\s<>{}\\[\\]?*\"#%\\\\^|~`$&,;:/\x00-\x1f\x7f-\u009f]")

// validName checks a name by Step Functions' rules.
func validName(name string) bool {
	return name != "" && len([]rune(name)) <= 80 && !badInName.MatchString(name)
}

// StartExecution starts an execution of a machine, given by name or ARN, and returns at once. An
// empty name asks for a random one, an empty input is {}. The values of ctx reach the Invoker, its
// cancellation does not.
//
// Starting again under the name and with the input of an execution that is running gives that
// execution. Any other use of a taken name, also that of a closed execution, is refused with
// ExecutionAlreadyExists; input is compared as JSON.
func (e *Engine) StartExecution(ctx context.Context, machine, name string, input json.RawMessage) (Execution, error) {
	if len(input) == 0 {
		input = json.RawMessage("{}")
	}
	value, err := decode(input)
	if err != nil {
		return Execution{}, refuse("InvalidExecutionInput", "the input of execution %s is not JSON: %v", clip(name), err)
	}
	text := encode(value)
	if len(text) > maxPayload {
		return Execution{}, refuse("InvalidExecutionInput", "the input of execution %s is larger than %d bytes", clip(name), maxPayload)
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	d, err := e.find(machine)
	if err != nil {
		return Execution{}, err
	}
	if name == "" {
		name = uuid(e.random.Uint64)
	}
	if !validName(name) {
		return Execution{}, refuse("InvalidName", "%q cannot name an execution: 1 to 80 characters without spaces and any of <>{}[]?*\"#%%\\^|~`$&,;:/", clip(name))
	}
	e.forget()
	arn := strings.Replace(d.arn, ":stateMachine:", ":execution:", 1) + ":" + name
	if x := e.executions[arn]; x != nil {
		if x.status == Running && string(x.text) == string(text) {
			return x.describe(), nil
		}
		return Execution{}, refuse("ExecutionAlreadyExists", "there is an execution %s", arn)
	}
	x := &execution{engine: e, deployed: d, arn: arn, name: name, ctx: context.WithoutCancel(ctx),
		status: Running, started: e.clock.Now(), input: value, text: text, done: e.clock.NewEvent()}
	x.root = &scope{engine: e, cancelled: e.clock.NewEvent()}
	x.append(0, Event{Type: "ExecutionStarted", Input: text, Role: e.config.Role})
	e.executions[arn] = x
	e.order = append(e.order, x)
	e.clock.Go(x.run)
	return x.describe(), nil
}

// forget drops executions that were closed longer ago than the retention; the engine is locked.
func (e *Engine) forget() {
	limit := e.clock.Now().Add(-e.config.Retention)
	n := 0
	for n < len(e.order) && e.order[n].status != Running && e.order[n].stopped.Before(limit) {
		delete(e.executions, e.order[n].arn)
		n++
	}
	if n > 0 {
		e.order = append([]*execution(nil), e.order[n:]...)
	}
}

func (e *Engine) execution(arn string) (*execution, error) {
	x := e.executions[arn]
	if x == nil {
		return nil, refuse("ExecutionDoesNotExist", "there is no execution %s", clip(arn))
	}
	return x, nil
}

// ExecutionARN is the ARN that an execution of that name has or would have.
func (e *Engine) ExecutionARN(machine, name string) (string, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	d, err := e.find(machine)
	if err != nil {
		return "", err
	}
	return strings.Replace(d.arn, ":stateMachine:", ":execution:", 1) + ":" + name, nil
}

// DescribeExecution tells how an execution stands.
func (e *Engine) DescribeExecution(arn string) (Execution, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	x, err := e.execution(arn)
	if err != nil {
		return Execution{}, err
	}
	return x.describe(), nil
}

// Wait waits until an execution is closed, or for d of the clock's time (for ever if d < 0), and
// tells how it then stands.
func (e *Engine) Wait(d time.Duration, arn string) (Execution, error) {
	e.mu.Lock()
	x, err := e.execution(arn)
	e.mu.Unlock()
	if err != nil {
		return Execution{}, err
	}
	e.clock.Wait(d, x.done)
	e.mu.Lock()
	defer e.mu.Unlock()
	return x.describe(), nil
}

// StopExecution ends an execution as ABORTED, with an error name and a cause that may be empty. Tasks that are
// under way go on unheard. An execution that is closed stays as it is.
func (e *Engine) StopExecution(arn, name, cause string) (Execution, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	x, err := e.execution(arn)
	if err != nil {
		return Execution{}, err
	}
	x.close(Aborted, nil, name, cause, 0)
	return x.describe(), nil
}

// GetExecutionHistory gives the events so far, the oldest first.
func (e *Engine) GetExecutionHistory(arn string) ([]Event, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	x, err := e.execution(arn)
	if err != nil {
		return nil, err
	}
	return append([]Event(nil), x.events...), nil
}

// ListExecutions lists the executions of a machine, the latest first; with a status, only those
// that have it.
func (e *Engine) ListExecutions(machine string, status Status) ([]Execution, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	d, err := e.find(machine)
	if err != nil {
		return nil, err
	}
	var out []Execution
	for i := len(e.order) - 1; i >= 0; i-- {
		if x := e.order[i]; x.deployed == d && (status == "" || x.status == status) {
			out = append(out, x.describe())
		}
	}
	return out, nil
}
