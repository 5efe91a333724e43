package rib

import (
	"net/netip"
	"runtime"
	"testing"
	"time"
)

// clocked is a RIB with one synced peer, told routes of one prefix after the other.
type clocked struct {
	t   testing.TB
	in  *Intern
	r   *RIB
	key PeerKey
}

func newClocked(t testing.TB, o Options) *clocked {
	c := &clocked{t: t, in: NewIntern(), key: PeerKey{Addr: netip.MustParseAddr("192.0.2.1")}}
	c.r = New(c.in, o)
	c.r.PeerUp(c.key, PeerInfo{Session: 1}, 1000*int64(time.Second))
	c.r.EndOfRIB(c.key, AdjRIBInPre, IPv4Unicast, 1001*int64(time.Second))
	return c
}

// set announces a prefix with a path that ends in an AS.
func (c *clocked) set(prefix string, as uint32, at int64) {
	b := []byte{byte(as >> 24), byte(as >> 16), byte(as >> 8), byte(as)}
	id := c.in.Acquire(b, func() Attrs { return Attrs{ASPath: []uint32{as}, PathLength: 1} })
	c.r.advance(at * int64(time.Second))
	if !c.r.Announce(c.r.Source(c.key, AdjRIBInPre, IPv4Unicast), 0, netip.MustParsePrefix(prefix), 0, false, id, at*int64(time.Second)) {
		c.t.Fatal("refused")
	}
}

func (c *clocked) unset(prefix string, at int64) {
	c.r.advance(at * int64(time.Second))
	c.r.Withdraw(c.r.Source(c.key, AdjRIBInPre, IPv4Unicast), 0, netip.MustParsePrefix(prefix), 0, false, at*int64(time.Second))
}

// want checks which AS answers for an address as of a time; 0 is none.
func (c *clocked) want(addr string, at int64, as uint32, asOf bool) {
	c.t.Helper()
	var m Match
	got := uint32(0)
	if c.r.LookupAt(0, netip.MustParseAddr(addr), netip.Addr{}, at*int64(time.Second), &m) == Found {
		got = m.Attrs.ASPath[0]
	}
	if got != as || m.AsOf != asOf {
		c.t.Errorf("%s at %d: got AS %d, as of then %v; want %d, %v", addr, at, got, m.AsOf, as, asOf)
	}
}

func TestFlappingRouteAnswersAsOfThen(t *testing.T) {
	c := newClocked(t, Options{})
	c.set("10.0.0.0/8", 8, 1001)
	for i := range int64(50) {
		c.set("10.1.0.0/16", uint32(100+i), 1010+4*i)
		c.unset("10.1.0.0/16", 1012+4*i)
	}
	for i := range int64(50) {
		c.want("10.1.2.3", 1010+4*i, uint32(100+i), true)
		c.want("10.1.2.3", 1011+4*i, uint32(100+i), true)
		c.want("10.1.2.3", 1012+4*i, 8, true)
	}
	c.want("10.1.2.3", 1009, 8, true)
	c.want("10.1.2.3", 1000, 0, true) // before the first route
	c.r.Tick(1300*int64(time.Second), 1000)
	c.want("10.1.2.3", 1300, 8, true)
}

func TestPeerDownAnswersAsOfThen(t *testing.T) {
	c := newClocked(t, Options{History: time.Minute})
	c.set("10.0.0.0/8", 8, 1002)
	c.set("10.1.0.0/16", 16, 1003)
	c.r.PeerDown(c.key, 1010*int64(time.Second))
	c.want("10.1.2.3", 1009, 16, true)
	c.want("10.1.2.3", 1011, 0, true)
	c.r.PeerUp(c.key, PeerInfo{Session: 2}, 1020*int64(time.Second))
	c.set("10.0.0.0/8", 9, 1025)
	c.want("10.1.2.3", 1026, 9, true)
	c.want("10.1.2.3", 1022, 9, true) // told in the dump, so valid since it began
	c.want("10.1.2.3", 1015, 0, true)
	c.want("10.1.2.3", 1009, 16, true)
	for c.r.Tick(1080*int64(time.Second), 100) {
	}
	c.want("10.1.2.3", 1009, 9, false) // beyond the horizon: from now
	if n := c.r.Totals().Versions; n != 0 {
		t.Errorf("%d versions are left", n)
	}
}

func TestFirstDumpIsValidSinceEver(t *testing.T) {
	c := &clocked{t: t, in: NewIntern(), key: PeerKey{Addr: netip.MustParseAddr("192.0.2.1")}}
	c.r = New(c.in, Options{})
	c.r.PeerUp(c.key, PeerInfo{}, 1000*int64(time.Second))
	c.set("10.0.0.0/8", 8, 1005)
	c.want("10.1.2.3", 900, 8, true)
	c.r.EndOfRIB(c.key, AdjRIBInPre, IPv4Unicast, 1006*int64(time.Second))
	c.set("10.1.0.0/16", 16, 1007)
	c.want("10.1.2.3", 900, 8, true)
	c.want("10.1.2.3", 1007, 16, true)
}

func TestFastFlapKeepsItsNewestVersions(t *testing.T) {
	c := newClocked(t, Options{})
	c.set("10.2.0.0/16", 2, 1001)
	c.set("10.2.0.0/16", 3, 1002)
	for i := range int64(2 * maxVersions) {
		c.set("10.1.0.0/16", uint32(100+i%2), 1010+i)
	}
	c.want("10.1.2.3", 1009+maxVersions*2, 101, true)
	c.want("10.1.2.3", 1008+maxVersions*2, 100, true)
	c.want("10.1.2.3", 1020, 101, false)
	c.want("10.2.0.1", 1001, 2, true) // other prefixes keep theirs
	if c.r.stats.HistoryEvicted == 0 {
		t.Error("evictions are not counted")
	}
}

// TestHistoryStaysInItsMemory changes routes for as long as it takes to fill the history several times, in two shapes: single routes, and
// whole tables that go at once.
func TestHistoryStaysInItsMemory(t *testing.T) {
	if testing.Short() {
		t.Skip("makes 1.6 million changes")
	}
	const limit = 8 << 20
	pfx := feedOf(100_000)
	for _, bulk := range []bool{false, true} {
		in := NewIntern()
		r := New(in, Options{HistoryBytes: limit})
		k := PeerKey{Addr: netip.AddrFrom4([4]byte{192, 0, 2, 0})}
		var before uint64
		var ids [2]AttrID
		for i := range ids {
			ids[i] = in.Acquire([]byte{byte(i)}, func() Attrs { return Attrs{} })
		}
		now := int64(time.Second)
		for round := range 8 {
			if bulk {
				r.PeerDown(k, now)
				r.PeerUp(k, PeerInfo{}, now)
			}
			for i, p := range pfx {
				now += int64(time.Millisecond) / 10
				f := IPv4Unicast
				if p.Addr().Is6() {
					f = IPv6Unicast
				}
				in.Retain(ids[round&1], 1)
				r.Announce(r.Source(k, AdjRIBInPre, f), 0, p, 0, false, ids[round&1], now)
				if i%1000 == 0 {
					r.Tick(now, 2000)
				}
			}
			if round == 0 {
				before = heap()
			}
		}
		grown := int64(heap()) - int64(before)
		tot := r.Totals()
		t.Logf("bulk %v: %d octets more, %d versions of %d octets, %d evicted", bulk, grown, tot.Versions, tot.HistoryBytes, r.stats.HistoryEvicted)
		if r.stats.HistoryEvicted == 0 || tot.HistoryBytes > limit || tot.Versions == 0 {
			t.Errorf("got %+v, %d evicted", tot, r.stats.HistoryEvicted)
		}
		if grown > limit*3/2 {
			t.Errorf("the history took %d octets, limit %d", grown, limit)
		}
		if err := r.check(); err != nil {
			t.Error(err)
		}
		runtime.KeepAlive(r)
	}
}

func TestLookupAtAllocatesNothing(t *testing.T) {
	c := newClocked(t, Options{})
	c.set("10.0.0.0/8", 8, 1001)
	c.set("10.0.0.0/8", 9, 1002)
	var m Match
	a := netip.MustParseAddr("10.1.2.3")
	for _, at := range []int64{1001, 1003} {
		if n := testing.AllocsPerRun(100, func() { c.r.LookupAt(0, a, netip.Addr{}, at*int64(time.Second), &m) }); n != 0 {
			t.Errorf("%v allocations as of %d", n, at)
		}
	}
}
