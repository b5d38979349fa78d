package store

import (
	"context"
	"crypto/sha256"
	"io"
	"io/fs"
	"iter"
	"os"
	"slices"
	"strings"
	"sync"
)

// List implements Store. It reads one directory at a time, when it comes to it: what is written meanwhile may or may not
// be listed.
func (d *Dir) List(ctx context.Context, prefix string) iter.Seq2[Object, error] {
	return func(yield func(Object, error) bool) {
		for key, err := range d.Names(ctx, prefix) {
			if err != nil {
				yield(Object{}, err)
				return
			}
			o, err := d.describe(key)
			switch {
			case err != nil && absent(err): // deleted meanwhile
			case err != nil:
				yield(Object{}, ioError("list "+key, err))
				return
			case !yield(o, nil):
				return
			}
		}
	}
}

// Names is List without a look at the objects, whose ETags have to be read: for who wants to know which there are.
func (d *Dir) Names(ctx context.Context, prefix string) iter.Seq2[string, error] {
	return func(yield func(string, error) bool) {
		if err := begin(ctx, CheckPrefix, prefix); err != nil {
			yield("", err)
			return
		}
		folder := "."
		if at := strings.LastIndexByte(prefix, '/'); at >= 0 {
			folder = prefix[:at]
		}
		d.walk(ctx, folder, prefix, yield)
	}
}

// walk yields what folder holds under prefix and returns false when the listing is to end.
func (d *Dir) walk(ctx context.Context, folder, prefix string, yield func(string, error) bool) bool {
	names, err := d.names(folder, prefix)
	if err != nil {
		yield("", ioError("list "+folder, err))
		return false
	}
	for _, name := range names {
		if err := ctx.Err(); err != nil {
			yield("", err)
			return false
		}
		if key, ok := strings.CutSuffix(name, "/"); ok {
			if !d.walk(ctx, key, prefix, yield) {
				return false
			}
		} else if !yield(name, nil) {
			return false
		}
	}
	return true
}

// names returns the keys directly in a folder that begin with prefix, and with a slash behind them the folders that may
// hold such keys, in the order of keys.
func (d *Dir) names(folder, prefix string) ([]string, error) {
	f, err := d.root.Open(folder)
	if err != nil {
		if absent(err) {
			return nil, nil
		}
		return nil, err
	}
	defer f.Close()
	var names []string
	for {
		entries, err := f.ReadDir(4096)
		for _, e := range entries {
			name := e.Name()
			if folder != "." {
				name = folder + "/" + name
			}
			if e.IsDir() {
				name += "/"
			} else if !e.Type().IsRegular() {
				continue
			}
			if strings.HasPrefix(name, prefix) && CheckKey(strings.TrimSuffix(name, "/")) == nil {
				names = append(names, name)
			}
		}
		if err == io.EOF {
			break
		}
		if err != nil {
			if absent(err) { // a file, not a folder
				return nil, nil
			}
			return nil, err
		}
	}
	slices.Sort(names)
	return names, nil
}

func (d *Dir) describe(key string) (Object, error) {
	info, err := d.root.Lstat(key)
	if err != nil {
		return Object{}, err
	}
	if !info.Mode().IsRegular() {
		return Object{}, fs.ErrNotExist
	}
	etag, ok := d.etags.known(info)
	if !ok {
		f, err := d.root.OpenFile(key, os.O_RDONLY|nonBlocking, 0)
		if err != nil {
			return Object{}, err
		}
		defer f.Close()
		if info, err = f.Stat(); err != nil {
			return Object{}, err
		}
		if etag, err = d.etags.of(f); err != nil {
			return Object{}, err
		}
	}
	return Object{Key: key, Size: info.Size(), ETag: etag, Modified: info.ModTime().UTC()}, nil
}

// etagCache remembers the ETag of file versions that the process has written or read, so that a listing need not read
// every body. A version is known by inode, size, modification time (which the store sets) and change time (which only
// the kernel sets): the name does not matter, and a file that was replaced or written to is another version.
type etagCache struct {
	mu    sync.Mutex
	etags map[fileVersion]string
}

type fileVersion struct {
	device, inode uint64
	size          int64
	modified      int64 // Unix nanoseconds
	changed       int64
}

// maxCached versions of about 150 bytes each are remembered before the cache begins again.
const maxCached = 200_000

func (c *etagCache) known(info fs.FileInfo) (string, bool) {
	v, ok := versionOf(info)
	if !ok {
		return "", false
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	etag, ok := c.etags[v]
	return etag, ok
}

// learn is told the ETag of a file that does not change any more.
func (c *etagCache) learn(f *os.File, etag string) {
	info, err := f.Stat()
	if err != nil {
		return
	}
	c.put(info, etag)
}

func (c *etagCache) put(info fs.FileInfo, etag string) {
	v, ok := versionOf(info)
	if !ok {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.etags == nil || len(c.etags) >= maxCached {
		c.etags = map[fileVersion]string{}
	}
	c.etags[v] = etag
}

// of returns the ETag of an open file, and leaves its offset alone.
func (c *etagCache) of(f *os.File) (string, error) {
	info, err := f.Stat()
	if err != nil {
		return "", ioError("stat "+f.Name(), err)
	}
	if etag, ok := c.known(info); ok {
		return etag, nil
	}
	h := sha256.New()
	if _, err := io.Copy(h, io.NewSectionReader(f, 0, info.Size())); err != nil {
		return "", ioError("read "+f.Name(), err)
	}
	etag := etagOf(h)
	c.put(info, etag)
	return etag, nil
}
