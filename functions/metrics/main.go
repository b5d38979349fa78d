// Command metrics is the Lambda function that counts what arrives, seconds after it does.
package main

import (
	"context"
	"time"

	"penstock/internal/function"
	"penstock/internal/metrics"
)

func main() { function.Main("metrics", build) }

func build(_ context.Context, f *function.Function) (any, error) {
	h, err := metrics.New(metrics.Config{
		Now: time.Now, Figures: f.Figures, Format: f.Get("FORMAT", ""), Split: f.Get("SPLIT", ""),
		TypeField: f.Get("TYPE_FIELD", "type"), MaxTypes: f.Int("MAX_TYPES", 20, 1, 200),
	})
	if err != nil {
		return nil, err
	}
	return h.Handle, nil
}
