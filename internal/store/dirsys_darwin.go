package store

import (
	"io/fs"
	"os"
	"syscall"
)

func versionOf(info fs.FileInfo) (fileVersion, bool) {
	s, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return fileVersion{}, false
	}
	return fileVersion{
		device: uint64(s.Dev), inode: s.Ino, size: s.Size,
		modified: info.ModTime().UnixNano(), changed: s.Ctimespec.Nano(),
	}, true
}

func links(f *os.File) uint64 {
	info, err := f.Stat()
	if err != nil {
		return 0
	}
	s, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return 1
	}
	return uint64(s.Nlink)
}
