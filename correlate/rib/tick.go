package rib

import (
	"slices"
	"sort"
	"time"
)

// timerEvery is how often Tick looks at quiet periods and timeouts.
const timerEvery = int64(time.Second)

// Tick lets time pass: sources that have been quiet become synced, stale routes go after their timeout. It then spends
// budget, in entries looked at, on the clean-up of dead entries, and reports whether more of it is waiting. All SourceIDs become invalid.
func (r *RIB) Tick(now int64, budget int) (more bool) {
	r.advance(now)
	if r.now >= r.nextTimer {
		r.nextTimer = r.now + timerEvery
		r.timers()
	}
	r.settlePages()
	budget = r.expire(budget)
	for budget > 0 && len(r.graves) > 0 {
		budget = r.exhume(budget)
	}
	for budget > 0 && len(r.dirty) > 0 {
		budget = r.clean(budget)
	}
	return len(r.graves) > 0 || len(r.dirty) > 0 || r.expired()
}

func (r *RIB) timers() {
	// Routers dump one table after the other: who has told nothing yet waits for its turn while another dump goes on.
	idle := r.lastDump
	if r.dumping > 0 {
		idle = r.now
	}
	for k, p := range r.peers {
		for _, s := range p.sources {
			if s.state == Syncing && r.quiet(s, idle) {
				r.setState(s, Synced)
			}
			if len(s.old) > 0 && r.past(s.oldSince, r.opt.StaleAfter) {
				r.sweep(s, r.now-int64(r.opt.StaleAfter), false)
				if s.live == 0 && s.state == Stale {
					r.setState(s, Absent)
				}
			}
		}
		if p.bare && (r.past(max(p.since, idle), r.opt.QuietPeriod) || r.past(p.since, r.opt.SyncLimit)) {
			r.setBare(p, false)
		}
		if !p.up && r.past(p.since, r.opt.StaleAfter) {
			r.forget(k, p)
		}
	}
}

func (r *RIB) past(since int64, d time.Duration) bool { return r.now-since >= int64(d) }

// quiet reports whether a syncing source counts as synced without End-of-RIB. The device as a whole has dumped nothing since idle.
func (r *RIB) quiet(s *source, idle int64) bool {
	since := s.heard
	if !s.begun {
		since = max(s.syncSince, idle)
	}
	return r.past(since, r.opt.QuietPeriod) || r.past(s.syncSince, r.opt.SyncLimit)
}

// forget drops the sources of a peer that have nothing left, and the peer with the last of them.
func (r *RIB) forget(k PeerKey, p *peer) {
	p.sources = slices.DeleteFunc(p.sources, func(s *source) bool {
		if s.live > 0 || !r.past(s.heard, r.opt.StaleAfter) {
			return false
		}
		r.setState(s, Absent)
		r.pardon(s)
		r.sources[s.id] = nil
		r.freeSource = append(r.freeSource, s.id)
		return true
	})
	if len(p.sources) == 0 {
		delete(r.peers, k)
	}
}

// exhume releases the attributes of the last grave's entries, chunk by chunk from the end.
func (r *RIB) exhume(budget int) int {
	a := &r.graves[len(r.graves)-1]
	for budget > 0 && a.used > 0 {
		c := len(a.ents) - 1
		from := uint32(c) << chunkShift
		for i := a.next(from); i != none && budget > 0; i = a.next(i + 1) {
			r.in.Release(a.at(i).attr)
			a.free(i)
			r.buried--
			budget--
		}
		if a.maps[c].n == 0 {
			a.cut()
		}
	}
	if a.used == 0 {
		r.graves[len(r.graves)-1] = arena{}
		r.graves = r.graves[:len(r.graves)-1]
	}
	return budget
}

// clean goes on in the last dirty table: it removes dead entries, puts chains in order and, where much was removed, moves
// the rest together.
func (r *RIB) clean(budget int) int {
	t := r.dirty[len(r.dirty)-1]
	for budget > 0 && t.dirty && !(t.ordered() && !t.compact) {
		i := t.arena.next(t.cursor)
		if i == none {
			r.endPass(t)
			continue
		}
		t.cursor = i + 1
		budget--
		r.cleanEntry(t, i)
	}
	if !t.dirty || t.ordered() && !t.compact {
		t.dirty = false
		r.dirty = r.dirty[:len(r.dirty)-1]
	}
	return budget
}

func (r *RIB) cleanEntry(t *table, i uint32) {
	f := t.arena.at(i).feed()
	switch {
	case r.feeds[f].dead:
		p := t.arena.prefix(i)
		if r.feeds[f].kept {
			r.leave(t, t.arena.at(i), p, r.feeds[f].died)
		}
		r.unlink(t, p, i, 0)
		r.count(f, -1)
		if t.dead == 0 {
			r.shrink(t)
		}
	case t.unsorted:
		t.modify(t.arena.prefix(i), func(head uint32) (uint32, uint32) { return r.order(t, head), 0 })
	case t.compact:
		if p := t.arena.prefix(i); t.trie.sparse() {
			t.trie.settle(keyOf(p.Addr()), p.Bits())
		}
		if t.arena.evacuate(i) {
			r.move(t, i)
		}
	}
}

// shrink has the clean-up move entries together where too few are left in too much memory.
func (r *RIB) shrink(t *table) {
	if t.live > 0 && !t.compact && (t.arena.sparse() || t.trie.sparse()) {
		r.soil(t)
		t.compact, t.cursor = true, 0
	}
}

// endPass begins the next pass over a table. The flags of this one are done: whoever set them since has begun it again.
func (r *RIB) endPass(t *table) {
	t.cursor = 0
	t.unsorted = false
	t.compact = false
}

// move gives an entry another place in the arena.
func (r *RIB) move(t *table, i uint32) {
	p := t.arena.prefix(i)
	to := t.arena.add(*t.arena.at(i), p)
	t.modify(p, func(head uint32) (uint32, uint32) {
		if head == i {
			return to, 0
		}
		t.arena.at(t.before(head, i)).next = to
		return head, 0
	})
	t.arena.remove(i)
}

// tableIndex finds a table by its id.
func (r *RIB) tableIndex(id uint64) int {
	return sort.Search(len(r.tables), func(i int) bool { return r.tables[i].id >= id })
}
