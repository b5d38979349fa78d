// Package bzip2 writes, reads and joins bzip2 streams, in Go alone.
package bzip2
