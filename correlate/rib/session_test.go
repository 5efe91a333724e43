package rib

import (
	"net/netip"
	"testing"
)

// tell announces a route as one BMP session and reports whether the session was heard.
func (s *stage) tell(session uint64, k PeerKey, v View, prefix string) bool {
	src, ok := s.r.Session(session).Source(k, v, IPv4Unicast)
	if !ok {
		return false
	}
	id := s.r.in.Acquire([]byte(prefix), func() Attrs { return Attrs{} })
	s.r.Announce(src, 0, netip.MustParsePrefix(prefix), 0, false, id, s.now)
	return true
}

func (s *stage) routes(what string, v View, want, stale int) {
	s.Helper()
	st, _ := s.r.SourceStatus(peerA, v, IPv4Unicast)
	if st.Routes != want || st.Stale != stale {
		s.Errorf("%s: %v has %d routes, %d stale; want %d and %d", what, v, st.Routes, st.Stale, want, stale)
	}
	if err := s.r.check(); err != nil {
		s.Errorf("%s: %v", what, err)
	}
}

func (s *stage) up(what string, want bool) {
	s.Helper()
	for p := range s.r.Peers() {
		if p.Key == peerA.canonical() && p.Up != want {
			s.Errorf("%s: up %v", what, p.Up)
		}
	}
}

// A device reconnects before the loss of its old session is noticed, with the same BGP session as before.
func TestNewSessionReplacesTheOld(t *testing.T) {
	s := newStage(t)
	older, newer := s.r.Session(1), s.r.Session(2)
	older.PeerUp(peerA, PeerInfo{Session: 7}, s.now)
	s.tell(1, peerA, LocRIB, "10.0.0.0/8")
	s.tell(1, peerA, LocRIB, "11.0.0.0/8")
	older.EndOfRIB(peerA, LocRIB, IPv4Unicast, s.now)

	newer.PeerUp(peerA, PeerInfo{Session: 7}, s.now)
	s.routes("second peer up", LocRIB, 2, 0)
	s.tell(2, peerA, LocRIB, "10.0.0.0/8")
	s.routes("dump of the second session", LocRIB, 2, 1)
	if s.tell(1, peerA, LocRIB, "12.0.0.0/8") || older.EndOfRIB(peerA, LocRIB, IPv4Unicast, s.now) {
		t.Error("the older session is heard")
	}
	older.PeerDown(peerA, false, s.now)
	s.routes("peer down in the older session", LocRIB, 2, 1)
	newer.EndOfRIB(peerA, LocRIB, IPv4Unicast, s.now)
	s.routes("End-of-RIB", LocRIB, 1, 0)
	older.End(s.now)
	s.routes("late end of the older session", LocRIB, 1, 0)
	s.up("late end of the older session", true)
	newer.End(s.now)
	s.routes("end of the newer session", LocRIB, 1, 1)
	s.up("end of the newer session", false)
	if !s.tell(3, peerA, LocRIB, "10.0.0.0/8") {
		t.Error("a third session is not heard")
	}
}

// A device has one session for routes before policy and one for those after.
func TestTwoSessionsShareAPeer(t *testing.T) {
	s := newStage(t)
	pre, post := s.r.Session(1), s.r.Session(2)
	pre.PeerUp(peerA, PeerInfo{Session: 7}, s.now)
	s.tell(1, peerA, AdjRIBInPre, "10.0.0.0/8")
	pre.EndOfRIB(peerA, AdjRIBInPre, IPv4Unicast, s.now)
	post.PeerUp(peerA, PeerInfo{Session: 7}, s.now)
	s.tell(2, peerA, AdjRIBInPost, "10.0.0.0/8")
	post.EndOfRIB(peerA, AdjRIBInPost, IPv4Unicast, s.now)
	s.wait(11 * 60)
	s.routes("long after", AdjRIBInPre, 1, 0)
	s.routes("long after", AdjRIBInPost, 1, 0)
	pre.PeerUp(peerA, PeerInfo{Session: 8}, s.now)
	s.routes("the BGP session is new, in the older session", AdjRIBInPre, 1, 1)
	s.routes("the BGP session is new, in the older session", AdjRIBInPost, 1, 0)
	if !s.tell(1, peerA, AdjRIBInPre, "10.0.0.0/8") {
		t.Error("the older session is not heard")
	}
	post.PeerDown(peerA, true, s.now)
	s.routes("the newer session no longer monitors the peer", AdjRIBInPre, 1, 0)
	s.routes("the newer session no longer monitors the peer", AdjRIBInPost, 0, 0)
	s.up("the newer session no longer monitors the peer", true)
	s.tell(2, peerA, AdjRIBInPost, "10.0.0.0/8")
	post.End(s.now)
	s.routes("end of the newer session", AdjRIBInPre, 1, 0)
	s.routes("end of the newer session", AdjRIBInPost, 1, 1)
	s.up("end of the newer session", true)
	pre.PeerDown(peerA, false, s.now)
	s.routes("peer down", AdjRIBInPre, 0, 0)
	s.routes("peer down", AdjRIBInPost, 0, 0)
	s.up("peer down", false)
}

// Peer Down in the newer session holds for what the older one has told.
func TestPeerDownInTheNewerSession(t *testing.T) {
	s := newStage(t)
	s.r.Session(1).PeerUp(peerA, PeerInfo{}, s.now)
	s.tell(1, peerA, LocRIB, "10.0.0.0/8")
	s.r.Session(2).PeerDown(peerA, false, s.now)
	s.routes("peer down", LocRIB, 0, 0)
	s.up("peer down", false)
	if !s.tell(1, peerA, LocRIB, "10.0.0.0/8") {
		t.Error("the older session is not heard although the newer one tells nothing")
	}
}

// Routes without Peer Up belong to a session too.
func TestEndOfASessionWithoutPeerUp(t *testing.T) {
	s := newStage(t)
	s.tell(1, peerA, LocRIB, "10.0.0.0/8")
	s.tell(2, peerB, LocRIB, "11.0.0.0/8")
	s.r.Session(2).End(s.now)
	s.routes("end of another session", LocRIB, 1, 0)
	s.r.Session(1).End(s.now)
	s.routes("end", LocRIB, 1, 1)
	s.wait(11 * 60)
	s.routes("timeout", LocRIB, 0, 0)
}

// The newer session's information about a peer stands, whatever the older one says later.
func TestInformationIsOfTheNewerSession(t *testing.T) {
	s := newStage(t)
	older, newer := s.r.Session(1), s.r.Session(2)
	older.PeerUp(peerA, PeerInfo{Session: 7, AS: 1}, s.now)
	newer.PeerUp(peerA, PeerInfo{Session: 8, AS: 2}, s.now)
	older.PeerUp(peerA, PeerInfo{Session: 7, AS: 1}, s.now)
	if st, _, _ := s.r.Peer(peerA); st.Info.AS != 2 {
		t.Errorf("got %+v", st.Info)
	}
	older.End(s.now)
	s.up("end of the older session", true)
	newer.End(s.now)
	s.up("end of both", false)
}

// The newer session ends, and the older one still tells routes of the peer.
func TestPeerStaysUpInTheOlderSession(t *testing.T) {
	s := newStage(t)
	older, newer := s.r.Session(1), s.r.Session(2)
	older.PeerUp(peerA, PeerInfo{Session: 7}, s.now)
	s.tell(1, peerA, AdjRIBInPre, "10.0.0.0/8")
	newer.PeerUp(peerA, PeerInfo{Session: 7}, s.now)
	s.tell(2, peerA, AdjRIBInPost, "10.0.0.0/8")
	newer.End(s.now)
	s.up("end of the newer session", true)
	s.routes("end of the newer session", AdjRIBInPre, 1, 0)
	s.routes("end of the newer session", AdjRIBInPost, 1, 1)
	s.wait(601)
	if st, _ := s.r.SourceStatus(peerA, AdjRIBInPost, IPv4Unicast); st.State != Absent || st.Routes != 0 {
		t.Errorf("after the timeout %+v", st)
	}
	older.End(s.now)
	s.up("end of both", false)
	s.routes("end of both", AdjRIBInPre, 1, 1)
}
