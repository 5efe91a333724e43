package rib

import (
	"encoding/binary"
	"net/netip"
)

// key is an address whose first bit is the highest of hi: IPv4 takes the upper half of hi.
type key struct{ hi, lo uint64 }

func keyOf(a netip.Addr) key {
	if a.Is4() {
		b := a.As4()
		return key{hi: uint64(binary.BigEndian.Uint32(b[:])) << 32}
	}
	b := a.As16()
	return key{binary.BigEndian.Uint64(b[:8]), binary.BigEndian.Uint64(b[8:])}
}

// octet returns the octet n of the address.
func (k key) octet(n uint8) uint8 {
	if n < 8 {
		return uint8(k.hi >> (56 - 8*n))
	}
	return uint8(k.lo >> (120 - 8*n))
}

// shares reports whether the first bits of both are equal.
func (k key) shares(o key, bits int) bool {
	if bits <= 64 {
		return (k.hi^o.hi)>>(64-bits) == 0
	}
	return k.hi == o.hi && (k.lo^o.lo)>>(128-bits) == 0
}
