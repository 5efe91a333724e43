package bmp

import (
	"bytes"
	"errors"
	"io"
	"math/rand/v2"
	"net/netip"
	"testing"

	"github.com/telcol/telcol/bmp/bgp"
)

// tableStream is a router's dump of a table like the Internet's: IPv4 and IPv6 routes in order of their prefixes, one
// a message as most routers send it, attribute sets used by a zipf law.
func tableStream(routes, sets int) []byte {
	r := rand.New(rand.NewPCG(15, 16))
	z := rand.NewZipf(r, 1.1, 8, uint64(sets-1))
	attrs := make([]*Attributes, sets)
	for i := range attrs {
		a := attrsOf(64496)
		for range 2 + r.IntN(4) {
			a.ASPath = append(a.ASPath, 1+r.Uint32N(400000))
		}
		for range r.IntN(9) {
			a.Communities = append(a.Communities, r.Uint32())
		}
		attrs[i] = a
	}
	var b []byte
	for i := range routes {
		n := NLRI{Family: bgp.IPv4Unicast, Prefix: netip.PrefixFrom(netip.AddrFrom4([4]byte{byte(i >> 16), byte(i >> 8), byte(i)}), 24)}
		a := *attrs[z.Uint64()]
		if i%6 == 5 {
			n.Family = bgp.IPv6Unicast
			n.Prefix = netip.PrefixFrom(netip.AddrFrom16([16]byte{0x20, 1, byte(i >> 16), byte(i >> 8), byte(i)}), 48)
			a.NextHop = netip.AddrFrom16([16]byte{0x20, 1, 15: 1})
		}
		b = AppendRouteMonitoring(b, &peer4, nil, []NLRI{n}, &a)
	}
	return b
}

// BenchmarkTable reads, frames and decodes a table dump; ns/op is for one route.
func BenchmarkTable(b *testing.B) {
	const routes = 200_000
	stream := tableStream(routes, 64_000)
	for _, tt := range []struct {
		name string
		new  func() *bgp.Cache
	}{
		{"fresh-cache", func() *bgp.Cache { return bgp.NewCache(bgp.CacheConfig{}) }},
		{"small-cache", func() *bgp.Cache { return bgp.NewCache(bgp.CacheConfig{MaxEntries: 4096}) }},
	} {
		b.Run(tt.name, func(b *testing.B) {
			b.ReportAllocs()
			var s *Session
			r := NewReader(bytes.NewReader(nil), 0, nil)
			for b.Loop() {
				msg, err := r.Next()
				if errors.Is(err, io.EOF) {
					r = NewReader(bytes.NewReader(stream), 0, nil)
					s = NewSession(Config{Cache: tt.new()})
					continue
				}
				if err != nil {
					b.Fatal(err)
				}
				if _, err := s.Decode(msg); err != nil {
					b.Fatal(err)
				}
			}
			if c := s.Counters().BGP; c.CacheHits > 0 {
				b.ReportMetric(float64(c.CacheHits)/float64(c.CacheHits+c.CacheMisses), "hits")
			}
		})
	}
}

func BenchmarkAppendRouteMonitoring(b *testing.B) {
	routes := []NLRI{{Family: bgp.IPv4Unicast, Prefix: prefix("192.0.2.0/24")}}
	a := attrsOf(64496, 64497, 64498)
	var buf []byte
	b.ReportAllocs()
	for b.Loop() {
		buf = AppendRouteMonitoring(buf[:0], &peer4, nil, routes, a)
	}
}

// A route whose attributes are known costs no allocation from the stream to the values.
func TestAllocations(t *testing.T) {
	msg := AppendRouteMonitoring(nil, &peer4, nil, []NLRI{{Family: bgp.IPv4Unicast, Prefix: prefix("192.0.2.0/24")}}, attrsOf(64496))
	stream := bytes.Repeat(msg, 2000)
	s := NewSession(Config{})
	r := NewReader(bytes.NewReader(stream), 0, nil)
	allocs := testing.AllocsPerRun(1500, func() {
		m, err := r.Next()
		if err != nil {
			t.Fatal(err)
		}
		if _, err := s.Decode(m); err != nil {
			t.Fatal(err)
		}
	})
	if allocs != 0 {
		t.Errorf("%v allocations", allocs)
	}
}
