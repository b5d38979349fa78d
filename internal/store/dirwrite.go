package store

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"syscall"
	"time"

	"penstock/internal/fault"
)

// temp is a body that has no name yet. Its file is locked as long as its writer lives, so that a sweep can tell what is
// left over.
type temp struct {
	dir    *Dir
	file   *os.File
	name   string // "" once it is no longer temporary
	object Object // without key
}

// write copies a body into a temporary file and makes it durable.
func (d *Dir) write(ctx context.Context, key string, r io.Reader) (_ *temp, err error) {
	t, err := d.newTemp()
	if err != nil {
		return nil, ioError("create "+key, err)
	}
	ok := false
	defer func() { // also when r panics
		if !ok {
			t.remove()
		}
	}()
	h := sha256.New()
	w := io.MultiWriter(&typedWriter{t.file, "write " + key}, h)
	if t.object.Size, err = io.Copy(w, withContext{ctx, r}); err != nil {
		return nil, err
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	t.object.ETag = etagOf(h)
	t.object.Modified = d.options.Now().Round(0).UTC()
	if err := d.root.Chtimes(t.name, t.object.Modified, t.object.Modified); err != nil {
		return nil, ioError("create "+key, err)
	}
	if !d.options.NoSync {
		if err := t.file.Sync(); err != nil {
			return nil, ioError("sync "+key, err)
		}
	}
	ok = true
	return t, nil
}

// typedWriter gives the file's errors their type, so that they can be told from the reader's.
type typedWriter struct {
	file   *os.File
	action string
}

func (w *typedWriter) Write(p []byte) (int, error) {
	n, err := w.file.Write(p)
	if err != nil {
		err = ioError(w.action, err)
	}
	return n, err
}

func (d *Dir) newTemp() (*temp, error) {
	for try := 0; ; try++ {
		name := fmt.Sprintf("%s/%d-%d", tempFolder, os.Getpid(), d.serial.Add(1))
		f, err := d.openTemp(name, os.O_EXCL)
		switch {
		case errors.Is(err, fs.ErrExist) && try < 10_000: // of another process with our id
			continue
		case err != nil:
			return nil, err
		}
		// A sweep may have taken the file between its creation and the lock; then nobody else ever will.
		if err := lockFile(f); err != nil || links(f) == 0 {
			f.Close()
			if err != nil && !wouldBlock(err) || try >= 10_000 {
				return nil, fmt.Errorf("lock %s: %w", name, err)
			}
			continue
		}
		return &temp{dir: d, file: f, name: name}, nil
	}
}

// openTemp opens a file of the folder for temporary files, which it makes if absent.
func (d *Dir) openTemp(name string, flag int) (*os.File, error) {
	f, err := d.root.OpenFile(name, os.O_RDWR|os.O_CREATE|flag, 0o666)
	if errors.Is(err, fs.ErrNotExist) {
		if err := d.root.Mkdir(tempFolder, 0o777); err != nil && !errors.Is(err, fs.ErrExist) {
			return nil, err
		}
		f, err = d.root.OpenFile(name, os.O_RDWR|os.O_CREATE|flag, 0o666)
	}
	return f, err
}

// unname takes the temporary name away, whether or not the file has got another.
func (t *temp) unname() {
	if t.name != "" {
		t.dir.root.Remove(t.name) // a sweep finds what stays
		t.name = ""
	}
}

func (t *temp) remove() {
	t.unname()
	t.file.Close()
}

// sweep removes temporary files whose writer is dead. On a read-only directory it does nothing.
func (d *Dir) sweep() {
	folder, err := d.root.Open(tempFolder)
	if err != nil {
		return
	}
	defer folder.Close()
	names, _ := folder.Readdirnames(100_000)
	for _, name := range names {
		name = tempFolder + "/" + name
		if name == lockName {
			continue
		}
		f, err := d.root.OpenFile(name, os.O_RDWR|nonBlocking, 0)
		if err != nil {
			continue
		}
		if lockFile(f) == nil {
			d.root.Remove(name)
		}
		f.Close()
	}
}

const lockPatience = 30 * time.Second

// acquire takes the lock that Replace and Delete hold, in this process and against others.
func (d *Dir) acquire(ctx context.Context) (unlock func(), err error) {
	ctx, cancel := context.WithTimeoutCause(ctx, lockPatience, errLockHeld)
	defer cancel()
	select {
	case d.lock <- struct{}{}:
	case <-ctx.Done():
		return nil, d.lockError(ctx)
	}
	defer func() {
		if err != nil {
			<-d.lock
		}
	}()
	f, err := d.openTemp(lockName, 0)
	if err != nil {
		return nil, ioError("open lock of "+d.path, err)
	}
	for wait := 100 * time.Microsecond; ; wait = min(2*wait, 20*time.Millisecond) {
		err := lockFile(f)
		if err == nil {
			return func() { f.Close(); <-d.lock }, nil
		}
		if !wouldBlock(err) {
			f.Close()
			return nil, ioError("lock "+d.path, err)
		}
		select {
		case <-time.After(wait):
		case <-ctx.Done():
			f.Close()
			return nil, d.lockError(ctx)
		}
	}
}

var errLockHeld = errors.New("another process holds the lock")

func (d *Dir) lockError(ctx context.Context) error {
	if cause := context.Cause(ctx); cause == errLockHeld {
		return &fault.Unavailable{Service: "store", Action: "lock " + d.path, Err: cause}
	}
	return ctx.Err()
}

// makeParents makes the directories of a key, durably.
func (d *Dir) makeParents(key string) error {
	folder := parent(key)
	d.madeMu.Lock()
	known := d.made[folder]
	d.madeMu.Unlock()
	if known || folder == "." {
		return nil
	}
	switch err := d.root.MkdirAll(folder, 0o777); {
	case errors.Is(err, fs.ErrExist), errors.Is(err, syscall.ENOTDIR):
		return &fault.BadInput{Detail: fmt.Sprintf("create %s: an object stands where it needs a directory", key)}
	case err != nil:
		return ioError("make directory of "+key, err)
	}
	for up := folder; up != "."; { // another process may have made them and not yet synced
		up = parent(up)
		if err := d.syncFolder(up); err != nil {
			return ioError("sync directory of "+key, err)
		}
	}
	d.madeMu.Lock()
	defer d.madeMu.Unlock()
	if len(d.made) >= 10_000 {
		clear(d.made)
	}
	d.made[folder] = true
	return nil
}

func (d *Dir) forgetParents() {
	d.madeMu.Lock()
	defer d.madeMu.Unlock()
	clear(d.made)
}

// syncFolder makes the names in a directory durable.
func (d *Dir) syncFolder(name string) error {
	if d.options.NoSync {
		return nil
	}
	f, err := d.root.Open(name)
	if err != nil {
		return err
	}
	defer f.Close()
	if err := f.Sync(); err != nil && !errors.Is(err, syscall.EINVAL) { // EINVAL: the file system has nothing to sync here
		return err
	}
	return nil
}
