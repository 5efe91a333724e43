package collector

import (
	"context"
	"log/slog"
	"sync"
	"time"
)

// sampled logs events that come per packet: one line a kind and period, with the number that stayed silent. Every event is counted
// elsewhere, so that the log may be sparse.
type sampled struct {
	log    *slog.Logger
	period time.Duration
	now    func() time.Time

	mu    sync.Mutex
	kinds map[string]*sampledKind // kinds are constants of this package, so the map is bounded
}

type sampledKind struct {
	next   time.Time
	silent uint64
}

func newSampled(log *slog.Logger) *sampled {
	return &sampled{log: log, period: 10 * time.Second, now: time.Now, kinds: make(map[string]*sampledKind)}
}

// warn logs msg unless a line of this kind was logged in the period before.
func (s *sampled) warn(msg string, attrs ...slog.Attr) {
	s.mu.Lock()
	k := s.kinds[msg]
	if k == nil {
		k = new(sampledKind)
		s.kinds[msg] = k
	}
	now := s.now()
	if now.Before(k.next) {
		k.silent++
		s.mu.Unlock()
		return
	}
	silent := k.silent
	k.next, k.silent = now.Add(s.period), 0
	s.mu.Unlock()
	if silent > 0 {
		attrs = append(attrs, slog.Uint64("more_since", silent))
	}
	s.log.LogAttrs(context.Background(), slog.LevelWarn, msg, attrs...) //nolint:sloglint // the callers' messages are constants
}
