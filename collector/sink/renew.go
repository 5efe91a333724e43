package sink

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
)

// A topic that is deleted and created again is another topic, which the client does not write to: all records of the old one, also
// those given to it from then on, come back refused, for ever. The sink takes them back to the front of the line, has the client
// forget the topic, and goes on with the new one. What the old topic had acknowledged went with it. A record that was on its way at
// that moment may be in the new topic twice.

// comesBackLocked reports whether a record that the client gave up is not lost but waits for the topic's successor.
func (s *Kafka) comesBackLocked(l *lane, err error) bool {
	if s.closed || reasonOf(err) != Failed {
		return false
	}
	if !l.renewing && errors.Is(err, kerr.UnknownTopicID) {
		l.gone, l.open = true, false // until the watch has looked
		s.lookNow()
	}
	return l.renewing || l.gone
}

// putBackLocked puts items, which are still charged, back into their lines, each in its place.
func (s *Kafka) putBackLocked(items []*Item) {
	slices.SortFunc(items, func(a, b *Item) int { return cmp.Compare(a.seq, b.seq) })
	for _, l := range s.lanes {
		var own line
		for _, it := range items {
			if it.lane == l {
				it.err = nil
				own.push(it)
			}
		}
		if own.n > 0 {
			l.line.merge(own)
		}
	}
}

// merge takes the items of another queue. Both are in order, and the result is.
func (l *line) merge(other line) {
	var all line
	for l.n > 0 && other.n > 0 {
		if l.head.seq < other.head.seq {
			all.push(l.pop())
		} else {
			all.push(other.pop())
		}
	}
	if l.n == 0 {
		*l = other
	}
	if all.n == 0 {
		return
	}
	all.tail.next = l.head
	all.n, all.bytes = all.n+l.n, all.bytes+l.bytes
	if l.tail != nil {
		all.tail = l.tail
	}
	*l = all
}

// renew has the client forget a topic and hand back what it has of it, when the topic is not the one that it was. Only the watch calls it.
func (s *Kafka) renew(ctx context.Context, l *lane, id [16]byte) {
	s.mu.Lock()
	s.reapLocked()
	was := l.id
	l.id = id
	if !l.gone && (was == id || was == [16]byte{} || id == [16]byte{}) {
		s.mu.Unlock()
		return
	}
	l.open, l.renewing = false, true
	s.mu.Unlock()

	s.client.PurgeTopicsFromProducing(l.topic)
	limit := time.Now().Add(endPatience)
	for ctx.Err() == nil && time.Now().Before(limit) && s.sent(l) > 0 {
		time.Sleep(flushPause)
	}
	s.mu.Lock()
	s.reapLocked()
	l.gone, l.renewing = false, false
	waiting := l.line.n
	s.mu.Unlock()
	s.cfg.Log.Warn("the topic was deleted and created again, going on with the new one", "topic", l.topic, "waiting", waiting)
}

// sent returns how many records the client has of a topic.
func (s *Kafka) sent(l *lane) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.reapLocked()
	return l.sent
}
