//go:build linux || darwin

package store

import (
	"errors"
	"os"
	"syscall"
)

const (
	supported   = true
	nonBlocking = syscall.O_NONBLOCK // a named pipe in the place of an object must not hang the reader
)

// lockFile takes the file's lock or answers an error that wouldBlock knows. Closing the file gives it back, and so does
// the process' death.
func lockFile(f *os.File) error {
	for {
		err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
		if !errors.Is(err, syscall.EINTR) {
			return err
		}
	}
}

func wouldBlock(err error) bool { return errors.Is(err, syscall.EWOULDBLOCK) }
