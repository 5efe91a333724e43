package collector

import (
	"context"
	"net/netip"
	"sync"
	"time"

	"github.com/telcol/telcol/bmp"
	"github.com/telcol/telcol/bmp/bgp"
	"github.com/telcol/telcol/collector/record"
	"github.com/telcol/telcol/collector/sink"
)

// sessionEvents collects the events of one BMP session and offers them to the sink, in order. It is the Observer of the session's feed.
//
// When the sink has no room, and sessions are not to wait, the session is in a gap: what is told then is numbered and not written,
// until there is room for the event that tells of the gap.
type sessionEvents struct {
	ev  *events
	ctx context.Context
	key []byte
	id  uint64 // of the session

	device netip.Addr

	mu      sync.Mutex // against events.run
	enc     *record.EventEncoder
	stamp   time.Time    // arrival of the messages since the last Flush; zero before the first
	items   []*sink.Item // written and not yet offered
	bytes   int          // their values
	spare   []*sink.Item // to be written next
	batch   int          // how many to ask for next
	counted [numEventKinds]uint64
	gap     record.Gap // not yet told, when Lost is not zero
	ended   bool
	down    *sessionDown // not yet told
	final   bool         // a Termination came
}

// sessionDown is how a session ended.
type sessionDown struct{ reason, err string }

// Reasons of a session's end, words of the schema.
const (
	downClosed     = "closed"      // by the device
	downTerminated = "termination" // by the device, which said so
	downError      = "error"       // of the stream or the connection
	downStop       = "stop"        // of the worker
	downMoved      = "moved"       // by the worker: the device belongs to another one now
	downNotAllowed = "not-allowed" // by the worker: the device's address is not let in any more
)

const (
	maxPending      = 1024    // events that are collected before they are offered
	maxPendingBytes = 1 << 20 // and their values
	maxSpare        = 64
)

func (s *sessionEvents) open(port uint16, sessions int) {
	s.mu.Lock()
	s.put(kindSessionUp, func(dst []byte) []byte { return s.enc.AppendSessionUp(dst, port, sessions) })
	s.mu.Unlock()
	s.Flush()
}

// end tells that the session has ended. Nothing may be told after it.
func (s *sessionEvents) end(reason, err string) {
	if s == nil {
		return
	}
	s.Flush()
	s.mu.Lock()
	if reason == downClosed && s.final {
		reason = downTerminated
	}
	s.ended, s.down, s.stamp = true, &sessionDown{reason, err}, time.Time{}
	s.mu.Unlock()
	if s.ev.slow {
		_ = s.ev.sink.Room(s.ctx, TopicBMP) // the stop of the worker ends the wait, and then there is room or not
	}
	s.catchUp()
	s.ev.left(s.device)
}

// Message takes what the session has said.
func (s *sessionEvents) Message(m bmp.Message, err error) {
	if _, route := m.(*bmp.RouteMonitoring); route && !s.ev.routes {
		return
	}
	s.mu.Lock()
	full := s.message(m, err)
	s.mu.Unlock()
	if full {
		s.Flush()
	}
}

// message writes the events of a message and reports whether it is time to offer them. What could be read of a message that was
// refused counts where the tables take it too: a peer is up or down all the same.
func (s *sessionEvents) message(m bmp.Message, err error) (full bool) {
	if err != nil && s.ev.routes {
		s.put(kindRefused, func(dst []byte) []byte { return s.enc.AppendRefused(dst, err.Error()) })
	}
	switch m := m.(type) {
	case *bmp.RouteMonitoring:
		if err == nil {
			s.putRoutes(m)
		}
	case *bmp.PeerUp:
		s.put(kindPeerUp, func(dst []byte) []byte { return s.enc.AppendPeerUp(dst, m) })
	case *bmp.PeerDown:
		s.put(kindPeerDown, func(dst []byte) []byte { return s.enc.AppendPeerDown(dst, m) })
	case *bmp.Statistics:
		s.putStatistics(m)
	case *bmp.Initiation:
		s.putInitiation(m)
	case *bmp.Termination:
		s.final = true
		s.put(kindTermination, func(dst []byte) []byte { return s.enc.AppendTermination(dst, m) })
	case *bmp.RouteMirroring:
		if s.ev.routes && s.ev.mirror {
			s.put(kindMirror, func(dst []byte) []byte { return s.enc.AppendMirror(dst, m) })
		}
	}
	return len(s.items) >= maxPending || s.bytes >= maxPendingBytes
}

func (s *sessionEvents) putInitiation(m *bmp.Initiation) {
	if m.SysName != "" && m.SysName != s.enc.DeviceName() {
		s.enc.SetDeviceName(m.SysName)
		s.stamp = time.Time{} // so that this event has the name
	}
	s.put(kindInitiation, func(dst []byte) []byte { return s.enc.AppendInitiation(dst, m) })
}

func (s *sessionEvents) putStatistics(m *bmp.Statistics) {
	if !s.ev.routes {
		return
	}
	for i := range m.Stats {
		s.put(kindStatistic, func(dst []byte) []byte { return s.enc.AppendStatistic(dst, m, &m.Stats[i]) })
	}
}

// putRoutes writes the routes of an UPDATE in the order in which the tables take them, withdrawals first.
func (s *sessionEvents) putRoutes(m *bmp.RouteMonitoring) {
	if s.gap.Lost > 0 {
		s.skip(kindRoute, routesOf(m))
		return
	}
	s.arrived()
	s.enc.Routes(m)
	for i := range m.Withdrawn {
		it := s.item()
		it.Value = s.enc.AppendWithdraw(it.Value, &m.Withdrawn[i])
		s.keep(kindRoute, it)
	}
	for i := range m.OtherWithdrawn {
		it := s.item()
		it.Value = s.enc.AppendOther(it.Value, &m.OtherWithdrawn[i], nil)
		s.keep(kindRoute, it)
	}
	for i := range m.Announced {
		s.putAnnounced(&m.Announced[i])
	}
	if m.EndOfRIB != 0 {
		it := s.item()
		it.Value = s.enc.AppendEndOfRIB(it.Value, m.EndOfRIB)
		s.keep(kindRoute, it)
	}
}

func (s *sessionEvents) putAnnounced(a *bgp.Announcement) {
	for i := range a.NLRI {
		it := s.item()
		it.Value = s.enc.AppendUpdate(it.Value, &a.NLRI[i], a.Attrs)
		s.keep(kindRoute, it)
	}
	for i := range a.Other {
		it := s.item()
		it.Value = s.enc.AppendOther(it.Value, &a.Other[i], a.Attrs)
		s.keep(kindRoute, it)
	}
}

// routesOf counts the events that putRoutes writes.
func routesOf(m *bmp.RouteMonitoring) uint64 {
	n := len(m.Withdrawn) + len(m.OtherWithdrawn)
	for i := range m.Announced {
		n += len(m.Announced[i].NLRI) + len(m.Announced[i].Other)
	}
	if m.EndOfRIB != 0 {
		n++
	}
	return uint64(n)
}

// put writes one event that is not a route.
func (s *sessionEvents) put(k eventKind, write func(dst []byte) []byte) {
	if s.gap.Lost > 0 {
		s.skip(k, 1)
		return
	}
	s.arrived()
	it := s.item()
	it.Value = write(it.Value)
	s.keep(k, it)
}

// arrived asks the clock once after each Flush: what is read in one go arrived together.
func (s *sessionEvents) arrived() {
	if s.stamp.IsZero() {
		s.stamp = time.Now()
		s.enc.Arrived(s.stamp.UnixNano())
	}
}

// item returns an item to write to. A burst takes them from the sink by ever more at a time.
func (s *sessionEvents) item() *sink.Item {
	if len(s.spare) == 0 {
		s.batch = min(max(2*s.batch, 1), maxSpare)
		if cap(s.spare) < s.batch {
			s.spare = make([]*sink.Item, 0, s.batch)
		}
		s.spare = s.spare[:s.batch]
		s.ev.sink.GetAll(s.spare)
	}
	last := len(s.spare) - 1
	it := s.spare[last]
	s.spare[last], s.spare = nil, s.spare[:last]
	it.Key, it.Time = append(it.Key, s.key...), s.stamp
	return it
}

// keep collects a written item.
func (s *sessionEvents) keep(k eventKind, it *sink.Item) {
	s.counted[k]++
	s.items = append(s.items, it)
	s.bytes += len(it.Value)
}
