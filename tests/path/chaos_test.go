package path

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"strconv"
	"testing"
	"time"

	"penstock/internal/asl"
	"penstock/internal/bzip2"
	"penstock/internal/due"
	"penstock/internal/emr"
	"penstock/internal/fault"
	"penstock/internal/hour"
	"penstock/internal/local"
	"penstock/internal/store/storefault"
	"penstock/internal/stream/streamfault"
)

// storm is the weather of one process, every kind of it at rates that the seed gives.
func storm(seed uint64, life int) weather {
	random := rand.New(rand.NewPCG(seed, uint64(life)))
	upTo := func(most float64) float64 {
		if random.IntN(3) == 0 {
			return 0
		}
		return most * random.Float64()
	}
	rates := storefault.Rates{Refuse: upTo(0.01), Lose: upTo(0.01), Delay: upTo(0.1), MaxDelay: 3 * time.Second}
	if life < 4 {
		rates.Die = upTo(0.01)
	}
	perMillion := func(most int) int { return int(upTo(float64(most))) }
	wx := weather{
		store: storefault.Seeded(seed+uint64(life)<<32, rates),
		stream: streamfault.Seeded(seed+uint64(life), streamfault.Rates{Entry: upTo(0.3), Refuse: upTo(0.1), Lose: upTo(0.1),
			Empty: upTo(0.3)}),
		disturb:   redeliver(seed+uint64(life), upTo(0.5)),
		functions: unreliable(seed+uint64(life), upTo(0.1)),
		emr: emr.Seeded{Seed: seed + uint64(life), Rates: emr.Rates{emr.Throttle: perMillion(100_000), emr.ServerError: perMillion(50_000),
			emr.LoseRequest: perMillion(100_000), emr.LoseAnswer: perMillion(100_000), emr.NoCapacity: perMillion(150_000),
			emr.InternalFailure: perMillion(50_000), emr.BootstrapFails: perMillion(150_000), emr.StepFails: perMillion(150_000),
			emr.InstanceFails: perMillion(100_000)}},
		codec:    []bzip2.Codec{bzip2.CodecOwn, bzip2.CodecDsnet}[random.IntN(2)],
		procs:    1 + random.IntN(3),
		partSize: 2000 + random.Int64N(20_000),
	}
	if life == 0 {
		for range random.IntN(4) {
			wx.reshard = append(wx.reshard, reshard{time.Duration(random.IntN(110)) * time.Minute, random.IntN(2) == 0})
		}
	}
	return wx
}

// unreliable lets functions die before or after their work.
func unreliable(seed uint64, chance float64) local.FunctionFault {
	random := rand.New(rand.NewPCG(seed, 0xf7))
	names := []string{"Lambda.Unknown", "Lambda.TooManyRequestsException", "Sandbox.Timedout", "Lambda.ServiceException"}
	return func(string, int) (before, after error) {
		err := &asl.Error{Name: names[random.IntN(len(names))], Cause: "injected"}
		switch at := random.Float64(); {
		case at < chance/2:
			return err, nil
		case at < chance:
			return nil, err
		}
		return nil, nil
	}
}

func TestWhateverFailsEveryEventIsPublishedOnce(t *testing.T) {
	first := uint64(1000)
	if s := os.Getenv("PENSTOCK_SEED"); s != "" {
		n, err := strconv.ParseUint(s, 10, 64)
		if err != nil {
			t.Fatalf("PENSTOCK_SEED=%q is not a number", s)
		}
		first = n
	}
	for i := range rounds(t, 5) {
		seed := first + uint64(i)
		t.Run(fmt.Sprintf("seed %d", seed), func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, recipe{seed: seed, format: []string{"json", "text"}[seed%2], hours: 2, puts: 80, burst: 1 + int(seed%9)})
			p, lives := w.weather(t, func(life int) weather { return storm(seed, life) })
			w.settle(t, p)
			t.Logf("%d processes, %d records", lives, len(w.records(t)))
		})
	}
}

// weather runs processes until one lives to its end, and returns that one's pipeline.
func (w *world) weather(t *testing.T, of func(life int) weather) (p *local.Pipeline, lives int) {
	t.Helper()
	for {
		p, err := w.live(of(lives))
		lives++
		if err == nil {
			return p, lives
		}
		if !died(err) || lives > 20 {
			t.Fatalf("process %d: %v", lives, err)
		}
	}
}

// settle runs by hand the hours that were rightly left to a person, and checks everything.
func (w *world) settle(t *testing.T, p *local.Pipeline) {
	t.Helper()
	w.checkClusters(t, p)
	var left []hour.Hour
	for h := range w.truths(t) {
		if last, _ := w.checkLedger(t, h); last != nil {
			continue
		}
		st, err := w.ledger().Read(context.Background(), h)
		if err != nil {
			t.Fatal(err)
		}
		if n := len(st.Runs); n == 0 || !due.Settled(st, due.DefaultRules()) || fault.KindOf(st.Runs[n-1].Error) == fault.Person {
			t.Errorf("seed %d, hour %s was left to nobody: %s", w.recipe.seed, h, w.story(t, h))
		}
		left = append(left, h)
	}
	w.again(t, left...)
}
