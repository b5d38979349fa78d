package main

import (
	"fmt"
	"io"
	"math"
	"runtime"
	"slices"
	"strings"
	"text/tabwriter"
)

// figure is one line of the table.
type figure struct {
	name    string
	gate    float64
	atMost  bool    // the gate is an upper bound, not a lower one
	value   float64 // median
	noise   float64 // half the distance of the quartiles
	unit    string
	missing string // why it was not measured
	note    string
}

func (f figure) state() string {
	over := f.gate - f.value
	if f.atMost {
		over = -over
	}
	switch {
	case f.missing != "":
		return "not measured: " + f.missing
	case over <= 0:
		return "held"
	case over <= f.noise:
		return "held within noise"
	}
	return "MISSED"
}

func (f figure) sign() string {
	if f.atMost {
		return "<="
	}
	return ">="
}

// ofRatios fills in the value and its noise.
func (f figure) ofRatios(ratios []float64) figure {
	r := slices.Clone(ratios)
	slices.Sort(r)
	at := func(q float64) float64 { return r[int(math.Round(q*float64(len(r)-1)))] }
	f.value, f.noise = at(0.5), (at(0.75)-at(0.25))/2
	return f
}

func (b *bench) missed() int {
	n := 0
	for _, f := range b.figures {
		if f.state() == "MISSED" {
			n++
		}
	}
	return n
}

func (b *bench) print(w io.Writer) {
	fmt.Fprintf(w, "%s, %d cores, %s %s/%s; %s; seed %d, %d rounds\n\n",
		cpuModel(), runtime.NumCPU(), runtime.Version(), runtime.GOOS, runtime.GOARCH, b.peerName, b.seed, b.rounds)
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "figure\tmeasured\tnoise\tgate\t\tnote")
	fmt.Fprintln(t, "------\t--------\t-----\t----\t\t----")
	for _, f := range b.figures {
		value, noise := format(f.value)+f.unit, "+-"+format(f.noise)
		if f.missing != "" {
			value, noise = "-", "-"
		}
		fmt.Fprintf(t, "%s\t%s\t%s\t%s %s%s\t%s\t%s\n", f.name, value, noise, f.sign(), format(f.gate), f.unit, f.state(), f.note)
	}
	t.Flush()
}

func format(v float64) string {
	switch {
	case v == 0 || math.Abs(v) >= 100:
		return fmt.Sprintf("%.0f", v)
	case math.Abs(v) >= 10:
		return fmt.Sprintf("%.1f", v)
	case math.Abs(v) >= 0.1:
		return strings.TrimRight(strings.TrimRight(fmt.Sprintf("%.4f", v), "0"), ".")
	}
	return fmt.Sprintf("%.2g", v)
}
