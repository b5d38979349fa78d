package asl

import (
	"math"
	"time"
)

// work does a Task, Map or Parallel: tries, retries, and hands what still fails to a Catch.
func (v *visit) work() (out any, next string, f *failure) {
	s := v.state
	retried := make([]int64, len(s.retry))
	for {
		v.observe(Observation{Moment: AttemptStarted})
		out, f = v.try()
		end := Observation{Moment: AttemptEnded}
		switch {
		case f != nil && f.aborted:
			end.Error = "Aborted"
		case f != nil:
			end.Error, end.Cause = f.Name, f.Cause
		}
		v.observe(end)
		if f == nil {
			return out, s.next, nil
		}
		if f.aborted {
			return nil, "", f
		}
		i := s.retrierFor(f)
		if i < 0 || retried[i] >= s.retry[i].maxAttempts {
			break
		}
		d := s.retry[i].delay(retried[i], v.x.random)
		retried[i]++
		if !v.sleep(d) {
			return nil, "", &failure{aborted: true}
		}
		v.attempt++
	}
	if v.begun {
		v.event(Event{Type: s.kind + "StateFailed"})
	}
	for _, c := range s.catch {
		if !f.matches(c.errors) {
			continue
		}
		problem := map[string]any{"Cause": f.Cause}
		if !f.anonymous {
			problem["Error"] = f.Name
		}
		out, failed := v.put(c.resultPath, problem)
		if failed != nil {
			return nil, "", failed
		}
		v.caught = f
		return out, c.next, nil
	}
	if s.kind != "Task" {
		f.branch = false // whoever is around judges anew
	}
	return nil, "", f
}

// try is one attempt, from the input to what ResultPath and OutputPath make of the result.
func (v *visit) try() (any, *failure) {
	s := v.state
	data, f := v.effective()
	if f != nil {
		return nil, f
	}
	var result any
	switch s.kind {
	case "Task":
		result, f = v.task(data)
	case "Map":
		result, f = v.mapItems(data)
	default:
		result, f = v.parallel(data)
	}
	if f != nil {
		return nil, f
	}
	if result, f = v.build(s.resultSelector, result); f != nil {
		return nil, f
	}
	out, f := v.put(s.resultPath, result)
	if f != nil {
		return nil, f
	}
	if out, f = v.choosePath(s.outputPath, out); f != nil {
		return nil, f
	}
	// Checked here, where a Retry or a Catch that names it can still have the failure.
	if tooBig(out, maxPayload) {
		return nil, v.dataLimit(s.name)
	}
	return out, nil
}

// retrierFor finds the first retrier for a failure; -1 when there is none.
func (s *state) retrierFor(f *failure) int {
	for i := range s.retry {
		if f.matches(s.retry[i].errors) {
			return i
		}
	}
	return -1
}

// matches tells whether one of the names of a retrier or catcher stands for the failure.
func (f *failure) matches(names []string) bool {
	if f.terminal {
		return false
	}
	timeout := f.Name == ErrTimeout || f.Name == ErrHeartbeatTimeout
	for _, name := range names {
		switch {
		case name == f.Name && !f.anonymous:
			return true
		case name == ErrAll:
			return f.Name != ErrDataLimitExceeded
		case name == ErrTaskFailed && !timeout && f.Name != ErrDataLimitExceeded:
			return true
		case name == ErrTimeout && timeout:
			return true
		case name == ErrBranchFailed && f.branch:
			return true
		}
	}
	return false
}

// delay is how long to wait before the retry that follows after done retries.
func (r *retrier) delay(done int64, random func() uint64) time.Duration {
	seconds := r.interval * math.Pow(r.backoff, float64(done))
	if r.maxDelay > 0 {
		seconds = min(seconds, r.maxDelay)
	}
	seconds = min(seconds, maxSeconds) // also an infinite one
	if r.jitter {
		seconds *= float64(random()>>11) / (1 << 53)
	}
	return time.Duration(seconds * float64(time.Second)).Round(time.Millisecond)
}
