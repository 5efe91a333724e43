package ipfix

import (
	"encoding/binary"
	"math"
	"net/netip"
	"strconv"
	"time"
	"unicode/utf8"

	"github.com/vmware/go-ipfix/pkg/entities"
)

// unsigned256 is how go-ipfix marks the elements of that type, which it does not know.
const unsigned256 = entities.InvalidDataType

// AppendValue appends a value of the field as JSON: numbers of any size as numbers, addresses, times (RFC 3339) and text
// as strings, true and false, lists (RFC 6313) as objects. What has no type, or a length that its type cannot have, is
// a string of 0x and hexadecimal digits. A time that says unknown is null.
func (r *Record) AppendValue(dst []byte, i int) []byte {
	return r.appendTyped(dst, r.Template.Fields[i].Type, r.Value(i), 0)
}

// AppendText appends a value of the field for people: as AppendValue does, but strings without quotes.
func (r *Record) AppendText(dst []byte, i int) []byte {
	n := len(dst)
	dst = r.AppendValue(dst, i)
	if last := len(dst) - 1; last > n && dst[n] == '"' && dst[last] == '"' {
		copy(dst[n:], dst[n+1:last])
		dst = dst[:last-1]
	}
	return dst
}

// appendTyped appends a value of an abstract type; depth is how many lists it lies in.
func (r *Record) appendTyped(dst []byte, typ entities.IEDataType, v []byte, depth int) []byte {
	switch typ {
	case entities.Unsigned8, entities.Unsigned16, entities.Unsigned32, entities.Unsigned64, unsigned256:
		if len(v) >= 1 && len(v) <= 8 {
			return strconv.AppendUint(dst, number(v), 10)
		}
	case entities.Signed8, entities.Signed16, entities.Signed32, entities.Signed64:
		if len(v) >= 1 && len(v) <= 8 {
			return strconv.AppendInt(dst, signed(v), 10)
		}
	case entities.Float32, entities.Float64:
		if len(v) == 4 || len(v) == 8 {
			return appendFloat(dst, v)
		}
	case entities.Boolean: // RFC 7011 section 6.1.5
		if len(v) == 1 && (v[0] == 1 || v[0] == 2) {
			return strconv.AppendBool(dst, v[0] == 1)
		}
	case entities.MacAddress:
		if len(v) == 6 {
			return appendMAC(dst, v)
		}
	case entities.Ipv4Address, entities.Ipv6Address:
		if a, ok := netip.AddrFromSlice(v); ok && (len(v) == 4) == (typ == entities.Ipv4Address) {
			return append(a.AppendTo(append(dst, '"')), '"')
		}
	case entities.String:
		return appendString(dst, trimNULs(v))
	case entities.DateTimeSeconds, entities.DateTimeMilliseconds, entities.DateTimeMicroseconds, entities.DateTimeNanoseconds:
		if t, ok := timeOf(typ, v); ok {
			return appendTime(dst, t)
		}
	case entities.BasicList, entities.SubTemplateList, entities.SubTemplateMultiList:
		n := len(dst)
		if out, ok := r.appendList(dst, typ, v, depth); ok {
			return out
		}
		dst = dst[:n]
	default: // an octet array, or unknown
	}
	return appendHex(dst, v)
}

// signed reads a signed number of at most eight octets; fewer are extended by their sign.
func signed(v []byte) int64 {
	shift := 64 - 8*len(v)
	return int64(number(v)<<shift) >> shift
}

// trimNULs cuts the zeros at the end of a string in a longer field.
func trimNULs(v []byte) []byte {
	for len(v) > 0 && v[len(v)-1] == 0 {
		v = v[:len(v)-1]
	}
	return v
}

// timeOf reads a time in Unix nanoseconds, 0 for unknown; false when its length or range is none of its type's.
func timeOf(typ entities.IEDataType, v []byte) (int64, bool) {
	if len(v) == 0 || len(v) > 8 {
		return 0, false
	}
	n := number(v)
	if n == 0 {
		return 0, true
	}
	var t int64
	switch {
	case typ == entities.DateTimeSeconds:
		t = fromSeconds(n)
	case typ == entities.DateTimeMilliseconds:
		t = fromMillis(n)
	case len(v) == 8 && typ == entities.DateTimeMicroseconds:
		t = fromNTP(n &^ 0x7ff)
	case len(v) == 8:
		t = fromNTP(n)
	}
	return t, t != 0
}

// appendTime appends a time in Unix nanoseconds.
func appendTime(dst []byte, t int64) []byte {
	if t == 0 {
		return append(dst, "null"...)
	}
	dst = append(dst, '"')
	dst = time.Unix(0, t).UTC().AppendFormat(dst, time.RFC3339Nano)
	return append(dst, '"')
}

// appendFloat appends a floating-point number, as text where JSON has none.
func appendFloat(dst, v []byte) []byte {
	f, bits := float64(0), 64
	if len(v) == 4 {
		f, bits = float64(math.Float32frombits(binary.BigEndian.Uint32(v))), 32
	} else {
		f = math.Float64frombits(binary.BigEndian.Uint64(v))
	}
	if math.IsNaN(f) || math.IsInf(f, 0) {
		return append(strconv.AppendFloat(append(dst, '"'), f, 'g', -1, bits), '"')
	}
	return strconv.AppendFloat(dst, f, 'g', -1, bits)
}

const hexDigits = "0123456789abcdef"

// appendHex appends octets as a string of 0x and digits, an empty one for none.
func appendHex(dst, v []byte) []byte {
	dst = append(dst, '"')
	if len(v) > 0 {
		dst = append(dst, "0x"...)
	}
	for _, b := range v {
		dst = append(dst, hexDigits[b>>4], hexDigits[b&15])
	}
	return append(dst, '"')
}

// appendMAC appends a hardware address.
func appendMAC(dst, v []byte) []byte {
	for i, b := range v {
		sep := byte(':')
		if i == 0 {
			sep = '"'
		}
		dst = append(dst, sep, hexDigits[b>>4], hexDigits[b&15])
	}
	return append(dst, '"')
}

// appendString appends text as a JSON string, with the replacement character for what is not UTF-8.
func appendString(dst, v []byte) []byte {
	dst = append(dst, '"')
	for len(v) > 0 {
		r, n := utf8.DecodeRune(v)
		switch {
		case r == '"' || r == '\\':
			dst = append(dst, '\\', byte(r))
		case r < 0x20 || r == 0x7f || r == 0x2028 || r == 0x2029:
			dst = append(dst, '\\', 'u', hexDigits[r>>12], hexDigits[r>>8&15], hexDigits[r>>4&15], hexDigits[r&15])
		default:
			dst = utf8.AppendRune(dst, r)
		}
		v = v[n:]
	}
	return append(dst, '"')
}
