package local

import (
	"context"
	"errors"
	"slices"

	"penstock/internal/fault"
)

// names are the functions of this machine.
var names = []string{"archive", "claim", "compact", "due", "findcluster", "judge", "prepare", "publish", "recordfailure", "seal"}

// FunctionNames returns the names of the functions that this machine has, in order.
func FunctionNames() []string { return slices.Clone(names) }

// HasFunction says whether this machine has a function of that name.
func HasFunction(name string) bool { return slices.Contains(names, name) }

// Invoke calls one function by hand, on the clock where the directory's last run left it. The answer and the error are
// the function's; one that does not exist is a *fault.BadInput, a directory without a run a *fault.NotFound. The clock
// stays where it is: work by hand takes no time.
func (s *Session) Invoke(ctx context.Context, function string, payload []byte, j Job) (out []byte, err error) {
	if s.saved == nil {
		return nil, &fault.NotFound{Key: "a run of " + s.dir.Path}
	}
	p, err := s.pipeline(s.saved.Clock.Time, j)
	if err != nil {
		return nil, err
	}
	defer p.EMR.Close()
	failed := s.clock.Run(func() { out, err = p.invoke(ctx, function, "", payload) })
	return out, errors.Join(err, failed)
}
