package emr

import (
	"hash/fnv"
	"math/rand/v2"
	"path"
	"slices"
	"strconv"
	"sync"
)

// Fault is a failure to inject; None is none.
type Fault string

// The faults that a call, a cluster and a step may meet. Others mean nothing
// there.
const (
	None Fault = ""

	// Of a call:
	Throttle    Fault = "throttle"     // answered with Throttling, not carried out
	ServerError Fault = "server-error" // answered with Internal, not carried out
	LoseRequest Fault = "lose-request" // no answer, not carried out
	LoseAnswer  Fault = "lose-answer"  // no answer, carried out

	// Of a cluster:
	NoCapacity      Fault = "no-capacity"      // INSTANCE_FLEET_TIMEOUT while starting
	BadRequest      Fault = "bad-request"      // VALIDATION_ERROR while starting
	InternalFailure Fault = "internal-failure" // INTERNAL_ERROR while starting
	BootstrapFails  Fault = "bootstrap-fails"  // BOOTSTRAP_FAILURE

	// Of a step:
	StepFails     Fault = "step-fails"     // the step ends as FAILED; the cluster is healthy
	InstanceFails Fault = "instance-fails" // INSTANCE_FAILURE of the cluster, and the step fails
)

// Site is a place where a fault may be injected.
type Site struct {
	Kind    string // "call", "cluster" or "step"
	Action  string // of a call
	Cluster string // name of the cluster, where there is one
	Step    string // name of the step
	Count   int    // how many sites with the same other fields there were before
}

// Faults decides what goes wrong. At is called once for each site, in the order
// in which they are reached, possibly concurrently on the real clock.
type Faults interface {
	At(Site) Fault
}

// Rule is a line of a Script: from the Skip-th matching site on, Times sites
// meet Fault. Only sites match that may meet it.
type Rule struct {
	Fault   Fault
	Kind    string // as in Site; "" matches all
	Action  string // "" matches all
	Cluster string // a pattern as of path.Match; "" matches all
	Step    string // the same
	Skip    int
	Times   int // 0 is once, a negative number always
}

// Script injects the faults that its rules name; the first rule that applies
// to a site wins. It is safe for concurrent use.
type Script struct {
	mu    sync.Mutex
	rules []Rule
}

// NewScript returns a Script of the rules.
func NewScript(rules ...Rule) *Script {
	s := &Script{}
	for _, r := range rules {
		if r.Times == 0 {
			r.Times = 1
		}
		s.rules = append(s.rules, r)
	}
	return s
}

// At implements Faults.
func (s *Script) At(site Site) Fault {
	s.mu.Lock()
	defer s.mu.Unlock()
	for i := range s.rules {
		r := &s.rules[i]
		if r.Times == 0 || !r.matches(site) {
			continue
		}
		if r.Skip > 0 {
			r.Skip--
			continue
		}
		if r.Times > 0 {
			r.Times--
		}
		return r.Fault
	}
	return None
}

func (r *Rule) matches(s Site) bool {
	return slices.Contains(faultsOf(s.Kind), r.Fault) && matches(r.Kind, s.Kind) && matches(r.Action, s.Action) && matches(r.Cluster, s.Cluster) && matches(r.Step, s.Step)
}

func matches(pattern, name string) bool {
	if pattern == "" {
		return true
	}
	ok, err := path.Match(pattern, name)
	return ok && err == nil
}

// Rates are how often, of a million sites of the fault's kind, each fault is
// met.
type Rates map[Fault]int

// Seeded injects faults by chance: the same seed gives the same faults at the
// same sites, in whatever order the sites are reached. It is safe for
// concurrent use.
type Seeded struct {
	Seed  uint64
	Rates Rates
}

// faultsOf says which faults a kind of site may meet, in the order in which
// chance is asked.
func faultsOf(kind string) []Fault {
	switch kind {
	case "call":
		return []Fault{Throttle, ServerError, LoseRequest, LoseAnswer}
	case "cluster":
		return []Fault{NoCapacity, BadRequest, InternalFailure, BootstrapFails}
	}
	return []Fault{StepFails, InstanceFails}
}

// At implements Faults.
func (s Seeded) At(site Site) Fault {
	h := fnv.New64a()
	for _, part := range []string{site.Kind, site.Action, site.Cluster, site.Step, strconv.Itoa(site.Count)} {
		h.Write([]byte(part))
		h.Write([]byte{0})
	}
	chance := rand.New(rand.NewPCG(s.Seed, h.Sum64())).IntN(1_000_000)
	for _, f := range faultsOf(site.Kind) {
		if chance -= s.Rates[f]; chance < 0 {
			return f
		}
	}
	return None
}
