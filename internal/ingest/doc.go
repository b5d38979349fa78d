// Package ingest is the producer's side of the stream: the HTTP edge's Handler, and the Sender that it shares with
// everything else that puts events into the stream.
//
// Nothing is said to be accepted that is not in the stream. The reverse may happen: a put whose answer is lost is done
// again, or reported as failed, although its records may be in the stream. Exactly once begins behind it.
package ingest
