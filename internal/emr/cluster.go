package emr

import (
	"context"
	"fmt"
	"time"

	"penstock/internal/clock"
)

// States of clusters and steps, as the API names them.
const (
	stateStarting      = "STARTING"
	stateBootstrapping = "BOOTSTRAPPING"
	stateRunning       = "RUNNING"
	stateWaiting       = "WAITING"
	stateTerminating   = "TERMINATING"
	stateTerminated    = "TERMINATED"
	stateWithErrors    = "TERMINATED_WITH_ERRORS"

	stepPending   = "PENDING"
	stepRunning   = "RUNNING"
	stepCompleted = "COMPLETED"
	stepFailed    = "FAILED"
	stepCancelled = "CANCELLED"
)

// cluster is one cluster. Its task changes it, under the Service's lock.
type cluster struct {
	id       string
	request  runJobFlow
	state    string
	reason   stateChangeReason
	created  time.Time
	ready    time.Time
	end      time.Time
	steps    []*step
	terminal clock.Event // fired when somebody wants it to end
	ctx      context.Context
	cancel   context.CancelFunc
}

type step struct {
	id      string
	config  stepConfig
	state   string
	start   time.Time
	end     time.Time
	reason  string
	logFile string
}

func (s *Service) newCluster(r runJobFlow, sameName int, now time.Time) *cluster {
	c := &cluster{
		id: s.id("j-", r.Name, sameName), request: r, state: stateStarting, created: now,
		terminal: s.config.Clock.NewEvent(),
	}
	c.ctx, c.cancel = context.WithCancel(context.Background())
	for i, config := range r.Steps {
		c.steps = append(c.steps, &step{id: s.id("s-", c.id, i), config: config, state: stepPending})
	}
	return c
}

func (c *cluster) arn() string {
	return "arn:aws:elasticmapreduce:us-east-1:000000000000:cluster/" + c.id
}

func (c *cluster) ended() bool { return c.state == stateTerminated || c.state == stateWithErrors }

// The reasons for which clusters end.
var (
	byUser   = stateChangeReason{"USER_REQUEST", "Terminated by user request"}
	allDone  = stateChangeReason{"ALL_STEPS_COMPLETED", "Steps completed"}
	idleLong = stateChangeReason{"USER_REQUEST", "Auto-terminated: the cluster was idle"}
	stepDown = stateChangeReason{"STEP_FAILURE", "Shut down as step failed"}
	internal = stateChangeReason{"INTERNAL_ERROR", "An internal error occurred"}
	noBoot   = stateChangeReason{"BOOTSTRAP_FAILURE", "On the master instance, bootstrap action 1 returned a non-zero return code"}
	noFleet  = stateChangeReason{"INSTANCE_FLEET_TIMEOUT", "The instance fleets could not be provisioned in time"}
	invalid  = stateChangeReason{"VALIDATION_ERROR", "The requested instances cannot be used"}
	lostNode = stateChangeReason{"INSTANCE_FAILURE", "The master node was terminated. The cluster's last instance failed"}
)

// live is the cluster's task, from its request to its end.
func (s *Service) live(c *cluster) {
	defer c.cancel()
	reason := s.work(c)
	c.cancel() // ends what still computes
	s.change(c, func() {
		c.state, c.reason = stateTerminating, reason
		for _, step := range c.steps {
			if step.state == stepPending || step.state == stepRunning {
				step.state = stepCancelled
				if !step.start.IsZero() {
					step.end = s.config.Clock.Now()
				}
			}
		}
	})
	clock.Sleep(s.config.Clock, s.config.Timing.Stop)
	s.change(c, func() {
		c.state, c.end = stateWithErrors, s.config.Clock.Now()
		if reason == byUser || reason == allDone || reason == idleLong {
			c.state = stateTerminated
		}
	})
}

func (s *Service) change(c *cluster, f func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	f()
}

// pause waits and reports whether the cluster is to go on.
func (s *Service) pause(c *cluster, d time.Duration) bool {
	return s.config.Clock.Wait(max(d, 0), c.terminal) != 0
}

// work does everything up to the reason for which the cluster ends.
func (s *Service) work(c *cluster) stateChangeReason {
	fault := s.fault(Site{Kind: "cluster", Cluster: c.request.Name})
	timing := s.config.Timing
	switch fault {
	case NoCapacity, BadRequest, InternalFailure:
		d, reason := timing.Start/2, internal
		if fault == NoCapacity {
			d, reason = timing.Capacity, noFleet
		} else if fault == BadRequest {
			d, reason = timing.Start/8, invalid
		}
		if !s.pause(c, d) {
			return byUser
		}
		return reason
	}
	if !s.pause(c, timing.Start) {
		return byUser
	}
	s.change(c, func() { c.state = stateBootstrapping })
	if !s.pause(c, timing.Bootstrap) {
		return byUser
	}
	if fault == BootstrapFails {
		return noBoot
	}
	s.change(c, func() { c.state, c.ready = stateRunning, s.config.Clock.Now() })
	wait := false
	for _, step := range c.steps {
		ok, reason := s.runStep(c, step)
		if reason != (stateChangeReason{}) {
			return reason
		}
		if !ok && step.config.ActionOnFailure == "TERMINATE_CLUSTER" {
			return stepDown
		}
		if !ok && step.config.ActionOnFailure == "CANCEL_AND_WAIT" {
			wait = true
			break
		}
	}
	if !c.request.Instances.KeepJobFlowAliveWhenNoSteps {
		return allDone
	}
	s.change(c, func() {
		c.state, c.reason = stateWaiting, stateChangeReason{Message: "Cluster ready after last step completed."}
		if wait {
			c.reason.Message = "Cluster ready after last step failed."
			for _, step := range c.steps {
				if step.state == stepPending {
					step.state = stepCancelled
				}
			}
		}
	})
	idle := time.Duration(-1)
	if p := c.request.AutoTerminationPolicy; p != nil {
		idle = time.Duration(p.IdleTimeout) * time.Second
	}
	if s.config.Clock.Wait(idle, c.terminal) == 0 {
		return byUser
	}
	return idleLong
}

// runStep runs one step. A reason, if there is one, is why the cluster must
// end.
func (s *Service) runStep(c *cluster, step *step) (ok bool, reason stateChangeReason) {
	if c.terminal.Fired() {
		return false, byUser
	}
	s.change(c, func() { step.state, step.start = stepRunning, s.config.Clock.Now() })
	fault := s.fault(Site{Kind: "step", Cluster: c.request.Name, Step: step.config.Name})
	run := StepRun{
		ClusterID: c.id, ClusterName: c.request.Name, StepID: step.id, Name: step.config.Name,
		Jar: step.config.HadoopJarStep.Jar, Args: step.config.HadoopJarStep.Args, LogURI: c.request.LogURI,
	}
	if fault == StepFails {
		run.Fail = "injected failure"
	}
	var result StepResult
	work, err := s.config.Runner.Open(c.ctx, run)
	if err != nil {
		result.Failure = err.Error()
		if !s.pause(c, s.config.Timing.Step) {
			return false, byUser
		}
	} else {
		d := s.config.Timing.step(work.InputBytes())
		if fault == InstanceFails {
			defer work.Close()
			if !s.pause(c, d/2) {
				return false, byUser
			}
			s.endStep(step, StepResult{Failure: "the instance that ran it was lost"})
			return false, lostNode
		}
		// The computation is a task of its own, so that the cluster can end
		// before it.
		done := s.config.Clock.NewEvent()
		s.config.Clock.Go(func() {
			defer done.Fire()
			s.config.Clock.Compute(d, func() { work.Compute(c.ctx) })
		})
		if s.config.Clock.Wait(-1, done, c.terminal) != 0 {
			s.config.Clock.Go(func() {
				s.config.Clock.Wait(-1, done)
				work.Close()
			})
			return false, byUser
		}
		defer work.Close()
		result = work.Commit(c.ctx)
	}
	s.endStep(step, result)
	return result.Failure == "", stateChangeReason{}
}

func (s *Service) endStep(step *step, r StepResult) {
	s.mu.Lock()
	defer s.mu.Unlock()
	step.state, step.end, step.logFile = stepCompleted, s.config.Clock.Now(), r.LogFile
	if r.Failure != "" {
		step.state, step.reason = stepFailed, fmt.Sprintf("%.1000s", r.Failure)
	}
}
