// Package archive writes what a shard delivers to the archive: exactly the stream, whatever is delivered twice.
//
// A [Handler] gets Lambda's Kinesis event, a run of records of one shard, and splits it by hour of arrival, rounded to
// the millisecond. For each hour it writes an object with the events, an object with the rejects, and last the index,
// which is the commit: what no index names does not exist. Each is created if absent.
//
// # Events and rejects
//
// A record is one event, or an aggregate of the Kinesis Producer Library of several, or, with SplitLines, one event a
// line. No content fails a batch: what cannot be an event becomes a reject, which keeps it whole.
//
//   - One trailing LF or CRLF is stripped. What is empty then is a reject; with SplitLines, blank lines only separate.
//   - JSON must be one valid document, UTF-8 throughout and nested to at most 512 levels, else it is a reject: readers
//     differ in what they make of bytes that are no UTF-8 (some stop, some replace them), and the archive must mean the
//     same to all of them. The bytes of a document stay as they are, except that one with CR or LF, which stand between
//     tokens only, is compacted: Hadoop ends a line at a bare CR, too.
//   - Text may hold any bytes but CR and LF.
//   - An aggregate with a right checksum that does not decode is rejected whole, and so is a record of which more than
//     16 sub-records and one for each 32 bytes are rejects: rejects are bigger than what they keep, and a batch must
//     not outgrow memory.
//   - A panic over a record makes it a reject.
//
// # Delivered again
//
// The first index of a run of records stands, whichever release wrote it: when creating one answers that it exists, its
// hash of the raw records is compared with the batch's. If they are equal this delivery was a duplicate. If not, it is
// a *fault.Conflict: it is reported, the delivery is kept in the failure store, and the invocation succeeds, because a
// shard must not be blocked by it. An object that exists holds these very bytes: its name has their hash.
//
// A redelivery is encoded and put again instead of looking for the index first. The look would cost every batch a
// request of 4 % of the price of its two puts and a round trip; it pays only where more than one batch in thirty is a
// duplicate. An object that no index names (of a try that died, or of another encoder) is harmless and expires.
//
// A batch that Kinesis would not deliver is dealt with as follows: records out of order are sorted, a record that is
// there twice is taken once; several shards, or one sequence number with two contents, are a *fault.BadInput.
package archive
