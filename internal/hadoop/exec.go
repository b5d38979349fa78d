package hadoop

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"time"

	"penstock/internal/rollup"
)

// Program is one run of a program.
type Program struct {
	Argv   []string
	Dir    string   // its working folder, where the files of the job lie; "" if the job needs none
	Env    []string // besides that of this process
	Stdin  io.Reader
	Stdout io.Writer
	Stderr io.Writer
}

// Exec runs programs.
type Exec interface {
	// Has reports whether the program runs without a file of the job. It may
	// be called concurrently.
	Has(name string) bool
	// Run runs a program to its end. An error says why it failed: *ExitError,
	// the error of Stdin or Stdout, or that it could not be started. It may
	// be called concurrently, and stops when ctx is cancelled.
	Run(ctx context.Context, p Program) error
}

// ExitError says that a program ended with another code than 0.
type ExitError struct{ Code int }

func (e *ExitError) Error() string { return fmt.Sprintf("subprocess failed with code %d", e.Code) }

// Processes runs programs as processes. Programs named in it are replaced by
// the words given, as in {"rollup": {"/usr/lib/penstock/rollup"}}; others are
// files of the job, or found by PATH.
type Processes map[string][]string

// Has implements Exec.
func (e Processes) Has(name string) bool { return e[name] != nil }

// killed is how long a program may go on with its output after it was killed.
const killed = 5 * time.Second

// Run implements Exec.
func (e Processes) Run(ctx context.Context, p Program) error {
	argv := append(append([]string(nil), e[p.Argv[0]]...), p.Argv[1:]...)
	if e[p.Argv[0]] == nil {
		argv = append([]string{p.Argv[0]}, argv...)
		if local := filepath.Join(p.Dir, p.Argv[0]); p.Dir != "" && filepath.IsLocal(p.Argv[0]) {
			if _, err := os.Stat(local); err == nil {
				argv[0] = local
			}
		}
	}
	cmd := exec.CommandContext(ctx, argv[0], argv[1:]...)
	cmd.Dir, cmd.Env = p.Dir, append(os.Environ(), p.Env...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = p.Stdin, p.Stdout, p.Stderr
	cmd.WaitDelay = killed
	apart(cmd)
	err := cmd.Run()
	var exit *exec.ExitError
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case errors.As(err, &exit):
		return &ExitError{exit.ExitCode()}
	case err != nil:
		return fmt.Errorf("run %s: %w", p.Argv[0], err)
	}
	return nil
}

// InProcess runs rollup in this process and knows no other program.
type InProcess struct{}

// Has implements Exec.
func (InProcess) Has(name string) bool { return name == "rollup" }

// Run implements Exec.
func (InProcess) Run(ctx context.Context, p Program) error {
	if p.Argv[0] != "rollup" {
		return fmt.Errorf("run %s: only rollup runs in process", p.Argv[0])
	}
	command, err := rollup.ParseCommand(p.Argv[1:])
	if err != nil {
		fmt.Fprintf(p.Stderr, "rollup: %v\n", err)
		return &ExitError{2}
	}
	if err := command.Run(cancellable{ctx, p.Stdin}, p.Stdout, p.Stderr); err != nil {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		fmt.Fprintf(p.Stderr, "rollup: %v\n", err)
		return &ExitError{1}
	}
	return nil
}

// cancellable is a reader that ends with the context's error.
type cancellable struct {
	ctx context.Context
	r   io.Reader
}

func (c cancellable) Read(p []byte) (int, error) {
	if err := c.ctx.Err(); err != nil {
		return 0, err
	}
	return c.r.Read(p)
}
