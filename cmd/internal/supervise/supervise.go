package supervise

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os/exec"
	"sync"
	"sync/atomic"
	"time"
)

// Config says what to keep running.
type Config struct {
	Slots   int                      // 0 to Slots-1
	Command func(slot int) *exec.Cmd // makes the command of a slot's worker, anew for each start
	// Successor makes the command of a worker that takes over from the one that runs, which then ends. Without it a restart stops the one
	// and starts the other.
	Successor func(slot int) *exec.Cmd

	Stdout *Output // of the workers
	Stderr *Output // of the workers, each line with its slot before it
	Log    *slog.Logger

	// A worker that ends is started again after First, and after twice as long each time, Most at the most, if it keeps ending; one that
	// lived for Healthy begins anew.
	First, Most, Healthy time.Duration
	Patience             time.Duration // between SIGTERM and SIGKILL
	Watchdog             time.Duration // a worker that is ready and then tells nothing for so long is killed; 0 is never
	StartPatience        time.Duration // how long Restart waits for one worker to be ready

	Restart <-chan struct{} // restarts all workers, one after the other
	Ready   func()          // called when the workers of all slots have been ready
	// Restarting is called when Restart is heard, Restarted when all have been restarted, or with the error that ended it.
	Restarting func()
	Restarted  func(err error)
}

// Run keeps the workers running until ctx ends, and stops them. The error names those that did not stop in order.
func Run(ctx context.Context, cfg Config) error {
	var unready atomic.Int32
	unready.Store(int32(cfg.Slots))
	ready := func() {
		if unready.Add(-1) == 0 {
			cfg.Ready()
		}
	}
	slots := make([]*slot, cfg.Slots)
	for i := range slots {
		slots[i] = &slot{
			cfg: &cfg, number: i, log: cfg.Log.With("slot", i), restarts: make(chan chan<- error),
			backoff: backoff{first: cfg.First, most: cfg.Most, healthy: cfg.Healthy}, ready: sync.OnceFunc(ready),
		}
	}
	ends := make([]error, len(slots))
	var running sync.WaitGroup
	for i, s := range slots {
		running.Go(func() { ends[i] = s.run(ctx) })
	}
	running.Go(func() { rolling(ctx, &cfg, slots) })
	running.Wait()
	return errors.Join(ends...)
}

// rolling restarts the workers one after the other, each time it is asked to.
func rolling(ctx context.Context, cfg *Config, slots []*slot) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-cfg.Restart:
		}
		cfg.Restarting()
		err := restartAll(ctx, cfg, slots)
		if ctx.Err() != nil {
			return
		}
		cfg.Restarted(err)
	}
}

func restartAll(ctx context.Context, cfg *Config, slots []*slot) error {
	for i, s := range slots {
		if err := s.restart(ctx, cfg.StartPatience); err != nil {
			if ctx.Err() == nil {
				cfg.Log.Error("rolling restart ends here, the slots after this one keep their workers", "slot", i, "err", err)
			}
			return err
		}
	}
	return nil
}

// restart has the slot's worker replaced and waits until the new one is ready.
func (s *slot) restart(ctx context.Context, patience time.Duration) error {
	answer := make(chan error, 1)
	select {
	case s.restarts <- answer:
	case <-ctx.Done():
		return ctx.Err()
	}
	select {
	case err := <-answer:
		return err
	case <-time.After(patience):
		return fmt.Errorf("worker of slot %d is not ready after %v", s.number, patience)
	case <-ctx.Done():
		return ctx.Err()
	}
}
