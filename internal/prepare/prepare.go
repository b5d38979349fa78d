// Package prepare does what an hour's machine does about clusters besides calling EMR: it makes the request for one
// (Handler), finds the one whose answer was lost (Finder), and judges what became of it (Judge).
//
// RunJobFlow takes no client token, so a cluster is known by its name: unique, and in the ledger before the call. Whatever
// goes wrong with the call, the name tells whether there is a cluster, and the ledger tells which clusters a run owns.
package prepare

import (
	"context"
	"encoding/json"
	"fmt"

	"penstock/internal/cluster"
	"penstock/internal/fault"
	"penstock/internal/hour"
	"penstock/internal/ledger"
	"penstock/internal/playbook"
	"penstock/internal/trace"
)

// Playbooks gives the job's playbook as it is now, with the key and hash of what was read. It may be called concurrently.
type Playbooks interface {
	Playbook(ctx context.Context) (*playbook.Playbook, hour.Ref, error)
}

// Site is what a stack gives to each of its clusters.
type Site struct {
	Bucket                string // name of the hours bucket
	Code                  string // key prefix of programs and scripts in it, without final slash
	Logs                  string // key prefix of EMR's logs in it, without final slash
	ServiceRole           string
	InstanceProfile       string
	SecurityConfiguration string // may be empty
	Subnets               []string
}

// Handler makes cluster requests. It is safe for concurrent use.
type Handler struct {
	Ledger    *ledger.Ledger
	Playbooks Playbooks
	Stack     string
	Site      Site
}

// In is what the state Prepare gives.
type In struct {
	Hour      hour.Hour `json:"hour"`
	N         int       `json:"n"`
	Execution string    `json:"execution"`
	Revision  string    `json:"revision"`
	Cluster   int       `json:"cluster"` // from 1
}

// Out is what the machine calls EMR with.
type Out struct {
	Name    string          `json:"name"`
	Cluster int             `json:"cluster"`
	Result  string          `json:"result"`  // key prefix of the output in the hours bucket; ends with a slash
	Request json.RawMessage `json:"request"` // of RunJobFlow
}

// Handle writes the cluster's name into the ledger and renders the request. It may be repeated. Errors are
// *fault.Superseded, *fault.HourChanged, *fault.BadInput (the playbook, or a cluster out of turn), *fault.ClusterFailed when the run has had
// all its clusters, and the ledger's.
func (h *Handler) Handle(ctx context.Context, in In) (out Out, err error) {
	ctx, span := trace.Begin(ctx, "prepare")
	defer func() {
		err = fault.Outermost(err)
		span.End(err)
	}()
	span.Annotate(trace.Hour, in.Hour.String())
	span.Annotate(trace.Revision, in.Revision)
	book, ref, err := h.Playbooks.Playbook(ctx)
	if err != nil {
		return Out{}, err
	}
	name := hour.ClusterName(h.Stack, in.Hour, in.N, in.Cluster)
	request, err := h.render(book, in, name)
	if err != nil {
		return Out{}, &fault.BadInput{Detail: err.Error()}
	}
	body, err := json.Marshal(request)
	if err != nil {
		return Out{}, fmt.Errorf("encode cluster request of hour %s: %w", in.Hour, err)
	}
	_, err = h.Ledger.Append(ctx, in.Hour, func(s *ledger.State) (*hour.Entry, error) {
		r, err := s.Own(in.N, in.Execution)
		if err != nil {
			return nil, err
		}
		if err := inTurn(s, r, in); err != nil {
			return nil, err
		}
		if err := expected(s, r, ref); err != nil {
			return nil, err
		}
		return &hour.Entry{
			ID: fmt.Sprintf("%s/ClusterRequested/%d", in.Execution, in.Cluster), Type: hour.EntryClusterRequested, Run: in.N, Execution: in.Execution,
			Revision: in.Revision, Playbook: &ref, Cluster: &hour.Cluster{Number: in.Cluster, Name: name, MaxMinutes: book.Cluster.MaxMinutes, Result: h.result(book, in)},
		}, nil
	})
	if err != nil {
		return Out{}, err
	}
	return Out{Name: name, Cluster: in.Cluster, Result: h.result(book, in), Request: body}, nil
}

// inTurn refuses a cluster of another revision than the run's, one that the run may not have, and one while the cluster
// before it is not judged.
func inTurn(s *ledger.State, r *ledger.Run, in In) error {
	switch before := r.Cluster(in.Cluster - 1); {
	case r.Revision != in.Revision || in.Revision == "":
		return &fault.BadInput{Detail: fmt.Sprintf("run %d of hour %s has not sealed revision %.20q", r.N, s.Hour, in.Revision)}
	case in.Cluster > cluster.Max:
		return &fault.ClusterFailed{Hour: s.Hour.String(), Detail: fmt.Sprintf("run %d has had %d clusters", r.N, cluster.Max)}
	case in.Cluster < 1 || in.Cluster > 1 && (before == nil || !before.Ended):
		return &fault.BadInput{Detail: fmt.Sprintf("cluster %d of run %d of hour %s is out of turn", in.Cluster, r.N, s.Hour)}
	}
	return nil
}

// expected refuses another playbook than a dry run of the run showed.
func expected(s *ledger.State, r *ledger.Run, book hour.Ref) error {
	want, err := hour.ParseExpect(r.Options.Expect)
	if err != nil {
		return &fault.BadInput{Detail: err.Error()}
	}
	if changed := hour.Changed("its playbook", book.SHA256, want.Playbook); changed != "" {
		return &fault.HourChanged{Hour: s.Hour.String(), Detail: changed}
	}
	return nil
}

// Request is the RunJobFlow request that Handle would make. It needs the Stack, the Site and the Ledger's Keys only.
func (h *Handler) Request(book *playbook.Playbook, in In) (playbook.RunJobFlow, error) {
	return h.render(book, in, hour.ClusterName(h.Stack, in.Hour, in.N, in.Cluster))
}

func (h *Handler) result(book *playbook.Playbook, in In) string {
	return h.Ledger.Keys.ResultPrefix(hour.ResultKey{Job: book.Name, Hour: in.Hour, Revision: in.Revision, Run: in.N, Cluster: in.Cluster})
}

func (h *Handler) render(book *playbook.Playbook, in In, name string) (playbook.RunJobFlow, error) {
	base := "s3://" + h.Site.Bucket + "/"
	return book.Request(playbook.Env{
		Hour: in.Hour.String(), Revision: in.Revision, Run: in.N, Cluster: in.Cluster, ClusterName: name,
		Input:       base + h.Ledger.Keys.PartsGlob(in.Hour, in.Revision),
		Output:      base + h.result(book, in),
		Code:        base + h.Site.Code,
		Logs:        base + h.Site.Logs + "/",
		ServiceRole: h.Site.ServiceRole, InstanceProfile: h.Site.InstanceProfile, SecurityConfiguration: h.Site.SecurityConfiguration,
		Subnets: h.Site.Subnets,
		Tags: map[string]string{
			"penstock:stack": h.Stack, "penstock:hour": in.Hour.String(), "penstock:execution": hour.ExecutionName(in.Hour, in.N),
		},
	})
}
