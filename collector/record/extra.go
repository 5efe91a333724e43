package record

import (
	"encoding/binary"
	"math"
	"net/netip"
	"strconv"

	"github.com/vmware/go-ipfix/pkg/entities"

	"github.com/telcol/telcol/ipfix"
)

// appendExtra writes the elements that have no field of their own as the object "extra", or nothing when there are
// none. An element is named as in the registry, or "pen.id" when the model does not know it; the second occurrence of
// one is named with "_2" behind it, and so on. Values whose length does not fit their type come as octets.
func (e *Encoder) appendExtra(dst []byte, r *ipfix.Record) []byte {
	begun := false
	for i := range r.Len() {
		if !r.Extra(i) {
			continue
		}
		if begun {
			dst = append(dst, ',')
		} else {
			dst = append(keyExtra.append(dst), '{')
			begun = true
		}
		dst = appendExtraName(dst, r, i)
		dst = e.appendElement(append(dst, ':'), r.Field(i).Type, r.Value(i))
	}
	if begun {
		dst = append(dst, '}')
	}
	return dst
}

func appendExtraName(dst []byte, r *ipfix.Record, i int) []byte {
	f := r.Field(i)
	nth := 1
	for j := range i {
		if r.Extra(j) && sameName(r.Field(j), f) {
			nth++
		}
	}
	if f.Name != "" {
		dst = AppendString(dst, f.Name)
	} else {
		dst = appendDecimal(append(dst, '"'), uint64(f.PEN))
		dst = append(appendDecimal(append(dst, '.'), uint64(f.ID)), '"')
	}
	if nth > 1 {
		dst = append(dst[:len(dst)-1], '_')
		dst = append(appendDecimal(dst, uint64(nth)), '"')
	}
	return dst
}

// sameName reports whether two elements would have one name, as enterprises may choose names alike.
func sameName(f, g *ipfix.Field) bool {
	return f.Name == g.Name && (f.Name != "" || f.ID == g.ID && f.PEN == g.PEN)
}

// appendElement writes a value by its abstract data type (RFC 7011 section 6.1): numbers as numbers, strings and
// addresses as text, dateTime types as times, boolean as true or false, all others as hexadecimal text.
func (e *Encoder) appendElement(dst []byte, t entities.IEDataType, value []byte) []byte {
	before := len(dst)
	switch t {
	case entities.Unsigned8, entities.Unsigned16, entities.Unsigned32, entities.Unsigned64:
		if n := len(value); n > 0 && n <= 8 {
			dst = appendDecimal(dst, bigEndian(value))
		}
	case entities.Signed8, entities.Signed16, entities.Signed32, entities.Signed64:
		if n := len(value); n > 0 && n <= 8 {
			unused := 64 - 8*n
			dst = strconv.AppendInt(dst, int64(bigEndian(value))<<unused>>unused, 10)
		}
	case entities.Float32, entities.Float64:
		dst = appendFloat(dst, value)
	case entities.Boolean:
		if len(value) == 1 && (value[0] == 1 || value[0] == 2) { // RFC 7011 section 6.1.5
			dst = strconv.AppendBool(dst, value[0] == 1)
		}
	case entities.MacAddress:
		if len(value) == 6 {
			dst = append(appendColons(append(dst, '"'), [6]byte(value)), '"')
		}
	case entities.Ipv4Address, entities.Ipv6Address:
		if a, ok := netip.AddrFromSlice(value); ok {
			dst = AppendAddr(dst, a)
		}
	case entities.String:
		dst = AppendString(dst, string(trimZeros(value)))
	case entities.DateTimeSeconds, entities.DateTimeMilliseconds, entities.DateTimeMicroseconds, entities.DateTimeNanoseconds:
		dst = e.appendDateTime(dst, t, value)
	}
	if len(dst) == before {
		dst = append(appendHex(append(dst, '"'), value), '"')
	}
	return dst
}

// appendFloat writes IEEE floats of four and eight octets that are numbers.
func appendFloat(dst, value []byte) []byte {
	var v float64
	size := 64
	switch len(value) {
	case 4:
		v, size = float64(math.Float32frombits(binary.BigEndian.Uint32(value))), 32
	case 8:
		v = math.Float64frombits(binary.BigEndian.Uint64(value))
	default:
		return dst
	}
	if math.IsNaN(v) || math.IsInf(v, 0) {
		return dst
	}
	return strconv.AppendFloat(dst, v, 'g', -1, size)
}

// appendDateTime writes a time that int64 nanoseconds since 1970 can hold. Micro- and nanoseconds are in the format of
// NTP: seconds since 1900 and a binary fraction (RFC 7011 section 6.1.9).
func (e *Encoder) appendDateTime(dst []byte, t entities.IEDataType, value []byte) []byte {
	const ntpEpoch = 2_208_988_800 // seconds from 1900 to 1970
	var nanos int64
	switch {
	case t == entities.DateTimeSeconds && len(value) == 4:
		nanos = int64(binary.BigEndian.Uint32(value)) * nanosPerSecond
	case t == entities.DateTimeMilliseconds && len(value) == 8:
		ms := binary.BigEndian.Uint64(value)
		if ms > math.MaxInt64/1_000_000 {
			return dst
		}
		nanos = int64(ms) * 1_000_000
	case t != entities.DateTimeSeconds && t != entities.DateTimeMilliseconds && len(value) == 8:
		seconds, fraction := binary.BigEndian.Uint32(value), uint64(binary.BigEndian.Uint32(value[4:]))
		nanos = (int64(seconds)-ntpEpoch)*nanosPerSecond + int64(fraction*nanosPerSecond>>32)
	default:
		return dst
	}
	return e.dates.append(dst, &keyQuote, nanos)
}

// keyQuote begins a time that has no key of its own.
var keyQuote = newKey(`"`)

func bigEndian(value []byte) (v uint64) {
	for _, b := range value {
		v = v<<8 | uint64(b)
	}
	return v
}

// trimZeros cuts the NULs that pad strings of fixed length.
func trimZeros(value []byte) []byte {
	for len(value) > 0 && value[len(value)-1] == 0 {
		value = value[:len(value)-1]
	}
	return value
}
