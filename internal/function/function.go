// Package function starts a Lambda function: environment, tracing, log, and what to do when any of it is not there.
package function

import (
	"context"
	"fmt"
	stdlog "log"
	"log/slog"
	"os"

	"github.com/aws/aws-lambda-go/lambda"

	"penstock/internal/emf"
	"penstock/internal/env"
	"penstock/internal/trace"
)

// Function is what every function gets.
type Function struct {
	*env.Env
	Log     *slog.Logger
	Figures emf.Figures // on standard output, where such lines become metrics; of the stack, from STACK
}

// Build makes a handler that lambda.Start takes. It reads its whole environment, whatever else fails.
type Build func(ctx context.Context, f *Function) (handler any, err error)

// Main runs a function until Lambda ends it. What keeps it from starting goes to the log, all missing variables at once,
// and ends the process with status 1.
func Main(name string, build Build) {
	log := slog.New(slog.NewJSONHandler(os.Stdout, nil))
	stdlog.SetFlags(0) // lambda.Start logs a handler's error, as JSON behind the time
	f := &Function{Env: env.New(os.LookupEnv), Log: log, Figures: emf.Figures{Out: os.Stdout, Log: log}}
	err := trace.Setup()
	if err == nil {
		var handler any
		if handler, err = prepare(context.Background(), f, build); err == nil {
			lambda.Start(handler)
			return
		}
	}
	log.Error("start "+name, "error", err.Error())
	os.Exit(1)
}

func prepare(ctx context.Context, f *Function, build Build) (handler any, err error) {
	f.Figures.Stack = f.Need("STACK")
	handler, err = build(ctx, f)
	if e := f.Err(); e != nil { // says more than what came of it
		return nil, e
	}
	if err != nil {
		return nil, fmt.Errorf("build handler: %w", err)
	}
	return handler, nil
}
