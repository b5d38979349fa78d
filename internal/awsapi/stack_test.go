package awsapi

import (
	"context"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudformation"
	"github.com/aws/aws-sdk-go-v2/service/cloudformation/types"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	lambdatypes "github.com/aws/aws-sdk-go-v2/service/lambda/types"
	"github.com/aws/smithy-go"

	"penstock/internal/fault"
)

// stacks answers DescribeStacks.
type stacks func(name string) (*cloudformation.DescribeStacksOutput, error)

func (s stacks) DescribeStacks(_ context.Context, in *cloudformation.DescribeStacksInput, _ ...func(*cloudformation.Options)) (*cloudformation.DescribeStacksOutput, error) {
	return s(*in.StackName)
}

func deployed(without string) *cloudformation.DescribeStacksOutput {
	s := types.Stack{StackStatus: types.StackStatusCreateComplete}
	for _, p := range []string{"EventName", "Format", "Job", "Split"} {
		if p != without {
			s.Parameters = append(s.Parameters, types.Parameter{ParameterKey: aws.String(p), ParameterValue: aws.String("the " + p)})
		}
	}
	for _, o := range []string{"ArchiveBucket", "HoursBucket", "FailureBucket", "StreamName", "HourMachineArn", "ScheduleMachineArn", "ApiUrl", "ApiKeyId"} {
		if o != without {
			s.Outputs = append(s.Outputs, types.Output{OutputKey: aws.String(o), OutputValue: aws.String("the " + o)})
		}
	}
	return &cloudformation.DescribeStacksOutput{Stacks: []types.Stack{s}}
}

func TestAStackIsWhatItsParametersAndOutputsSay(t *testing.T) {
	s, err := describeStack(context.Background(), stacks(func(string) (*cloudformation.DescribeStacksOutput, error) { return deployed(""), nil }), "prod")
	if err != nil {
		t.Fatal(err)
	}
	if *s != (Stack{Name: "prod", EventName: "the EventName", Format: "the Format", Split: "the Split", Job: "the Job", ArchiveBucket: "the ArchiveBucket",
		HoursBucket: "the HoursBucket", FailureBucket: "the FailureBucket", StreamName: "the StreamName", HourMachine: "the HourMachineArn",
		ScheduleMachine: "the ScheduleMachineArn", APIURL: "the ApiUrl", APIKeyID: "the ApiKeyId"}) {
		t.Errorf("%+v", *s)
	}
}

func TestAStackThatCannotBeUsedIsSaidToBe(t *testing.T) {
	for _, c := range []struct {
		name string
		out  *cloudformation.DescribeStacksOutput
		err  error
		kind string
		says string
	}{
		{"it is not there", nil, &smithy.GenericAPIError{Code: "ValidationError", Message: "Stack with id prod does not exist"}, "NotFound", "stack prod"},
		{"nothing is described", &cloudformation.DescribeStacksOutput{}, nil, "NotFound", "stack prod"},
		{"no permission", nil, &smithy.GenericAPIError{Code: "AccessDenied"}, "AccessDenied", "describe stack prod"},
		{"another kind of stack", &cloudformation.DescribeStacksOutput{Stacks: []types.Stack{{StackStatus: types.StackStatusRollbackComplete}}}, nil, "BadInput", "ROLLBACK_COMPLETE"},
		{"an output is missing", deployed("HoursBucket"), nil, "BadInput", "HoursBucket"},
	} {
		_, err := describeStack(context.Background(), stacks(func(string) (*cloudformation.DescribeStacksOutput, error) { return c.out, c.err }), "prod")
		if fault.NameOf(err) != c.kind || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: %s %v", c.name, fault.NameOf(err), err)
		}
	}
}

// functions answers GetFunctionConfiguration.
type functions map[string]map[string]string

func (f functions) GetFunctionConfiguration(_ context.Context, in *lambda.GetFunctionConfigurationInput, _ ...func(*lambda.Options)) (*lambda.GetFunctionConfigurationOutput, error) {
	env, ok := f[*in.FunctionName]
	switch {
	case !ok:
		return nil, &smithy.GenericAPIError{Code: "AccessDeniedException", Message: "no"}
	case env == nil:
		return &lambda.GetFunctionConfigurationOutput{}, nil
	}
	return &lambda.GetFunctionConfigurationOutput{Environment: &lambdatypes.EnvironmentResponse{Variables: env}}, nil
}

func TestAFunctionsEnvironmentIsReadAsItIsDeployed(t *testing.T) {
	api := functions{"prod-prepare": {"SUBNETS": "a,b"}, "prod-bare": nil}
	if got, err := environment(context.Background(), api, "prod-prepare"); err != nil || got["SUBNETS"] != "a,b" {
		t.Errorf("%v, %v", got, err)
	}
	if got, err := environment(context.Background(), api, "prod-bare"); err != nil || got == nil || len(got) > 0 {
		t.Errorf("%v, %v", got, err)
	}
	if _, err := environment(context.Background(), api, "prod-none"); fault.NameOf(err) != "AccessDenied" {
		t.Error(err)
	}
}
