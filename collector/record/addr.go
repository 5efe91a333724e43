package record

import (
	"encoding/binary"
	"math/bits"
	"net/netip"
	"strconv"
)

// addrRoom holds the longest address, and the octets that a store of four or eight writes past its end.
const addrRoom = 48

// AppendAddr appends the address as a JSON string with its quotes, in the text of [netip.Addr.String]. A zone is
// escaped: interface names may hold anything.
func AppendAddr(dst []byte, a netip.Addr) []byte {
	if !a.Is4() && a.Zone() != "" {
		return AppendString(dst, a.String())
	}
	b, n := room(dst, addrRoom+2)
	b[n] = '"'
	n = putIP(b, n+1, a)
	b[n] = '"'
	return b[:n+1]
}

// appendAddr writes the field of an address, or nothing when there is none.
func appendAddr(dst []byte, k *key, a netip.Addr) []byte {
	switch {
	case !a.IsValid():
		return dst
	case !a.Is4() && a.Zone() != "":
		return AppendString(k.append(dst), a.String())
	}
	b, n := k.open(dst)
	b[n] = '"'
	n = putIP(b, n+1, a)
	b[n] = '"'
	return b[:n+1]
}

func appendAddrs(dst []byte, k *key, list []netip.Addr) []byte {
	dst = append(k.append(dst), '[')
	for _, a := range list {
		if a.IsValid() {
			dst = append(AppendAddr(dst, a), ',')
		}
	}
	return closeArray(dst)
}

// appendPrefix writes a prefix in CIDR notation, or nothing when there is none.
func appendPrefix(dst []byte, k *key, p netip.Prefix) []byte {
	if !p.IsValid() {
		return dst
	}
	b, n := k.open(dst)
	b[n] = '"'
	n = putIP(b, n+1, p.Addr())
	b[n] = '/'
	n = putUint(b, n+1, uint64(p.Bits()))
	b[n] = '"'
	return b[:n+1]
}

// putIP writes an address without a zone at b[n:] and returns its end.
func putIP(b []byte, n int, a netip.Addr) int {
	if a.Is4() {
		v := a.As4()
		return putIPv4(b, n, binary.BigEndian.Uint32(v[:]))
	}
	if a.Is4In6() {
		return len(a.AppendTo(b[:n]))
	}
	v := a.As16()
	return putIPv6(b, n, binary.BigEndian.Uint64(v[:]), binary.BigEndian.Uint64(v[8:]))
}

// decimal is the text of an octet and the dot behind it, as a word to be stored at once.
type decimal struct {
	text uint32
	size int // of text, dot included
}

var decimals = func() (t [256]decimal) {
	for i := range t {
		b := append(strconv.AppendInt(nil, int64(i), 10), '.')
		t[i] = decimal{size: len(b), text: binary.LittleEndian.Uint32(append(b, 0, 0, 0))}
	}
	return t
}()

func putIPv4(b []byte, n int, v uint32) int {
	for shift := 24; shift >= 0; shift -= 8 {
		d := &decimals[byte(v>>shift)]
		binary.LittleEndian.PutUint32(b[n:], d.text)
		n += d.size
	}
	return n - 1 // without the last dot
}

// putIPv6 writes RFC 5952: lower case, no leading zeros, the first of the longest runs of two or more zero groups
// as "::".
func putIPv6(b []byte, n int, high, low uint64) int {
	from, to := zeroRun(high, low)
	for i := 0; i < 8; i++ {
		if i == from {
			b[n], b[n+1] = ':', ':'
			n += 2
			if i = to; i == 8 {
				break
			}
		} else if i > 0 {
			b[n] = ':'
			n++
		}
		n = putGroup(b, n, group(high, low, i))
	}
	return n
}

// group returns 16 bits of an address, counted from its beginning.
func group(high, low uint64, i int) uint16 {
	if i < 4 {
		return uint16(high >> (48 - 16*i))
	}
	return uint16(low >> (112 - 16*i))
}

// zeroRun returns the groups that "::" stands for, or -1.
func zeroRun(high, low uint64) (from, to int) {
	from, to = -1, -1
	for i := 0; i < 8; i++ {
		j := i
		for j < 8 && group(high, low, j) == 0 {
			j++
		}
		if run := j - i; run >= 2 && run > to-from {
			from, to = i, j
		}
		i = max(i, j)
	}
	return from, to
}

// hexPairs has the two digits of each octet, the first one in the lower half.
var hexPairs = func() (t [256]uint16) {
	for i := range t {
		t[i] = uint16(hexDigits[i>>4]) | uint16(hexDigits[i&15])<<8
	}
	return t
}()

// putGroup writes a group without its leading zeros.
func putGroup(b []byte, n int, g uint16) int {
	digits := uint32(hexPairs[g>>8]) | uint32(hexPairs[byte(g)])<<16
	leading := bits.LeadingZeros16(g|1) / 4
	binary.LittleEndian.PutUint32(b[n:], digits>>(8*leading))
	return n + 4 - leading
}
