package ipfix

import "encoding/binary"

// Octets of the headers.
const (
	headerLenIPFIX = 16
	headerLenV9    = 20
	setHeaderLen   = 4
)

// Set ids that carry templates; data sets have the id of their template, from minTemplateID up.
const (
	setTemplateV9  = 0
	setOptionsV9   = 1
	setTemplate    = 2
	setOptions     = 3
	minTemplateID  = 256
	variableLength = 0xffff // as the length of a template's field
	maxMessage     = 0xffff // octets of an IPFIX message
)

// Header is the header of a message, of both versions.
type Header struct {
	Version    uint16
	Count      uint16 // NetFlow v9: records in the message, as the exporter counts them; not relied on
	Length     int    // octets of the message with this header
	ExportTime int64  // Unix nanoseconds, whole seconds on the wire
	Uptime     uint32 // NetFlow v9: milliseconds since the exporter started
	Sequence   uint32
	Domain     uint32 // observation domain id, or source id of NetFlow v9
}

// octets gives the length of the header itself.
func (h *Header) octets() int {
	if h.Version == VersionNetFlow9 {
		return headerLenV9
	}
	return headerLenIPFIX
}

// Version gives the version word of a message, 0 when there is none. It tells IPFIX and NetFlow of all versions apart.
func Version(msg []byte) uint16 {
	if len(msg) < 2 {
		return 0
	}
	return binary.BigEndian.Uint16(msg)
}

// MessageLength gives the length that an IPFIX message says it has, for framing a stream: msg needs to hold the first
// four octets. It is an error for another version and for a length less than a header's.
func MessageLength(msg []byte) (int, error) {
	switch {
	case len(msg) < 4:
		return 0, ErrShort
	case Version(msg) != VersionIPFIX:
		return 0, ErrVersion
	}
	n := int(binary.BigEndian.Uint16(msg[2:]))
	if n < headerLenIPFIX {
		return 0, ErrShort
	}
	return n, nil
}

// ParseHeader reads the header of a message. For IPFIX the message may be longer than its length says, but not shorter;
// NetFlow v9 has no length, its message is all there is.
func ParseHeader(msg []byte) (Header, error) {
	switch Version(msg) {
	case VersionIPFIX:
		if len(msg) < headerLenIPFIX {
			return Header{}, ErrShort
		}
		h := Header{
			Version:    VersionIPFIX,
			Length:     int(binary.BigEndian.Uint16(msg[2:])),
			ExportTime: int64(binary.BigEndian.Uint32(msg[4:])) * 1e9,
			Sequence:   binary.BigEndian.Uint32(msg[8:]),
			Domain:     binary.BigEndian.Uint32(msg[12:]),
		}
		if h.Length < headerLenIPFIX || h.Length > len(msg) {
			return h, ErrShort
		}
		return h, nil
	case VersionNetFlow9:
		if len(msg) < headerLenV9 {
			return Header{}, ErrShort
		}
		return Header{
			Version:    VersionNetFlow9,
			Count:      binary.BigEndian.Uint16(msg[2:]),
			Length:     len(msg),
			Uptime:     binary.BigEndian.Uint32(msg[4:]),
			ExportTime: int64(binary.BigEndian.Uint32(msg[8:])) * 1e9,
			Sequence:   binary.BigEndian.Uint32(msg[12:]),
			Domain:     binary.BigEndian.Uint32(msg[16:]),
		}, nil
	}
	return Header{}, ErrVersion
}
