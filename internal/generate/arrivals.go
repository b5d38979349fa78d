package generate

import (
	"math/bits"
	"math/rand/v2"
)

const minute = 60_000 // milliseconds

// daily is the load at the start of each hour of a day, UTC, in no unit: the
// audience of a European and American video platform, quiet after midnight.
var daily = [24]uint64{38, 26, 18, 14, 12, 14, 20, 32, 46, 56, 62, 68, 76, 78, 74, 72, 76, 84, 94, 104, 112, 108, 86, 58}

// loadAt returns the load in the given minute since 1970.
func loadAt(m int64) uint64 {
	ofDay := m % 1440
	hour, rest := ofDay/60, uint64(ofDay%60)
	return daily[hour]*(60-rest) + daily[(hour+1)%24]*rest
}

// arrivals spreads a number of arrival times over a span, as dense as the
// daily load. The span's area under the load is cut into one equal piece for
// each event, and the event arrives somewhere in its piece: so the times never
// decrease and all of them lie in the span.
type arrivals struct {
	end    int64  // ms, exclusive
	total  uint64 // load times ms, whole span
	events uint64
	made   uint64

	from, to int64  // the minute (or what of it lies in the span) reached, ms
	load     uint64 // in it
	before   uint64 // load times ms before from
}

func newArrivals(start, millis int64, events int) *arrivals {
	a := &arrivals{end: start + millis, events: uint64(events)}
	a.enter(start)
	for t := start; t < a.end; {
		next := min(t-t%minute+minute, a.end)
		a.total += loadAt(t/minute) * uint64(next-t)
		t = next
	}
	return a
}

func (a *arrivals) enter(t int64) {
	a.from, a.to, a.load = t, min(t-t%minute+minute, a.end), loadAt(t/minute)
}

// next returns the next arrival time in Unix milliseconds.
func (a *arrivals) next(r *rand.Rand) int64 {
	// place = (made + u) * total / events, u in [0, 1).
	hi, lo := bits.Mul64(a.made, a.total)
	lo, carry := bits.Add64(lo, r.Uint64N(a.total), 0)
	place, _ := bits.Div64(hi+carry, lo, a.events)
	a.made++
	for place-a.before >= a.load*uint64(a.to-a.from) {
		a.before += a.load * uint64(a.to-a.from)
		a.enter(a.to)
	}
	return a.from + int64((place-a.before)/a.load)
}

// perTenSeconds returns how many events arrive in ten seconds at the load
// reached.
func (a *arrivals) perTenSeconds() int {
	hi, lo := bits.Mul64(a.events*10_000, a.load)
	n, _ := bits.Div64(hi, lo, a.total)
	return int(n)
}
