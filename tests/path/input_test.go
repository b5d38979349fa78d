package path

import (
	"fmt"
	"io"
	"math/rand/v2"
	"strings"
	"time"

	"penstock/internal/local"
	"penstock/internal/stream/kpl/kpltest"
)

// put is one record that the producer sends, with what has to become of it. Nothing here is read back from the path.
type put struct {
	local.Event
	lines   []string // events, as they must be published
	rejects []string // payloads, as they must be kept
}

// recipe says what an input is like.
type recipe struct {
	seed   uint64
	format string // "json" or "text"
	begin  time.Time
	hours  int
	puts   int
	burst  int // so many arrive at once; 0 for one by one
	gap    int // hour, from 1, in which nothing but rejects arrives; 0 for none
}

// cook makes an input. It is a function of the recipe alone.
func cook(r recipe) []put {
	random := rand.New(rand.NewPCG(r.seed, 0x9b))
	span := time.Duration(r.hours) * time.Hour
	var all []put
	for i := range r.puts {
		at := r.begin.Add(span * time.Duration(i) / time.Duration(r.puts)).Add(time.Duration(random.IntN(1000)) * time.Millisecond)
		if i%16 == 15 { // on and around the turn of an hour
			at = at.Truncate(time.Hour).Add(time.Duration(random.IntN(3000)-1500) * time.Millisecond)
			if at.Before(r.begin) || i > 0 && at.Before(all[i-1].Time) {
				at = all[i-1].Time
			}
		}
		if first := r.begin.Add(5 * time.Second); at.Before(first) { // arrival is approximate: not in the hour before
			at = first
		}
		if i > 0 && (at.Before(all[i-1].Time) || r.burst > 0 && i%r.burst != 0) {
			at = all[i-1].Time
		}
		var p put
		switch {
		case r.gap > 0 && int(at.Sub(r.begin)/time.Hour)+1 == r.gap:
			p = mangled(random, i, r.format)
		case random.IntN(40) == 0 && i > 0:
			p = all[i-1] // the same bytes once more are a record of its own
		case r.format == "text":
			p = textPut(random, i)
		default:
			p = jsonPut(random, i)
		}
		p.Time, p.Key = at, fmt.Sprintf("session-%d", random.IntN(40))
		all = append(all, p)
	}
	return all
}

func event(random *rand.Rand, i, sub int) string {
	return fmt.Sprintf(`{"id":"%d.%d","status":%d,"method":%q,"bytes":%d,"text":"ünï %d"}`, i, sub,
		[]int{200, 200, 304, 404, 500}[random.IntN(5)], []string{"GET", "POST"}[random.IntN(2)], random.IntN(100_000), random.Uint64())
}

func one(line string) put { return put{Event: local.Event{Data: []byte(line)}, lines: []string{line}} }

func reject(data string) put {
	return put{Event: local.Event{Data: []byte(data)}, rejects: []string{data}}
}

func jsonPut(random *rand.Rand, i int) put {
	line := event(random, i, 0)
	switch random.IntN(20) {
	case 0:
		p := one(line)
		p.Data = append(p.Data, []string{"\n", "\r\n"}[random.IntN(2)]...)
		return p
	case 1: // line ends outside strings go
		p := one(line)
		p.Data = []byte(strings.Replace(line, ",", ",\n ", 1))
		p.lines[0] = line
		return p
	case 2:
		return mangled(random, i, "json")
	case 3, 4:
		return aggregate(random, i)
	}
	return one(line)
}

func mangled(random *rand.Rand, i int, format string) put {
	line := event(random, i, 0)
	kind := random.IntN(4)
	if format == "text" {
		kind = kind%2 + 2
	}
	switch kind {
	case 0:
		return reject(line[:len(line)/2])
	case 1:
		return reject(line[:len(line)-2] + "\xff\"}")
	case 2:
		return reject(string(kpltest.Frame(fmt.Appendf(nil, "\xff\xff no message %d", i))))
	}
	if format == "text" {
		return reject(line + "\nsecond line")
	}
	return reject(line + "}")
}

// aggregate is what the Kinesis Producer Library makes of several events, one of them perhaps mangled.
func aggregate(random *rand.Rand, i int) put {
	var p put
	var records []kpltest.Record
	for sub := range 2 + random.IntN(4) {
		data := event(random, i, sub)
		if random.IntN(6) == 0 {
			data = data[1:]
			p.rejects = append(p.rejects, data)
		} else {
			p.lines = append(p.lines, data)
		}
		records = append(records, kpltest.Record{PartitionKey: fmt.Sprint(sub), Data: []byte(data)})
	}
	p.Data = kpltest.Aggregate(records...)
	return p
}

func textPut(random *rand.Rand, i int) put {
	line := fmt.Sprintf("10.0.0.%d - line %d.0 GET /%d", random.IntN(256), i, random.Uint64())
	switch random.IntN(12) {
	case 0:
		p := one(line)
		p.Data = append(p.Data, '\n')
		return p
	case 1:
		return mangled(random, i, "text")
	case 2:
		p := put{lines: []string{line, line + " again"}}
		p.Data = kpltest.Aggregate(kpltest.Record{PartitionKey: "a", Data: []byte(line)}, kpltest.Record{PartitionKey: "b", Data: []byte(line + " again")})
		return p
	}
	return one(line)
}

// replayed is the source of an input: the same events every time.
type replayed struct {
	puts []put
	next int
}

func (r *replayed) Next() (local.Event, error) {
	if r.next == len(r.puts) {
		return local.Event{}, io.EOF
	}
	r.next++
	return r.puts[r.next-1].Event, nil
}
