package collector

import (
	"context"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"github.com/telcol/telcol/collector/record"
)

// events publishes what BMP sessions tell on the event topic. Each session encodes in its own goroutine and offers to the sink what it
// has collected; nothing of that touches the owner of the devices. A nil events publishes nothing.
type events struct {
	sink     Sink
	slot     int
	routes   bool // publish all events, not only those of sessions and peers
	mirror   bool
	slow     bool // wait when there is no room, instead of dropping
	wake     chan struct{}
	lastID   atomic.Uint64
	counted  [numEventKinds]atomic.Uint64
	gaps     atomic.Uint64 // gaps told
	waits    atomic.Uint64 // times that a session waited for room
	lostFull atomic.Uint64 // for want of room
	lostStop atomic.Uint64 // because the worker stopped while a session waited for room
	untold   atomic.Uint64 // gaps that nobody was told: of sessions that ended, when these were too many, and at the stop

	mu     sync.Mutex
	behind map[*sessionEvents]struct{} // sessions with something to tell that found no room
	open   map[netip.Addr]int          // sessions of each device
}

// maxBehind bounds the sessions that have ended and whose gap is still to be told: devices that connect and vanish while Kafka is away.
const maxBehind = 1 << 14

// eventKind indexes the counters of events.
type eventKind uint8

const (
	kindSessionUp eventKind = iota
	kindSessionDown
	kindInitiation
	kindTermination
	kindPeerUp
	kindPeerDown
	kindRoute
	kindStatistic
	kindMirror
	kindRefused
	kindGap
	numEventKinds
)

func (k eventKind) String() string {
	return [...]string{
		record.EventSessionUp, record.EventSessionDown, record.EventInitiation, record.EventTermination, record.EventPeerUp,
		record.EventPeerDown, record.EventRoute, record.EventStatistic, record.EventMirror, record.EventRefused, record.EventGap,
	}[k]
}

func newEvents(cfg *Config, s Sink) *events {
	mode := cfg.events()
	if mode == EventsOff {
		return nil
	}
	return &events{
		sink: s, slot: cfg.Slot, routes: mode == EventsAll, mirror: cfg.BMP.EventsMirror, slow: cfg.BMP.EventsOverflow == OverflowSlow,
		wake: make(chan struct{}, 1), behind: make(map[*sessionEvents]struct{}),
		open: make(map[netip.Addr]int),
	}
}

// session begins the events of a BMP session. ctx ends the waits of its Flush. The result is nil when ev is.
func (ev *events) session(ctx context.Context, from netip.AddrPort) *sessionEvents {
	if ev == nil {
		return nil
	}
	id := ev.nextID(time.Now())
	s := &sessionEvents{
		ev: ev, ctx: ctx, device: from.Addr(), key: from.Addr().AppendTo(nil), id: id, enc: record.NewEventEncoder(ev.slot, from.Addr(), id),
	}
	s.open(from.Port(), ev.joined(s.device))
	return s
}

// joined counts a session of a device and returns how many there are.
func (ev *events) joined(device netip.Addr) int {
	ev.mu.Lock()
	defer ev.mu.Unlock()
	ev.open[device]++
	return ev.open[device]
}

// left takes it away.
func (ev *events) left(device netip.Addr) {
	ev.mu.Lock()
	defer ev.mu.Unlock()
	if ev.open[device]--; ev.open[device] == 0 {
		delete(ev.open, device)
	}
}

// parkedEvents is what the events of a BMP session are, while it is paused.
type parkedEvents struct {
	ID    uint64
	Seq   uint64
	Name  string // of the device
	Gap   record.Gap
	Final bool
}

// park ends the events of a session that another sessionEvents goes on with, when what was told has been flushed. It is nil for no
// events.
func (s *sessionEvents) park() *parkedEvents {
	if s == nil {
		return nil
	}
	s.Flush()
	s.ev.left(s.device)
	s.ev.mu.Lock()
	delete(s.ev.behind, s)
	s.ev.mu.Unlock()
	s.mu.Lock()
	defer s.mu.Unlock()
	return &parkedEvents{ID: s.id, Seq: s.enc.Seq(), Name: s.enc.DeviceName(), Gap: s.gap, Final: s.final}
}

// resume goes on with the events of a session, or begins them when none were told.
func (ev *events) resume(ctx context.Context, from netip.AddrPort, was *parkedEvents) *sessionEvents {
	if ev == nil || was == nil {
		return ev.session(ctx, from)
	}
	s := &sessionEvents{
		ev: ev, ctx: ctx, device: from.Addr(), key: from.Addr().AppendTo(nil), id: was.ID,
		enc: record.NewEventEncoder(ev.slot, from.Addr(), was.ID), gap: was.Gap, final: was.Final,
	}
	ev.joined(s.device)
	s.enc.SetDeviceName(was.Name)
	s.enc.Skip(was.Seq)
	if s.gap.Lost > 0 {
		ev.later(s)
	}
	return s
}

// nextID numbers sessions by the microsecond in which they began, so that numbers grow over restarts too.
func (ev *events) nextID(now time.Time) uint64 {
	id := uint64(now.UnixMicro())
	for {
		last := ev.lastID.Load()
		if id <= last {
			id = last + 1
		}
		if ev.lastID.CompareAndSwap(last, id) {
			return id
		}
	}
}

// later remembers a session that has something to tell and found no room. The caller holds its lock.
func (ev *events) later(s *sessionEvents) {
	ev.mu.Lock()
	_, known := ev.behind[s]
	if !known && s.ended && len(ev.behind) >= maxBehind {
		ev.mu.Unlock()
		s.forsake()
		return
	}
	ev.behind[s] = struct{}{}
	ev.mu.Unlock()
	select {
	case ev.wake <- struct{}{}:
	default:
	}
}

// run tells the gaps of sessions that say nothing themselves, as soon as there is room, until ctx ends.
func (ev *events) run(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			ev.tell()
			ev.forsakeAll()
			return
		case <-ev.wake:
		}
		for ev.pending() > 0 {
			if ev.sink.Room(ctx, TopicBMP) != nil {
				break
			}
			ev.tell()
		}
	}
}

func (ev *events) pending() int {
	ev.mu.Lock()
	defer ev.mu.Unlock()
	return len(ev.behind)
}

// tell lets each session that is behind try again.
func (ev *events) tell() {
	ev.mu.Lock()
	all := make([]*sessionEvents, 0, len(ev.behind))
	for s := range ev.behind {
		all = append(all, s)
	}
	clear(ev.behind)
	ev.mu.Unlock()
	for _, s := range all {
		s.catchUp()
	}
}

// forsakeAll counts what is still to be told as lost: the worker ends.
func (ev *events) forsakeAll() {
	ev.mu.Lock()
	left := ev.behind
	ev.behind = make(map[*sessionEvents]struct{})
	ev.mu.Unlock()
	for s := range left {
		s.mu.Lock()
		s.forsake()
		s.mu.Unlock()
	}
}
