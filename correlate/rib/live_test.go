package rib

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"reflect"
	"slices"
	"testing"
)

// liveOf writes the whole live image of a RIB, so many routes a slice.
func liveOf(r *RIB, budget int) []byte {
	w := r.Live()
	var b []byte
	for more := true; more; {
		b, more = w.Append(b, budget)
	}
	return b
}

// livePeer is all of a peer but its place, with its sources by view and family.
type livePeer struct {
	peer
	of map[string]source
}

// liveState gives all that a live image keeps beside the routes.
func liveState(r *RIB) map[PeerKey]livePeer {
	all := make(map[PeerKey]livePeer)
	for k, p := range r.peers {
		l := livePeer{*p, make(map[string]source)}
		l.sources = nil
		for _, s := range p.sources {
			c := *s
			c.id, c.peer, c.current, c.old, c.cached, c.cachedFeed = 0, nil, nil, nil, feedKey{}, 0
			l.of[fmt.Sprint(s.view, s.family)] = c
		}
		all[k] = l
	}
	return all
}

// liveRoute is a route with all that is known of it.
type liveRoute struct {
	imageRoute
	Stale        bool
	Since, Valid int64
}

func liveRoutes(r *RIB) []liveRoute {
	var all []liveRoute
	for _, t := range r.tables {
		for i := t.arena.next(0); i != none; i = t.arena.next(i + 1) {
			e := t.arena.at(i)
			f := &r.feeds[e.feed()]
			if f.dead {
				continue
			}
			rt := r.route(t, i, t.arena.prefix(i))
			all = append(all, liveRoute{
				imageRoute{rt.VRF, rt.View, rt.Peer, rt.Family, rt.Prefix, rt.PathID, rt.HasPathID, *rt.Attrs, rt.Time}, rt.Stale, f.since, r.since(e),
			})
		}
	}
	slices.SortFunc(all, func(a, b liveRoute) int {
		return bytes.Compare([]byte(describe(a.imageRoute)), []byte(describe(b.imageRoute)))
	})
	return all
}

// TestLiveRestoresEverything takes up live images of random RIBs.
func TestLiveRestoresEverything(t *testing.T) {
	for seed := range uint64(12) {
		data := make([]byte, 1<<15)
		rnd := rand.New(rand.NewPCG(seed, 7))
		for i := range data {
			data[i] = byte(rnd.Uint32())
		}
		x := newWorld(t, data, Options{})
		for len(x.data) > 1<<14 {
			x.step()
		}
		r := x.r
		for _, budget := range []int{1, 7, 1 << 20} {
			back := New(NewIntern(), r.opt)
			n, err := back.RestoreLive(bytes.NewReader(liveOf(r, budget)), r.now)
			if err != nil || n != r.Routes() || back.Routes() != n {
				t.Fatalf("seed %d: %d routes, error %v; want %d", seed, n, err, r.Routes())
			}
			if got, want := liveState(back), liveState(r); !reflect.DeepEqual(got, want) {
				t.Fatalf("seed %d: peers and sources\n%+v, want\n%+v", seed, got, want)
			}
			if got, want := liveRoutes(back), liveRoutes(r); !reflect.DeepEqual(got, want) {
				t.Fatalf("seed %d: other routes came back", seed)
			}
			if back.syncing != r.syncing || back.dumping != r.dumping || back.bare != r.bare || back.lastDump != r.lastDump ||
				back.refusing != r.refusing || back.peersOver != r.peersOver {
				t.Fatalf("seed %d: counts differ", seed)
			}
			compareLookups(t, rnd, back, r)
		}
	}
}

// compareLookups asks both RIBs the same.
func compareLookups(t *testing.T, rnd *rand.Rand, got, want *RIB) {
	t.Helper()
	for rt := range slices.Values(liveRoutes(want)) {
		var a, b Match
		addr := rt.Prefix.Addr()
		if rnd.IntN(2) == 0 {
			addr = addr.Next()
		}
		ra, rb := got.Lookup(rt.VRF, addr, netip.Addr{}, &a), want.Lookup(rt.VRF, addr, netip.Addr{}, &b)
		if ra != rb || a.Prefix != b.Prefix || a.State != b.State || a.Peer != b.Peer || !reflect.DeepEqual(a.Attrs, b.Attrs) {
			t.Fatalf("%s in %s: got %v %+v, want %v %+v", addr, rt.VRF, ra, a, rb, b)
		}
	}
}

func TestLiveQuotas(t *testing.T) {
	r := randomRIB(t, 3)
	b := liveOf(r, 100)
	back := New(NewIntern(), Options{MaxRoutes: 5, MaxPeers: 2})
	n, err := back.RestoreLive(bytes.NewReader(b), r.now)
	if err != nil || n > 5 || back.Routes() != n || len(back.peers) > 2 || back.refusing == 0 {
		t.Errorf("%d routes, %d peers, error %v", n, len(back.peers), err)
	}
	if _, err := back.RestoreLive(bytes.NewReader(b), r.now); err == nil {
		t.Error("taken up twice")
	}
}

func TestLiveDamaged(t *testing.T) {
	r := randomRIB(t, 5)
	b := liveOf(r, 1<<20)
	in := NewIntern()
	for i := 0; i < len(b); i += 1 + i/20 {
		for name, bad := range map[string][]byte{"cut": b[:i], "flipped": slices.Concat(b[:i], []byte{b[i] ^ 0x10}, b[i+1:])} {
			back := New(in, Options{})
			if _, err := back.RestoreLive(bytes.NewReader(bad), r.now); !errors.Is(err, ErrImage) {
				t.Fatalf("octet %d %s: got error %v", i, name, err)
			}
			if back.Routes() != 0 || len(back.peers) != 0 {
				t.Fatalf("octet %d %s: something stays", i, name)
			}
			for back.Tick(r.now, 1<<20) {
			}
		}
	}
	if n := in.Len(); n != 0 {
		t.Errorf("%d sets of attributes stay", n)
	}
}

// FuzzLive takes up octets as the blocks of a live image, with right checksums, and lets time pass.
func FuzzLive(f *testing.F) {
	small := newClocked(f, Options{})
	for i := range int64(5) {
		small.set("10.1.0.0/16", uint32(100+i), 1010+i)
		small.set("2001:db8::/32", uint32(100+i), 1010+i)
	}
	small.unset("2001:db8::/32", 1020)
	seeds := []*RIB{small.r}
	for i := range byte(4) {
		data := make([]byte, 1200)
		rand.NewChaCha8([32]byte{i}).Read(data)
		x := newWorld(f, data, Options{})
		for len(x.data) > 0 {
			x.step()
		}
		seeds = append(seeds, x.r)
	}
	for _, r := range seeds {
		b := liveOf(r, 50)[len(liveMagic):]
		var bare []byte // without checksums
		for len(b) > 0 {
			n := blockHeader + int(binary.BigEndian.Uint32(b[1:]))
			bare = append(bare, b[:n]...)
			b = b[n+4:]
		}
		f.Add(bare)
	}
	f.Fuzz(func(t *testing.T, bare []byte) {
		image := []byte(liveMagic)
		for len(bare) > blockHeader {
			n := min(len(bare), blockHeader+int(binary.BigEndian.Uint32(bare[1:])))
			at := len(image)
			image = closeBlock(append(image, bare[:n]...), at)
			bare = bare[n:]
		}
		in := NewIntern()
		back := New(in, Options{MaxPaths: 8})
		_, err := back.RestoreLive(bytes.NewReader(image), 1)
		if err != nil && back.Routes() != 0 {
			t.Fatal("routes after an error")
		}
		if err == nil {
			if err := back.check(); err != nil {
				t.Fatal(err)
			}
		}
		var m Match
		for _, vrf := range worldVRFs {
			for _, addr := range worldAddrs {
				back.LookupAt(vrf, addr, worldHops[0], 1015e9, &m)
				back.Lookup(vrf, addr, worldHops[0], &m)
			}
		}
		for k := range back.peers {
			back.PeerUp(k, PeerInfo{}, 2)
			back.EndOfRIB(k, AdjRIBInPre, IPv4Unicast, 2)
		}
		for n := 0; back.Tick(2, 1<<10); n++ {
			if n > 1<<16 {
				t.Fatal("the clean-up has no end")
			}
		}
		back.Clear()
		for back.Tick(3, 1<<20) {
		}
		if n := in.Len(); n != 0 {
			t.Fatalf("%d sets of attributes stay", n)
		}
	})
}
