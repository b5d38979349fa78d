package path

import (
	"fmt"
	"testing"

	"penstock/internal/asl"
	"penstock/internal/store/storefault"
)

// little is an input that is over in some fifty writes, and has everything in it.
func little(seed uint64) recipe {
	return recipe{seed: seed, format: "json", hours: 1, puts: 24, burst: 6}
}

// finish runs processes without faults until one lives to its end.
func (w *world) finish(t *testing.T) {
	t.Helper()
	p, err := w.live(weather{})
	if err != nil {
		t.Fatal(err)
	}
	w.check(t, p)
}

func TestAProcessThatDiesBeforeOrAfterAnyWriteIsFinishedByTheNext(t *testing.T) {
	const seed = 11
	quiet := newWorld(t, little(seed))
	if _, err := quiet.live(weather{}); err != nil {
		t.Fatal(err)
	}
	writes := quiet.process.Writes()
	t.Logf("seed %d, %d writes", seed, writes)
	for k := 1; k <= writes; k++ {
		for _, when := range []string{"before", "after"} {
			if when == "before" && k > 1 && !everything() {
				continue // what outlives it is what outlives a death after the write before it
			}
			schedule := storefault.DieAfterWrite(k)
			if when == "before" {
				schedule = storefault.DieBeforeWrite(k)
			}
			t.Run(fmt.Sprintf("%s write %d", when, k), func(t *testing.T) {
				t.Parallel()
				w := newWorld(t, little(seed))
				if _, err := w.live(weather{store: schedule}); !died(err) {
					t.Fatalf("the process did not die of write %d: %v", k, err)
				}
				w.finish(t)
				for h := range w.truths(t) {
					if n := w.publications(t, h); n != 1 {
						t.Errorf("hour %s was published %d times: %s", h, n, w.story(t, h))
					}
				}
			})
		}
	}
}

func TestAFunctionThatDiesBeforeOrAfterAnyCallIsCalledAgain(t *testing.T) {
	const seed = 12
	type call struct {
		function string
		number   int
	}
	var calls []call
	quiet := newWorld(t, little(seed))
	_, err := quiet.live(weather{functions: func(function string, n int) (before, after error) {
		calls = append(calls, call{function, n})
		return nil, nil
	}})
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("seed %d, %d calls", seed, len(calls))
	dead := &asl.Error{Name: "Lambda.Unknown", Cause: "the process of the function ended"}
	for _, c := range calls {
		if c.number > 1 && !everything() {
			continue
		}
		for _, when := range []string{"before", "after"} {
			t.Run(fmt.Sprintf("%s call %d of %s", when, c.number, c.function), func(t *testing.T) {
				t.Parallel()
				w := newWorld(t, little(seed))
				hit := false
				p, err := w.live(weather{functions: func(function string, n int) (before, after error) {
					if (call{function, n}) != c {
						return nil, nil
					}
					hit = true
					if when == "before" {
						return dead, nil
					}
					return nil, dead
				}})
				if err != nil {
					t.Fatal(err)
				}
				if !hit {
					t.Fatal("the call was not made")
				}
				w.check(t, p)
			})
		}
	}
}
