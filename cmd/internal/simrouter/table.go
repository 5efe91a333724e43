package simrouter

import (
	"encoding/binary"
	"net/netip"
)

// family is an address family. Addresses are handled as numbers: IPv4 whole, of IPv6 the upper half, where all prefixes lie.
type family uint8

const (
	v4 family = iota
	v6
)

// sizes of prefixes and blocks in a family, in bits.
type sizes struct {
	bits  int // of the number that stands for an address
	block int // host bits of a block
	small int // host bits of the short prefix at the start of a block: /24, /48
	inner int // host bits of the prefix within a block: /25, /56
}

func (f family) sizes() sizes {
	if f == v4 {
		return sizes{bits: 32, block: 10, small: 8, inner: 7}
	}
	return sizes{bits: 64, block: 20, small: 16, inner: 8}
}

func (f family) addr(n uint64, low uint64) netip.Addr {
	if f == v4 {
		var b [4]byte
		binary.BigEndian.PutUint32(b[:], uint32(n))
		return netip.AddrFrom4(b)
	}
	var b [16]byte
	binary.BigEndian.PutUint64(b[:8], n)
	binary.BigEndian.PutUint64(b[8:], low)
	return netip.AddrFrom16(b)
}

func number(a netip.Addr) (family, uint64) {
	if a.Is4() {
		b := a.As4()
		return v4, uint64(binary.BigEndian.Uint32(b[:]))
	}
	b := a.As16()
	return v6, binary.BigEndian.Uint64(b[:8])
}

// Where the tables start. Global routes lie in shared address space (RFC 6598) and behind, and in the prefix for documentation
// (RFC 9637); those of VRFs in private space, the same in all.
var (
	globalBase4 = netip.AddrFrom4([4]byte{100, 64, 0, 0})
	globalBase6 = netip.AddrFrom16([16]byte{0x3f, 0xff})
	vrfBase4    = netip.AddrFrom4([4]byte{10, 0, 0, 0})
	vrfBase6    = netip.AddrFrom16([16]byte{0xfd, 0x00, 0x7e, 0x1c})
)

const (
	pattern = 8  // routes until the shapes repeat
	cycle   = 16 // routes until the changing ones repeat

	changing = 8 // the route of a cycle whose attributes change
	flapping = 9 // the route of a cycle that comes and goes; no flow goes there
)

// table is one table of a device: a VRF (0 is the global table) in one family.
type table struct {
	vrf    int
	family family
	routes int
	base   uint64
	sizes
}

func newTable(vrf int, f family, routes int) table {
	base := map[bool][2]netip.Addr{false: {globalBase4, globalBase6}, true: {vrfBase4, vrfBase6}}[vrf > 0][f]
	_, n := number(base)
	return table{vrf: vrf, family: f, routes: routes, base: n, sizes: f.sizes()}
}

// span gives the first address of route i and its host bits.
func (t *table) span(i int) (start uint64, host int) {
	block := t.base + uint64(i)<<t.block
	switch i % pattern {
	case 5, 6:
		return block, t.block
	case 7:
		return block - 1<<t.block + 3<<t.inner, t.inner
	}
	return block, t.small
}

// prefix gives the prefix of route i.
func (t *table) prefix(i int) netip.Prefix {
	start, host := t.span(i)
	return netip.PrefixFrom(t.family.addr(start, 0), t.bits-host)
}

// find gives the route with the longest prefix that holds the address, and false where there is none.
func (t *table) find(a netip.Addr) (int, bool) {
	f, n := number(a)
	if f != t.family || n < t.base || n-t.base >= uint64(t.routes)<<t.block {
		return 0, false
	}
	i := int((n - t.base) >> t.block)
	if i%pattern == 7 {
		return 0, false // its prefix lies in the block before
	}
	if i%pattern == 6 && i+1 < t.routes && t.holds(i+1, n) {
		return i + 1, true
	}
	return i, t.holds(i, n)
}

func (t *table) holds(i int, n uint64) bool {
	start, host := t.span(i)
	return n>>host == start>>host
}

// pick gives an address within route i, or within a longer prefix inside it.
func (t *table) pick(i int, s *stream) netip.Addr {
	start, host := t.span(i)
	r := s.next()
	n := start | r&(1<<host-1)
	return t.family.addr(n, 1+r>>40)
}

// destination gives the number of a route to which flows may go.
func (t *table) destination(s *stream) int {
	i := s.below(t.routes)
	if i%cycle == flapping {
		i--
	}
	return i
}
