package collector

import (
	"context"
	"time"
)

// What a worker tells its manager, in the words of sd_notify.
const (
	notifyReady    = "READY=1"    // it holds its slot and receives
	notifyAlive    = "WATCHDOG=1" // the owner of the devices answers
	notifyStopping = "STOPPING=1" // it delivers what it took
)

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
