package rib

import (
	"net/netip"
	"testing"
	"time"
)

const second = int64(time.Second)

// stage is a RIB with one or two peers and helpers for tests of the life cycle.
type stage struct {
	*testing.T
	r   *RIB
	now int64
}

var (
	peerA = PeerKey{Addr: netip.MustParseAddr("192.0.2.1")}
	peerB = PeerKey{Addr: netip.MustParseAddr("192.0.2.2")}
	ten   = netip.MustParseAddr("10.0.0.1")
)

func newStage(t *testing.T) *stage { return &stage{T: t, r: New(NewIntern(), Options{})} }

func (s *stage) announce(k PeerKey, prefix string) {
	id := s.r.in.Acquire([]byte(prefix), func() Attrs { return Attrs{} })
	s.r.Announce(s.r.Source(k, AdjRIBInPre, IPv4Unicast), 0, netip.MustParsePrefix(prefix), 0, false, id, s.now)
}

func (s *stage) eor(k PeerKey) { s.r.EndOfRIB(k, AdjRIBInPre, IPv4Unicast, s.now) }

// wait lets time pass in steps of a second.
func (s *stage) wait(seconds int64) {
	for range seconds {
		s.now += second
		s.r.Tick(s.now, 1000)
	}
}

func (s *stage) want(what string, routes int, match, table State) {
	s.Helper()
	var m Match
	s.r.Lookup(0, ten, netip.Addr{}, &m)
	if s.r.Routes() != routes || m.State != match || s.r.State(0, ten) != table {
		s.Errorf("%s: got %d routes, match %v, table %v, want %d, %v, %v",
			what, s.r.Routes(), m.State, s.r.State(0, ten), routes, match, table)
	}
	if err := s.r.check(); err != nil {
		s.Errorf("%s: %v", what, err)
	}
}

func TestSyncUntilEndOfRIB(t *testing.T) {
	s := newStage(t)
	s.want("nothing told", 0, Absent, Absent)
	s.r.PeerUp(peerA, PeerInfo{}, s.now)
	s.want("peer up", 0, Absent, Syncing)
	s.announce(peerA, "10.0.0.0/8")
	s.want("first route", 1, Syncing, Syncing)
	s.eor(peerA)
	s.want("End-of-RIB", 1, Synced, Synced)
	s.announce(peerA, "10.1.0.0/16")
	s.want("update", 2, Synced, Synced)
}

func TestEmptyDump(t *testing.T) {
	s := newStage(t)
	s.r.PeerUp(peerA, PeerInfo{}, s.now)
	s.eor(peerA)
	s.want("End-of-RIB alone", 0, Absent, Absent)
}

func TestQuietSourceIsSynced(t *testing.T) {
	s := newStage(t)
	s.announce(peerA, "10.0.0.0/8")
	s.wait(4)
	s.announce(peerA, "10.1.0.0/16")
	s.wait(4)
	s.want("still telling", 2, Syncing, Syncing)
	s.wait(1)
	s.want("quiet for 5 s", 2, Synced, Synced)
}

func TestSyncLimit(t *testing.T) {
	s := newStage(t)
	for range 299 {
		s.announce(peerA, "10.0.0.0/8")
		s.wait(1)
	}
	s.want("never quiet", 1, Syncing, Syncing)
	s.announce(peerA, "10.0.0.0/8")
	s.wait(1)
	s.want("after 5 min", 1, Synced, Synced)
}

func TestPeersWaitForTheirTurn(t *testing.T) {
	s := newStage(t)
	s.r.PeerUp(peerA, PeerInfo{}, s.now)
	s.r.PeerUp(peerB, PeerInfo{}, s.now)
	for range 20 {
		s.announce(peerA, "10.0.0.0/8")
		s.wait(1)
	}
	s.eor(peerA)
	s.want("the other peer has told nothing yet", 1, Synced, Syncing)
	s.wait(4)
	s.want("and may begin", 1, Synced, Syncing)
	s.wait(2)
	s.want("it has nothing to tell", 1, Synced, Synced)
}

// A device that always dumps something does not keep a peer's turn open for longer than the limit.
func TestTurnsEnd(t *testing.T) {
	s := newStage(t)
	s.r.PeerUp(peerB, PeerInfo{}, s.now)
	for i := range 400 {
		if i%100 == 0 {
			s.r.PeerUp(peerA, PeerInfo{}, s.now) // its dump begins again
		}
		s.announce(peerA, "10.0.0.0/8")
		s.wait(1)
		if waited := s.r.bare > 0; waited != (i < 299) {
			t.Fatalf("waited for the other peer %v after %d s", waited, i+1)
		}
	}
}

func TestRenewedPeerWaitsForItsTurn(t *testing.T) {
	s := newStage(t)
	s.announce(peerA, "10.0.0.0/8")
	s.announce(peerB, "10.0.0.0/8")
	s.wait(6)
	s.r.SessionLost(s.now)
	s.want("session lost", 2, Stale, Stale)
	s.wait(30)
	s.r.PeerUp(peerA, PeerInfo{}, s.now)
	s.r.PeerUp(peerB, PeerInfo{}, s.now)
	s.want("both up again", 2, Stale, Syncing)
	for range 20 {
		s.announce(peerB, "10.0.0.0/8")
		s.wait(1)
	}
	s.eor(peerB)
	s.want("one told again", 2, Stale, Syncing)
	s.announce(peerA, "10.0.0.0/8")
	s.want("the other begins", 2, Syncing, Syncing)
	s.eor(peerA)
	s.want("both told again", 2, Synced, Synced)
}

func TestRenewalSweepsAtEndOfRIB(t *testing.T) {
	s := newStage(t)
	s.announce(peerA, "10.0.0.0/8")
	s.announce(peerA, "10.0.0.0/24")
	s.eor(peerA)
	s.r.PeerUp(peerA, PeerInfo{}, s.now)
	s.want("up again", 2, Stale, Syncing)
	s.announce(peerA, "10.0.0.0/8")
	if st, _ := s.r.SourceStatus(peerA, AdjRIBInPre, IPv4Unicast); st.Routes != 2 || st.Stale != 1 {
		t.Errorf("got %+v, want 2 routes, 1 stale", st)
	}
	s.want("the longer prefix is not told again", 2, Stale, Syncing)
	s.eor(peerA)
	s.want("swept", 1, Synced, Synced)
}

func TestPeerUpToldTwice(t *testing.T) {
	s := newStage(t)
	s.r.PeerUp(peerA, PeerInfo{Session: 1}, s.now)
	s.announce(peerA, "10.0.0.0/8")
	s.r.PeerUp(peerA, PeerInfo{Session: 1}, s.now)
	s.want("for the same session", 1, Syncing, Syncing)
	s.r.PeerUp(peerA, PeerInfo{Session: 2}, s.now)
	s.want("for another session", 1, Stale, Syncing)
	s.eor(peerA)
	s.want("swept", 0, Absent, Absent)
}

func TestPeerDownRemovesAtOnce(t *testing.T) {
	s := newStage(t)
	s.announce(peerA, "10.0.0.0/8")
	s.announce(peerA, "0.0.0.0/0")
	s.announce(peerB, "0.0.0.0/0")
	s.eor(peerA)
	s.eor(peerB)
	s.r.PeerDown(peerA, s.now)
	s.want("one peer left", 1, Synced, Synced)
	s.r.PeerDown(peerB, s.now)
	s.want("no peer left", 0, Absent, Absent)
	var m Match
	if got := s.r.Lookup(0, ten, netip.Addr{}, &m); got != NoRIB {
		t.Errorf("got %v, want NoRIB", got)
	}
	s.announce(peerA, "10.0.0.0/8")
	s.want("told without Peer Up", 1, Syncing, Syncing)
}

func TestLocRIBAddressForms(t *testing.T) {
	s := newStage(t)
	s.r.PeerUp(PeerKey{Addr: netip.IPv6Unspecified()}, PeerInfo{}, s.now)
	s.announce(PeerKey{Addr: netip.IPv4Unspecified()}, "10.0.0.0/8")
	s.eor(PeerKey{})
	s.want("one peer", 1, Synced, Synced)
	s.r.PeerDown(PeerKey{Addr: netip.MustParseAddr("::ffff:0.0.0.0")}, s.now)
	s.want("down", 0, Absent, Absent)
}

func TestStaleTimeout(t *testing.T) {
	s := newStage(t)
	s.announce(peerA, "10.0.0.0/8")
	s.eor(peerA)
	s.r.SessionLost(s.now)
	s.wait(599)
	s.want("before 10 min", 1, Stale, Stale)
	s.wait(1)
	s.want("after 10 min", 0, Absent, Absent)
	if tot := s.r.Totals(); tot.Peers != 0 || tot.Sources != 0 || s.r.in.Len() != 0 {
		t.Errorf("left: %+v, %d attribute sets", tot, s.r.in.Len())
	}
}

func TestSecondSessionLossKeepsTheFirstTime(t *testing.T) {
	s := newStage(t)
	s.announce(peerA, "10.0.0.0/8")
	s.r.SessionLost(s.now)
	s.wait(300)
	s.r.PeerUp(peerA, PeerInfo{}, s.now)
	s.announce(peerA, "10.1.0.0/16")
	s.r.SessionLost(s.now)
	s.want("lost again", 2, Stale, Stale)
	s.wait(300)
	s.want("10 min after the first loss", 1, Absent, Stale)
	s.wait(300)
	s.want("10 min after the second loss", 0, Absent, Absent)
}

func TestEndOfRIBAfterSessionLoss(t *testing.T) {
	s := newStage(t)
	s.announce(peerA, "10.0.0.0/8")
	s.r.SessionLost(s.now)
	s.eor(peerA)
	s.want("empty dump without Peer Up", 0, Absent, Absent)
	s.announce(peerA, "10.0.0.0/8")
	s.r.SessionLost(s.now)
	s.want("lost again", 1, Stale, Stale)
}

func TestRouteTime(t *testing.T) {
	s := newStage(t)
	when := func() int64 {
		var m Match
		s.r.Lookup(0, ten, netip.Addr{}, &m)
		return m.Time
	}
	s.now = 1_700_000_000_123_456_789
	s.announce(peerA, "10.0.0.0/8")
	if got, want := when(), int64(1_700_000_000_123_456_000); got != want {
		t.Errorf("got %d, want %d to the microsecond", got, want)
	}
	first := when()
	s.now += second
	s.announce(peerA, "10.0.0.0/8")
	if got := when(); got != first {
		t.Errorf("told again: got %d, want the first time %d", got, first)
	}
	id := s.r.in.Acquire([]byte("other"), func() Attrs { return Attrs{} })
	s.r.Announce(s.r.Source(peerA, AdjRIBInPre, IPv4Unicast), 0, netip.MustParsePrefix("10.0.0.0/8"), 0, false, id, s.now)
	if got, want := when(), first+second; got != want {
		t.Errorf("changed: got %d, want %d", got, want)
	}
	s.r.PeerDown(peerA, s.now)
	s.now += second
	s.announce(peerA, "10.0.0.0/8")
	if got, want := when(), first+2*second; got != want {
		t.Errorf("new after Peer Down: got %d, want %d", got, want)
	}
}

func TestQuotas(t *testing.T) {
	r := New(NewIntern(), Options{MaxRoutes: 2, MaxSources: 2})
	tell(r,
		told{prefix: "10.0.0.0/8"}, told{prefix: "10.0.0.0/9"}, told{prefix: "10.0.0.0/10"},
		told{prefix: "10.0.0.0/8", hop: "198.51.100.2"}, // a change is no new route
		told{prefix: "2001:db8::/32"},                   // second source
		told{prefix: "10.0.0.0/8", peer: "192.0.2.1", view: AdjRIBInPre},
		told{prefix: "10.0.0.0/8", peer: "192.0.2.2", view: AdjRIBInPre})
	want := Stats{Announced: 2, Replaced: 1, RefusedRoutes: 2, RefusedSources: 2}
	if r.Stats() != want {
		t.Errorf("got %+v, want %+v", r.Stats(), want)
	}
	if r.Routes() != 2 || r.in.Len() != 2 {
		t.Errorf("got %d routes, %d sets, want 2, 2", r.Routes(), r.in.Len())
	}
}

func TestTooManyPaths(t *testing.T) {
	r := New(NewIntern(), Options{MaxPaths: 2})
	tell(r,
		told{prefix: "10.0.0.0/8", path: 1}, told{prefix: "10.0.0.0/8", path: 2}, told{prefix: "10.0.0.0/8", path: 3},
		told{prefix: "10.0.0.0/8", path: 1, hop: "198.51.100.2"}, told{prefix: "10.0.0.0/9", path: 3},
		told{prefix: "10.0.0.0/8", vrf: 1, path: 3}, told{prefix: "10.0.0.0/8", peer: "192.0.2.1"})
	want := Stats{Announced: 4, Replaced: 1, RefusedRoutes: 2}
	if r.Stats() != want {
		t.Errorf("got %+v, want %+v", r.Stats(), want)
	}
	if err := r.check(); err != nil {
		t.Error(err)
	}
}

func TestInvalidInput(t *testing.T) {
	r := New(NewIntern(), Options{})
	p := netip.MustParsePrefix("10.0.0.0/8")
	s := r.Source(peerA, LocRIB, IPv4Unicast)
	id := func() AttrID { return r.in.Acquire([]byte{1}, func() Attrs { return Attrs{} }) }
	for name, ok := range map[string]bool{
		"no prefix":                       r.Announce(s, 0, netip.Prefix{}, 0, false, id(), 0),
		"no source":                       r.Announce(0, 0, p, 0, false, id(), 0),
		"unknown source":                  r.Announce(99, 0, p, 0, false, id(), 0),
		"no attributes":                   r.Announce(s, 0, p, 0, false, 0, 0),
		"withdrawal of an invalid prefix": r.Withdraw(s, 0, netip.Prefix{}, 0, false, 0),
		"withdrawal of no source":         r.Withdraw(99, 0, p, 0, false, 0),
		"withdrawal of no route":          r.Withdraw(s, 0, p, 0, false, 0),
	} {
		if ok {
			t.Errorf("%s: accepted", name)
		}
	}
	if got := r.Source(peerA, numViews, IPv4Unicast); got != 0 {
		t.Errorf("source of no view: got %d", got)
	}
	if r.Routes() != 0 || r.in.Len() != 0 {
		t.Errorf("got %d routes, %d sets, want none", r.Routes(), r.in.Len())
	}
}
