package supervise

import (
	"context"
	"fmt"
	"log/slog"
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
		p, err := s.start()
		if err != nil {
			s.answer(err)
			wait := s.backoff.next(0)
			s.log.Error("worker cannot be started, is tried again", "in", wait, "err", err)
			s.pause(ctx, wait)
			continue
		}
		again, err := s.attend(ctx, p)
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

func (s *slot) start() (*process, error) {
	p, err := startProcess(s.cfg.Command(s.number), &lines{out: s.cfg.Stdout}, &lines{out: s.cfg.Stderr, prefix: prefix(s.number)})
	if err == nil {
		s.log.Info("worker started", "pid", p.pid)
	}
	return p, err
}

// attend stays with a process until it has ended: by itself, because ctx has, because a new one is asked for (then again is true),
// or because it is stuck. The error is that of a stop that was not in order.
func (s *slot) attend(ctx context.Context, p *process) (again bool, err error) {
	silence := newAlarm(0)
	defer silence.Stop()
	ready := p.ready
	for {
		select {
		case <-ctx.Done():
			if err = p.stop(s.cfg.Patience); err != nil {
				err = fmt.Errorf("worker of slot %d (pid %d) %w", s.number, p.pid, err)
			}
			return false, err
		case <-p.ended:
			s.answer(fmt.Errorf("worker of slot %d (pid %d) ended with %s", s.number, p.pid, p.end()))
			return false, nil
		case <-ready:
			ready = nil
			s.log.Info("worker is ready", "pid", p.pid, "after", time.Since(p.began).Round(time.Millisecond))
			s.ready()
			s.answer(nil)
			silence.Reset(s.cfg.Watchdog)
		case <-p.beats:
			silence.Reset(s.cfg.Watchdog)
		case <-silence.C:
			s.log.Error("worker is stuck, is killed", "pid", p.pid, "silent", s.cfg.Watchdog)
			p.kill()
		case asked := <-s.restarts:
			s.asked = asked
			s.log.Info("worker is restarted as asked", "pid", p.pid)
			if err := p.stop(s.cfg.Patience); err != nil {
				s.log.Warn("worker did not stop in order", "pid", p.pid, "err", err)
			}
			return true, nil
		}
	}
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
