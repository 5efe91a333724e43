package bgp

import (
	"encoding/binary"
	"fmt"
	"net/netip"
)

// NLRI is one route's destination: a prefix in a family, with what the family adds to it.
type NLRI struct {
	Prefix    netip.Prefix // host bits zero
	RD        uint64       // route distinguisher, big-endian, of the VPN families
	PathID    uint32       // ADD-PATH identifier (RFC 7911), valid with HasPathID
	Label     uint32       // bottom MPLS label, 20 bits, valid with HasLabel
	Family    Family
	HasPathID bool
	HasLabel  bool // labelled and VPN families; false in withdrawals that carry the placeholder of RFC 8277
}

// String gives a short form for logs and tests.
func (n NLRI) String() string {
	s := n.Prefix.String()
	if n.RD != 0 {
		s = fmt.Sprintf("%#x:%s", n.RD, s)
	}
	if n.HasPathID {
		s = fmt.Sprintf("%s path %d", s, n.PathID)
	}
	if n.HasLabel {
		s = fmt.Sprintf("%s label %d", s, n.Label)
	}
	return s
}

// OtherNLRI is a route of a family that has no prefix, as gobgp writes it.
type OtherNLRI struct {
	Family    Family
	Text      string
	PathID    uint32
	HasPathID bool
}

// RDSize is the length of a route distinguisher in octets.
const RDSize = 8

// Placeholders for the label of a withdrawn route (RFC 8277 section 2.4 and RFC 3107 practice).
const (
	labelWithdraw = 0x800000
	labelZero     = 0
)

// appendNLRI decodes all routes of data, which belongs to a prefix family, and appends them. Bits beyond a prefix's
// length, which RFC 4271 section 4.3 calls irrelevant, become zero. On an error it returns what dst held before.
func appendNLRI(dst []NLRI, data []byte, f Family, addPath, withdraw, prefixSID bool) ([]NLRI, error) {
	mark := len(dst)
	for len(data) > 0 {
		dst = append(dst, NLRI{Family: f})
		n := &dst[len(dst)-1]
		if addPath {
			if len(data) < 4 {
				return dst[:mark], fmt.Errorf("%v: path id cut: %w", f, ErrNLRI)
			}
			n.PathID, n.HasPathID = binary.BigEndian.Uint32(data), true
			data = data[4:]
		}
		used, err := n.decode(data, withdraw, prefixSID)
		if err != nil {
			return dst[:mark], err
		}
		data = data[used:]
	}
	return dst, nil
}

// decode reads one route without its path identifier and returns the octets used.
func (n *NLRI) decode(data []byte, withdraw, prefixSID bool) (int, error) {
	if len(data) == 0 {
		return 0, fmt.Errorf("%v: no prefix length: %w", n.Family, ErrNLRI)
	}
	bits := int(data[0])
	size := (bits + 7) / 8
	if len(data) < 1+size {
		return 0, fmt.Errorf("%v: /%d with %d octets left: %w", n.Family, bits, len(data)-1, ErrNLRI)
	}
	rest := data[1 : 1+size]
	if safi := n.Family.SAFI(); safi == SAFILabeled || safi == SAFIVPN {
		var err error
		if rest, bits, err = n.decodeLabelled(rest, bits, withdraw, prefixSID); err != nil {
			return 0, err
		}
	}
	if n.Family.AFI() == AFIIPv4 {
		if bits > 32 {
			return 0, fmt.Errorf("%v: prefix length %d: %w", n.Family, bits, ErrNLRI)
		}
		var a [4]byte
		copy(a[:], rest)
		mask := ^uint32(0) << (32 - bits)
		binary.BigEndian.PutUint32(a[:], binary.BigEndian.Uint32(a[:])&mask)
		n.Prefix = netip.PrefixFrom(netip.AddrFrom4(a), bits)
		return 1 + size, nil
	}
	if bits > 128 {
		return 0, fmt.Errorf("%v: prefix length %d: %w", n.Family, bits, ErrNLRI)
	}
	var a [16]byte
	copy(a[:], rest)
	if bits%8 != 0 {
		a[bits/8] &= 0xff << (8 - bits%8)
	}
	n.Prefix = netip.PrefixFrom(netip.AddrFrom16(a), bits)
	return 1 + size, nil
}

// decodeLabelled reads what labelled and VPN families have before the prefix.
func (n *NLRI) decodeLabelled(data []byte, bits int, withdraw, prefixSID bool) (rest []byte, left int, err error) {
	vpn := n.Family.SAFI() == SAFIVPN
	used := n.label(data, vpn, withdraw, prefixSID)
	if bits < used*8 {
		return nil, 0, fmt.Errorf("%v: %d bits leave no room for a label: %w", n.Family, bits, ErrNLRI)
	}
	data, bits = data[used:], bits-used*8
	if !vpn {
		return data, bits, nil
	}
	if bits < RDSize*8 {
		return nil, 0, fmt.Errorf("%v: no route distinguisher: %w", n.Family, ErrNLRI)
	}
	n.RD = binary.BigEndian.Uint64(data)
	return data[RDSize:], bits - RDSize*8, nil
}

// label reads the label stack at the head of a route and returns its octets. A stack ends at its bottom-of-stack bit, at
// a placeholder, or after one label when the route carries a Prefix-SID: that label may hold part of a SID (RFC 9252
// section 4) and no such bit. When no end is found, one label is assumed, which is what such senders mean. A withdrawal
// has a field of one label, whose contents mean nothing, whatever was announced (RFC 8277 section 2.4): routers that repeat the
// announced label there repeat that of a SID as well.
func (n *NLRI) label(data []byte, vpn, withdraw, prefixSID bool) int {
	room := len(data)
	if vpn {
		room -= RDSize
	}
	if room < 3 {
		return 3 // more than there is: the caller refuses it
	}
	first := label24(data)
	if withdraw && (first == labelWithdraw || first == labelZero) {
		return 3
	}
	n.Label, n.HasLabel = first>>4, true
	if withdraw || prefixSID || first == labelWithdraw || first == labelZero {
		return 3
	}
	for off := 0; off+3 <= room; off += 3 {
		if l := label24(data[off:]); l&1 == 1 {
			n.Label = l >> 4
			return off + 3
		}
	}
	return 3
}

func label24(b []byte) uint32 { return uint32(b[0])<<16 | uint32(b[1])<<8 | uint32(b[2]) }
