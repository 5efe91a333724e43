package bgp

import (
	"encoding/binary"
	"fmt"
)

// Types of TLVs in the BGP Prefix-SID attribute (RFC 8669 section 3, RFC 9252 sections 2 and 3).
const (
	tlvLabelIndex    = 1
	tlvSRv6L3Service = 5
	tlvSRv6L2Service = 6
	subTLVSRv6SID    = 1
	subSubTLVSRv6SID = 1
)

// Lengths inside an SRv6 service: the SID Information sub-TLV is reserved(1) SID(16) flags(1) behaviour(2) reserved(1)
// and then sub-sub-TLVs; a SID structure holds six lengths.
const (
	sidInfoSize      = 21
	sidStructureSize = 6
)

// nextTLV splits a TLV with one octet of type and two of length off data; tlv includes the header.
func nextTLV(data []byte) (tlv, value, rest []byte, err error) {
	if len(data) < 3 {
		return nil, nil, nil, fmt.Errorf("tlv header cut: %w", ErrAttribute)
	}
	end := 3 + int(binary.BigEndian.Uint16(data[1:]))
	if len(data) < end {
		return nil, nil, nil, fmt.Errorf("tlv type %d of %d octets, %d left: %w", data[0], end-3, len(data)-3, ErrAttribute)
	}
	return data[:end:end], data[3:end:end], data[end:], nil
}

// decodePrefixSID walks the TLVs of a Prefix-SID attribute. TLVs of unknown types are skipped at every level; what was
// read before an error stays.
func (d *attrDecoder) decodePrefixSID(value []byte) error {
	for len(value) > 0 {
		tlv, v, rest, err := nextTLV(value)
		if err != nil {
			return err
		}
		switch tlv[0] {
		case tlvLabelIndex: // reserved(1) flags(2) index(4)
			if len(v) != 7 {
				return fmt.Errorf("label index of %d octets: %w", len(v), ErrAttribute)
			}
			d.a.LabelIndex, d.a.HasLabelIndex = binary.BigEndian.Uint32(v[3:]), true
		case tlvSRv6L3Service, tlvSRv6L2Service:
			if err := d.decodeService(v, tlv[0] == tlvSRv6L2Service); err != nil {
				return err
			}
		}
		value = rest
	}
	return nil
}

// decodeService walks an SRv6 service: reserved(1), then sub-TLVs.
func (d *attrDecoder) decodeService(value []byte, l2 bool) error {
	if len(value) < 1 {
		return fmt.Errorf("empty srv6 service: %w", ErrAttribute)
	}
	for value = value[1:]; len(value) > 0; {
		sub, v, rest, err := nextTLV(value)
		if err != nil {
			return err
		}
		value = rest
		if sub[0] != subTLVSRv6SID {
			continue
		}
		if len(v) < sidInfoSize {
			return fmt.Errorf("srv6 sid information of %d octets: %w", len(v), ErrAttribute)
		}
		structure, err := findStructure(v[sidInfoSize:])
		if err != nil {
			return err
		}
		sid, err := decodeSID(sub[:3+sidInfoSize:3+sidInfoSize], structure)
		if err != nil {
			return err
		}
		sid.L2 = l2
		d.a.SRv6SIDs = append(d.a.SRv6SIDs, sid)
	}
	return nil
}

// findStructure returns the SID structure among sub-sub-TLVs, header included, or nil.
func findStructure(value []byte) ([]byte, error) {
	for len(value) > 0 {
		tlv, v, rest, err := nextTLV(value)
		if err != nil {
			return nil, err
		}
		if tlv[0] == subSubTLVSRv6SID {
			if len(v) != sidStructureSize {
				return nil, fmt.Errorf("srv6 sid structure of %d octets: %w", len(v), ErrAttribute)
			}
			return tlv, nil
		}
		value = rest
	}
	return nil, nil
}
