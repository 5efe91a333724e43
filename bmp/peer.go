package bmp

import (
	"encoding/binary"
	"net/netip"
	"strconv"
)

// Peer types of the per-peer header (RFC 7854 section 4.2, RFC 9069 section 4.1).
const (
	PeerGlobal uint8 = 0
	PeerRD     uint8 = 1
	PeerLocal  uint8 = 2
	PeerLocRIB uint8 = 3
)

// Flags of the per-peer header: those of types 0 to 2 and that of Loc-RIB peers, whose other bits mean nothing.
const (
	FlagIPv6       uint8 = 0x80 // V: the peer address is IPv6
	FlagPostPolicy uint8 = 0x40 // L: after policy
	FlagAS2        uint8 = 0x20 // A: AS_PATH has two-octet AS numbers
	FlagOut        uint8 = 0x10 // O: Adj-RIB-Out (RFC 8671)
	FlagFiltered   uint8 = 0x80 // F, Loc-RIB only: the router sends a part of its Loc-RIB
)

// View is one RIB of a peer.
type View uint8

// The views, in the order in which they tell what a router does with packets.
const (
	ViewLocRIB View = iota
	ViewAdjRIBInPost
	ViewAdjRIBInPre
	ViewAdjRIBOutPre
	ViewAdjRIBOutPost
	numViews
)

// String gives the name used in records.
func (v View) String() string {
	switch v {
	case ViewLocRIB:
		return "loc-rib"
	case ViewAdjRIBInPost:
		return "adj-rib-in-post"
	case ViewAdjRIBInPre:
		return "adj-rib-in-pre"
	case ViewAdjRIBOutPre:
		return "adj-rib-out-pre"
	case ViewAdjRIBOutPost:
		return "adj-rib-out-post"
	case numViews:
	}
	return "view-" + strconv.Itoa(int(v))
}

// Peer is a per-peer header (RFC 7854 section 4.2).
type Peer struct {
	Addr          netip.Addr // 0.0.0.0 for Loc-RIB
	BGPID         netip.Addr
	Distinguisher uint64 // big-endian; a route distinguisher for types 1 and 3
	Time          int64  // when the router learnt it, Unix nanoseconds; 0 when it does not say
	AS            uint32
	Type          uint8
	Flags         uint8 // as received, see FlagIPv6 and others
}

// TypeKnown reports whether the peer type is one of those above. What table a peer of another type tells of, and what its flags mean,
// is not known.
func (p *Peer) TypeKnown() bool { return p.Type <= PeerLocRIB }

// View tells which RIB the message is about.
func (p *Peer) View() View {
	switch {
	case p.Type == PeerLocRIB:
		return ViewLocRIB
	case p.Flags&(FlagOut|FlagPostPolicy) == FlagOut|FlagPostPolicy:
		return ViewAdjRIBOutPost
	case p.Flags&FlagOut != 0:
		return ViewAdjRIBOutPre
	case p.Flags&FlagPostPolicy != 0:
		return ViewAdjRIBInPost
	}
	return ViewAdjRIBInPre
}

// PostPolicy reports whether the routes are those after policy.
func (p *Peer) PostPolicy() bool { return p.Type != PeerLocRIB && p.Flags&FlagPostPolicy != 0 }

// Filtered reports whether a Loc-RIB is known to be a part only (RFC 9069 section 4.2).
func (p *Peer) Filtered() bool { return p.Type == PeerLocRIB && p.Flags&FlagFiltered != 0 }

// AS2 reports that AS_PATH is written with two-octet AS numbers. Loc-RIB never is (RFC 9069 section 5.2).
func (p *Peer) AS2() bool { return p.Type != PeerLocRIB && p.Flags&FlagAS2 != 0 }

// RD gives the route distinguisher of the table the peer lives in, 0 for the global table. Local instances (type 2) have
// a distinguisher, but it is no RD.
func (p *Peer) RD() uint64 {
	if p.Type == PeerLocal || p.Type == PeerGlobal && !p.Addr.IsUnspecified() {
		return 0
	}
	return p.Distinguisher
}

// PeerKey identifies a BGP peer of a router across its messages and views.
type PeerKey struct {
	Addr          netip.Addr // invalid for Loc-RIB and the router itself
	Distinguisher uint64
	Class         uint8 // the peer type, with Loc-RIB counted as PeerGlobal
}

// Key gives the identity of the peer. Flags are no part of it: one Peer Up may stand for several views, and routers
// differ in the flags they set there. FRR sends the Peer Up of its Loc-RIB as type 0 and its routes as type 3, so both
// are one class when there is no address. One that a Loc-RIB has all the same (RFC 9069 section 4.1 wants zeros) means nothing: it must not
// make it the BGP peer that has this address. The distinguisher of a global peer is ignored, as RFC 7854 has it zero.
func (p *Peer) Key() PeerKey {
	k := PeerKey{Addr: p.Addr, Distinguisher: p.Distinguisher, Class: p.Type}
	switch {
	case p.Type == PeerGlobal && !p.Addr.IsUnspecified():
		k.Distinguisher = 0
	case p.Type == PeerGlobal || p.Type == PeerLocRIB:
		k.Class, k.Addr = PeerGlobal, netip.Addr{}
	}
	return k
}

// decodePeer reads a per-peer header of PeerHeaderSize octets.
func decodePeer(b []byte) Peer {
	p := Peer{Type: b[0], Flags: b[1], Distinguisher: binary.BigEndian.Uint64(b[2:])}
	p.Addr = decodeAddr(b[10:26], p.v6(b[10:26]))
	p.AS = binary.BigEndian.Uint32(b[26:])
	p.BGPID = netip.AddrFrom4([4]byte(b[30:34]))
	p.Time = decodeTime(b[34:])
	return p
}

// v6 tells whether a 16-octet address field holds IPv6. For Loc-RIB the field is zero and the flag bit means something
// else; should an address be there all the same, its form decides.
func (p *Peer) v6(field []byte) bool {
	if p.Type != PeerLocRIB {
		return p.Flags&FlagIPv6 != 0
	}
	return !isZero(field[:12])
}

// decodeTime reads seconds and microseconds, both 4 octets, as Unix nanoseconds.
func decodeTime(b []byte) int64 {
	return int64(binary.BigEndian.Uint32(b))*1e9 + int64(binary.BigEndian.Uint32(b[4:]))*1e3
}

// decodeAddr reads an address field of 16 octets, of which IPv4 uses the last four.
func decodeAddr(b []byte, v6 bool) netip.Addr {
	if v6 {
		return netip.AddrFrom16([16]byte(b))
	}
	return netip.AddrFrom4([4]byte(b[12:16]))
}

func isZero(b []byte) bool {
	for _, c := range b {
		if c != 0 {
			return false
		}
	}
	return true
}
