package sink

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
)

// Kafka delivers records to Kafka, in order per key, each once. Brokers that are away are not an error: records wait in memory, and the
// client tries on. Methods may be called from any goroutine; none but Flush and Close waits for anything but the lock.
//
// There is one lock. It is held for one record in Send and for a few hundred when the waiting line moves on. The
// promise of a record, which the client runs in a goroutine of its own, does not take it.
type Kafka struct {
	cfg    KafkaConfig
	client *kgo.Client
	admin  *kadm.Client
	window int64
	stop   context.CancelFunc
	loops  sync.WaitGroup

	returned stack         // finished items, from the client
	hungry   atomic.Bool   // records wait for the window: the next finished item wakes the pump
	wake     chan struct{} // to the pump
	check    chan struct{} // to the watch: look at the brokers now

	mu       sync.Mutex
	lanes    []*lane
	free     freeList
	held     int64  // bytes charged for all items in lanes without a limit
	seq      uint64 // of the last item that waits or is with the client
	closed   bool   // takes no more
	status   Status
	lastDial error
}

// lane is the way of one topic. Everything in it is guarded by the sink's lock.
type lane struct {
	sink    *Kafka
	topic   string
	headers []kgo.RecordHeader

	Counters
	line line  // waiting, the oldest first
	away int64 // bytes with the client
	sent int   // records with the client
	open bool  // the topic is there and takes records

	moved time.Time       // when the client last finished a record of it, or got the first
	told  [reasons]uint64 // of LostBy, what the log has been told
	why   [reasons]error  // the last error of each reason

	gone     bool // the client says that its topic is gone: another of that name is there, or will be
	renewing bool // what the client has is on its way back, see renew

	id    [16]byte     // of the topic, as Kafka tells topics of one name apart; of the watch alone
	batch atomic.Int32 // the longest batch that the client may make, see learnLimits; 0 is not known

	limit int64         // Topic.Limit
	held  int64         // bytes charged for all items, when there is a limit
	room  chan struct{} // closed when there is room again; nil when nobody waits
}

// fits reports whether an item may go to the client. A lone one always may, however large it is.
func (l *lane) fits(cost int64) bool { return l.away+cost <= l.sink.window || l.sent == 0 }

// NewKafka makes the sink and starts looking for the brokers. It fails only for a configuration that cannot work.
func NewKafka(cfg KafkaConfig) (*Kafka, error) {
	cfg, err := cfg.withDefaults()
	if err != nil {
		return nil, err
	}
	s := &Kafka{cfg: cfg, window: cfg.window(), wake: make(chan struct{}, 1), check: make(chan struct{}, 1)}
	for _, t := range cfg.Topics {
		l := &lane{sink: s, topic: t.Name, Counters: Counters{Topic: t.Name}, limit: t.Limit}
		for _, h := range t.Headers {
			l.headers = append(l.headers, kgo.RecordHeader{Key: h.Key, Value: h.Value})
		}
		s.lanes = append(s.lanes, l)
	}
	opts, err := cfg.clientOptions()
	if err != nil {
		return nil, err
	}
	opts = append(opts, kgo.WithHooks((*hooks)(s)), kgo.ProducerBatchMaxBytesFn(s.batchLimit))
	if s.client, err = kgo.NewClient(opts...); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrConfig, err)
	}
	s.admin = kadm.NewClient(s.client)
	ctx, cancel := context.WithCancel(context.Background())
	s.stop = cancel
	s.loops.Go(func() { s.pump(ctx) })
	s.loops.Go(func() { s.watch(ctx) })
	return s, nil
}

// Get returns an item to fill and to give to Send.
func (s *Kafka) Get() *Item {
	s.mu.Lock()
	it := s.free.get()
	if it == nil {
		s.reapLocked()
		it = s.free.get()
	}
	size := s.free.fresh()
	s.mu.Unlock()
	if it == nil {
		it = newItem(size)
		it.done = it.finish
	}
	return it
}

// Send takes the item of a record for a topic, given by its index in the configuration. It never waits; a record for which there is no
// room displaces the oldest that waits.
func (s *Kafka) Send(topic int, it *Item) {
	s.mu.Lock()
	defer s.mu.Unlock()
	l := s.lanes[topic]
	if l.limit > 0 {
		if !s.offerLocked(l, it) {
			l.took(it)
			l.LostBy[BufferFull]++
			s.free.put(it)
		}
		return
	}
	l.took(it)
	s.free.saw(len(it.Value))
	cost := it.charge()
	if s.closed {
		l.LostBy[Stopped]++
		return
	}
	if !l.fits(cost) || s.held+cost > s.cfg.BufferBytes {
		s.reapLocked()
	}
	if l.line.n > 0 || !l.open || !l.fits(cost) || s.held+cost > s.cfg.BufferBytes {
		s.queueLocked(l, it)
		return
	}
	l.chargeLocked(cost)
	l.produceLocked(it)
}

// chargeLocked adds to the memory that the topic's records take.
func (l *lane) chargeLocked(cost int64) {
	if l.limit > 0 {
		l.held += cost
		return
	}
	l.sink.held += cost
}

// produceLocked gives an item that is charged to the client.
func (l *lane) produceLocked(it *Item) {
	if l.away += it.cost; l.sent == 0 {
		l.moved = time.Now()
	}
	l.sent++
	it.lane = l
	if it.seq == 0 { // it did not wait
		s := l.sink
		s.seq++
		it.seq = s.seq
	}
	r := &it.rec
	r.Topic, r.Headers = l.topic, l.headers
	r.Key, r.Value, r.Timestamp = it.Key, it.Value, it.Time
	l.sink.client.Produce(context.Background(), r, it.done)
}

// finish is the promise of an item. The client runs all promises one after the other, so it does as little as it can: the counting is
// left to whoever takes the item from the stack.
func (it *Item) finish(_ *kgo.Record, err error) {
	s := it.lane.sink
	it.err = err
	s.returned.push(it)
	if s.hungry.Load() && s.hungry.CompareAndSwap(true, false) {
		s.wakePump()
	}
}

// reapLocked counts the items that the client has finished and frees them.
func (s *Kafka) reapLocked() {
	it := s.returned.takeAll()
	if it == nil {
		return
	}
	var delivered bool
	var back []*Item
	now := time.Now()
	for it != nil {
		next := it.next // put links the item into the free list
		l := it.lane
		l.away -= it.cost
		l.sent--
		l.moved = now
		if it.err != nil && s.comesBackLocked(l, it.err) {
			back = append(back, it)
			it = next
			continue
		}
		l.chargeLocked(-it.cost)
		if it.err == nil {
			delivered = true
			l.Delivered++
			l.DeliveredBytes += uint64(len(it.Key) + len(it.Value))
		} else {
			s.lostLocked(l, reasonOf(it.err), it.err)
		}
		s.free.put(it)
		it = next
	}
	if delivered {
		s.status.LastDelivery = now
	}
	s.putBackLocked(back)
	s.tellRoomLocked()
}

// lostLocked counts a record as lost. err is told in the status when the brokers are to blame.
func (s *Kafka) lostLocked(l *lane, r Reason, err error) {
	l.LostBy[r]++
	l.why[r] = err
	if err != nil && r != Stopped {
		if s.status.Up {
			s.status.Err = fmt.Errorf("topic %s: %w", l.topic, err)
		}
		s.lookNow()
	}
}

// Status tells whether records get out, since when not, and why.
func (s *Kafka) Status() Status {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.reapLocked()
	st := s.status
	for _, l := range s.lanes {
		st.Waiting += uint64(l.line.n + l.sent)
	}
	return st
}

// Counters returns the counters of each topic, as of one moment.
func (s *Kafka) Counters() []Counters {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.reapLocked()
	out := make([]Counters, len(s.lanes))
	for i, l := range s.lanes {
		out[i] = l.Counters
		out[i].Waiting = uint64(l.line.n + l.sent)
		out[i].WaitingBytes = uint64(l.line.bytes + l.away)
	}
	return out
}

// waitingLocked returns how many records are neither delivered nor lost.
func (s *Kafka) waitingLocked() (n int) {
	for _, l := range s.lanes {
		n += l.line.n + l.sent
	}
	return n
}

// Flush delivers what was sent, without waiting for batches to fill, and returns nil when all of it has been delivered or refused. When
// ctx ends first, ErrUndelivered is returned, and what is left still waits: the sink goes on until Close.
func (s *Kafka) Flush(ctx context.Context) error {
	for {
		s.wakePump()
		err := s.client.Flush(ctx)
		s.mu.Lock()
		s.reapLocked()
		waiting := s.waitingLocked()
		s.mu.Unlock()
		if waiting == 0 {
			return nil
		}
		if err == nil {
			select {
			case <-ctx.Done():
				err = ctx.Err()
			case <-time.After(flushPause): // for the pump to move the line
			}
		}
		if err != nil {
			return fmt.Errorf("%w: %d records left", ErrUndelivered, waiting)
		}
	}
}

// Close stops the sink at once. What was not flushed is counted as lost. It may be called more than once.
func (s *Kafka) Close() { s.end() }

const (
	flushPause  = 2 * time.Millisecond
	endPatience = 2 * time.Second // for the client to hand back its records when it is closed
)

// end takes no more, counts what waits as lost and waits for the goroutines.
func (s *Kafka) end() {
	s.mu.Lock()
	s.closed = true
	for _, l := range s.lanes {
		l.LostBy[Stopped] += uint64(l.line.n)
		l.chargeLocked(-l.line.bytes)
		l.line = line{}
	}
	s.tellRoomLocked()
	s.tellLostLocked()
	s.mu.Unlock()

	s.stop()
	s.loops.Wait()
	s.client.Close()
	for limit := time.Now().Add(endPatience); ; time.Sleep(flushPause) {
		s.mu.Lock()
		s.reapLocked()
		late := time.Now().After(limit)
		if late {
			s.writeOffLocked()
		}
		waiting := s.waitingLocked()
		s.mu.Unlock()
		if waiting == 0 {
			return
		}
	}
}

// writeOffLocked counts as lost what the client has not handed back. Should it still do so, nobody takes it from the stack.
func (s *Kafka) writeOffLocked() {
	for _, l := range s.lanes {
		l.LostBy[Stopped] += uint64(l.sent)
		l.chargeLocked(-l.away)
		l.sent, l.away = 0, 0
	}
	s.status.Err = errors.Join(s.status.Err, ErrUndelivered)
}
