package correlate

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/netip"
	"os"
	"runtime"
	"runtime/debug"
	"runtime/metrics"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/telcol/telcol/bmp"
	"github.com/telcol/telcol/bmp/bgp"
)

// internetTable makes prefixes of the Internet's shape, a sixth of them IPv6, in the order of addresses.
func internetTable(n int) []netip.Prefix {
	r := rand.New(rand.NewPCG(1, 2))
	out := make([]netip.Prefix, 0, n)
	var a [16]byte
	for next := uint64(1 << 24); len(out) < n-n/6; {
		bits := 24
		if r.IntN(5) > 2 {
			bits = 16 + r.IntN(8)
		}
		size := uint64(1) << (32 - bits)
		next = (next + size - 1) &^ (size - 1)
		binary.BigEndian.PutUint32(a[:], uint32(next))
		out = append(out, netip.PrefixFrom(netip.AddrFrom4([4]byte(a[:4])), bits))
		if bits < 23 && r.IntN(2) == 0 && len(out) < n-n/6 {
			out = append(out, netip.PrefixFrom(netip.AddrFrom4([4]byte(a[:4])), 24))
		}
		if next += size; bits < 24 {
			next -= size / 2 // leave room for the whole of the table in 32 bits
		}
	}
	for block := uint32(0x20010000); len(out) < n; block += 1 + uint32(r.IntN(64)) {
		a = [16]byte{}
		binary.BigEndian.PutUint32(a[:], block)
		out = append(out, netip.PrefixFrom(netip.AddrFrom16(a), 32))
		for range min(r.IntN(12), n-len(out)) {
			binary.BigEndian.PutUint16(a[4:], binary.BigEndian.Uint16(a[4:])+1+uint16(r.IntN(16)))
			out = append(out, netip.PrefixFrom(netip.AddrFrom16(a), 48))
		}
	}
	seen := make(map[netip.Prefix]bool, n)
	for i, p := range out {
		for seen[p] {
			p = netip.PrefixFrom(p.Addr(), p.Bits()+1) // a more specific one instead of the same again
		}
		seen[p], out[i] = true, p
	}
	return out
}

// peerStream is what a router tells of one peer: 64 k sets of attributes used by a zipf law, five routes an UPDATE. It lies outside of the
// heap, so that it does not change the work of the garbage collector.
func peerStream(b *testing.B, table []netip.Prefix, peer int) []byte {
	b.Helper()
	r := rand.New(rand.NewPCG(3, uint64(peer)))
	zipf := rand.NewZipf(r, 1.1, 8, 1<<16-1)
	addr := netip.AddrFrom4([4]byte{198, 51, 100, byte(peer)})
	p := &bmp.Peer{Type: bmp.PeerGlobal, Addr: addr, AS: 64500 + uint32(peer), BGPID: addr, Time: testNow}
	out := peerUp(p)
	for i := 0; i < len(table); {
		var routes []bgp.NLRI
		six := table[i].Addr().Is6()
		for n := 1 + r.IntN(9); n > 0 && i < len(table) && table[i].Addr().Is6() == six; n-- {
			routes = append(routes, bgp.NLRI{Prefix: table[i], Family: unicast(table[i].String())})
			i++
		}
		v := uint32(zipf.Uint64())
		a := &bgp.Attributes{
			HasOrigin: true, HasASPath: true, ASPath: []uint32{p.AS, 64600 + v%12, 1000 + v, 2000 + v>>3}, NextHop: addr,
			Communities: []uint32{v, v + 1, v + 2, v + 3, v + 4}, LargeCommunities: [][3]uint32{{v, 1, 2}}, HasMED: v%3 == 0, MED: v,
		}
		if six {
			a.NextHop = netip.AddrFrom16([16]byte{0x20, 1, 0xd, 0xb8, 15: byte(peer)})
		}
		out = bmp.AppendRouteMonitoring(out, p, nil, routes, a)
	}
	for _, f := range []bgp.Family{bgp.NewFamily(1, bgp.SAFIUnicast), bgp.NewFamily(2, bgp.SAFIUnicast)} {
		out = bmp.AppendEndOfRIB(out, p, f)
	}
	m, err := unix.Mmap(-1, 0, len(out), unix.PROT_READ|unix.PROT_WRITE, unix.MAP_ANON|unix.MAP_PRIVATE)
	if err != nil {
		b.Fatal(err)
	}
	copy(m, out)
	return m
}

// residentBytes is the memory of the process, as the kernel counts it.
func residentBytes(b *testing.B) int64 {
	b.Helper()
	text, err := os.ReadFile("/proc/self/statm")
	if err != nil {
		b.Skip("no /proc")
	}
	pages, err := strconv.ParseInt(strings.Fields(string(text))[1], 10, 64)
	if err != nil {
		b.Fatal(err)
	}
	return pages * int64(os.Getpagesize())
}

func gcTime() float64 {
	s := []metrics.Sample{{Name: "/cpu/classes/gc/total:cpu-seconds"}, {Name: "/cpu/classes/gc/mark/idle:cpu-seconds"}}
	metrics.Read(s)
	return s[0].Value.Float64() - s[1].Value.Float64()
}

// BenchmarkBMPLoad loads tables over TCP sessions: from the socket through the feed into the RIB. It reports the CPU time of a route without
// the sender's, the share of it that the garbage collector took, and what the process grew by.
func BenchmarkBMPLoad(b *testing.B) {
	for _, c := range []struct{ routes, peers, devices int }{{1_200_000, 1, 1}, {500_000, 4, 1}, {300_000, 1, 4}} {
		b.Run(fmt.Sprintf("routes=%d/peers=%d/devices=%d", c.routes, c.peers, c.devices), func(b *testing.B) {
			table := internetTable(c.routes)
			var streams [][]byte
			for p := range c.peers {
				streams = append(streams, peerStream(b, table, p))
			}
			var cpu, gc, rss, heap float64
			for b.Loop() {
				b.StopTimer()
				debug.FreeOSMemory()
				l := newLoad(b)
				beforeHeap, beforeRSS := heapBytes(), residentBytes(b)
				beforeCPU, beforeGC := cpuTime(b), gcTime()
				b.StartTimer()
				for d := range c.devices {
					l.session(netip.AddrFrom4([4]byte{192, 0, 2, byte(d + 1)}), streams)
				}
				b.StopTimer()
				cpu += float64(cpuTime(b) - beforeCPU - l.sender)
				runtime.GC() // brings what gcTime knows up to date, and is taken off again
				afterGC := gcTime()
				runtime.GC()
				gc += afterGC - beforeGC - (gcTime() - afterGC)
				heap += float64(heapBytes() - beforeHeap)
				debug.FreeOSMemory()
				rss += float64(residentBytes(b) - beforeRSS)
				if n := l.Totals().Routes; n != c.routes*c.peers*c.devices {
					b.Fatalf("%d routes", n)
				}
				l.ln.Close()
				b.StartTimer()
			}
			n := float64(c.routes*c.peers*c.devices) * float64(b.N)
			b.ReportMetric(cpu/n, "cpu-ns/route")
			b.ReportMetric(100*gc*1e9/cpu, "gc-%")
			b.ReportMetric(rss/n, "RSS-B/route")
			b.ReportMetric(heap/n, "heap-B/route")
			b.ReportMetric(0, "ns/op")
			for _, s := range streams {
				if err := unix.Munmap(s); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func threadTime(b *testing.B) int64 {
	var u unix.Rusage
	if err := unix.Getrusage(unix.RUSAGE_THREAD, &u); err != nil {
		b.Error(err)
	}
	return u.Utime.Nano() + u.Stime.Nano()
}

func heapBytes() int64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

// load is a correlator behind a listener.
type load struct {
	*Correlator
	b        *testing.B
	ln       net.Listener
	sessions uint64
	cache    *bgp.Cache
	sender   int64 // CPU time of the sending thread
}

func newLoad(b *testing.B) *load {
	c, err := New(Config{}, func(*Record) {})
	if err != nil {
		b.Fatal(err)
	}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	return &load{Correlator: c, b: b, ln: ln, cache: bgp.NewCache(bgp.CacheConfig{})}
}

// session plays streams as one session of a device, which stays open until it has been applied.
func (l *load) session(device netip.Addr, streams [][]byte) {
	sent := make(chan int64, 1)
	go func() {
		runtime.LockOSThread() // for good: the thread ends with the goroutine
		start := threadTime(l.b)
		conn, err := net.Dial("tcp", l.ln.Addr().String())
		if err != nil {
			l.b.Error(err)
			sent <- 0
			return
		}
		for _, s := range streams {
			for ; len(s) > 0; s = s[min(len(s), 1<<16):] {
				if _, err := conn.Write(s[:min(len(s), 1<<16)]); err != nil {
					l.b.Error(err)
				}
			}
		}
		conn.Close()
		sent <- threadTime(l.b) - start
	}()
	conn, err := l.ln.Accept()
	if err != nil {
		l.b.Fatal(err)
	}
	defer conn.Close()
	l.sessions++
	out, ended := make(chan *Batch, 1), make(chan error, 1)
	feed := NewFeed(device, FeedConfig{Session: l.sessions, Cache: l.cache}, out)
	go func() { ended <- feed.Run(conn) }()
	for {
		select {
		case batch := <-out:
			l.Apply(batch, testNow)
			batch.Free()
		case err := <-ended:
			if !errors.Is(err, io.EOF) {
				l.b.Fatal(err)
			}
			l.sender += <-sent
			return
		}
	}
}
