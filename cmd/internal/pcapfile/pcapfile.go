// Package pcapfile reads what devices sent from capture files: the UDP and TCP payloads of pcap and pcapng files, of
// either byte order and resolution, compressed by gzip or not.
//
// It takes Ethernet (with VLAN tags), Linux cooked (SLL, SLL2), raw IP and loopback captures, IPv4 and IPv6. What is
// neither UDP nor TCP is passed over, and so are packets that are not whole: IP fragments, and what the capture's snap
// length cut. They are counted. A Stream puts TCP segments in order.
//
// The formats are read by gopacket's pure Go reader and layers.
package pcapfile

import (
	"bufio"
	"compress/gzip"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"time"

	"github.com/gopacket/gopacket"
	"github.com/gopacket/gopacket/layers"
	"github.com/gopacket/gopacket/pcapgo"
)

// The errors of a Reader.
var (
	// ErrFormat reports a file that is no capture file.
	ErrFormat = errors.New("not a pcap or pcapng file")
	// ErrLinkType reports a capture on a link whose packets cannot be read.
	ErrLinkType = errors.New("link type is not supported")
	// ErrTruncated reports a file that ends within a packet or is damaged there. What came before is good.
	ErrTruncated = errors.New("capture file is cut or damaged")
)

// Proto is the transport protocol of a packet.
type Proto uint8

// The protocols that a Reader gives.
const (
	UDP Proto = 17
	TCP Proto = 6
)

// String gives the protocol's name.
func (p Proto) String() string {
	switch p {
	case UDP:
		return "udp"
	case TCP:
		return "tcp"
	}
	return fmt.Sprintf("protocol %d", uint8(p))
}

// Packet is a UDP datagram or a TCP segment.
type Packet struct {
	Time     time.Time
	Proto    Proto
	Src, Dst netip.AddrPort // never IPv4-mapped
	Payload  []byte         // the caller's; empty for TCP segments that carry no data

	// Of TCP segments.
	Seq           uint32
	SYN, FIN, RST bool
}

// Skipped counts the packets that a Reader passed over, by reason.
type Skipped struct {
	Other     int // neither UDP nor TCP over IP, or broken
	Fragments int // fragments of IP packets
	Cut       int // shorter than they were on the link
	Link      int // of an interface whose link type is not supported, in pcapng files
}

// Reader reads one capture file. It is for one goroutine.
type Reader struct {
	src     source
	skipped Skipped
}

// source is what the readers of both formats have.
type source interface {
	next() ([]byte, gopacket.CaptureInfo, layers.LinkType, error)
}

// NewReader reads the header of a capture file. It returns ErrFormat for other files, and for a pcap file of an
// unknown link type ErrLinkType, possibly wrapped.
func NewReader(r io.Reader) (*Reader, error) {
	br := bufio.NewReaderSize(r, 1<<16)
	magic, _ := br.Peek(4)
	if len(magic) >= 2 && magic[0] == 0x1f && magic[1] == 0x8b {
		unzipped, err := gzip.NewReader(br)
		if err != nil {
			return nil, fmt.Errorf("%w (%w)", ErrFormat, err)
		}
		br = bufio.NewReaderSize(unzipped, 1<<16)
		magic, _ = br.Peek(4)
	}
	if isNg(magic) {
		return newNg(br)
	}
	p, err := pcapgo.NewReader(br)
	if err != nil {
		return nil, fmt.Errorf("%w (%w)", ErrFormat, err)
	}
	return newPcap(p)
}

// isNg reports whether a file begins with a section header, which reads the same in both byte orders.
func isNg(magic []byte) bool {
	return len(magic) == 4 && binary.BigEndian.Uint32(magic) == 0x0a0d0d0a
}

// Next returns the next UDP or TCP packet. At the end of the file it returns io.EOF, or an error that wraps
// ErrTruncated when the file stops short.
func (r *Reader) Next() (Packet, error) {
	for {
		data, info, link, err := r.src.next()
		switch {
		case errors.Is(err, io.EOF):
			return Packet{}, io.EOF
		case err != nil:
			return Packet{}, fmt.Errorf("%w (%w)", ErrTruncated, err)
		}
		if p, ok := r.decode(data, link); ok {
			p.Time = info.Timestamp
			return p, nil
		}
	}
}

// Skipped returns the counts so far.
func (r *Reader) Skipped() Skipped { return r.skipped }
