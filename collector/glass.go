package collector

import (
	"context"
	"errors"

	"github.com/telcol/telcol/collector/glass"
	"github.com/telcol/telcol/correlate"
)

// newGlass makes the looking glass on the worker's devices.
func newGlass(w *worker) *glass.Glass {
	cfg := glass.Config{Slot: w.cfg.Slot, Log: w.log, Look: func(ctx context.Context, f func(*correlate.Correlator)) error {
		err := w.core.ask(ctx, func() { f(w.core.corr) })
		if errors.Is(err, errEnded) {
			return context.Canceled // the worker stops: nobody answers any more
		}
		return err
	}}
	if w.owned != nil {
		cfg.Place = w.owned.place
	}
	return glass.New(cfg)
}

// collectGlass tells what readers of the looking glass cost the owner.
func collectGlass(e *emitter, n glass.Counters) {
	const help = "Requests of the looking glass, by what became of them."
	e.counter("telcol_glass_requests_total", help, n.Answered, "result", "answered")
	e.counter("telcol_glass_requests_total", help, n.Failed, "result", "failed")
	e.counter("telcol_glass_requests_total", help, n.Busy, "result", "busy")
	e.counter("telcol_glass_slices_total", "Slices of work that the looking glass asked of the owner.", n.Slices)
	e.counter("telcol_glass_steps_total", "Routes, peers and devices looked at in them.", n.Steps)
}
