package storefault

import (
	"hash/fnv"
	"math/rand/v2"
	"time"
)

// Schedule decides what happens to a call. It is asked once for each, in the order of the calls and never twice at the
// same time.
type Schedule func(Op) Outcome

// FirstOf follows the first of the schedules that harms the call; all of them see it.
func FirstOf(schedules ...Schedule) Schedule {
	return func(op Op) Outcome {
		var harm Outcome
		for _, schedule := range schedules {
			if outcome := schedule(op); harm == (Outcome{}) {
				harm = outcome
			}
		}
		return harm
	}
}

// OnNth gives the n-th call (from 1) that match selects its outcome.
func OnNth(n int, match func(Op) bool, outcome Outcome) Schedule {
	seen := 0
	return func(op Op) Outcome {
		if match(op) {
			if seen++; seen == n {
				return outcome
			}
		}
		return Outcome{}
	}
}

// Writes selects every write.
func Writes(op Op) bool { return op.Write }

// Calls selects the calls of one action at one seam ("" for any).
func Calls(seam, action string) func(Op) bool {
	return func(op Op) bool { return (seam == "" || seam == op.Seam) && (action == "" || action == op.Action) }
}

// FailWrite refuses the k-th write (from 1) without effect.
func FailWrite(k int) Schedule {
	return func(op Op) Outcome {
		if op.Nth != k {
			return Outcome{}
		}
		return Outcome{Err: unavailable(op, ErrInjected)}
	}
}

// LoseWrite lets the k-th write take effect and loses its answer.
func LoseWrite(k int) Schedule { return OnNth(k, Writes, Outcome{Lose: true}) }

// DieBeforeWrite ends the process before the k-th write: k-1 writes have taken effect.
func DieBeforeWrite(k int) Schedule { return OnNth(k, Writes, Outcome{DieBefore: true}) }

// DieAfterWrite ends the process after the k-th write, before it learns of it.
func DieAfterWrite(k int) Schedule { return OnNth(k, Writes, Outcome{DieAfter: true}) }

// Rates are probabilities of one call, from 0 to 1.
type Rates struct {
	Refuse float64 // answer an error (as S3's 503) without effect
	Lose   float64 // take effect and lose the answer; reads break off
	Die    float64 // end the process, before or after the effect as the seed has it
	Delay  float64 // take up to MaxDelay longer
	// MaxDelay is the longest delay.
	MaxDelay time.Duration
}

// Seeded harms calls at random. What happens to a call depends on the seed, on what is called and on how often that was
// called before, not on the calls of others: goroutines that run side by side meet the same faults in any interleaving.
// A call that is refused may be tried again and then meets another fate.
func Seeded(seed uint64, rates Rates) Schedule {
	return func(op Op) Outcome {
		h := fnv.New64a()
		for _, s := range []string{op.Seam, op.Action, op.Key} {
			h.Write([]byte(s))
			h.Write([]byte{0})
		}
		rng := rand.New(rand.NewPCG(seed, h.Sum64()+uint64(op.Again)*0x9e3779b97f4a7c15))
		var outcome Outcome
		if rng.Float64() < rates.Delay {
			outcome.Delay = time.Duration(rng.Float64() * float64(rates.MaxDelay))
		}
		switch at := rng.Float64(); {
		case at < rates.Refuse:
			outcome.Err = unavailable(op, ErrInjected)
		case at < rates.Refuse+rates.Lose:
			outcome.Lose = true
		case at < rates.Refuse+rates.Lose+rates.Die:
			outcome.DieBefore = rng.IntN(2) == 0
			outcome.DieAfter = !outcome.DieBefore
		}
		return outcome
	}
}
