package trace

import (
	"fmt"
	"os"
	"reflect"
	"slices"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-xray-sdk-go/v2/instrumentation/awsv2"
	"github.com/aws/aws-xray-sdk-go/v2/strategy/ctxmissing"
	"github.com/aws/aws-xray-sdk-go/v2/strategy/exception"
	"github.com/aws/aws-xray-sdk-go/v2/xray"
	"github.com/aws/aws-xray-sdk-go/v2/xraylog"
	"github.com/aws/smithy-go/middleware"
)

// Setup sets what the SDK keeps for the whole process: calls outside of a trace are not complained about, the SDK's own
// log goes to standard error from level error on, and errors are recorded under the name that Lambda reports. A main
// function calls it once, before anything else runs; the SDK's logger may not be changed later.
func Setup() error {
	xray.SetLogger(xraylog.NewDefaultLogger(os.Stderr, xraylog.LogLevelError))
	format, err := newExceptions()
	if err != nil {
		return err
	}
	err = xray.Configure(xray.Config{
		ContextMissingStrategy:      ctxmissing.NewDefaultIgnoreErrorStrategy(),
		ExceptionFormattingStrategy: format,
	})
	if err != nil {
		return fmt.Errorf("configure X-Ray: %w", err)
	}
	return nil
}

// instrumentID is the name of the first middleware that awsv2.AWSV2Instrumentor adds.
const instrumentID = "XRayInitializeMiddlewareAfter"

// Instrument returns a copy of cfg whose clients record each call as a subsegment (service, operation, region, request
// id, status) and send the trace on. cfg itself stays as it is: make the clients of per-object loops from it.
// Instrumenting twice is the same as once.
func Instrument(cfg aws.Config) aws.Config {
	c := cfg.Copy()
	c.APIOptions = append(slices.Clip(c.APIOptions), instrument)
	return c
}

func instrument(stack *middleware.Stack) error {
	if _, ok := stack.Initialize.Get(instrumentID); ok {
		return nil
	}
	var options []func(*middleware.Stack) error
	awsv2.AWSV2Instrumentor(&options)
	for _, add := range options {
		if err := add(stack); err != nil {
			return fmt.Errorf("instrument AWS client: %w", err)
		}
	}
	return nil
}

// exceptions formats errors as the SDK does, except that the type is the bare name which Lambda reports and the state
// machines catch, and that the message is bounded.
type exceptions struct {
	*exception.DefaultFormattingStrategy
}

func newExceptions() (exceptions, error) {
	d, err := exception.NewDefaultFormattingStrategy()
	if err != nil {
		return exceptions{}, fmt.Errorf("configure X-Ray: %w", err)
	}
	return exceptions{d}, nil
}

// ExceptionFromError describes err for a segment document.
func (e exceptions) ExceptionFromError(err error) exception.Exception {
	x := e.DefaultFormattingStrategy.ExceptionFromError(err)
	x.Type = errorName(err)
	x.Message = clip(x.Message, maxMessage)
	return x
}

// errorName is the name under which Lambda reports err: the outermost Go type's, without its package.
func errorName(err error) string {
	if err == errUnfinished {
		return "panic"
	}
	t := reflect.TypeOf(err)
	for t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	if t.Name() == "" {
		return t.String()
	}
	return t.Name()
}
