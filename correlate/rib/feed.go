package rib

// feedKey is where a source's routes go: a VRF and an IP version.
type feedKey struct {
	vrf RD
	six bool
}

// feed is one sync of a source into one table. A feed that is not dead has entries; it goes with its last one.
type feed struct {
	table *table
	src   *source
	n     int   // entries
	past  int   // versions in the history
	since int64 // when it became stale
	died  int64 // when it died
	stale bool
	dead  bool
	kept  bool // dead, and its routes are for the history
	limbo bool // without entries, but its source is still asked for by versions

	assume int64 // since when routes of its dump count as valid
}

// currentFeed returns the feed for new routes of a source, creating it and its table, or none when there are too many.
func (r *RIB) currentFeed(s *source, k feedKey) uint32 {
	if s.cachedFeed != none && s.cached == k {
		return s.cachedFeed
	}
	fi, ok := s.current[k]
	if !ok {
		if fi = r.allocFeed(); fi == none {
			return none
		}
		t := r.table(k, s.view)
		t.feeds = append(t.feeds, fi)
		r.feeds[fi] = feed{table: t, src: s, assume: s.assume}
		s.current[k] = fi
		r.epoch++
	}
	s.cached, s.cachedFeed = k, fi
	return fi
}

// allocFeed returns the place of a new feed, or none.
func (r *RIB) allocFeed() uint32 {
	n := len(r.freeFeeds)
	switch {
	case n > 0:
		fi := r.freeFeeds[n-1]
		r.freeFeeds = r.freeFeeds[:n-1]
		return fi
	case len(r.feeds) == maxFeeds:
		return none
	}
	r.feeds = append(r.feeds, feed{})
	return uint32(len(r.feeds) - 1)
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
	r.retireFeed(fi)
	r.epoch++
}

// retireFeed gives up a feed's place, unless versions need it.
func (r *RIB) retireFeed(fi uint32) {
	f := &r.feeds[fi]
	f.n = 0
	if f.past > 0 {
		f.limbo, f.dead = true, true
		return
	}
	r.releaseFeed(fi)
}

func (r *RIB) releaseFeed(fi uint32) {
	r.feeds[fi] = feed{}
	r.freeFeeds = append(r.freeFeeds, fi)
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

// sweep kills the feeds of a source that became stale by the time until. What ends with a stale session is not history: nothing is
// known of when it ended.
func (r *RIB) sweep(s *source, until int64, history bool) {
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
		r.kill(fi, history && r.history.horizon > 0)
	}
}

// kill takes the routes of a stale feed, which is no longer in its source's list, from all lookups and counts.
func (r *RIB) kill(fi uint32, history bool) {
	f := &r.feeds[fi]
	t := f.table
	f.dead, f.kept, f.died = true, history, r.now
	t.changed = max(t.changed, r.now)
	if !history {
		r.history.lost = max(r.history.lost, r.now)
	}
	f.src.live -= f.n
	f.src.stale -= f.n
	r.live -= f.n
	r.stats.Swept += uint64(f.n)
	t.live -= f.n
	t.dead += f.n
	r.dead += f.n
	r.epoch++
	if t.live == 0 {
		t.died = r.now
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
