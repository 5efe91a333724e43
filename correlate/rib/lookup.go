package rib

import "net/netip"

// Result says how a lookup ended.
type Result uint8

// The results of a lookup.
const (
	Found    Result = iota
	NoPrefix        // the view that answers for the VRF and family has no prefix that covers the address
	NoRIB           // no view of the VRF has routes of the family
)

// Lookup finds the route of a flow's address in a VRF. The best view with routes of the address family answers (Loc-RIB,
// then Adj-RIB-In post-policy, then pre-policy), by its longest prefix; among the paths of that prefix one with the
// flow's next hop, if there is any, else the best by the decision process, which also decides when several have it. An
// invalid next hop is none. Addresses are unmapped IPv4 or IPv6. It does not allocate. m is only written when a route
// is found.
func (r *RIB) Lookup(vrf RD, addr, nextHop netip.Addr, m *Match) Result {
	v := r.vrfs[vrf]
	if v == nil {
		return NoRIB
	}
	nh := hopOf(nextHop)
	return r.lookupNow(v, version(!addr.Is4()), keyOf(addr), addr, &nh, m)
}

func (r *RIB) lookupNow(v *vrf, six int, k key, addr netip.Addr, nh *hop, m *Match) Result {
	t := v.answering(six)
	if t == nil {
		return NoRIB
	}
	c, _ := t.trie.lookup(k)
	return r.finish(t, c, k, addr, nh, m)
}

// finish chooses among the paths of a prefix.
func (r *RIB) finish(t *table, c chain, k key, addr netip.Addr, nh *hop, m *Match) Result {
	for c != 0 {
		if i, by := r.choose(t, c.head(), nh); i != none {
			attr, e := c.attr(), t.arena.at(i)
			if i != c.head() {
				attr = e.attr
			}
			r.fill(m, t.view, e, attr, addr)
			m.ByNextHop = by
			return Found
		}
		// All paths of the prefix are dead and wait for the clean-up: go on with the next shorter prefix.
		c = t.trie.lookupUpTo(k, t.arena.at(c.head()).bits()-1)
	}
	return NoPrefix
}

// answering returns the table of the best view that has routes of an IP version, or nil.
func (v *vrf) answering(six int) *table {
	for view := LocRIB; view.answers(); view++ {
		if t := v.tables[view][six]; t != nil {
			return t
		}
	}
	return nil
}

// answers reports whether a view answers flows.
func (v View) answers() bool { return v < AdjRIBOutPre }

// hop is a flow's next hop prepared for comparison.
type hop struct {
	addr netip.Addr
	hash uint32
	ok   bool
}

// hopOf checks that a next hop can be one: some platforms export small numbers in 0.0.0.0/8 instead.
func hopOf(a netip.Addr) hop {
	if !a.IsValid() || a.IsUnspecified() {
		return hop{}
	}
	a = a.Unmap()
	if a.Is4() && a.As4()[0] == 0 {
		return hop{}
	}
	return hop{addr: a, hash: hashAddr(a), ok: true}
}

// is reports whether an entry has the next hop.
func (h *hop) is(e *entry, in *Intern) bool {
	if e.hop() != uint8(h.hash>>24) {
		return false
	}
	s := in.set(e.attr)
	if s.rank.nextHop != h.hash {
		return false
	}
	// To look at the attributes would be to wait for one more place in memory.
	return s.hop4 && h.addr.Is4() || s.attrs.NextHop.Unmap() == h.addr
}

// choose picks among the live paths of a chain and says whether the next hop did it. Without a live path it returns none.
func (r *RIB) choose(t *table, head uint32, nh *hop) (uint32, bool) {
	best := head
	if !t.ordered() {
		if best = r.bestOf(t, head); best == none {
			return none, false
		}
	}
	if !nh.ok {
		return best, false
	}
	e := t.arena.at(best)
	if nh.is(e, r.in) {
		return best, true
	}
	if best == head && e.next == none {
		return best, false
	}
	cands := r.cands[:0]
	for i := head; i != none; i = e.next {
		e = t.arena.at(i)
		if nh.is(e, r.in) {
			cands = r.candidate(cands, i, e)
		}
	}
	r.cands = cands
	if len(cands) == 0 {
		return best, false
	}
	return r.best(cands).index, true
}

// bestOf returns the best live entry of a chain, or none.
func (r *RIB) bestOf(t *table, head uint32) uint32 {
	cands := r.cands[:0]
	for i := head; i != none; {
		e := t.arena.at(i)
		cands = r.candidate(cands, i, e)
		i = e.next
	}
	r.cands = cands
	if len(cands) == 0 {
		return none
	}
	return r.best(cands).index
}

// candidate appends an entry if it is live.
func (r *RIB) candidate(cands []candidate, i uint32, e *entry) []candidate {
	if f := &r.feeds[e.feed()]; !f.dead {
		cands = append(cands, candidate{index: i, entry: e, rank: &r.in.set(e.attr).rank, src: f.src})
	}
	return cands
}

func (r *RIB) fill(m *Match, view View, e *entry, attr AttrID, addr netip.Addr) {
	m.Attrs = r.in.set(attr).attrs
	m.Attr = attr
	f := &r.feeds[e.feed()]
	m.Prefix, _ = addr.Prefix(e.bits())
	m.View = view
	m.Peer = netip.Addr{}
	if view != LocRIB {
		m.Peer = f.src.peer.key.Addr
	}
	m.PathID, m.HasPathID = e.pathID, e.hasPathID()
	m.Time = e.time()
	m.State = f.src.state
	if f.stale {
		m.State = Stale
	}
}

// State tells how complete the tables are that answer for the address's family in a VRF: Syncing when any source of theirs is, or a
// peer has come up and told nothing yet; else Synced when any source is; else Stale. Without such a table it is
// Syncing while anything of the device is, else Absent. A flow should wait while it is Syncing.
func (r *RIB) State(vrf RD, addr netip.Addr) State {
	var t *table
	if v := r.vrfs[vrf]; v != nil {
		t = v.answering(version(!addr.Is4()))
	}
	if t == nil {
		if r.Syncing() {
			return Syncing
		}
		return Absent
	}
	if t.stateEpoch != r.epoch {
		t.stateEpoch = r.epoch
		t.state = r.tableState(t)
	}
	return t.state
}

func (r *RIB) tableState(t *table) State {
	st := Stale
	for _, f := range t.feeds {
		switch r.feeds[f].src.state {
		case Syncing:
			return Syncing
		case Synced:
			st = Synced
		case Absent, Stale:
		}
	}
	if r.bare > 0 {
		return Syncing
	}
	return st
}

// Syncing reports whether any table of the device may still be arriving.
func (r *RIB) Syncing() bool { return r.syncing > 0 || r.bare > 0 }
