package correlate

import (
	"fmt"
	"testing"
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
