package ledger

import (
	"encoding/json"
	"fmt"
	"slices"

	"penstock/internal/fault"
	"penstock/internal/hour"
)

// Run returns run n, or nil.
func (s *State) Run(n int) *Run {
	at, found := slices.BinarySearchFunc(s.Runs, n, func(r *Run, n int) int { return r.N - n })
	if !found {
		return nil
	}
	return s.Runs[at]
}

// RunOf returns the run of an execution, or nil.
func (s *State) RunOf(execution string) *Run {
	for _, r := range s.Runs {
		if r.Execution == execution && execution != "" {
			return r
		}
	}
	return nil
}

// NextRun is the number of the next run.
func (s *State) NextRun() int {
	if len(s.Runs) == 0 {
		return 1
	}
	return s.Runs[len(s.Runs)-1].N + 1
}

// Holder returns the run that holds the hour: it claimed it and is not over. nil if nobody does.
func (s *State) Holder() *Run { return s.holder }

// Open returns the runs that are not over, claimed or not.
func (s *State) Open() []*Run {
	var open []*Run
	for _, r := range s.Runs {
		if !r.over {
			open = append(open, r)
		}
	}
	return open
}

// Published returns the entry that is what readers get, or nil.
func (s *State) Published() *hour.Entry { return s.publication }

// PublishedRevisions returns all revisions that were ever published, in the order in which they first were.
func (s *State) PublishedRevisions() []string { return s.revisions }

// Has says whether an entry with that id stands.
func (s *State) Has(id string) bool { return s.ids[id] }

// Hash returns the SHA-256 of entry n's bytes, or "" if there is none.
func (s *State) Hash(n int) string {
	if n < 1 || n > len(s.hashes) {
		return ""
	}
	return s.hashes[n-1]
}

// StateHash names the state that a dry run shows: the hash of the last entry that changed anything but who is at work.
// Started and Ended entries do not count, so that the run which a person starts on that state does not itself change it.
// It is "" as long as there is no such entry.
func StateHash(s *State) string {
	for i := len(s.Entries) - 1; i >= 0; i-- {
		if t := s.Entries[i].Type; t != hour.EntryStarted && t != hour.EntryEnded {
			return s.hashes[i]
		}
	}
	return ""
}

// Shown names what a dry run of a run with those options shows of the ledger: 64 hexadecimal digits.
func Shown(s *State, o hour.Options) string {
	o.Expect = ""
	b, err := json.Marshal(o)
	if err != nil {
		panic(err) // a plain struct
	}
	return hour.SHA256(append(b, StateHash(s)...))
}

// Own returns run n if execution holds the hour as that run, else *fault.Superseded. A stage calls it before it appends.
func (s *State) Own(n int, execution string) (*Run, error) {
	r := s.Run(n)
	switch {
	case r == nil:
		return nil, s.superseded("it has no run %d", n)
	case r != s.holder && r.over:
		return nil, s.superseded("run %d is over", n)
	case r != s.holder || execution == "" || r.Execution != execution:
		return nil, s.superseded("run %d is not held by this execution", n)
	}
	return r, nil
}

// MayPublish returns run n if execution may publish it: it holds the hour, has sealed, and no newer seal is published;
// else *fault.Superseded.
func (s *State) MayPublish(n int, execution string) (*Run, error) {
	r, err := s.Own(n, execution)
	switch {
	case err != nil:
		return nil, err
	case r.Sealed == 0:
		return nil, s.superseded("run %d has sealed nothing", n)
	case r.Sealed < s.publishedAs:
		return nil, s.superseded("a newer seal than that of run %d is published", n)
	}
	return r, nil
}

func (s *State) superseded(format string, args ...any) error {
	return &fault.Superseded{Hour: s.Hour.String(), Detail: fmt.Sprintf(format, args...)}
}
