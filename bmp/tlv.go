package bmp

import (
	"bytes"
	"encoding/binary"
	"fmt"
)

// TLV is an information element that is not decoded further.
type TLV struct {
	Type  uint16
	Value []byte
}

// IndexedTLV is an information element of a version 4 Route Monitoring message. Its code points differ from draft to draft,
// so it is not decoded.
type IndexedTLV struct {
	Type  uint16 // with the E bit of enterprise types
	Index uint16 // the route of the UPDATE that it is about, from 1; 0 is all; with the G bit of groups
	Value []byte // valid as long as the message
}

// tlvHeaderSize is type(2) length(2).
const tlvHeaderSize = 4

// walkTLVs calls f with each TLV of data. The value points into data.
func walkTLVs(data []byte, f func(typ uint16, value []byte) error) error {
	for len(data) > 0 {
		if len(data) < tlvHeaderSize {
			return fmt.Errorf("tlv header of %d octets: %w", len(data), ErrShort)
		}
		typ, size := binary.BigEndian.Uint16(data), int(binary.BigEndian.Uint16(data[2:]))
		end := tlvHeaderSize + size
		if len(data) < end {
			return fmt.Errorf("tlv type %d of %d octets, %d left: %w", typ, size, len(data)-tlvHeaderSize, ErrShort)
		}
		if err := f(typ, data[tlvHeaderSize:end:end]); err != nil {
			return err
		}
		data = data[end:]
	}
	return nil
}

// copyTLV keeps a TLV beyond its message.
func copyTLV(typ uint16, value []byte) TLV { return TLV{Type: typ, Value: bytes.Clone(value)} }

// appendTLV appends one TLV; values longer than 65535 octets are cut.
func appendTLV[T string | []byte](b []byte, typ uint16, value T) []byte {
	value = value[:min(len(value), 1<<16-1)]
	b = binary.BigEndian.AppendUint16(b, typ)
	b = binary.BigEndian.AppendUint16(b, uint16(len(value)))
	return append(b, value...)
}
