package glass

import (
	"context"
	"log/slog"
	"net/http"
	"net/netip"
	"sync/atomic"
	"time"

	"github.com/telcol/telcol/correlate"
)

// Config connects a looking glass with its worker.
type Config struct {
	Slot int // of the worker
	// Look has the owner run f between two batches and waits for its end; ctx bounds the wait for the owner's turn, after which f is
	// not run.
	Look func(ctx context.Context, f func(*correlate.Correlator)) error
	// Place tells the slot of a device; nil without steering.
	Place func(netip.Addr) int
	// Now is the clock that ages are by, default time.Now.
	Now func() time.Time
	Log *slog.Logger
}

// Bounds of what readers may ask for.
const (
	maxRequests  = 4                // worked on at once
	waitForRoom  = 2 * time.Second  // of further ones, which are then refused
	patience     = 10 * time.Second // for a page; what was found by then is the page
	writeTimeout = 10 * time.Second // for a reader that does not read
	sliceSteps   = 1000             // routes, peers, ... that the owner looks at in one go: about 0.3 ms
	lineSteps    = 10               // that a line costs which the owner makes
	pageSteps    = 1_000_000        // that it looks at for a page
	restFactor   = 4                // see doc.go
	defaultLimit = 1000             // lines of a page
	maxLimit     = 10_000
	maxPageBytes = 4 << 20 // of a page, roughly
)

// Glass serves the pages. Any goroutine may call its methods.
type Glass struct {
	cfg   Config
	run   int64         // tells apart the runs of a worker: a cursor is of one run
	room  chan struct{} // a token for each request
	turn  chan struct{} // one token: who holds it may ask the owner
	rest  time.Time     // guarded by turn: when the owner may be asked again
	count counters
}

type counters struct{ answered, failed, busy, slices, steps, longest atomic.Uint64 }

// Counters say what readers have asked for and what it cost the owner.
type Counters struct {
	Answered uint64 // requests
	Failed   uint64 // requests, told what is wrong with them or that the worker did not answer
	Busy     uint64 // requests, refused because too many were under way
	Slices   uint64 // that the owner worked
	Steps    uint64 // in all slices
	Longest  uint64 // most steps in a slice
}

// New makes a looking glass.
func New(cfg Config) *Glass {
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	return &Glass{cfg: cfg, run: time.Now().UnixNano(), room: make(chan struct{}, maxRequests), turn: make(chan struct{}, 1)}
}

// Counters returns the counts so far.
func (g *Glass) Counters() Counters {
	return Counters{
		Answered: g.count.answered.Load(), Failed: g.count.failed.Load(), Busy: g.count.busy.Load(),
		Slices: g.count.slices.Load(), Steps: g.count.steps.Load(), Longest: g.count.longest.Load(),
	}
}

// Register adds the pages to a mux.
func (g *Glass) Register(mux *http.ServeMux) {
	for i := range pages {
		p := &pages[i]
		mux.HandleFunc("GET "+p.pattern, func(w http.ResponseWriter, r *http.Request) { g.serve(w, r, p) })
	}
	mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, r *http.Request) { g.serve(w, r, &indexPage) })
}

// slice has the owner run f, which returns the steps it took. f must bound them by sliceSteps.
func (g *Glass) slice(ctx context.Context, f func(*correlate.Correlator) (steps int)) error {
	select {
	case g.turn <- struct{}{}:
		defer func() { <-g.turn }()
	case <-ctx.Done():
		return ctx.Err()
	}
	if rest := time.Until(g.rest); rest > 0 {
		t := time.NewTimer(rest)
		defer t.Stop()
		select {
		case <-t.C:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return g.cfg.Look(ctx, func(c *correlate.Correlator) {
		begin := time.Now()
		steps := uint64(f(c))
		end := time.Now()
		g.rest = end.Add(restFactor * end.Sub(begin))
		g.count.slices.Add(1)
		g.count.steps.Add(steps)
		g.count.longest.Store(max(g.count.longest.Load(), steps))
	})
}
