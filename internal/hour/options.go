package hour

import (
	"fmt"
	"slices"
	"strings"
)

// Options change one run.
type Options struct {
	// Force runs the job again although the present revision is published with it.
	Force bool `json:"force,omitempty"`
	// AcceptUnproven seals although nothing proves the hour complete any more.
	AcceptUnproven bool `json:"acceptUnproven,omitempty"`
	// From is the stage to resume at, one of Stages; "" is FromSeal.
	From string `json:"from,omitempty"`
	// Expect is what a dry run showed, as Expect.String writes it; anything else refuses the run.
	Expect string `json:"expect,omitempty"`
}

// Stages that a run can resume at. What comes before is taken over from earlier runs, as the ledger names it.
const (
	FromSeal    = "seal"    // nothing is taken over
	FromCompact = "compact" // the last seal
	FromCluster = "cluster" // the last seal and its parts
	FromPublish = "publish" // these, and the result of the last cluster that completed on them
)

// Stages returns them in the order of a run.
func Stages() []string { return []string{FromSeal, FromCompact, FromCluster, FromPublish} }

// Resumes says whether the run takes over an earlier one's seal instead of proving and selecting anew.
func (o Options) Resumes() bool { return o.From != "" && o.From != FromSeal }

// Check says what is malformed.
func (o Options) Check() error {
	if o.From != "" && !slices.Contains(Stages(), o.From) {
		return fmt.Errorf("from %.20q: want one of %s", o.From, strings.Join(Stages(), ", "))
	}
	_, err := ParseExpect(o.Expect)
	return err
}

// Expect is what a dry run showed. Each stage of a run holds its part against what it finds. Parts are the first 12
// hexadecimal digits of hashes, or more of them; "" is not compared.
type Expect struct {
	State    string // of the ledger, with the run's options: ledger.Shown
	Revision string // that the run seals
	Playbook string // SHA-256 of the playbook, as ClusterRequested has it
}

// expectDigits is how many digits String writes of a part.
const expectDigits = 12

// String writes the three parts, 12 digits each, with hyphens between them.
func (e Expect) String() string {
	var parts []string
	for _, p := range []string{e.State, e.Revision, e.Playbook} {
		parts = append(parts, p[:min(len(p), expectDigits)])
	}
	return strings.Join(parts, "-")
}

// ParseExpect reads what String writes. "" expects nothing.
func ParseExpect(s string) (Expect, error) {
	if s == "" {
		return Expect{}, nil
	}
	f := strings.Split(s, "-")
	for _, p := range f {
		if len(f) != 3 || !isHash(p, expectDigits) {
			return Expect{}, fmt.Errorf("expect %.80q: want what a dry run printed", s)
		}
	}
	return Expect{f[0], f[1], f[2]}, nil
}

// Changed says in words what a part is although another was expected, or "". have is the whole hash.
func Changed(what, have, want string) string {
	if strings.HasPrefix(have, want) {
		return ""
	}
	return fmt.Sprintf("%s is %.12s, the dry run showed %.12s", what, have, want)
}
