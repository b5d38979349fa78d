// Package awsapi gives the stages what they need of Step Functions and EMR, through the AWS SDK. It adds nothing to the
// calls but time limits, pages and types of errors.
package awsapi

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/aws/smithy-go"

	"penstock/internal/fault"
)

// timeout limits one call, the client's own retries included.
const timeout = 30 * time.Second

// maxPages bounds how many answers a listing may take.
const maxPages = 1000

// classify gives an error of the SDK a type of package fault. What it does not know is tried again by whoever called.
func classify(ctx context.Context, service, action string, err error) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	code, status := "", 0
	var api smithy.APIError
	if errors.As(err, &api) {
		code = api.ErrorCode()
	}
	var response interface{ HTTPStatusCode() int }
	if errors.As(err, &response) {
		status = response.HTTPStatusCode()
	}
	denied := []string{"AccessDeniedException", "AccessDenied", "UnrecognizedClientException", "ExpiredTokenException", "InvalidSignatureException"}
	throttled := strings.Contains(code, "Throttl") || status == http.StatusTooManyRequests
	switch {
	case slices.Contains(denied, code) || status == http.StatusForbidden:
		return &fault.AccessDenied{Service: service, Action: action, Err: err}
	case status >= 400 && status < 500 && !throttled:
		return &fault.BadInput{Detail: fmt.Sprintf("%s: %s: %s (HTTP %d)", service, action, code, status)}
	}
	return &fault.Unavailable{Service: service, Action: action, Err: err}
}
