package collector

import (
	"context"
	"log/slog"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/telcol/telcol/collector/sink"
)

// gatedSink holds the owner goroutine up while the gate is locked.
type gatedSink struct {
	Sink
	gate sync.Mutex
	came atomic.Int64 // how often the owner has come to the gate
}

func (s *gatedSink) Get() *sink.Item {
	s.came.Add(1)
	s.gate.Lock()
	defer s.gate.Unlock()
	return s.Sink.Get()
}

// heard collects what a worker tells its manager.
type heard struct {
	mu     sync.Mutex
	states []string
}

func (m *heard) tell(state string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.states = append(m.states, state)
}

func (m *heard) all() []string {
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.Clone(m.states)
}

func (m *heard) alive() (n int) {
	for _, s := range m.all() {
		if s == notifyAlive {
			n++
		}
	}
	return n
}

// TestManagerIsTold has a worker whose owner goroutine is stuck, and gets on again, tell its manager what is true.
func TestManagerIsTold(t *testing.T) {
	if testing.Short() {
		t.Skip("-short: takes 6 s")
	}
	cfg := Default()
	cfg.Slot, cfg.Steering, cfg.Sink, cfg.HTTP = 0, false, SinkStdout, "off"
	cfg.ListenIPFIX, cfg.ListenBMP, cfg.Join.NewWait = freeAddr(t), freeAddr(t), 0
	manager, log := new(heard), new(safeBuffer)
	w := newWorker(cfg, Env{Stdout: new(safeBuffer), Log: slog.New(slog.NewTextHandler(log, nil)), Notify: manager.tell})
	if err := w.start(t.Context()); err != nil {
		t.Fatal(err)
	}
	gated := &gatedSink{Sink: w.sink}
	w.core.sink = gated
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	ended := make(chan error, 1)
	go func() { ended <- w.run(ctx) }()
	waitFor(t, "two signs of life", func() bool { return manager.alive() >= 2 })

	gated.gate.Lock()
	r := &running{cfg: cfg}
	r.send(t, flows(t, 0, 1))
	waitFor(t, "the owner to be stuck", func() bool { return gated.came.Load() > 0 })
	before := manager.alive()
	// One may have been asked for before the owner was stuck.
	time.Sleep(3 * vouchEvery) // the length of the silence, not a wait for something
	if n := manager.alive() - before; n > 1 {
		t.Errorf("%d signs of life of a stuck owner", n)
	}
	gated.gate.Unlock()
	before = manager.alive()
	waitFor(t, "a sign of life after it", func() bool { return manager.alive() > before })
	cancel()
	if err := <-ended; err != nil {
		t.Fatal(err)
	}
	all := manager.all()
	if all[0] != notifyReady || all[len(all)-1] != notifyStopping && all[len(all)-1] != notifyAlive || !slices.Contains(all, notifyStopping) {
		t.Errorf("told %q", all)
	}
}
