package awsapi

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"iter"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs/types"

	"penstock/internal/fault"
)

// CloudWatchLogs is what Logs needs of *cloudwatchlogs.Client.
type CloudWatchLogs interface {
	FilterLogEvents(context.Context, *cloudwatchlogs.FilterLogEventsInput, ...func(*cloudwatchlogs.Options)) (*cloudwatchlogs.FilterLogEventsOutput, error)
}

// Logs reads log groups. It is safe for concurrent use.
type Logs struct{ API CloudWatchLogs }

// Logs returns CloudWatch Logs.
func (c *Connection) Logs() Logs { return Logs{API: cloudwatchlogs.NewFromConfig(c.config)} }

// LogQuery says which events of a log group are wanted.
type LogQuery struct {
	Group    string
	Pattern  string // CloudWatch's filter pattern, "" for all
	From, To time.Time
}

// LogEvent is an event of a log group.
type LogEvent struct {
	ID     string // unique within the group
	At     time.Time
	Stream string
	Text   string // as it was written: it may hold anything
}

// Events yields what a group holds, in the order in which the service gives it: by time, in general. A group that does
// not exist is a *fault.NotFound; other errors are *fault.Unavailable, *fault.AccessDenied, *fault.BadInput (a malformed
// pattern) and the context's. An error ends the sequence.
func (l Logs) Events(ctx context.Context, q LogQuery) iter.Seq2[LogEvent, error] {
	return func(yield func(LogEvent, error) bool) {
		in := &cloudwatchlogs.FilterLogEventsInput{LogGroupName: &q.Group, StartTime: aws.Int64(q.From.UnixMilli()), EndTime: aws.Int64(q.To.UnixMilli())}
		if q.Pattern != "" {
			in.FilterPattern = &q.Pattern
		}
		for range maxPages { // a page may be empty and yet not the last
			out, err := l.page(ctx, in)
			if err != nil {
				yield(LogEvent{}, err)
				return
			}
			for _, e := range out.Events {
				event := LogEvent{ID: aws.ToString(e.EventId), At: time.UnixMilli(aws.ToInt64(e.Timestamp)).UTC(), Stream: aws.ToString(e.LogStreamName),
					Text: aws.ToString(e.Message)}
				event.ID = cmp.Or(event.ID, fmt.Sprintf("%s %d %s", event.Stream, event.At.UnixMilli(), event.Text))
				if !yield(event, nil) {
					return
				}
			}
			if aws.ToString(out.NextToken) == "" {
				return
			}
			in.NextToken = out.NextToken
		}
		yield(LogEvent{}, &fault.Unavailable{Service: "logs", Action: "read log group " + q.Group, Err: fmt.Errorf("no end after %d answers", maxPages)})
	}
}

func (l Logs) page(ctx context.Context, in *cloudwatchlogs.FilterLogEventsInput) (*cloudwatchlogs.FilterLogEventsOutput, error) {
	limited, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	out, err := l.API.FilterLogEvents(limited, in)
	var absent *types.ResourceNotFoundException
	switch {
	case errors.As(err, &absent):
		return nil, &fault.NotFound{Key: "log group " + *in.LogGroupName}
	case err != nil:
		return nil, classify(ctx, "logs", "read log group "+*in.LogGroupName, err)
	}
	return out, nil
}

// LogGroup is the log group of a function of the stack, as template.yaml names it.
func (s *Stack) LogGroup(function string) string { return "/aws/lambda/" + s.Name + "-" + function }
