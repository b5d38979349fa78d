package emr

import (
	"encoding/json"
	"fmt"
)

type listOfClusterRequest struct {
	ClusterID string `json:"ClusterId"`
	Marker    string
}

// ask finds the cluster of a request. The caller holds the lock.
func (s *Service) ask(in json.RawMessage) (*cluster, error) {
	var r listOfClusterRequest
	if err := decode(in, &r); err != nil {
		return nil, err
	}
	return s.find(r.ClusterID)
}

type fleetDetail struct {
	ID                          string `json:"Id"`
	Name                        string
	InstanceFleetType           string
	Status                      fleetStatus
	TargetOnDemandCapacity      int
	TargetSpotCapacity          int
	ProvisionedOnDemandCapacity int
	ProvisionedSpotCapacity     int
	InstanceTypeSpecifications  []json.RawMessage
	LaunchSpecifications        json.RawMessage `json:",omitempty"`
}

type fleetStatus struct{ State string }

// listInstanceFleets answers that a cluster that is ready has all it asked for.
func (s *Service) listInstanceFleets(in json.RawMessage) (any, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	c, err := s.ask(in)
	if err != nil {
		return nil, err
	}
	fleets := []fleetDetail{}
	for i, f := range c.request.Instances.InstanceFleets {
		d := fleetDetail{
			ID: fmt.Sprintf("if-%s%d", c.id[2:], i), Name: f.Name, InstanceFleetType: f.InstanceFleetType, Status: fleetStatus{"PROVISIONING"},
			TargetOnDemandCapacity: f.TargetOnDemandCapacity, TargetSpotCapacity: f.TargetSpotCapacity,
			InstanceTypeSpecifications: f.InstanceTypeConfigs, LaunchSpecifications: f.LaunchSpecifications,
		}
		switch {
		case c.ended():
			d.Status.State = stateTerminated
		case !c.ready.IsZero():
			d.Status.State = stateRunning
			d.ProvisionedOnDemandCapacity, d.ProvisionedSpotCapacity = f.TargetOnDemandCapacity, f.TargetSpotCapacity
		}
		fleets = append(fleets, d)
	}
	return map[string][]fleetDetail{"InstanceFleets": fleets}, nil
}

// listInstanceGroups answers with the groups as they were asked for.
func (s *Service) listInstanceGroups(in json.RawMessage) (any, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	c, err := s.ask(in)
	if err != nil {
		return nil, err
	}
	groups := append([]json.RawMessage{}, c.request.Instances.InstanceGroups...)
	return map[string][]json.RawMessage{"InstanceGroups": groups}, nil
}

type bootstrapAction struct {
	Name                  string
	ScriptBootstrapAction struct {
		Path string
		Args []string
	}
}

type bootstrapDetail struct {
	Name       string
	ScriptPath string
	Args       []string
}

func (s *Service) listBootstrapActions(in json.RawMessage) (any, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	c, err := s.ask(in)
	if err != nil {
		return nil, err
	}
	actions := []bootstrapDetail{}
	for _, a := range c.request.BootstrapActions {
		actions = append(actions, bootstrapDetail{a.Name, a.ScriptBootstrapAction.Path, append([]string{}, a.ScriptBootstrapAction.Args...)})
	}
	return map[string][]bootstrapDetail{"BootstrapActions": actions}, nil
}
