package hadoop

import (
	"bufio"
	"bytes"
	"container/heap"
	"io"
	"slices"
)

// sorter sorts lines by key and then by value, in bounded memory.
type sorter struct {
	dir    string
	limit  int // bytes of lines held before they are spilled
	data   []byte
	places []place
	runs   []*spool // sorted
	sorted bool     // data is
}

// place is where a line lies in data; key is the length of its key.
type place struct{ begin, key, end int }

// add takes a line without its line end.
func (s *sorter) add(line []byte) error {
	if len(s.data) > 0 && len(s.data)+len(line) > s.limit {
		if err := s.spill(); err != nil {
			return err
		}
	}
	key := bytes.IndexByte(line, '\t')
	if key < 0 {
		key = len(line)
	}
	begin := len(s.data)
	s.data = append(s.data, line...)
	if key == len(line) { // Hadoop writes the TAB of an empty value
		s.data = append(s.data, '\t')
	}
	s.places = append(s.places, place{begin, key, len(s.data)})
	s.sorted = false
	return nil
}

// compare orders two lines: by key, then by value.
func compare(a, b []byte) int {
	i, j := bytes.IndexByte(a, '\t'), bytes.IndexByte(b, '\t')
	if c := bytes.Compare(a[:i], b[:j]); c != 0 {
		return c
	}
	return bytes.Compare(a[i:], b[j:])
}

func (s *sorter) sort() {
	if s.sorted {
		return
	}
	slices.SortFunc(s.places, func(a, b place) int {
		if c := bytes.Compare(s.data[a.begin:a.begin+a.key], s.data[b.begin:b.begin+b.key]); c != 0 {
			return c
		}
		return bytes.Compare(s.data[a.begin+a.key:a.end], s.data[b.begin+b.key:b.end])
	})
	s.sorted = true
}

func (s *sorter) spill() error {
	s.sort()
	run := &spool{dir: s.dir}
	s.runs = append(s.runs, run)
	w := bufio.NewWriterSize(run, 64<<10)
	for _, p := range s.places {
		w.Write(s.data[p.begin:p.end])
		w.WriteByte('\n')
	}
	s.data, s.places = s.data[:0], s.places[:0]
	return w.Flush()
}

// open returns all lines in order, each with its line end. It may be called
// again once the reader before has been read.
func (s *sorter) open() io.Reader {
	s.sort()
	m := &merge{}
	for _, run := range s.runs {
		r := bufio.NewReaderSize(run.open(), 64<<10)
		m.push(func() ([]byte, error) {
			line, err := r.ReadBytes('\n')
			if err == io.EOF && len(line) > 0 {
				err = io.ErrUnexpectedEOF
			}
			if err != nil {
				return nil, err
			}
			return line[:len(line)-1], nil
		})
	}
	next := 0
	m.push(func() ([]byte, error) {
		if next == len(s.places) {
			return nil, io.EOF
		}
		p := s.places[next]
		next++
		return s.data[p.begin:p.end], nil
	})
	return m
}

func (s *sorter) close() {
	for _, run := range s.runs {
		run.close()
	}
	*s = sorter{dir: s.dir, limit: s.limit}
}

// merge reads several sorted sources as one.
type merge struct {
	sources []source
	line    []byte // room for one
	pending []byte // what of line is to be read
	err     error
}

type source struct {
	line []byte
	next func() ([]byte, error)
}

func (m *merge) Len() int           { return len(m.sources) }
func (m *merge) Less(i, j int) bool { return compare(m.sources[i].line, m.sources[j].line) < 0 }
func (m *merge) Swap(i, j int)      { m.sources[i], m.sources[j] = m.sources[j], m.sources[i] }
func (m *merge) Push(x any)         { m.sources = append(m.sources, x.(source)) }
func (m *merge) Pop() any {
	last := m.sources[len(m.sources)-1]
	m.sources = m.sources[:len(m.sources)-1]
	return last
}

func (m *merge) push(next func() ([]byte, error)) {
	switch line, err := next(); {
	case err == nil:
		heap.Push(m, source{line, next})
	case err != io.EOF:
		m.err = err
	}
}

// Read implements io.Reader.
func (m *merge) Read(p []byte) (int, error) {
	n := 0
	for n < len(p) {
		if len(m.pending) == 0 {
			if m.err != nil || len(m.sources) == 0 {
				break
			}
			first := &m.sources[0]
			m.line = append(append(m.line[:0], first.line...), '\n')
			m.pending = m.line
			line, err := first.next()
			switch {
			case err == nil:
				first.line = line
				heap.Fix(m, 0)
			case err == io.EOF:
				heap.Pop(m)
			default:
				m.err = err
			}
		}
		c := copy(p[n:], m.pending)
		n += c
		m.pending = m.pending[c:]
	}
	if n > 0 || len(p) == 0 {
		return n, nil
	}
	if m.err != nil {
		return 0, m.err
	}
	return 0, io.EOF
}
