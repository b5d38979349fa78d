// Package trace records what a run did, as AWS X-Ray sees it, and shows it.
//
// It is the only package that knows aws-xray-sdk-go. It has four parts.
//
// Stages mark their work with [Begin] or [Do] and annotate it with the keys [Hour], [Shard], [Revision], [Execution]
// and [Events]. Without a trace in the context, or with AWS_XRAY_SDK_DISABLED=true, a [Span] does nothing. On Lambda
// the trace comes from the context that aws-lambda-go makes; a main function calls [Setup] once and [Instrument] for
// the clients whose calls are to be seen. Clients of per-object loops stay uninstrumented: the daemon is reached over
// UDP, which drops bursts, so a loop is one span with counts.
//
// On one machine a [Sink] takes the place of the daemon: [Sink.Invoke] prepares a context as Lambda would, a [Recorder]
// draws the executions of a state machine engine as Step Functions would, and both write segment documents of X-Ray's format with
// the times of an injected clock and ids derived from the trace id. The same run writes the same bytes.
//
// [Dir] is the folder of those documents; [Dir.LoadExecution] and [Dir.Load] read them back, [Remote] reads the same
// tree from X-Ray. Both are bounded: what they read may be torn, hostile or far too large.
//
// [Waterfall], [HTML] and [JSON] show a [Trace].
//
// The document format: https://docs.aws.amazon.com/xray/latest/devguide/xray-api-segmentdocuments.html.
package trace
