package glass

import (
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/netip"
	"strings"
	"testing"

	"github.com/telcol/telcol/bmp"
	"github.com/telcol/telcol/bmp/bgp"
)

// bigPeer is the peer that tells the big tables.
func bigPeer(n byte) *bmp.Peer {
	a := netip.AddrFrom4([4]byte{10, 0, 0, n})
	return &bmp.Peer{Addr: a, BGPID: a, AS: 65000 + uint32(n), Time: 1_700_000_000e9}
}

// announceMany tells n prefixes from the first on.
func announceMany(b []byte, p *bmp.Peer, first, n int) []byte {
	for i := first; i < first+n; {
		var list []bgp.NLRI
		for ; i < first+n && len(list) < 200; i++ {
			list = append(list, bgp.NLRI{Prefix: prefixOf(i), Family: v4})
		}
		b = bmp.AppendRouteMonitoring(b, p, nil, list, attrs("10.0.0.9", 65001, uint32(i)))
	}
	return b
}

func prefixOf(i int) netip.Prefix {
	return netip.PrefixFrom(netip.AddrFrom4([4]byte{20 + byte(i>>16), byte(i >> 8), byte(i), 0}), 24)
}

// follow reads a list page by page by its Link headers, and gives the number of pages.
func follow[T interface{ more() string }](t *testing.T, x *world, path string, each func(T)) (pages int) {
	t.Helper()
	for path != "" {
		if pages++; pages > 10_000 {
			t.Fatal("a list without an end")
		}
		v, link := pageAndNext[T](t, x, path)
		each(v)
		next, _, _ := strings.Cut(strings.TrimPrefix(link, "<"), ">")
		if (next == "") != (v.more() == "") {
			t.Fatalf("%s: link %q, next %q", path, link, v.more())
		}
		path = next
	}
	return pages
}

// TestRoutesWhileTheyChange pages over a big table while one peer withdraws, announces and goes: each route of the other is given exactly
// once, and no slice of the owner's work exceeds its bound.
func TestRoutesWhileTheyChange(t *testing.T) {
	x := newWorld(t)
	const n = 20_000
	x.play(t, "192.0.2.1", 1, announceMany(announceMany(nil, bigPeer(1), 0, n), bigPeer(2), 0, n))
	rnd := rand.New(rand.NewPCG(1, 2))
	slices := 0
	x.between = func() {
		slices++
		switch at := rnd.IntN(n); {
		case slices == 300:
			x.play(t, "192.0.2.1", 2, bmp.AppendPeerDown(nil, &bmp.PeerDown{Peer: *bigPeer(2), Reason: 1}))
		case slices%3 == 0:
			x.play(t, "192.0.2.1", 2, announceMany(nil, bigPeer(2), n+at, 50))
		case slices%3 == 1:
			x.play(t, "192.0.2.1", 2, bmp.AppendRouteMonitoring(nil, bigPeer(2), []bgp.NLRI{{Prefix: prefixOf(at), Family: v4}}, nil, nil))
		}
		x.corr.Tick(int64(slices), 2000)
	}
	seen := map[string]int{}
	pages := follow(t, x, "/devices/192.0.2.1/routes?limit=77&peer=10.0.0.1", func(v *Routes) {
		for _, r := range v.Routes {
			if r.Peer != "10.0.0.1" {
				t.Fatalf("got a route of %s", r.Peer)
			}
			seen[r.Prefix]++
		}
	})
	for i := range n {
		if c := seen[prefixOf(i).String()]; c != 1 {
			t.Errorf("%v was given %d times", prefixOf(i), c)
		}
	}
	if len(seen) != n || pages < n/77 {
		t.Errorf("got %d routes on %d pages, want %d", len(seen), pages, n)
	}
	if longest := x.Counters().Longest; longest == 0 || longest > sliceSteps+1024+1 {
		t.Errorf("a slice of %d steps, want no more than %d and the paths of a prefix", longest, sliceSteps)
	}
}

// TestPagesEndByWork holds that a question nothing answers to does not walk on for ever, and that its pages lead to the end.
func TestPagesEndByWork(t *testing.T) {
	if testing.Short() {
		t.Skip("walks over a table of a million routes")
	}
	x := newWorld(t)
	x.play(t, "192.0.2.1", 1, announceMany(announceMany(announceMany(nil, bigPeer(1), 0, 400_000), bigPeer(2), 0, 400_000), bigPeer(3), 0, 400_000))
	x.play(t, "192.0.2.1", 1, bmp.AppendRouteMonitoring(nil, bigPeer(3), nil, route(v4, 0, "223.0.0.0/8"), attrs("10.0.0.9", 1)))
	found, empty := 0, 0
	pages := follow(t, x, "/devices/192.0.2.1/routes?peer=10.0.0.3&best=true", func(v *Routes) {
		if found += len(v.Routes); len(v.Routes) == 0 {
			empty++
		}
	})
	if found != 1 || empty == 0 || pages < 2 {
		t.Errorf("got %d routes on %d pages, %d of them empty", found, pages, empty)
	}
	if longest := x.Counters().Longest; longest > sliceSteps+1025 {
		t.Errorf("a slice of %d steps", longest)
	}
}

// TestListsAreWhole pages over devices, peers and VRFs.
func TestListsAreWhole(t *testing.T) {
	x := newWorld(t)
	const n = 2500
	var stream []byte
	for i := range n {
		p := bmp.Peer{Type: bmp.PeerRD, Distinguisher: uint64(i + 1), Addr: netip.AddrFrom4([4]byte{10, 9, byte(i >> 8), byte(i)}), AS: 65000, Time: 1}
		p.BGPID = p.Addr
		stream = peerUp(stream, &p, fmt.Sprintf("vrf-%d", i%100))
		stream = bmp.AppendRouteMonitoring(stream, &p, nil, route(v4, 0, "10.0.0.0/8", "192.0.2.0/24"), attrs("10.0.0.9", 65000))
	}
	x.play(t, "192.0.2.1", 1, stream)
	for i := range 1500 {
		x.corr.Message(netip.AddrFrom4([4]byte{172, 16, byte(i >> 8), byte(i)}), []byte{0, 10}, 5)
	}
	var list []string
	collect := func(path string) []string {
		list = nil
		switch {
		case strings.HasSuffix(path, "peers?limit=300"):
			follow(t, x, path, func(v *Peers) {
				for _, p := range v.Peers {
					list = append(list, p.Peer+" "+p.Distinguisher)
				}
			})
		case strings.HasPrefix(path, "/devices?"):
			follow(t, x, path, func(v *Devices) {
				for _, d := range v.Devices {
					list = append(list, d.Device)
				}
			})
		case strings.Contains(path, "/lookup"):
			follow(t, x, path, func(v *Lookup) {
				for _, a := range v.Answers {
					if a.Join != "hit" || a.Route.Prefix != "10.0.0.0/8" {
						t.Errorf("%s: got %+v", path, a)
					}
					list = append(list, a.RD)
				}
			})
		default:
			follow(t, x, path, func(v *VRFs) {
				for _, r := range v.VRFs {
					if r.Routes != 2 {
						t.Errorf("VRF %s has %d routes", r.RD, r.Routes)
					}
					list = append(list, r.RD)
				}
			})
		}
		return list
	}
	for path, want := range map[string]int{
		"/devices?limit=7":                                                n - 1000 + 1,
		"/devices/192.0.2.1/peers?limit=300":                              n,
		"/devices/192.0.2.1/vrfs?limit=300":                               n,
		"/devices/192.0.2.1/vrfs?limit=10&vrf=vrf-7":                      n / 100,
		"/devices/192.0.2.1/lookup?limit=300&vrf=all&address=10.1.2.3":    n,
		"/devices/192.0.2.1/lookup?vrf=vrf-7&address=10.1.2.3":            n / 100,
		"/devices/192.0.2.1/lookup?vrf=0:0:55&address=10.1.2.3&limit=100": 1,
	} {
		got := collect(path)
		different := map[string]bool{}
		for _, v := range got {
			different[v] = true
		}
		if len(got) != want || len(different) != want {
			t.Errorf("%s: got %d lines, %d different, want %d", path, len(got), len(different), want)
		}
	}
	if longest := x.Counters().Longest; longest > sliceSteps+lineSteps*20 {
		t.Errorf("a slice of %d steps", longest)
	}
}

// TestPagesAreBoundedInSize holds that long attributes end a page early.
func TestPagesAreBoundedInSize(t *testing.T) {
	x := newWorld(t)
	path := make([]uint32, 900)
	for i := range path {
		path[i] = 4_000_000_000 + uint32(i)
	}
	var b []byte
	for i := range 4000 {
		a := attrs("10.0.0.9", path...)
		a.ASPath[0] = uint32(i)
		b = bmp.AppendRouteMonitoring(b, bigPeer(1), nil, []bgp.NLRI{{Prefix: prefixOf(i), Family: v4}}, a)
	}
	x.play(t, "192.0.2.1", 1, b)
	w := x.get("/devices/192.0.2.1/routes?limit=10000")
	if w.Code != http.StatusOK || w.Body.Len() > 2*maxPageBytes || w.Header().Get("Link") == "" {
		t.Errorf("status %d, %d octets, link %q", w.Code, w.Body.Len(), w.Header().Get("Link"))
	}
}
