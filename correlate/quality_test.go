package correlate

import (
	"fmt"
	"slices"
	"testing"

	"github.com/telcol/telcol/ipfix"
)

func TestAgeBuckets(t *testing.T) {
	for _, age := range []uint64{0, 1, 2, 4, 5, 16, 17, 64, 3600, 86400, 1 << 20, 1<<20 + 1, 1 << 40} {
		i := ageBucket(age)
		if i < AgeBuckets-1 && float64(age) > AgeBound(i) || i > 0 && float64(age) <= AgeBound(i-1) {
			t.Errorf("age %d is in bucket %d, which goes to %v", age, i, AgeBound(i))
		}
	}
}

// Each outcome of a join is counted once, for the device and for all, and stays counted when the device has left.
func TestQualityCountsEachJoin(t *testing.T) {
	b := newBench(t)
	if err := b.session(device1, true, peerUp(locRIB(0)), route(locRIB(0), "10.1.0.0/16", 1, "203.0.113.3"), endOfRIB(locRIB(0))); err == nil {
		t.Fatal("the session did not end")
	}
	b.join(device1, flowSpec{src: "10.1.2.3", dst: "10.1.3.4", bgpNextHop: "203.0.113.3"})
	b.join(device1, flowSpec{src: "10.1.2.3", dst: "10.7.3.4"})
	b.join(device1, flowSpec{src: "10.1.2.3", dst: "10.7.3.5", in: idUntold})
	b.join(device1, flowSpec{src: "10.1.2.3", dst: "224.0.0.1"})
	q := b.devices[device1].quality.Quality
	want := Quality{
		Joins: [2][numJoinStatus]uint64{
			{JoinHit: 3, JoinUnknownVRF: 1},
			{JoinHitNextHop: 1, JoinNoPrefix: 1, JoinUnknownVRF: 1, JoinNotRouted: 1},
		},
		States: [numRIBStates]uint64{RIBSynced: 3, RIBAbsent: 1},
		Ages:   [2][AgeBuckets]uint64{{2: 3}, {2: 1}}, // the routes are 5 s old
		AgeSum: [2]float64{15, 5},
	}
	if q != want {
		t.Errorf("got  %+v\nwant %+v", q, want)
	}
	if n := q.AgeCount(SideSrc); n != 3 {
		t.Errorf("%d ages, want 3", n)
	}
	d := b.devices[device1]
	b.forget(d)
	if got := b.Counters().Quality; got != want {
		t.Errorf("after the device has left: got %+v", got)
	}
}

func TestMostMissedPrefixes(t *testing.T) {
	b := newBench(t)
	b.session(device1, true, peerUp(locRIB(0)), route(locRIB(0), "203.0.113.0/24", 1, "203.0.113.3"), route(locRIB(0), "2001:db8::/32", 1, "2001:db8::1"))
	for i := range 3 * maxMissed {
		b.join(device1, flowSpec{src: fmt.Sprintf("10.1.2.%d", i), dst: fmt.Sprintf("10.8.%d.1", i)})
	}
	b.join(device1, flowSpec{src: "2001:db7:1::1", dst: "2001:db8::5"})
	top := b.devices[device1].quality.missed.top()
	if len(top) != maxMissed {
		t.Fatalf("%d prefixes, want %d", len(top), maxMissed)
	}
	if top[0] != (Missed{Prefix: prefix("10.1.2.0/24"), Count: 3 * maxMissed}) {
		t.Errorf("the most missed is %+v", top[0])
	}
	found := false
	for _, m := range top {
		if m.Count < m.Error {
			t.Errorf("%+v", m)
		}
		found = found || m.Prefix == prefix("2001:db7:1::/48")
	}
	if !found {
		t.Error("the prefix missed last is not in the list")
	}
}

// Addresses that met a route, or could meet none, miss no prefix; those that miss one are in the order of their number.
func TestOnlyMissesAreMissed(t *testing.T) {
	b := newBench(t)
	b.session(device1, true, peerUp(locRIB(0)), route(locRIB(0), "10.1.0.0/16", 1, "203.0.113.3"), endOfRIB(locRIB(0)))
	b.join(device1, flowSpec{src: "10.1.2.3", dst: "10.1.3.4"})
	b.join(device1, flowSpec{src: "10.1.2.3", dst: "224.0.0.1"})
	b.join(device1, flowSpec{src: "10.7.2.3", dst: "10.7.3.4", in: idUntold})
	if top := b.devices[device1].Missed(); len(top) != 0 {
		t.Fatalf("missed %+v", top)
	}
	for range 2 {
		b.join(device1, flowSpec{src: "10.1.2.3", dst: "10.9.3.4"})
	}
	b.join(device1, flowSpec{src: "10.8.2.3", dst: "10.1.3.4"})
	b.join(device1, flowSpec{src: "10.7.2.3", dst: "10.1.3.4"})
	want := []Missed{{Prefix: prefix("10.9.3.0/24"), Count: 2}, {Prefix: prefix("10.7.2.0/24"), Count: 1}, {Prefix: prefix("10.8.2.0/24"), Count: 1}}
	if top := b.devices[device1].Missed(); !slices.Equal(top, want) {
		t.Errorf("missed %+v, want %+v", top, want)
	}
}

// The age of a route that answers a flow of before is that of then.
func TestAgesAreOfTheFlowsTime(t *testing.T) {
	c, got := holdBench(t, Config{})
	s := openFeed(t, c, device1, 1, testNow)
	s.tell(testNow, peerUp(locRIB(0)), route(locRIB(0), "10.1.0.0/16", 1, "203.0.113.3"), endOfRIB(locRIB(0))) // 5 s old
	var m ipfix.Builder
	m.Begin(nil, ipfix.Header{Version: ipfix.VersionIPFIX, ExportTime: testNow, Domain: 1})
	m.Template(256, ipfix.Field{ID: 12, Len: 4}, ipfix.Field{ID: 153, Len: 8})
	m.Set(256)
	m.Addr(addr("10.1.3.4"))
	m.Uint(uint64((testNow-2*second)/1e6), 8)
	message(t, c, device1, finish(t, &m), testNow)
	if len(*got) != 1 || !(*got)[0].AsOfFlowEnd {
		t.Fatalf("records %+v", *got)
	}
	if q := c.devices[device1].Quality(); q.AgeSum[SideDst] != 3 || q.AsOf != 1 {
		t.Errorf("ages of %v seconds, want 3; as of %d", q.AgeSum[SideDst], q.AsOf)
	}
}
