package awsapi

import (
	"context"
	"errors"
	"strings"

	"github.com/aws/aws-sdk-go-v2/service/sfn"
	"github.com/aws/aws-sdk-go-v2/service/sfn/types"
)

// StepFunctions is what Executions needs of *sfn.Client.
type StepFunctions interface {
	DescribeExecution(context.Context, *sfn.DescribeExecutionInput, ...func(*sfn.Options)) (*sfn.DescribeExecutionOutput, error)
}

// Executions tells how executions of the hour machine stand. It is safe for concurrent use.
type Executions struct {
	API     StepFunctions
	Machine string // ARN of the hour machine
}

// ARN returns the ARN of the hour machine's execution of that name; an ARN stays as it is.
func (e Executions) ARN(execution string) string {
	if strings.HasPrefix(execution, "arn:") {
		return execution
	}
	return strings.Replace(e.Machine, ":stateMachine:", ":execution:", 1) + ":" + execution
}

// Describe returns the status of an execution, given its ARN or name. One that was never started, or that Step Functions
// forgot after 90 days, is not found. The answer may be some seconds old. Errors are *fault.Unavailable,
// *fault.AccessDenied, *fault.BadInput and the context's.
func (e Executions) Describe(ctx context.Context, execution string) (status string, found bool, err error) {
	limited, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	arn := e.ARN(execution)
	out, err := e.API.DescribeExecution(limited, &sfn.DescribeExecutionInput{ExecutionArn: &arn})
	var unknown *types.ExecutionDoesNotExist
	switch {
	case errors.As(err, &unknown):
		return "", false, nil
	case err != nil:
		return "", false, classify(ctx, "states", "describe execution "+arn, err)
	}
	return string(out.Status), true, nil
}
