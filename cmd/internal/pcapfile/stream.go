package pcapfile

// A stream keeps at most so much that came before its turn. TCP windows of routers are far smaller.
const (
	maxEarly      = 4096     // segments
	maxEarlyBytes = 16 << 20 // octets
)

// Stream puts the segments of one direction of a TCP connection in order: octets are given once and in the order of their
// sequence numbers. Retransmissions are dropped, and what came early waits, within bounds. The SYN may carry data, and may
// count in the sequence space or not, as in captures that were made up. A capture may begin half-way. The zero value is
// ready.
type Stream struct {
	begun bool
	first uint32 // sequence number that it began with
	next  uint32 // of the next octet

	// The sequence number behind a SYN is uncertain by one, as the SYN counts in it or not, until the first segment
	// behind shows which it is.
	loose bool

	early      []Packet // not contiguous with what was sent
	earlyBytes int
	broken     bool // early overflowed: something is missing
	closed     bool // by the router
}

// Push takes a segment and calls send with what is in order now.
func (s *Stream) Push(p Packet, send func([]byte) error) error {
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

// Closed reports whether a segment has ended the stream.
func (s *Stream) Closed() bool { return s.closed }

// Taken gives how many octets, about, were given so far.
func (s *Stream) Taken() uint32 { return s.next - s.first }

// begin sets the first sequence number, from a SYN or from the first data of a stream that was captured half-way.
func (s *Stream) begin(p *Packet) {
	if s.begun || !p.SYN && len(p.Payload) == 0 {
		return
	}
	s.begun, s.first, s.next, s.loose = true, p.Seq, p.Seq, p.SYN
}

// Restarts reports whether the segment opens another connection between the same ports.
func (s *Stream) Restarts(p *Packet) bool { return p.SYN && s.begun && p.Seq != s.first }

// contiguous reports whether the segment begins at or before the next octet. It settles whether a SYN counted.
func (s *Stream) contiguous(p *Packet) bool {
	ahead := int32(p.Seq - s.next)
	if s.loose && !p.SYN && (ahead == 0 || ahead == 1) {
		s.next += uint32(ahead)
		s.loose = false
		return true
	}
	return ahead <= 0
}

// take sends what of a segment was not sent yet.
func (s *Stream) take(p Packet, send func([]byte) error) error {
	sent := -int64(int32(p.Seq - s.next)) // half of the numbers away, too, it counts as sent
	if sent >= int64(len(p.Payload)) {
		return nil
	}
	rest := p.Payload[sent:]
	s.next += uint32(len(rest))
	return send(rest)
}

// hold keeps a segment for later.
func (s *Stream) hold(p Packet) {
	if len(s.early) == maxEarly || s.earlyBytes+len(p.Payload) > maxEarlyBytes {
		s.broken = true
		s.early = nil
		return
	}
	s.early = append(s.early, p)
	s.earlyBytes += len(p.Payload)
}

// release sends what was held and has its turn now.
func (s *Stream) release(send func([]byte) error) error {
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

// Missing reports whether the stream never got what its last segments wait for.
func (s *Stream) Missing() bool { return s.broken || len(s.early) > 0 }
