// Package emr is EMR on one machine: clusters that start, bootstrap, run their
// steps and end by themselves, on a clock, with the states, reasons, time lines
// and errors of the service. What a step does is a Runner's business; package
// hadoop has the one that runs Hadoop Streaming.
//
// Service.Call takes and gives the JSON of EMR's own API, for RunJobFlow,
// DescribeCluster, ListClusters, ListSteps, DescribeStep, TerminateJobFlows and the
// lists of a cluster's fleets, groups and bootstrap actions.
// Handler serves the same over EMR's wire protocol, for the AWS CLI, the SDKs
// and other engines of state machines. Failures are injected by a Faults.
//
// # Where it differs from the service, on purpose
//
// A member that the API does not have, or has in another spelling, is refused
// instead of ignored, so that a slip in a playbook or a state machine does not
// wait for a deployment to be found. Steps are run one after the other. There is no
// authentication, one account and one region.
package emr
