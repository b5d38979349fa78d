package ledger

import (
	"slices"

	"penstock/internal/hour"
)

// State is what is true of an hour: the fold of its entries.
type State struct {
	Hour     hour.Hour
	Entries  []hour.Entry
	Last     int    // number of the last entry, 0 for none
	LastHash string // SHA-256 of the last entry's bytes, "" for none
	Runs     []*Run // by number
	// Ignored are the numbers of entries that broke a rule and changed nothing: a publication by a run that does not
	// hold the hour, say.
	Ignored []int

	hashes      []string
	ids         map[string]bool
	holder      *Run
	publication *hour.Entry
	publishedAs int      // number of the Sealed entry that is published
	revisions   []string // published, the first first
}

// Run is what is known of one execution for the hour.
type Run struct {
	N         int
	By        string // who started it: schedule, late, retry, rerun, backfill, console
	Reason    string
	StartedAt hour.Time
	Options   hour.Options
	// Execution is the ARN or the name of the execution; for a run that nobody claimed yet, that of a console's, or "".
	Execution string
	Claimed   bool
	ClaimedAt hour.Time

	Sealed   int // number of the Sealed entry, 0 for none
	Revision string
	Seal     *hour.Ref
	Parts    []hour.Part // by number
	Rejects  *hour.File
	Clusters []Cluster // by number

	Published int       // number of the Published entry, 0 for none
	Error     string    // why it failed
	Cause     string    // the same in words
	Status    string    // of the execution, if somebody found it closed without a word
	OverAt    hour.Time // when it was published, failed or ended
	over      bool
}

// Cluster is a cluster of a run.
type Cluster struct {
	hour.Cluster
	RequestedAt hour.Time
	Ended       bool // it was judged
}

// Over says whether the run has come to its end.
func (r *Run) Over() bool { return r.over }

// Cluster returns the run's c-th cluster, or nil.
func (r *Run) Cluster(c int) *Cluster {
	for i := range r.Clusters {
		if r.Clusters[i].Number == c {
			return &r.Clusters[i]
		}
	}
	return nil
}

// ExecutionName is the execution's name as a run that a machine started has it.
func (s *State) ExecutionName(r *Run) string { return hour.ExecutionName(s.Hour, r.N) }

// Fold makes the state of entries that follow one another; hashes are those of their bytes. An entry that breaks a rule
// is ignored:
//
//   - a run is started once, and claimed once, while no other run holds the hour;
//   - what a run does (seal, compact, cluster, publish) counts while it holds the hour, and as its own execution's;
//   - a publication names the run's own seal, and none that was sealed later is published;
//   - a run that is over stays so.
func Fold(h hour.Hour, entries []hour.Entry, hashes []string) *State {
	s := &State{Hour: h, ids: map[string]bool{}}
	for i := range entries {
		s.add(entries[i], hashes[i])
	}
	return s
}

// with returns the state after one entry more; s stays as it is.
func (s *State) with(e hour.Entry, hash string) *State {
	return Fold(s.Hour, append(slices.Clip(s.Entries), e), append(slices.Clip(s.hashes), hash))
}

func (s *State) add(e hour.Entry, hash string) {
	s.Entries, s.hashes = append(s.Entries, e), append(s.hashes, hash)
	s.Last, s.LastHash = e.Number, hash
	if s.ids[e.ID] || e.Run < 1 || !s.apply(&e) {
		s.Ignored = append(s.Ignored, e.Number)
	}
	s.ids[e.ID] = true
}

func (s *State) apply(e *hour.Entry) bool {
	r := s.Run(e.Run)
	switch e.Type {
	case hour.EntryStarted:
		if r != nil {
			return false
		}
		s.start(e)
		return true
	case hour.EntryClaimed:
		if e.Execution == "" || s.holder != nil || r == nil || r.over {
			return false
		}
		r.Claimed, r.ClaimedAt, r.Execution, s.holder = true, e.At, e.Execution, r
		return true
	case hour.EntryFailed, hour.EntryEnded:
		if r == nil || r.over || r.Claimed && r.Execution != e.Execution {
			return false
		}
		r.Error, r.Cause, r.Status = e.Error, e.Cause, e.Status
		s.finish(r, e)
		return true
	}
	return r != nil && r == s.holder && r.Execution == e.Execution && s.work(r, e)
}

func (s *State) start(e *hour.Entry) {
	r := &Run{N: e.Run, By: e.By, Reason: e.Reason, StartedAt: e.At, Execution: e.Execution}
	if e.Options != nil {
		r.Options = *e.Options
	}
	at, _ := slices.BinarySearchFunc(s.Runs, r.N, func(r *Run, n int) int { return r.N - n })
	s.Runs = slices.Insert(s.Runs, at, r)
}

func (s *State) finish(r *Run, e *hour.Entry) {
	r.over, r.OverAt = true, e.At
	if s.holder == r {
		s.holder = nil
	}
}

// work applies what the holder did.
func (s *State) work(r *Run, e *hour.Entry) bool {
	switch e.Type {
	case hour.EntrySealed:
		if e.Seal == nil || e.Revision == "" {
			return false
		}
		if e.Revision != r.Revision {
			r.Parts, r.Rejects = nil, nil
		}
		r.Sealed, r.Revision, r.Seal = e.Number, e.Revision, e.Seal
		if e.Rejects != nil {
			r.Rejects = e.Rejects
		}
	case hour.EntryCompacted:
		if e.Revision != r.Revision || r.Sealed == 0 {
			return false
		}
		if e.Rejects != nil {
			r.Rejects = e.Rejects
		}
		if e.Part != nil {
			r.setPart(*e.Part)
		}
	case hour.EntryClusterRequested:
		if e.Cluster == nil || e.Cluster.Number < 1 || r.Cluster(e.Cluster.Number) != nil {
			return false
		}
		at, _ := slices.BinarySearchFunc(r.Clusters, e.Cluster.Number, func(c Cluster, n int) int { return c.Number - n })
		r.Clusters = slices.Insert(r.Clusters, at, Cluster{Cluster: *e.Cluster, RequestedAt: e.At})
	case hour.EntryClusterEnded:
		if e.Cluster == nil {
			return false
		}
		c := r.Cluster(e.Cluster.Number)
		if c == nil || c.Ended || c.Name != e.Cluster.Name {
			return false
		}
		asked := c.Cluster
		c.Cluster, c.Ended = *e.Cluster, true
		c.MaxMinutes, c.Result = asked.MaxMinutes, asked.Result
	case hour.EntryPublished:
		return s.publish(r, e)
	default:
		return false
	}
	return true
}

func (r *Run) setPart(p hour.Part) {
	at, found := slices.BinarySearchFunc(r.Parts, p.Number, func(p hour.Part, n int) int { return p.Number - n })
	if found {
		r.Parts[at] = p
		return
	}
	r.Parts = slices.Insert(r.Parts, at, p)
}

func (s *State) publish(r *Run, e *hour.Entry) bool {
	if e.Publish == nil || r.Sealed == 0 || e.Revision != r.Revision || e.Publish.Seal != *r.Seal || r.Sealed < s.publishedAs {
		return false
	}
	entry := *e
	s.publication, s.publishedAs = &entry, r.Sealed
	if !slices.Contains(s.revisions, e.Revision) {
		s.revisions = append(s.revisions, e.Revision)
	}
	r.Published = e.Number
	s.finish(r, e)
	return true
}
