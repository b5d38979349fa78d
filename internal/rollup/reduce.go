package rollup

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"slices"
)

// Reduce adds up the lines of Map, sorted by key, and writes one line for each
// key: the reducer, and the combiner as well. A line that is none of Map's, or
// out of order, is an error: to leave it out would make a sum wrong. Values
// may come in any order.
func Reduce(r io.Reader, w io.Writer) error {
	in := newLines(r, MaxLine)
	out := bufio.NewWriterSize(w, 16<<10)
	var (
		scan         measures
		key          []byte
		names        []string
		sums         []decimal
		line, number = []byte(nil), 0
		open         bool
	)
	write := func() error {
		line = append(append(line[:0], key...), "\t{"...)
		for i := range sums {
			if i > 0 {
				line = append(line, ',')
			}
			line = append(append(append(line, '"'), names[i]...), `":`...)
			line = sums[i].append(line)
		}
		line = append(line, "}\n"...)
		if _, err := out.Write(line); err != nil {
			return fmt.Errorf("write sums: %w", err)
		}
		return nil
	}
	for {
		text, oversized, err := in.next()
		if err == io.EOF {
			break
		}
		if err != nil {
			return fmt.Errorf("read groups: %w", err)
		}
		number++
		k, value, found := bytes.Cut(text, []byte{'\t'})
		if oversized || !found || !scan.read(value) {
			return fmt.Errorf("read groups: line %d is not key TAB measures", number)
		}
		if open && !bytes.Equal(k, key) {
			if bytes.Compare(k, key) < 0 {
				return fmt.Errorf("read groups: line %d is not in the order of keys", number)
			}
			if err := write(); err != nil {
				return err
			}
			open = false
		}
		if !open {
			open = true
			key = append(key[:0], k...)
			names = append(names[:0], scan.names...)
			sums = append(sums[:0], scan.values...)
			continue
		}
		if !slices.Equal(names, scan.names) {
			return fmt.Errorf("read groups: line %d has other measures than the lines before it", number)
		}
		for i := range sums {
			sums[i].add(scan.values[i])
		}
	}
	if open {
		if err := write(); err != nil {
			return err
		}
	}
	if err := out.Flush(); err != nil {
		return fmt.Errorf("write sums: %w", err)
	}
	return nil
}

// measures reads the value of a line.
type measures struct {
	names  []string
	values []decimal
}

// read reads {"name":number,...} exactly as Map and Reduce write it.
func (m *measures) read(b []byte) bool {
	m.values = m.values[:0]
	if len(b) < 2 || b[0] != '{' || b[len(b)-1] != '}' {
		return false
	}
	b = b[1 : len(b)-1]
	for i := 0; ; i++ {
		if len(b) == 0 || b[0] != '"' || i >= MaxFields {
			return false
		}
		name, rest, ok := bytes.Cut(b[1:], []byte(`":`))
		if !ok {
			return false
		}
		if i < len(m.names) && m.names[i] != string(name) {
			m.names = m.names[:i:i]
		}
		if i >= len(m.names) {
			if !validName(string(name)) {
				return false
			}
			m.names = append(m.names, string(name))
		}
		raw, more, again := bytes.Cut(rest, []byte{','})
		d, ok := readSum(raw)
		if !ok {
			return false
		}
		m.values = append(m.values, d)
		if !again {
			m.names = m.names[:i+1]
			return true
		}
		b = more
	}
}
