package store

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"penstock/internal/fault"
)

// DirOptions of a Dir.
type DirOptions struct {
	// Now gives Object.Modified, kept as the file's modification time. Required.
	Now func() time.Time
	// NoSync leaves out every fsync. Only for tests and simulations: a name may then come to stand for lost bytes when the
	// machine (not the process) dies.
	NoSync bool
}

// Dir is a Store in a directory, one file an object, safe against other processes that use the same directory through
// a Dir. A body is written to a temporary file, made durable, and then named with link(2), which fails where a name
// exists; Replace and Delete take a lock that all processes share. ETags are those of ETag. It needs a file system with
// hard links and flock(2).
//
// A file system is a little narrower than the contract: a key element has at most 255 bytes, and an object k and an
// object k/x exclude each other (a *fault.BadInput). Files of foreign names are not listed; symbolic links that lead out
// of the directory are not followed. A full disk is a *fault.Unavailable, a read-only one a *fault.AccessDenied.
type Dir struct {
	root    *os.Root
	path    string
	options DirOptions
	lock    chan struct{} // held with the lock file: within the process
	serial  atomic.Uint64
	etags   etagCache
	madeMu  sync.Mutex
	made    map[string]bool // directories known to be there, durably
}

var _ Store = (*Dir)(nil)

// tempFolder holds temporary files and the lock. A tilde is in no key, so that nothing in it can be asked for.
const (
	tempFolder = ".~penstock"
	lockName   = tempFolder + "/lock"
)

// OpenDir opens the store in the directory path, which is made if absent, and removes what died writers left.
func OpenDir(path string, options DirOptions) (*Dir, error) {
	if options.Now == nil {
		return nil, &fault.BadInput{Detail: "open store: no clock"}
	}
	if !supported {
		return nil, &fault.BadInput{Detail: "a directory store needs Linux or macOS: it locks with flock and names with link"}
	}
	if err := os.MkdirAll(path, 0o777); err != nil {
		return nil, ioError("open directory "+path, err)
	}
	root, err := os.OpenRoot(path)
	if err != nil {
		return nil, ioError("open directory "+path, err)
	}
	d := &Dir{root: root, path: path, options: options, lock: make(chan struct{}, 1), made: map[string]bool{}}
	d.sweep()
	return d, nil
}

// Close lets go of the directory.
func (d *Dir) Close() error { return d.root.Close() }

// Get implements Store.
func (d *Dir) Get(ctx context.Context, key string, max int64) ([]byte, Object, error) {
	f, o, err := d.open(ctx, key)
	if err != nil {
		return nil, Object{}, err
	}
	defer f.Close()
	if o.Size > max {
		return nil, Object{}, tooLarge(key, o.Size, max)
	}
	data := make([]byte, o.Size)
	if _, err := io.ReadFull(f, data); err != nil {
		return nil, Object{}, ioError("read "+key, err)
	}
	o.ETag = ETag(data)
	return data, o, nil
}

// GetRange implements Store. What it opens stays the version it was, even when the key is replaced meanwhile.
func (d *Dir) GetRange(ctx context.Context, key, etag string, off, n int64) (io.ReadCloser, error) {
	if off < 0 {
		return nil, negativeOffset(key, off)
	}
	f, o, err := d.open(ctx, key)
	if err != nil {
		return nil, err
	}
	if etag != "" {
		if o.ETag, err = d.etags.of(f); err != nil || o.ETag != etag {
			f.Close()
			if err == nil {
				err = &fault.Changed{Key: key}
			}
			return nil, err
		}
	}
	if n < 0 {
		n = o.Size
	}
	return &section{withContext{ctx, io.NewSectionReader(f, min(off, o.Size), n)}, f}, nil
}

type section struct {
	io.Reader
	file *os.File
}

func (s *section) Close() error { return s.file.Close() }

// Create implements Store.
func (d *Dir) Create(ctx context.Context, key string, data []byte) (Object, error) {
	return d.CreateFrom(ctx, key, bytes.NewReader(data))
}

// CreateFrom implements Store.
func (d *Dir) CreateFrom(ctx context.Context, key string, r io.Reader) (Object, error) {
	if err := begin(ctx, CheckKey, key); err != nil {
		return Object{}, err
	}
	t, err := d.write(ctx, key, r)
	if err != nil {
		return Object{}, err
	}
	defer t.remove()
	return d.link(key, t)
}

func (d *Dir) link(key string, t *temp) (Object, error) {
	if err := d.makeParents(key); err != nil {
		return Object{}, err
	}
	err := d.root.Link(t.name, key)
	if errors.Is(err, fs.ErrNotExist) { // somebody removed directories that this process knew
		d.forgetParents()
		if err := d.makeParents(key); err != nil {
			return Object{}, err
		}
		err = d.root.Link(t.name, key)
	}
	switch {
	case errors.Is(err, fs.ErrExist):
		if info, err := d.root.Stat(key); err == nil && info.IsDir() {
			return Object{}, &fault.BadInput{Detail: fmt.Sprintf("create %s: other keys begin with %s/, a directory cannot hold both", key, key)}
		}
		return Object{}, &fault.Exists{Key: key}
	case err != nil:
		return Object{}, ioError("create "+key, err)
	}
	return d.named(key, t)
}

// named finishes a write whose name stands: the name is made durable, too.
func (d *Dir) named(key string, t *temp) (Object, error) {
	if err := d.syncFolder(parent(key)); err != nil {
		return Object{}, ioError("sync directory of "+key, err)
	}
	o := t.object
	o.Key = key
	t.unname() // before the cache learns of it: this, too, changes the file's change time
	d.etags.learn(t.file, o.ETag)
	return o, nil
}

// Replace implements Store.
func (d *Dir) Replace(ctx context.Context, key, etag string, data []byte) (Object, error) {
	if err := begin(ctx, CheckKey, key); err != nil {
		return Object{}, err
	}
	t, err := d.write(ctx, key, bytes.NewReader(data))
	if err != nil {
		return Object{}, err
	}
	defer t.remove()
	if etag == "" {
		o, err := d.link(key, t)
		if exists := (*fault.Exists)(nil); errors.As(err, &exists) {
			err = &fault.Changed{Key: key}
		}
		return o, err
	}
	unlock, err := d.acquire(ctx)
	if err != nil {
		return Object{}, err
	}
	defer unlock()
	present, err := d.version(ctx, key)
	if err != nil {
		return Object{}, err
	}
	if present != etag {
		return Object{}, &fault.Changed{Key: key}
	}
	if err := d.root.Rename(t.name, key); err != nil {
		return Object{}, ioError("replace "+key, err)
	}
	t.name = "" // it is the object now
	return d.named(key, t)
}

// version is the ETag of what stands, "" for nothing. It is read, not remembered: writes are decided on it.
func (d *Dir) version(ctx context.Context, key string) (string, error) {
	f, _, err := d.open(ctx, key)
	if absent := (*fault.NotFound)(nil); errors.As(err, &absent) {
		return "", nil
	}
	if err != nil {
		return "", err
	}
	defer f.Close()
	h := sha256.New()
	if _, err := io.Copy(h, f); err != nil {
		return "", ioError("read "+key, err)
	}
	return etagOf(h), nil
}

// Delete implements Store.
func (d *Dir) Delete(ctx context.Context, key string) error {
	if err := begin(ctx, CheckKey, key); err != nil {
		return err
	}
	if info, err := d.root.Stat(key); err != nil && absent(err) || err == nil && !info.Mode().IsRegular() {
		return nil
	}
	unlock, err := d.acquire(ctx)
	if err != nil {
		return err
	}
	defer unlock()
	if err := d.root.Remove(key); err != nil && !absent(err) {
		return ioError("delete "+key, err)
	}
	if err := d.syncFolder(parent(key)); err != nil {
		return ioError("sync directory of "+key, err)
	}
	return nil
}

// open opens an object; its ETag is not filled in.
func (d *Dir) open(ctx context.Context, key string) (*os.File, Object, error) {
	if err := begin(ctx, CheckKey, key); err != nil {
		return nil, Object{}, err
	}
	f, err := d.root.OpenFile(key, os.O_RDONLY|nonBlocking, 0)
	if err != nil {
		if absent(err) {
			return nil, Object{}, &fault.NotFound{Key: key}
		}
		return nil, Object{}, ioError("open "+key, err)
	}
	info, err := f.Stat()
	if err != nil {
		f.Close()
		return nil, Object{}, ioError("open "+key, err)
	}
	if !info.Mode().IsRegular() {
		f.Close()
		return nil, Object{}, &fault.NotFound{Key: key}
	}
	return f, Object{Key: key, Size: info.Size(), Modified: info.ModTime().UTC()}, nil
}

// absent says whether an error means that there is no such file, a file in the place of a directory included.
func absent(err error) bool {
	return errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ENOTDIR) || errors.Is(err, syscall.ENAMETOOLONG)
}

// ioError gives an error of the operating system its type.
func ioError(action string, err error) error {
	switch {
	case errors.Is(err, fs.ErrPermission), errors.Is(err, syscall.EROFS):
		return &fault.AccessDenied{Service: "store", Action: action, Err: err}
	case errors.Is(err, syscall.ENAMETOOLONG), errors.Is(err, syscall.ENOTDIR), errors.Is(err, syscall.EISDIR):
		return &fault.BadInput{Detail: action + ": " + err.Error()}
	}
	return &fault.Unavailable{Service: "store", Action: action, Err: err}
}

func parent(key string) string {
	if at := strings.LastIndexByte(key, '/'); at >= 0 {
		return key[:at]
	}
	return "."
}
