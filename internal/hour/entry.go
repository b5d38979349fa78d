package hour

// Types of a ledger entry, in the order of a run.
const (
	EntryStarted          = "Started"          // somebody starts run n
	EntryClaimed          = "Claimed"          // the execution of run n holds the hour
	EntrySealed           = "Sealed"           // a revision is sealed
	EntryCompacted        = "Compacted"        // a part is written
	EntryClusterRequested = "ClusterRequested" // a cluster of this name is about to be asked for
	EntryClusterEnded     = "ClusterEnded"     // a cluster was judged
	EntryPublished        = "Published"        // a revision and its results are what readers get
	EntryFailed           = "Failed"           // the run ended without publishing
	EntryEnded            = "Ended"            // somebody found the run's execution closed without a word
)

// Entry is one line of an hour's ledger. Which fields stand depends on the type.
type Entry struct {
	Version   int    `json:"version"`
	Hour      Hour   `json:"hour"`
	Number    int    `json:"number"`   // 1, 2, 3 ...; also in the key
	Previous  string `json:"previous"` // SHA-256 of the previous entry's bytes; "" for the first
	ID        string `json:"id"`       // the same for every try of the same append
	Type      string `json:"type"`
	At        Time   `json:"at"`
	Run       int    `json:"run"`
	Execution string `json:"execution,omitempty"` // ARN or name of the execution
	Trace     string `json:"trace,omitempty"`

	By       string       `json:"by,omitempty"`       // Started: schedule, late, retry, rerun, backfill, console
	Reason   string       `json:"reason,omitempty"`   // Started, in words
	Playbook *Ref         `json:"playbook,omitempty"` // ClusterRequested: what the cluster was asked for by
	Revision string       `json:"revision,omitempty"` // Sealed and later
	Seal     *Ref         `json:"seal,omitempty"`     // Sealed
	Rejects  *File        `json:"rejectsFile,omitempty"`
	Part     *Part        `json:"part,omitempty"`    // Compacted
	Cluster  *Cluster     `json:"cluster,omitempty"` // ClusterRequested, ClusterEnded
	Publish  *Publication `json:"publish,omitempty"` // Published
	Error    string       `json:"error,omitempty"`   // Failed, Ended
	Cause    string       `json:"cause,omitempty"`
	Status   string       `json:"status,omitempty"`  // Ended: status of the execution
	Options  *Options     `json:"options,omitempty"` // Started
}

// Part is one compacted file.
type Part struct {
	File
	Number int   `json:"number"` // from 0
	Events int   `json:"events"`
	Bytes  int64 `json:"bytes"` // uncompressed
}

// Cluster is one cluster of a run.
type Cluster struct {
	Number int    `json:"number"` // from 1
	Name   string `json:"name"`
	// MaxMinutes is how long the playbook lets it live; ClusterRequested says it.
	MaxMinutes int `json:"maxMinutes,omitempty"`
	// Result is the prefix of the keys that its steps write; ClusterRequested says it.
	Result  string  `json:"result,omitempty"`
	ID      string  `json:"id,omitempty"`
	State   string  `json:"state,omitempty"`   // ClusterEnded: cluster state
	Verdict string  `json:"verdict,omitempty"` // ClusterEnded: one of the verdicts below
	Reason  string  `json:"reason,omitempty"`
	Minutes float64 `json:"minutes,omitempty"` // from creation to end
	// NormalizedHours is EMR's own measure of what the cluster used.
	NormalizedHours int `json:"normalizedHours,omitempty"`
}

// Verdicts on a cluster.
const (
	VerdictCompleted  = "completed"   // every step is complete
	VerdictAgain      = "again"       // it failed by itself: the next one may do
	VerdictStepFailed = "step-failed" // a step failed although the cluster was healthy
	VerdictTooOld     = "too-old"     // it lived longer than its playbook allows
	VerdictLost       = "lost"        // nobody knows whether it was ever made
)

// Publication is what readers get.
type Publication struct {
	Seal       Ref     `json:"seal"`
	Parts      []Part  `json:"parts"`
	Rejects    *File   `json:"rejectsFile,omitempty"`
	Events     int     `json:"events"`
	RejectN    int     `json:"rejects"`
	Duplicates int     `json:"duplicates"` // batches that added nothing
	Batches    int     `json:"batches"`    // batches and repairs that the seal names, duplicates among them: an archive with more has news
	Objects    int     `json:"objects"`    // archive objects
	Bytes      int64   `json:"bytes"`      // uncompressed, of the events
	Job        string  `json:"job,omitempty"`
	Cluster    int     `json:"cluster,omitempty"` // number, 0 for none
	Result     string  `json:"result,omitempty"`  // prefix of the results
	Results    []File  `json:"results,omitempty"`
	Minutes    float64 `json:"clusterMinutes"` // of all clusters of the run
	Cost       *Cost   `json:"cost,omitempty"`
}

// Cost is an estimate in US dollars, by the formula of docs/COST.md.
type Cost struct {
	Prices  string  `json:"prices"` // date of the price file
	Dollars float64 `json:"dollars"`
}

// Manifest is what readers open: the projection of a ledger whose hour is published.
type Manifest struct {
	Version     int      `json:"version"`
	Hour        Hour     `json:"hour"`
	Ledger      int      `json:"ledger"`     // number of the Published entry that it shows
	LedgerHash  string   `json:"ledgerHash"` // SHA-256 of that entry
	Revision    string   `json:"revision"`
	Run         int      `json:"run"`
	Execution   string   `json:"execution"`
	Trace       string   `json:"trace,omitempty"`
	PublishedAt Time     `json:"publishedAt"`
	Superseded  []string `json:"superseded,omitempty"` // revisions that were published before
	OpenRuns    int      `json:"openRuns,omitempty"`   // runs that were started and not over at that entry: due looks after them
	Publication
}

// DecodeEntry reads a ledger entry and checks it against its own key.
func (k Keys) DecodeEntry(key string, b []byte) (*Entry, error) {
	var e Entry
	if err := Decode("ledger entry", key, b, &e); err != nil {
		return nil, err
	}
	if h, n, ok := k.ParseLedgerKey(key); !ok || h != e.Hour || n != e.Number {
		return nil, &Corrupt{Key: key, Detail: "entry is of another hour or number than its key says"}
	}
	return &e, nil
}

// DecodeManifest reads a manifest and checks it against its own key.
func (k Keys) DecodeManifest(key string, b []byte) (*Manifest, error) {
	var m Manifest
	if err := Decode("manifest", key, b, &m); err != nil {
		return nil, err
	}
	if h, ok := k.ParseManifestKey(key); !ok || h != m.Hour {
		return nil, &Corrupt{Key: key, Detail: "manifest is of another hour than its key says"}
	}
	return &m, nil
}
