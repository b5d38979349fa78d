package asl

import "sync"

// maxAtOnce is how many iterations of an INLINE Map run at the same time at most.
const maxAtOnce = 40

// parallel does one try of a Parallel state.
func (v *visit) parallel(data any) (any, *failure) {
	input, f := v.build(v.state.parameters, data)
	if f != nil {
		return nil, f
	}
	text, f := v.text(input)
	if f != nil {
		return nil, f
	}
	v.event(Event{Type: "ParallelStateStarted"})
	branches := v.state.branches
	out, f := v.fanOut(len(branches), len(branches), func(r *run) (any, *failure) {
		r.item = v.item
		result, _, f := r.block(branches[r.index], input, text)
		return result, f
	})
	if f != nil {
		return nil, f
	}
	v.aside(Event{Type: "ParallelStateSucceeded"})
	return out, nil
}

// mapItems does one try of a Map state.
func (v *visit) mapItems(data any) (any, *failure) {
	s := v.state
	value := data
	if s.items != nil {
		var err error
		if value, err = v.evaluation(data).get(s.items); err != nil {
			return nil, v.runtime("Invalid path '%s' : No results for path: %s", s.items.text, canonical(s.items.steps))
		}
	}
	items, ok := value.([]any)
	if !ok {
		text := "$"
		if s.items != nil {
			text = s.items.text
		}
		return nil, fail(ErrRuntime, "Reference path \"%s\" must point to array.", text)
	}
	atOnce, _, f := v.wholeNumber("MaxConcurrencyPath", s.atOnce, data)
	if f != nil {
		return nil, f
	}
	if atOnce == 0 || atOnce > maxAtOnce {
		atOnce = maxAtOnce
	}
	v.event(Event{Type: "MapStateStarted", Length: len(items)})
	out, f := v.fanOut(len(items), int(atOnce), func(r *run) (any, *failure) {
		return v.iteration(r, data, items[r.index])
	})
	if f != nil {
		return nil, f
	}
	v.aside(Event{Type: "MapStateSucceeded"})
	return out, nil
}

// iteration runs the item processor for one item.
func (v *visit) iteration(r *run, data, item any) (any, *failure) {
	s := v.state
	r.item = map[string]any{"Index": number(int64(r.index)), "Value": item}
	r.event(Event{Type: "MapIterationStarted", State: s.name, Index: r.index})
	// The item selector sees the Map's context with the item, so it is this visit in that run.
	within := *v
	within.run = r
	input := item
	f := (*failure)(nil)
	if s.parameters != nil {
		input, f = within.build(s.parameters, data)
	}
	var text []byte
	if f == nil {
		text, f = within.text(input)
	}
	var out any
	if f == nil {
		out, _, f = r.block(s.processor, input, text)
	}
	end := Event{Type: "MapIterationSucceeded", State: s.name, Index: r.index}
	switch {
	case f != nil && f.aborted:
		end.Type = "MapIterationAborted"
	case f != nil:
		end.Type = "MapIterationFailed"
	}
	r.aside(end)
	return out, f
}

// fanOut runs body n times, at most atOnce at the same time, in the order of the index, and
// gathers the results. The first failure cancels the rest; the others have left their states when
// fanOut returns.
func (v *visit) fanOut(n, atOnce int, body func(r *run) (any, *failure)) (any, *failure) {
	x := v.x
	x.engine.mu.Lock()
	scope := v.scope.child()
	x.engine.mu.Unlock()
	v.begun = true
	var (
		mu      sync.Mutex // guards what follows; never held while a task waits
		first   *failure
		next    int
		last    = v.prev
		out     = make([]any, n)
		working = min(n, atOnce)
		all     = x.engine.clock.NewEvent()
		begin   = v.prev
	)
	take := func() *run {
		mu.Lock()
		defer mu.Unlock()
		if next == n || first != nil {
			return nil
		}
		next++
		return &run{x: x, scope: scope, prev: begin, parent: v.id, index: next - 1}
	}
	gather := func(r *run, result any, f *failure) {
		mu.Lock()
		defer mu.Unlock()
		out[r.index] = result
		switch {
		case f == nil:
			last = max(last, r.prev)
		case first == nil || first.aborted && !f.aborted:
			first, last = f, r.prev
			x.engine.mu.Lock()
			scope.cancel()
			x.engine.mu.Unlock()
		}
	}
	worker := func() {
		for r := take(); r != nil; r = take() {
			result, f := body(r)
			gather(r, result, f)
		}
		mu.Lock()
		defer mu.Unlock()
		if working--; working == 0 {
			all.Fire()
		}
	}
	for range working {
		x.engine.clock.Go(worker)
	}
	if n > 0 {
		x.engine.clock.Wait(-1, all)
	}
	x.engine.mu.Lock()
	v.scope.drop(scope)
	x.engine.mu.Unlock()
	v.prev = last
	if first == nil {
		return out, nil
	}
	failed := *first
	failed.branch = !failed.aborted
	return nil, &failed
}
