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
// then Adj-RIB-In post-policy, then pre-policy), by its longest prefix; among the paths of that prefix the one with the flow's next
// hop, if there is one, else the best by the decision process. An invalid next hop is none. Addresses are unmapped IPv4 or IPv6. It
// does not allocate. m is only written when a route is found.
func (r *RIB) Lookup(vrf RD, addr, nextHop netip.Addr, m *Match) Result {
	t := r.answering(vrf, addr)
	if t == nil {
		return NoRIB
	}
	nh := hopOf(nextHop)
	head, ok := t.trie.Lookup(addr)
	for ok {
		if i, by := r.choose(t, head, nh); i != none {
			r.fill(m, t, i, addr)
			m.ByNextHop = by
			return Found
		}
		// All paths of the prefix are dead and wait for the clean-up: go on with the next shorter prefix.
		bits := t.arena.at(head).bits()
		if bits == 0 {
			break
		}
		head, ok = t.trie.LookupPrefix(netip.PrefixFrom(addr, bits-1))
	}
	return NoPrefix
}

// answering returns the table of the best view that has routes for the address's family.
func (r *RIB) answering(vrf RD, addr netip.Addr) *table {
	v := r.vrfs[vrf]
	if v == nil {
		return nil
	}
	six := version(!addr.Is4())
	for view := LocRIB; view < AdjRIBOut; view++ {
		if t := v.tables[view][six]; t != nil {
			return t
		}
	}
	return nil
}

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

// is reports whether a set has the next hop.
func (h *hop) is(s *attrSet) bool {
	return h.ok && s.rank.nextHop == h.hash && s.attrs.NextHop.Unmap() == h.addr
}

// choose picks among the live paths of a chain and says whether the next hop did it. Without a live path it returns none.
func (r *RIB) choose(t *table, head uint32, nh hop) (uint32, bool) {
	e := t.arena.at(head)
	if e.next == none {
		if r.feeds[e.feed].dead {
			return none, false
		}
		return head, nh.ok && nh.is(r.in.set(e.attr))
	}
	cands := r.cands[:0]
	by := false
	for i := head; i != none; {
		e := t.arena.at(i)
		if f := &r.feeds[e.feed]; !f.dead {
			set := r.in.set(e.attr)
			if hit := nh.is(set); hit == by {
				cands = append(cands, candidate{entry: i, e: e, set: set, src: f.src})
			} else if hit {
				by = true
				cands = append(cands[:0], candidate{entry: i, e: e, set: set, src: f.src})
			}
		}
		i = e.next
	}
	r.cands = cands
	if len(cands) == 0 {
		return none, false
	}
	return r.best(cands).entry, by
}

func (r *RIB) fill(m *Match, t *table, i uint32, addr netip.Addr) {
	e := t.arena.at(i)
	f := &r.feeds[e.feed]
	m.Prefix, _ = addr.Prefix(e.bits())
	m.Attrs = r.in.set(e.attr).attrs
	m.Attr = e.attr
	m.View = t.view
	m.Peer = netip.Addr{}
	if t.view != LocRIB {
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
	t := r.answering(vrf, addr)
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
		}
	}
	if r.bare > 0 {
		return Syncing
	}
	return st
}

// Syncing reports whether any table of the device may still be arriving.
func (r *RIB) Syncing() bool { return r.syncing > 0 || r.bare > 0 }
