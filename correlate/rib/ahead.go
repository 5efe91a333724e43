package rib

import (
	"net/netip"
	"unsafe"

	"github.com/telcol/telcol/correlate/prefetch"
)

// Ask is a lookup that comes soon.
type Ask struct {
	VRF  RD
	Addr netip.Addr // valid; unmapped
	Skip bool       // there is no such lookup
	Attr AttrID     // set by Ahead: a guess of the attributes that the lookup will give, 0 when there is none

	// How far Ahead has got.
	table *table
	key   key
	node  *node   // to be looked at next, nil at the end
	slot  *uint64 // of that node, nil when it has none for the address
	below bool    // slot is a child's
}

// aheadLevels is how many levels of a trie Ahead follows, from the jump on if there is one: as many as it has for most addresses.
const aheadLevels = 6

// Ahead asks for the memory that lookups will need, so that a lookup after it does not wait. A lookup alone waits four times in a row in
// a large table: for the node, its slot, then the entry and its attributes. Ahead goes through all asks step by step instead, so that it waits for
// none of them: when it comes to the second step of the first ask, the first steps of all are under way. It changes no answers, and
// guesses: the next hop, dead routes and times are left to the lookup.
func (r *RIB) Ahead(asks []Ask) {
	active := 0
	var vrf *vrf
	for i := range asks {
		a := &asks[i]
		if i == 0 || a.VRF != asks[i-1].VRF {
			vrf = r.vrfs[a.VRF]
		}
		a.Attr, a.node, a.slot = 0, nil, nil
		if vrf == nil || a.Skip {
			continue
		}
		t := vrf.answering(version(!a.Addr.Is4()))
		if t == nil {
			continue
		}
		a.table, a.key = t, keyOf(a.Addr)
		n := t.trie.root
		if t.trie.jump.on() {
			n = t.trie.jump.node(a.key)
		}
		if n != none {
			a.node = t.trie.node(n)
			prefetch.Lines(unsafe.Pointer(a.node), nodeLines)
			active++
		}
	}
	for level := 0; active > 0 && level < aheadLevels; level++ {
		for i := range asks {
			asks[i].findSlot()
		}
		active = 0
		for i := range asks {
			if r.follow(&asks[i]) {
				active++
			}
		}
	}
}

const nodeLines = nodeSize / prefetch.LineSize

// findSlot asks for the slot of a node that goes on towards the address.
func (a *Ask) findSlot() {
	n := a.node
	if n == nil {
		return
	}
	a.slot = nil
	o := a.key.octet(n.depth)
	switch m := uint(0); {
	case n.hasChild(o):
		a.slot, a.below = &n.slots[n.childPlace(o)], true
	default:
		if m = n.match(o); m == 0 {
			return
		}
		a.slot, a.below = &n.slots[n.place(m)], false
	}
	prefetch.Lines(unsafe.Pointer(a.slot), 1)
}

// follow asks for what a slot leads to, and reports whether it is another node.
func (r *RIB) follow(a *Ask) bool {
	if a.node == nil {
		return false
	}
	a.node = nil
	if a.slot == nil {
		return false
	}
	s := *a.slot
	if a.below && isNode(s) {
		a.node = a.table.trie.node(uint32(s))
		prefetch.Lines(unsafe.Pointer(a.node), nodeLines)
		return true
	}
	c := chain(s)
	prefetch.Lines(unsafe.Pointer(a.table.arena.at(c.head())), 1)
	if a.below {
		prefetch.Lines(a.table.arena.keyAt(c.head()), 1)
	}
	a.Attr = c.attr()
	prefetch.Lines(unsafe.Pointer(r.in.set(a.Attr)), 1)
	return false
}
