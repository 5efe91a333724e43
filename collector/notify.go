package collector

import (
	"context"
	"fmt"
	"time"
)

// What a worker tells its manager, in the words of sd_notify.
const (
	notifyReady    = "READY=1"    // it holds its slot and receives
	notifyAlive    = "WATCHDOG=1" // the owner of the devices answers
	notifyStopping = "STOPPING=1" // it delivers what it took
	// Another process is to take over, which ends with the next notifyReady.
	notifyReloading = "RELOADING=1\nSTATUS="
)

// notifyMain says which process the manager is to look after from now on.
func notifyMain(pid int) string { return fmt.Sprintf("MAINPID=%d", pid) }

// stopping says that this is the end, or, when a successor has asked for the stop, who goes on.
func (w *worker) stopping() string {
	if pid := w.successors.heir(); pid != 0 {
		return notifyMain(int(pid))
	}
	return notifyStopping
}

const vouchEvery = time.Second

func (w *worker) notify(state string) {
	if w.env.Notify != nil {
		w.env.Notify(state)
	}
}

// vouch tells the manager again and again that the owner goroutine gets on, until ctx ends. When that is stuck nothing is told.
func (w *worker) vouch(ctx context.Context) {
	if w.env.Notify == nil {
		return
	}
	tick := time.NewTicker(vouchEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		if _, ok := w.core.snapshot(ctx); ok {
			w.notify(notifyAlive)
		}
	}
}
