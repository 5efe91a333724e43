package decode

import (
	"fmt"
	"net/netip"

	"github.com/telcol/telcol/cmd/internal/pcapfile"
	"github.com/telcol/telcol/ipfix"
)

// streamKey names one direction of a TCP connection.
type streamKey struct{ src, dst netip.AddrPort }

// stream is one of them.
type stream struct {
	pcapfile.Stream
	decide bool  // it is known whether it carries messages
	taker  taker // of its messages, nil when it carries none
	broken bool  // the framing is lost
}

// taker decodes the messages of a stream.
type taker interface {
	// take decodes those that are whole with the next octets, which came with a packet, and reports whether the framing holds.
	take(d *decoder, p *pcapfile.Packet, octets []byte) bool
	// open reports whether a message has begun that is not whole.
	open() bool
}

// flowStream takes IPFIX messages.
type flowStream struct {
	dev  *device
	rest []byte // of the message that has begun
}

// segment puts a segment into its stream and decodes the messages that are whole with it.
func (d *decoder) segment(p *pcapfile.Packet) {
	key := streamKey{p.Src, p.Dst}
	s := d.streams[key]
	if s != nil && s.Restarts(p) {
		d.endStream(key, s)
		s = nil
	}
	if s == nil {
		if len(d.streams) >= maxSessions {
			d.sum.Refused++
			return
		}
		s = new(stream)
		d.streams[key] = s
	}
	if s.decide && s.taker == nil {
		d.sum.Passed++
		return
	}
	_ = s.Push(*p, func(octets []byte) error { // it returns the error of this function, which has none
		d.octets(s, p, octets)
		return nil
	})
	if s.taker == nil {
		d.sum.Passed++
	}
}

// octets takes the next octets of a stream.
func (d *decoder) octets(s *stream, p *pcapfile.Packet, octets []byte) {
	if !s.decide {
		first := *p
		first.Payload = octets
		s.decide, s.taker = true, d.taker(&first)
	}
	if s.taker == nil || s.broken {
		return
	}
	s.broken = !s.taker.take(d, p, octets)
	d.out.endMessage()
}

// taker returns what decodes a stream that begins with a packet, nil when it is not to be looked at or there are too many.
func (d *decoder) taker(p *pcapfile.Packet) taker {
	switch d.o.carries(p) {
	case flows:
		d.conns++
		if dev := d.device(deviceKey{p.Src.Addr(), d.conns}); dev != nil {
			return &flowStream{dev: dev}
		}
	case routes:
		if s := d.newBMP(p); s != nil {
			return s
		}
	case nothing:
	}
	return nil
}

func (s *flowStream) take(d *decoder, p *pcapfile.Packet, octets []byte) bool {
	s.rest = append(s.rest, octets...)
	at := 0
	for len(s.rest)-at >= 4 {
		n, err := ipfix.MessageLength(s.rest[at:])
		if err != nil {
			d.malformed(s.dev.key.addr, p, s.rest[at:], fmt.Sprintf("%v: the rest of the connection cannot be read", err))
			s.rest = nil
			return false
		}
		if n > len(s.rest)-at {
			break
		}
		d.message(s.dev, p, s.rest[at:at+n])
		at += n
	}
	s.rest = append(s.rest[:0], s.rest[at:]...)
	return true
}

func (s *flowStream) open() bool { return len(s.rest) > 0 }

// endStream counts what a stream lacks at its end.
func (d *decoder) endStream(key streamKey, s *stream) {
	if s.taker != nil && (s.Missing() || !s.broken && s.taker.open()) {
		d.sum.Gaps++
	}
	delete(d.streams, key)
}
