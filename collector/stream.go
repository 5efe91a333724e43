package collector

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/telcol/telcol/collector/intake"
	"github.com/telcol/telcol/ipfix"
)

// streams take IPFIX over TCP (RFC 7011 section 10.4). Each connection's goroutine cuts its stream into messages and hands them to
// the owner in batches, of which a connection has two: a busy owner slows the exporter down by TCP's own flow control, and nobody else.
type streams struct {
	cfg   *IPFIXConfig
	owned *ownership
	warn  *sampled
	log   *slog.Logger
	out   chan<- *streamBatch

	// Set before serve by a worker of a steering group.
	first  func(conn net.Conn, from netip.Addr) (head []byte, probe bool) // answers a self-test, else gives what it read
	conns  *connections
	parked *parked // between two periods of serving

	ids   atomic.Uint64
	stats intake.ServeStats

	mu      sync.Mutex
	devices map[netip.Addr]int // connections by device

	foreign  atomic.Uint64 // connections of another slot's devices
	moved    atomic.Uint64 // connections that came just before their device moved to another slot
	crowded  atomic.Uint64 // connections beyond those that one device may have
	idle     atomic.Uint64 // connections ended because no message came
	slow     atomic.Uint64 // connections ended because a message did not become whole
	unframed atomic.Uint64 // connections ended by octets that are no IPFIX message
	cut      atomic.Uint64 // connections that ended within a message, slow ones included
	refused  atomic.Uint64 // connections ended because their source is not let in any more
}

// streamBatch is messages of one connection, in order.
type streamBatch struct {
	device   netip.Addr
	conn     uint64
	received time.Time
	data     []byte
	ends     []int // of each message in data
	last     bool  // the connection has ended
	home     chan<- *streamBatch
}

const (
	streamQueue     = 8                // batches waiting for the owner, of all connections together
	batchesPerConn  = 2                // of one connection
	batchBytes      = 32 << 10         // a batch of so many octets is handed over, one message may exceed it
	messagePatience = 30 * time.Second // for a message that has begun
	drainPatience   = time.Second      // at the stop, for what the kernel still holds of a connection
)

func newStreams(cfg *IPFIXConfig, owned *ownership, warn *sampled, log *slog.Logger, out chan<- *streamBatch) *streams {
	return &streams{cfg: cfg, owned: owned, warn: warn, log: log, out: out, conns: new(connections), parked: new(parked), devices: make(map[netip.Addr]int)}
}

// serve accepts connections until ctx ends and every one's goroutine has ended. Those of resume go on first.
func (s *streams) serve(ctx context.Context, ln *net.TCPListener, resume []*net.TCPConn) error {
	return intake.Serve(ctx, ln, intake.ServeConfig{MaxConns: s.cfg.TCPMaxSessions, Stats: &s.stats, Resume: resume}, s.session)
}

// enter counts a connection of a device, unless it has too many.
func (s *streams) enter(device netip.Addr) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.devices[device] >= s.cfg.TCPMaxDevice {
		return false
	}
	s.devices[device]++
	return true
}

func (s *streams) leave(device netip.Addr) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.devices[device]--; s.devices[device] == 0 {
		delete(s.devices, device)
	}
}

// session reads one connection to its end.
func (s *streams) session(ctx context.Context, conn *net.TCPConn, from netip.AddrPort) {
	device := from.Addr()
	was := s.parked.take(conn)
	head := was.pending
	if s.first != nil && was.id == 0 && len(head) == 0 {
		var probe bool
		if head, probe = s.first(conn, device); probe {
			return
		}
	}
	noted := s.conns.add(device, conn)
	defer s.conns.remove(noted)
	if !s.owned.allows(device) { // since a moment ago
		s.conns.refuse(noted)
	}
	if was.moved {
		s.conns.move(noted)
	}
	if !s.owned.owns(device) {
		if s.owned.owned(device) {
			s.moved.Add(1)
			return
		}
		s.foreign.Add(1)
		s.warn.warn("ipfix connection of another slot's device, closed", slog.String("source", from.String()))
		return
	}
	if !s.enter(device) {
		s.crowded.Add(1)
		s.warn.warn("ipfix connection beyond ipfix.tcp-max-device, closed", slog.String("source", from.String()))
		return
	}
	defer s.leave(device)
	log := s.log.With("device", device.String(), "port", from.Port())
	if was.id == 0 {
		was.id = s.ids.Add(1)
		log.Info("ipfix connection opened")
	}
	c := newStreamConn(ctx, conn, s.cfg.TCPIdleTimeout)
	c.head = head
	err := s.forward(c, device, was.id)
	if errors.Is(err, intake.ErrPause) {
		s.parked.park(conn, &parkedConn{kind: connIPFIX, from: from, id: was.id, pending: bytes.Clone(c.reader.Pending())})
		return
	}
	s.ended(c, err)
	switch moved, refused := s.conns.why(noted); {
	case refused:
		s.refused.Add(1)
		log.Info("ipfix connection closed, its source is not let in any more")
	case moved:
		log.Info("ipfix connection closed, its device belongs to another slot now")
	case ctx.Err() != nil:
		log.Info("ipfix connection closed by the stop of the worker")
	case errors.Is(err, io.EOF):
		log.Info("ipfix connection closed by the device")
	default:
		log.Warn("ipfix connection ended", "err", err)
	}
}

// ended counts why a connection ended.
func (s *streams) ended(c *streamConn, err error) {
	partial := c.reader.Partial()
	if partial {
		s.cut.Add(1)
	}
	switch {
	case errors.Is(err, ipfix.ErrVersion), errors.Is(err, ipfix.ErrShort):
		s.unframed.Add(1)
	case c.ctx.Err() != nil || !errors.Is(err, os.ErrDeadlineExceeded):
	case partial:
		s.slow.Add(1)
	default:
		s.idle.Add(1)
	}
}

// forward hands the messages of a connection to the owner until it ends, and says why. The last batch tells the owner so.
func (s *streams) forward(c *streamConn, device netip.Addr, id uint64) error {
	free := make(chan *streamBatch, batchesPerConn)
	for range batchesPerConn {
		free <- &streamBatch{device: device, conn: id, home: free}
	}
	b := <-free
	for {
		if len(b.data) >= batchBytes || len(b.ends) > 0 && !c.reader.Buffered() {
			s.out <- b
			b = <-free
		}
		msg, err := c.reader.Next()
		if err != nil {
			b.last = !errors.Is(err, intake.ErrPause)
			s.out <- b
			return err
		}
		if len(b.ends) == 0 {
			b.received = time.Now()
		}
		b.data = append(b.data, msg...)
		b.ends = append(b.ends, len(b.data))
	}
}

// release gives a batch back to its connection. The owner calls it.
func (b *streamBatch) release() {
	b.data, b.ends = b.data[:0], b.ends[:0]
	b.home <- b
}

// streamConn reads a connection within bounds of time: for a message to begin, for one that has begun to become whole, and at the stop for
// what has arrived.
type streamConn struct {
	ctx    context.Context
	conn   *net.TCPConn
	reader *ipfix.Reader
	head   []byte // was read before, and comes first

	idle     time.Duration // 0 for no bound
	patience time.Duration

	begun   time.Time // of the message at hand, zero between messages
	stopped time.Time // when the stop was seen
}

func newStreamConn(ctx context.Context, conn *net.TCPConn, idle time.Duration) *streamConn {
	c := &streamConn{ctx: ctx, conn: conn, idle: idle, patience: messagePatience}
	c.reader = ipfix.NewReader(c)
	return c
}

// Read reads for the reader, which calls it only when no whole message is left.
func (c *streamConn) Read(p []byte) (int, error) {
	if len(c.head) > 0 {
		n := copy(p, c.head)
		c.head = c.head[n:]
		return n, nil
	}
	now := time.Now()
	var deadline time.Time
	switch {
	case c.reader.Partial():
		if c.begun.IsZero() {
			c.begun = now
		}
		deadline = c.begun.Add(c.patience)
	default:
		c.begun = time.Time{}
		if c.idle > 0 {
			deadline = now.Add(c.idle)
		}
	}
	c.conn.SetReadDeadline(deadline)
	if c.ctx.Err() == nil {
		n, err := c.conn.Read(p)
		if err == nil || c.ctx.Err() == nil || !errors.Is(err, os.ErrDeadlineExceeded) {
			return n, err
		}
	}
	if intake.Paused(c.ctx) {
		return 0, intake.ErrPause
	}
	return c.drain(p)
}

// drain reads what has arrived by the stop: the device holds it for delivered.
func (c *streamConn) drain(p []byte) (int, error) {
	if c.stopped.IsZero() {
		c.stopped = time.Now()
	}
	end := c.stopped.Add(drainPatience)
	for {
		until := time.Now().Add(drainIdle)
		if until.After(end) {
			return 0, os.ErrDeadlineExceeded
		}
		c.conn.SetReadDeadline(until)
		n, err := c.conn.Read(p)
		// The deadline in the past that says stop may have been set after ours.
		if n > 0 || !errors.Is(err, os.ErrDeadlineExceeded) || !time.Now().Before(until) {
			return n, err
		}
	}
}
