// Package generate makes seeded, realistic video-player events: what the
// players of many publishers send while viewers watch the videos of content
// providers, with the advertisements of advertisers between them.
//
// The same Config gives the same bytes, on every machine: time and randomness
// come from the Config alone, and the arithmetic is on integers only, because
// floating-point operations may be fused on one processor and not on another.
package generate

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"time"
)

// DefaultMangledEvery is the mean number of events between two mangled
// payloads when Config.MangledEvery is zero.
const DefaultMangledEvery = 10_000

// MaxDuration bounds Config.Duration.
const MaxDuration = 10 * 366 * 24 * time.Hour

// MaxEvents bounds Config.Events.
const MaxEvents = 1_000_000_000_000

// Config says which events a Generator makes.
type Config struct {
	// Seed chooses one of 2^64 different sequences of events.
	Seed uint64
	// Start is when the first event may arrive; it is rounded down to the
	// millisecond. It must lie between the years 1970 and 9999.
	Start time.Time
	// Duration is the span after Start in which the events arrive, at least a
	// millisecond and at most MaxDuration. More of them arrive in the evening
	// (UTC) than at night.
	Duration time.Duration
	// Events is how many events there are in the whole of Duration.
	Events int
	// MangledEvery is the mean number of events between two payloads that are
	// no JSON; 0 means DefaultMangledEvery, a negative number means none.
	MangledEvery int
}

// Validate reports the first field of c that New would refuse.
func (c Config) Validate() error {
	switch {
	case c.Events < 0 || c.Events > MaxEvents:
		return fmt.Errorf("check generator config: Events is %d, want 0 to %d", c.Events, int64(MaxEvents))
	case c.Duration < time.Millisecond || c.Duration > MaxDuration:
		return fmt.Errorf("check generator config: Duration is %v, want 1ms to %v", c.Duration, MaxDuration)
	case c.Start.Before(time.UnixMilli(0)) || c.Start.Add(c.Duration).UTC().Year() > 9999:
		return errors.New("check generator config: Start and Duration leave the years 1970 to 9999")
	}
	return nil
}

// Event is one event as it reaches the edge.
type Event struct {
	// Time is when the event arrives, in UTC, with millisecond precision;
	// never earlier than the previous event's.
	Time time.Time
	// Key is the session's id, meant as the partition key.
	Key string
	// Data is the document, one line without its line end. It is never
	// written to again, so it may be kept.
	Data []byte
	// Mangled says that Data was damaged on the way and is no JSON.
	Mangled bool
}

// Generator makes the events of one Config in the order of their arrival. It
// is not safe for concurrent use.
type Generator struct {
	random    *rand.Rand
	source    reader
	arrivals  *arrivals
	catalogue *catalogue
	sessions  []*session // those active now; visited in turn
	turn      int
	events    int
	left      int // events still to be made
	mangle    int // mean distance of mangled events; 0 is none
	space     []byte
}

// New returns a Generator of the events that c describes, or the error of
// c.Validate.
func New(c Config) (*Generator, error) {
	if err := c.Validate(); err != nil {
		return nil, err
	}
	source := rand.NewPCG(c.Seed, c.Seed^0x9e3779b97f4a7c15)
	random := rand.New(source)
	g := &Generator{
		random:   random,
		source:   reader{source},
		arrivals: newArrivals(c.Start.UnixMilli(), c.Duration.Milliseconds(), c.Events),
		events:   c.Events,
		left:     c.Events,
		mangle:   c.MangledEvery,
	}
	if c.MangledEvery == 0 {
		g.mangle = DefaultMangledEvery
	}
	g.catalogue = newCatalogue(random, c.Events)
	return g, nil
}

// spaceSize is how many bytes of documents share one allocation.
const spaceSize = 64 << 10

// Next returns the next event; ok is false when there are no more.
func (g *Generator) Next() (e Event, ok bool) {
	if g.left == 0 {
		return Event{}, false
	}
	g.left--
	arrival := g.arrivals.next(g.random)
	s := g.pick(arrival)
	if cap(g.space)-len(g.space) < maxDocument {
		g.space = make([]byte, 0, spaceSize)
	}
	begin := len(g.space)
	g.space = s.appendEvent(g.space, g, arrival)
	e = Event{Time: time.UnixMilli(arrival).UTC(), Key: s.id, Data: g.space[begin:len(g.space):len(g.space)]}
	if g.mangle > 0 && g.random.IntN(g.mangle) == 0 {
		e.Data, e.Mangled = mangle(g.random, e.Data), true
	}
	return e, true
}

// maxSessions bounds the memory of a Generator to some 50 MB.
const maxSessions = 100_000

// pick returns the session whose turn it is. The number of active sessions
// follows the load, so that each sends about one event in ten seconds.
func (g *Generator) pick(arrival int64) *session {
	want := min(max(4, g.arrivals.perTenSeconds()), maxSessions, 4+g.events/20)
	if len(g.sessions) == 0 {
		// Those who were watching already when the first event arrived.
		for range want {
			s := g.newSession(arrival)
			s.n = g.random.IntN(s.length)
			s.position = int64(s.n) * 10_000 % s.video.millis
			g.sessions = append(g.sessions, s)
		}
	}
	for len(g.sessions) < want {
		g.sessions = append(g.sessions, g.newSession(arrival))
	}
	if g.turn >= len(g.sessions) {
		g.turn = 0
	}
	// Neighbours change places now and then, or the order would never vary.
	if other := g.turn + g.random.IntN(8); other < len(g.sessions) {
		g.sessions[g.turn], g.sessions[other] = g.sessions[other], g.sessions[g.turn]
	}
	s := g.sessions[g.turn]
	if s.n >= s.length {
		if len(g.sessions) > want {
			g.sessions[g.turn] = g.sessions[len(g.sessions)-1]
			g.sessions = g.sessions[:len(g.sessions)-1]
			return g.pick(arrival)
		}
		s = g.newSession(arrival)
		g.sessions[g.turn] = s
	}
	g.turn++
	return s
}

// mangle returns a damaged copy of data that no JSON parser accepts and that
// holds no line end.
func mangle(r *rand.Rand, data []byte) []byte {
	bad := append(make([]byte, 0, len(data)+8), data...)
	switch r.IntN(4) {
	case 0: // cut off
		return bad[:1+r.IntN(len(bad)-1)]
	case 1: // half of it twice
		return append(bad, data[len(data)/2:]...)
	case 2: // not UTF-8, outside of any string
		bad[0] = 0xff
		return bad
	default: // not text at all
		bad = bad[:16+r.IntN(48)]
		for i := range bad {
			bad[i] = 0x80 | byte(r.Uint32())
		}
		return bad
	}
}
