package awsapi

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/lambda/types"

	"penstock/internal/fault"
)

// Invoker is what Functions needs of *lambda.Client.
type Invoker interface {
	Invoke(context.Context, *lambda.InvokeInput, ...func(*lambda.Options)) (*lambda.InvokeOutput, error)
}

// Functions calls the functions of a stack. It is safe for concurrent use.
type Functions struct {
	API   Invoker
	Stack string
}

// Functions returns the functions of the stack.
func (s *Stack) Functions() Functions {
	return Functions{API: lambda.NewFromConfig(s.config, func(o *lambda.Options) { o.RetryMaxAttempts = 1 }), Stack: s.Name}
}

// longest is how long a call of a function may take: Lambda's own limit.
const longest = 15 * time.Minute

// FunctionError is an error that a function returned.
type FunctionError struct {
	Function string
	Type     string // the name of the Go type, such as HourNotComplete
	Message  string
}

func (e *FunctionError) Error() string {
	return "function " + e.Function + ": " + e.Type + ": " + e.Message
}

// Answer is what a call of a function gave.
type Answer struct {
	Payload []byte
	Log     string // the last 4 kB that the call wrote, "" if that is not told
}

// Invoke calls the published version of a function once; the call is not repeated, whatever becomes of it. With dryRun
// only the permission and the function's existence are checked. An error of the function is a *FunctionError, and the
// answer has its log; a function that does not exist is a *fault.NotFound; else errors are *fault.Unavailable (the function may
// have run all the same), *fault.AccessDenied, *fault.BadInput and the context's.
func (f Functions) Invoke(ctx context.Context, name string, payload []byte, dryRun bool) (Answer, error) {
	in := &lambda.InvokeInput{FunctionName: aws.String(f.Stack + "-" + name), Qualifier: aws.String("live"), Payload: payload, LogType: types.LogTypeTail}
	if dryRun {
		in.InvocationType, in.LogType = types.InvocationTypeDryRun, types.LogTypeNone
	}
	limited, cancel := context.WithTimeout(ctx, longest)
	defer cancel()
	out, err := f.API.Invoke(limited, in)
	var absent *types.ResourceNotFoundException
	switch {
	case errors.As(err, &absent):
		return Answer{}, &fault.NotFound{Key: "function " + *in.FunctionName}
	case err != nil:
		return Answer{}, classify(ctx, "lambda", "invoke "+*in.FunctionName, err)
	}
	a := Answer{Payload: out.Payload}
	if log, err := base64.StdEncoding.DecodeString(aws.ToString(out.LogResult)); err == nil {
		a.Log = string(log)
	}
	if out.FunctionError == nil {
		return a, nil
	}
	var failed struct{ ErrorType, ErrorMessage string }
	if json.Unmarshal(out.Payload, &failed) != nil || failed.ErrorType == "" {
		failed.ErrorType = *out.FunctionError
	}
	return a, &FunctionError{name, failed.ErrorType, failed.ErrorMessage}
}
