package bmp

import (
	"slices"
	"testing"

	"github.com/telcol/telcol/bmp/bgp"
)

// What FRR 8 sends: the Peer Up of its Loc-RIB is of type 0, with ADD-PATH in the sent OPEN only or empty, its own
// routes have two-octet paths, labelled routes lose their next hop, and peers go down that were never up.
func TestFRR(t *testing.T) {
	s := NewSession(Config{})
	global := Peer{Type: PeerGlobal, Addr: addr("0.0.0.0"), BGPID: addr("0.0.0.0")}
	up := &PeerUp{Peer: global, LocalAddr: addr("0.0.0.0"), Sent: openOf(0), Received: openOf(0), TableName: "global"}
	mustDecode[*PeerUp](t, s, AppendPeerUp(nil, up))
	routes := Peer{Type: PeerLocRIB, Addr: addr("0.0.0.0"), BGPID: addr("0.0.0.0")}
	msg := routeMessage(t, &routes, "400101 01 5002000a 0202 fbf0003a 0000fbf0", "18 64691e")
	m := mustDecode[*RouteMonitoring](t, s, msg)
	if !m.Known || m.View() != ViewLocRIB || len(m.Announced) != 1 || m.Announced[0].Attrs.NextHop.IsValid() {
		t.Errorf("got %+v", m)
	}
	own := global
	own.Flags = FlagPostPolicy
	m = mustDecode[*RouteMonitoring](t, s, routeMessage(t, &own, "400101 00 50020004 0201 fde8 400304 0a000001", "20 0a0a0a0a"))
	if !slices.Equal(m.Announced[0].Attrs.ASPath, []uint32{65000}) || s.Counters().BGP.WidthGuessed != 1 {
		t.Errorf("got %+v", m.Announced[0].Attrs)
	}
	never := Peer{Addr: addr("198.51.100.9"), BGPID: addr("0.0.0.0")}
	if m := mustDecode[*PeerDown](t, s, AppendPeerDown(nil, &PeerDown{Peer: never, Reason: DownRemoteNoNotif})); m.Known {
		t.Error("a peer that was never up is known")
	}
}

// What GoBGP sends: Loc-RIB routes without any Peer Up.
func TestRoutesWithoutPeerUp(t *testing.T) {
	s := NewSession(Config{})
	msg := AppendRouteMonitoring(nil, &loc, nil, []NLRI{{Family: bgp.IPv4Unicast, Prefix: prefix("192.0.2.0/24")}}, attrsOf(64496))
	m := mustDecode[*RouteMonitoring](t, s, msg)
	if m.Known || len(m.Announced) != 1 || s.Counters().NoPeerUp != 1 {
		t.Errorf("got %+v", m)
	}
}

// Huawei sets the F flag on Loc-RIB, where other types have the flag of IPv6.
func TestFilteredLocRIBIsNotIPv6(t *testing.T) {
	m := mustDecode[*RouteMonitoring](t, NewSession(Config{}), AppendEndOfRIB(nil, &locRD, bgp.IPv6Unicast))
	if m.Addr != addr("0.0.0.0") || !m.Filtered() || m.RD() != 0xfbf00000000c || m.EndOfRIB != bgp.IPv6Unicast {
		t.Errorf("got %+v", m)
	}
}
