package hadoop

import (
	"bytes"
	"fmt"
	"strconv"
	"strings"
)

// maxOutputLine bounds a line that a program writes.
const maxOutputLine = 64 << 20

// splitter calls emit for each line that is written to it, without the line
// end. flush hands out a last line without one.
type splitter struct {
	emit func(line []byte) error
	rest []byte
}

func (s *splitter) Write(p []byte) (int, error) {
	n := len(p)
	for {
		i := bytes.IndexByte(p, '\n')
		if i < 0 {
			break
		}
		line := p[:i]
		if len(s.rest) > 0 {
			s.rest = append(s.rest, line...)
			line = s.rest
		}
		if err := s.emit(line); err != nil {
			return 0, err
		}
		s.rest, p = s.rest[:0], p[i+1:]
	}
	if len(s.rest)+len(p) > maxOutputLine {
		return 0, fmt.Errorf("a line of output is longer than %d bytes", maxOutputLine)
	}
	s.rest = append(s.rest, p...)
	return n, nil
}

func (s *splitter) flush() error {
	if len(s.rest) == 0 {
		return nil
	}
	err := s.emit(s.rest)
	s.rest = s.rest[:0]
	return err
}

// maxLog is how many bytes of a task's standard error are kept: the last.
const maxLog = 64 << 10

// stderr takes what a program writes to standard error: counters are added up,
// status is dropped, the rest is the log.
type stderr struct {
	log      []byte
	cut      bool
	counters map[string]map[string]int64
	split    splitter
}

func newStderr() *stderr {
	s := &stderr{counters: map[string]map[string]int64{}}
	s.split.emit = s.line
	return s
}

func (s *stderr) Write(p []byte) (int, error) {
	if len(s.split.rest) > maxLog {
		// A program that never ends its line must not fill the memory.
		_ = s.split.flush()
	}
	return s.split.Write(p)
}

const maxCounters = 120 // as Hadoop's default

func (s *stderr) line(line []byte) error {
	text := string(line)
	if strings.HasPrefix(text, "reporter:status:") {
		return nil
	}
	if group, name, n, ok := parseCounter(text); ok {
		if s.counters[group] == nil {
			if len(s.counters) >= maxCounters {
				return nil
			}
			s.counters[group] = map[string]int64{}
		}
		if _, known := s.counters[group][name]; known || len(s.counters[group]) < maxCounters {
			s.counters[group][name] += n
		}
		return nil
	}
	s.log = append(append(s.log, line...), '\n')
	if len(s.log) > 2*maxLog {
		s.log = append(s.log[:0], s.log[len(s.log)-maxLog:]...)
		s.cut = true
	}
	return nil
}

// parseCounter reads a line such as reporter:counter:group,name,3.
func parseCounter(line string) (group, name string, n int64, ok bool) {
	rest, found := strings.CutPrefix(strings.TrimSuffix(line, "\r"), "reporter:counter:")
	parts := strings.Split(rest, ",")
	if !found || len(parts) != 3 {
		return "", "", 0, false
	}
	n, err := strconv.ParseInt(parts[2], 10, 64)
	return parts[0], parts[1], n, err == nil
}
