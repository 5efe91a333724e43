package rib

import (
	"math"
	"net/netip"
	"time"
)

// history keeps the routes that are no longer valid for as long as flows may still ask for them. A route that was replaced, withdrawn
// or swept leaves a version: its entry with the time when it ended. A table whose last route went at once stays as a ghost, and
// the dead entries of one that lives on become versions when the clean-up meets them, so that losing a peer costs the same with
// history as without.
//
// What is kept is bounded in octets. The oldest goes first, and what is lost is known by its time: questions about the time before it
// are answered from now and say so.
type history struct {
	horizon int64 // 0: nothing is kept
	limit   int   // octets
	bytes   int
	lost    int64 // routes that ended by then may be missing
	past    [2]past
	ghosts  []*table // in order of their ends, nearly
	base    int64    // of stamps
	moved   bool     // the walk came upon a prefix whose oldest versions are missing
	then    []*table // scratch
	cands   []candidate
	hits    []candidate
}

// past holds the versions of one IP version's tables.
type past struct {
	arena
	ends  [][]end // beside the entries
	queue queue
}

// end is when and how a version ended.
type end struct {
	to   int64
	seq  uint32 // of the versions of one prefix
	torn bool   // older versions of the prefix are missing
}

const (
	// maxVersions bounds the versions of a prefix: what flaps faster has a shorter history than the rest.
	maxVersions = 256
	// versionBytes is what a version takes beside its address, measured: entry, end, place in the queue and share of the trie.
	versionBytes = entrySize + 16 + 4 + 28
)

func (o *Options) historyOf() history {
	h := history{limit: o.HistoryBytes, lost: math.MinInt64}
	if o.History > 0 {
		h.horizon = int64(o.History)
	} else {
		h.lost = math.MaxInt64
	}
	h.past[0].width, h.past[1].width = 4, 16
	return h
}

func (p *past) end(i uint32) *end { return &p.ends[i>>chunkShift][i&chunkMask] }

// put stores a version.
func (p *past) put(e entry, prefix netip.Prefix, x end) uint32 {
	i := p.add(e, prefix)
	c := int(i >> chunkShift)
	if c == len(p.ends) {
		p.ends = append(p.ends, nil)
	}
	if p.ends[c] == nil {
		p.ends[c] = make([]end, 0, cap(p.ents[c]))
	}
	if int(i&chunkMask) == len(p.ends[c]) {
		p.ends[c] = append(p.ends[c], end{})
	}
	p.ends[c][i&chunkMask] = x
	return i
}

func (p *past) drop(i uint32) {
	p.remove(i)
	if p.ents[i>>chunkShift] == nil {
		p.ends[i>>chunkShift] = nil
	}
}

// since tells from when on a route is valid. Of what a source told in its dump the beginning is not known, and taken to be when
// the gap before the dump began.
func (r *RIB) since(e *entry) int64 {
	switch {
	case e.meta&metaEver != 0:
		return math.MinInt64
	case e.meta&metaDumped != 0:
		return min(r.feeds[e.feed()].assume, e.time())
	}
	return e.time()
}

// dumped marks a route that is told in a dump and was not there before.
func (r *RIB) dumped(src *source, e *entry) {
	if src.state != Syncing {
		return
	}
	if src.assume == math.MinInt64 {
		e.meta |= metaEver
	} else {
		e.meta |= metaDumped
	}
}

// leave keeps a version of a route that ended. The caller gives back the entry's own reference of the attributes.
func (r *RIB) leave(t *table, e *entry, prefix netip.Prefix, to int64) {
	h := &r.history
	if h.horizon == 0 || r.since(e) >= to || to < r.now-h.horizon {
		return
	}
	v := *e
	v.next = none
	r.in.Retain(v.attr, 1)
	r.keep(t, v, prefix, end{to: to}, false)
	r.trimHistory()
}

// keep puts a version, which has a reference of its attributes, behind the others. A loose one is in the queue alone.
func (r *RIB) keep(t *table, v entry, prefix netip.Prefix, x end, loose bool) {
	h := &r.history
	p := &h.past[version(t.six)]
	if loose {
		p.queue.push(p.put(v, prefix, x))
	} else {
		p.queue.push(r.ring(t, p, v, prefix, x))
	}
	r.feeds[v.feed()].past++
	h.bytes += versionBytes + p.width
}

// ring puts a version in front of those of its prefix. They form a ring: the trie knows the newest, which is followed by the oldest.
func (r *RIB) ring(t *table, p *past, v entry, prefix netip.Prefix, x end) uint32 {
	k := keyOf(prefix.Addr())
	s := t.past.find(k, prefix.Bits())
	if s.chain != 0 {
		x.seq = p.end(s.chain.head()).seq + 1
	}
	i := p.put(v, prefix, x)
	n := p.at(i)
	if s.chain == 0 {
		n.next = i
	} else {
		newest := p.at(s.chain.head())
		n.next, newest.next = newest.next, i
	}
	t.past.set(s, k, prefix.Bits(), chain(v.attr)<<32|chain(i))
	if oldest := n.next; x.seq-p.end(oldest).seq >= maxVersions {
		r.unring(t, p, oldest)
		p.end(n.next).torn = true
		r.stats.HistoryEvicted++
	}
	return i
}

// unring takes the oldest version of a prefix out of its ring. It stays in the queue.
func (r *RIB) unring(t *table, p *past, i uint32) {
	e := p.at(i)
	k, bits := p.key(i), e.bits()
	s := t.past.find(k, bits)
	newest := s.chain.head()
	if newest == i {
		t.past.set(s, k, bits, 0)
	} else {
		p.at(newest).next = e.next
	}
	e.next = none
}

// pop drops the oldest version of a past.
func (r *RIB) pop(p *past) {
	i := p.queue.pop()
	e := p.at(i)
	fi := e.feed()
	f := &r.feeds[fi]
	if e.next != none {
		r.unring(f.table, p, i)
	}
	r.history.lost = max(r.history.lost, p.end(i).to)
	r.in.Release(e.attr)
	p.drop(i)
	r.history.bytes -= versionBytes + p.width
	if f.past--; f.past == 0 && f.limbo {
		r.releaseFeed(fi)
	}
}

// oldest returns the past whose oldest version ended first, and when.
func (h *history) oldest() (*past, int64) {
	var first *past
	at := int64(math.MaxInt64)
	for i := range h.past {
		p := &h.past[i]
		if p.queue.n > 0 {
			if to := p.end(p.queue.first()).to; first == nil || to < at {
				first, at = p, to
			}
		}
	}
	return first, at
}

// trimHistory drops the oldest until the history is within its limit.
func (r *RIB) trimHistory() {
	for h := &r.history; h.bytes > h.limit; {
		p, to := h.oldest()
		switch {
		case len(h.ghosts) > 0 && h.ghosts[0].died <= to:
			r.stats.HistoryEvicted += uint64(h.ghosts[0].dead)
			r.bury(h.ghosts[0])
		case p != nil:
			r.stats.HistoryEvicted++
			r.pop(p)
		default:
			return
		}
	}
}

// expire drops what ended before the horizon, no more than budget versions.
func (r *RIB) expire(budget int) int {
	h := &r.history
	for until := r.now - h.horizon; budget > 0; budget-- {
		p, to := h.oldest()
		switch {
		case len(h.ghosts) > 0 && h.ghosts[0].died < until:
			r.bury(h.ghosts[0])
		case p != nil && to < until:
			r.pop(p)
		default:
			return budget
		}
	}
	return 0
}

// expired reports whether expire has something to do.
func (r *RIB) expired() bool {
	h := &r.history
	_, to := h.oldest()
	until := r.now - h.horizon
	return to < until || len(h.ghosts) > 0 && h.ghosts[0].died < until
}

// haunt keeps a table that has just lost its last live route.
func (r *RIB) haunt(t *table) {
	h := &r.history
	t.ghostBytes = t.arena.bytes() + t.trie.bytes()
	h.bytes += t.ghostBytes
	h.ghosts = append(h.ghosts, t)
	r.haunting += t.dead
	vr := r.vrfs[t.vrf]
	vr.ghosts = append(vr.ghosts, t)
	r.trimHistory()
}

// bury gives up a ghost. Its attribute references are for Tick.
func (r *RIB) bury(t *table) {
	h := &r.history
	h.ghosts = remove(h.ghosts, t)
	h.bytes -= t.ghostBytes
	h.lost = max(h.lost, t.died)
	r.haunting -= t.dead
	vr := r.vrfs[t.vrf]
	vr.ghosts = remove(vr.ghosts, t)
	r.lapse(t.vrf, vr)
	r.entomb(t)
}

func remove(list []*table, t *table) []*table {
	for i, x := range list {
		if x == t {
			return append(list[:i], list[i+1:]...)
		}
	}
	return list
}

// forgetHistory gives up all of it.
func (r *RIB) forgetHistory() {
	for i := range r.history.past {
		p := &r.history.past[i]
		r.buried += p.used
		r.graves = append(r.graves, p.arena)
	}
	for _, t := range r.history.ghosts {
		r.buried += t.dead
		r.graves = append(r.graves, t.arena)
	}
	base, lost := r.history.base, max(r.history.lost, r.now)
	r.history = r.opt.historyOf()
	r.history.base, r.history.lost = base, max(lost, r.history.lost)
}

// stampOf gives a time as the tries keep it: in sixteenths of a second, rounded up.
func (r *RIB) stampOf(t int64) uint32 {
	h := &r.history
	if h.base == 0 {
		h.base = r.now
	}
	return uint32(min(max((t-h.base)/stampUnit+1, 1), math.MaxUint32))
}

// unchangedSince reports whether what has a stamp was changed no later than at.
func (r *RIB) unchangedSince(at int64, stamp uint32) bool {
	return stamp == 0 || at >= r.history.base && (at-r.history.base)/stampUnit >= int64(stamp)
}

const stampUnit = int64(time.Second) / 16

// queue is a ring of indices.
type queue struct {
	at    []uint32
	start int
	n     int
}

func (q *queue) first() uint32 { return q.at[q.start] }

// get returns the index of place j, from the first on.
func (q *queue) get(j int) uint32 { return q.at[(q.start+j)%len(q.at)] }

func (q *queue) push(i uint32) {
	if q.n == len(q.at) {
		q.resize(max(16, q.n+q.n/4))
	}
	q.at[(q.start+q.n)%len(q.at)] = i
	q.n++
}

func (q *queue) pop() uint32 {
	i := q.at[q.start]
	q.start = (q.start + 1) % len(q.at)
	if q.n--; len(q.at) > 1024 && q.n < len(q.at)/4 {
		q.resize(len(q.at) / 2)
	}
	return i
}

func (q *queue) resize(n int) {
	at := make([]uint32, n)
	end := min(q.start+q.n, len(q.at))
	first := copy(at, q.at[q.start:end])
	copy(at[first:], q.at[:q.n-first])
	q.at, q.start = at, 0
}
