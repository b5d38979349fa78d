package supervise

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"time"
)

// Command is a program under a supervisor.
type Command struct {
	Supervisor []string // the words that start the supervisor, such as {"/proc/self/exe", Argument}
	Argv       []string
	Dir        string
	Env        []string // all of it; nil is this process's
	Stdout     io.Writer
	Stderr     io.Writer
}

// ExitError says that the program ended with another code than 0.
type ExitError struct{ Code int }

func (e *ExitError) Error() string { return fmt.Sprintf("exit code %d", e.Code) }

// Process is a program that runs.
type Process struct {
	cmd      *exec.Cmd
	lifeline io.WriteCloser
	done     chan struct{}
	err      error
}

// Start starts the program. It goes on until it ends, until Stop, or until this
// process ends.
func Start(c Command) (*Process, error) {
	if len(c.Supervisor) == 0 || len(c.Argv) == 0 {
		return nil, errors.New("start program: no supervisor or no program")
	}
	argv := append(append([]string(nil), c.Supervisor...), c.Argv...)
	p := &Process{cmd: exec.Command(argv[0], argv[1:]...), done: make(chan struct{})}
	p.cmd.Dir, p.cmd.Env, p.cmd.Stdout, p.cmd.Stderr = c.Dir, c.Env, c.Stdout, c.Stderr
	p.cmd.WaitDelay = Grace + 10*time.Second
	var err error
	if p.lifeline, err = p.cmd.StdinPipe(); err != nil {
		return nil, fmt.Errorf("start %s: %w", c.Argv[0], err)
	}
	if err := p.cmd.Start(); err != nil {
		return nil, fmt.Errorf("start %s: %w", c.Argv[0], err)
	}
	go func() {
		defer close(p.done)
		err := p.cmd.Wait()
		var exit *exec.ExitError
		if errors.As(err, &exit) {
			err = &ExitError{exit.ExitCode()}
		}
		p.err = err
	}()
	return p, nil
}

// Done is closed when the program and everything that it started have ended.
func (p *Process) Done() <-chan struct{} { return p.done }

// Wait waits for the end. It returns *ExitError if the program ended with another
// code than 0.
func (p *Process) Wait() error {
	<-p.done
	return p.err
}

// Stop ends the program and everything that it started, and waits until they are
// gone. Stopping twice does nothing the second time.
func (p *Process) Stop() {
	_ = p.lifeline.Close() // closed already, or the supervisor is gone
	<-p.done
}

// Run runs the program to its end, or until ctx is cancelled, whose error it then
// returns.
func Run(ctx context.Context, c Command) error {
	p, err := Start(c)
	if err != nil {
		return err
	}
	select {
	case <-p.Done():
		return p.Wait()
	case <-ctx.Done():
		p.Stop()
		return ctx.Err()
	}
}
