// Package env reads a function's environment, and says all that is wrong with it at once.
package env

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"penstock/internal/fault"
)

// Env reads variables and remembers what is missing or malformed. It is not safe for concurrent use.
type Env struct {
	lookup    func(name string) (string, bool)
	missing   []string
	malformed []string
}

// New returns a reader of variables; lookup is os.LookupEnv outside of tests.
func New(lookup func(name string) (string, bool)) *Env { return &Env{lookup: lookup} }

// Need returns a variable that must be set and not be empty.
func (e *Env) Need(name string) string {
	v, _ := e.lookup(name)
	if v == "" && !slices.Contains(e.missing, name) {
		e.missing = append(e.missing, name)
	}
	return v
}

// Get returns a variable, or fallback where it is not set or empty.
func (e *Env) Get(name, fallback string) string {
	if v, _ := e.lookup(name); v != "" {
		return v
	}
	return fallback
}

// Int returns a whole number from low to high, or fallback where it is not set or empty.
func (e *Env) Int(name string, fallback, low, high int) int {
	v, _ := e.lookup(name)
	if v == "" {
		return fallback
	}
	n, err := strconv.Atoi(v)
	if err != nil || n < low || n > high {
		e.malformed = append(e.malformed, fmt.Sprintf("%s is not a whole number from %d to %d", name, low, high))
		return fallback
	}
	return n
}

// Err returns a *fault.BadInput that names every variable that is missing or malformed, never a value; or nil.
func (e *Env) Err() error {
	var parts []string
	if len(e.missing) > 0 {
		parts = append(parts, "missing "+strings.Join(e.missing, ", "))
	}
	parts = append(parts, e.malformed...)
	if len(parts) == 0 {
		return nil
	}
	return &fault.BadInput{Detail: "environment: " + strings.Join(parts, "; ")}
}
