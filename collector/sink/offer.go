package sink

import "context"

// A topic with a limit is for records that come in bursts from many goroutines and whose loss must be known to the one who sends them:
// the caller offers records, several at a time since each call takes the lock, and keeps those for which there was no room. Then it may
// give them up, or wait.

// GetAll fills items, each of which is as from Get.
func (s *Kafka) GetAll(items []*Item) {
	s.mu.Lock()
	n := s.free.getAll(items)
	if n < len(items) {
		s.reapLocked()
		n += s.free.getAll(items[n:])
	}
	size := s.free.fresh()
	s.mu.Unlock()
	for ; n < len(items); n++ {
		items[n] = newItem(size)
		items[n].done = items[n].finish
	}
}

// getAll takes items until there are enough or no more, and returns how many it took.
func (f *freeList) getAll(items []*Item) int {
	for i := range items {
		if items[i] = f.get(); items[i] == nil {
			return i
		}
	}
	return len(items)
}

// Release gives items back that will not be sent.
func (s *Kafka) Release(items []*Item) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, it := range items {
		it.charge()
		s.free.put(it)
	}
}

// Offer takes items of a topic with a limit, in order, and returns how many: the rest stay the caller's, for there is no room. It never
// waits. A lone item always fits, however long. After Close all are taken and counted as lost.
func (s *Kafka) Offer(topic int, items []*Item) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	l := s.lanes[topic]
	for i, it := range items {
		if !s.offerLocked(l, it) {
			return i
		}
	}
	return len(items)
}

func (s *Kafka) offerLocked(l *lane, it *Item) bool {
	cost := it.charge()
	if l.held+cost > l.limit && l.held > 0 {
		if s.reapLocked(); l.held+cost > l.limit && l.held > 0 {
			return false
		}
	}
	l.took(it)
	s.free.saw(len(it.Value))
	if s.closed {
		l.LostBy[Stopped]++
		return true
	}
	if !l.fits(cost) {
		s.reapLocked()
	}
	if l.line.n > 0 || !l.open || !l.fits(cost) {
		s.pushLocked(l, it)
		return true
	}
	l.chargeLocked(cost)
	l.produceLocked(it)
	return true
}

// HasRoom reports whether a quarter of the topic's memory is free, which is when it makes sense to offer again after an Offer that took
// less than all: a queue that is full for the next record again would be told so again.
func (s *Kafka) HasRoom(topic int) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.reapLocked()
	return s.lanes[topic].hasRoom() || s.closed
}

func (l *lane) hasRoom() bool { return l.held <= roomAgain(l.limit) }

// roomAgain is how much of a limit may be taken when there counts as room.
func roomAgain(limit int64) int64 { return limit - limit/4 }

// Room waits until HasRoom or the sink is closed. The error is that of ctx.
func (s *Kafka) Room(ctx context.Context, topic int) error {
	for {
		s.mu.Lock()
		s.reapLocked()
		l := s.lanes[topic]
		if l.hasRoom() || s.closed {
			s.mu.Unlock()
			return nil
		}
		if l.room == nil {
			l.room = make(chan struct{})
		}
		room := l.room
		s.mu.Unlock()
		s.wakePump() // which sees to it that finished items are looked at
		select {
		case <-room:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// tellRoomLocked wakes those who wait for room, when there is some.
func (s *Kafka) tellRoomLocked() {
	for _, l := range s.lanes {
		if l.room != nil && (l.hasRoom() || s.closed) {
			close(l.room)
			l.room = nil
		}
	}
}

// GetAll fills items, each of which is as from Get.
func (s *Stdout) GetAll(items []*Item) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for n := s.free.getAll(items); n < len(items); n++ {
		items[n] = newItem(s.free.fresh())
	}
}

// Release gives items back that will not be sent.
func (s *Stdout) Release(items []*Item) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, it := range items {
		it.charge()
		s.free.put(it)
	}
}

// Offer does as Kafka.Offer.
func (s *Stdout) Offer(topic int, items []*Item) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	c := &s.topics[topic]
	for i, it := range items {
		if !s.closed && !s.fitsLocked(topic, it) {
			return i
		}
		c.took(it)
		if s.closed {
			c.LostBy[Stopped]++
		} else {
			s.takeLocked(topic, it)
		}
		s.putLocked(it)
	}
	return len(items)
}

// HasRoom does as Kafka.HasRoom.
func (s *Stdout) HasRoom(topic int) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.hasRoomLocked(topic)
}

func (s *Stdout) hasRoomLocked(topic int) bool {
	return s.closed || int64(s.lines.bytes[topic]+s.writing.bytes[topic]) <= roomAgain(s.cfg.limit(topic))
}

// Room does as Kafka.Room.
func (s *Stdout) Room(ctx context.Context, topic int) error {
	stop := context.AfterFunc(ctx, func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.moved.Broadcast()
	})
	defer stop()
	s.mu.Lock()
	defer s.mu.Unlock()
	for !s.hasRoomLocked(topic) {
		if err := ctx.Err(); err != nil {
			return err
		}
		s.moved.Wait()
	}
	return nil
}
