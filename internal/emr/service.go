package emr

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"math/big"
	"strings"
	"sync"
	"time"

	"penstock/internal/clock"
)

// Timing is how long things take on the Service's clock.
type Timing struct {
	Start     time.Duration // from the request to the first bootstrap action
	Bootstrap time.Duration
	Stop      time.Duration // from TERMINATING to the end
	Capacity  time.Duration // until a fleet without capacity gives up
	Step      time.Duration // of a step without input
	// BytesPerSecond is how much stored input a step gets through; 0 is no
	// limit.
	BytesPerSecond int64
}

// DefaultTiming is about what EMR takes for the default cluster.
func DefaultTiming() Timing {
	return Timing{
		Start: 4 * time.Minute, Bootstrap: time.Minute, Stop: time.Minute, Capacity: 10 * time.Minute,
		Step: 40 * time.Second, BytesPerSecond: 5 << 20,
	}
}

func (t Timing) step(bytes int64) time.Duration {
	if t.BytesPerSecond <= 0 {
		return t.Step
	}
	whole, rest := bytes/t.BytesPerSecond, bytes%t.BytesPerSecond
	return t.Step + time.Duration(whole)*time.Second + time.Duration(float64(rest)/float64(t.BytesPerSecond)*1000)*time.Millisecond
}

// Config is what a Service is made of.
type Config struct {
	Clock  clock.Clock
	Runner Runner
	Timing Timing
	// Seed makes the ids of clusters and steps, together with the clusters'
	// names.
	Seed uint64
	// Faults decides what fails; nil is nothing.
	Faults Faults
}

// Limits of a Service.
const (
	maxActive = 500                 // clusters that have not ended
	keepEnded = 60 * 24 * time.Hour // how long an ended cluster is remembered
	pageSize  = 50                  // of the lists
)

// Service is EMR. It is safe for concurrent use; on a virtual clock, Call must
// run in a task of it.
type Service struct {
	config Config

	mu       sync.Mutex
	clusters []*cluster // in the order of their requests
	byID     map[string]*cluster
	counts   map[Site]int
}

// New returns a Service without clusters.
func New(c Config) *Service {
	return &Service{config: c, byID: map[string]*cluster{}, counts: map[Site]int{}}
}

// Close ends all clusters at once, as if the machine were switched off: their
// contexts are cancelled, so that no process is left. States are not changed.
func (s *Service) Close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, c := range s.clusters {
		c.cancel()
	}
}

// fault asks what goes wrong at a site.
func (s *Service) fault(site Site) Fault {
	if s.config.Faults == nil {
		return None
	}
	s.mu.Lock()
	n := s.counts[site]
	s.counts[site]++
	s.mu.Unlock()
	site.Count = n
	return s.config.Faults.At(site)
}

// Call carries out an action of the API, named as in "RunJobFlow" or, as Step
// Functions writes it, "runJobFlow". Its errors are *Error.
func (s *Service) Call(ctx context.Context, action string, in json.RawMessage) (json.RawMessage, error) {
	if err := ctx.Err(); err != nil {
		return nil, refuse(Unreachable, "call %s: %v", action, err)
	}
	if action != "" {
		action = strings.ToUpper(action[:1]) + action[1:]
	}
	handle := map[string]func(json.RawMessage) (any, error){
		"RunJobFlow":        s.runJobFlow,
		"DescribeCluster":   s.describeCluster,
		"ListClusters":      s.listClusters,
		"ListSteps":         s.listSteps,
		"DescribeStep":      s.describeStep,
		"TerminateJobFlows": s.terminateJobFlows,
		// What "aws emr describe-cluster" asks for besides.
		"ListInstanceFleets":   s.listInstanceFleets,
		"ListInstanceGroups":   s.listInstanceGroups,
		"ListBootstrapActions": s.listBootstrapActions,
	}[action]
	if handle == nil {
		return nil, refuse(UnknownAction, "no action %q here", action)
	}
	site := Site{Kind: "call", Action: action}
	if action == "RunJobFlow" {
		var r struct{ Name string }
		_ = json.Unmarshal(in, &r) // what is malformed is refused below
		site.Cluster = r.Name
	}
	fault := s.fault(site)
	switch fault {
	case Throttle:
		return nil, refuse(Throttling, "Rate exceeded")
	case ServerError:
		return nil, refuse(Internal, "An internal error occurred")
	case LoseRequest:
		return nil, refuse(Unreachable, "%s: the request was lost", action)
	}
	out, err := handle(in)
	if fault == LoseAnswer {
		return nil, refuse(Unreachable, "%s: the answer was lost", action)
	}
	if err != nil {
		return nil, err
	}
	if out == nil {
		return json.RawMessage("{}"), nil
	}
	data, err := json.Marshal(out)
	if err != nil {
		return nil, refuse(Internal, "%s: %v", action, err)
	}
	return data, nil
}

func (s *Service) runJobFlow(in json.RawMessage) (any, error) {
	var r runJobFlow
	if err := decode(in, &r); err != nil {
		return nil, err
	}
	if err := r.validate(); err != nil {
		return nil, err
	}
	s.mu.Lock()
	now := s.config.Clock.Now()
	active, same := 0, 0
	kept := s.clusters[:0:0]
	for _, c := range s.clusters {
		if !c.ended() {
			active++
		} else if now.Sub(c.end) > keepEnded {
			delete(s.byID, c.id)
			continue
		}
		if c.request.Name == r.Name {
			same++
		}
		kept = append(kept, c)
	}
	s.clusters = kept
	if active >= maxActive {
		s.mu.Unlock()
		return nil, refuse(Validation, "The requested number of clusters exceeds the limit of %d", maxActive)
	}
	c := s.newCluster(r, same, now)
	s.clusters = append(s.clusters, c)
	s.byID[c.id] = c
	s.mu.Unlock()
	s.config.Clock.Go(func() { s.live(c) })
	return map[string]string{"JobFlowId": c.id, "ClusterArn": c.arn()}, nil
}

// id makes an id such as j-2AXXXXXXGAPLF.
func (s *Service) id(prefix, name string, n int) string {
	h := sha256.New()
	var number [16]byte
	binary.BigEndian.PutUint64(number[:], s.config.Seed)
	binary.BigEndian.PutUint64(number[8:], uint64(n))
	h.Write(number[:])
	h.Write([]byte(prefix + name))
	text := strings.ToUpper(new(big.Int).SetBytes(h.Sum(nil)[:12]).Text(36))
	return prefix + fmt.Sprintf("%013s", text)[:13]
}

// find returns a cluster by its id. The caller holds the lock.
func (s *Service) find(id string) (*cluster, error) {
	if c := s.byID[id]; c != nil {
		return c, nil
	}
	return nil, refuse(InvalidRequest, "Cluster id '%.40s' is not valid.", id)
}
