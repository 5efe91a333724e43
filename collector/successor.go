package collector

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math"
	"os/exec"
	"strings"
	"sync/atomic"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// successorPatience is for a process that neither takes over nor ends. It is killed then, which ends a takeover that it is in.
const successorPatience = takeoverLimit + 30*time.Second

// successors are the processes that the worker starts, when it is asked to be replaced, to take over from it.
type successors struct {
	failed       atomic.Uint64 // times the worker was asked and runs on
	pid          atomic.Int64  // of the process under way, 0 without one
	otherVersion atomic.Int64  // process that cannot take over, and therefore stops this one
	stay         atomic.Bool   // the process under way is to live on when this one ends
}

// replaceWhenAsked starts a process each time the worker is asked to be replaced, until ctx ends.
func (w *worker) replaceWhenAsked(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-w.env.Replace:
			if err := w.replace(ctx); err != nil {
				w.notReplaced(err)
			}
		}
	}
}

// replace starts a process that is to take over, and waits until it has, which ends ctx. The error says why it has not.
func (w *worker) replace(ctx context.Context) error {
	switch {
	case w.offers.ln == nil:
		return fmt.Errorf("%w: there is no place where it could be taken over, --run-dir or --state-dir names one", ErrConfig)
	case !w.offers.ln.Found():
		return fmt.Errorf("its socket %s is not there any more, restart it", w.cfg.takeoverSocket())
	}
	cmd, err := w.env.Successor()
	if err != nil {
		return err
	}
	w.notify(notifyReloading)
	ended, err := startSuccessor(ctx, cmd)
	if err != nil {
		return err
	}
	pid := cmd.Process.Pid
	w.successors.pid.Store(int64(pid))
	defer w.successors.pid.Store(0)
	w.log.Info("worker is to be replaced as asked", "by", pid)
	late := time.NewTimer(successorPatience)
	defer late.Stop()
	for {
		select {
		case err := <-ended:
			return fmt.Errorf("process %d ended: %w", pid, err)
		case <-ctx.Done():
			if !w.successors.stay.Load() {
				_ = cmd.Process.Signal(syscall.SIGTERM)
			}
			return nil
		case <-w.env.Replace:
			w.log.Warn("worker is asked once more to be replaced, which is under way", "by", pid)
		case <-late.C:
			_ = cmd.Process.Kill()
			return fmt.Errorf("process %d has not taken over within %v and is killed", pid, successorPatience)
		}
	}
}

// startSuccessor starts a process, and tells of its end unless ctx ends before. It need not be a child of this one.
func startSuccessor(ctx context.Context, cmd *exec.Cmd) (ended <-chan error, err error) {
	pidfd := -1
	if cmd.SysProcAttr == nil {
		cmd.SysProcAttr = new(syscall.SysProcAttr)
	}
	cmd.SysProcAttr.PidFD = &pidfd
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	end := make(chan error, 1)
	go func() {
		defer unix.Close(pidfd)
		err := awaitExit(ctx, pidfd, math.MaxInt64)
		if ctx.Err() != nil {
			return
		}
		if werr := cmd.Wait(); werr != nil && !errors.Is(werr, unix.ECHILD) {
			err = werr
		}
		end <- cmp.Or(err, errNoTakeover)
	}()
	return end, nil
}

// errNoTakeover says all that is known of a successor that has ended.
var errNoTakeover = errors.New("it has not taken over")

// notReplaced counts and tells that the worker goes on although it was asked to be replaced. The time makes the status another one than that of
// the last failure: whoever has asked sees by it that there is an answer.
func (w *worker) notReplaced(err error) {
	w.successors.failed.Add(1)
	w.log.Error("worker is not replaced, it goes on", "err", err)
	w.notify(fmt.Sprintf("%s\nSTATUS=not replaced at %s: %s", notifyReady, time.Now().Format("15:04:05.000"), strings.ReplaceAll(err.Error(), "\n", "; ")))
}

// heir is the process that goes on when this worker ends because it is asked to stop, 0 without one: a successor of another version, which
// cannot take over.
func (s *successors) heir() int64 {
	if pid := s.pid.Load(); pid != 0 && pid == s.otherVersion.Load() {
		return pid
	}
	return 0
}

// leave decides, when the worker has ended to serve, what becomes of a process under way: when this worker is asked to stop, it is too.
func (s *successors) leave(asked, taken bool) {
	s.stay.Store(taken && !asked || s.heir() != 0)
}
