package env

import (
	"errors"
	"testing"

	"penstock/internal/fault"
)

func of(m map[string]string) *Env {
	return New(func(name string) (string, bool) { v, ok := m[name]; return v, ok })
}

func TestEverythingWrongIsSaidAtOnce(t *testing.T) {
	e := of(map[string]string{"EMPTY": "", "N": "secret", "BIG": "101"})
	e.Need("A")
	e.Need("EMPTY")
	if n := e.Int("N", 7, 1, 100); n != 7 {
		t.Error(n)
	}
	e.Int("BIG", 7, 1, 100)
	err := e.Err()
	if !errors.As(err, new(*fault.BadInput)) || err.Error() != "environment: missing A, EMPTY; N is not a whole number from 1 to 100; BIG is not a whole number from 1 to 100" {
		t.Error(err)
	}
}

func TestWhatIsSetIsReturned(t *testing.T) {
	e := of(map[string]string{"A": "a", "B": "", "N": "42"})
	if e.Need("A") != "a" || e.Get("A", "x") != "a" || e.Get("B", "x") != "x" || e.Get("C", "y") != "y" || e.Int("N", 7, 1, 100) != 42 || e.Int("B", 7, 1, 100) != 7 {
		t.Error("wrong values")
	}
	if err := e.Err(); err != nil {
		t.Error(err)
	}
}
