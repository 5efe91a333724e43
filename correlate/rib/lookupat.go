package rib

import "net/netip"

// LookupAt is Lookup for the routes that were valid at a time, in Unix nanoseconds by the device's clock: the view, the longest prefix and
// the path are those of then. Match.AsOf, which is always written, says whether the answer is of that time. It is not when the
// history does not reach back so far, and is the answer of now then.
//
// Most questions are about addresses whose part of the table has not changed since: they cost a comparison more than Lookup. A route of a
// device's first dump counts as valid since ever.
func (r *RIB) LookupAt(vrf RD, addr, nextHop netip.Addr, at int64, m *Match) Result {
	v := r.vrfs[vrf]
	if v == nil {
		m.AsOf = at >= r.history.lost
		return NoRIB
	}
	k, nh := keyOf(addr), hopOf(nextHop)
	six := version(!addr.Is4())
	if t := v.answering(six); at >= v.changed[six] && (t == nil || at >= t.changed) {
		if t == nil {
			m.AsOf = true
			return NoRIB
		}
		if c, stamp := t.trie.lookup(k); r.unchangedSince(at, stamp) {
			m.AsOf = true
			return r.finish(t, c, k, addr, &nh, m)
		}
	}
	if at >= r.history.lost {
		r.history.moved = false
		if res := r.lookupThen(v, six, k, addr, &nh, at, m); !r.history.moved {
			m.AsOf = true
			return res
		}
	}
	m.AsOf = false
	return r.lookupNow(v, six, k, addr, &nh, m)
}

// lookupThen finds the route of then among the tables' entries and versions.
func (r *RIB) lookupThen(v *vrf, six int, k key, addr netip.Addr, nh *hop, at int64, m *Match) Result {
	for view := LocRIB; view.answers(); view++ {
		ts := r.tablesThen(v, view, six, at)
		if len(ts) == 0 {
			continue
		}
		for bits := addr.BitLen(); bits >= 0; bits-- {
			var cands []candidate
			if cands, bits = r.pathsThen(ts, k, bits, at); len(cands) > 0 {
				c, by := r.chooseThen(cands, nh)
				r.fill(m, view, c.entry, c.entry.attr, addr)
				m.ByNextHop = by
				m.State = r.stateThen(c.entry, at)
				return Found
			}
		}
		return NoPrefix
	}
	return NoRIB
}

// tablesThen returns the tables of a view that had routes.
func (r *RIB) tablesThen(v *vrf, view View, six int, at int64) []*table {
	ts := r.history.then[:0]
	if t := v.tables[view][six]; t != nil && t.born <= at {
		ts = append(ts, t)
	}
	for _, g := range v.ghosts {
		if g.view == view && version(g.six) == six && g.born <= at && at < g.died {
			ts = append(ts, g)
		}
	}
	r.history.then = ts
	return ts
}

// pathsThen returns the paths of the longest prefix of no more than so many bits that has, or had once, any; and its length, which is
// below 0 when there is no such prefix.
func (r *RIB) pathsThen(ts []*table, k key, bits int, at int64) ([]candidate, int) {
	longest := -1
	cands := r.history.cands[:0]
	for _, t := range ts {
		now, then := t.trie.lookupUpTo(k, bits), chain(0)
		p := &r.history.past[version(t.six)]
		if t.past.size > 0 {
			then = t.past.lookupUpTo(k, bits)
		}
		if now != 0 {
			if n := t.arena.at(now.head()).bits(); n >= longest {
				if n > longest {
					longest, cands = n, cands[:0]
				}
				cands = r.entriesThen(cands, t, now.head(), at)
			}
		}
		if then != 0 {
			if n := p.at(then.head()).bits(); n >= longest {
				if n > longest {
					longest, cands = n, cands[:0]
				}
				cands = r.versionsThen(cands, p, then.head(), at)
			}
		}
	}
	r.history.cands = cands
	return cands, longest
}

func (r *RIB) entriesThen(cands []candidate, t *table, head uint32, at int64) []candidate {
	for i := head; i != none; {
		e := t.arena.at(i)
		f := &r.feeds[e.feed()]
		if r.since(e) <= at && (!f.dead || at < f.died) {
			cands = append(cands, candidate{entry: e, rank: &r.in.set(e.attr).rank, src: f.src})
		}
		i = e.next
	}
	return cands
}

func (r *RIB) versionsThen(cands []candidate, p *past, newest uint32, at int64) []candidate {
	oldest := p.at(newest).next
	if x := p.end(oldest); x.torn && at < x.to {
		r.history.moved = true
	}
	for i := oldest; ; {
		e := p.at(i)
		if at < p.end(i).to && r.since(e) <= at {
			cands = append(cands, candidate{entry: e, rank: &r.in.set(e.attr).rank, src: r.feeds[e.feed()].src})
		}
		if i == newest {
			return cands
		}
		i = e.next
	}
}

// chooseThen picks a path as choose does.
func (r *RIB) chooseThen(cands []candidate, nh *hop) (candidate, bool) {
	hits := r.history.hits[:0]
	for i := range cands {
		if nh.ok && nh.is(cands[i].entry, r.in) {
			hits = append(hits, cands[i])
		}
	}
	r.history.hits = hits
	if len(hits) > 0 {
		all := r.best(cands)
		if nh.is(all.entry, r.in) {
			return all, true
		}
		return r.best(hits), true
	}
	return r.best(cands), false
}

// stateThen tells the state of a route at a time. A source that is no longer as it was then counts as synced.
func (r *RIB) stateThen(e *entry, at int64) State {
	f := &r.feeds[e.feed()]
	switch {
	case f.stale && f.since <= at:
		return Stale
	case f.stale || f.dead || f.src.state == Absent:
		return Synced
	}
	return f.src.state
}
