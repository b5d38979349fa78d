package rollup

import (
	"bytes"
	"slices"
)

// Sort sorts the lines of data by their bytes, as LC_ALL=C sort does, and
// returns them, each with a line end. That is the order in which Hadoop hands
// lines to a reducer, but for the values of one key. data is not changed.
func Sort(data []byte) []byte {
	var all [][]byte
	for line := range bytes.Lines(data) {
		all = append(all, bytes.TrimSuffix(line, []byte{'\n'}))
	}
	slices.SortFunc(all, bytes.Compare)
	sorted := make([]byte, 0, len(data)+1)
	for _, line := range all {
		sorted = append(append(sorted, line...), '\n')
	}
	return sorted
}
