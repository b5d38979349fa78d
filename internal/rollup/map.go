package rollup

import (
	"bufio"
	"fmt"
	"io"
	"maps"
	"slices"
)

// How much a mapper holds before it writes out what it has.
const (
	maxRows = 1 << 16
	maxKeys = 32 << 20 // bytes
)

// row is one group that a mapper holds.
type row struct {
	key   string
	cells []decimal
}

// spelling is a tuple of values as they came; several may belong to one row.
type spelling struct {
	*row
	cut, outOfRange int64 // how many of the values are
}

// mapper counts lines by group.
type mapper struct {
	spec     Spec
	scanner  scanner
	group    []int // slots
	cells    []int // slots, one for each measure; -1 counts always
	rows     map[string]*row
	raw      map[string]*spelling // by the bytes of the values
	keyBytes int
	scratch  []byte
	counters Counters
	w        *bufio.Writer
}

// Map reads events, one a line, and writes a line for each group that it met,
// sorted by key: once at the end, and whenever it holds too many groups. What
// it could not use is added to c, which may be nil. It returns the errors of
// r, w and spec; no content of a line is an error.
func Map(r io.Reader, w io.Writer, spec Spec, c Counters) error {
	if err := spec.Validate(); err != nil {
		return err
	}
	m := &mapper{spec: spec, counters: c, w: bufio.NewWriterSize(w, 16<<10)}
	m.scanner.root.slot = -1
	for _, path := range spec.Group {
		m.group = append(m.group, m.scanner.slot(path))
	}
	for _, measure := range spec.Measures {
		slot := -1
		if path := measure.Sum + measure.Where; path != "" {
			slot = m.scanner.slot(path)
		}
		m.cells = append(m.cells, slot)
	}
	m.reset()
	in := newLines(r, MaxLine)
	for {
		line, oversized, err := in.next()
		switch {
		case err == io.EOF:
			if err := m.write(); err != nil {
				return err
			}
			if err := m.w.Flush(); err != nil {
				return fmt.Errorf("write groups: %w", err)
			}
			return nil
		case err != nil:
			return fmt.Errorf("read events: %w", err)
		case oversized:
			c.Add(Oversized, 1)
		case !spec.Text && !m.scanner.scan(line):
			c.Add(Malformed, 1)
		default:
			m.count()
		}
		if len(m.raw) >= maxRows || m.keyBytes >= maxKeys {
			if err := m.write(); err != nil {
				return err
			}
		}
	}
}

func (m *mapper) reset() {
	m.rows, m.raw, m.keyBytes = map[string]*row{}, map[string]*spelling{}, 0
}

// count adds the line that was scanned last.
func (m *mapper) count() {
	// No valid JSON has a zero byte, so this is one text for one tuple.
	m.scratch = m.scratch[:0]
	for _, slot := range m.group {
		m.scratch = append(m.scratch, m.scanner.tokens[slot].raw...)
		m.scratch = append(m.scratch, 0)
	}
	r, ok := m.raw[string(m.scratch)]
	if !ok {
		r = m.newSpelling()
	}
	m.counters.Add(Cut, r.cut)
	m.counters.Add(OutOfRange, r.outOfRange)
	for i := range m.spec.Measures {
		measure := &m.spec.Measures[i]
		if measure.Sum == "" {
			if slot := m.cells[i]; slot < 0 || m.scanner.tokens[slot].is(measure.Is) {
				r.cells[i].small++
			}
			continue
		}
		switch t := m.scanner.tokens[m.cells[i]]; t.kind {
		case absent:
		case number:
			if d, ok := parseDecimal(t.raw); ok {
				r.cells[i].add(d)
			} else {
				m.counters.Add(OutOfRange, 1)
			}
		default:
			m.counters.Add(NotANumber, 1)
		}
	}
}

// newSpelling finds the row of a tuple that has not been met as it came.
func (m *mapper) newSpelling() *spelling {
	found := &spelling{}
	key := []byte{'{'}
	for i, slot := range m.group {
		if i > 0 {
			key = append(key, ',')
		}
		key = append(appendText(key, m.spec.Group[i]), ':')
		key = found.appendValue(key, m.scanner.tokens[slot])
	}
	key = append(key, '}')
	r, ok := m.rows[string(key)]
	if !ok {
		r = &row{key: string(key), cells: make([]decimal, len(m.spec.Measures))}
		m.rows[r.key] = r
		m.keyBytes += len(r.key)
	}
	found.row = r
	m.raw[string(m.scratch)] = found
	m.keyBytes += len(m.scratch)
	return found
}

// write writes all rows and forgets them.
func (m *mapper) write() error {
	var b []byte
	for _, key := range slices.Sorted(maps.Keys(m.rows)) {
		b = append(append(b[:0], key...), "\t{"...)
		for i, d := range m.rows[key].cells {
			if i > 0 {
				b = append(b, ',')
			}
			b = append(append(append(b, '"'), m.spec.Measures[i].Name...), `":`...)
			b = d.append(b)
		}
		b = append(b, "}\n"...)
		if _, err := m.w.Write(b); err != nil {
			return fmt.Errorf("write groups: %w", err)
		}
	}
	m.reset()
	return nil
}
