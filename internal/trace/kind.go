package trace

// Kind says what a segment stands for.
type Kind string

// Kinds of segments, from the outermost inwards.
const (
	KindExecution Kind = "execution" // an execution of a state machine
	KindState     Kind = "state"     // a state that was entered
	KindBranch    Kind = "branch"    // an iteration of a Map, a branch of a Parallel
	KindAttempt   Kind = "attempt"   // one try of a Task
	KindWait      Kind = "wait"      // a Wait state's time, or the time before the next attempt
	KindService   Kind = "service"   // Lambda's own segment: queueing and start
	KindFunction  Kind = "function"  // a function's invocation
	KindStage     Kind = "stage"     // a span of a stage
	KindCall      Kind = "call"      // a call of an AWS service
	KindCluster   Kind = "cluster"   // an EMR cluster's life, or a phase of it
	KindStep      Kind = "step"      // a step on a cluster
	KindOther     Kind = "other"
)

func (k Kind) known() bool {
	switch k {
	case KindExecution, KindState, KindBranch, KindAttempt, KindWait, KindService, KindFunction, KindStage, KindCall,
		KindCluster, KindStep, KindOther:
		return true
	}
	return false
}

// kindMetadata is the metadata under which a sink notes a kind.
func kindMetadata(k Kind) map[string]map[string]any {
	return map[string]map[string]any{metadataNamespace: {"kind": string(k)}}
}

// kindOf returns the kind that a sink noted, or what the document's form tells: the documents of AWS carry no note.
func kindOf(d *Document) Kind {
	if s, ok := d.Metadata[metadataNamespace]["kind"].(string); ok && Kind(s).known() {
		return Kind(s)
	}
	switch d.Origin {
	case originExecution:
		return KindExecution
	case originFunction:
		return KindFunction
	case originService:
		return KindService
	case originCluster:
		return KindCluster
	}
	switch {
	case d.Namespace != "":
		return KindCall
	case d.Type == typeSubsegment:
		return KindStage
	}
	return KindOther
}
