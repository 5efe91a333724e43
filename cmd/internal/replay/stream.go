package replay

import "github.com/telcol/telcol/cmd/internal/pcapfile"

// A stream keeps at most so much that came before its turn. TCP windows of routers are far smaller.
const (
	maxEarly      = 4096     // segments
	maxEarlyBytes = 16 << 20 // octets
)

// stream puts the segments of one direction of a TCP connection in order.
type stream struct {
	begun bool
	first uint32 // sequence number that it began with
	next  uint32 // of the next octet

	// The sequence number behind a SYN is uncertain by one, as the SYN counts in it or not, until the first segment
	// behind shows which it is.
	loose bool

	early      []pcapfile.Packet // not contiguous with what was sent
	earlyBytes int
	broken     bool // early overflowed: something is missing
	closed     bool // by the router
}

// push takes a segment and calls send with what is in order now.
func (s *stream) push(p pcapfile.Packet, send func([]byte) error) error {
	if p.FIN || p.RST {
		s.closed = true
	}
	if s.broken {
		return nil
	}
	s.begin(&p)
	if len(p.Payload) == 0 {
		return nil
	}
	if !s.contiguous(&p) {
		s.hold(p)
		return nil
	}
	if err := s.take(p, send); err != nil {
		return err
	}
	return s.release(send)
}

// begin sets the first sequence number, from a SYN or from the first data of a stream that was captured half-way.
func (s *stream) begin(p *pcapfile.Packet) {
	if s.begun || !p.SYN && len(p.Payload) == 0 {
		return
	}
	s.begun, s.first, s.next, s.loose = true, p.Seq, p.Seq, p.SYN
}

// restarts reports whether the segment opens another connection between the same ports.
func (s *stream) restarts(p *pcapfile.Packet) bool { return p.SYN && s.begun && p.Seq != s.first }

// contiguous reports whether the segment begins at or before the next octet. It settles whether a SYN counted.
func (s *stream) contiguous(p *pcapfile.Packet) bool {
	ahead := int32(p.Seq - s.next)
	if s.loose && !p.SYN && (ahead == 0 || ahead == 1) {
		s.next += uint32(ahead)
		s.loose = false
		return true
	}
	return ahead <= 0
}

// take sends what of a segment was not sent yet.
func (s *stream) take(p pcapfile.Packet, send func([]byte) error) error {
	sent := int64(int32(s.next - p.Seq))
	if sent >= int64(len(p.Payload)) {
		return nil
	}
	rest := p.Payload[sent:]
	s.next += uint32(len(rest))
	return send(rest)
}

// hold keeps a segment for later.
func (s *stream) hold(p pcapfile.Packet) {
	if len(s.early) == maxEarly || s.earlyBytes+len(p.Payload) > maxEarlyBytes {
		s.broken = true
		s.early = nil
		return
	}
	s.early = append(s.early, p)
	s.earlyBytes += len(p.Payload)
}

// release sends what was held and has its turn now.
func (s *stream) release(send func([]byte) error) error {
	for again := true; again; {
		again = false
		kept := s.early[:0]
		for _, p := range s.early {
			if int32(p.Seq-s.next) > 0 {
				kept = append(kept, p)
				continue
			}
			again = true
			s.earlyBytes -= len(p.Payload)
			if err := s.take(p, send); err != nil {
				return err
			}
		}
		clear(s.early[len(kept):])
		s.early = kept
	}
	return nil
}

// missing reports whether the stream never got what its last segments wait for.
func (s *stream) missing() bool { return s.broken || len(s.early) > 0 }
