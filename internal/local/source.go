package local

import (
	"bufio"
	"bytes"
	"container/heap"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"strconv"
	"strings"
	"time"

	"penstock/internal/fault"
	"penstock/internal/generate"
)

// Event is one event of an input.
type Event struct {
	Time time.Time // when it is to arrive; the zero time: with the one before
	Key  string    // partition key, "" to spread
	Data []byte
}

// Source is an input: the same source gives the same events. Next ends with io.EOF.
type Source interface {
	Next() (Event, error)
}

// Generated is the source of a generator's events.
type Generated struct{ Generator *generate.Generator }

// Next implements Source.
func (g Generated) Next() (Event, error) {
	e, ok := g.Generator.Next()
	if !ok {
		return Event{}, io.EOF
	}
	return Event{e.Time, e.Key, e.Data}, nil
}

// MaxLine is the longest line of an input, in bytes; a longer one does not fit into a record.
const MaxLine = 1 << 20

// reorder is how many events a source with a clock looks ahead, to give them in the order of their times.
const reorder = 4096

// Lines is the source of newline-delimited events. With a clock, the field of that name gives the time of arrival, and
// lines that are a little out of order are put in order; without one, all arrive from Start on, Pace after each other.
type Lines struct {
	name  string
	r     *bufio.Reader
	clock string
	start time.Time
	pace  time.Duration

	line    int
	ahead   lineHeap
	early   []timedLine // lines before the first whose clock could be read: they arrive with it
	eof     bool
	last    time.Time
	Without int // lines whose clock could not be read: they arrive with the one before
}

// NewLines reads r. name is what errors call it.
func NewLines(name string, r io.Reader, clockField string, start time.Time, pace time.Duration) *Lines {
	return &Lines{name: name, r: bufio.NewReaderSize(r, 1<<20), clock: clockField, start: start, pace: pace}
}

type timedLine struct {
	at   time.Time
	line int
	data []byte
}

type lineHeap []timedLine

func (h lineHeap) Len() int { return len(h) }
func (h lineHeap) Less(i, j int) bool {
	if !h[i].at.Equal(h[j].at) {
		return h[i].at.Before(h[j].at)
	}
	return h[i].line < h[j].line
}
func (h lineHeap) Swap(i, j int) { h[i], h[j] = h[j], h[i] }
func (h *lineHeap) Push(x any)   { *h = append(*h, x.(timedLine)) }
func (h *lineHeap) Pop() any {
	old := *h
	x := old[len(old)-1]
	*h = old[:len(old)-1]
	return x
}

// Next implements Source. A line that is too long is a *fault.BadInput that names it.
func (l *Lines) Next() (Event, error) {
	if l.clock == "" {
		data, err := l.read()
		if err != nil {
			return Event{}, err
		}
		return Event{Time: l.start.Add(time.Duration(l.line) * l.pace), Data: data}, nil
	}
	for !l.eof && len(l.ahead) < reorder {
		data, err := l.read()
		if err == io.EOF {
			l.eof = true
			break
		}
		if err != nil {
			return Event{}, err
		}
		at, ok := clockOf(data, l.clock)
		switch {
		case ok && l.last.IsZero():
			for _, e := range l.early {
				heap.Push(&l.ahead, timedLine{at, e.line, e.data})
			}
			l.early = nil
		case !ok:
			l.Without++
			at = l.last
		}
		if l.last = at; at.IsZero() {
			if l.early = append(l.early, timedLine{line: l.line, data: data}); len(l.early) == reorder {
				break
			}
			continue
		}
		heap.Push(&l.ahead, timedLine{at, l.line, data})
	}
	if n := len(l.early); n > 0 {
		return Event{}, &fault.BadInput{Detail: fmt.Sprintf("%s: none of the first %d events has a time in the field %.60q (RFC 3339, Unix seconds or milliseconds): name another with --clock (make run CLOCK=...)",
			l.name, n, l.clock)}
	}
	if len(l.ahead) == 0 {
		return Event{}, io.EOF
	}
	t := heap.Pop(&l.ahead).(timedLine)
	return Event{Time: t.at, Data: t.data}, nil
}

// read returns the next line that is not blank, without its end.
func (l *Lines) read() ([]byte, error) {
	for {
		var data []byte
		for {
			part, err := l.r.ReadSlice('\n')
			data = append(data, part...)
			if len(data) > MaxLine+2 {
				return nil, &fault.BadInput{Detail: fmt.Sprintf("%s: line %d is longer than %d bytes, the most a record holds", l.name, l.line+1, MaxLine)}
			}
			if err == nil || err == io.EOF && len(data) > 0 {
				break
			}
			if !errors.Is(err, bufio.ErrBufferFull) {
				if err != io.EOF {
					err = fmt.Errorf("read %s at line %d: %w", l.name, l.line+1, err)
				}
				return nil, err
			}
		}
		l.line++
		data = bytes.TrimSuffix(bytes.TrimSuffix(data, []byte("\n")), []byte("\r"))
		if len(bytes.TrimSpace(data)) > 0 {
			return data, nil
		}
	}
}

// clockOf reads a time out of a JSON document: RFC 3339, or Unix seconds or milliseconds. field may be a dotted path.
func clockOf(data []byte, field string) (time.Time, bool) {
	var value json.RawMessage = data
	for name := range strings.SplitSeq(field, ".") {
		var doc map[string]json.RawMessage
		if json.Unmarshal(value, &doc) != nil {
			return time.Time{}, false
		}
		value = doc[name]
	}
	var text string
	if json.Unmarshal(value, &text) != nil {
		text = string(value)
	}
	if t, err := time.Parse(time.RFC3339Nano, text); err == nil {
		return t.UTC(), inRange(t)
	}
	f, err := strconv.ParseFloat(text, 64)
	if err != nil || math.IsNaN(f) || math.Abs(f) > 1e15 {
		return time.Time{}, false
	}
	if math.Abs(f) < 1e11 { // seconds up to the year 5138
		f *= 1000
	}
	t := time.UnixMilli(int64(math.Round(f))).UTC()
	return t, inRange(t)
}

func inRange(t time.Time) bool { return t.Year() >= 1970 && t.Year() < 2200 }
