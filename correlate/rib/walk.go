package rib

import (
	"iter"
	"net/netip"
)

// Route is a route as a reader sees it.
type Route struct {
	VRF       RD
	View      View
	Peer      PeerKey
	Family    Family
	Prefix    netip.Prefix
	PathID    uint32
	HasPathID bool
	Attrs     *Attrs // shared and immutable
	Attr      AttrID
	Time      int64 // when it was learnt, Unix nanoseconds by the device's clock
	Stale     bool
	Best      bool // of its prefix in its view; Walk does not tell
}

// Cursor is a place in a walk over a RIB. The zero Cursor is the beginning.
type Cursor struct {
	// Want, when not nil, chooses the tables to walk over.
	Want func(TableStatus) bool

	table uint64
	slot  uint32
}

// Walk calls fn for live routes from the cursor on, looking at no more than budget of them, and reports whether more follow. Between
// calls the RIB may change: a route that is there all the time is seen, except that the clean-up of a shrunken table may move
// it to where the walk has been or is yet to come. Within a table the order is none.
func (r *RIB) Walk(c *Cursor, budget int, fn func(Route)) (more bool) {
	for n := r.tableIndex(c.table); n < len(r.tables); n++ {
		t := r.tables[n]
		if c.table != t.id {
			c.table, c.slot = t.id, 0
		}
		if c.Want != nil && !c.Want(t.status()) {
			continue
		}
		for i := t.arena.next(c.slot); i != none; i = t.arena.next(c.slot) {
			if budget == 0 {
				return true
			}
			budget--
			c.slot = i + 1
			if !r.feeds[t.arena.at(i).feed()].dead {
				fn(r.route(t, i, t.arena.prefix(i)))
			}
		}
		c.slot = none // a table stays done when the cursor comes back to it
	}
	c.table = r.tableSeq + 1
	return false
}

func (r *RIB) route(t *table, i uint32, p netip.Prefix) Route {
	e := t.arena.at(i)
	f := &r.feeds[e.feed()]
	return Route{
		VRF: t.vrf, View: t.view, Peer: f.src.peer.key, Family: f.src.family, Prefix: p,
		PathID: e.pathID, HasPathID: e.hasPathID(), Attrs: r.in.Attrs(e.attr), Attr: e.attr, Time: e.time(),
		Stale: f.stale,
	}
}

// Paths yields the routes of a VRF whose prefixes cover an address, view by view in the order of preference (Adj-RIB-Out last) and
// the longest prefix first. The RIB must not change meanwhile.
func (r *RIB) Paths(vrf RD, addr netip.Addr) iter.Seq[Route] {
	return r.views(vrf, addr, func(t *table, yield func(chain) bool) { t.trie.covering(keyOf(addr), addr.BitLen(), yield) })
}

// Within yields the routes of a VRF whose prefixes lie in p, view by view and in the order of prefixes. The RIB must not change
// meanwhile.
func (r *RIB) Within(vrf RD, p netip.Prefix) iter.Seq[Route] {
	p = p.Masked()
	return r.views(vrf, p.Addr(), func(t *table, yield func(chain) bool) { t.trie.within(keyOf(p.Addr()), p.Bits(), yield) })
}

func (r *RIB) views(vrf RD, addr netip.Addr, under func(t *table, yield func(chain) bool)) iter.Seq[Route] {
	return func(yield func(Route) bool) {
		v := r.vrfs[vrf]
		if v == nil || !addr.IsValid() {
			return
		}
		for view := range v.tables {
			t := v.tables[view][version(!addr.Is4())]
			if t == nil {
				continue
			}
			more := true
			under(t, func(c chain) bool {
				more = r.chain(t, c, yield)
				return more
			})
			if !more {
				return
			}
		}
	}
}

// chain yields the live routes of a chain and reports whether to go on.
func (r *RIB) chain(t *table, c chain, yield func(Route) bool) bool {
	best := r.bestOf(t, c.head())
	p := t.arena.prefix(c.head())
	for i := c.head(); i != none; i = t.arena.at(i).next {
		if r.feeds[t.arena.at(i).feed()].dead {
			continue
		}
		rt := r.route(t, i, p)
		rt.Best = i == best
		if !yield(rt) {
			return false
		}
	}
	return true
}
