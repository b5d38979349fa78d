package awsapi

import (
	"context"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/aws/aws-sdk-go-v2/service/lambda"

	"penstock/internal/hour"
	"penstock/internal/stream"
	"penstock/internal/trace"
)

// Lambda is what Mapping needs of *lambda.Client.
type Lambda interface {
	GetEventSourceMapping(context.Context, *lambda.GetEventSourceMappingInput, ...func(*lambda.Options)) (*lambda.GetEventSourceMappingOutput, error)
}

// Mapping is an event source mapping. It is safe for concurrent use.
type Mapping struct {
	API  Lambda
	UUID string
}

// Mapping returns the mapping's present state, as a proof rests on it: a mapping that was made anew has another id.
// Errors are *fault.Unavailable, *fault.AccessDenied, *fault.BadInput (there is no such mapping) and the context's.
func (m Mapping) Mapping(ctx context.Context) (hour.Mapping, error) {
	limited, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	out, err := m.API.GetEventSourceMapping(limited, &lambda.GetEventSourceMappingInput{UUID: &m.UUID})
	if err != nil {
		return hour.Mapping{}, classify(ctx, "lambda", "get event source mapping "+m.UUID, err)
	}
	return hour.Mapping{
		ID: aws.ToString(out.UUID), State: aws.ToString(out.State), Start: string(out.StartingPosition),
		Factor: int(aws.ToInt32(out.ParallelizationFactor)), Filtered: out.FilterCriteria != nil && len(out.FilterCriteria.Filters) > 0,
	}, nil
}

// Mapping returns the event source mapping with that id.
func (c *Connection) Mapping(uuid string) Mapping {
	return Mapping{API: lambda.NewFromConfig(trace.Instrument(c.config)), UUID: uuid}
}

// Stream returns the stream with that name or ARN.
func (c *Connection) Stream(name string) *stream.Kinesis {
	return stream.NewKinesis(kinesis.NewFromConfig(trace.Instrument(c.config)), name, stream.KinesisOptions{Timeout: timeout})
}
