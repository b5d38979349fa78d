package emr

import "fmt"

// Names of errors, as the service gives them.
const (
	InvalidRequest = "InvalidRequestException"   // an id that is not known, a request that contradicts itself
	Validation     = "ValidationException"       // a request that is malformed
	Internal       = "InternalServerException"   // try again
	Throttling     = "ThrottlingException"       // try again, later
	Serialization  = "SerializationException"    // not the JSON of the action
	UnknownAction  = "UnknownOperationException" // no such action here
	// Unreachable is the name under which Step Functions reports a call whose
	// answer never came; nobody knows whether it was carried out.
	Unreachable = "SdkClientException"
)

// Error is an error of the API.
type Error struct {
	Name    string // one of the names above
	Message string
}

func (e *Error) Error() string { return e.Name + ": " + e.Message }

func refuse(name, format string, args ...any) error {
	return &Error{Name: name, Message: fmt.Sprintf(format, args...)}
}
