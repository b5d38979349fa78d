package stream

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"

	"penstock/internal/fault"
)

// KinesisAPI is what Kinesis needs of *kinesis.Client.
type KinesisAPI interface {
	ListShards(context.Context, *kinesis.ListShardsInput, ...func(*kinesis.Options)) (*kinesis.ListShardsOutput, error)
	GetShardIterator(context.Context, *kinesis.GetShardIteratorInput, ...func(*kinesis.Options)) (*kinesis.GetShardIteratorOutput, error)
	GetRecords(context.Context, *kinesis.GetRecordsInput, ...func(*kinesis.Options)) (*kinesis.GetRecordsOutput, error)
	PutRecords(context.Context, *kinesis.PutRecordsInput, ...func(*kinesis.Options)) (*kinesis.PutRecordsOutput, error)
	DescribeStreamSummary(context.Context, *kinesis.DescribeStreamSummaryInput, ...func(*kinesis.Options)) (*kinesis.DescribeStreamSummaryOutput, error)
}

// KinesisOptions of a Kinesis.
type KinesisOptions struct {
	// Timeout limits each call, the client's own retries included; 0 is 30 seconds.
	Timeout time.Duration
}

// Kinesis is a Writer and Reader over Kinesis Data Streams. It makes one call of the service a call (ListShards pages);
// retrying entries that failed is the business of who puts them. It is safe for concurrent use.
//
// A stream that does not exist is a *fault.BadInput, a missing permission a *fault.AccessDenied; throttling, server
// errors and silence are a *fault.Unavailable.
type Kinesis struct {
	api     KinesisAPI
	stream  string
	options KinesisOptions
}

var (
	_ Writer     = (*Kinesis)(nil)
	_ Reader     = (*Kinesis)(nil)
	_ KinesisAPI = (*kinesis.Client)(nil)
)

// NewKinesis returns the stream of a name or an ARN.
func NewKinesis(api KinesisAPI, stream string, options KinesisOptions) *Kinesis {
	options.Timeout = cmp.Or(options.Timeout, 30*time.Second)
	return &Kinesis{api, stream, options}
}

// identity is how inputs name the stream.
func (k *Kinesis) identity() (name, arn *string) {
	if strings.HasPrefix(k.stream, "arn:") {
		return nil, &k.stream
	}
	return &k.stream, nil
}

// PutRecords implements Writer. The service may place the entries of a call in any order.
func (k *Kinesis) PutRecords(ctx context.Context, entries []Entry) ([]Put, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if _, err := newPutRequest(entries); err != nil {
		return nil, err
	}
	in := &kinesis.PutRecordsInput{Records: make([]types.PutRecordsRequestEntry, len(entries))}
	in.StreamName, in.StreamARN = k.identity()
	for i := range entries {
		in.Records[i] = types.PutRecordsRequestEntry{Data: entries[i].Data, PartitionKey: &entries[i].PartitionKey}
		if in.Records[i].Data == nil {
			in.Records[i].Data = []byte{}
		}
		if entries[i].ExplicitHashKey != "" {
			in.Records[i].ExplicitHashKey = &entries[i].ExplicitHashKey
		}
	}
	var puts []Put
	action := fmt.Sprintf("put %d records", len(entries))
	err := k.call(ctx, action, func(ctx context.Context) error {
		out, err := k.api.PutRecords(ctx, in)
		if err != nil {
			return err
		}
		if len(out.Records) != len(entries) {
			return fmt.Errorf("%d answers to %d records", len(out.Records), len(entries))
		}
		puts = make([]Put, len(entries))
		for i, r := range out.Records {
			puts[i] = Put{aws.ToString(r.ShardId), aws.ToString(r.SequenceNumber), aws.ToString(r.ErrorCode)}
		}
		return nil
	})
	return puts, err
}

// maxShardPages bounds a listing: 1 000 shards a page.
const maxShardPages = 1000

// Shards implements Reader.
func (k *Kinesis) Shards(ctx context.Context, from time.Time) ([]Shard, error) {
	filter := &types.ShardFilter{Type: types.ShardFilterTypeFromTrimHorizon}
	if !from.IsZero() {
		filter = &types.ShardFilter{Type: types.ShardFilterTypeFromTimestamp, Timestamp: &from}
	}
	in := &kinesis.ListShardsInput{ShardFilter: filter}
	in.StreamName, in.StreamARN = k.identity()
	var list []Shard
	for range maxShardPages {
		var out *kinesis.ListShardsOutput
		err := k.call(ctx, "list shards", func(ctx context.Context) (err error) {
			out, err = k.api.ListShards(ctx, in)
			return err
		})
		if err != nil {
			return nil, err
		}
		for _, s := range out.Shards {
			list = append(list, shardOf(s))
		}
		if aws.ToString(out.NextToken) == "" {
			slices.SortFunc(list, func(a, b Shard) int { return cmp.Compare(a.ID, b.ID) })
			return list, nil
		}
		in = &kinesis.ListShardsInput{NextToken: out.NextToken} // which names stream and filter
	}
	return nil, k.unavailable("list shards", fmt.Errorf("more than %d pages", maxShardPages))
}

func shardOf(s types.Shard) Shard {
	shard := Shard{ID: aws.ToString(s.ShardId), Parent: aws.ToString(s.ParentShardId), AdjacentParent: aws.ToString(s.AdjacentParentShardId)}
	if r := s.HashKeyRange; r != nil {
		shard.StartHash, shard.EndHash = aws.ToString(r.StartingHashKey), aws.ToString(r.EndingHashKey)
	}
	if r := s.SequenceNumberRange; r != nil {
		shard.First, shard.Last = aws.ToString(r.StartingSequenceNumber), aws.ToString(r.EndingSequenceNumber)
	}
	return shard
}

// Iterator implements Reader.
func (k *Kinesis) Iterator(ctx context.Context, shard string, start Start) (string, error) {
	if err := cmp.Or(ctx.Err(), start.check()); err != nil {
		return "", err
	}
	in := &kinesis.GetShardIteratorInput{ShardId: &shard, ShardIteratorType: types.ShardIteratorType(start.Type)}
	in.StreamName, in.StreamARN = k.identity()
	switch start.Type {
	case AtSequence, AfterSequence:
		in.StartingSequenceNumber = &start.Sequence
	case AtTimestamp:
		in.Timestamp = &start.Time
	}
	var iterator string
	err := k.call(ctx, "open "+shard, func(ctx context.Context) error {
		out, err := k.api.GetShardIterator(ctx, in)
		if err == nil {
			iterator = aws.ToString(out.ShardIterator)
		}
		return err
	})
	return iterator, err
}

// Records implements Reader. Arrival times are whole milliseconds.
func (k *Kinesis) Records(ctx context.Context, iterator string, limit int) (Page, error) {
	if err := cmp.Or(ctx.Err(), checkLimit(limit)); err != nil {
		return Page{}, err
	}
	const longest = 8 << 10 // the service's are some hundreds of bytes
	if iterator == "" || len(iterator) > longest {
		return Page{}, &fault.BadInput{Detail: fmt.Sprintf("iterator of %d bytes", len(iterator))}
	}
	in := &kinesis.GetRecordsInput{ShardIterator: &iterator, Limit: aws.Int32(int32(limit))}
	if _, arn := k.identity(); arn != nil {
		in.StreamARN = arn
	}
	var page Page
	err := k.call(ctx, "read records", func(ctx context.Context) error {
		out, err := k.api.GetRecords(ctx, in)
		if err == nil {
			page = pageOf(out)
		}
		return err
	})
	return page, err
}

func pageOf(out *kinesis.GetRecordsOutput) Page {
	page := Page{Next: aws.ToString(out.NextShardIterator), BehindTip: time.Duration(aws.ToInt64(out.MillisBehindLatest)) * time.Millisecond}
	for _, r := range out.Records {
		page.Records = append(page.Records, Record{
			Sequence: aws.ToString(r.SequenceNumber), PartitionKey: aws.ToString(r.PartitionKey),
			Arrival: aws.ToTime(r.ApproximateArrivalTimestamp).Round(time.Millisecond).UTC(), Data: r.Data,
		})
	}
	for _, child := range out.ChildShards {
		page.Children = append(page.Children, aws.ToString(child.ShardId))
	}
	return page
}

// Retention implements Reader.
func (k *Kinesis) Retention(ctx context.Context) (time.Duration, error) {
	in := &kinesis.DescribeStreamSummaryInput{}
	in.StreamName, in.StreamARN = k.identity()
	var hours int32
	err := k.call(ctx, "describe", func(ctx context.Context) error {
		out, err := k.api.DescribeStreamSummary(ctx, in)
		if err != nil {
			return err
		}
		if out.StreamDescriptionSummary == nil || aws.ToInt32(out.StreamDescriptionSummary.RetentionPeriodHours) <= 0 {
			return errors.New("no retention period in the answer")
		}
		hours = *out.StreamDescriptionSummary.RetentionPeriodHours
		return nil
	})
	return time.Duration(hours) * time.Hour, err
}

var errTimeout = errors.New("no answer within the limit")

// call runs one call under a timeout of its own and gives its error a type.
func (k *Kinesis) call(ctx context.Context, action string, fn func(context.Context) error) error {
	limited, cancel := context.WithTimeoutCause(ctx, k.options.Timeout, errTimeout)
	defer cancel()
	err := fn(limited)
	switch {
	case err == nil:
		return nil
	case ctx.Err() != nil:
		return ctx.Err()
	case context.Cause(limited) == errTimeout:
		return k.unavailable(action, errTimeout)
	}
	var api interface{ ErrorCode() string }
	if !errors.As(err, &api) {
		return k.unavailable(action, err)
	}
	var response interface{ HTTPStatusCode() int }
	status := 0
	if errors.As(err, &response) {
		status = response.HTTPStatusCode()
	}
	return k.classify(action, api.ErrorCode(), status)
}

func (k *Kinesis) unavailable(action string, err error) error {
	return &fault.Unavailable{Service: "kinesis", Action: action + " of " + k.stream, Err: err}
}

// classify gives an error code of the service its type.
func (k *Kinesis) classify(action, code string, status int) error {
	cause := fmt.Errorf("%s (HTTP %d)", code, status)
	switch code {
	case "ResourceNotFoundException":
		if shard, ok := strings.CutPrefix(action, "open "); ok {
			return &fault.NotFound{Key: "shard " + shard + " of " + k.stream}
		}
		return &fault.BadInput{Detail: fmt.Sprintf("%s of %s: no such stream", action, k.stream)}
	case "ExpiredIteratorException":
		return &fault.BadInput{Detail: action + " of " + k.stream + ": the iterator expired"}
	case "ProvisionedThroughputExceededException", "LimitExceededException", "ResourceInUseException", "KMSThrottlingException", "ThrottlingException",
		"InternalFailureException", "InternalFailure", "RequestTimeout":
		return k.unavailable(action, cause)
	case "AccessDeniedException", "KMSAccessDeniedException", "UnrecognizedClientException", "ExpiredTokenException",
		"InvalidSignatureException", "MissingAuthenticationTokenException", "IncompleteSignatureException", "NotAuthorized":
		return &fault.AccessDenied{Service: "kinesis", Action: action + " of " + k.stream, Err: cause}
	}
	if status >= 400 && status < 500 { // InvalidArgument, Validation, KMSDisabled, ...
		return &fault.BadInput{Detail: fmt.Sprintf("%s of %s: %v", action, k.stream, cause)}
	}
	return k.unavailable(action, cause)
}
