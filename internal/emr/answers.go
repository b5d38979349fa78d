package emr

import (
	"encoding/json"
	"slices"
	"strconv"
	"time"

	"penstock/internal/playbook"
)

type clusterRequest struct {
	ClusterID string `json:"ClusterId"`
}

func (s *Service) describeCluster(in json.RawMessage) (any, error) {
	var r clusterRequest
	if err := decode(in, &r); err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	c, err := s.find(r.ClusterID)
	if err != nil {
		return nil, err
	}
	return map[string]clusterDetail{"Cluster": c.detail()}, nil
}

func (c *cluster) summary() clusterSummary {
	return clusterSummary{
		ID: c.id, Name: c.request.Name, ClusterArn: c.arn(), NormalizedInstanceHours: c.hours(),
		Status: clusterStatus{c.state, c.reason, clusterTimeline{at(c.created), at(c.ready), at(c.end)}},
	}
}

// hours counts each begun hour of each unit of capacity, once the cluster has
// ended.
func (c *cluster) hours() int {
	if c.end.IsZero() || c.ready.IsZero() {
		return 0
	}
	units := c.request.Instances.InstanceCount
	for _, f := range c.request.Instances.InstanceFleets {
		units += f.TargetOnDemandCapacity + f.TargetSpotCapacity
	}
	return units * int((c.end.Sub(c.ready)+time.Hour-1)/time.Hour)
}

func (c *cluster) detail() clusterDetail {
	r := &c.request
	d := clusterDetail{
		clusterSummary:         c.summary(),
		InstanceCollectionType: "INSTANCE_GROUP",
		LogURI:                 r.LogURI,
		ReleaseLabel:           r.ReleaseLabel,
		AutoTerminate:          !r.Instances.KeepJobFlowAliveWhenNoSteps,
		TerminationProtected:   r.Instances.TerminationProtected,
		Applications:           r.Applications,
		Tags:                   r.Tags,
		ServiceRole:            r.ServiceRole,
		SecurityConfiguration:  r.SecurityConfiguration,
		ScaleDownBehavior:      r.ScaleDownBehavior,
		StepConcurrencyLevel:   max(1, r.StepConcurrencyLevel),
		EC2InstanceAttributes: ec2Attributes{
			IamInstanceProfile: r.JobFlowRole, EC2SubnetID: r.Instances.EC2SubnetID, RequestedEC2SubnetIDs: r.Instances.EC2SubnetIDs,
		},
	}
	if len(r.Instances.InstanceFleets) > 0 {
		d.InstanceCollectionType = "INSTANCE_FLEET"
		if n := r.Instances.EC2SubnetIDs; len(n) > 0 {
			d.EC2InstanceAttributes.EC2SubnetID = n[0]
		}
	}
	if d.Applications == nil {
		d.Applications = []application{}
	}
	if d.Tags == nil {
		d.Tags = []playbook.Tag{}
	}
	return d
}

type listClustersRequest struct {
	CreatedAfter, CreatedBefore *seconds
	ClusterStates               []string
	Marker                      string
}

// listClusters answers newest first. The service promises no order.
func (s *Service) listClusters(in json.RawMessage) (any, error) {
	var r listClustersRequest
	if err := decode(in, &r); err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	all := []clusterSummary{}
	for _, c := range slices.Backward(s.clusters) {
		if len(r.ClusterStates) > 0 && !slices.Contains(r.ClusterStates, c.state) ||
			r.CreatedAfter != nil && c.created.Before(r.CreatedAfter.Time) ||
			r.CreatedBefore != nil && c.created.After(r.CreatedBefore.Time) {
			continue
		}
		all = append(all, c.summary())
	}
	all, marker, err := page(all, r.Marker)
	if err != nil {
		return nil, err
	}
	return struct {
		Clusters []clusterSummary
		Marker   string `json:",omitempty"`
	}{all, marker}, nil
}

// page cuts a list. A marker counts from the end, where nothing is added.
func page[T any](all []T, marker string) ([]T, string, error) {
	if marker != "" {
		left, err := strconv.Atoi(marker)
		if err != nil || left < 0 || left > len(all) {
			return nil, "", refuse(InvalidRequest, "Marker '%.40s' is not valid.", marker)
		}
		all = all[len(all)-left:]
	}
	if len(all) <= pageSize {
		return all, "", nil
	}
	return all[:pageSize], strconv.Itoa(len(all) - pageSize), nil
}

type listStepsRequest struct {
	ClusterID  string `json:"ClusterId"`
	StepStates []string
	StepIDs    []string `json:"StepIds"`
	Marker     string
}

// listSteps answers the last step first, as the service does.
func (s *Service) listSteps(in json.RawMessage) (any, error) {
	var r listStepsRequest
	if err := decode(in, &r); err != nil {
		return nil, err
	}
	if len(r.StepIDs) > 10 {
		return nil, refuse(InvalidRequest, "StepIds has more than 10 elements")
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	c, err := s.find(r.ClusterID)
	if err != nil {
		return nil, err
	}
	all := []stepSummary{}
	for _, step := range slices.Backward(c.steps) {
		if (len(r.StepStates) == 0 || slices.Contains(r.StepStates, step.state)) && (len(r.StepIDs) == 0 || slices.Contains(r.StepIDs, step.id)) {
			all = append(all, step.summary(c))
		}
	}
	all, marker, err := page(all, r.Marker)
	if err != nil {
		return nil, err
	}
	return struct {
		Steps  []stepSummary
		Marker string `json:",omitempty"`
	}{all, marker}, nil
}

func (s *Service) describeStep(in json.RawMessage) (any, error) {
	var r struct {
		ClusterID string `json:"ClusterId"`
		StepID    string `json:"StepId"`
	}
	if err := decode(in, &r); err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	c, err := s.find(r.ClusterID)
	if err != nil {
		return nil, err
	}
	for _, step := range c.steps {
		if step.id == r.StepID {
			return map[string]stepSummary{"Step": step.summary(c)}, nil
		}
	}
	return nil, refuse(InvalidRequest, "Step id '%.40s' is not valid.", r.StepID)
}

func (step *step) summary(c *cluster) stepSummary {
	jar := step.config.HadoopJarStep
	out := stepSummary{
		ID: step.id, Name: step.config.Name, ActionOnFailure: step.config.ActionOnFailure,
		Config: stepSummaryConfig{Jar: jar.Jar, Properties: map[string]string{}, MainClass: jar.MainClass, Args: jar.Args},
		Status: stepStatus{State: step.state, Timeline: stepTimeline{at(c.created), at(step.start), at(step.end)}},
	}
	if out.Config.Args == nil {
		out.Config.Args = []string{}
	}
	for _, p := range jar.Properties {
		out.Config.Properties[p.Key] = p.Value
	}
	if step.state == stepFailed {
		out.Status.FailureDetails = &failureDetails{Reason: "Unknown Error.", Message: step.reason, LogFile: step.logFile}
	}
	return out
}

func (s *Service) terminateJobFlows(in json.RawMessage) (any, error) {
	var r struct {
		JobFlowIDs []string `json:"JobFlowIds"`
	}
	if err := decode(in, &r); err != nil {
		return nil, err
	}
	if len(r.JobFlowIDs) == 0 || len(r.JobFlowIDs) > 10 {
		return nil, refuse(Validation, "JobFlowIds has %d elements, want 1 to 10", len(r.JobFlowIDs))
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	var found []*cluster
	for _, id := range r.JobFlowIDs {
		c, err := s.find(id)
		if err != nil {
			return nil, refuse(Validation, "Specified job flow ID %.40s is not valid", id)
		}
		if c.request.Instances.TerminationProtected && !c.ended() {
			return nil, refuse(Validation, "Could not shut down one or more job flows since they are termination protected.")
		}
		found = append(found, c)
	}
	for _, c := range found {
		if c.state != stateTerminating && !c.ended() {
			c.cancel()
			c.terminal.Fire()
		}
	}
	return nil, nil
}
