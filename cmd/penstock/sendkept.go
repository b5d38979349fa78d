package main

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"strings"
	"time"
)

// sentState is how far a send came, as its progress file has it.
type sentState struct {
	Version int    `json:"version"`
	Target  string `json:"target"`
	Bytes   int64  `json:"bytes"` // of the input that were taken
	Lines   int    `json:"lines"`
	Events  int    `json:"events"`
	Done    bool   `json:"done"` // the input had come to its end
	// Head and Tail are hashes of the input's first bytes and of the last before Bytes: another file is not gone on with.
	Head string `json:"head"`
	Tail string `json:"tail"`
}

// keptProgress keeps the state in a file; path "" keeps nothing.
type keptProgress struct {
	path  string
	input io.ReadSeeker
	state sentState
	saved time.Time
}

// Limits of what is read of a progress file and of the input.
const (
	maxKept   = 64 << 10
	hashBytes = 64 << 10
	keepEvery = time.Second
)

// kept reads how far an earlier send came and moves the input there.
func (cmd sendCmd) kept(f io.ReadSeeker) (*keptProgress, error) {
	k := &keptProgress{path: cmd.Progress, input: f, state: sentState{Version: 1, Target: cmd.Target}}
	if cmd.Input == "-" { // it cannot be read again
		k.path = ""
		return k, nil
	}
	if k.path == "" {
		k.path = cmd.Input + "." + cmd.stack() + ".sent"
	}
	b, err := readFile(k.path, maxKept)
	switch {
	case errors.Is(err, fs.ErrNotExist) || err == nil && cmd.Again:
		return k, k.save(true)
	case err != nil:
		return nil, err
	}
	var old sentState
	if json.Unmarshal(b, &old) != nil || old.Version != 1 || old.Bytes < 0 || old.Lines < 0 || old.Events < 0 {
		return nil, fmt.Errorf("%s is no progress of a send: remove it, or name another with --progress FILE", k.path)
	}
	if old.Target != cmd.Target {
		return nil, fmt.Errorf("%s is of a send to %.80q: name another with --progress FILE", k.path, old.Target)
	}
	head, tail, err := hashes(f, old.Bytes)
	if err != nil || head != old.Head || tail != old.Tail {
		return nil, fmt.Errorf("%s is not the file that %s is of: --again sends it from its begin, --progress FILE keeps another account", cmd.Input, k.path)
	}
	k.state = old
	return k, k.seek(cmd)
}

// seek moves the input to where the state stands, which is the begin of a line.
func (k *keptProgress) seek(cmd sendCmd) error {
	if k.state.Bytes == 0 {
		_, err := k.input.Seek(0, io.SeekStart)
		return err
	}
	var around [2]byte
	if _, err := k.input.Seek(k.state.Bytes-1, io.SeekStart); err != nil {
		return err
	}
	n, err := io.ReadFull(k.input, around[:])
	if err != nil && n == 0 {
		return err
	}
	if around[0] != '\n' && n == 2 { // the last line had no end
		if around[1] != '\n' {
			return fmt.Errorf("%s has grown within the line that was sent last: --again sends it from its begin", cmd.Input)
		}
		k.state.Bytes++
	}
	_, err = k.input.Seek(k.state.Bytes, io.SeekStart)
	return err
}

// hashes returns those of the first bytes of the input and of the last before at. An input that is shorter is an error.
func hashes(f io.ReadSeeker, at int64) (head, tail string, err error) {
	n := min(at, hashBytes)
	of := func(from int64) (string, error) {
		if _, err := f.Seek(from, io.SeekStart); err != nil {
			return "", err
		}
		h := sha256.New()
		if _, err := io.CopyN(h, f, n); err != nil {
			return "", err
		}
		return hex.EncodeToString(h.Sum(nil)), nil
	}
	if head, err = of(0); err == nil {
		tail, err = of(at - n)
	}
	return head, tail, err
}

// save writes the state, now or if it was not written for a while. The input's place stays as it is.
func (k *keptProgress) save(now bool) error {
	if k.path == "" || !now && time.Since(k.saved) < keepEvery {
		return nil
	}
	place, err := k.input.Seek(0, io.SeekCurrent)
	if err != nil {
		return err
	}
	if k.state.Head, k.state.Tail, err = hashes(k.input, k.state.Bytes); err != nil {
		return fmt.Errorf("read the input again: %w", withoutPath(err))
	}
	if _, err := k.input.Seek(place, io.SeekStart); err != nil {
		return err
	}
	b, err := json.MarshalIndent(k.state, "", "  ")
	if err != nil {
		return err
	}
	if err := writeWhole(k.path, func(w io.Writer) error { _, err := w.Write(append(b, '\n')); return err }); err != nil {
		return fmt.Errorf("%w: keep the progress elsewhere with --progress FILE", err)
	}
	k.saved = time.Now()
	return nil
}

// hint says how to go on.
func (k *keptProgress) hint() string {
	if k.path == "" {
		return ", standard input cannot be resumed"
	}
	return fmt.Sprintf("; the same command goes on from there (%s)", strings.TrimSpace(k.path))
}
