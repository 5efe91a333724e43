package bmp

import (
	"testing"

	"github.com/telcol/telcol/bmp/bgp"
)

// TestPathIDsAgainstTheOpens has a peer whose OPENs promise path identifiers: as FRR 8.4 and, after policy, GoBGP 3.10 write its routes, the
// view has none. The other view of the peer has them, and a view that begins to have them is read that way again.
func TestPathIDsAgainstTheOpens(t *testing.T) {
	both := bgp.AddPath{Family: bgp.IPv4Unicast, Mode: bgp.AddPathBoth}
	up := &PeerUp{Peer: peer4, LocalAddr: addr("198.51.100.1"), Sent: openOf(64496, both), Received: openOf(64497, both)}
	s := NewSession(Config{})
	mustDecode[*PeerUp](t, s, AppendPeerUp(nil, up))
	post := peer4
	post.Flags = FlagPostPolicy
	route := func(p *Peer, id uint32, has bool, text string) NLRI {
		t.Helper()
		n := NLRI{Prefix: prefix(text), PathID: id, HasPathID: has, Family: bgp.IPv4Unicast}
		m := mustDecode[*RouteMonitoring](t, s, AppendRouteMonitoring(nil, p, nil, []NLRI{n}, attrsOf(64497)))
		if len(m.Announced) != 1 || len(m.Announced[0].NLRI) != 1 || m.Announced[0].NLRI[0] != n {
			t.Fatalf("sent %v with id %v, got %+v", text, has, m.Update)
		}
		gone := mustDecode[*RouteMonitoring](t, s, AppendRouteMonitoring(nil, p, []NLRI{n}, nil, nil))
		if len(gone.Withdrawn) != 1 || gone.Withdrawn[0] != n {
			t.Fatalf("withdrew %v with id %v, got %+v", text, has, gone.Update)
		}
		return n
	}
	route(&peer4, 7, true, "192.0.2.0/24")
	for _, p := range []string{"10.0.0.0/8", "10.1.0.0/16", "192.0.2.0/24", "0.0.0.0/0", "192.0.2.128/25", "192.0.2.0/32"} {
		route(&post, 0, false, p)
		route(&peer4, 7, true, p)
	}
	if n := s.Counters(); n.PathIDsFlipped != 1 || n.Malformed != 0 || n.BGP.Updates != 26 {
		t.Errorf("got %+v", n)
	}
	route(&post, 9, true, "192.0.2.0/24") // a router was mended
	if n := s.Counters().PathIDsFlipped; n != 2 {
		t.Errorf("flipped %d times, want 2", n)
	}
	route(&post, 0, false, "10.0.0.0/8")
	mustDecode[*PeerUp](t, s, AppendPeerUp(nil, up)) // the promise counts anew
	route(&post, 9, true, "192.0.2.0/24")
}

// TestPathIDsOfOtherFamiliesAgainstTheOpens is the same for routes in MP_REACH_NLRI and MP_UNREACH_NLRI, where a wrong form costs only these.
func TestPathIDsOfOtherFamiliesAgainstTheOpens(t *testing.T) {
	both := bgp.AddPath{Family: bgp.IPv6VPN, Mode: bgp.AddPathBoth}
	n := NLRI{Family: bgp.IPv6VPN, Prefix: prefix("2001:db8::/32"), RD: 0xfbf00000000c, Label: 100, HasLabel: true}
	for _, withdraw := range []bool{false, true} {
		s := NewSession(Config{})
		mustDecode[*PeerUp](t, s, AppendPeerUp(nil, &PeerUp{Peer: peer4, LocalAddr: addr("0.0.0.0"), Sent: openOf(1, both), Received: openOf(2, both)}))
		var got []NLRI
		if withdraw {
			got = mustDecode[*RouteMonitoring](t, s, AppendRouteMonitoring(nil, &peer4, []NLRI{n}, nil, nil)).Withdrawn
		} else if m := mustDecode[*RouteMonitoring](t, s, AppendRouteMonitoring(nil, &peer4, nil, []NLRI{n}, attrsOf(64497))); len(m.Announced) == 1 {
			got = m.Announced[0].NLRI
		}
		if len(got) != 1 || got[0].Prefix != n.Prefix || got[0].RD != n.RD || got[0].HasPathID || s.Counters().PathIDsFlipped != 1 {
			t.Errorf("withdrawn %v: got %v, %+v", withdraw, got, s.Counters())
		}
	}
}

// TestMissingASPath holds that a route without AS_PATH is in the router's own tables with an empty one, and withdrawn from a peer.
func TestMissingASPath(t *testing.T) {
	const originAndHop, route = "400101 00 400304 c0000201", "18 c63364"
	for name, tt := range map[string]struct {
		peer      Peer
		announced int
	}{
		"loc-rib": {loc, 1}, "own routes": {Peer{Addr: addr("0.0.0.0"), Flags: FlagPostPolicy}, 1}, "peer": {peer4, 0}, "after policy": {peer6, 0},
	} {
		m := mustDecode[*RouteMonitoring](t, NewSession(Config{}), routeMessage(t, &tt.peer, originAndHop, route))
		if len(m.Announced) != tt.announced || len(m.Withdrawn) != 1-tt.announced {
			t.Errorf("%s: got %+v", name, m.Update)
		}
	}
}
