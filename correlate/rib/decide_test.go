package rib

import (
	"fmt"
	"net/netip"
	"testing"
)

// path is a candidate for a prefix in a test of the decision process.
type path struct {
	peer  int // last octet of the peer's address
	id    string
	as    uint32 // of the peer; the device is in 64496
	safi  uint8
	path  uint32 // path id, 0 for none
	attrs Attrs
}

func med(v uint32, as ...uint32) Attrs {
	return Attrs{HasMED: true, MED: v, ASPath: as, PathLength: uint16(len(as))}
}

func TestDecisionSteps(t *testing.T) {
	id := func(s string) Attrs { return Attrs{OriginatorID: netip.MustParseAddr(s)} }
	for _, c := range []struct {
		name  string
		paths []path // the first one wins
	}{
		{"highest local preference", []path{{attrs: Attrs{HasLocalPref: true, LocalPref: 101, PathLength: 9}}, {attrs: Attrs{}}}},
		{"local preference defaults to 100", []path{{attrs: Attrs{PathLength: 9}}, {attrs: Attrs{HasLocalPref: true, LocalPref: 99}}}},
		{"shortest path", []path{{attrs: Attrs{PathLength: 1}}, {attrs: Attrs{PathLength: 2, HasOrigin: true}}}},
		{"length counts, not the sequence", []path{{attrs: Attrs{PathLength: 1, ASPath: []uint32{1, 2, 3}}}, {attrs: Attrs{PathLength: 2}}}},
		{"lowest origin", []path{{attrs: Attrs{HasOrigin: true, Origin: OriginIGP}}, {attrs: Attrs{HasOrigin: true, Origin: OriginEGP}}}},
		{"no origin is incomplete", []path{{attrs: Attrs{HasOrigin: true, Origin: OriginEGP}}, {attrs: Attrs{}}}},
		{"lowest MED of one neighbour", []path{{peer: 9, attrs: med(1, 65001)}, {peer: 1, attrs: med(2, 65001)}}},
		{"no MED is the lowest", []path{{peer: 9, attrs: Attrs{ASPath: []uint32{65001}, PathLength: 1}}, {peer: 1, attrs: med(2, 65001)}}},
		{"MEDs of several neighbours do not compare", []path{{peer: 1, attrs: med(2, 65002)}, {peer: 9, attrs: med(1, 65001)}}},
		{"MED removes before the rest decides", []path{
			{peer: 5, attrs: med(7, 65002)}, {peer: 9, attrs: med(1, 65001)}, {peer: 1, attrs: med(2, 65001)},
		}},
		{"external before internal", []path{{peer: 9, as: 65001}, {peer: 1, as: 64496}}},
		{"peer of unknown AS is not external", []path{{peer: 9, as: 65001}, {peer: 1, as: 0}}},
		{"lowest originator", []path{{peer: 9, attrs: id("10.0.0.1")}, {peer: 1, attrs: id("10.0.0.2")}}},
		{"BGP identifier where there is no originator", []path{{peer: 9, id: "10.0.0.1"}, {peer: 1, attrs: id("10.0.0.2")}}},
		{"unknown identifier loses", []path{{peer: 9, id: "255.0.0.1"}, {peer: 1}}},
		{"shortest cluster list", []path{{peer: 9, attrs: Attrs{ClusterLength: 1}}, {peer: 1, attrs: Attrs{ClusterLength: 2}}}},
		{"lowest peer address", []path{{peer: 1}, {peer: 2}}},
		{"lowest path id", []path{{peer: 1, path: 3}, {peer: 1, path: 4}}},
		{"route without path id first", []path{{peer: 1}, {peer: 1, path: 1}}},
		{"plain before labelled", []path{{peer: 1, safi: 1}, {peer: 1, safi: 4}}},
	} {
		t.Run(c.name, func(t *testing.T) {
			for first := range c.paths {
				r := New(NewIntern(), Options{})
				for n := range c.paths {
					n = (n + first) % len(c.paths)
					announcePath(r, n, c.paths[n])
				}
				var m Match
				if got := r.Lookup(0, netip.MustParseAddr("10.0.0.1"), netip.Addr{}, &m); got != Found {
					t.Fatalf("got %v", got)
				}
				if m.Time != 0 {
					t.Errorf("beginning with path %d: got path %d, want 0", first, m.Time/1000)
				}
			}
		})
	}
}

// announcePath tells path n of a test; its time is its number.
func announcePath(r *RIB, n int, p path) {
	k := PeerKey{Addr: netip.AddrFrom4([4]byte{192, 0, 2, byte(p.peer)})}
	info := PeerInfo{AS: p.as, LocalAS: 64496, Session: 1}
	if p.id != "" {
		info.BGPID = netip.MustParseAddr(p.id)
	}
	r.PeerUp(k, info, 0)
	if p.peer == 0 { // told apart by path ids alone
		p.path = uint32(n + 1)
	}
	s := r.Source(k, AdjRIBInPre, Family{1, max(p.safi, 1)})
	a := r.in.Acquire(fmt.Append(nil, p.attrs), func() Attrs { return p.attrs })
	r.Announce(s, 0, netip.MustParsePrefix("10.0.0.0/8"), p.path, p.path > 0, a, int64(n)*1000)
}

func TestPeerInfoReordersPaths(t *testing.T) {
	r := New(NewIntern(), Options{})
	announcePath(r, 0, path{peer: 1})
	announcePath(r, 1, path{peer: 2})
	winner := func() int64 {
		var m Match
		r.Lookup(0, netip.MustParseAddr("10.0.0.1"), netip.Addr{}, &m)
		return m.Time / 1000
	}
	if got := winner(); got != 0 {
		t.Fatalf("got path %d, want 0 by the peer's address", got)
	}
	k := PeerKey{Addr: netip.AddrFrom4([4]byte{192, 0, 2, 2})}
	r.PeerUp(k, PeerInfo{AS: 65001, LocalAS: 64496, Session: 1}, 0)
	for _, when := range []string{"before", "after"} {
		if got := winner(); got != 1 {
			t.Errorf("%s the clean-up: got path %d, want 1 as external", when, got)
		}
		for r.Tick(0, 1) {
		}
	}
	if err := r.check(); err != nil {
		t.Error(err)
	}
}
