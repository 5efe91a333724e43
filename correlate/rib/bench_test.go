package rib

import (
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"runtime"
	"syscall"
	"testing"
	"time"

	"github.com/gaissmai/bart"
	"golang.org/x/sys/unix"
)

// feedOf makes n prefixes of the Internet's shape: most are /24 and /48, many lie within other ones, one in six is IPv6.
func feedOf(n int) []netip.Prefix {
	rnd := rand.New(rand.NewPCG(1, 2))
	seen := make(map[netip.Prefix]bool, n)
	out := make([]netip.Prefix, 0, n)
	add := func(p netip.Prefix) {
		if p = p.Masked(); !seen[p] {
			seen[p] = true
			out = append(out, p)
		}
	}
	for len(out) < n*5/6 {
		var b [4]byte
		binary.BigEndian.PutUint32(b[:], rnd.Uint32())
		b[0] = 1 + b[0]%222
		alloc := 12 + rnd.IntN(10)
		add(netip.PrefixFrom(netip.AddrFrom4(b), alloc))
		for range rnd.IntN(24) {
			binary.BigEndian.PutUint16(b[2:], uint16(rnd.Uint32()))
			bits := 24
			if rnd.IntN(3) == 0 {
				bits = alloc + rnd.IntN(25-alloc)
			}
			add(netip.PrefixFrom(netip.AddrFrom4(b), bits))
		}
	}
	for len(out) < n {
		b := [16]byte{0x20 + byte(rnd.IntN(10)), byte(rnd.Uint32())}
		binary.BigEndian.PutUint32(b[2:], rnd.Uint32())
		add(netip.PrefixFrom(netip.AddrFrom16(b), 32))
		for range rnd.IntN(12) {
			binary.BigEndian.PutUint16(b[4:], uint16(rnd.Uint32()))
			bits := 48
			if rnd.IntN(2) == 0 {
				bits = 33 + rnd.IntN(15)
			}
			add(netip.PrefixFrom(netip.AddrFrom16(b), bits))
		}
	}
	out = out[:n]
	rnd.Shuffle(len(out), func(i, j int) { out[i], out[j] = out[j], out[i] })
	return out
}

// fullKey gives the octets of attribute set i, about 90 of them, and its decoded form.
func fullSet(b []byte, i uint32) ([]byte, func() Attrs) {
	b = append(b[:0], make([]byte, 90)...)
	binary.BigEndian.PutUint32(b[40:], i)
	return b, func() Attrs {
		return Attrs{
			NextHop: netip.AddrFrom4([4]byte{198, 51, 100, byte(i)}), ASPath: []uint32{64496 + i%8, 64500 + i, 64501, 64502 + i>>2},
			PathLength: 4, HasOrigin: true, Communities: []uint32{i, i + 1, i + 2, i + 3, i + 4},
			LargeCommunities: [][3]uint32{{i, 1, 2}},
		}
	}
}

// fill loads the prefixes from so many peers, each with 64 k attribute sets used by a zipf law.
func fill(r *RIB, pfx []netip.Prefix, view View, peers int) {
	rnd := rand.New(rand.NewPCG(3, 4))
	zipf := rand.NewZipf(rnd, 1.1, 8, 1<<16-1)
	var buf []byte
	for n := range peers {
		k := PeerKey{Addr: netip.AddrFrom4([4]byte{192, 0, 2, byte(n)})}
		r.PeerUp(k, PeerInfo{AS: 64496, LocalAS: 64499, BGPID: k.Addr}, 0)
		for _, p := range pfx {
			f := IPv4Unicast
			if p.Addr().Is6() {
				f = IPv6Unicast
			}
			var decode func() Attrs
			buf, decode = fullSet(buf, uint32(n)<<16|uint32(zipf.Uint64()))
			r.Announce(r.Source(k, view, f), 0, p, 0, false, r.in.Acquire(buf, decode), 1e18)
		}
	}
}

func heap() uint64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

// BenchmarkInsert loads a table and reports time and memory per route, attributes included.
func BenchmarkInsert(b *testing.B) {
	for _, n := range []int{100_000, 1_000_000} {
		pfx := feedOf(n)
		for _, peers := range []int{1, 4} {
			b.Run(fmt.Sprintf("routes=%d/peers=%d", n, peers), func(b *testing.B) {
				var bytes, attrs, est uint64
				for b.Loop() {
					b.StopTimer()
					before := heap()
					in := NewIntern()
					r := New(in, Options{})
					b.StartTimer()
					fill(r, pfx, AdjRIBInPre, peers)
					b.StopTimer()
					bytes, attrs, est = heap()-before, uint64(in.Bytes()), uint64(r.Totals().Bytes)
					runtime.KeepAlive(r)
					b.StartTimer()
				}
				routes := float64(n * peers)
				b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/routes, "ns/route")
				b.ReportMetric(float64(bytes)/routes, "B/route")
				b.ReportMetric(float64(attrs)/routes, "attrB/route")
				b.ReportMetric(float64(est)/routes, "estB/route")
			})
		}
	}
}

// targets draws addresses within the prefixes, uniformly or by a zipf law.
func targets(pfx []netip.Prefix, zipf bool) []netip.Addr {
	rnd := rand.New(rand.NewPCG(5, 6))
	z := rand.NewZipf(rnd, 1.1, 8, uint64(len(pfx)-1))
	out := make([]netip.Addr, 1<<18)
	for i := range out {
		n := rnd.IntN(len(pfx))
		if zipf {
			n = int(z.Uint64())
		}
		p := pfx[n]
		if p.Addr().Is4() {
			a := p.Addr().As4()
			binary.BigEndian.PutUint32(a[:], binary.BigEndian.Uint32(a[:])|rnd.Uint32()>>p.Bits())
			out[i] = netip.AddrFrom4(a)
		} else {
			a := p.Addr().As16()
			binary.BigEndian.PutUint64(a[8:], rnd.Uint64())
			out[i] = netip.AddrFrom16(a)
		}
	}
	return out
}

// loop runs fn and reports the CPU time of its thread too, which says more than the wall clock on a busy machine.
func loop(b *testing.B, fn func(i int)) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	cpu := func() int64 {
		const thisThread = 1 // RUSAGE_THREAD
		var u syscall.Rusage
		if err := syscall.Getrusage(thisThread, &u); err != nil {
			b.Fatal(err)
		}
		return u.Utime.Nano() + u.Stime.Nano()
	}
	start := cpu()
	i := 0
	for b.Loop() {
		fn(i)
		i++
	}
	b.ReportMetric(float64(cpu()-start)/float64(b.N), "cpu-ns/op")
}

// BenchmarkLookup compares lookups with those of a bare trie of the same prefixes.
func BenchmarkLookup(b *testing.B) {
	for _, n := range []int{300, 100_000, 1_000_000} {
		pfx := feedOf(n)
		var bare bart.Table[uint32]
		for i, p := range pfx {
			bare.Insert(p, uint32(i))
		}
		ribs := map[int]*RIB{1: New(NewIntern(), Options{}), 4: New(NewIntern(), Options{})}
		for peers, r := range ribs {
			fill(r, pfx, AdjRIBInPre, peers)
			for range 5000 {
				r.Tick(1, 0) // moves the tables to huge pages
			}
		}
		for _, draw := range []string{"uniform", "zipf"} {
			addrs := targets(pfx, draw == "zipf")
			mask := len(addrs) - 1
			b.Run(fmt.Sprintf("bare/routes=%d/%s", n, draw), func(b *testing.B) {
				loop(b, func(i int) { bare.Lookup(addrs[i&mask]) })
			})
			b.Run(fmt.Sprintf("bare-lpm/routes=%d/%s", n, draw), func(b *testing.B) {
				loop(b, func(i int) {
					a := addrs[i&mask]
					bare.LookupPrefixLPM(netip.PrefixFrom(a, a.BitLen()))
				})
			})
			for _, peers := range []int{1, 4} {
				for _, hop := range []netip.Addr{{}, netip.MustParseAddr("198.51.100.9")} {
					b.Run(fmt.Sprintf("rib/routes=%d/%s/peers=%d/hop=%v", n, draw, peers, hop.IsValid()), func(b *testing.B) {
						var m Match
						r := ribs[peers]
						b.ReportAllocs()
						loop(b, func(i int) {
							if r.Lookup(0, addrs[i&mask], hop, &m) != Found {
								b.Fatal("not found")
							}
						})
					})
					b.Run(fmt.Sprintf("as-of/routes=%d/%s/peers=%d/hop=%v", n, draw, peers, hop.IsValid()), func(b *testing.B) {
						var m Match
						r := ribs[peers]
						b.ReportAllocs()
						loop(b, func(i int) {
							if r.LookupAt(0, addrs[i&mask], hop, 1e18, &m) != Found || !m.AsOf {
								b.Fatal("not found as of then")
							}
						})
					})
				}
			}
		}
	}
}

// threadTime is the CPU time of the thread: on a machine that others use, the wall clock shows their pauses.
func threadTime(b *testing.B) time.Duration {
	var t unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_THREAD_CPUTIME_ID, &t); err != nil {
		b.Fatal(err)
	}
	return time.Duration(t.Nano())
}

// BenchmarkSweep kills a peer of a 1 M-route device and measures what each slice of the clean-up takes in CPU time.
func BenchmarkSweep(b *testing.B) {
	pfx := feedOf(1_000_000)
	const slice = 1000
	for _, peers := range []int{1, 2} {
		b.Run(fmt.Sprintf("peers=%d", peers), func(b *testing.B) {
			runtime.LockOSThread()
			defer runtime.UnlockOSThread()
			var down, worst, total time.Duration
			slices := 0
			for b.Loop() {
				b.StopTimer()
				r := New(NewIntern(), Options{})
				fill(r, pfx, AdjRIBInPre, peers)
				runtime.GC()
				b.StartTimer()
				start := threadTime(b)
				r.PeerDown(PeerKey{Addr: netip.AddrFrom4([4]byte{192, 0, 2, 0})}, 1)
				down = max(down, threadTime(b)-start)
				// The second round is after the history has given up what it kept.
				for now := int64(1); now <= 1+int64(r.opt.History)+1; slices++ {
					start := threadTime(b)
					if !r.Tick(now, slice) {
						now += int64(r.opt.History) + 1
					}
					d := threadTime(b) - start
					worst, total = max(worst, d), total+d
				}
			}
			b.ReportMetric(float64(down.Microseconds()), "down-µs")
			b.ReportMetric(float64(worst.Microseconds()), "worst-slice-µs")
			b.ReportMetric(float64(total.Microseconds())/float64(slices), "slice-µs")
			b.ReportMetric(float64(total.Nanoseconds())/float64(b.N)/float64(len(pfx)), "ns/dead-route")
		})
	}
}
