package local

import (
	"context"
	"errors"
	"path/filepath"
	"time"

	"penstock/internal/fault"
	"penstock/internal/hadoop"
	"penstock/internal/hour"
	"penstock/internal/ledger"
	"penstock/internal/operate"
)

// Mark is what the environment of each process carries that a run in the data directory path starts: see hadoop.Marked.
func Mark(path string) string {
	if abs, err := filepath.Abs(path); err == nil {
		path = abs
	}
	if real, err := filepath.EvalSymlinks(path); err == nil {
		path = real
	}
	return path
}

// Cancel ends the open runs of an hour whose process is gone: the session holds the directory, so that nobody works on it.
// Processes of steps that it left behind, of whatever hour, are killed; how many there were is returned.
func (s *Session) Cancel(ctx context.Context, h hour.Hour, cause string) (*operate.Cancelled, int, error) {
	killed, err := hadoop.KillMarked(ctx, Mark(s.dir.Path))
	blind := errors.Is(err, errors.ErrUnsupported)
	if err != nil && !blind {
		return nil, killed, err
	}
	l := &ledger.Ledger{Store: s.dir.Hours, Keys: s.dir.Keys, Now: s.Now}
	state, err := l.Read(ctx, h)
	if err != nil {
		return nil, killed, err
	}
	if n := len(state.Entries); n > 0 { // a process that died was ahead of what it saved
		if at := state.Entries[n-1].At.Time; at.After(s.Now()) {
			l.Now = func() time.Time { return at }
		}
	}
	out, err := (&operate.Operator{Ledger: l, Executions: dead{}}).Cancel(ctx, operate.Cancel{Hour: h, Stack: Stack, Cause: cause})
	if err == nil && blind {
		out.Open = append(out.Open, "this system does not tell whose processes run: a step may be left")
	}
	return out, killed, err
}

// dead are the executions of a process that is gone.
type dead struct{}

func (dead) Describe(context.Context, string) (string, bool, error) {
	return fault.StatusAbsent, true, nil
}
func (dead) Start(context.Context, string, hour.Input) error { return nil }
func (dead) Stop(context.Context, string, string) error      { return nil }
