package bmp

import (
	"encoding/binary"
	"fmt"
)

// Version 4 puts Route Monitoring into TLVs with an index: type(2) length(2) index(2) value, the length being that of
// the value. Older drafts put the UPDATE first and TLVs behind it; both are read.
const (
	tlv4HeaderSize = 6
	tlv4Group      = 4 // joins several indices; nothing here depends on it
	tlv4PDU        = 7 // the BGP message
)

// unwrapV4 finds the BGP message in the body of a version 4 Route Monitoring. All other TLVs are skipped and counted.
func (s *Session) unwrapV4(body []byte) ([]byte, error) {
	var pdu []byte
	if startsWithMarker(body) {
		size := int(binary.BigEndian.Uint16(body[16:]))
		if size < 19 || size > len(body) {
			return nil, fmt.Errorf("bgp message of %d octets, %d left: %w", size, len(body), ErrShort)
		}
		pdu, body = body[:size:size], body[size:]
	}
	for len(body) > 0 {
		if len(body) < tlv4HeaderSize {
			return nil, fmt.Errorf("tlv header of %d octets: %w", len(body), ErrShort)
		}
		typ, end := binary.BigEndian.Uint16(body), tlv4HeaderSize+int(binary.BigEndian.Uint16(body[2:]))
		if len(body) < end {
			return nil, fmt.Errorf("tlv type %d of %d octets, %d left: %w", typ, end-tlv4HeaderSize, len(body), ErrShort)
		}
		switch {
		case typ == tlv4PDU && pdu == nil:
			pdu = body[tlv4HeaderSize:end:end]
		case typ != tlv4Group:
			s.count.UnknownTLVs++
		}
		body = body[end:]
	}
	if pdu == nil {
		return nil, fmt.Errorf("no bgp message among the tlvs: %w", ErrPDU)
	}
	return pdu, nil
}

// startsWithMarker reports whether b starts with a BGP header, whose marker no TLV looks like.
func startsWithMarker(b []byte) bool {
	if len(b) < 19 {
		return false
	}
	for _, c := range b[:16] {
		if c != 0xff {
			return false
		}
	}
	return true
}
