package correlate

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"slices"
	"syscall"
	"testing"
	"time"

	"github.com/telcol/telcol/bmp"
	"github.com/telcol/telcol/bmp/bgp"
	"github.com/telcol/telcol/correlate/rib"
)

// fakeClock is a Correlator whose time the test moves, and a line an open BMP session of one of its devices.
type fakeClock struct {
	*bench
	now int64
}

type line struct {
	*fakeClock
	near  net.Conn
	out   chan *Batch
	ended chan error
}

func newClock(t *testing.T, cfg Config) *fakeClock {
	cfg.VRFWait, cfg.RIBWait, cfg.NewWait = -1, -1, -1
	c, err := New(cfg, func(*Record) {})
	if err != nil {
		t.Fatal(err)
	}
	return &fakeClock{&bench{Correlator: c, t: t}, testNow}
}

func (c *fakeClock) open(device netip.Addr) *line {
	c.sessions++
	l := &line{fakeClock: c, out: make(chan *Batch), ended: make(chan error, 1)}
	feed := NewFeed(device, FeedConfig{Session: c.sessions, Now: func() int64 { return c.now }}, l.out)
	near, far := net.Pipe()
	l.near = near
	go func() { l.ended <- feed.Run(far) }()
	l.take()
	return l
}

// take applies the next batch and returns how many messages it is from.
func (l *line) take() int {
	select {
	case b := <-l.out:
		n := b.taken
		l.Apply(b, l.now)
		b.Free()
		return n
	case <-time.After(2 * time.Minute):
		l.t.Fatal("no batch comes")
	}
	return 0
}

// send has messages read and applied.
func (l *line) send(messages ...[]byte) {
	l.t.Helper()
	stream := slices.Concat(messages...)
	left := 0
	for b := stream; len(b) > 0; b = b[binary.BigEndian.Uint32(b[1:]):] {
		left++
	}
	go l.near.Write(stream)
	for left > 0 {
		left -= l.take()
	}
}

// close ends the session and returns why it ended.
func (l *line) close() error {
	l.near.Close()
	l.take()
	return <-l.ended
}

// wait lets time pass in steps of a second.
func (c *fakeClock) wait(d time.Duration) {
	for end := c.now + int64(d); c.now < end; {
		c.now += int64(time.Second)
		for range 3 {
			c.Tick(c.now, 1000)
		}
	}
}

// want checks how many routes a device has and what a join says of its table.
func (c *fakeClock) want(what string, routes int, state RIBState) {
	c.t.Helper()
	got := c.join(device1, flowSpec{src: "10.1.2.3", dst: "10.1.3.4"}).RIB
	if n := c.devices[device1].rib.Routes(); n != routes || got != state {
		c.t.Errorf("%s: %d routes, %v; want %d, %v", what, n, got, routes, state)
	}
}

func peerDown(p *bmp.Peer, reason uint8) []byte {
	return bmp.AppendPeerDown(nil, &bmp.PeerDown{Peer: *p, Reason: reason})
}

func routes(p *bmp.Peer, from, n int) (out []byte) {
	for i := range n {
		out = append(out, route(p, fmt.Sprintf("10.%d.%d.0/24", (from+i)/256, (from+i)%256), 13, "203.0.113.3")...)
	}
	return out
}

func TestLifeOfASession(t *testing.T) {
	c := newClock(t, Config{})
	p := globalPeer(0)
	l := c.open(device1)
	l.send(peerUp(p), routes(p, 0, 600))
	c.want("dump", 600, RIBSyncing)
	l.send(endOfRIB(p))
	c.want("End-of-RIB", 600, RIBSynced)
	if err := l.close(); EndReasonOf(err) != EndClosed {
		t.Errorf("ended with %v", err)
	}
	c.want("loss of the session", 600, RIBStale)
	c.wait(5 * time.Minute)
	c.want("five minutes later", 600, RIBStale)

	l = c.open(device1)
	l.send(peerUp(p), routes(p, 100, 500))
	c.want("the next dump", 600, RIBSyncing)
	l.send(endOfRIB(p))
	c.want("End-of-RIB sweeps", 500, RIBSynced)
	l.send(peerDown(p, bmp.DownRemoteNoNotif))
	c.want("peer down removes at once", 0, RIBAbsent)

	l.send(peerUp(p), routes(p, 0, 3))
	c.want("up again", 3, RIBSyncing)
	c.wait(6 * time.Second)
	c.want("quiet for long enough", 3, RIBSynced)
	l.send(bmp.AppendTermination(nil, &bmp.Termination{Reason: bmp.TermAdminClose, HasReason: true}))
	if err := <-l.ended; EndReasonOf(err) != EndTermination || !errors.Is(err, io.EOF) {
		t.Errorf("ended with %v", err)
	}
	c.want("termination is the loss of the session", 3, RIBStale)
	c.wait(10*time.Minute + 2*time.Second)
	c.want("timeout", 0, RIBAbsent)
	n := c.Counters().BMP
	if n.Sessions != 2 || n.Ended[EndClosed] != 1 || n.Ended[EndTermination] != 1 || n.Decoded.Messages[bmp.TypePeerUp] != 3 {
		t.Errorf("counters %+v", n)
	}
}

// A device comes back before the loss of its old session is noticed. What the old one still had on its way is not taken, and its end
// does not touch what the new one tells.
func TestLateEndOfTheOldSession(t *testing.T) {
	c := newClock(t, Config{})
	p := globalPeer(0)
	older := c.open(device1)
	older.send(peerUp(p), routes(p, 0, 3), endOfRIB(p))
	newer := c.open(device1)
	newer.send(peerUp(p), routes(p, 0, 2), endOfRIB(p)) // the third was withdrawn in between
	c.want("dump of the new session", 2, RIBSynced)
	older.send(routes(p, 2, 1), endOfRIB(p), bmp.AppendRouteMonitoring(nil, p, []bgp.NLRI{{Family: bgp.IPv4Unicast, Prefix: prefix("10.0.0.0/24")}}, nil, nil))
	older.close()
	c.want("after the old session", 2, RIBSynced)
	n := c.Counters().BMP
	if n.Superseded != 1 || n.WithdrawnLate != 2 || n.Announced != 6 {
		t.Errorf("counters %+v", n)
	}
	newer.close()
	c.want("no session", 2, RIBStale)
}

// What could be read of a refused message counts: the peer is down although its NOTIFICATION is broken.
func TestRefusedPeerDownIsAPeerDown(t *testing.T) {
	c := newClock(t, Config{})
	p := globalPeer(0)
	l := c.open(device1)
	broken := append(peerDown(p, bmp.DownRemoteNotification), 1, 2, 3)
	broken[4] += 3
	l.send(peerUp(p), routes(p, 0, 3), endOfRIB(p), broken)
	c.want("peer down", 0, RIBAbsent)
	cutUp := peerUp(p)
	cutUp = cutUp[:bmp.HeaderSize+bmp.PeerHeaderSize+4]
	cutUp[4] = byte(len(cutUp))
	l.send(cutUp)
	c.want("peer up", 0, RIBSyncing)
	n := c.Counters().BMP
	if n.Refused[FaultMessage] != 1 || n.Refused[FaultShort] != 1 || n.Decoded.Malformed != 2 || n.Decoded.Downs[bmp.DownRemoteNotification] != 1 {
		t.Errorf("counters %+v", n)
	}
	l.close()
}

// What a peer of a type that nobody knows tells is of no known table: it answers no flow, and does nothing to the peer of the global table that
// has its address.
func TestPeersOfUnknownTypesAreLeftOut(t *testing.T) {
	c := newClock(t, Config{})
	p, odd := globalPeer(0), globalPeer(0)
	odd.Type = 7
	l := c.open(device1)
	l.send(peerUp(p), routes(p, 0, 3), endOfRIB(p))
	l.send(peerUp(odd), routes(odd, 9, 2), endOfRIB(odd), peerDown(odd, bmp.DownRemoteNoNotif))
	c.want("peers of both types", 3, RIBSynced)
	if n := c.Counters().BMP; n.Decoded.UnknownPeerTypes != 5 || n.Announced != 3 || n.EndOfRIB != 1 {
		t.Errorf("counters %+v", n)
	}
	l.close()
}

// panicky is an Observer that does not survive a message.
type panicky struct{}

func (panicky) Message(m bmp.Message, _ error) {
	if _, ok := m.(*bmp.Initiation); ok {
		panic("test")
	}
}
func (panicky) Flush() {}

func TestPanicCostsOneBMPMessage(t *testing.T) {
	out := make(chan *Batch, 4)
	p := globalPeer(0)
	near, far := net.Pipe()
	go func() {
		near.Write(slices.Concat(bmp.AppendInitiation(nil, &bmp.Initiation{SysName: "pe1"}), peerUp(p), route(p, "10.1.0.0/16", 13, "203.0.113.3")))
		near.Close()
	}()
	ended := make(chan error, 1)
	var refused []error
	f := NewFeed(device1, FeedConfig{Session: 1, Observer: panicky{}, Refused: func(err error) { refused = append(refused, err) }}, out)
	go func() {
		ended <- f.Run(far)
		close(out)
	}()
	b := newBench(t)
	for batch := range out {
		b.Apply(batch, testNow)
		batch.Free()
	}
	if err := <-ended; EndReasonOf(err) != EndClosed || len(refused) != 1 {
		t.Errorf("ended with %v, refused %v", err, refused)
	}
	if n := b.Counters().BMP; n.Refused[FaultPanic] != 1 || n.Announced != 1 || b.devices[device1].rib.Routes() != 1 {
		t.Errorf("counters %+v", n)
	}
}

func TestEndReasons(t *testing.T) {
	for want, err := range map[EndReason]error{
		EndClosed: io.EOF, EndCut: io.ErrUnexpectedEOF, EndFraming: fmt.Errorf("x: %w", bmp.ErrFraming), EndIdle: ErrIdle, EndStopped: ErrStopped,
		EndReset: &net.OpError{Err: syscall.ECONNRESET}, EndLost: &net.OpError{Err: syscall.ETIMEDOUT}, EndOther: errors.New("x"),
		EndTermination: fmt.Errorf("%w: %w", errTermination, io.EOF),
	} {
		if got := EndReasonOf(err); got != want {
			t.Errorf("%v: %v, want %v", err, got, want)
		}
	}
	names := make(map[string]bool)
	for r := range numEnds {
		names[r.String()] = true
	}
	if len(names) != int(numEnds) {
		t.Errorf("names %v", names)
	}
}

func TestQuotaMarksTheDevice(t *testing.T) {
	var told []Refused
	c := newClock(t, Config{MaxRoutes: 5, OverQuota: func(_ netip.Addr, r Refused) { told = append(told, r) }})
	p := globalPeer(0)
	l := c.open(device1)
	l.send(peerUp(p), routes(p, 0, 5))
	if r := c.devices[device1].Refused(); r.Any() || len(told) != 0 {
		t.Errorf("within the quota: %+v, told %v", r, told)
	}
	l.send(routes(p, 3, 5))
	l.send(routes(p, 8, 1))
	if r := c.devices[device1].Refused(); r.Routes != 4 || !slices.Equal(told, []Refused{{Routes: 3}}) {
		t.Errorf("beyond the quota: %+v, told %v", r, told)
	}
	if n, sum := c.Counters().BMP, c.Totals(); n.RoutesRefused != 4 || n.Announced != 11 || sum.OverRoutes != 1 || sum.Routes != 5 {
		t.Errorf("counters %+v, totals %+v", n, sum)
	}
	l.close()
	c.open(device1)
	if r := c.devices[device1].Refused(); r.Any() || c.Totals().OverRoutes != 0 {
		t.Errorf("new session: %+v", r)
	}
}

func TestPeerQuota(t *testing.T) {
	c := newClock(t, Config{MaxPeers: 2})
	l := c.open(device1)
	for i, rd := range []uint64{1, 2, 3} {
		l.send(peerUp(locRIB(rd)), routes(locRIB(rd), i, 1))
	}
	l.send(routes(locRIB(2), 9, 1)) // those that there is room for go on
	r, n, sum := c.devices[device1].Refused(), c.Counters().BMP, c.Totals()
	if r.Routes != 0 || r.Sources != 2 || n.RoutesRefused != 1 || sum.OverSources != 1 || sum.Peers != 2 || sum.Routes != 3 {
		t.Errorf("refused %+v, counters %+v, totals %+v", r, n, sum)
	}
}

func TestAttributeQuota(t *testing.T) {
	c := newClock(t, Config{MaxAttrBytes: 1})
	l := c.open(device1)
	l.send(peerUp(globalPeer(0)), routes(globalPeer(0), 0, 3)) // of one set
	before := c.devices[device1].rib.Routes()
	l.send(route(globalPeer(0), "10.9.0.0/16", 99, "203.0.113.9")) // of another
	r, n, sum := c.devices[device1].Refused(), c.Counters().BMP, c.Totals()
	if r.Attrs == 0 || r.Attrs != n.RoutesRefused || sum.OverAttrs != 1 || sum.OverRoutes != 0 || sum.Routes != before {
		t.Errorf("%d routes before, refused %+v, counters %+v, totals %+v", before, r, n, sum)
	}
}

func TestRoutesOfNoDeviceAreCounted(t *testing.T) {
	c := newClock(t, Config{MaxDevices: 1})
	c.open(device1)
	l := c.open(device2)
	l.send(routes(globalPeer(0), 0, 3))
	if n := c.Counters(); n.BMP.RoutesOfNoDevice != 3 || n.BMP.Announced != 3 || n.DeviceQuota != 2 {
		t.Errorf("counters %+v", n)
	}
}

// report is a Statistics Report.
func report(p *bmp.Peer, stats ...bmp.Statistic) []byte {
	return bmp.AppendStatistics(nil, &bmp.Statistics{Peer: *p, Stats: stats})
}

func TestDrift(t *testing.T) {
	type drifted struct {
		peer rib.PeerKey
		d    Drift
	}
	var told []drifted
	c := newClock(t, Config{DriftRoutes: 2, Drifted: func(_ netip.Addr, p rib.PeerKey, d Drift) { told = append(told, drifted{p, d}) }})
	p := globalPeer(0)
	l := c.open(device1)
	step := func(what string, reports int, lasting bool, messages ...[]byte) {
		t.Helper()
		c.now += int64(time.Minute)
		l.send(messages...)
		list := c.devices[device1].Drifts(peerKey(p))
		if len(list) == 0 {
			list = []Drift{{}}
		}
		if got := list[0]; len(list) != 1 || got.Reports != reports || got.Lasting != lasting {
			t.Errorf("%s: %+v, want %d reports, lasting %v", what, list, reports, lasting)
		}
		sum := c.Totals()
		if want := map[bool]int{true: 1}[lasting]; sum.DriftDevices != want || sum.DriftTables != want {
			t.Errorf("%s: totals %+v", what, sum)
		}
	}
	count := func(n uint64) []byte { return report(p, bmp.Statistic{Type: bmp.StatAdjRIBIn, Value: n}) }
	step("during the dump", 0, false, peerUp(p), routes(p, 0, 100), count(500))
	step("equal", 0, false, endOfRIB(p), count(100))
	step("within the tolerance", 0, false, count(102))
	step("differs", 1, false, count(103))
	step("twice", 2, false, count(104))
	step("the other way", 1, false, count(90))
	step("twice", 2, false, count(91))
	step("our table changes", 2, false, routes(p, 100, 50), count(100))
	step("three times", 3, true, count(100))
	if want := []drifted{{peerKey(p), Drift{
		View: rib.AdjRIBInPre, Ours: 150, Theirs: 100, Time: c.now, Since: testNow + 6*int64(time.Minute), Reports: 3, Lasting: true,
	}}}; !slices.Equal(told, want) {
		t.Errorf("told %+v, want %+v", told, want)
	}
	if sum := c.Totals(); sum.DriftRoutes != 50 {
		t.Errorf("totals %+v", sum)
	}
	step("still", 4, true, count(100))
	step("over", 0, false, count(150))
	if n := c.Counters().BMP; len(told) != 1 || n.Drifts != 1 || n.DriftReports != 11 || n.DriftSkipped != 1 {
		t.Errorf("told %v, counters %+v", told, n)
	}
	step("again", 1, false, count(200))
	step("the peer is new", 0, false, peerUp(p))
}

// What cannot be compared is not.
func TestDriftNeedsComparableTables(t *testing.T) {
	global, post, filtered := globalPeer(0), globalPeer(bmp.FlagPostPolicy), locRIB(0)
	filtered.Flags = bmp.FlagFiltered
	two := bmp.AppendPeerUp(nil, &bmp.PeerUp{
		Peer: *global, LocalAddr: device1,
		Sent:     bgp.Open{AS: 1, Families: []bgp.Family{bgp.IPv4Unicast, bgp.IPv6Unicast}},
		Received: bgp.Open{AS: 2, Families: []bgp.Family{bgp.IPv4Unicast, bgp.IPv6Unicast}},
	})
	byFamily := func(typ uint16, f bgp.Family) bmp.Statistic { return bmp.Statistic{Type: typ, Family: f, Value: 100} }
	tests := []struct {
		name     string
		messages [][]byte
		compared int
		want     []Drift // of the peer of the last message, without times
	}{
		{"view that the router does not tell", [][]byte{peerUp(global), routes(global, 0, 1), endOfRIB(global), report(post, byFamily(bmp.StatAdjRIBInFamily, bgp.IPv4Unicast))}, 0, nil},
		{"family that the router does not tell", [][]byte{peerUp(global), routes(global, 0, 1), endOfRIB(global), report(global, byFamily(bmp.StatAdjRIBInFamily, bgp.IPv6VPN))}, 0, nil},
		{"all families, one of them not told", [][]byte{two, routes(global, 0, 1), endOfRIB(global), report(global, bmp.Statistic{Type: bmp.StatAdjRIBIn, Value: 9})}, 0, nil},
		{"all families beside one", [][]byte{peerUp(global), routes(global, 0, 1), endOfRIB(global), report(global, bmp.Statistic{Type: bmp.StatAdjRIBIn, Value: 9}, byFamily(bmp.StatAdjRIBInFamily, bgp.IPv4Unicast))}, 1, []Drift{{View: rib.AdjRIBInPre, Family: rib.IPv4Unicast, Ours: 1, Theirs: 100, Reports: 1}}},
		{"filtered by the peer up", [][]byte{peerUp(filtered), routes(locRIB(0), 0, 1), endOfRIB(locRIB(0)), report(locRIB(0), byFamily(bmp.StatLocRIBFamily, bgp.IPv4Unicast))}, 0, nil},
		{"filtered by the report", [][]byte{peerUp(locRIB(0)), routes(locRIB(0), 0, 1), endOfRIB(locRIB(0)), report(filtered, byFamily(bmp.StatLocRIBFamily, bgp.IPv4Unicast))}, 0, nil},
		{"loc-rib", [][]byte{peerUp(locRIB(0)), routes(locRIB(0), 0, 1), endOfRIB(locRIB(0)), report(locRIB(0), byFamily(bmp.StatLocRIBFamily, bgp.IPv4Unicast))}, 1, []Drift{{View: rib.LocRIB, Family: rib.IPv4Unicast, Ours: 1, Theirs: 100, Reports: 1}}},
		{"loc-rib of an ordinary peer's report", [][]byte{peerUp(global), routes(global, 0, 1), endOfRIB(global), report(global, bmp.Statistic{Type: bmp.StatLocRIB, Value: 9})}, 0, nil},
		{"post policy", [][]byte{peerUp(global), routes(post, 0, 1), endOfRIB(post), report(global, byFamily(bmp.StatAdjRIBInPostFamily, bgp.IPv4Unicast))}, 1, []Drift{{View: rib.AdjRIBInPost, Family: rib.IPv4Unicast, Ours: 1, Theirs: 100, Reports: 1}}},
		{"adj-rib-out", [][]byte{peerUp(global), routes(globalPeer(bmp.FlagOut), 0, 1), endOfRIB(globalPeer(bmp.FlagOut)), report(global, byFamily(bmp.StatAdjRIBOutPreFamily, bgp.IPv4Unicast), byFamily(bmp.StatAdjRIBOutPostFamily, bgp.IPv4Unicast))}, 1, []Drift{{View: rib.AdjRIBOutPre, Family: rib.IPv4Unicast, Ours: 1, Theirs: 100, Reports: 1}}},
		{"counters", [][]byte{peerUp(global), report(global, bmp.Statistic{Type: 0, Value: 9})}, 0, nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c := newClock(t, Config{})
			l := c.open(device1)
			l.send(tt.messages...)
			n := c.Counters().BMP
			if got := int(n.DriftReports - n.DriftSkipped); got != tt.compared {
				t.Errorf("compared %d, want %d", got, tt.compared)
			}
			var got []Drift
			for _, list := range c.devices[device1].drift {
				got = append(got, list...)
			}
			for i := range got {
				got[i].Time, got[i].Since = 0, 0
			}
			if !slices.Equal(got, tt.want) {
				t.Errorf("got %+v, want %+v", got, tt.want)
			}
		})
	}
}

// TestRIBCountersAreSums adds up what the tables of two devices counted, one of which is forgotten meanwhile.
func TestRIBCountersAreSums(t *testing.T) {
	c := newClock(t, Config{MaxRoutes: 5, History: time.Hour})
	for _, device := range []netip.Addr{device1, device2} {
		l := c.open(device)
		l.send(peerUp(globalPeer(0)), routes(globalPeer(0), 0, 7))
		l.send(bmp.AppendRouteMonitoring(nil, globalPeer(0), []bgp.NLRI{{Prefix: netip.MustParsePrefix("10.0.0.0/24"), Family: bgp.IPv4Unicast}}, nil, nil))
		if device == device1 {
			if sum := c.Totals(); sum.AttrBytes == 0 || sum.History != c.devices[device].rib.HistoryBytes() || sum.Peers != 1 {
				t.Errorf("totals %+v", sum)
			}
		}
		l.close()
	}
	before := c.Counters().RIB
	if before.Announced != 10 || before.RefusedRoutes != 4 || before.Withdrawn+before.WithdrawnAbsent != 2 {
		t.Errorf("got %+v", before)
	}
	if n, stay := c.Drop(func(a netip.Addr) bool { return a == device1 }); n != 1 || stay != 0 {
		t.Fatalf("%d devices dropped, %d stay", n, stay)
	}
	if after := c.Counters().RIB; after != before {
		t.Errorf("after a device has gone %+v, before %+v", after, before)
	}
}
