package daemons

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// Run runs a command to its end and returns what it printed on standard output. That it fails, fails the test.
func Run(t testing.TB, name string, args ...string) string {
	t.Helper()
	var stderr bytes.Buffer
	cmd := exec.CommandContext(t.Context(), name, args...)
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%s %s: %v\n%s%s", name, strings.Join(args, " "), err, out, stderr.Bytes())
	}
	return string(out)
}

// Process is a running program. It ends with the test at the latest.
type Process struct {
	Cmd  *exec.Cmd
	name string
	out  Buffer
	done chan struct{} // closed when it has ended
	err  error         // of its end, to be read after done
}

// Start starts a program that stays in the foreground.
func Start(t testing.TB, name string, args ...string) *Process {
	t.Helper()
	return StartCommand(t, exec.Command(name, args...))
}

// StartCommand starts a program from a command, which may set what Start does not: environment, folder, output. Outputs
// that are not set go to Output.
func StartCommand(t testing.TB, cmd *exec.Cmd) *Process {
	t.Helper()
	p := &Process{Cmd: cmd, name: strings.Join(cmd.Args, " "), done: make(chan struct{})}
	if cmd.Stdout == nil {
		cmd.Stdout = &p.out
	}
	if cmd.Stderr == nil {
		cmd.Stderr = &p.out
	}
	// A group of its own, so that what it forks ends with it; and it ends if the test is killed.
	if cmd.SysProcAttr == nil {
		cmd.SysProcAttr = new(syscall.SysProcAttr)
	}
	cmd.SysProcAttr.Setpgid, cmd.SysProcAttr.Pdeathsig = true, syscall.SIGKILL
	cmd.WaitDelay = 10 * time.Second // for children that keep the output open
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		p.err = cmd.Wait()
		close(p.done)
	}()
	t.Cleanup(func() {
		p.Kill()
		if t.Failed() {
			t.Logf("%s:\n%s", p.name, p.Output())
		}
	})
	return p
}

// Output gives what the program has written so far.
func (p *Process) Output() string { return p.out.String() }

// Signal sends a signal to the program.
func (p *Process) Signal(s os.Signal) { _ = p.Cmd.Process.Signal(s) }

// Kill kills the program and what it forked, and waits for its end.
func (p *Process) Kill() {
	_ = syscall.Kill(-p.Cmd.Process.Pid, syscall.SIGKILL)
	<-p.done
}

// Err returns nil while the program runs, and afterwards an error that says how it ended.
func (p *Process) Err() error {
	select {
	case <-p.done:
		return fmt.Errorf("%s ended: %w\n%s", p.name, endOf(p.err), p.Output())
	default:
		return nil
	}
}

func endOf(err error) error {
	if err == nil {
		return errors.New("exit status 0")
	}
	return err
}

// Stop asks the program to end by SIGTERM and waits for that; Wait says what is checked.
func (p *Process) Stop(t testing.TB) {
	t.Helper()
	p.Signal(syscall.SIGTERM)
	p.Wait(t)
}

// Wait waits for the end of the program, which must come with exit status 0, and within Patience.
func (p *Process) Wait(t testing.TB) {
	t.Helper()
	select {
	case <-p.done:
		if p.err != nil {
			t.Errorf("%s ended badly: %v\n%s", p.name, p.err, p.Output())
		}
	case <-time.After(Patience):
		t.Errorf("%s did not end within %v\n%s", p.name, Patience, p.Output())
	}
}

// Buffer is an output that a test reads while it is written. The zero Buffer is empty.
type Buffer struct {
	mu  sync.Mutex
	out bytes.Buffer
}

// Write appends to it.
func (b *Buffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.out.Write(p)
}

// String returns what was written so far.
func (b *Buffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.out.String()
}
