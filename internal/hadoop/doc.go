// Package hadoop does on one machine what a step of a cluster does on Hadoop: it
// runs the mapper, combiner and reducer of Hadoop Streaming over the parts of an
// hour, and other commands as they stand.
//
// What a program sees and what comes out is as Hadoop has it: one mapper for
// each part, lines sorted by the bytes of their key (up to the first TAB), the
// same reducer for the same key whatever their number, a TAB behind a line
// without one, counters and status on standard error, up to four attempts of a
// task, an output folder that must not exist, part-00000 and _SUCCESS in it.
// Other than there, values of one key come sorted, so that results are the same
// in every run; and lines end at LF alone.
//
// Programs run as processes (Processes), or in this process where that is
// possible (InProcess), which simulations need.
//
// An Engine is a real Hadoop on the same machine, which takes the place of all
// that: its local job runner, or a Cluster of YARN in one JVM. OpenEngine finds
// one by name, and tests/engines holds the two against each other.
package hadoop
