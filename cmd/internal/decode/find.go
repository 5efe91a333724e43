package decode

import (
	"encoding/binary"
	"slices"

	"github.com/telcol/telcol/bmp"
	"github.com/telcol/telcol/cmd/internal/pcapfile"
	"github.com/telcol/telcol/ipfix"
)

// content is what packets carry.
type content uint8

const (
	nothing content = iota // that is to be looked at
	flows                  // IPFIX or NetFlow v9
	routes                 // BMP
)

// carries says what of a packet, or of a stream that begins with it, is to be looked at.
func (o *Options) carries(p *pcapfile.Packet) content {
	if o.Device.IsValid() && p.Src.Addr() != o.Device || len(o.Ports) > 0 && !slices.Contains(o.Ports, p.Dst.Port()) {
		return nothing
	}
	switch c := o.found(p); {
	case c == flows && o.Only == OnlyBMP, c == routes && (o.Only == OnlyIPFIX || o.Template != 0):
		return nothing
	default:
		return c
	}
}

// found tells by how a packet begins what it carries, else by its port.
func (o *Options) found(p *pcapfile.Packet) content {
	tcp := p.Proto == pcapfile.TCP
	switch {
	case tcp && looksBMP(p.Payload):
		return routes
	case tcp && looksIPFIX(p.Payload):
		return flows
	case !tcp && (looksIPFIX(p.Payload) && int(binary.BigEndian.Uint16(p.Payload[2:])) == len(p.Payload) || looksV9(p.Payload)):
		return flows
	case len(o.Ports) > 0 && o.Only == OnlyBMP && tcp:
		return routes
	case len(o.Ports) > 0 && o.Only == OnlyIPFIX, slices.Contains(exportPorts, p.Dst.Port()):
		return flows
	case tcp && slices.Contains(bmpPorts, p.Dst.Port()):
		return routes
	case len(o.Ports) > 0:
		return flows
	}
	return nothing
}

// looksBMP reports whether octets begin like a BMP message that has a body.
func looksBMP(b []byte) bool {
	const tlv = 4
	if len(b) < bmp.HeaderSize || b[0] != bmp.Version3 && b[0] != bmp.Version4 || bmp.MessageType(b[5]) >= bmp.TypeUnknown {
		return false
	}
	n := binary.BigEndian.Uint32(b[1:])
	return n >= bmp.HeaderSize+tlv && n <= bmp.DefaultMaxMessage
}

// looksIPFIX reports whether octets begin like an IPFIX message that has a set.
func looksIPFIX(b []byte) bool {
	const header, set = 16, 4
	return len(b) >= header+set && ipfix.Version(b) == ipfix.VersionIPFIX && int(binary.BigEndian.Uint16(b[2:])) >= header+set &&
		looksSet(b[header:])
}

// looksV9 reports whether a datagram begins like a NetFlow v9 message that has a flowset.
func looksV9(b []byte) bool {
	const header, set = 20, 4
	return len(b) >= header+set && ipfix.Version(b) == ipfix.VersionNetFlow9 && binary.BigEndian.Uint16(b[2:]) > 0 &&
		looksSet(b[header:]) && int(binary.BigEndian.Uint16(b[header+2:])) <= len(b)-header
}

// looksSet reports whether octets begin like a set: the ids from 4 to 255 are reserved.
func looksSet(b []byte) bool {
	id, n := binary.BigEndian.Uint16(b), binary.BigEndian.Uint16(b[2:])
	return n >= 4 && (id < 4 || id > 255)
}
