package function

import (
	"context"
	"errors"
	"io"
	"testing"

	"penstock/internal/env"
	"penstock/internal/fault"
)

func TestAllMissingVariablesAreNamedBeforeWhatComesOfIt(t *testing.T) {
	f := &Function{Env: env.New(func(string) (string, bool) { return "", false })}
	_, err := prepare(t.Context(), f, func(_ context.Context, f *Function) (any, error) {
		f.Need("BUCKET")
		return nil, io.EOF
	})
	if !errors.As(err, new(*fault.BadInput)) || err.Error() != "environment: missing STACK, BUCKET" {
		t.Error(err)
	}
}

func TestAHandlerIsBuilt(t *testing.T) {
	set := func(string) (string, bool) { return "x", true }
	h, err := prepare(t.Context(), &Function{Env: env.New(set)}, func(_ context.Context, f *Function) (any, error) {
		return f.Figures.Stack + f.Need("BUCKET"), nil
	})
	if h != "xx" || err != nil {
		t.Error(h, err)
	}
	if _, err := prepare(t.Context(), &Function{Env: env.New(set)}, func(context.Context, *Function) (any, error) { return nil, io.EOF }); !errors.Is(err, io.EOF) {
		t.Error(err)
	}
}
