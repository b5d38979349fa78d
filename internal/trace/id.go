package trace

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"math/rand/v2"
	"strconv"
	"strings"
	"time"

	"github.com/aws/aws-lambda-go/lambdacontext"
	"github.com/aws/aws-xray-sdk-go/v2/xray"
)

// traceIDLen is the length of a trace id: "1-", 8 hex digits of Unix seconds, "-", 24 hex digits.
const traceIDLen = 35

// NewTraceID makes a trace id of X-Ray's form: the Unix seconds of t and 96 bits from r.
func NewTraceID(r *rand.Rand, t time.Time) string {
	var b [12]byte
	binary.BigEndian.PutUint64(b[:8], r.Uint64())
	binary.BigEndian.PutUint32(b[8:], r.Uint32())
	return formatTraceID(t, b[:])
}

// TraceIDFor makes the trace id that a seed and a name (an execution's, or a request id) determine, for work that
// began at t. Unlike [NewTraceID] it does not depend on what was drawn before, so that work done again after a crash
// has the same trace.
func TraceIDFor(seed uint64, name string, t time.Time) string {
	sum := sha256.Sum256([]byte(strconv.FormatUint(seed, 16) + "\x00" + name))
	return formatTraceID(t, sum[:12])
}

func formatTraceID(t time.Time, unique []byte) string {
	return fmt.Sprintf("1-%08x-%s", uint32(t.Unix()), hex.EncodeToString(unique))
}

// TraceTime returns the time that a trace id carries, to the second, and whether id is a trace id at all.
func TraceTime(id string) (time.Time, bool) {
	if len(id) != traceIDLen || id[:2] != "1-" || id[10] != '-' || !isHex(id[2:10]) || !isHex(id[11:]) {
		return time.Time{}, false
	}
	secs, err := strconv.ParseUint(id[2:10], 16, 32)
	if err != nil {
		return time.Time{}, false
	}
	return time.Unix(int64(secs), 0).UTC(), true
}

// isHex says whether s is made of lower-case hex digits.
func isHex(s string) bool {
	for i := range len(s) {
		if c := s[i]; (c < '0' || c > '9') && (c < 'a' || c > 'f') {
			return false
		}
	}
	return s != ""
}

// isSegmentID says whether s is a segment's id.
func isSegmentID(s string) bool { return len(s) == 16 && isHex(s) }

// derivedID is the segment id that its parts determine: 16 hex digits.
func derivedID(parts ...string) string {
	sum := sha256.Sum256([]byte(strings.Join(parts, "\x00")))
	return hex.EncodeToString(sum[:8])
}

// Header is the value of X-Amzn-Trace-Id for a sampled trace; parent is the id of the segment that calls, or "".
func Header(traceID, parent string) string { return header(traceID, parent, true) }

func header(traceID, parent string, sampled bool) string {
	var b strings.Builder
	b.WriteString("Root=" + traceID)
	if parent != "" {
		b.WriteString(";Parent=" + parent)
	}
	if sampled {
		b.WriteString(";Sampled=1")
	} else {
		b.WriteString(";Sampled=0")
	}
	return b.String()
}

// headerField returns a field ("Root", "Parent", "Sampled") of an X-Amzn-Trace-Id header, or "".
func headerField(h, field string) string {
	for part := range strings.SplitSeq(h, ";") {
		if k, v, ok := strings.Cut(strings.TrimSpace(part), "="); ok && k == field {
			return v
		}
	}
	return ""
}

// ID returns the trace id of ctx, sampled or not, or "" if ctx carries none that is well-formed. Indexes, ledger entries and manifests
// keep it.
func ID(ctx context.Context) string {
	h, _ := ctx.Value(xray.LambdaTraceHeaderKey).(string)
	for _, id := range []string{headerField(h, "Root"), xray.TraceID(ctx)} {
		if _, ok := TraceTime(id); ok {
			return id
		}
	}
	return ""
}

// RequestID returns the request id of the Lambda invocation of ctx, or "" outside of one.
func RequestID(ctx context.Context) string {
	if lc, ok := lambdacontext.FromContext(ctx); ok && lc != nil {
		return lc.AwsRequestID
	}
	return ""
}
