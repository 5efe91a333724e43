package record

import (
	"encoding/binary"
	"math/bits"
)

// numberRoom is the room that putUint needs, which is more than the longest number: it stores eight octets at a time.
const numberRoom = 24

func appendUint(dst []byte, k *key, v uint64) []byte {
	b, n := k.open(dst)
	return b[:putUint(b, n, v)]
}

// putUint writes v in decimal at b[n:] and returns its end. Beyond an octet it does not branch on the number of digits
// but every eight: in traffic they are not predictable.
func putUint(b []byte, n int, v uint64) int {
	const eight = 100_000_000
	if v < uint64(len(decimals)) {
		d := &decimals[v]
		binary.LittleEndian.PutUint32(b[n:], d.text)
		return n + d.size - 1
	}
	if v >= eight {
		n = putUint(b, n, v/eight)
		binary.LittleEndian.PutUint64(b[n:], eightDigits(uint32(v%eight))|asciiZeros)
		return n + 8
	}
	digits := eightDigits(uint32(v))
	leading := bits.TrailingZeros64(digits|1<<56) &^ 7 // bits of leading zeros; the last digit stays
	binary.LittleEndian.PutUint64(b[n:], (digits|asciiZeros)>>leading)
	return n + 8 - leading/8
}

const asciiZeros = 0x30_30_30_30_30_30_30_30

// eightDigits spreads v, which is below 10^8, over eight octets, the highest digit in the lowest octet: split in
// halves of four digits, then all at once in halves of two and of one, dividing by multiplication.
func eightDigits(v uint32) uint64 {
	x := uint64(v/10_000) | uint64(v%10_000)<<32
	hundreds := x * 10_486 >> 20 & 0x7f_0000_007f
	x = hundreds | (x-hundreds*100)<<16
	tens := x * 103 >> 10 & 0x000f_000f_000f_000f
	return tens | (x-tens*10)<<8
}

// putPair writes v, which is below 100, as two digits.
func putPair(b []byte, v uint32) {
	tens := v * 103 >> 10
	binary.LittleEndian.PutUint16(b, uint16(0x3030|tens|(v-tens*10)<<8))
}

// appendPair writes two numbers with a colon between them.
func appendPair(dst []byte, v, w uint64) []byte {
	dst = appendDecimal(dst, v)
	return appendDecimal(append(dst, ':'), w)
}

// appendDecimal writes a number without a key.
func appendDecimal(dst []byte, v uint64) []byte {
	b, n := room(dst, numberRoom)
	return b[:putUint(b, n, v)]
}

func appendNumbers(dst []byte, k *key, list []uint32) []byte {
	dst = append(k.append(dst), '[')
	for _, v := range list {
		dst = append(appendDecimal(dst, uint64(v)), ',')
	}
	return closeArray(dst)
}

const hexDigits = "0123456789abcdef"

func appendHex64(dst []byte, v uint64) []byte {
	for shift := 60; shift >= 0; shift -= 4 {
		dst = append(dst, hexDigits[v>>shift&15])
	}
	return dst
}
