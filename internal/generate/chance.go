package generate

import (
	"math/bits"
	"math/rand/v2"
	"sort"

	"github.com/google/uuid"
)

// reader gives the seeded source to google/uuid.
type reader struct{ source rand.Source }

func (r reader) Read(p []byte) (int, error) {
	for i := 0; i < len(p); i += 8 {
		for j, v := i, r.source.Uint64(); j < len(p) && j < i+8; j++ {
			p[j] = byte(v)
			v >>= 8
		}
	}
	return len(p), nil
}

// newID returns a UUID of version 7 (RFC 9562) for the time in Unix
// milliseconds. The library's own NewV7 takes its time and a counter from the
// process, so the time is put in here.
func newID(source reader, millis int64) uuid.UUID {
	id, err := uuid.NewRandomFromReader(source)
	if err != nil {
		panic(err) // reader never fails
	}
	for i := range 6 {
		id[i] = byte(millis >> (40 - 8*i))
	}
	id[6] = id[6]&0x0f | 0x70
	return id
}

// appendID appends the text form of id.
func appendID(b []byte, id uuid.UUID) []byte {
	const digits = "0123456789abcdef"
	for i, c := range id {
		if i == 4 || i == 6 || i == 8 || i == 10 {
			b = append(b, '-')
		}
		b = append(b, digits[c>>4], digits[c&15])
	}
	return b
}

// exponential returns a number whose distribution is close to an exponential
// one of the given mean: -log2 of a uniform number, straight between powers of
// two.
func exponential(r *rand.Rand, mean int64) int64 {
	u := r.Uint64() | 1
	zeros := bits.LeadingZeros64(u)
	fraction := u << zeros << 1 >> 48                   // 16 bits after the leading one
	log := int64(zeros)<<16 + (1<<16 - int64(fraction)) // 16 binary places
	return mean * log * 45426 >> 32                     // times ln 2
}

// skewed chooses indexes of which early ones are more likely, as 1/(i+shift).
type skewed []uint64

func newSkewed(n int, shift uint64) skewed {
	s, sum := make(skewed, n), uint64(0)
	for i := range s {
		sum += 1 << 20 / (uint64(i) + shift)
		s[i] = sum
	}
	return s
}

func (s skewed) pick(r *rand.Rand) int {
	place := r.Uint64N(s[len(s)-1])
	return sort.Search(len(s), func(i int) bool { return s[i] > place })
}

// one returns one of the choices, all equally likely.
func one[T any](r *rand.Rand, choices []T) T { return choices[r.IntN(len(choices))] }

// early returns one of the choices, the first ones more often.
func early[T any](r *rand.Rand, choices []T, mean int64) T {
	i := exponential(r, mean*1024) / 1024
	return choices[min(int(i), len(choices)-1)]
}
