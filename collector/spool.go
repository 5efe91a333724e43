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

// spool keeps the datagrams that arrive while nobody joins: in a takeover, from when the worker has stopped reading until the other process begins.
// Receive buffers alone would not do. The kernel grants a worker without capabilities a few hundred of them (net.core.rmem_max), and
// the more routes are handed over the longer it takes. Beyond spoolBytes datagrams stay in the receive buffers, whose overflow the
// kernel counts.
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
	datagrams int
}

const (
	spoolBytes     = 256 << 20
	spoolStretch   = 1 << 20
	spoolHeader    = 8 + 1 + 2 + 16 + 2
	spoolTruncated = 1 << 0 // flag
)

// startSpool begins to read. The sockets have no other reader until stop.
func startSpool(sockets []*udpSocket) *spool {
	s := &spool{sockets: sockets}
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
		s.datagrams++
	}
	return s.octets < spoolBytes
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
	for _, b := range s.stretches {
		if err := to.Send(msgSpool, b, nil); err != nil {
			return err
		}
	}
	return nil
}

// takeSpool joins what came in while this worker waited for another process that has not taken over. The owner does other things between two
// stretches.
func (w *worker) takeSpool(s *spool) {
	for _, b := range s.stretches {
		var err error
		if aerr := w.core.ask(context.Background(), func() { _, err = w.core.takeSpooled(b) }); aerr != nil {
			err = aerr
		}
		if err != nil {
			w.log.Error("datagrams that came during the takeover are lost", "err", err)
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
