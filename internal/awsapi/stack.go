package awsapi

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/cloudformation"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/xray"
	"github.com/aws/smithy-go"

	"penstock/internal/clock"
	"penstock/internal/fault"
	"penstock/internal/hour"
	"penstock/internal/trace"
)

// Stack is a deployed template.yaml, as its parameters and outputs describe it.
type Stack struct {
	*Connection
	Name                                      string
	EventName, Format, Split, Job             string
	ArchiveBucket, HoursBucket, FailureBucket string
	StreamName                                string
	HourMachine, ScheduleMachine              string // ARNs
	APIURL, APIKeyID                          string
}

// CloudFormation is what finding a stack needs of *cloudformation.Client.
type CloudFormation interface {
	DescribeStacks(context.Context, *cloudformation.DescribeStacksInput, ...func(*cloudformation.Options)) (*cloudformation.DescribeStacksOutput, error)
}

// OpenStack finds a stack in the account and region that the environment names. One that is not there is a
// *fault.NotFound, one that is no Penstock stack, or not whole, a *fault.BadInput; other errors are *fault.Unavailable,
// *fault.AccessDenied and the context's.
func OpenStack(ctx context.Context, name string) (*Stack, error) {
	if err := trace.Setup(); err != nil {
		return nil, err
	}
	cfg, err := config.LoadDefaultConfig(ctx)
	if err != nil {
		return nil, fmt.Errorf("load AWS configuration: %w", err)
	}
	if cfg.Region == "" {
		return nil, &fault.BadInput{Detail: "no AWS region: set AWS_REGION, or AWS_PROFILE to a profile that names one"}
	}
	s, err := describeStack(ctx, cloudformation.NewFromConfig(cfg), name)
	if err != nil {
		return nil, err
	}
	keys, err := hour.NewKeys(s.EventName)
	if err != nil {
		return nil, err
	}
	s.Connection = &Connection{keys, cfg}
	return s, nil
}

func describeStack(ctx context.Context, api CloudFormation, name string) (*Stack, error) {
	limited, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	out, err := api.DescribeStacks(limited, &cloudformation.DescribeStacksInput{StackName: &name})
	var refused smithy.APIError
	switch {
	case errors.As(err, &refused) && refused.ErrorCode() == "ValidationError" && strings.Contains(refused.ErrorMessage(), "does not exist"):
		return nil, &fault.NotFound{Key: "stack " + name}
	case err != nil:
		return nil, classify(ctx, "cloudformation", "describe stack "+name, err)
	case len(out.Stacks) == 0:
		return nil, &fault.NotFound{Key: "stack " + name}
	}
	values := map[string]string{}
	for _, p := range out.Stacks[0].Parameters {
		if p.ParameterKey != nil && p.ParameterValue != nil {
			values[*p.ParameterKey] = *p.ParameterValue
		}
	}
	for _, o := range out.Stacks[0].Outputs {
		if o.OutputKey != nil && o.OutputValue != nil {
			values[*o.OutputKey] = *o.OutputValue
		}
	}
	s := &Stack{Name: name, Split: values["Split"]}
	var missing []string
	for _, v := range []struct {
		name string
		to   *string
	}{
		{"EventName", &s.EventName}, {"Format", &s.Format}, {"Job", &s.Job}, {"ArchiveBucket", &s.ArchiveBucket}, {"HoursBucket", &s.HoursBucket},
		{"FailureBucket", &s.FailureBucket}, {"StreamName", &s.StreamName}, {"HourMachineArn", &s.HourMachine},
		{"ScheduleMachineArn", &s.ScheduleMachine}, {"ApiUrl", &s.APIURL}, {"ApiKeyId", &s.APIKeyID},
	} {
		if *v.to = values[v.name]; *v.to == "" {
			missing = append(missing, v.name)
		}
	}
	if len(missing) > 0 {
		return nil, &fault.BadInput{Detail: fmt.Sprintf("stack %s is %s and lacks %s: is it a Penstock stack, deployed to its end?", name,
			out.Stacks[0].StackStatus, strings.Join(missing, ", "))}
	}
	return s, nil
}

// Traces reads X-Ray.
func (s *Stack) Traces() *trace.Remote {
	return trace.NewRemote(xray.NewFromConfig(s.config), clock.Pause)
}

// FunctionConfigurations is what Environment needs of *lambda.Client.
type FunctionConfigurations interface {
	GetFunctionConfiguration(context.Context, *lambda.GetFunctionConfigurationInput, ...func(*lambda.Options)) (*lambda.GetFunctionConfigurationOutput, error)
}

// Environment returns the environment of the stack's function of that name, "prepare" say, as it is deployed. Errors are
// *fault.Unavailable, *fault.AccessDenied, *fault.BadInput (there is no such function) and the context's.
func (s *Stack) Environment(ctx context.Context, function string) (map[string]string, error) {
	return environment(ctx, lambda.NewFromConfig(s.config), s.Name+"-"+function)
}

func environment(ctx context.Context, api FunctionConfigurations, function string) (map[string]string, error) {
	limited, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	out, err := api.GetFunctionConfiguration(limited, &lambda.GetFunctionConfigurationInput{FunctionName: &function})
	if err != nil {
		return nil, classify(ctx, "lambda", "get configuration of "+function, err)
	}
	if out.Environment == nil {
		return map[string]string{}, nil
	}
	return out.Environment.Variables, nil
}
