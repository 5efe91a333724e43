package bmp

import (
	"encoding/binary"
	"fmt"

	"github.com/telcol/telcol/bmp/bgp"
)

// Version 4 puts Route Monitoring into TLVs with an index (draft-ietf-grow-bmp-tlv-20 section 4): type(2) length(2)
// index(2) value, the length being that of the value. Older drafts put the UPDATE first and TLVs behind it, or gave the
// TLV of the UPDATE another code point; all are read.
const (
	tlv4HeaderSize = 6
	tlv4Group      = 4 // joins several indices; nothing here depends on it
	tlv4PDU        = 7 // the BGP message
)

// unwrapV4 finds the BGP message in the body of a version 4 Route Monitoring. All other TLVs are kept as they are and counted;
// once the message is found, what is wrong with them does not lose it.
func (s *Session) unwrapV4(body []byte) ([]byte, error) {
	var pdu []byte
	if startsWithMarker(body) {
		size := int(binary.BigEndian.Uint16(body[16:]))
		if size < bgp.HeaderSize || size > len(body) {
			return nil, fmt.Errorf("bgp message of %d octets, %d left: %w", size, len(body), ErrShort)
		}
		pdu, body = body[:size:size], body[size:]
	}
	for len(body) >= tlv4HeaderSize {
		typ, size := binary.BigEndian.Uint16(body), int(binary.BigEndian.Uint16(body[2:]))
		index := binary.BigEndian.Uint16(body[4:])
		if body = body[tlv4HeaderSize:]; len(body) < size {
			break
		}
		switch value := body[:size:size]; {
		case pdu == nil && (typ == tlv4PDU || startsWithMarker(value)):
			pdu = value
		case typ != tlv4Group:
			s.count.UnknownTLVs++
			s.route.TLVs = append(s.route.TLVs, IndexedTLV{Type: typ, Index: index, Value: value})
		}
		body = body[size:]
	}
	switch {
	case pdu != nil:
		s.count.Trailing += uint64(len(body))
		return pdu, nil
	case len(body) > 0:
		return nil, fmt.Errorf("tlv cut, %d octets left: %w", len(body), ErrShort)
	}
	return nil, fmt.Errorf("no bgp message among the tlvs: %w", ErrPDU)
}

// startsWithMarker reports whether b starts with a BGP header, whose marker no TLV looks like.
func startsWithMarker(b []byte) bool {
	if len(b) < bgp.HeaderSize {
		return false
	}
	for _, c := range b[:16] {
		if c != 0xff {
			return false
		}
	}
	return true
}
