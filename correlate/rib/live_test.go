package rib

import (
	"bytes"
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

// FuzzLive takes up octets as the blocks of a live image, with right checksums.
func FuzzLive(f *testing.F) {
	r := randomRIB(f, 11)
	b := liveOf(r, 50)[len(liveMagic):]
	for len(b) > 0 {
		n := blockHeader + int(b[1])<<24 + int(b[2])<<16 + int(b[3])<<8 + int(b[4])
		f.Add(b[0], b[blockHeader:n], b[0], b[blockHeader:min(n, 40)])
		b = b[n+4:]
	}
	states := New(NewIntern(), Options{}).Live().appendStates(nil)
	f.Fuzz(func(t *testing.T, kind1 byte, one []byte, kind2 byte, two []byte) {
		image := append([]byte(liveMagic), states...)
		for _, x := range []struct {
			kind    byte
			payload []byte
		}{{kind1, one}, {blockTable, make([]byte, 9)}, {kind2, two}} {
			if x.kind == blockTable && len(x.payload) == 9 {
				x.payload = append(x.payload, 4)
			}
			at := len(image)
			image = closeBlock(append(openBlock(image, x.kind), x.payload...), at)
		}
		in := NewIntern()
		back := New(in, Options{})
		if _, err := back.RestoreLive(bytes.NewReader(image), 1); err != nil && back.Routes() != 0 {
			t.Fatal("routes after an error")
		}
		back.Clear()
		for back.Tick(2, 1<<20) {
		}
		if n := in.Len(); n != 0 {
			t.Fatalf("%d sets of attributes stay", n)
		}
	})
}
