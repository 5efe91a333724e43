package record

import (
	"net/netip"
	"strconv"
)

// Every helper takes the field's name with the punctuation around it and appends name and value. Those of optional
// values append nothing when there is none.

func appendUint(dst []byte, key string, v uint64) []byte {
	return strconv.AppendUint(append(dst, key...), v, 10)
}

// appendWord writes a word of ours, which needs no escaping; key ends with the opening quote.
func appendWord(dst []byte, key, word string) []byte {
	dst = append(append(dst, key...), word...)
	return append(dst, '"')
}

func appendText(dst []byte, key, text string) []byte {
	if text == "" {
		return dst
	}
	return AppendString(append(dst, key...), text)
}

func appendAddr(dst []byte, key string, a netip.Addr) []byte {
	if !a.IsValid() {
		return dst
	}
	return AppendAddr(append(dst, key...), a)
}

func appendNumbers(dst []byte, key string, list []uint32) []byte {
	dst = openArray(dst, key)
	for _, v := range list {
		dst = append(strconv.AppendUint(dst, uint64(v), 10), ',')
	}
	return closeArray(dst)
}

func appendAddrs(dst []byte, key string, list []netip.Addr) []byte {
	dst = openArray(dst, key)
	for _, a := range list {
		if a.IsValid() {
			dst = append(AppendAddr(dst, a), ',')
		}
	}
	return closeArray(dst)
}

func openArray(dst []byte, key string) []byte {
	return append(append(dst, key...), '[')
}

// closeArray turns the comma behind the last element into the bracket, or closes an empty array.
func closeArray(dst []byte) []byte {
	if last := len(dst) - 1; dst[last] == ',' {
		dst[last] = ']'
		return dst
	}
	return append(dst, ']')
}

// appendMAC writes a quoted MAC address; key ends with the opening quote.
func appendMAC(dst []byte, key string, mac [6]byte) []byte {
	return append(appendColons(append(dst, key...), mac), '"')
}

func appendColons(dst []byte, mac [6]byte) []byte {
	for i, b := range mac {
		if i > 0 {
			dst = append(dst, ':')
		}
		dst = append(dst, hexDigits[b>>4], hexDigits[b&15])
	}
	return dst
}

const hexDigits = "0123456789abcdef"

func appendHex64(dst []byte, v uint64) []byte {
	for shift := 60; shift >= 0; shift -= 4 {
		dst = append(dst, hexDigits[v>>shift&15])
	}
	return dst
}
