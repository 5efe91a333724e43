package correlate

import (
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/telcol/telcol/correlate/rib"
	"github.com/telcol/telcol/ipfix"
)

// benchDevice has a table of that many IPv4 routes, lengths spread like the Internet's, five routes an attribute set.
func benchDevice(b *testing.B, routes int) (*Correlator, *Device, []netip.Prefix) {
	b.Helper()
	c, err := New(Config{}, func(*Record) {})
	if err != nil {
		b.Fatal(err)
	}
	d := c.deviceOf(device1, testNow)
	r := rand.New(rand.NewPCG(1, 2))
	src := d.rib.Source(rib.PeerKey{}, rib.LocRIB, rib.IPv4Unicast)
	seen := make(map[netip.Prefix]bool, routes)
	var all []netip.Prefix
	var id rib.AttrID
	for len(all) < routes {
		bits := 24
		if r.IntN(10) >= 6 {
			bits = 16 + r.IntN(8)
		}
		var a [4]byte
		binary.BigEndian.PutUint32(a[:], r.Uint32())
		a[0] = 1 + a[0]%200
		p := netip.PrefixFrom(netip.AddrFrom4(a), bits).Masked()
		if seen[p] || p.Addr().IsLoopback() || p.Addr().IsLinkLocalUnicast() {
			continue
		}
		seen[p] = true
		if len(all)%5 == 0 {
			n := len(all)
			id = c.intern.Acquire(binary.BigEndian.AppendUint32(nil, uint32(n)), func() rib.Attrs {
				return rib.Attrs{ASPath: []uint32{64500, 174, uint32(n)}, NextHop: ce, HasLocalPref: true, LocalPref: 100, PathLength: 3}
			})
		} else {
			c.intern.Retain(id, 1)
		}
		d.rib.Announce(src, 0, p, 0, false, id, testNow)
		all = append(all, p)
	}
	return c, d, all
}

// hostIn draws an address of a prefix.
func hostIn(r *rand.Rand, p netip.Prefix) netip.Addr {
	a := p.Addr().As4()
	n := binary.BigEndian.Uint32(a[:]) | r.Uint32()>>p.Bits()
	binary.BigEndian.PutUint32(a[:], n)
	return netip.AddrFrom4(a)
}

// cpuTime is the CPU time of the process in nanoseconds: on a machine that others use, it says more than the wall's.
func cpuTime(b *testing.B) int64 {
	var u unix.Rusage
	if err := unix.Getrusage(unix.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return u.Utime.Nano() + u.Stime.Nano()
}

// BenchmarkJoin joins both sides of flows, 20 a datagram, whose addresses are drawn from the whole table, which is the worst case for caches, or
// from a thousandth of it. The routes are those of now, or as usual those of when the flow ended; every tenth prefix has changed since the
// table was told, before the flows ended.
func BenchmarkJoin(b *testing.B) {
	for _, routes := range []int{10_000, 100_000, 1_000_000} {
		for _, hot := range []int{1, 1000} {
			c, d, all := benchDevice(b, routes)
			changeSome(c, d, all)
			for _, asOf := range []string{"now", "flow-end"} {
				b.Run(fmt.Sprintf("routes=%d/hot=1in%d/as-of=%s", routes, hot, asOf), func(b *testing.B) {
					benchJoin(b, c, d, all, hot, asOf == "flow-end")
				})
			}
		}
	}
}

// changeSome gives every tenth prefix another route, ten seconds before testNow.
func changeSome(c *Correlator, d *Device, all []netip.Prefix) {
	src := d.rib.Source(rib.PeerKey{}, rib.LocRIB, rib.IPv4Unicast)
	id := c.intern.Acquire([]byte("changed"), func() rib.Attrs {
		return rib.Attrs{ASPath: []uint32{64500, 174, 1}, NextHop: ce, HasLocalPref: true, LocalPref: 100, PathLength: 3}
	})
	for i := 0; i < len(all); i += 10 {
		c.intern.Retain(id, 1)
		d.rib.Announce(src, 0, all[i], 0, false, id, testNow-10e9)
	}
	c.intern.Release(id)
}

func benchJoin(b *testing.B, c *Correlator, d *Device, all []netip.Prefix, hot int, asOf bool) {
	for range 2000 {
		d.rib.Tick(testNow, 0) // moves the tables to huge pages
	}
	r := rand.New(rand.NewPCG(3, 4))
	pairs := make([][2]netip.Addr, 1<<16)
	for i := range pairs {
		pairs[i] = [2]netip.Addr{hostIn(r, all[r.IntN(len(all)/hot)]), hostIn(r, all[r.IntN(len(all)/hot)])}
	}
	var batch [20]ipfix.Flow // of a usual datagram, in the cache, as flows that have just been decoded
	for i := range batch {
		batch[i] = ipfix.Flow{
			Has:        ipfix.FieldSrcAddr | ipfix.FieldDstAddr | ipfix.FieldBGPNextHop | ipfix.FieldInIf,
			BGPNextHop: ce,
			ExportTime: testNow, End: testNow - 1e9,
			Options: &ipfix.Options{},
		}
		if asOf {
			batch[i].Has |= ipfix.FieldEnd
		}
	}
	b.ReportAllocs()
	cpu := cpuTime(b)
	c.device, c.rec.Received = d, testNow
	i := 0
	for b.Loop() {
		p, f := &pairs[i&(len(pairs)-1)], &batch[i%len(batch)]
		f.Src, f.Dst = p[0], p[1]
		if i++; i%len(batch) == 0 {
			c.Flows(batch[:])
		}
	}
	b.ReportMetric(float64(cpuTime(b)-cpu)/float64(b.N), "cpu-ns/op")
	if !c.rec.Src.Join.Hit() || !c.rec.Dst.Join.Hit() || c.rec.AsOfFlowEnd != asOf {
		b.Fatal("not joined, or not as of the time asked for")
	}
}

func TestJoinAllocatesNothing(t *testing.T) {
	b := newBench(t)
	b.session(device1, true, route(locRIB(0), "10.1.0.0/16", 13, "203.0.113.3"))
	d := b.devices[device1]
	var batch [ipfix.BatchFlows]ipfix.Flow
	for i := range batch {
		batch[i] = ipfix.Flow{
			Has: ipfix.FieldSrcAddr | ipfix.FieldDstAddr | ipfix.FieldEnd, Src: addr("10.1.2.3"), Dst: addr("10.1.3.4"),
			ExportTime: testNow, End: testNow - 1e9, Options: testOptions(),
		}
	}
	b.rec.Received = testNow
	b.device, b.emit = d, func(*Record) {}
	if n := testing.AllocsPerRun(1000, func() { b.Flows(batch[:]) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}
