package awsapi

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/aws/aws-sdk-go-v2/service/sfn"
	"github.com/aws/aws-sdk-go-v2/service/sfn/types"

	"penstock/internal/fault"
	"penstock/internal/hour"
)

// StepFunctions is what Executions needs of *sfn.Client.
type StepFunctions interface {
	DescribeExecution(context.Context, *sfn.DescribeExecutionInput, ...func(*sfn.Options)) (*sfn.DescribeExecutionOutput, error)
	StartExecution(context.Context, *sfn.StartExecutionInput, ...func(*sfn.Options)) (*sfn.StartExecutionOutput, error)
	StopExecution(context.Context, *sfn.StopExecutionInput, ...func(*sfn.Options)) (*sfn.StopExecutionOutput, error)
}

// Executions tells how executions of the hour machine stand, starts and stops them. It is safe for concurrent use.
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

// Start starts the execution of that name. To start it again with the same input while it runs is to start it once; any
// other that has, or had, the name is a *fault.Exists. Further errors are as Describe's.
func (e Executions) Start(ctx context.Context, name string, input hour.Input) error {
	limited, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	text, err := json.Marshal(input)
	if err != nil {
		return fmt.Errorf("encode input of execution %s: %w", name, err)
	}
	body := string(text)
	_, err = e.API.StartExecution(limited, &sfn.StartExecutionInput{StateMachineArn: &e.Machine, Name: &name, Input: &body})
	var exists *types.ExecutionAlreadyExists
	switch {
	case err == nil:
		return nil
	case errors.As(err, &exists):
		return &fault.Exists{Key: "execution " + name}
	}
	return classify(ctx, "states", "start execution "+name, err)
}

// Stop ends an execution as ABORTED, given its ARN or name; cause is for people. One that is closed, or unknown, is no
// error. Errors are as Describe's.
func (e Executions) Stop(ctx context.Context, execution, cause string) error {
	limited, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	arn := e.ARN(execution)
	_, err := e.API.StopExecution(limited, &sfn.StopExecutionInput{ExecutionArn: &arn, Cause: &cause})
	var unknown *types.ExecutionDoesNotExist
	if err == nil || errors.As(err, &unknown) {
		return nil
	}
	return classify(ctx, "states", "stop execution "+arn, err)
}
