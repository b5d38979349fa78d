package publish

import (
	"fmt"
	"math"

	"penstock/internal/fault"
	"penstock/internal/hour"
	"penstock/internal/ledger"
)

// assemble makes the publication of what the run has done, without the results. Each part of the seal's plan must be
// there, with as many events as planned, and the hour's rejects if it has some.
func assemble(keys hour.Keys, seal *hour.Seal, s *ledger.State, r *ledger.Run, in In) (*hour.Publication, error) {
	p := &hour.Publication{
		Seal: *r.Seal, Events: seal.Events, RejectN: seal.Rejects, Duplicates: len(seal.Duplicates), Cluster: in.Cluster, Parts: []hour.Part{},
	}
	missing := func(format string, args ...any) error {
		return &fault.BadInput{Detail: fmt.Sprintf("publish hour %s, revision %s: ", in.Hour, in.Revision) + fmt.Sprintf(format, args...)}
	}
	have := map[int]hour.Part{}
	for _, part := range r.Parts {
		have[part.Number] = part
	}
	events := 0
	for i, plan := range seal.Parts {
		if plan.Events == 0 {
			continue // only rejects: no file
		}
		part, ok := have[i]
		if !ok || part.Events != plan.Events {
			return nil, missing("part %d of %d is not in the ledger with its %d events", i, len(seal.Parts), plan.Events)
		}
		p.Parts, p.Bytes, events = append(p.Parts, part), p.Bytes+part.Bytes, events+part.Events
	}
	if events != seal.Events {
		return nil, missing("its parts have %d events of %d", events, seal.Events)
	}
	if seal.Rejects > 0 {
		if r.Rejects == nil {
			return nil, missing("its %d rejects are not in the ledger", seal.Rejects)
		}
		p.Rejects = r.Rejects
	}
	for i := range seal.Pieces {
		if seal.Pieces[i].Object != nil {
			p.Objects++
		}
	}
	p.Batches = len(seal.Pieces) + len(seal.Duplicates)
	minutes := 0.0
	for _, c := range r.Clusters {
		minutes += c.Minutes
	}
	p.Minutes = math.Round(minutes*100) / 100
	return p, job(keys, p, s, r, in)
}

// job fills in the job and its result, which a cluster of the run must have completed or, for a run that resumes at
// publish, one of an earlier run of the same revision.
func job(keys hour.Keys, p *hour.Publication, s *ledger.State, r *ledger.Run, in In) error {
	bad := func(detail string) error {
		return &fault.BadInput{Detail: fmt.Sprintf("publish hour %s, revision %s: %s", in.Hour, in.Revision, detail)}
	}
	if in.Cluster == 0 {
		if p.Events > 0 || in.Result != "" {
			return bad("it has events, and no cluster")
		}
		return nil
	}
	k, rest, ok := keys.ParseResultKey(in.Result)
	if !ok || rest != "" || k.Hour != in.Hour || k.Revision != in.Revision || k.Cluster != in.Cluster {
		return bad(fmt.Sprintf("%.200q is not where its cluster %d writes", in.Result, in.Cluster))
	}
	of := r
	if r.Options.From == hour.FromPublish && k.Run < r.N {
		of = s.Run(k.Run)
	}
	if of == nil || of.N != k.Run || of.Revision != in.Revision {
		return bad(fmt.Sprintf("%.200q is not its cluster's", in.Result))
	}
	if c := of.Cluster(in.Cluster); c == nil || !c.Ended || c.Verdict != hour.VerdictCompleted {
		return bad(fmt.Sprintf("cluster %d of run %d was not judged complete", in.Cluster, of.N))
	}
	p.Job, p.Result = k.Job, in.Result
	return nil
}
