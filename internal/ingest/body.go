package ingest

import (
	"bytes"
	"errors"
	"fmt"
	"unicode/utf8"

	"penstock/internal/jsonwalk"
)

// Limits of a request.
const (
	// MaxBody is the largest body, in bytes, once it is decoded. A synchronous invoke carries 6 291 456 bytes of escaped
	// JSON.
	MaxBody = 4 << 20
	// MaxEvents is how many events a body may hold.
	MaxEvents = 20_000
)

// parsed is a body's events, slices of it, and the line on which each begins.
type parsed struct {
	events [][]byte
	lines  []int
}

func (p *parsed) add(line int, event []byte) {
	p.events, p.lines = append(p.events, event), append(p.lines, line)
}

// refusal is why a body is not taken as a whole.
type refusal struct {
	status int
	line   int // from 1; 0 when it is about the whole body
	reason string
}

func refuse(line int, format string, args ...any) *refusal {
	return &refusal{400, line, fmt.Sprintf(format, args...)}
}

// parseJSON takes a body apart: one object, an array of objects, or an object a line.
func parseJSON(body []byte) (p parsed, r *refusal) {
	trimmed := bytes.TrimLeft(body, " \t\r\n")
	if len(trimmed) == 0 {
		return p, refuse(0, "the body is empty")
	}
	if i := firstInvalid(body); i >= 0 {
		return p, refuse(lineOf(body, i), "not valid UTF-8")
	}
	if trimmed[0] == '[' {
		return parseArray(body)
	}
	err := jsonwalk.Valid(body)
	if err == nil {
		line := lineOf(body, len(body)-len(trimmed))
		if trimmed[0] != '{' {
			return p, refuse(line, "not a JSON object")
		}
		p.add(line, bytes.TrimRight(trimmed, " \t\r\n"))
		return p, nil
	}
	return parseLines(body, func(line []byte) string {
		if err := jsonwalk.Valid(line); err != nil {
			return err.Error()
		}
		if line[0] != '{' {
			return "not a JSON object"
		}
		return ""
	})
}

func parseArray(body []byte) (p parsed, r *refusal) {
	w := jsonwalk.New(body)
	full := errors.New("full")
	line, counted := 1, 0
	err := w.Array(func() error {
		if len(p.events) == MaxEvents {
			return full
		}
		c, rest := w.Peek(), w.Rest()
		line += bytes.Count(body[counted:w.Offset()], []byte("\n"))
		counted = w.Offset()
		if c != '{' && r == nil {
			r = refuse(line, "an element of the array is not a JSON object")
		}
		if err := w.Value(); err != nil {
			return err
		}
		p.add(line, rest[:len(rest)-len(w.Rest())])
		return nil
	})
	if err == nil {
		err = w.End()
	}
	switch {
	case err == full:
		return p, tooMany()
	case err != nil:
		return p, refuse(lineOf(body, w.Offset()), "%v", err)
	case r == nil && len(p.events) == 0:
		return p, refuse(0, "the array is empty")
	}
	return p, r
}

func tooMany() *refusal { return &refusal{413, 0, fmt.Sprintf("more than %d events", MaxEvents)} }

// parseText takes a body apart into lines of text.
func parseText(body []byte) (parsed, *refusal) {
	return parseLines(body, func(line []byte) string {
		if bytes.IndexByte(line, '\r') >= 0 {
			return "a carriage return within the line"
		}
		return ""
	})
}

// parseLines takes lines that are not blank; bad says what is wrong with one.
func parseLines(body []byte, bad func(line []byte) string) (p parsed, r *refusal) {
	n := 0
	for line := range bytes.Lines(body) {
		n++
		event := bytes.TrimSuffix(bytes.TrimSuffix(line, []byte("\n")), []byte("\r"))
		if len(bytes.TrimSpace(event)) == 0 {
			continue
		}
		if len(p.events) == MaxEvents {
			return p, tooMany()
		}
		if reason := bad(bytes.TrimLeft(event, " \t")); reason != "" {
			return p, refuse(n, "%s", reason)
		}
		p.add(n, event)
	}
	if len(p.events) == 0 {
		return p, refuse(0, "the body is empty")
	}
	return p, nil
}

// firstInvalid returns where body stops being UTF-8, -1 if it does not.
func firstInvalid(body []byte) int {
	if utf8.Valid(body) {
		return -1
	}
	for i := 0; i < len(body); {
		r, n := utf8.DecodeRune(body[i:])
		if r == utf8.RuneError && n <= 1 {
			return i
		}
		i += n
	}
	return -1
}

func lineOf(body []byte, offset int) int {
	return 1 + bytes.Count(body[:min(offset, len(body))], []byte("\n"))
}
