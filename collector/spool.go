package collector

import (
	"context"
	"encoding/binary"
	"fmt"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"github.com/telcol/telcol/collector/intake"
	"github.com/telcol/telcol/collector/takeover"
)

// spool keeps the datagrams that arrive while nobody joins: in a takeover, from when the worker has stopped reading until the other process has
// applied the routes that were told meanwhile. Receive buffers alone would not do. The kernel grants a worker without capabilities a few
// hundred of them (net.core.rmem_max), and the more routes are handed over the longer it takes. Beyond spoolBytes datagrams stay in the
// receive buffers, whose overflow the kernel counts.
//
// A datagram in the spool is when it was received (8 octets, Unix nanoseconds), its flags, the source's port and address (2 and 16), the number of
// octets (2), and these; numbers are big-endian. None is cut in two by the end of a stretch.
type spool struct {
	sockets []*udpSocket
	readers sync.WaitGroup
	stopped atomic.Bool

	mu        sync.Mutex
	stretches [][]byte
	octets    int
}

const (
	spoolBytes     = 256 << 20
	spoolStretch   = 1 << 20
	spoolHeader    = 8 + 1 + 2 + 16 + 2
	spoolTruncated = 1 << 0 // flag
)

// startSpool begins to read, behind what another spool has. The sockets have no other reader until stop.
func startSpool(sockets []*udpSocket, before [][]byte) *spool {
	s := &spool{sockets: sockets, stretches: before}
	for _, u := range sockets {
		u.SetReadDeadline(time.Time{}) // of the pause
		s.readers.Go(func() { s.read(u) })
	}
	return s
}

// stop ends the reading. What the receive buffers hold stays there, for the next reader.
func (s *spool) stop() {
	s.stopped.Store(true)
	for _, u := range s.sockets {
		u.SetReadDeadline(time.Unix(1, 0))
	}
	s.readers.Wait()
}

func (s *spool) read(u *udpSocket) {
	b := intake.NewBatch()
	for !s.stopped.Load() {
		// An error is the deadline, or one that the next reader will meet and count.
		if err := u.in.ReadBatch(b); err != nil || !s.add(b) {
			return
		}
	}
}

// add reports whether there is room for more.
func (s *spool) add(b *intake.Batch) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	at := b.Received().UnixNano()
	for i := range b.Len() {
		src, payload, truncated := b.Datagram(i)
		last := len(s.stretches) - 1
		if last < 0 || len(s.stretches[last])+spoolHeader+len(payload) > spoolStretch {
			s.stretches = append(s.stretches, make([]byte, 0, spoolStretch))
			last++
		}
		s.stretches[last] = appendSpooled(s.stretches[last], src, at, payload, truncated)
		s.octets += spoolHeader + len(payload)
	}
	return s.octets < spoolBytes
}

// take returns what has come so far, which is then no longer in the spool.
func (s *spool) take() (stretches [][]byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	stretches, s.stretches, s.octets = s.stretches, nil, 0
	return stretches
}

func appendSpooled(b []byte, src netip.AddrPort, at int64, payload []byte, truncated bool) []byte {
	b = binary.BigEndian.AppendUint64(b, uint64(at))
	flags := byte(0)
	if truncated {
		flags |= spoolTruncated
	}
	b = binary.BigEndian.AppendUint16(append(b, flags), src.Port())
	addr := src.Addr().As16()
	b = append(b, addr[:]...)
	b = binary.BigEndian.AppendUint16(b, uint16(len(payload))) // UDP has no longer ones
	return append(b, payload...)
}

// send tells another process what came in.
func (s *spool) send(to *takeover.Conn) error {
	for _, b := range s.take() {
		if err := to.Send(msgSpool, b, nil); err != nil {
			return err
		}
	}
	return nil
}

// catchUp joins what is in the spool, once the BMP sessions that went on have read what waited in their sockets: flows of the time of the
// takeover belong to routes of that time. One that has very much to read is not waited for, nor are any when ctx ends.
func (w *worker) catchUp(ctx context.Context, s *spool, sessions *late) {
	select {
	case <-sessions.caughtUp:
	case <-time.After(catchUpPatience):
	case <-ctx.Done():
	}
	for ctx.Err() == nil { // while more comes
		stretches := s.take()
		if len(stretches) == 0 {
			break
		}
		w.joinSpooled(stretches)
	}
	s.stop()
	w.joinSpooled(s.take())
}

const catchUpPatience = 5 * time.Second

// joinSpooled has the owner join datagrams of a spool. It does other things between two stretches, and applies routes first.
func (w *worker) joinSpooled(stretches [][]byte) {
	for _, b := range stretches {
		var err error
		if aerr := w.core.ask(context.Background(), func() {
			w.core.drainRoutes()
			_, err = w.core.takeSpooled(b)
		}); aerr != nil {
			err = aerr
		}
		if err != nil {
			w.log.Error("datagrams that came during the takeover are lost", "err", err)
		}
	}
}

// late tells when all BMP sessions that went on have caught up.
type late struct {
	left     atomic.Int64
	caughtUp chan struct{}
}

func newLate(sessions int) *late {
	l := &late{caughtUp: make(chan struct{})}
	l.left.Store(int64(sessions) + 1)
	l.done()
	return l
}

// done says that one of them has, or has ended.
func (l *late) done() {
	if l.left.Add(-1) == 0 {
		close(l.caughtUp)
	}
}

// drainRoutes applies the routes that wait for the owner.
func (c *core) drainRoutes() {
	for {
		select {
		case b := <-c.routes:
			c.applyRoutes(b)
		default:
			return
		}
	}
}

// takeSpooled takes the datagrams of a stretch, and returns how many.
func (c *core) takeSpooled(b []byte) (n int, err error) {
	return eachSpooled(b, func(src netip.AddrPort, at int64, payload []byte, truncated bool) {
		c.stamp, c.now = time.Unix(0, at), at
		c.takeDatagram(src, payload, truncated)
	})
}

// eachSpooled reads what appendSpooled wrote, and returns how many datagrams that were. An error wraps takeover.ErrFrame.
func eachSpooled(b []byte, take func(src netip.AddrPort, at int64, payload []byte, truncated bool)) (n int, err error) {
	for ; len(b) > 0; n++ {
		if len(b) < spoolHeader {
			return n, fmt.Errorf("%w: the head of a datagram is cut", takeover.ErrFrame)
		}
		at, truncated := int64(binary.BigEndian.Uint64(b)), b[8]&spoolTruncated != 0
		src := netip.AddrPortFrom(netip.AddrFrom16([16]byte(b[11:27])).Unmap(), binary.BigEndian.Uint16(b[9:]))
		size := int(binary.BigEndian.Uint16(b[27:]))
		if b = b[spoolHeader:]; size > len(b) {
			return n, fmt.Errorf("%w: a datagram is cut", takeover.ErrFrame)
		}
		take(src, at, b[:size:size], truncated)
		b = b[size:]
	}
	return n, nil
}
