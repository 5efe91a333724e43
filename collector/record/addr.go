package record

import (
	"encoding/binary"
	"net/netip"
)

// AppendAddr appends the address as a JSON string with its quotes, in the text of [netip.Addr.String]. A zone is
// escaped: interface names may hold anything.
func AppendAddr(dst []byte, a netip.Addr) []byte {
	if a.Zone() != "" {
		return AppendString(dst, a.String())
	}
	return append(appendIP(append(dst, '"'), a), '"')
}

// appendIP writes an address without a zone.
func appendIP(dst []byte, a netip.Addr) []byte {
	switch {
	case a.Is4():
		b := a.As4()
		return appendIPv4(dst, binary.BigEndian.Uint32(b[:]))
	case a.Is4In6():
		return a.AppendTo(dst)
	}
	return appendIPv6(dst, a.As16())
}

// decimal is the text of an octet, and the dot behind it.
type decimal struct {
	text [4]byte
	size uint8 // of text, dot included
}

// decimals makes an IPv4 address four copies of a word.
var decimals = func() (t [256]decimal) {
	for i := range t {
		d := &t[i]
		if i >= 100 {
			d.text[d.size] = '0' + byte(i/100)
			d.size++
		}
		if i >= 10 {
			d.text[d.size] = '0' + byte(i/10%10)
			d.size++
		}
		d.text[d.size], d.text[d.size+1] = '0'+byte(i%10), '.'
		d.size += 2
	}
	return t
}()

func appendIPv4(dst []byte, v uint32) []byte {
	n := len(dst)
	dst = append(dst, "255.255.255.255."...)
	for shift := 24; shift >= 0; shift -= 8 {
		d := &decimals[byte(v>>shift)]
		copy(dst[n:], d.text[:])
		n += int(d.size)
	}
	return dst[:n-1]
}

// appendIPv6 writes RFC 5952: lower case, no leading zeros, the first of the longest runs of two or more zero groups
// as "::".
func appendIPv6(dst []byte, b [16]byte) []byte {
	var groups [8]uint16
	for i := range groups {
		groups[i] = binary.BigEndian.Uint16(b[2*i:])
	}
	from, to := zeroRun(&groups)
	for i := 0; i < len(groups); i++ {
		if i == from {
			dst = append(dst, "::"...)
			if i = to; i == len(groups) {
				break
			}
		} else if i > 0 {
			dst = append(dst, ':')
		}
		dst = appendGroup(dst, groups[i])
	}
	return dst
}

// zeroRun returns the groups to leave out, or -1.
func zeroRun(groups *[8]uint16) (from, to int) {
	from, to = -1, -1
	for i := 0; i < len(groups); i++ {
		j := i
		for j < len(groups) && groups[j] == 0 {
			j++
		}
		if run := j - i; run >= 2 && run > to-from {
			from, to = i, j
		}
		i = max(i, j)
	}
	return from, to
}

func appendGroup(dst []byte, g uint16) []byte {
	switch {
	case g >= 0x1000:
		return append(dst, hexDigits[g>>12], hexDigits[g>>8&15], hexDigits[g>>4&15], hexDigits[g&15])
	case g >= 0x100:
		return append(dst, hexDigits[g>>8], hexDigits[g>>4&15], hexDigits[g&15])
	case g >= 0x10:
		return append(dst, hexDigits[g>>4], hexDigits[g&15])
	}
	return append(dst, hexDigits[g])
}
