package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/telcol/telcol/cmd/internal/notify"
)

// takesHangup reports whether the command line is of a command for which SIGHUP does not mean to stop. A worker in a terminal that is closed
// must not leave another one behind.
func takesHangup(args []string, terminal bool) bool {
	return len(args) > 0 && (args[0] == "supervise" || args[0] == "worker" && !terminal)
}

// hasTerminal reports whether this process has a terminal whose end it is told by SIGHUP.
func hasTerminal() bool {
	f, err := os.OpenFile("/dev/tty", os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		return false
	}
	f.Close()
	return true
}

// hangups makes a channel of SIGHUP, unless that is ignored (nohup).
func hangups(ctx context.Context) (hung <-chan struct{}, stop func()) {
	if signal.Ignored(syscall.SIGHUP) {
		return nil, func() {}
	}
	in, out := make(chan os.Signal, 1), make(chan struct{})
	signal.Notify(in, syscall.SIGHUP)
	go func() {
		for range in {
			select {
			case out <- struct{}{}:
			case <-ctx.Done():
			}
		}
	}()
	return out, func() { signal.Stop(in); close(in) }
}

// ownProgram gives the name that this program was started by, where the next version of it will be: of a symbolic link the link, not what it
// points to now.
func ownProgram() (string, error) {
	if path, err := exec.LookPath(os.Args[0]); err == nil {
		named, nerr := os.Stat(path)
		self, serr := os.Stat("/proc/self/exe")
		if nerr == nil && serr == nil && os.SameFile(named, self) {
			return filepath.Abs(path)
		}
	}
	path, err := os.Executable() // without the " (deleted)" of a file that has been replaced
	if err != nil {
		return "", fmt.Errorf("own program: %w", err)
	}
	return path, nil
}

// successor returns what makes the command of the process that takes over from this worker: the same one with --takeover, and the same
// files. Its error says why there cannot be one.
//
// Where there is a manager of processes it is a child of that one, not of this worker: systemd takes it for the main process then, and
// otherwise for one whose end it cannot wait for, which it kills at once instead of letting it stop.
func successor(e *env) (func() (*exec.Cmd, error), error) {
	path, err := ownProgram()
	if err != nil {
		return nil, err
	}
	args := successorArgs(e.args)
	parent := os.Getppid()
	return func() (*exec.Cmd, error) {
		if err := replaceable(os.Getpid(), parent, e.environ); err != nil {
			return nil, err
		}
		cmd := exec.Command(path, args...)
		cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
		if managed(e.environ) {
			cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: unix.CLONE_PARENT}
		}
		return cmd, nil
	}, nil
}

// successorArgs are those of a worker that takes over from the one with these. --evict would be of no use, since the worker is well.
func successorArgs(args []string) []string {
	kept := slices.DeleteFunc(slices.Clone(args), func(a string) bool {
		for _, name := range []string{"--evict", "--takeover"} {
			if a == name || strings.HasPrefix(a, name+"=") {
				return true
			}
		}
		return false
	})
	return append(kept, "--takeover")
}

// replaceable says why a process with this parent may not end in favour of another one: whoever waits for its end would not know of that.
func replaceable(pid, parent int, environ []string) error {
	if pid == 1 {
		return errors.New("process 1 cannot be replaced, its container would end: run telcol supervise, which replaces its workers at SIGHUP")
	}
	if slices.Contains(environ, notify.EnvSupervisor+"="+strconv.Itoa(parent)) {
		return fmt.Errorf("telcol supervise replaces its workers itself: send SIGHUP to process %d", parent)
	}
	if parent == 1 && !managed(environ) {
		return errors.New("process 1 waits for the end of this worker and would not look after another: run telcol supervise, or a systemd unit with Type=notify")
	}
	return nil
}

// managed reports whether there is a manager that hears of the main process.
func managed(environ []string) bool {
	return slices.ContainsFunc(environ, func(v string) bool { return strings.HasPrefix(v, notify.Env+"=") })
}
