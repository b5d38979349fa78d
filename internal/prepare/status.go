package prepare

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math"
	"strconv"
	"time"
)

// Status is Cluster.Status of DescribeCluster.
type Status struct {
	State             string
	StateChangeReason Reason
	Timeline          Timeline
}

// Reason is why a cluster or a step is in its state.
type Reason struct {
	Code    string
	Message string
}

// Timeline is when a cluster was made and when it ended.
type Timeline struct {
	CreationDateTime Instant
	ReadyDateTime    Instant
	EndDateTime      Instant
}

// StepStatus is Step.Status of ListSteps.
type StepStatus struct {
	State             string
	StateChangeReason Reason
	FailureDetails    FailureDetails
}

// FailureDetails are what EMR found out about a failed step.
type FailureDetails struct {
	Reason  string
	Message string
	LogFile string // URI
}

// Instant is a time of EMR's: seconds since 1970 with a fraction, as EMR's own protocol has it, or RFC 3339, as Step
// Functions writes it. null is the zero time.
type Instant struct{ time.Time }

// UnmarshalJSON implements json.Unmarshaler.
func (t *Instant) UnmarshalJSON(b []byte) error {
	switch {
	case bytes.Equal(b, []byte("null")):
		return nil
	case len(b) > 0 && b[0] == '"':
		var s string
		if err := json.Unmarshal(b, &s); err != nil {
			return err
		}
		v, err := time.Parse(time.RFC3339Nano, s)
		if err != nil {
			return fmt.Errorf("read time of a cluster: %w", err)
		}
		t.Time = v.UTC()
		return nil
	}
	f, err := strconv.ParseFloat(string(b), 64)
	if err != nil || f < 0 || f > 253_402_300_799 { // the year 9999
		return fmt.Errorf("read time of a cluster: %.40q is no time", b)
	}
	t.Time = time.UnixMilli(int64(math.Round(f * 1000))).UTC()
	return nil
}
