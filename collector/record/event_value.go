package record

import "github.com/telcol/telcol/bmp"

// appendTrue writes a field that is there only when it is true.
func appendTrue(dst []byte, k *key, v bool) []byte {
	if !v {
		return dst
	}
	return append(k.append(dst), "true"...)
}

func appendIf(dst []byte, k *key, has bool, v uint64) []byte {
	if !has {
		return dst
	}
	return appendUint(dst, k, v)
}

// appendHex writes octets, or nothing when there are none; the key has the opening quote.
func appendHex(dst []byte, k *key, b []byte) []byte {
	if len(b) == 0 {
		return dst
	}
	return append(appendHexText(k.append(dst), b), '"')
}

func appendHexText(dst, b []byte) []byte {
	for _, c := range b {
		dst = append(dst, hexDigits[c>>4], hexDigits[c&15])
	}
	return dst
}

// appendMember writes a number of an object that is no field of its own.
func appendMember(dst []byte, name string, v uint64) []byte {
	dst = append(append(append(dst, ',', '"'), name...), '"', ':')
	return appendDecimal(dst, v)
}

// appendHexMember writes the last member of an object, its octets, and the comma behind the object.
func appendHexMember(dst, b []byte) []byte {
	dst = appendHexText(append(dst, `,"value":"`...), b)
	return append(dst, '"', '}', ',')
}

func appendStrings(dst []byte, k *key, list []string) []byte {
	if len(list) == 0 {
		return dst
	}
	dst = append(k.append(dst), '[')
	for _, s := range list {
		dst = append(AppendString(dst, s), ',')
	}
	return closeArray(dst)
}

func appendTLVs(dst []byte, list []bmp.TLV) []byte {
	if len(list) == 0 {
		return dst
	}
	dst = append(keyTLVs.append(dst), '[')
	for _, t := range list {
		dst = appendDecimal(append(dst, `{"type":`...), uint64(t.Type))
		dst = appendHexMember(dst, t.Value)
	}
	return closeArray(dst)
}
