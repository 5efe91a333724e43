package bgp

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"testing"

	gobgp "github.com/osrg/gobgp/v3/pkg/packet/bgp"
)

// internetAttributes makes the attributes of a usual Internet route: a path of 3 to 6, a few communities.
func internetAttributes(r *rand.Rand) *Attributes {
	a := &Attributes{HasOrigin: true, HasASPath: true, HasLocalPref: true, LocalPref: 100, NextHop: netip.AddrFrom4([4]byte{192, 0, 2, 1})}
	for range 3 + r.IntN(4) {
		a.ASPath = append(a.ASPath, 1+r.Uint32N(400000))
	}
	for range r.IntN(9) {
		a.Communities = append(a.Communities, r.Uint32())
	}
	if r.IntN(3) == 0 {
		a.LargeCommunities = append(a.LargeCommunities, [3]uint32{r.Uint32(), 1, 2})
	}
	return a
}

// internetBodies makes UPDATE bodies with distinct attributes and some /24 each.
func internetBodies(n, routes int) [][]byte {
	r := rand.New(rand.NewPCG(11, uint64(routes)))
	bodies := make([][]byte, n)
	for i := range bodies {
		var l []NLRI
		for range routes {
			a := r.Uint32()
			l = append(l, NLRI{
				Family: IPv4Unicast,
				Prefix: netip.PrefixFrom(netip.AddrFrom4([4]byte{byte(a >> 24), byte(a >> 16), byte(a >> 8)}), 24),
			})
		}
		msg, _, _ := AppendUpdate(nil, nil, l, internetAttributes(r), AS4)
		bodies[i] = msg[HeaderSize:]
	}
	return bodies
}

func BenchmarkDecodeUpdate(b *testing.B) {
	for _, routes := range []int{1, 10, 200} {
		b.Run(fmt.Sprintf("routes=%d/hit", routes), func(b *testing.B) { benchmarkDecode(b, internetBodies(64, routes), nil) })
	}
	b.Run("routes=1/hit-among-64k", func(b *testing.B) {
		benchmarkDecode(b, internetBodies(64000, 1), NewCache(CacheConfig{MaxEntries: 1 << 20, MaxBytes: 1 << 30}))
	})
	b.Run("routes=1/miss", func(b *testing.B) { benchmarkDecode(b, internetBodies(4096, 1), NewCache(CacheConfig{MaxBytes: 1})) })
}

func benchmarkDecode(b *testing.B, bodies [][]byte, c *Cache) {
	d := NewDecoder(Config{Cache: c})
	for _, body := range bodies {
		mustDecode(b, d, body, Params{})
	}
	b.ReportAllocs()
	r := rand.New(rand.NewPCG(1, 1))
	for b.Loop() {
		if _, err := d.DecodeUpdate(bodies[r.IntN(len(bodies))], Params{}); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkGobgp is the same work by gobgp alone, for the ratio.
func BenchmarkGobgp(b *testing.B) {
	for _, routes := range []int{1, 10, 200} {
		b.Run(fmt.Sprintf("routes=%d", routes), func(b *testing.B) {
			bodies := internetBodies(64, routes)
			b.ReportAllocs()
			r := rand.New(rand.NewPCG(1, 1))
			for b.Loop() {
				var u gobgp.BGPUpdate
				if err := u.DecodeFromBytes(bodies[r.IntN(len(bodies))]); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkAppendUpdate(b *testing.B) {
	r := rand.New(rand.NewPCG(1, 1))
	a := internetAttributes(r)
	routes := []NLRI{randomNLRI(r, IPv4Unicast, false)}
	var buf []byte
	b.ReportAllocs()
	for b.Loop() {
		buf, _, _ = AppendUpdate(buf[:0], nil, routes, a, AS4)
	}
}

// Known attributes cost no allocation, whatever the family.
func TestAllocations(t *testing.T) {
	r := rand.New(rand.NewPCG(13, 14))
	for _, f := range allFamilies {
		d := NewDecoder(Config{})
		var routes, gone []NLRI
		for range 50 {
			routes, gone = append(routes, randomNLRI(r, f, true)), append(gone, randomNLRI(r, f, true))
		}
		p := Params{AddPath: []Family{f}}
		announce, _, _ := AppendUpdate(nil, nil, routes, randomAttributes(r, f.AFI() == AFIIPv6), AS4)
		withdraw, _, _ := AppendUpdate(nil, gone, nil, nil, AS4)
		allocs := testing.AllocsPerRun(100, func() {
			for _, msg := range [][]byte{announce, withdraw} {
				if _, err := d.DecodeUpdate(msg[HeaderSize:], p); err != nil {
					t.Fatal(err)
				}
			}
		})
		if allocs != 0 {
			t.Errorf("%v: %v allocations", f, allocs)
		}
	}
}
