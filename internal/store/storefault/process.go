// Package storefault makes stores fail as real ones do: calls that are refused, answers that are lost after the effect,
// latency, and the death of the process between any two writes. Everything follows a Schedule, which a seed or a test
// gives; the same schedule over the same calls has the same effect.
package storefault

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"penstock/internal/fault"
)

// Op is one call that a fault may hit.
type Op struct {
	Seam   string // the name that the decorated thing was given, such as "archive"
	Action string // the method, such as "Create"
	Key    string // the key or prefix
	Write  bool   // whether the call changes what is stored

	Call  int // its number among the calls of the process, from 1
	Nth   int // its number among the writes of the process, from 1; 0 for reads
	Again int // how often the process has made this very call (seam, action, key) before
}

func (o Op) String() string {
	return fmt.Sprintf("%s %s %s (call %d, write %d)", o.Seam, o.Action, o.Key, o.Call, o.Nth)
}

// Outcome is what happens to a call. The zero Outcome lets it pass.
type Outcome struct {
	// Delay passes before anything else.
	Delay time.Duration
	// Err is answered instead of the call's own answer, without any effect unless Lose is set.
	Err error
	// Lose lets the call take effect and then loses its answer: a read breaks off midway. Err defaults to ErrLost in a
	// *fault.Unavailable.
	Lose bool
	// DieBefore and DieAfter end the process, before or after the call's effect: the call panics with a Death.
	DieBefore, DieAfter bool
}

// ErrLost is the cause of an error that hides a call's answer.
var ErrLost = errors.New("answer lost")

// ErrInjected is the cause of an error that stands for a call's effect.
var ErrInjected = errors.New("injected")

// Death is what a call panics with when its process dies. The virtual clock's Run reports it as the Value of its
// PanicError.
type Death struct {
	Op    Op
	After bool // whether the call had taken effect
}

func (d Death) String() string {
	when := "before"
	if d.After {
		when = "after"
	}
	return "process died " + when + " " + d.Op.String()
}

// Process is a process that a Schedule harms: the calls of everything that it decorates are numbered together. Once it
// has died, each further call panics, too, so that no other goroutine of it writes on; what comes after a death is a new
// Process. It is safe for concurrent use.
type Process struct {
	schedule Schedule
	sleep    func(context.Context, time.Duration) error

	mu     sync.Mutex
	calls  int
	writes int
	again  map[[3]string]int
	death  *Death
}

// NewProcess returns a process that follows schedule (nil: nothing fails). Delays are slept with sleep, which may be nil
// when there are none.
func NewProcess(schedule Schedule, sleep func(context.Context, time.Duration) error) *Process {
	if schedule == nil {
		schedule = func(Op) Outcome { return Outcome{} }
	}
	return &Process{schedule: schedule, sleep: sleep, again: map[[3]string]int{}}
}

// Writes is the number of writes that the process has begun. A run without faults tells with it which places a test has
// to crash at.
func (p *Process) Writes() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.writes
}

// Dead returns the death that the process died, or nil.
func (p *Process) Dead() *Death {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.death
}

// Do makes any call one of the process': effect runs or not, and its error is answered or not, as the schedule says. Of
// op the seam, action, key and write are given. Seams other than stores (a stream, EMR) are decorated with it.
func (p *Process) Do(ctx context.Context, op Op, effect func() error) error {
	outcome, err := p.begin(ctx, &op)
	if err != nil {
		return err
	}
	err = effect()
	return p.end(op, outcome, err)
}

// begin numbers a call and lets happen what happens before its effect.
func (p *Process) begin(ctx context.Context, op *Op) (Outcome, error) {
	outcome := p.number(op)
	if outcome.Delay > 0 && p.sleep != nil {
		if err := p.sleep(ctx, outcome.Delay); err != nil {
			return outcome, err
		}
	}
	if outcome.DieBefore {
		p.die(Death{Op: *op})
	}
	if outcome.Lose && outcome.Err == nil {
		outcome.Err = unavailable(*op, ErrLost)
	}
	if outcome.Err != nil && !outcome.Lose {
		return outcome, outcome.Err
	}
	return outcome, nil
}

func (p *Process) number(op *Op) Outcome {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.death != nil {
		panic(*p.death)
	}
	p.calls++
	op.Call = p.calls
	if op.Write {
		p.writes++
		op.Nth = p.writes
	}
	same := [3]string{op.Seam, op.Action, op.Key}
	op.Again = p.again[same]
	p.again[same]++
	return p.schedule(*op)
}

// end lets happen what happens after a call's effect.
func (p *Process) end(op Op, outcome Outcome, err error) error {
	if outcome.DieAfter {
		p.die(Death{Op: op, After: true})
	}
	p.mu.Lock()
	death := p.death
	p.mu.Unlock()
	if death != nil { // another goroutine of the process died meanwhile
		panic(*death)
	}
	if outcome.Lose {
		return outcome.Err
	}
	return err
}

func (p *Process) die(d Death) {
	p.mu.Lock()
	if p.death == nil {
		p.death = &d
	}
	d = *p.death
	p.mu.Unlock()
	panic(d)
}

func unavailable(op Op, err error) error {
	return &fault.Unavailable{Service: op.Seam, Action: op.Action + " " + op.Key, Err: err}
}
