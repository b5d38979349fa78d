package rollup

import (
	"io"
	"maps"
	"slices"
	"strconv"
)

// CounterGroup is the group under which Hadoop shows the counters.
const CounterGroup = "penstock"

// Names of counters.
const (
	// Malformed lines are no JSON. They are counted nowhere else.
	Malformed = "malformed"
	// Oversized lines are longer than MaxLine. They are counted nowhere else.
	Oversized = "oversized"
	// NotANumber is how often a summed field held something else than a
	// number or null.
	NotANumber = "notANumber"
	// OutOfRange is how often a number was too long to be summed, or to be
	// part of a key.
	OutOfRange = "outOfRange"
	// Cut is how often a string of a key was longer than MaxText.
	Cut = "cut"
)

// Counters counts what could not be used, by name. It is not safe for
// concurrent use; each run of a mapper has its own. Added up, they do not depend
// on how the input was divided among mappers.
type Counters map[string]int64

// Add counts n more. Nothing is counted on nil.
func (c Counters) Add(name string, n int64) {
	if c != nil && n != 0 {
		c[name] += n
	}
}

// Report writes the counters as Hadoop Streaming reads them from a task's
// standard error, sorted by name.
func (c Counters) Report(w io.Writer) error {
	var b []byte
	for _, name := range slices.Sorted(maps.Keys(c)) {
		b = append(b, "reporter:counter:"+CounterGroup+","+name+","...)
		b = strconv.AppendInt(b, c[name], 10)
		b = append(b, '\n')
	}
	if len(b) == 0 {
		return nil
	}
	_, err := w.Write(b)
	return err
}
