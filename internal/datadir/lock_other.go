//go:build !linux && !darwin

package datadir

import (
	"errors"
	"os"
)

func lockFile(*os.File) error { return errors.ErrUnsupported }

func wouldBlock(error) bool { return false }
