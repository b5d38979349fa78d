package metrics

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"penstock/internal/emf"
)

// maxMinutes is how many minutes a state holds: the longest window, 15 minutes, touches 16.
const maxMinutes = 16

// place is what is counted apart.
type place struct {
	minute int64 // Unix
	kind   string
}

// tally is the figures of a place.
type tally struct {
	events, rejects, bytes int64
	ageMs, oldestMs        int64 // from arrival to counting: of all together, and the longest
}

// state is a window's figures. It holds at most maxMinutes * (maxTypes + 2) places.
type state struct {
	maxTypes int
	types    map[string]bool // that are told apart
	minutes  map[int64]bool
	tallies  map[place]tally
}

// readState reads what encode wrote; what is malformed is left out.
func readState(from map[string]string, maxTypes int) *state {
	s := &state{maxTypes, map[string]bool{}, map[int64]bool{}, map[place]tally{}}
	for _, key := range slices.Sorted(maps.Keys(from)) {
		minute, kind, ok := strings.Cut(key, " ")
		m, err := strconv.ParseInt(minute, 10, 64)
		if !ok || err != nil || len(kind) > maxType || !plain([]byte(kind)) || kind == "" {
			continue
		}
		var t tally
		if n, err := fmt.Sscan(from[key], &t.events, &t.rejects, &t.bytes, &t.ageMs, &t.oldestMs); n != 5 || err != nil {
			continue
		}
		p := s.place(m, kind)
		s.tallies[p] = t.plus(s.tallies[p])
	}
	return s
}

func (s *state) encode() map[string]string {
	to := make(map[string]string, len(s.tallies))
	for p, t := range s.tallies {
		to[fmt.Sprintf("%d %s", p.minute, p.kind)] = fmt.Sprint(t.events, t.rejects, t.bytes, t.ageMs, t.oldestMs)
	}
	return to
}

func (t tally) plus(o tally) tally {
	return tally{t.events + o.events, t.rejects + o.rejects, t.bytes + o.bytes, t.ageMs + o.ageMs, max(t.oldestMs, o.oldestMs)}
}

// place finds where a type of a minute is counted, within the bounds.
func (s *state) place(minute int64, kind string) place {
	if !s.minutes[minute] {
		if len(s.minutes) == maxMinutes {
			minute = slices.Max(slices.Collect(maps.Keys(s.minutes)))
		}
		s.minutes[minute] = true
	}
	if kind != TypeOther && kind != TypeNone && !s.types[kind] {
		if len(s.types) == s.maxTypes {
			kind = TypeOther
		} else {
			s.types[kind] = true
		}
	}
	return place{minute, kind}
}

func (s *state) add(minute time.Time, kind string, rejected bool, size int, age time.Duration) {
	t := tally{bytes: int64(size), ageMs: age.Milliseconds(), oldestMs: age.Milliseconds()}
	if rejected {
		t.rejects = 1
	} else {
		t.events = 1
	}
	p := s.place(minute.Unix(), kind)
	s.tallies[p] = s.tallies[p].plus(t)
}

// write writes a line for each minute and type, in their order, with the minute's time.
func (s *state) write(f emf.Figures) error {
	places := slices.SortedFunc(maps.Keys(s.tallies), func(a, b place) int {
		return cmp.Or(cmp.Compare(a.minute, b.minute), cmp.Compare(a.kind, b.kind))
	})
	for _, p := range places {
		t := s.tallies[p]
		mean := float64(t.ageMs/max(1, t.events+t.rejects)) / 1000
		err := emf.Line(f.Out, emf.Namespace, f.Dimensions(emf.Dimension{Name: "Type", Value: p.kind}), []emf.Metric{
			{Name: "TypeEvents", Unit: emf.Count, Value: float64(t.events)},
			{Name: "TypeRejects", Unit: emf.Count, Value: float64(t.rejects)},
			{Name: "TypeBytes", Unit: emf.Bytes, Value: float64(t.bytes)},
			{Name: "SecondsAfterArrival", Unit: emf.Seconds, Value: mean},
			{Name: "SecondsAfterArrivalMax", Unit: emf.Seconds, Value: float64(t.oldestMs) / 1000},
		}, time.Unix(p.minute, 0))
		if err != nil {
			return err
		}
	}
	return nil
}
