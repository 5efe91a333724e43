package steering

import (
	"encoding/binary"
	"math/bits"
	"net/netip"
)

// Buckets is the number of hash buckets. It is fixed: 16384 keeps the most
// loaded of 64 slots within 10 % of the mean, in 128 KiB.
const Buckets = 16384

// Key is the secret of a group's hash. Whoever knows it can choose addresses
// that all fall to one slot.
type Key [16]byte

// Bucket returns the bucket of a device, before aliases: the low 14 bits of
// SipHash-2-4 over the 16 bytes of the address, IPv4 in its mapped form. A zone
// does not count. The program in the kernel computes the same.
func (k Key) Bucket(addr netip.Addr) int {
	return int(sipHash(k, addr.As16()) & (Buckets - 1))
}

// sipHash is SipHash-2-4 of a message of 16 bytes.
func sipHash(key, msg [16]byte) uint64 {
	k0 := binary.LittleEndian.Uint64(key[:8])
	k1 := binary.LittleEndian.Uint64(key[8:])
	v0 := k0 ^ 0x736f6d6570736575
	v1 := k1 ^ 0x646f72616e646f6d
	v2 := k0 ^ 0x6c7967656e657261
	v3 := k1 ^ 0x7465646279746573
	words := [3]uint64{
		binary.LittleEndian.Uint64(msg[:8]),
		binary.LittleEndian.Uint64(msg[8:]),
		uint64(len(msg)) << 56,
	}
	for _, m := range words {
		v3 ^= m
		v0, v1, v2, v3 = sipRound(v0, v1, v2, v3)
		v0, v1, v2, v3 = sipRound(v0, v1, v2, v3)
		v0 ^= m
	}
	v2 ^= 0xff
	for range 4 {
		v0, v1, v2, v3 = sipRound(v0, v1, v2, v3)
	}
	return v0 ^ v1 ^ v2 ^ v3
}

func sipRound(v0, v1, v2, v3 uint64) (_, _, _, _ uint64) {
	v0 += v1
	v1 = bits.RotateLeft64(v1, 13) ^ v0
	v0 = bits.RotateLeft64(v0, 32)
	v2 += v3
	v3 = bits.RotateLeft64(v3, 16) ^ v2
	v0 += v3
	v3 = bits.RotateLeft64(v3, 21) ^ v0
	v2 += v1
	v1 = bits.RotateLeft64(v1, 17) ^ v2
	v2 = bits.RotateLeft64(v2, 32)
	return v0, v1, v2, v3
}
