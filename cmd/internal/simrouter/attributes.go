package simrouter

import (
	"net/netip"
	"slices"

	"github.com/telcol/telcol/bmp"
)

// AS numbers and communities are those for documentation (RFC 5398) and private use (RFC 6996).
const (
	ownAS     = 64496
	transitAS = 64497
	middleAS  = 65536
	originAS  = 4_200_000_000
	customer  = 64512 // first AS of the customers in VRFs
)

// sameAttributes is the number of neighbouring routes that share their attributes, as prefixes of one origin do.
const sameAttributes = 4

// version numbers the attributes that a route had; the first is 0. Decoys are attributes told in a view that must not answer.
type version uint32

const decoy version = 1 << 31

// attributes gives what the device tells of route i.
func (d *Device) attributes(t *table, i int, v version) *bmp.Attributes {
	s := d.attributeStream(t, i, v)
	a := &bmp.Attributes{
		HasOrigin: true, Origin: uint8(s.below(3) / 2 * 2), HasASPath: true,
		HasLocalPref: true, LocalPref: uint32(100 + 50*s.below(3)),
		HasMED: s.below(2) == 0, MED: uint32(s.below(1000)),
	}
	if !a.HasMED {
		a.MED = 0
	}
	a.NextHop = d.nextHop(t, i, v)
	if t.vrf > 0 {
		a.ASPath = []uint32{uint32(customer + 16*t.vrf + s.below(16))}
		a.ExtCommunities = []uint64{routeTarget(t.vrf)}
	} else {
		a.ASPath = []uint32{uint32(transitAS + s.below(8))}
	}
	for range s.below(4) {
		a.ASPath = append(a.ASPath, uint32(middleAS+s.below(16)))
	}
	a.ASPath = append(a.ASPath, uint32(originAS+i/sameAttributes))
	for range 1 + s.below(4) {
		a.Communities = append(a.Communities, ownAS<<16|uint32(s.below(5000)))
	}
	slices.Sort(a.Communities)
	a.Communities = slices.Compact(a.Communities)
	if s.below(3) == 0 {
		a.LargeCommunities = [][3]uint32{{ownAS, uint32(1 + s.below(9)), uint32(i / sameAttributes)}}
	}
	return a
}

// attributeStream is what the attributes of route i are made from.
func (d *Device) attributeStream(t *table, i int, v version) stream {
	what := uint64(i / sameAttributes)
	if v != 0 {
		what = uint64(i) | uint64(v)<<32
	}
	return stream(mix(d.cfg.Seed, uint64(t.vrf), uint64(t.family), what))
}

// nextHop gives the next hop of route i alone, without memory for the other attributes.
func (d *Device) nextHop(t *table, i int, v version) netip.Addr {
	s := d.attributeStream(t, i, v)
	n := byte(1 + s.below(200))
	if t.family == v4 {
		return netip.AddrFrom4([4]byte{192, 0, 2, n})
	}
	return netip.AddrFrom16([16]byte{0: 0x20, 1: 0x01, 2: 0x0d, 3: 0xb8, 5: byte(t.vrf), 15: n})
}

// routeTarget is the extended community rt:64496:VRF (RFC 4360 section 4).
func routeTarget(vrf int) uint64 { return 0x0002<<48 | ownAS<<32 | uint64(vrf) }
