//go:build !linux && !darwin

package store

import (
	"errors"
	"io/fs"
	"os"
)

const (
	supported   = false
	nonBlocking = 0
)

func lockFile(*os.File) error { return errors.ErrUnsupported }

func wouldBlock(error) bool { return false }

func links(*os.File) uint64 { return 1 }

func versionOf(fs.FileInfo) (fileVersion, bool) { return fileVersion{}, false }
