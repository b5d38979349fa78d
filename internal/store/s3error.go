package store

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"penstock/internal/fault"
)

// Causes inside the errors that call returns, for those who know what to do about them.
var (
	errPrecondition = errors.New("precondition failed")        // 412
	errConflict     = errors.New("conflicting request")        // 409
	errRange        = errors.New("range not satisfiable")      // 416
	errUploadGone   = errors.New("no such multipart upload")   // completed by a lost try, or aborted
	errTimeout      = errors.New("no answer within the limit") // of one call
)

// maxTries bounds what S3 tries again itself, beyond the client's own retries.
const maxTries = 5

// call runs one call under a timeout of its own and gives its error a type. key is what it is about.
func (s *S3) call(ctx context.Context, action, key string, timeout time.Duration, fn func(context.Context) error) error {
	limited, cancel := context.WithTimeoutCause(ctx, timeout, errTimeout)
	defer cancel()
	err := fn(limited)
	if err == nil {
		return nil
	}
	return s.classify(ctx, limited, action, key, err)
}

// classify gives an error of the client its type. ctx is the caller's context, limited the call's.
func (s *S3) classify(ctx, limited context.Context, action, key string, err error) error {
	action = strings.TrimSpace(fmt.Sprintf("%s s3://%s/%s", action, s.bucket, key))
	unavailable := func(cause error) error { return &fault.Unavailable{Service: "s3", Action: action, Err: cause} }
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case context.Cause(limited) == errTimeout:
		return unavailable(errTimeout)
	case errors.Is(err, errPrecondition):
		return &fault.Changed{Key: key}
	}
	code, status := codeOf(err)
	cause := fmt.Errorf("%s (HTTP %d)", code, status)
	switch {
	case status == http.StatusPreconditionFailed:
		return &fault.Changed{Key: key}
	case status == http.StatusConflict:
		return unavailable(errConflict)
	case status == http.StatusRequestedRangeNotSatisfiable:
		return unavailable(errRange)
	case code == "NoSuchBucket":
		return &fault.BadInput{Detail: action + ": the bucket does not exist"}
	case code == "NoSuchUpload":
		return unavailable(errUploadGone)
	case status == http.StatusNotFound:
		return &fault.NotFound{Key: key}
	case status == http.StatusForbidden, status == http.StatusUnauthorized, code == "ExpiredToken", code == "InvalidToken":
		return &fault.AccessDenied{Service: "s3", Action: action, Err: cause}
	case status == http.StatusRequestTimeout, status == http.StatusTooManyRequests, transient(code):
		return unavailable(cause)
	case status >= 400 && status < 500:
		return &fault.BadInput{Detail: fmt.Sprintf("%s: %v", action, cause)}
	case status >= 500:
		return unavailable(cause)
	}
	return unavailable(err) // no answer at all: name resolution, connection, credentials
}

// transient codes come with 400 and are cured by sending the same again.
func transient(code string) bool {
	switch code {
	case "RequestTimeout", "BadDigest", "IncompleteBody", "XAmzContentChecksumMismatch", "XAmzContentSHA256Mismatch":
		return true
	}
	return false
}

// codeOf reads an error as the SDK's errors describe themselves; 0 is no answer.
func codeOf(err error) (code string, status int) {
	var api interface{ ErrorCode() string }
	if errors.As(err, &api) {
		code = api.ErrorCode()
	}
	var response interface{ HTTPStatusCode() int }
	if errors.As(err, &response) {
		status = response.HTTPStatusCode()
	}
	if status >= 200 && status < 300 && code != "" { // CompleteMultipartUpload may answer 200 and an error
		status = http.StatusServiceUnavailable
		switch code {
		case "PreconditionFailed":
			status = http.StatusPreconditionFailed
		case "ConditionalRequestConflict":
			status = http.StatusConflict
		}
	}
	return code, status
}

// backOff waits before another try: from nothing up to 100 ms, doubled with each try.
func (s *S3) backOff(ctx context.Context, try int) error {
	longest := 100 * time.Millisecond << try
	return s.options.Sleep(ctx, time.Duration(s.options.Jitter()*float64(longest)))
}

func sleep(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
