package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"strings"
	"time"

	"penstock/internal/clock"
	"penstock/internal/ingest"
)

// edge is the HTTP edge: POST /events, as ingest.Handler answers it.
type edge struct {
	url, key, contentType string
	json                  bool
	keyID                 string // of the API key, for people
	client                *http.Client
	wait                  func(ctx context.Context, d time.Duration) error
}

// newEdge returns what delivers to an HTTP edge.
func newEdge(base, key, format, keyID string) delivery {
	e := &edge{url: strings.TrimRight(base, "/") + "/events", key: key, contentType: "application/x-ndjson", json: true, keyID: keyID,
		client: &http.Client{Timeout: 35 * time.Second}, wait: clock.Pause} // the gateway gives up after 29 s
	if format == ingest.FormatText {
		e.contentType, e.json = "text/plain; charset=utf-8", false
	}
	return e.deliver
}

// Limits of delivering over HTTP.
const (
	edgeAttempts = 8
	maxAnswer    = 1 << 20
)

// edgeAnswer is the body of an answer.
type edgeAnswer struct {
	Accepted int    `json:"accepted"`
	Line     int    `json:"line"`
	Message  string `json:"message"`
	Failed   []struct {
		Index  int    `json:"index"`
		Reason string `json:"reason"`
	} `json:"failed"`
}

// deliver posts events until each is taken or can never be. What fails for a while is tried again with growing waits.
func (e *edge) deliver(ctx context.Context, events [][]byte) ([]refusal, error) {
	var refused []refusal
	var left []int
	for i, event := range events {
		if e.json && !bytes.HasPrefix(bytes.TrimLeft(event, " \t"), []byte("{")) {
			refused = append(refused, refusal{i, "not a JSON object"})
			continue
		}
		left = append(left, i)
	}
	for attempt := 0; len(left) > 0; {
		status, answer, err := e.post(ctx, events, left)
		if ctx.Err() != nil {
			return refused, ctx.Err()
		}
		before := len(left)
		var never []refusal
		switch {
		case err != nil:
		case status == http.StatusAccepted:
			return refused, nil
		case status == http.StatusMultiStatus:
			left, never = e.again(left, answer)
		case status == http.StatusBadRequest && answer.Line > 0 && answer.Line <= len(left): // the body is refused for that line
			never = []refusal{{left[answer.Line-1], answer.Message}}
			left = append(left[:answer.Line-1:answer.Line-1], left[answer.Line:]...)
		case status == http.StatusRequestEntityTooLarge && len(left) == 1:
			return append(refused, refusal{left[0], "larger than the edge takes"}), nil
		case status == http.StatusRequestEntityTooLarge:
			return e.halves(ctx, events, left, refused)
		case status == http.StatusForbidden:
			return refused, fmt.Errorf("the HTTP edge at %s refuses the API key: give it with --key or PENSTOCK_API_KEY (`aws apigateway get-api-key --include-value --api-key %s`)", e.url, e.keyID)
		case status == http.StatusTooManyRequests || status >= 500:
			err = fmt.Errorf("the HTTP edge at %s answers %d: %.200s", e.url, status, clean(answer.Message))
		default:
			return refused, fmt.Errorf("the HTTP edge at %s answers %d: %.200s", e.url, status, clean(answer.Message))
		}
		refused = append(refused, never...)
		if err == nil && len(left) < before {
			attempt = 0
			continue
		}
		if attempt++; attempt == edgeAttempts {
			if err == nil {
				err = fmt.Errorf("the HTTP edge at %s takes %d of a batch's events not", e.url, len(left))
			}
			return refused, err
		}
		longest := min(100*time.Millisecond<<attempt, 10*time.Second)
		if err := e.wait(ctx, longest/2+rand.N(longest/2)); err != nil {
			return refused, err
		}
	}
	return refused, nil
}

// again returns what of a batch has to be sent again, and what never can be.
func (e *edge) again(left []int, answer edgeAnswer) (again []int, never []refusal) {
	for _, f := range answer.Failed {
		switch {
		case f.Index < 0 || f.Index >= len(left):
		case f.Reason == ingest.CodeTooLarge || f.Reason == ingest.CodeBadKey:
			never = append(never, refusal{left[f.Index], f.Reason})
		default:
			again = append(again, left[f.Index])
		}
	}
	return again, never
}

// halves delivers a batch that is too large as two.
func (e *edge) halves(ctx context.Context, events [][]byte, left []int, refused []refusal) ([]refusal, error) {
	for _, half := range [][]int{left[:len(left)/2], left[len(left)/2:]} {
		var some [][]byte
		for _, i := range half {
			some = append(some, events[i])
		}
		never, err := e.deliver(ctx, some)
		for _, r := range never {
			refused = append(refused, refusal{half[r.index], r.reason})
		}
		if err != nil {
			return refused, err
		}
	}
	return refused, nil
}

// post sends events as lines. An error means that nothing is known of what became of them.
func (e *edge) post(ctx context.Context, events [][]byte, which []int) (int, edgeAnswer, error) {
	var body bytes.Buffer
	for _, i := range which {
		body.Write(events[i])
		body.WriteByte('\n')
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, e.url, &body)
	if err != nil {
		return 0, edgeAnswer{}, err
	}
	request.Header.Set("Content-Type", e.contentType)
	if e.key != "" {
		request.Header.Set("X-Api-Key", e.key)
	}
	response, err := e.client.Do(request)
	if err != nil {
		return 0, edgeAnswer{}, fmt.Errorf("reach the HTTP edge: %w", err)
	}
	defer response.Body.Close()
	b, err := io.ReadAll(io.LimitReader(response.Body, maxAnswer))
	if err != nil {
		return 0, edgeAnswer{}, fmt.Errorf("read the answer of the HTTP edge: %w", err)
	}
	var answer edgeAnswer
	if json.Unmarshal(b, &answer) != nil && answer.Message == "" {
		answer.Message = string(b)
	}
	return response.StatusCode, answer, nil
}
