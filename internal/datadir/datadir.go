// Package datadir is Penstock's data directory on one machine: two buckets, the failure destination, the stream, the
// traces and the inputs that were read, beside a marker file that says whose they are.
//
//	penstock.json  the marker
//	archive/       bucket of archive objects, rejects and indexes
//	hours/         bucket of parts, seals, ledgers, manifests and results
//	failure/       bucket of what could not be archived
//	stream/        the stream's database
//	traces/        segment documents
//	runs/          digest and progress of each input
package datadir

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"penstock/internal/hour"
	"penstock/internal/store"
)

// Version is the version of the directory's layout. It rises when an older release could misread or harm it.
const Version = 1

// MarkerName is the file that makes a directory a data directory.
const MarkerName = "penstock.json"

const (
	tempPrefix = "." + MarkerName + "."
	lockName   = "." + MarkerName + ".lock"
	maxMarker  = 1 << 20
)

func folders() []string { return []string{"archive", "hours", "failure", "stream", "traces", "runs"} }

// Marker says whose a data directory is. It is written once.
type Marker struct {
	Version int `json:"version"`
	// Name is the data set's, a part of every key.
	Name string `json:"name"`
	// Format of the events: "json" or "text".
	Format string `json:"format"`
	// Split is "lines" if each line of a record is an event, else "".
	Split string `json:"split,omitempty"`
}

func (m Marker) check() error {
	if _, err := hour.NewKeys(m.Name); err != nil {
		return err
	}
	if m.Format != "json" && m.Format != "text" {
		return fmt.Errorf("format %.40q: want json or text", m.Format)
	}
	if m.Split != "" && m.Split != "lines" {
		return fmt.Errorf("split %.40q: want lines or nothing", m.Split)
	}
	return nil
}

// NotData says that a path is no data directory.
type NotData struct {
	Path   string
	Detail string // why, "" if it only lacks the marker
}

func (e *NotData) Error() string {
	s := e.Path + " is not a Penstock data directory"
	if e.Detail != "" {
		s += " (" + e.Detail + ")"
	}
	return fmt.Sprintf("%s: make one with `penstock run --data %s`", s, e.Path)
}

// NotEmpty says that Init was asked to make a data directory of one that holds other files.
type NotEmpty struct {
	Path  string
	Found string // one of the files
}

func (e *NotEmpty) Error() string {
	return fmt.Sprintf("%s holds other files (%s): name an empty directory, or one that does not exist", e.Path, e.Found)
}

// Exists says that the path already is a data directory.
type Exists struct{ Path string }

func (e *Exists) Error() string { return e.Path + " is a Penstock data directory already" }

// Init makes a data directory of path, which is absent or empty. The marker comes last and at once: a directory that has
// it is whole, and of two that race one gets *Exists. What a died Init left does not count. Version is filled in.
func Init(path string, m Marker) error {
	if err := m.check(); err != nil {
		return fmt.Errorf("make data directory %s: %w", path, err)
	}
	m.Version = Version
	if err := os.MkdirAll(path, 0o777); err != nil {
		return fmt.Errorf("make data directory %s: %w", path, reason(err))
	}
	if err := empty(path); err != nil {
		return err
	}
	for _, name := range folders() {
		if err := os.Mkdir(filepath.Join(path, name), 0o777); err != nil && !errors.Is(err, fs.ErrExist) {
			return fmt.Errorf("make data directory %s: %w", path, reason(err))
		}
	}
	b, err := json.MarshalIndent(m, "", "  ")
	if err != nil {
		return fmt.Errorf("make data directory %s: %w", path, err)
	}
	if err := createMarker(path, append(b, '\n')); err != nil {
		if errors.Is(err, fs.ErrExist) {
			return &Exists{path}
		}
		return fmt.Errorf("make data directory %s: %w", path, reason(err))
	}
	return nil
}

// empty says whether nothing but what Init makes stands in path.
func empty(path string) error {
	entries, err := os.ReadDir(path)
	if err != nil {
		return fmt.Errorf("make data directory %s: %w", path, reason(err))
	}
	for _, e := range entries {
		switch name := e.Name(); {
		case name == MarkerName:
			return &Exists{path}
		case strings.HasPrefix(name, tempPrefix) || name == "lost+found":
			continue
		case e.IsDir() && slices.Contains(folders(), name):
			within, err := os.ReadDir(filepath.Join(path, name))
			if err != nil {
				return fmt.Errorf("make data directory %s: %w", path, reason(err))
			}
			if len(within) == 0 {
				continue
			}
		}
		if _, err := os.Lstat(filepath.Join(path, MarkerName)); err == nil {
			return &Exists{path}
		}
		return &NotEmpty{path, e.Name()}
	}
	return nil
}

// createMarker writes the marker durably and only then gives it its name, which must be free.
func createMarker(path string, b []byte) error {
	f, err := os.CreateTemp(path, tempPrefix+"*")
	if err != nil {
		return err
	}
	defer os.Remove(f.Name())
	_, err = f.Write(b)
	err = errors.Join(err, f.Chmod(0o644), f.Sync(), f.Close())
	if err != nil {
		return err
	}
	if err := os.Link(f.Name(), filepath.Join(path, MarkerName)); err != nil {
		return err
	}
	d, err := os.Open(path)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

// Options of Open.
type Options struct {
	// Now stamps objects; see store.DirOptions. Required.
	Now func() time.Time
	// NoSync leaves out every fsync; see store.DirOptions.
	NoSync bool
}

// Dir is an open data directory.
type Dir struct {
	Path                   string
	Marker                 Marker
	Keys                   hour.Keys
	Archive, Hours, Failed *store.Dir
}

// Open opens a data directory. The error is a *NotData, *hour.NewerVersion, or the store's.
func Open(path string, options Options) (*Dir, error) {
	m, err := readMarker(path)
	if err != nil {
		return nil, err
	}
	d := &Dir{Path: path, Marker: *m}
	if d.Keys, err = hour.NewKeys(m.Name); err != nil {
		return nil, &NotData{path, err.Error()}
	}
	o := store.DirOptions{Now: options.Now, NoSync: options.NoSync}
	for name, to := range map[string]**store.Dir{"archive": &d.Archive, "hours": &d.Hours, "failure": &d.Failed} {
		if *to, err = store.OpenDir(filepath.Join(path, name), o); err != nil {
			return nil, errors.Join(err, d.Close())
		}
	}
	return d, nil
}

func readMarker(path string) (*Marker, error) {
	f, err := os.Open(filepath.Join(path, MarkerName))
	if err != nil {
		return nil, absent(path, err)
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, maxMarker))
	if err != nil {
		return nil, absent(path, err)
	}
	var m Marker
	if err := json.Unmarshal(b, &m); err != nil {
		return nil, &NotData{path, MarkerName + " is damaged"}
	}
	if m.Version > Version {
		return nil, &hour.NewerVersion{Kind: "data directory " + path, Have: m.Version, Know: Version}
	}
	if m.Version < 1 {
		return nil, &NotData{path, MarkerName + " has no version"}
	}
	if err := m.check(); err != nil {
		return nil, &NotData{path, MarkerName + ": " + err.Error()}
	}
	return &m, nil
}

// absent says why there is no marker to read.
func absent(path string, err error) error {
	if !errors.Is(err, fs.ErrNotExist) {
		return &NotData{path, reason(err).Error()}
	}
	info, err := os.Stat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return &NotData{path, "it does not exist"}
	case err == nil && !info.IsDir():
		return &NotData{path, "it is a file"}
	}
	return &NotData{path, "it has no " + MarkerName}
}

// reason is an error of the operating system without the path that the message names already.
func reason(err error) error {
	var p *fs.PathError
	var l *os.LinkError
	switch {
	case errors.As(err, &p):
		return p.Err
	case errors.As(err, &l):
		return l.Err
	}
	return err
}

// Close lets go of the directory.
func (d *Dir) Close() error {
	var all error
	for _, s := range []*store.Dir{d.Archive, d.Hours, d.Failed} {
		if s != nil {
			all = errors.Join(all, s.Close())
		}
	}
	return all
}

// Stream is the folder of the stream's database.
func (d *Dir) Stream() string { return filepath.Join(d.Path, "stream") }

// Traces is the folder of traces.
func (d *Dir) Traces() string { return filepath.Join(d.Path, "traces") }

// Runs is the folder of the inputs that were read.
func (d *Dir) Runs() string { return filepath.Join(d.Path, "runs") }
