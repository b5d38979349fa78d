package path

import (
	"fmt"
	"runtime"
	"slices"
	"testing"
	"time"
)

func TestAQuietDayPartIsPublishedExactly(t *testing.T) {
	for _, r := range []recipe{
		{seed: 1, format: "json", hours: 3, puts: 300, burst: 3},
		{seed: 2, format: "text", hours: 1, puts: 100, burst: 2},
		{seed: 3, format: "json", hours: 4, puts: 40, gap: 2},
	} {
		t.Run(fmt.Sprintf("%s, %d puts in %d hours", r.format, r.puts, r.hours), func(t *testing.T) {
			w := newWorld(t, r)
			begun := time.Now()
			p, err := w.live(weather{partSize: 4000})
			if err != nil {
				t.Fatal(err)
			}
			t.Logf("%d writes, %v", w.process.Writes(), time.Since(begun))
			w.check(t, p)
			for h := range w.truths(t) {
				if n := w.publications(t, h); n != 1 {
					t.Errorf("hour %s was published %d times: %s", h, n, w.story(t, h))
				}
			}
		})
	}
}

func TestTheSameInputSeedAndFaultsGiveTheSameBytes(t *testing.T) {
	for i := range rounds(t, 1) {
		seed := uint64(21 + i)
		t.Run(fmt.Sprintf("seed %d", seed), func(t *testing.T) {
			var digests []string
			for _, cores := range []int{1, 4, 4} {
				before := runtime.GOMAXPROCS(cores)
				w := newWorld(t, recipe{seed: seed, format: "json", hours: 2, puts: 60, burst: 4})
				p, _ := w.weather(t, func(life int) weather { return storm(seed, life) })
				runtime.GOMAXPROCS(before)
				w.checkClusters(t, p)
				digests = append(digests, w.digest(t))
			}
			if len(slices.Compact(slices.Clone(digests))) != 1 {
				t.Errorf("seed %d: archive and hours on 1, 4 and 4 cores: %s", seed, digests)
			}
		})
	}
}
