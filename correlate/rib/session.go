package rib

// Session is how one of a device's BMP sessions changes its RIB. A device may have several at once: a new one before the loss of
// the old one is noticed, or two on purpose, say one for routes before policy and one for those after. Numbers rise: the
// higher one is the newer session.
//
// A source belongs to the newest session that has told a route or End-of-RIB of it, whose dump replaces what the older one told. From
// then on the older session is not heard about that source, and its end does not touch it. The number 0 is no
// session: it owns nothing and is always heard, as the methods of RIB with these names are.
type Session struct {
	r  *RIB
	id uint64
}

// Session returns the session with a number.
func (r *RIB) Session(id uint64) Session { return Session{r, id} }

// Source is RIB.Source. It reports false when a newer session tells this source: the routes are to be left out.
func (n Session) Source(k PeerKey, v View, f Family) (SourceID, bool) {
	s := n.r.sourceOf(n.r.peerOf(k), v, f)
	if s == nil {
		return 0, true
	}
	return s.id, n.take(s)
}

// take makes a source the session's own, unless it belongs to a newer one.
func (n Session) take(s *source) bool {
	switch {
	case s.owner == n.id || n.id == 0:
	case s.owner > n.id:
		return false
	case s.owner == 0:
		s.owner = n.id
	default:
		s.owner = n.id
		n.r.retire(s)
		n.r.beginSync(s)
	}
	return true
}

// PeerUp begins a new sync of the peer's sources, but those of other open sessions: what they told before is stale until they tell it
// again, End-of-RIB or the timeout. Told twice for one BGP session (PeerInfo.Session) it only renews the information.
func (n Session) PeerUp(k PeerKey, info PeerInfo, now int64) {
	r := n.r
	r.advance(now)
	p := r.peerOf(k)
	if p == nil {
		r.stats.RefusedSources++
		return
	}
	again := p.up && info.Session != 0 && info.Session == p.info.Session && n.id == p.session
	if n.id >= p.session || n.id == 0 {
		r.inform(p, info)
		p.session = n.id
	}
	if again {
		return
	}
	p.up, p.lost, p.since = true, false, r.now
	for _, s := range p.sources {
		if n.mayClear(s) {
			r.retire(s)
			r.beginSync(s)
		}
	}
	r.setBare(p, len(p.sources) == 0)
}

// inform keeps what a Peer Up says of its peer.
func (r *RIB) inform(p *peer, info PeerInfo) {
	if info.AS != p.info.AS || info.LocalAS != p.info.LocalAS || info.BGPID != p.info.BGPID {
		r.unsort(p)
	}
	p.info = info
}

// mayClear reports whether no other open session has told the source.
func (n Session) mayClear(s *source) bool { return n.id == 0 || s.owner == 0 || s.owner == n.id }

// PeerDown makes the routes of a peer vanish at once, but those that a newer session has told. When the router only stopped to monitor
// the peer, what an older session tells stays as well.
func (n Session) PeerDown(k PeerKey, unmonitored bool, now int64) {
	r := n.r
	r.advance(now)
	p := r.peers[k.canonical()]
	if p == nil {
		return
	}
	kept := uint64(0)
	for _, s := range p.sources {
		if s.owner > n.id && n.id != 0 || unmonitored && !n.mayClear(s) {
			kept = max(kept, s.owner)
			continue
		}
		s.owner, s.gap = 0, false
		r.retire(s)
		r.sweep(s, r.now, true)
		r.setState(s, Absent)
	}
	if p.session > n.id && n.id != 0 {
		return
	}
	r.setBare(p, false)
	if p.session = kept; kept == 0 {
		p.up, p.lost, p.since = false, false, r.now
	}
}

// EndOfRIB ends the sync of a source: what it has not told again goes. It reports false as Source does.
func (n Session) EndOfRIB(k PeerKey, v View, f Family, now int64) bool {
	r := n.r
	r.advance(now)
	s := r.sourceOf(r.peerOf(k), v, f)
	if s == nil {
		r.stats.RefusedSources++
		return true
	}
	if !n.take(s) {
		return false
	}
	s.heard, s.peer.lost, s.known = r.now, false, true
	r.sweep(s, r.now, true)
	r.setState(s, Synced)
	return true
}

// End makes the routes that the session has told stale. They answer until another session tells them again or the timeout. A peer that
// another open session tells of stays up.
func (n Session) End(now int64) {
	r := n.r
	r.advance(now)
	r.peersOver = false
	for _, p := range r.peers {
		kept, mine := uint64(0), n.id == 0 || p.session == n.id
		for _, s := range p.sources {
			if !n.mayClear(s) {
				kept = max(kept, s.owner)
				continue
			}
			mine = mine || s.owner == n.id
			if s.owner == n.id || n.id == 0 {
				r.orphan(s)
			}
		}
		if p.session != n.id && p.session > kept && n.id != 0 {
			kept = p.session
		}
		if mine && kept == 0 && !p.lost {
			p.up, p.lost, p.since = false, true, r.now
			r.setBare(p, false)
		}
		if mine {
			p.session = kept
		}
	}
}

// orphan makes what a source has stale.
func (r *RIB) orphan(s *source) {
	s.owner = 0
	if s.state != Absent && !s.gap {
		s.gap, s.gapSince = true, r.now
	}
	r.retire(s)
	if s.live > 0 || s.state != Absent {
		r.setState(s, Stale)
	}
}
