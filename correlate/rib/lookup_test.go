package rib

import (
	"net/netip"
	"testing"
)

// set is a small table for tests: routes by view.
type told struct {
	vrf    RD
	view   View
	peer   string
	prefix string
	hop    string
	path   uint32
}

func tell(r *RIB, list ...told) {
	for _, x := range list {
		k := PeerKey{}
		if x.peer != "" {
			k.Addr = netip.MustParseAddr(x.peer)
		}
		if x.hop == "" {
			x.hop = "198.51.100.1"
		}
		p := netip.MustParsePrefix(x.prefix)
		f := IPv4Unicast
		if p.Addr().Is6() {
			f = IPv6Unicast
		}
		a := r.in.Acquire([]byte(x.hop), func() Attrs { return Attrs{NextHop: netip.MustParseAddr(x.hop)} })
		r.Announce(r.Source(k, x.view, f), x.vrf, p, x.path, x.path > 0, a, 5000)
	}
}

func TestViewRules(t *testing.T) {
	const vpn = RD(1<<48 | 42)
	for _, c := range []struct {
		name   string
		told   []told
		vrf    RD
		addr   string
		want   Result
		view   View
		prefix string
	}{
		{name: "nothing told", addr: "10.0.0.1", want: NoRIB},
		{
			name: "Loc-RIB before a longer prefix of Adj-RIB-In", addr: "10.0.0.1", view: LocRIB, prefix: "10.0.0.0/8",
			told: []told{{view: AdjRIBInPost, prefix: "10.0.0.0/24"}, {view: LocRIB, prefix: "10.0.0.0/8"}},
		},
		{
			name: "post-policy before pre-policy", addr: "10.0.0.1", view: AdjRIBInPost, prefix: "10.0.0.0/8",
			told: []told{{view: AdjRIBInPre, prefix: "10.0.0.0/24"}, {view: AdjRIBInPost, prefix: "10.0.0.0/8"}},
		},
		{
			name: "the best view answers alone", addr: "10.0.0.1", want: NoPrefix,
			told: []told{{view: AdjRIBInPost, prefix: "10.0.0.0/8"}, {view: LocRIB, prefix: "192.0.2.0/24"}},
		},
		{
			name: "a view without the family does not answer", addr: "10.0.0.1", view: AdjRIBInPre, prefix: "10.0.0.0/8",
			told: []told{{view: AdjRIBInPre, prefix: "10.0.0.0/8"}, {view: LocRIB, prefix: "2001:db8::/32"}},
		},
		{
			name: "Adj-RIB-Out never answers", addr: "10.0.0.1", want: NoRIB,
			told: []told{{view: AdjRIBOutPre, prefix: "10.0.0.0/8"}},
		},
		{
			name: "VRF does not see the global table", addr: "10.0.0.1", vrf: vpn, want: NoRIB,
			told: []told{{view: LocRIB, prefix: "10.0.0.0/8"}},
		},
		{
			name: "global table does not see VRFs", addr: "10.0.0.1", want: NoPrefix,
			told: []told{{vrf: vpn, view: LocRIB, prefix: "10.0.0.0/8"}, {view: LocRIB, prefix: "192.0.2.0/24"}},
		},
		{
			name: "longest prefix", addr: "10.0.0.1", view: LocRIB, prefix: "10.0.0.0/9",
			told: []told{{view: LocRIB, prefix: "0.0.0.0/0"}, {view: LocRIB, prefix: "10.0.0.0/8"}, {view: LocRIB, prefix: "10.0.0.0/9"}},
		},
		{name: "default route", addr: "10.0.0.1", view: LocRIB, prefix: "0.0.0.0/0", told: []told{{view: LocRIB, prefix: "0.0.0.0/0"}}},
		{name: "host bits are masked", addr: "10.1.0.1", view: LocRIB, prefix: "10.0.0.0/8", told: []told{{view: LocRIB, prefix: "10.9.9.9/8"}}},
		{name: "IPv6", addr: "2001:db8::1", view: LocRIB, prefix: "2001:db8::/32", told: []told{{view: LocRIB, prefix: "2001:db8::/32"}}},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := New(NewIntern(), Options{})
			tell(r, c.told...)
			var m Match
			if got := r.Lookup(c.vrf, netip.MustParseAddr(c.addr), netip.Addr{}, &m); got != c.want {
				t.Fatalf("got %v, want %v", got, c.want)
			}
			if c.want == Found && (m.View != c.view || m.Prefix.String() != c.prefix) {
				t.Errorf("got %v %v, want %v %v", m.View, m.Prefix, c.view, c.prefix)
			}
		})
	}
}

func TestNextHopChoosesPath(t *testing.T) {
	paths := []told{
		{view: AdjRIBInPre, peer: "192.0.2.1", prefix: "10.0.0.0/8", hop: "198.51.100.1"},
		{view: AdjRIBInPre, peer: "192.0.2.2", prefix: "10.0.0.0/8", hop: "198.51.100.2"},
		{view: AdjRIBInPre, peer: "192.0.2.3", prefix: "10.0.0.0/8", hop: "::ffff:198.51.100.2"},
		{view: AdjRIBInPre, peer: "192.0.2.4", prefix: "10.0.0.0/8", hop: "2001:db8::53"},
		{view: AdjRIBInPre, peer: "192.0.2.5", prefix: "10.0.0.0/8", hop: "0.0.45.194"},
		{view: AdjRIBInPre, peer: "192.0.2.6", prefix: "0.0.0.0/0", hop: "203.0.113.1"},
	}
	for _, c := range []struct {
		name string
		hop  netip.Addr
		peer string
		by   bool
	}{
		{"none: best path", netip.Addr{}, "192.0.2.1", false},
		{"of the best path", netip.MustParseAddr("198.51.100.1"), "192.0.2.1", true},
		{"of two others: the better one", netip.MustParseAddr("198.51.100.2"), "192.0.2.2", true},
		{"mapped", netip.MustParseAddr("::ffff:198.51.100.2"), "192.0.2.2", true},
		{"IPv6 for an IPv4 prefix", netip.MustParseAddr("2001:db8::53"), "192.0.2.4", true},
		{"in 0.0.0.0/8 is not one", netip.MustParseAddr("0.0.45.194"), "192.0.2.1", false},
		{"unspecified is not one", netip.IPv6Unspecified(), "192.0.2.1", false},
		{"of no path", netip.MustParseAddr("203.0.113.9"), "192.0.2.1", false},
		{"of a shorter prefix", netip.MustParseAddr("203.0.113.1"), "192.0.2.1", false},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := New(NewIntern(), Options{})
			tell(r, paths...)
			var m Match
			r.Lookup(0, netip.MustParseAddr("10.0.0.1"), c.hop, &m)
			if m.Peer.String() != c.peer || m.ByNextHop != c.by {
				t.Errorf("got %v by next hop %v, want %v %v", m.Peer, m.ByNextHop, c.peer, c.by)
			}
		})
	}
}

func TestMatchFields(t *testing.T) {
	r := New(NewIntern(), Options{})
	tell(r,
		told{view: LocRIB, prefix: "10.0.0.0/8", path: 7},
		told{vrf: 5, view: AdjRIBInPost, peer: "0.0.0.0", prefix: "10.0.0.0/8"})
	var m Match
	r.Lookup(0, netip.MustParseAddr("10.0.0.1"), netip.Addr{}, &m)
	want := Match{
		Prefix: netip.MustParsePrefix("10.0.0.0/8"), Attrs: r.in.Attrs(m.Attr), Attr: m.Attr, View: LocRIB,
		PathID: 7, HasPathID: true, State: Syncing, Time: 5000,
	}
	if m != want {
		t.Errorf("Loc-RIB:\n got %+v\nwant %+v", m, want)
	}
	r.Lookup(5, netip.MustParseAddr("10.0.0.1"), netip.Addr{}, &m)
	want.View, want.Peer, want.PathID, want.HasPathID = AdjRIBInPost, netip.IPv4Unspecified(), 0, false
	if m != want {
		t.Errorf("local route of an Adj-RIB-In:\n got %+v\nwant %+v", m, want)
	}
}

func TestNoAllocations(t *testing.T) {
	r := New(NewIntern(), Options{})
	fill(r, feedOf(2000), AdjRIBInPre, 3)
	addrs := targets(feedOf(2000), false)
	hop := netip.MustParseAddr("198.51.100.9")
	var m Match
	i := 0
	if n := testing.AllocsPerRun(2000, func() { r.Lookup(0, addrs[i%len(addrs)], hop, &m); i++ }); n != 0 {
		t.Errorf("lookup: %v allocations", n)
	}
	asks := make([]Ask, 40)
	n := testing.AllocsPerRun(100, func() {
		for j := range asks {
			asks[j].Addr = addrs[i%len(addrs)]
			i++
		}
		r.Ahead(asks)
	})
	if n != 0 {
		t.Errorf("ahead: %v allocations", n)
	}
	k := PeerKey{Addr: netip.AddrFrom4([4]byte{192, 0, 2, 1})}
	p := feedOf(2000)
	n = testing.AllocsPerRun(2000, func() {
		id := AttrID(1 + i%5)
		r.in.Retain(id, 1)
		r.Announce(r.Source(k, AdjRIBInPre, IPv4Unicast), 0, p[0], 0, false, id, 1)
		i++
	})
	if n != 0 {
		t.Errorf("announcing a known route: %v allocations", n)
	}
}
