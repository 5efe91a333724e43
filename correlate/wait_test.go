package correlate

import (
	"bytes"
	"net/netip"
	"testing"
	"time"

	"github.com/telcol/telcol/bmp"
	"github.com/telcol/telcol/bmp/bgp"
	"github.com/telcol/telcol/ipfix"
)

// liveFeed is a BMP session that a test plays message by message, at times of its choice.
type liveFeed struct {
	t testing.TB
	c *Correlator
	f *Feed
}

func openFeed(t testing.TB, c *Correlator, device netip.Addr, session uint64, now int64) *liveFeed {
	l := &liveFeed{t: t, c: c, f: NewFeed(device, FeedConfig{Session: session, Now: func() int64 { return now }}, nil)}
	l.f.batch = <-l.f.free
	l.apply(op{kind: opSessionUp}, now)
	return l
}

func (l *liveFeed) apply(o op, now int64) {
	l.f.batch.ops = append(l.f.batch.ops, o)
	l.c.Apply(l.f.batch, now)
	l.f.batch.reset()
}

func (l *liveFeed) tell(now int64, messages ...[]byte) {
	l.t.Helper()
	l.f.cfg.Now = func() int64 { return now }
	for _, m := range messages {
		msg, err := l.f.session.Decode(m)
		if err != nil {
			l.t.Fatal(err)
		}
		l.f.add(msg)
	}
	l.c.Apply(l.f.batch, now)
	l.f.batch.reset()
}

func (l *liveFeed) close(now int64) { l.apply(op{kind: opSessionDown}, now) }

func peerUp(p *bmp.Peer) []byte {
	open := bgp.Open{AS: 64500, ID: ce}
	return bmp.AppendPeerUp(nil, &bmp.PeerUp{Peer: *p, LocalAddr: ce, LocalPort: 179, RemotePort: 179, Sent: open, Received: open})
}

func endOfRIB(p *bmp.Peer) []byte {
	return bmp.AppendEndOfRIB(nil, p, bgp.NewFamily(1, bgp.SAFIUnicast))
}

// plainFlows is a message with the template and n flows of the global table; the bytes field numbers them from first on.
func plainFlows(t *testing.T, first, n int) []byte {
	t.Helper()
	var m ipfix.Builder
	m.Begin(nil, ipfix.Header{Version: ipfix.VersionIPFIX, ExportTime: testNow, Domain: 1})
	m.Template(256, ipfix.Field{ID: 1, Len: 4}, ipfix.Field{ID: 8, Len: 4}, ipfix.Field{ID: 12, Len: 4})
	m.Set(256)
	for i := range n {
		m.Uint(uint64(first+i), 4)
		m.Addr(addr("10.1.2.3"))
		m.Addr(addr("10.1.3.4"))
	}
	return finish(t, &m)
}

const second = int64(time.Second)

// flowsIn gives the numbers of the flows in records, and fails if one was not joined as wanted.
func flowsIn(t *testing.T, records []Record, want JoinStatus, state RIBState) []uint64 {
	t.Helper()
	var n []uint64
	for _, r := range records {
		n = append(n, r.Flow.Bytes)
		if r.Src.Join != want || r.Dst.Join != want || r.RIB != state {
			t.Errorf("flow %d: %v, %v, tables %v; want %v, tables %v", r.Flow.Bytes, r.Src.Join, r.Dst.Join, r.RIB, want, state)
		}
	}
	return n
}

func sameNumbers(got []uint64, from, to uint64) bool {
	if len(got) != int(to-from) {
		return false
	}
	for i, n := range got {
		if n != from+uint64(i) {
			return false
		}
	}
	return true
}

func message(t *testing.T, c *Correlator, device netip.Addr, msg []byte, now int64) {
	t.Helper()
	if err := c.Message(device, msg, now); err != nil {
		t.Fatal(err)
	}
}

func TestFlowsWaitForEndOfRIB(t *testing.T) {
	c, got := holdBench(t, Config{})
	s := openFeed(t, c, device1, 1, testNow)
	message(t, c, device1, plainFlows(t, 0, 2), testNow) // nothing told yet
	s.tell(testNow+second, peerUp(locRIB(0)), route(locRIB(0), "0.0.0.0/0", 1, "203.0.113.1"))
	message(t, c, device1, plainFlows(t, 2, 2), testNow+second) // in the dump
	c.Tick(testNow+second, 1000)
	if len(*got) != 0 {
		t.Fatalf("%d records before the end of the dump", len(*got))
	}
	message(t, c, device2, plainFlows(t, 0, 1), testNow+second)
	if len(*got) != 1 {
		t.Fatal("another device is delayed")
	}
	*got = nil
	s.tell(testNow+2*second, route(locRIB(0), "10.1.0.0/16", 2, "203.0.113.1"), endOfRIB(locRIB(0)))
	c.Tick(testNow+2*second, 1000)
	if n := flowsIn(t, *got, JoinHit, RIBSynced); !sameNumbers(n, 0, 4) {
		t.Fatalf("flows %v after the end of the dump, want 0 to 3", n)
	}
	for _, r := range *got {
		if lastAS(&r.Dst) != 2 {
			t.Errorf("flow %d met AS %d, want the route that came last", r.Flow.Bytes, lastAS(&r.Dst))
		}
	}
	message(t, c, device1, plainFlows(t, 4, 1), testNow+3*second)
	if len(*got) != 5 {
		t.Error("a flow waits though the tables are whole")
	}
	n := c.Counters()
	if n.Held != [numWaits]uint64{waitSession: 2, waitRoutes: 2} || n.Quality.Ended != [numHoldEnds]uint64{endKnown: 4} || c.heldBytes != 0 {
		t.Errorf("held %v, ended %v, %d octets", n.Held, n.Quality.Ended, c.heldBytes)
	}
}

// Once a wait for routes was in vain, later flows are joined with what is there until the device settles or begins anew.
func TestTheWaitForEndOfRIBEnds(t *testing.T) {
	c, got := holdBench(t, Config{RIBWait: 3 * time.Second, QuietPeriod: time.Minute})
	s := openFeed(t, c, device1, 1, testNow)
	s.tell(testNow, peerUp(locRIB(0)), route(locRIB(0), "10.1.0.0/16", 1, "203.0.113.1"))
	message(t, c, device1, plainFlows(t, 0, 2), testNow)
	c.Tick(testNow+2*second, 1000)
	if len(*got) != 0 {
		t.Fatalf("%d records before the timeout", len(*got))
	}
	c.Tick(testNow+3*second, 1000)
	message(t, c, device1, plainFlows(t, 2, 1), testNow+3*second)
	if n := flowsIn(t, *got, JoinHit, RIBSyncing); !sameNumbers(n, 0, 3) {
		t.Errorf("flows %v, want 0 to 2", n)
	}
	s.tell(testNow+4*second, endOfRIB(locRIB(0)))
	message(t, c, device1, plainFlows(t, 3, 1), testNow+4*second)
	s.tell(testNow+5*second, peerUp(locRIB(0)))
	again := *locRIB(0)
	again.Time += second // another session of the peer
	s.tell(testNow+5*second, peerUp(&again), route(&again, "10.1.0.0/16", 1, "203.0.113.1"))
	message(t, c, device1, plainFlows(t, 4, 1), testNow+5*second)
	if len(*got) != 4 {
		t.Errorf("%d records, want the one in the new dump to wait", len(*got))
	}
}

func TestAFullRingReleasesTheOldest(t *testing.T) {
	size := new(ipfix.Flow).Size() + 64
	c, got := holdBench(t, Config{HoldBytes: 3 * size})
	s := openFeed(t, c, device1, 1, testNow)
	s.tell(testNow, peerUp(locRIB(0)), route(locRIB(0), "10.1.0.0/16", 1, "203.0.113.1"))
	message(t, c, device1, plainFlows(t, 0, 5), testNow)
	if n := flowsIn(t, *got, JoinHit, RIBSyncing); !sameNumbers(n, 0, 2) {
		t.Errorf("flows %v, want the two oldest, marked as syncing", n)
	}
	s.tell(testNow+second, endOfRIB(locRIB(0)))
	c.Tick(testNow+second, 1000)
	if n := flowsIn(t, (*got)[2:], JoinHit, RIBSynced); !sameNumbers(n, 2, 5) {
		t.Errorf("flows %v, want the rest", n)
	}
}

// More held flows than fit in a slice go in order, and before those that come meanwhile.
func TestHeldFlowsGoInSlices(t *testing.T) {
	c, got := holdBench(t, Config{})
	s := openFeed(t, c, device1, 1, testNow)
	s.tell(testNow, peerUp(locRIB(0)), route(locRIB(0), "10.1.0.0/16", 1, "203.0.113.1"))
	const n = 2*releaseSlice + 10
	for i := 0; i < n; i += 1000 {
		message(t, c, device1, plainFlows(t, i, min(1000, n-i)), testNow)
	}
	s.tell(testNow, endOfRIB(locRIB(0)))
	c.Tick(testNow, 1000)
	if len(*got) != releaseSlice {
		t.Fatalf("%d records in the first slice, want %d", len(*got), releaseSlice)
	}
	message(t, c, device1, plainFlows(t, n, 1), testNow)
	c.Tick(testNow, 1000)
	c.Tick(testNow, 1000)
	if nums := flowsIn(t, *got, JoinHit, RIBSynced); !sameNumbers(nums, 0, n+1) {
		t.Errorf("%d flows are not all in order, want %d", len(nums), n+1)
	}
	if h := c.Counters().Held; h[waitTurn] != 1 {
		t.Errorf("held %v, want one for its turn", h)
	}
}

func TestADeviceWithoutBMPIsNotHeld(t *testing.T) {
	c, got := holdBench(t, Config{NewWait: 2 * time.Second})
	message(t, c, device1, plainFlows(t, 0, 1), testNow)
	c.Tick(testNow+second, 1000)
	if len(*got) != 0 {
		t.Fatal("just after the start nobody can tell whether the device speaks BMP")
	}
	c.Tick(testNow+2*second, 1000)
	message(t, c, device1, plainFlows(t, 1, 1), testNow+2*second)
	if len(*got) != 2 {
		t.Fatalf("%d records after the wait, want 2", len(*got))
	}
	later := testNow + int64(settling)
	message(t, c, device2, plainFlows(t, 2, 1), later)
	if n := flowsIn(t, *got, JoinNoRIB, RIBAbsent); !sameNumbers(n, 0, 3) {
		t.Errorf("flows %v, want no wait where no device speaks BMP", n)
	}
	openFeed(t, c, device1, 1, later)
	device3 := addr("192.0.2.3")
	message(t, c, device3, plainFlows(t, 3, 1), later)
	if len(*got) != 3 {
		t.Error("where BMP is in use the first flows of a new device wait for its session")
	}
}

// A device that had a BMP session when its state was saved has its flows wait for the next one; one that had none has not.
func TestTheStateTellsWhoSpeaksBMP(t *testing.T) {
	save := func(c *Correlator) []byte {
		var state []byte
		c.Unsaved(0, -1, func(_ netip.Addr, b []byte) { state = bytes.Clone(b) })
		return state
	}
	for _, speaks := range []bool{false, true} {
		before, _ := holdBench(t, Config{})
		message(t, before, device1, plainFlows(t, 0, 1), testNow)
		if speaks {
			save(before)
			openFeed(t, before, device1, 1, testNow)
		}
		c, got := holdBench(t, Config{RIBWait: 20 * time.Second, NewWait: 5 * time.Second})
		if err := c.Restore(device1, save(before), testNow); err != nil {
			t.Fatal(err)
		}
		message(t, c, device1, plainFlows(t, 0, 1), testNow)
		c.Tick(testNow+19*second, 1000)
		if held := len(*got) == 0; held != speaks {
			t.Errorf("a device that speaks BMP: %v; its flow waits: %v", speaks, held)
		}
		c.Tick(testNow+20*second, 1000)
		if len(*got) != 1 {
			t.Error("the wait has no end")
		}
	}
}

func TestStaleRoutesAnswer(t *testing.T) {
	c, got := holdBench(t, Config{})
	s := openFeed(t, c, device1, 1, testNow)
	s.tell(testNow, peerUp(locRIB(0)), route(locRIB(0), "10.1.0.0/16", 1, "203.0.113.1"), endOfRIB(locRIB(0)))
	s.close(testNow + second)
	message(t, c, device1, plainFlows(t, 0, 1), testNow+2*second)
	if n := flowsIn(t, *got, JoinHit, RIBStale); !sameNumbers(n, 0, 1) {
		t.Fatalf("flows %v after the loss of the session", n)
	}
	s = openFeed(t, c, device1, 2, testNow+3*second)
	again := *locRIB(0)
	again.Time += second
	s.tell(testNow+3*second, peerUp(&again), route(&again, "10.0.0.0/8", 2, "203.0.113.1"), endOfRIB(&again))
	message(t, c, device1, plainFlows(t, 1, 1), testNow+4*second)
	if n := flowsIn(t, (*got)[1:], JoinHit, RIBSynced); !sameNumbers(n, 1, 2) || lastAS(&(*got)[1].Dst) != 2 {
		t.Errorf("flows %v: the new dump did not sweep the old routes", n)
	}
}

func TestReleaseAtTheEnd(t *testing.T) {
	c, got := holdBench(t, Config{})
	openFeed(t, c, device1, 1, testNow)
	message(t, c, device1, plainFlows(t, 0, 3), testNow)
	c.Release()
	if len(*got) != 3 || c.heldBytes != 0 || c.Counters().Quality.Ended[endStopped] != 3 {
		t.Errorf("%d records, %d octets held", len(*got), c.heldBytes)
	}
}

// A device whose held flows go and come between two ticks is looked at once a tick.
func TestADeviceIsListedOnce(t *testing.T) {
	c, _ := holdBench(t, Config{})
	for i := range uint32(10) {
		message(t, c, device1, vrfFlows(t, 7+i), testNow)
		message(t, c, device1, vrfOptions(t, 7+i), testNow)
	}
	message(t, c, device1, vrfFlows(t, 100), testNow)
	if n := len(c.waiting); n != 1 {
		t.Errorf("listed %d times", n)
	}
	c.Tick(testNow, 1000)
	if n := len(c.waiting); n != 1 {
		t.Errorf("listed %d times after a tick", n)
	}
	c.Tick(testNow+6*second, 1000)
	if n := len(c.waiting); n != 0 {
		t.Errorf("listed %d times without held flows", n)
	}
}

// TestFlowsThatCameFirstGoFirst has a flow come between the end of what earlier ones waited for and the next look at these.
func TestFlowsThatCameFirstGoFirst(t *testing.T) {
	c, got := holdBench(t, Config{})
	s := openFeed(t, c, device1, 1, testNow)
	p := globalPeer(0)
	s.tell(testNow, peerUp(p), route(p, "10.1.0.0/16", 13, "203.0.113.3"))
	message(t, c, device1, plainFlows(t, 1, 10), testNow)
	s.tell(testNow+second, endOfRIB(p))
	message(t, c, device1, plainFlows(t, 11, 5), testNow+second)
	if n := flowsIn(t, *got, JoinHit, RIBSynced); !sameNumbers(n, 1, 16) {
		t.Errorf("got %v", n)
	}
}

// A flow that came over MPLS into a VRF which the options have yet to explain waits for them, and is not joined by the default table.
func TestAnArrivalOverMPLSWaitsForItsVRF(t *testing.T) {
	flow := func(in, out uint32) []byte {
		var m ipfix.Builder
		m.Begin(nil, ipfix.Header{Version: ipfix.VersionIPFIX, ExportTime: testNow, Domain: 1})
		m.Template(256, ipfix.Field{ID: 234, Len: 4}, ipfix.Field{ID: 235, Len: 4}, ipfix.Field{ID: 8, Len: 4}, ipfix.Field{ID: 12, Len: 4})
		m.Set(256)
		m.Uint(uint64(in), 4)
		m.Uint(uint64(out), 4)
		m.Addr(addr("10.1.2.3"))
		m.Addr(addr("10.1.3.4"))
		return finish(t, &m)
	}
	c, got := holdBench(t, Config{})
	s := openFeed(t, c, device1, 1, testNow)
	s.tell(testNow, peerUp(locRIB(0)), route(locRIB(0), "10.0.0.0/8", 1, "203.0.113.1"), endOfRIB(locRIB(0)))
	s.tell(testNow, peerUp(locRIB(uint64(rdA))), route(locRIB(uint64(rdA)), "10.0.0.0/8", 2, "203.0.113.1"), endOfRIB(locRIB(uint64(rdA))))
	message(t, c, device1, vrfOptionsOf(t, idDefault, 0), testNow)
	message(t, c, device1, flow(idDefault, 7), testNow)
	if len(*got) != 0 {
		t.Fatalf("joined at once: %v by AS %d", (*got)[0].Dst.Join, lastAS(&(*got)[0].Dst))
	}
	message(t, c, device1, vrfOptions(t, 7), testNow+second)
	if n := len(*got); n != 1 || lastAS(&(*got)[0].Dst) != 2 || (*got)[0].RD != rdA {
		t.Fatalf("%d records after the options, want one by the routes of the VRF", n)
	}
	message(t, c, device1, flow(idDefault, 8), testNow+second)
	c.Tick(testNow+10*second, 1000)
	if n := len(*got); n != 2 || (*got)[1].Src.Join != JoinUnknownVRF || (*got)[1].Dst.Join != JoinUnknownVRF || (*got)[1].HasRD || (*got)[1].VRFName != "" {
		t.Errorf("%d records after the wait, the last %+v", n, (*got)[n-1])
	}
}

// A flow waits for the tables that would answer for its own addresses, and for no others.
func TestFlowsWaitForTheirOwnTables(t *testing.T) {
	flow := func(src, dst string, in, out uint32) []byte {
		var m ipfix.Builder
		m.Begin(nil, ipfix.Header{Version: ipfix.VersionIPFIX, ExportTime: testNow, Domain: 1})
		fields := []ipfix.Field{{ID: 234, Len: 4}, {ID: 235, Len: 4}}
		if src != "" {
			fields = append(fields, ipfix.Field{ID: 8, Len: 4})
		}
		if dst != "" {
			fields = append(fields, ipfix.Field{ID: 12, Len: 4})
		}
		m.Template(256, fields...)
		m.Set(256)
		m.Uint(uint64(in), 4)
		m.Uint(uint64(out), 4)
		for _, a := range []string{src, dst} {
			if a != "" {
				m.Addr(addr(a))
			}
		}
		return finish(t, &m)
	}
	const whole, arriving = 1, 2 // VRF ids by the state of their tables
	for _, tc := range []struct {
		name     string
		src, dst string
		in, out  uint32
		waits    bool
	}{
		{"both in whole tables", "10.1.2.3", "10.1.3.4", whole, 0, false},
		{"both in tables that arrive", "10.1.2.3", "10.1.3.4", arriving, 0, true},
		{"the source's table arrives", "10.1.2.3", "10.1.3.4", arriving, whole, true},
		{"the destination's table arrives", "10.1.2.3", "10.1.3.4", whole, arriving, true},
		{"a destination that no route has", "10.1.2.3", "224.0.0.5", whole, arriving, false},
		{"a source that no route has", "0.0.0.0", "10.1.3.4", arriving, whole, false},
		{"no source", "", "10.1.3.4", arriving, whole, false},
		{"no destination", "10.1.2.3", "", whole, arriving, false},
	} {
		t.Run(tc.name, func(t *testing.T) {
			c, got := holdBench(t, Config{})
			s := openFeed(t, c, device1, 1, testNow)
			s.tell(testNow, peerUp(locRIB(uint64(rdA))), route(locRIB(uint64(rdA)), "10.0.0.0/8", 1, "203.0.113.1"), endOfRIB(locRIB(uint64(rdA))))
			s.tell(testNow, peerUp(locRIB(uint64(rdB))), route(locRIB(uint64(rdB)), "10.0.0.0/8", 2, "203.0.113.1"))
			message(t, c, device1, vrfOptionsOf(t, whole, rdA), testNow)
			message(t, c, device1, vrfOptionsOf(t, arriving, rdB), testNow)
			message(t, c, device1, flow(tc.src, tc.dst, tc.in, tc.out), testNow)
			if waits := len(*got) == 0; waits != tc.waits {
				t.Errorf("waits: %v, want %v", waits, tc.waits)
			}
			s.tell(testNow+second, endOfRIB(locRIB(uint64(rdB))))
			c.Tick(testNow+second, 1000)
			if len(*got) != 1 {
				t.Errorf("%d records in the end", len(*got))
			}
		})
	}
}

// A flow whose VRF comes to be known while its tables arrive waits on for those, for as long as flows wait for tables.
func TestOneWaitFollowsAnother(t *testing.T) {
	c, got := holdBench(t, Config{VRFWait: 5 * time.Second, RIBWait: 20 * time.Second, QuietPeriod: time.Minute})
	s := openFeed(t, c, device1, 1, testNow)
	s.tell(testNow, peerUp(locRIB(uint64(rdA))), route(locRIB(uint64(rdA)), "10.1.0.0/16", 1, "203.0.113.1"))
	message(t, c, device1, vrfFlows(t, 7), testNow)
	message(t, c, device1, vrfOptions(t, 7), testNow+second)
	c.Tick(testNow+19*second, 1000)
	if len(*got) != 0 {
		t.Fatalf("%d records while the tables arrive", len(*got))
	}
	c.Tick(testNow+20*second, 1000)
	if len(*got) != 1 || (*got)[0].RIB != RIBSyncing || (*got)[0].RD != rdA || (*got)[0].Received != testNow {
		t.Errorf("records %+v", *got)
	}
}

// What releases held flows is often a message with flows of its own: each keeps its arrival and its source.
func TestReleasedFlowsAndThoseOfTheMessage(t *testing.T) {
	c, got := holdBench(t, Config{})
	message(t, c, device1, vrfFlows(t, 7), testNow)
	var m ipfix.Builder
	m.Begin(nil, ipfix.Header{Version: ipfix.VersionIPFIX, ExportTime: testNow + second, Domain: 1, Sequence: 1})
	m.OptionsTemplate(257, ipfix.Field{ID: 234, Len: 4, Scope: true}, ipfix.Field{ID: 90, Len: 8})
	m.Set(257)
	m.Uint(7, 4)
	m.Uint(uint64(rdA), 8)
	m.Set(256)
	m.Uint(7, 4)
	m.Uint(1, 4)
	m.Addr(addr("10.1.2.3"))
	m.Addr(addr("10.1.3.4"))
	message(t, c, device1, finish(t, &m), testNow+second)
	c.Tick(testNow+second, 1000)
	arrivals := make(map[uint64]int64)
	for _, r := range *got {
		arrivals[r.Flow.Bytes] = r.Received
	}
	if len(*got) != 2 || arrivals[0] != testNow || arrivals[1] != testNow+second {
		t.Errorf("%d records, arrivals %v", len(*got), arrivals)
	}
}

// The VRF ids for which a wait was in vain come from the wire; when they are too many they are forgotten, and waited for again.
func TestVainWaitsAreBounded(t *testing.T) {
	c, got := holdBench(t, Config{VRFWait: time.Second})
	now := testNow
	for id := uint32(1); id <= maxGaveUp+1; id++ {
		message(t, c, device1, vrfFlows(t, id), now)
		if id%512 == 0 || id > maxGaveUp {
			now += 2 * second
			c.Tick(now, 1000)
		}
	}
	if n := len(c.devices[device1].hold.gaveUp); len(*got) != maxGaveUp+1 || n != 1 {
		t.Errorf("%d records, %d ids remembered, want all flows and the last id", len(*got), n)
	}
}

// A message whose flows push older ones out of a full ring: each flow keeps its own arrival and exporter.
func TestArrivalsInAFullRing(t *testing.T) {
	size := new(ipfix.Flow).Size() + 64
	c, got := holdBench(t, Config{HoldBytes: 3 * size})
	c.SetAliases(map[netip.Addr]netip.Addr{device2: device1})
	openFeed(t, c, device1, 1, testNow)
	message(t, c, device1, plainFlows(t, 0, 2), testNow)
	message(t, c, device2, plainFlows(t, 2, 4), testNow+second)
	c.Release()
	if len(*got) != 6 {
		t.Fatalf("%d records", len(*got))
	}
	for i, r := range *got {
		exporter, received := device1, testNow
		if r.Flow.Bytes >= 2 {
			exporter, received = device2, testNow+second
		}
		if r.Flow.Bytes != uint64(i) || r.Exporter != exporter || r.Received != received {
			t.Errorf("record %d: flow %d of %v at %d, want of %v at %d", i, r.Flow.Bytes, r.Exporter, r.Received-testNow, exporter, received-testNow)
		}
	}
}

// What options say of a VRF without a distinguisher is all that will come: its flows do not wait.
func TestAVRFWithoutADistinguisherIsNotWaitedFor(t *testing.T) {
	c, got := holdBench(t, Config{RIBWait: -1})
	message(t, c, device1, flowSpec{src: "10.1.2.3", dst: "10.1.3.4", in: idNoRD}.message(t), testNow)
	if len(*got) != 1 || (*got)[0].Dst.Join != JoinUnknownVRF {
		t.Errorf("%d records at once", len(*got))
	}
	for name, rd := range c.devices[device1].VRFNames() {
		if name == "mgmt" {
			t.Errorf("it stands for %v", rd)
		}
	}
}
