package rib

import (
	"math/rand/v2"
	"net/netip"
	"slices"
	"testing"
)

// scanAll goes over a scan in steps of budget and returns the routes in order.
func scanAll(t *testing.T, r *RIB, s Scan, budget int) (out []Route) {
	t.Helper()
	for {
		n := 0
		steps, more := r.Scan(&s, budget, func(rt *Route) bool { n++; out = append(out, *rt); return true })
		if most := budget + 1 + r.opt.MaxPaths; steps > most || n > steps {
			t.Fatalf("%d steps for %d routes, want no more than %d", steps, n, most)
		}
		if !more {
			return out
		}
		if steps == 0 {
			t.Fatal("a scan that does not move on")
		}
		s = Scan{Want: s.Want, Prefix: s.Prefix, Range: s.Range, Table: s.Table, Last: s.Last} // what a reader has kept
	}
}

func TestScanGivesRoutesInOrder(t *testing.T) {
	r := New(NewIntern(), Options{})
	pfx := feedOf(3000)
	fill(r, pfx, AdjRIBInPre, 3)
	fill(r, pfx, LocRIB, 1)
	for _, budget := range []int{1, 5, 997, 1 << 20} {
		got := scanAll(t, r, Scan{}, budget)
		if len(got) != 12_000 {
			t.Fatalf("budget %d: got %d routes, want 12000", budget, len(got))
		}
		best := 0
		for i := range got {
			if got[i].Best {
				best++
			}
			if i == 0 || got[i].View != got[i-1].View || got[i].Prefix.Addr().Is6() != got[i-1].Prefix.Addr().Is6() {
				continue
			}
			if got[i-1].Prefix.Compare(got[i].Prefix) > 0 {
				t.Fatalf("budget %d: %v after %v", budget, got[i].Prefix, got[i-1].Prefix)
			}
		}
		if best != 6000 {
			t.Errorf("budget %d: %d best routes, want one for each of 6000 prefixes", budget, best)
		}
	}
}

// TestScanRanges compares each range with a look at every prefix.
func TestScanRanges(t *testing.T) {
	r := New(NewIntern(), Options{})
	pfx := append(feedOf(2000), prefixes("0.0.0.0/0", "::/0", "255.255.255.255/32", "0.0.0.0/32", "128.0.0.0/1", "2001:db8::1/128")...)
	fill(r, pfx, AdjRIBInPost, 1)
	ask := append(pfx[:300:300], pfx[len(pfx)-6:]...)
	ask = append(ask, prefixes("0.0.0.0/1", "64.0.0.0/2", "10.0.0.0/8", "2000::/3", "203.0.113.7/32", "2001:db8::/32")...)
	for _, p := range ask {
		for _, rg := range []Range{Within, Exact, Covering} {
			var want []netip.Prefix
			for _, q := range pfx {
				in := p.Overlaps(q) && q.Bits() >= p.Bits()
				if rg == Exact && p == q || rg == Within && in || rg == Covering && p.Overlaps(q) && q.Bits() <= p.Bits() {
					want = append(want, q)
				}
			}
			slices.SortFunc(want, netip.Prefix.Compare)
			if rg == Covering {
				slices.Reverse(want)
			}
			for _, budget := range []int{1, 50} {
				var got []netip.Prefix
				for _, rt := range scanAll(t, r, Scan{Prefix: p, Range: rg}, budget) {
					got = append(got, rt.Prefix)
				}
				if !slices.Equal(got, want) {
					t.Fatalf("%v range %d budget %d: got %v, want %v", p, rg, budget, got, want)
				}
			}
		}
	}
}

// TestScanWhileRoutesChange has a scan meet withdrawals, a peer that goes, the clean-up with its moves, and new routes: what is there all
// the time must be given exactly once.
func TestScanWhileRoutesChange(t *testing.T) {
	r := New(NewIntern(), Options{})
	pfx := feedOf(6000)
	fill(r, pfx, AdjRIBInPre, 2)
	stays := PeerKey{Addr: netip.AddrFrom4([4]byte{192, 0, 2, 1})}
	src := r.Source(stays, AdjRIBInPre, IPv4Unicast)
	rnd := rand.New(rand.NewPCG(5, 6))
	gone := map[netip.Prefix]bool{} // withdrawn at some time
	seen := map[netip.Prefix]int{}
	var s Scan
	for step := 0; ; step++ {
		_, more := r.Scan(&s, 40, func(rt *Route) bool {
			if rt.Peer == stays {
				seen[rt.Prefix]++
			}
			return true
		})
		if !more {
			break
		}
		if step == 20 {
			r.PeerDown(PeerKey{Addr: netip.AddrFrom4([4]byte{192, 0, 2, 0})}, 1)
		}
		for range 20 {
			p := pfx[rnd.IntN(len(pfx))]
			if p.Addr().Is4() && !gone[p] && len(gone) < 4000 {
				gone[p] = r.Withdraw(src, 0, p, 0, false, 0)
			}
		}
		_, decode := fullSet(nil, uint32(step))
		p := netip.PrefixFrom(netip.AddrFrom4([4]byte{223, byte(step), byte(step >> 8), 0}), 25)
		r.Announce(src, 0, p, 0, false, r.in.Acquire([]byte{byte(step), 1, 2}, decode), 1)
		r.Tick(1, 200)
		src = r.Source(stays, AdjRIBInPre, IPv4Unicast)
	}
	if len(gone) < 2000 {
		t.Fatalf("only %d withdrawals", len(gone))
	}
	for _, p := range pfx {
		if n := seen[p]; n > 1 || n == 0 && !gone[p] {
			t.Errorf("%v was given %d times, withdrawn meanwhile: %v", p, n, gone[p])
		}
	}
	if err := r.check(); err != nil {
		t.Fatal(err)
	}
}

// TestScanStops holds that a scan ends between prefixes, and that what nobody wants costs steps too.
func TestScanStops(t *testing.T) {
	r := New(NewIntern(), Options{})
	pfx := feedOf(600)
	fill(r, pfx, AdjRIBInPre, 3)
	var s Scan
	n := 0
	if _, more := r.Scan(&s, 1000, func(*Route) bool { n++; return false }); n != 3 || !more {
		t.Errorf("got %d routes and more %v, want the 3 of one prefix and more", n, more)
	}
	for rd := range RD(50) {
		k := PeerKey{Class: ClassRD, Distinguisher: rd + 1, Addr: netip.MustParseAddr("198.51.100.1")}
		_, decode := fullSet(nil, 7)
		r.Announce(r.Source(k, LocRIB, IPv4Unicast), rd+1, pfx[0], 0, false, r.in.Acquire([]byte{9}, decode), 1)
	}
	s = Scan{Want: func(st TableStatus) bool { return st.VRF == 50 }}
	calls := 0
	for more := true; more; calls++ {
		var steps int
		if steps, more = r.Scan(&s, 10, func(rt *Route) bool {
			if rt.VRF != 50 {
				t.Errorf("got a route of VRF %v", rt.VRF)
			}
			return true
		}); steps > 12 {
			t.Errorf("%d steps in a call, want about 10", steps)
		}
	}
	if calls < 5 {
		t.Errorf("52 tables in %d calls of 10 steps", calls)
	}
	if _, more := r.Scan(&Scan{Table: 1<<64 - 1}, 10, func(*Route) bool { t.Error("route past the end"); return true }); more {
		t.Error("more after the end")
	}
}

func TestCountsAndPeer(t *testing.T) {
	r := New(NewIntern(), Options{})
	pfx := feedOf(600)
	fill(r, pfx, AdjRIBInPre, 3)
	if got, want := r.Counts(), (Counts{Peers: 3, Sources: 6, VRFs: 1, Tables: 2, Routes: 1800}); got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
	for rd := range r.VRFs() {
		if tables := r.VRFTables(rd); rd != 0 || len(tables) != 2 || tables[0].Routes+tables[1].Routes != 1800 {
			t.Errorf("VRF %v: got %+v", rd, tables)
		}
	}
	st, sources, ok := r.Peer(PeerKey{Addr: netip.MustParseAddr("::ffff:192.0.2.1")})
	if !ok || st.Routes != 600 || !st.Up || len(sources) != 2 {
		t.Errorf("got %+v, %+v", st, sources)
	}
	if _, _, ok := r.Peer(PeerKey{Addr: netip.MustParseAddr("192.0.2.99")}); ok {
		t.Error("got a peer that is not there")
	}
}
