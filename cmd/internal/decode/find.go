package decode

import (
	"encoding/binary"
	"slices"

	"github.com/telcol/telcol/cmd/internal/pcapfile"
	"github.com/telcol/telcol/ipfix"
)

// wanted reports whether a packet is to be looked at: by its ports, or by how it begins.
func (o *Options) wanted(p *pcapfile.Packet) bool {
	if o.Device.IsValid() && p.Src.Addr() != o.Device {
		return false
	}
	if len(o.Ports) > 0 {
		return slices.Contains(o.Ports, p.Dst.Port())
	}
	if slices.Contains(exportPorts, p.Dst.Port()) {
		return true
	}
	if p.Proto == pcapfile.TCP {
		return len(p.Payload) > 0 && looksIPFIX(p.Payload)
	}
	return looksIPFIX(p.Payload) && int(binary.BigEndian.Uint16(p.Payload[2:])) == len(p.Payload) || looksV9(p.Payload)
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
