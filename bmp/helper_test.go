package bmp

import (
	"encoding/hex"
	"net/netip"
	"strings"
	"testing"

	"github.com/telcol/telcol/bmp/bgp"
)

func unhex(t testing.TB, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(strings.Join(strings.Fields(s), ""))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

var (
	addr   = netip.MustParseAddr
	prefix = netip.MustParsePrefix
)

// peer4 and others are per-peer headers of all kinds.
var (
	peer4 = Peer{Addr: addr("198.51.100.2"), BGPID: addr("10.0.0.2"), AS: 64497, Time: 1705597860508491000}
	peer6 = Peer{Addr: addr("2001:db8::2"), BGPID: addr("10.0.0.2"), AS: 64497, Flags: FlagIPv6 | FlagPostPolicy}
	outV4 = Peer{Addr: addr("198.51.100.2"), BGPID: addr("10.0.0.2"), AS: 64497, Flags: FlagOut}
	inRD  = Peer{Addr: addr("198.51.100.2"), BGPID: addr("10.0.0.2"), AS: 64497, Type: PeerRD, Distinguisher: 0xfbf00000000c}
	local = Peer{Addr: addr("198.51.100.2"), BGPID: addr("10.0.0.2"), AS: 64497, Type: PeerLocal, Distinguisher: 7}
	loc   = Peer{Addr: addr("0.0.0.0"), BGPID: addr("10.0.0.1"), Type: PeerLocRIB}
	locRD = Peer{Addr: addr("0.0.0.0"), BGPID: addr("10.0.0.1"), Type: PeerLocRIB, Distinguisher: 0xfbf00000000c, Flags: FlagFiltered}
)

// openOf makes an OPEN of an AS with ADD-PATH entries.
func openOf(as uint32, e ...bgp.AddPath) bgp.Open {
	return bgp.Open{ID: addr("10.0.0.1"), AS: as, HoldTime: 180, Version: 4, AS4: true, AddPath: e}
}

func attrsOf(as ...uint32) *Attributes {
	return &Attributes{
		NextHop: addr("192.0.2.1"), ASPath: as, PathLength: uint16(len(as)), HasOrigin: true, HasASPath: true,
	}
}

func mustDecode[M Message](t testing.TB, s *Session, msg []byte) M {
	t.Helper()
	m, err := s.Decode(msg)
	if err != nil {
		t.Fatal(err)
	}
	got, ok := m.(M)
	if !ok {
		t.Fatalf("got %T", m)
	}
	return got
}
