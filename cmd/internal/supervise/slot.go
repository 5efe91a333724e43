package supervise

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os/exec"
	"sync"
	"syscall"
	"time"
)

// slot keeps the worker of one slot running. Its fields are those of the goroutine of run, but for restarts.
type slot struct {
	cfg      *Config
	number   int
	log      *slog.Logger
	backoff  backoff
	restarts chan chan<- error // asks for a new process, is told when that is ready
	ready    func()            // called when the slot's worker is ready for the first time

	asked chan<- error // of the restart under way
}

// run keeps a worker running until ctx ends, then stops it. The error says that it did not stop in order.
func (s *slot) run(ctx context.Context) error {
	for ctx.Err() == nil {
		p, err := s.start(s.cfg.Command)
		if err != nil {
			s.answer(err)
			wait := s.backoff.next(0)
			s.log.Error("worker cannot be started, is tried again", "in", wait, "err", err)
			s.pause(ctx, wait)
			continue
		}
		p, again, err := s.attend(ctx, p)
		if ctx.Err() != nil {
			return err
		}
		if !again {
			lived := time.Since(p.began)
			wait := s.backoff.next(lived)
			s.log.Warn("worker ended, is started again", "pid", p.pid, "end", p.end(), "lived", lived.Round(time.Millisecond), "in", wait)
			s.pause(ctx, wait)
		}
	}
	return nil
}

func (s *slot) start(command func(slot int) *exec.Cmd) (*process, error) {
	p, err := startProcess(command(s.number), &lines{out: s.cfg.Stdout, fails: true}, &lines{out: s.cfg.Stderr, prefix: prefix(s.number)})
	if err == nil {
		s.log.Info("worker started", "pid", p.pid)
	}
	return p, err
}

// attend stays with a process, and those that take over from it, until the last has ended: by itself, because ctx has, because a new
// one is asked for (then again is true), or because it is stuck. The error is that of a stop that was not in order.
func (s *slot) attend(ctx context.Context, p *process) (last *process, again bool, err error) {
	silence, late := newAlarm(0), newAlarm(0)
	defer silence.Stop()
	defer late.Stop()
	ready := p.ready
	next := &process{} // what takes over from p; its channels are nil while there is none
	var nextReady <-chan struct{}
	for {
		restarts := s.restarts
		if next.pid != 0 {
			restarts = nil // one after the other
		}
		select {
		case <-ctx.Done():
			return p, false, s.stopAll(p, next)
		case <-p.ended:
			if next.pid == 0 {
				s.answer(fmt.Errorf("worker of slot %d (pid %d) ended with %s", s.number, p.pid, p.end()))
				return p, false, nil
			}
			s.log.Info("worker has handed over", "pid", p.pid, "end", p.end())
			p, next = next, &process{}
			ready, nextReady = p.ready, nil
			late.Reset(0)
		case <-ready:
			ready = nil
			s.log.Info("worker is ready", "pid", p.pid, "after", time.Since(p.began).Round(time.Millisecond))
			s.ready()
			s.answer(nil)
			silence.Reset(s.cfg.Watchdog)
		case <-p.beats:
			if next.pid == 0 {
				silence.Reset(s.cfg.Watchdog)
			}
		case <-silence.C:
			s.log.Error("worker is stuck, is killed", "pid", p.pid, "silent", s.cfg.Watchdog)
			p.kill()
		case asked := <-restarts:
			s.asked = asked
			if s.cfg.Successor == nil {
				s.log.Info("worker is restarted as asked", "pid", p.pid)
				if err := p.stop(s.cfg.Patience); err != nil {
					s.log.Warn("worker did not stop in order", "pid", p.pid, "err", err)
				}
				return p, true, nil
			}
			s.log.Info("worker is replaced as asked", "pid", p.pid)
			if next, err = s.start(s.cfg.Successor); err != nil {
				next = &process{}
				s.answer(err)
				continue
			}
			nextReady = next.ready
			silence.Reset(0) // it has better to do while it hands over
			late.Reset(s.cfg.StartPatience)
		case <-nextReady:
			nextReady = nil
			if !p.awaitEnd(s.cfg.Patience) {
				s.log.Warn("worker has handed over and did not end, is killed", "pid", p.pid)
				p.signal(syscall.SIGKILL)
			}
		case <-next.ended:
			s.log.Warn("worker did not take over, the one before it goes on", "pid", next.pid, "end", next.end())
			s.answer(fmt.Errorf("worker of slot %d (pid %d) ended with %s", s.number, next.pid, next.end()))
			next, nextReady = &process{}, nil
			late.Reset(0)
			silence.Reset(s.cfg.Watchdog)
		case <-late.C:
			next.signal(syscall.SIGKILL)
		}
	}
}

// stopAll stops the processes of the slot.
func (s *slot) stopAll(all ...*process) error {
	errs := make([]error, len(all))
	var stopping sync.WaitGroup
	for i, p := range all {
		if p.pid == 0 {
			continue
		}
		stopping.Go(func() {
			if err := p.stop(s.cfg.Patience); err != nil {
				errs[i] = fmt.Errorf("worker of slot %d (pid %d) %w", s.number, p.pid, err)
			}
		})
	}
	stopping.Wait()
	return errors.Join(errs...)
}

// alarm is a timer that does not fire for a duration of 0.
type alarm struct{ *time.Timer }

func newAlarm(d time.Duration) alarm {
	a := alarm{time.NewTimer(time.Hour)}
	a.Reset(d)
	return a
}

// Reset sets the alarm anew.
func (a alarm) Reset(d time.Duration) {
	a.Stop()
	if d > 0 {
		a.Timer.Reset(d)
	}
}

// answer tells the one who asked for a restart, if there is one whose answer is due.
func (s *slot) answer(err error) {
	if s.asked != nil {
		s.asked <- err
		s.asked = nil
	}
}

// pause waits before a worker is started again. A restart that is asked for ends the wait.
func (s *slot) pause(ctx context.Context, wait time.Duration) {
	select {
	case <-ctx.Done():
	case <-time.After(wait):
	case s.asked = <-s.restarts:
	}
}
