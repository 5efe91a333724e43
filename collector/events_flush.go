package collector

import (
	"time"

	"github.com/telcol/telcol/collector/sink"
)

// Flush offers what was collected. Without room the rest is dropped and the session in a gap, or the session waits.
func (s *sessionEvents) Flush() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.gap.Lost > 0 && s.ev.sink.HasRoom(TopicBMP) {
		s.tellGap()
	}
	s.offer()
	s.count()
	s.stamp, s.batch = time.Time{}, 0
	if len(s.spare) > 0 {
		s.ev.sink.Release(s.spare)
		s.spare = drop(s.spare)
	}
}

// offer gives the collected items to the sink.
func (s *sessionEvents) offer() {
	if len(s.items) == 0 {
		return
	}
	rest := s.items
	for {
		rest = rest[s.ev.sink.Offer(TopicBMP, rest):]
		if len(rest) == 0 || !s.ev.slow {
			break
		}
		s.ev.waits.Add(1)
		if s.wait() != nil {
			break
		}
	}
	if len(rest) > 0 {
		s.lose(rest)
	}
	s.items, s.bytes = drop(s.items), 0
}

// wait waits for room. Nobody else waits for this session meanwhile: in this mode it is behind only once it has ended.
func (s *sessionEvents) wait() error { return s.ev.sink.Room(s.ctx, TopicBMP) }

// lose drops the last items that were written.
func (s *sessionEvents) lose(items []*sink.Item) {
	n := uint64(len(items))
	s.ev.sink.Release(items)
	s.lost(n, s.enc.Seq()-n+1)
	s.ev.later(s)
}

// skip numbers events without writing them.
func (s *sessionEvents) skip(k eventKind, n uint64) {
	if n == 0 {
		return
	}
	s.arrived()
	s.counted[k] += n
	from := s.enc.Seq() + 1
	s.enc.Skip(n)
	s.lost(n, from)
}

// lost enters losses into the gap.
func (s *sessionEvents) lost(n, from uint64) {
	if s.ctx.Err() != nil && s.ev.slow {
		s.ev.lostStop.Add(n)
	} else {
		s.ev.lostFull.Add(n)
	}
	if s.gap.Lost == 0 {
		s.gap.From, s.gap.Start = from, s.stamp.UnixNano()
	}
	s.gap.Lost += n
	s.gap.To, s.gap.End = s.enc.Seq(), s.stamp.UnixNano()
}

// tellGap offers the event of the gap. Should there be no room for it, it is one more that is lost.
func (s *sessionEvents) tellGap() {
	gap := s.gap
	s.gap.Lost = 0
	s.stamp = time.Time{}
	s.put(kindGap, func(dst []byte) []byte { return s.enc.AppendGap(dst, &gap) })
	if s.ev.sink.Offer(TopicBMP, s.items) == len(s.items) {
		s.items, s.bytes = drop(s.items), 0
		s.ev.gaps.Add(1)
		return
	}
	s.gap = gap
	s.lose(s.items)
	s.items, s.bytes = drop(s.items), 0
}

// catchUp tells what found no room before: the gap, and the end of a session.
func (s *sessionEvents) catchUp() {
	s.mu.Lock()
	defer s.mu.Unlock()
	defer s.count()
	if s.gap.Lost > 0 {
		if s.ev.sink.HasRoom(TopicBMP) {
			s.tellGap()
		}
		if s.gap.Lost > 0 {
			s.ev.later(s)
			return
		}
	}
	if s.down != nil {
		s.tellDown()
	}
	s.ev.sink.Release(s.spare)
	s.spare = drop(s.spare)
}

// tellDown offers the event of the session's end. It waits for its turn as long as there is no room.
func (s *sessionEvents) tellDown() {
	if !s.ev.sink.HasRoom(TopicBMP) {
		s.ev.later(s)
		return
	}
	s.put(kindSessionDown, func(dst []byte) []byte { return s.enc.AppendSessionDown(dst, s.down.reason, s.down.err) })
	if s.ev.sink.Offer(TopicBMP, s.items) < len(s.items) {
		s.lose(s.items) // a race for the last room; it is told again, behind the gap
	} else {
		s.down = nil
	}
	s.items, s.bytes = drop(s.items), 0
}

// forsake counts as lost what the session has still to tell: its end, and the gap, of which no event will speak.
func (s *sessionEvents) forsake() {
	if s.down != nil {
		s.down = nil
		s.skip(kindSessionDown, 1)
	}
	if s.gap.Lost > 0 {
		s.ev.untold.Add(1)
	}
	s.count()
}

// count hands the session's counts over.
func (s *sessionEvents) count() {
	for k, n := range s.counted {
		if n > 0 {
			s.ev.counted[k].Add(n)
			s.counted[k] = 0
		}
	}
}

// drop empties a slice of items and keeps its memory.
func drop(items []*sink.Item) []*sink.Item {
	clear(items)
	return items[:0]
}
