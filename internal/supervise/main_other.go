//go:build !linux

package supervise

import (
	"fmt"
	"os"
	"runtime"
)

// Main is the supervisor; this system has none.
func Main([]string) int {
	fmt.Fprintf(os.Stderr, "supervise: %s has no subreapers, which a supervisor needs\n", runtime.GOOS)
	return CodeUsage
}
