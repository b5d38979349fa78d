// Command bench measures the gates of issue 6 of the project: ratios of this repository's bzip2 code to what it replaces,
// each from interleaved runs on one machine, so that a machine that is slow or busy is so for both sides.
//
//	go run ./tests/bench [-file events.ndjson] [-rounds 9] [-only writer]
//
// It prints a table of figure, gate, and whether the gate is held. The exit code is 1 if a gate is missed by more than
// the noise that was measured beside it. A figure whose peer is not installed is listed as not measured.
package main

import (
	"flag"
	"fmt"
	"os"
)

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func run() error {
	if n := os.Getenv(joinChild); n != "" {
		return runJoinChild(n)
	}
	var b bench
	flag.StringVar(&b.file, "file", "", "measure the writer and the size on this file of lines, too")
	flag.IntVar(&b.rounds, "rounds", 9, "interleaved runs of each figure; the median of their ratios counts")
	flag.StringVar(&b.only, "only", "", "measure only the figures whose name contains this")
	flag.Uint64Var(&b.seed, "seed", 1, "seed of the generated events")
	flag.Parse()
	if flag.NArg() > 0 || b.rounds < 3 {
		return fmt.Errorf("arguments %q, %d rounds: want no arguments and at least 3 rounds", flag.Args(), b.rounds)
	}
	defer b.close()
	if err := b.measure(); err != nil {
		return err
	}
	b.print(os.Stdout)
	if n := b.missed(); n > 0 {
		return fmt.Errorf("%d gates missed", n)
	}
	return nil
}
