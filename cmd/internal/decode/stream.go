package decode

import (
	"fmt"
	"net/netip"

	"github.com/telcol/telcol/cmd/internal/pcapfile"
	"github.com/telcol/telcol/ipfix"
)

// streamKey names one direction of a TCP connection.
type streamKey struct{ src, dst netip.AddrPort }

// stream is one of them, with the octets of the message that has begun.
type stream struct {
	pcapfile.Stream
	dev    *device
	rest   []byte
	decide bool // it is known whether it carries messages
	wanted bool
	broken bool // the framing is lost
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
	if s.decide && !s.wanted {
		d.sum.Passed++
		return
	}
	_ = s.Push(*p, func(octets []byte) error { // it returns the error of this function, which has none
		d.octets(s, p, octets)
		return nil
	})
	if !s.wanted {
		d.sum.Passed++
	}
}

// octets takes the next octets of a stream.
func (d *decoder) octets(s *stream, p *pcapfile.Packet, octets []byte) {
	if !s.decide {
		first := *p
		first.Payload = octets
		s.decide, s.wanted = true, d.o.wanted(&first)
		if s.wanted {
			d.conns++
			s.dev = d.device(deviceKey{p.Src.Addr(), d.conns})
			s.wanted = s.dev != nil
		}
	}
	if !s.wanted || s.broken {
		return
	}
	s.rest = append(s.rest, octets...)
	at := 0
	for len(s.rest)-at >= 4 {
		n, err := ipfix.MessageLength(s.rest[at:])
		if err != nil {
			d.malformed(s.dev.key.addr, p, s.rest[at:], fmt.Sprintf("%v: the rest of the connection cannot be read", err))
			d.out.endMessage()
			s.broken, s.rest = true, nil
			return
		}
		if n > len(s.rest)-at {
			break
		}
		d.message(s.dev, p, s.rest[at:at+n])
		at += n
	}
	s.rest = append(s.rest[:0], s.rest[at:]...)
}

// endStream counts what a stream lacks at its end.
func (d *decoder) endStream(key streamKey, s *stream) {
	if s.wanted && (s.Missing() || len(s.rest) > 0) {
		d.sum.Gaps++
	}
	delete(d.streams, key)
}
