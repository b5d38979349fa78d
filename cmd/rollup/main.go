// Rollup is the default job of an hour, the mapper, combiner and reducer of a
// Hadoop Streaming step in one static binary. See package rollup.
package main

import (
	"os"

	"penstock/internal/rollup"
)

func main() { os.Exit(rollup.Main(os.Args[1:], os.Stdin, os.Stdout, os.Stderr)) }
