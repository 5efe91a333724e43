package rib

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
	p := r.peers[k]
	if p == nil {
		if len(r.peers) >= r.opt.MaxSources {
			return nil
		}
		p = &peer{key: k, since: r.now}
		r.peers[k] = p
	}
	return p
}

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
	s := &source{id: id, peer: p, view: v, family: f, current: make(map[feedKey]uint32), cachedFeed: none}
	r.sources[id] = s
	p.sources = append(p.sources, s)
	r.setBare(p, false)
	return s
}

// PeerUp begins a new sync of all of a peer's sources: what they told before is stale until they tell it again, End-of-RIB
// or the timeout. Told twice for one session (PeerInfo.Session) it only renews the information.
func (r *RIB) PeerUp(k PeerKey, info PeerInfo, now int64) {
	r.advance(now)
	p := r.peerOf(k)
	if p == nil {
		r.stats.RefusedSources++
		return
	}
	again := p.up && info.Session != 0 && info.Session == p.info.Session
	if info.AS != p.info.AS || info.LocalAS != p.info.LocalAS || info.BGPID != p.info.BGPID {
		r.unsort(p)
	}
	p.info = info
	if again {
		return
	}
	p.up, p.lost, p.since = true, false, r.now
	for _, s := range p.sources {
		r.retire(s)
		r.beginSync(s)
	}
	r.setBare(p, len(p.sources) == 0)
}

// PeerDown makes all routes of a peer vanish at once.
func (r *RIB) PeerDown(k PeerKey, now int64) {
	r.advance(now)
	p := r.peers[k]
	if p == nil {
		return
	}
	p.up, p.lost, p.since = false, false, r.now
	r.setBare(p, false)
	for _, s := range p.sources {
		r.retire(s)
		r.sweep(s, r.now)
		r.setState(s, Absent)
	}
}

// EndOfRIB ends the sync of a source: what it has not told again goes.
func (r *RIB) EndOfRIB(k PeerKey, v View, f Family, now int64) {
	r.advance(now)
	s := r.sourceOf(r.peerOf(k), v, f)
	if s == nil {
		r.stats.RefusedSources++
		return
	}
	s.heard, s.peer.lost = r.now, false
	r.sweep(s, r.now)
	r.setState(s, Synced)
}

// SessionLost makes all routes stale, because the BMP session has ended. They answer until the next dump replaces them or the timeout.
func (r *RIB) SessionLost(now int64) {
	r.advance(now)
	for _, p := range r.peers {
		if p.lost {
			continue
		}
		p.up, p.lost, p.since = false, true, r.now
		r.setBare(p, false)
		for _, s := range p.sources {
			r.retire(s)
			if s.live > 0 || s.state != Absent {
				r.setState(s, Stale)
			}
		}
	}
}

// Clear forgets everything. The attribute references go with the following Ticks: a RIB must not be thrown away before
// Tick has reported that nothing is left to do.
func (r *RIB) Clear() {
	for _, t := range r.tables {
		r.stats.Swept += uint64(t.live)
		r.buried += t.live + t.dead
		r.graves = append(r.graves, t.arena)
	}
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
	s.heard, s.syncSince = r.now, r.now
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

// currentFeed returns the feed for new routes of a source, creating it and its table, or none when there are too many.
func (r *RIB) currentFeed(s *source, k feedKey) uint32 {
	if s.cachedFeed != none && s.cached == k {
		return s.cachedFeed
	}
	fi, ok := s.current[k]
	if !ok {
		if n := len(r.freeFeeds); n > 0 {
			fi = r.freeFeeds[n-1]
			r.freeFeeds = r.freeFeeds[:n-1]
		} else if len(r.feeds) == maxFeeds {
			return none
		} else {
			fi = uint32(len(r.feeds))
			r.feeds = append(r.feeds, feed{})
		}
		t := r.table(k, s.view)
		t.feeds = append(t.feeds, fi)
		r.feeds[fi] = feed{table: t, src: s}
		s.current[k] = fi
		r.epoch++
	}
	s.cached, s.cachedFeed = k, fi
	return fi
}

// freeFeed gives up a feed without entries.
func (r *RIB) freeFeed(fi uint32) {
	f := &r.feeds[fi]
	s := f.src
	switch {
	case f.dead:
	case f.stale:
		s.old = without(s.old, fi)
	default:
		delete(s.current, feedKey{f.table.vrf, f.table.six})
		s.cachedFeed = none
	}
	f.table.feeds = without(f.table.feeds, fi)
	*f = feed{}
	r.freeFeeds = append(r.freeFeeds, fi)
	r.epoch++
}

// without removes v from a list whose order does not matter.
func without(list []uint32, v uint32) []uint32 {
	for i, x := range list {
		if x == v {
			list[i] = list[len(list)-1]
			return list[:len(list)-1]
		}
	}
	return list
}

// retire makes the current feeds of a source stale.
func (r *RIB) retire(s *source) {
	if len(s.current) == 0 {
		return
	}
	if len(s.old) == 0 {
		s.oldSince = r.now
	}
	for _, fi := range s.current {
		f := &r.feeds[fi]
		f.stale, f.since = true, r.now
		s.stale += f.n
		s.old = append(s.old, fi)
	}
	clear(s.current)
	s.cachedFeed = none
}

// sweep kills the feeds of a source that became stale by the time until.
func (r *RIB) sweep(s *source, until int64) {
	old := s.old
	s.old, s.oldSince = nil, 0
	for _, fi := range old {
		f := &r.feeds[fi]
		if f.since > until {
			if len(s.old) == 0 || f.since < s.oldSince {
				s.oldSince = f.since
			}
			s.old = append(s.old, fi)
			continue
		}
		r.kill(fi)
	}
}

// kill takes the routes of a stale feed, which is no longer in its source's list, from all lookups and counts.
func (r *RIB) kill(fi uint32) {
	f := &r.feeds[fi]
	t := f.table
	f.dead = true
	f.src.live -= f.n
	f.src.stale -= f.n
	r.live -= f.n
	r.stats.Swept += uint64(f.n)
	t.live -= f.n
	t.dead += f.n
	r.dead += f.n
	r.epoch++
	if t.live == 0 {
		r.drop(t)
	} else {
		r.soil(t)
	}
}

// soil gives a table to the clean-up.
func (r *RIB) soil(t *table) {
	if !t.dirty {
		t.dirty = true
		t.cursor = 0
		r.dirty = append(r.dirty, t)
	}
}

// unsort has the clean-up put the chains in order that have routes of a peer, whose information has changed.
func (r *RIB) unsort(p *peer) {
	for _, s := range p.sources {
		for _, fi := range s.current {
			r.unsortTable(r.feeds[fi].table)
		}
		for _, fi := range s.old {
			r.unsortTable(r.feeds[fi].table)
		}
	}
}

func (r *RIB) unsortTable(t *table) {
	r.soil(t)
	t.unsorted = true
	t.cursor = 0
}
