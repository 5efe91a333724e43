package rib

import (
	"net/netip"
	"testing"
)

func TestAttributeQuota(t *testing.T) {
	c := newClocked(t, Options{MaxAttrBytes: 2000})
	other := New(c.in, Options{MaxAttrBytes: 2000})
	announce := func(n int) bool {
		id := c.r.Acquire([]byte{byte(n)}, func() Attrs { return Attrs{ASPath: make([]uint32, 100)} })
		p := netip.PrefixFrom(netip.AddrFrom4([4]byte{10, byte(n % 100), 0, 0}), 16)
		return c.r.Announce(c.r.Source(c.key, AdjRIBInPre, IPv4Unicast), 0, p, 0, false, id, 1)
	}
	n := 0
	for ; announce(n); n++ {
		if n > 10 {
			t.Fatal("no limit")
		}
	}
	tot := c.r.Totals()
	if tot.Routes != n || tot.AttrBytes < 2000 || tot.AttrBytes > 3000 || !tot.OverQuota || c.r.Stats().RefusedAttrs != 1 {
		t.Errorf("got %+v after %d routes", tot, n)
	}
	if id := other.Acquire([]byte{200}, func() Attrs { return Attrs{} }); id == 0 {
		t.Error("another device has no room")
	}
	// A known set is no burden, and a route whose new attributes are refused does not keep the old ones.
	if !announce(0) || announce(100) || c.r.Routes() != n-1 {
		t.Errorf("%d routes, want %d", c.r.Routes(), n-1)
	}
	// What is given back makes room, and the mark goes with the next dump.
	c.r.PeerDown(c.key, 2000*second)
	for c.r.Tick(3000*second, 100) {
	}
	if tot := c.r.Totals(); tot.AttrBytes != 0 {
		t.Errorf("got %+v without routes", tot)
	}
	if !announce(150) || c.r.Totals().OverQuota {
		t.Errorf("got %+v", c.r.Totals())
	}
}

// The mark of a device that lacked routes goes with the dump that has room for all.
func TestMarkGoesWithTheNextDump(t *testing.T) {
	s := newStage(t)
	s.r = New(NewIntern(), Options{MaxRoutes: 1})
	lacks := func(what string, want bool) {
		t.Helper()
		st, _ := s.r.SourceStatus(peerA, AdjRIBInPre, IPv4Unicast)
		if st.Lacks != want || s.r.Totals().OverQuota != want {
			t.Errorf("%s: lacks routes %v, device marked %v; want %v", what, st.Lacks, s.r.Totals().OverQuota, want)
		}
	}
	s.r.PeerUp(peerA, PeerInfo{}, s.now)
	s.announce(peerA, "10.0.0.0/8")
	lacks("one route", false)
	s.announce(peerA, "11.0.0.0/8")
	lacks("two routes", true)
	s.eor(peerA)
	lacks("End-of-RIB", true)
	s.r.PeerUp(peerA, PeerInfo{}, s.now)
	s.announce(peerA, "10.0.0.0/8")
	s.eor(peerA)
	lacks("the next dump", false)
}

// The families of a peer are bounded, and those that it had first go on.
func TestFamiliesOfAPeerAreBounded(t *testing.T) {
	r := New(NewIntern(), Options{})
	k := PeerKey{Addr: netip.AddrFrom4([4]byte{192, 0, 2, 1})}
	for i := range 2 * maxPeerSources {
		r.EndOfRIB(k, LocRIB, Family{AFI: uint16(i), SAFI: 1}, 1)
	}
	r.EndOfRIB(k, LocRIB, Family{AFI: 1, SAFI: 1}, 2)
	if tot, n := r.Totals(), r.Stats().RefusedSources; tot.Sources != maxPeerSources || n != maxPeerSources {
		t.Errorf("%d sources, %d refused", tot.Sources, n)
	}
	if st, ok := r.SourceStatus(k, LocRIB, IPv4Unicast); !ok || st.State != Synced {
		t.Errorf("got %+v, %v", st, ok)
	}
}

func TestPeerQuota(t *testing.T) {
	r := New(NewIntern(), Options{MaxPeers: 2})
	for i := range byte(3) {
		r.PeerUp(PeerKey{Addr: netip.AddrFrom4([4]byte{192, 0, 2, i + 1})}, PeerInfo{}, 1)
	}
	if tot := r.Totals(); tot.Peers != 2 || !tot.OverQuota || r.Stats().RefusedSources != 1 {
		t.Errorf("got %+v, %+v", tot, r.Stats())
	}
	if s := r.Source(PeerKey{Addr: netip.AddrFrom4([4]byte{192, 0, 2, 3})}, LocRIB, IPv4Unicast); s != 0 {
		t.Error("a third peer has a source")
	}
	r.SessionLost(2)
	if r.Totals().OverQuota {
		t.Error("marked after the session")
	}
}

// TestWorkComesInSlices counts what single calls do to large tables: events touch no routes, and a Tick no more than its budget.
func TestWorkComesInSlices(t *testing.T) {
	pfx := feedOf(20_000)
	first := PeerKey{Addr: netip.AddrFrom4([4]byte{192, 0, 2, 0})}
	for _, c := range []struct {
		name  string
		peers int
		event func(*RIB)
	}{
		{"peer down, alone", 1, func(r *RIB) { r.PeerDown(first, 1) }},
		{"peer down among others", 2, func(r *RIB) { r.PeerDown(first, 1) }},
		{"new dump without routes", 2, func(r *RIB) {
			r.PeerUp(first, PeerInfo{}, 1)
			r.EndOfRIB(first, AdjRIBInPre, IPv4Unicast, 1)
			r.EndOfRIB(first, AdjRIBInPre, IPv6Unicast, 1)
		}},
		{"session lost for good", 2, func(r *RIB) {
			r.SessionLost(1)
			r.Tick(1+int64(r.opt.StaleAfter), 0)
		}},
		{"cleared", 2, func(r *RIB) { r.Clear() }},
	} {
		t.Run(c.name, func(t *testing.T) {
			in := NewIntern()
			r := New(in, Options{})
			fill(r, pfx, AdjRIBInPre, c.peers)
			refs := func() (n int) {
				for _, sets := range in.sets {
					for i := range sets {
						n += int(sets[i].refs)
					}
				}
				return n
			}
			held := refs()
			c.event(r)
			if n := refs(); n != held {
				t.Fatalf("the event gave back %d references", held-n)
			}
			const budget = 100
			ticks := 0
			now := r.now
			for more := true; more; ticks++ {
				if ticks > 3*c.peers*len(pfx)/budget {
					now = r.now + int64(r.opt.History) // what the history keeps goes now
				}
				more = r.Tick(now, budget)
				n := refs()
				if held-n > budget {
					t.Fatalf("a Tick gave back %d references", held-n)
				}
				held = n
				if !more && r.Totals().Dead+r.Totals().Versions > 0 {
					now, more = r.now+int64(r.opt.History)+1, true
				}
			}
			if ticks < len(pfx)/budget {
				t.Errorf("%d ticks did it all", ticks)
			}
			if err := r.check(); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestPagesAreMovedInSlices(t *testing.T) {
	in := NewIntern()
	if in.pages.off {
		t.Skip("no huge pages here")
	}
	r := New(in, Options{})
	pfx := feedOf(50_000)
	fill(r, pfx, AdjRIBInPre, 1)
	ticks := 0
	for ; r.pages.next == 0; ticks++ {
		was := in.pages.tried
		r.Tick(1, 0)
		if n := in.pages.tried - was; n > hugeTick {
			t.Fatalf("a Tick moved %d pages", n)
		}
		if ticks > 10_000 {
			t.Fatal("no end")
		}
	}
	if in.pages.tried == 0 && !in.pages.off {
		t.Error("nothing was moved")
	}
	var m Match
	for _, p := range pfx {
		if r.Lookup(0, p.Addr(), netip.Addr{}, &m) != Found {
			t.Fatal("not found")
		}
	}
}
