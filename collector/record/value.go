package record

import "slices"

// Every helper takes the field's key and appends key and value. Those of optional values append nothing when there is
// none.

// room makes sure that size octets can be written behind dst, at b[n:].
func room(dst []byte, size int) (b []byte, n int) {
	n = len(dst)
	if cap(dst)-n < size {
		dst = slices.Grow(dst, size)
	}
	return dst[:n+size], n
}

// appendWord writes a word of ours, which needs no escaping; the key has the opening quote.
func appendWord(dst []byte, k *key, word string) []byte {
	dst = append(k.append(dst), word...)
	return append(dst, '"')
}

func appendText(dst []byte, k *key, text string) []byte {
	if text == "" {
		return dst
	}
	return AppendString(k.append(dst), text)
}

// closeArray turns the comma behind the last element into the bracket, or closes an empty array.
func closeArray(dst []byte) []byte {
	if last := len(dst) - 1; dst[last] == ',' {
		dst[last] = ']'
		return dst
	}
	return append(dst, ']')
}

// appendMAC writes a MAC address; the key has the opening quote.
func appendMAC(dst []byte, k *key, mac [6]byte) []byte {
	return append(appendColons(k.append(dst), mac), '"')
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
