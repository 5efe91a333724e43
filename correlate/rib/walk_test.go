package rib

import (
	"net/netip"
	"testing"
)

func TestWalkSeesEachRouteOnce(t *testing.T) {
	r := New(NewIntern(), Options{})
	pfx := feedOf(3000)
	fill(r, pfx, AdjRIBInPre, 2)
	fill(r, pfx, LocRIB, 1)
	for _, budget := range []int{1, 7, 1000, 100_000} {
		seen := map[Route]int{}
		var c Cursor
		calls := 1
		for r.Walk(&c, budget, func(rt Route) { seen[rt]++ }) {
			calls++
		}
		if len(seen) != 9000 || calls < 9000/budget {
			t.Errorf("budget %d: got %d routes in %d calls, want 9000", budget, len(seen), calls)
		}
		if more := r.Walk(&c, 1, func(Route) { t.Error("walked past the end") }); more {
			t.Error("more after the end")
		}
	}
	n := 0
	c := Cursor{Want: func(s TableStatus) bool { return s.View == LocRIB && s.IPv6 }}
	r.Walk(&c, 100_000, func(rt Route) {
		if rt.View != LocRIB || rt.Prefix.Addr().Is4() {
			t.Fatalf("got %+v", rt)
		}
		n++
	})
	if n != 500 {
		t.Errorf("got %d routes of the wanted table, want 500", n)
	}
}

func TestWalkWhileRoutesChange(t *testing.T) {
	r := New(NewIntern(), Options{})
	pfx := feedOf(4000)
	fill(r, pfx, AdjRIBInPre, 2)
	seen := map[netip.Prefix]bool{}
	var c Cursor
	second := PeerKey{Addr: netip.AddrFrom4([4]byte{192, 0, 2, 1})}
	step := 0
	for r.Walk(&c, 100, func(rt Route) {
		if rt.Peer == second {
			seen[rt.Prefix] = true
		}
	}) {
		if step++; step == 5 {
			r.PeerDown(PeerKey{Addr: netip.AddrFrom4([4]byte{192, 0, 2, 0})}, 1)
		}
		r.Tick(1, 100)
	}
	if len(seen) != len(pfx) {
		t.Errorf("got %d routes that were there all the time, want %d", len(seen), len(pfx))
	}
}

func TestPathsAndWithin(t *testing.T) {
	r := New(NewIntern(), Options{})
	tell(r,
		told{view: AdjRIBOutPre, prefix: "10.0.0.0/8"},
		told{view: AdjRIBInPre, peer: "192.0.2.2", prefix: "10.0.0.0/8"},
		told{view: AdjRIBInPre, peer: "192.0.2.1", prefix: "10.0.0.0/8"},
		told{view: AdjRIBInPre, peer: "192.0.2.1", prefix: "10.0.0.0/24"},
		told{view: LocRIB, prefix: "0.0.0.0/0"},
		told{view: LocRIB, prefix: "192.0.2.0/24"},
		told{view: LocRIB, vrf: 1, prefix: "10.0.0.0/8"})
	list := func(seq func(func(Route) bool)) (out []string) {
		for rt := range seq {
			s := rt.View.String() + " " + rt.Prefix.String() + " " + rt.Peer.Addr.String()
			if rt.Best {
				s += " best"
			}
			out = append(out, s)
		}
		return out
	}
	check := func(name string, got, want []string) {
		t.Helper()
		if len(got) != len(want) {
			t.Errorf("%s: got %q, want %q", name, got, want)
			return
		}
		for i := range want {
			if got[i] != want[i] {
				t.Errorf("%s: got %q, want %q", name, got, want)
				return
			}
		}
	}
	check("paths", list(r.Paths(0, netip.MustParseAddr("10.0.0.1"))), []string{
		"loc-rib 0.0.0.0/0 0.0.0.0 best",
		"adj-rib-in-pre 10.0.0.0/24 192.0.2.1 best",
		"adj-rib-in-pre 10.0.0.0/8 192.0.2.1 best",
		"adj-rib-in-pre 10.0.0.0/8 192.0.2.2",
		"adj-rib-out-pre 10.0.0.0/8 0.0.0.0 best",
	})
	check("within", list(r.Within(0, netip.MustParsePrefix("10.0.0.0/8"))), []string{
		"adj-rib-in-pre 10.0.0.0/8 192.0.2.1 best",
		"adj-rib-in-pre 10.0.0.0/8 192.0.2.2",
		"adj-rib-in-pre 10.0.0.0/24 192.0.2.1 best",
		"adj-rib-out-pre 10.0.0.0/8 0.0.0.0 best",
	})
	for range r.Paths(0, netip.MustParseAddr("10.0.0.1")) {
		break // an early end must be heeded
	}
	check("no VRF", list(r.Paths(9, netip.MustParseAddr("10.0.0.1"))), nil)
	check("no address", list(r.Paths(0, netip.Addr{})), nil)
}
