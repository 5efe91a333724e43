package rib

import "math"

// Source returns the id for routes of a peer's view and family. It is cheap enough to ask per message, and valid until the next Tick
// or Clear. The peer needs no Peer Up. It returns 0, on which routes are refused, when the RIB has too many sources
// or the view is none.
func (r *RIB) Source(k PeerKey, v View, f Family) SourceID {
	if s := r.sourceOf(r.peerOf(k), v, f); s != nil {
		return s.id
	}
	return 0
}

func (r *RIB) source(s SourceID) *source {
	if int(s) < len(r.sources) {
		return r.sources[s]
	}
	return nil
}

func (r *RIB) peerOf(k PeerKey) *peer {
	k = k.canonical()
	p := r.peers[k]
	if p == nil {
		if len(r.peers) >= r.opt.MaxPeers {
			r.peersOver = true
			return nil
		}
		p = &peer{key: k, since: r.now}
		r.peers[k] = p
	}
	return p
}

// maxPeerSources bounds the views and families of a peer, which are looked through for each message. IANA knows some 40 families.
const maxPeerSources = 512

// sourceOf returns the source of a peer, creating it, or nil when there are too many or the view is none.
func (r *RIB) sourceOf(p *peer, v View, f Family) *source {
	if p == nil || v >= numViews {
		return nil
	}
	for _, s := range p.sources {
		if s.view == v && s.family == f {
			return s
		}
	}
	if len(p.sources) >= maxPeerSources {
		return nil
	}
	var id SourceID
	if n := len(r.freeSource); n > 0 {
		id = r.freeSource[n-1]
		r.freeSource = r.freeSource[:n-1]
	} else if len(r.sources) <= r.opt.MaxSources {
		id = SourceID(len(r.sources))
		r.sources = append(r.sources, nil)
	} else {
		return nil
	}
	s := &source{
		id: id, peer: p, view: v, family: f, current: make(map[feedKey]uint32), cachedFeed: none, assume: math.MinInt64,
	}
	r.sources[id] = s
	p.sources = append(p.sources, s)
	r.setBare(p, false)
	return s
}

// PeerUp is Session.PeerUp without a session.
func (r *RIB) PeerUp(k PeerKey, info PeerInfo, now int64) { r.Session(0).PeerUp(k, info, now) }

// PeerDown makes all routes of a peer vanish at once.
func (r *RIB) PeerDown(k PeerKey, now int64) { r.Session(0).PeerDown(k, false, now) }

// EndOfRIB ends the sync of a source: what it has not told again goes.
func (r *RIB) EndOfRIB(k PeerKey, v View, f Family, now int64) { r.Session(0).EndOfRIB(k, v, f, now) }

// SessionLost makes all routes stale, because no BMP session is left. They answer until the next dump replaces them or the timeout.
func (r *RIB) SessionLost(now int64) { r.Session(0).End(now) }

// Clear forgets everything. The attribute references go with the following Ticks: a RIB must not be thrown away before
// Tick has reported that nothing is left to do.
func (r *RIB) Clear() {
	for _, t := range r.tables {
		r.stats.Swept += uint64(t.live)
		r.buried += t.live + t.dead
		r.graves = append(r.graves, t.arena)
	}
	r.forgetHistory()
	r.reset()
}

// advance keeps the latest time.
func (r *RIB) advance(now int64) { r.now = max(r.now, now) }

// heard notes a route of a source. The first one after the session was lost or the peer went down begins a new sync.
func (r *RIB) heard(s *source) {
	if s.state == Absent || s.state == Stale {
		s.peer.lost = false
		r.beginSync(s)
	}
	s.heard = r.now
	if s.state == Syncing && !s.begun {
		s.begun = true
		r.dumping++
	}
}

// beginSync puts a source into the state of waiting for its dump.
func (r *RIB) beginSync(s *source) {
	r.setState(s, Absent)
	r.setState(s, Syncing)
	r.pardon(s)
	s.heard, s.syncSince = r.now, r.now
	switch {
	case !s.known: // its first dump
		s.known = true
	case s.gap:
		s.assume = s.gapSince
	default:
		s.assume = r.now
	}
	s.gap = false
}

func (r *RIB) setState(s *source, st State) {
	if s.state == st {
		return
	}
	if s.state == Syncing {
		r.syncing--
		if s.begun {
			s.begun = false
			r.dumping--
			r.lastDump = r.now
		}
	}
	if st == Syncing {
		r.syncing++
	}
	s.state = st
	r.epoch++
}

func (r *RIB) setBare(p *peer, bare bool) {
	if p.bare == bare {
		return
	}
	p.bare = bare
	if bare {
		r.bare++
	} else {
		r.bare--
	}
	r.epoch++
}
