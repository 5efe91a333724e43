package sink

import (
	"context"
	"time"
)

const (
	pumpSlice    = 256              // records moved from a line to the client with the lock held, about 0.1 ms
	trimInterval = 10 * time.Second // how often unneeded memory is given back, and the log told of losses
)

// queueLocked puts an item at the end of its line. The first one asks for the pump, which may find that the window has room again.
func (s *Kafka) queueLocked(l *lane, it *Item) {
	if !s.makeRoom(it.cost) {
		l.LostBy[BufferFull]++
		s.free.put(it)
		return
	}
	s.pushLocked(l, it)
}

// pushLocked puts an item for which there is room at the end of its line.
func (s *Kafka) pushLocked(l *lane, it *Item) {
	l.chargeLocked(it.cost)
	s.seq++
	it.seq, it.lane = s.seq, l
	l.line.push(it)
	if l.line.n == 1 {
		s.wakePump()
	}
}

// makeRoom drops the oldest waiting records of all lines that share memory until cost fits, and reports whether it does. Here a spool on disk takes over
// what is dropped, once there is one.
func (s *Kafka) makeRoom(cost int64) bool {
	for s.held+cost > s.cfg.BufferBytes {
		var oldest *lane
		for _, l := range s.lanes {
			if l.limit == 0 && l.line.n > 0 && (oldest == nil || l.line.head.seq < oldest.line.head.seq) {
				oldest = l
			}
		}
		if oldest == nil {
			return false
		}
		it := oldest.line.pop()
		s.held -= it.cost
		oldest.LostBy[BufferFull]++
		s.free.put(it)
	}
	return true
}

// tellLostLocked tells the log what has been lost since the last call, but for what the stop has cost, which Flush and Close tell.
func (s *Kafka) tellLostLocked() {
	for _, l := range s.lanes {
		for r, n := range l.LostBy {
			if lost := n - l.told[r]; lost > 0 && Reason(r) != Stopped {
				attrs := []any{"topic", l.topic, "reason", Reason(r).String(), "records", lost, "in_all", n}
				if l.why[r] != nil {
					attrs = append(attrs, "err", l.why[r])
				}
				s.cfg.Log.Warn("records were lost", attrs...)
			}
			l.told[r] = n
		}
	}
}

func (s *Kafka) wakePump() {
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

// pump moves waiting records to the client whenever there may be room in the window, until ctx ends.
func (s *Kafka) pump(ctx context.Context) {
	trim := time.NewTicker(trimInterval)
	defer trim.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-trim.C:
			s.mu.Lock()
			s.reapLocked()
			s.tellLostLocked()
			s.free.trim()
			s.mu.Unlock()
		case <-s.wake:
			for ctx.Err() == nil && s.pumpSlice() {
			}
		}
	}
}

// pumpSlice moves some records of each line and reports whether more can go at once. When it reports false and records wait, the next
// finished item wakes the pump.
func (s *Kafka) pumpSlice() (more bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.reapLocked()
	if s.moveLocked() {
		return true
	}
	// Whoever finishes an item after this line sees that the pump is hungry; who did so before is seen by this reap.
	s.hungry.Store(s.stuckLocked())
	if s.returned.head.Load() != nil && s.hungry.Load() {
		s.hungry.Store(false)
		return true
	}
	return false
}

// moveLocked gives up to a slice of each line to the client and reports whether it stopped for the slice's end.
func (s *Kafka) moveLocked() (more bool) {
	for _, l := range s.lanes {
		if !l.open || s.closed {
			continue
		}
		n := 0
		for l.line.n > 0 && n < pumpSlice && l.fits(l.line.head.cost) {
			l.produceLocked(l.line.pop())
			n++
		}
		more = more || n == pumpSlice
	}
	return more
}

// stuckLocked reports whether a line, or a caller of Room, waits for items that the client has.
func (s *Kafka) stuckLocked() bool {
	for _, l := range s.lanes {
		if l.open && l.line.n > 0 || l.room != nil {
			return true
		}
	}
	return false
}
