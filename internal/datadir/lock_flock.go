//go:build linux || darwin

package datadir

import (
	"errors"
	"os"
	"syscall"
)

// lockFile takes the file's lock or answers an error that wouldBlock knows. The lock ends with the file.
func lockFile(f *os.File) error {
	for {
		err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
		if !errors.Is(err, syscall.EINTR) {
			return err
		}
	}
}

func wouldBlock(err error) bool { return errors.Is(err, syscall.EWOULDBLOCK) }
