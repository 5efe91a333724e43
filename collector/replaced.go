package collector

import (
	"context"
	"errors"
	"fmt"
	"time"

	"golang.org/x/sys/unix"

	"github.com/telcol/telcol/steering"
)

// startWithoutPredecessor starts a worker that was to take over and found nobody to talk to: as any other, unless the slot is taken by one
// that is not heard, which is replaced.
func (w *worker) startWithoutPredecessor(ctx context.Context) error {
	err := w.sockets.open(nil)
	var taken *steering.SlotTakenError
	switch {
	case errors.As(err, &taken) && taken.Owner.PID > 0:
		return w.startByReplacement(ctx, taken.Owner.PID, errors.New("it has no socket to ask it on"))
	case err != nil:
		return err
	}
	if w.http, err = listenHTTP(&w.cfg, w, nil); err != nil {
		return err
	}
	w.core.load(time.Now())
	return w.sockets.claim()
}

// startByReplacement replaces a worker that cannot hand over what it knows. New sockets take the slot, in which everything waits until the
// other one has delivered what it took and saved what it knows, and has ended. No datagram is lost; BMP sessions are reset, and
// their routes are stale meanwhile. Without steering the address is free only then: what comes in between is lost.
func (w *worker) startByReplacement(ctx context.Context, pid int, why error) error {
	w.log.Warn("the worker that holds the slot cannot hand over what it knows; it is asked to stop, its BMP sessions begin anew",
		"pid", pid, "why", why, "state_dir", w.cfg.StateDir)
	old, err := unix.PidfdOpen(pid, 0)
	if err != nil {
		return fmt.Errorf("replace process %d: %w", pid, err)
	}
	defer unix.Close(old)
	if w.sockets.group != nil {
		w.sockets.reopen()
		if err := w.sockets.open(nil); err != nil {
			return err
		}
		if err := w.sockets.claim(); err != nil {
			return err
		}
	}
	if err := unix.PidfdSendSignal(old, unix.SIGTERM, nil, 0); err != nil {
		return fmt.Errorf("stop process %d: %w", pid, err)
	}
	if err := awaitExit(ctx, old, w.cfg.DrainAfter+replaceMargin); err != nil {
		return fmt.Errorf("replace process %d: %w", pid, err)
	}
	if w.sockets.group == nil {
		if err := w.sockets.open(nil); err != nil {
			return err
		}
	}
	if w.http, err = listenHTTP(&w.cfg, w, nil); err != nil {
		return err
	}
	w.core.load(time.Now())
	if w.sockets.group == nil {
		return w.sockets.claim()
	}
	return nil
}

// replaceMargin is what the end of a worker may take beyond its drain-timeout.
const replaceMargin = 10 * time.Second

// awaitExit waits for the end of a process.
func awaitExit(ctx context.Context, pidfd int, patience time.Duration) error {
	deadline := time.Now().Add(patience)
	for {
		fds := []unix.PollFd{{Fd: int32(pidfd), Events: unix.POLLIN}}
		n, err := unix.Poll(fds, 100)
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case err != nil && !errors.Is(err, unix.EINTR):
			return err
		case n > 0:
			return nil
		case time.Now().After(deadline):
			return fmt.Errorf("it has not ended within %v", patience)
		}
	}
}
