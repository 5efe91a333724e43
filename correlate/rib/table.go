package rib

import (
	"math"
	"net/netip"
)

// table holds the routes of one VRF, view and IP version. A table in a RIB has at least one live route.
type table struct {
	trie  trie
	arena arena
	id    uint64 // rising in the order of creation
	vrf   RD
	view  View
	six   bool
	feeds []uint32
	live  int // entries of feeds that are not dead
	dead  int

	dirty    bool   // in RIB.dirty
	unsorted bool   // the decision process has got new inputs: chains may have to be put in order again
	cursor   uint32 // where the clean-up goes on
	compact  bool   // the clean-up makes another pass, to empty the chunks that are nearly so

	past       trie  // versions in the history, see history.leave
	born       int64 // since when it has routes
	died       int64 // when it lost the last one
	changed    int64 // when it last lost many at once
	ghostBytes int

	state      State // of the sources that feed it, as of epoch
	stateEpoch uint64
}

// chain is what the trie has for a prefix: the index of the first entry and, so that both can be fetched from memory at
// once, its attributes.
type chain uint64

func (c chain) head() uint32 { return uint32(c) }
func (c chain) attr() AttrID { return AttrID(c >> 32) }

// modify changes the chain of a prefix: change gets its first entry, or none, and returns the new one and the stamp
// of the change, or 0 when it changes no answers.
func (t *table) modify(p netip.Prefix, change func(head uint32) (uint32, uint32)) {
	k, bits := keyOf(p.Addr()), p.Bits()
	s := t.trie.find(k, bits)
	head := none
	if s.chain != 0 {
		head = s.chain.head()
	}
	head, stamp := change(head)
	t.trie.touch(s, bits, stamp)
	if head == none {
		t.trie.set(s, k, bits, 0)
		return
	}
	t.trie.set(s, k, bits, chain(t.arena.at(head).attr)<<32|chain(head))
}

// head returns the first entry of a prefix's chain, or none.
func (t *table) head(p netip.Prefix) uint32 {
	if c := t.trie.get(keyOf(p.Addr()), p.Bits()); c != 0 {
		return c.head()
	}
	return none
}

// vrf is the routes of one route distinguisher.
type vrf struct {
	tables  [numViews][2]*table // by view and IP version (1 is IPv6)
	n       int
	ghosts  []*table // tables that went, as the history has them
	changed [2]int64 // when a table last came or went, by IP version
}

func version(six bool) int {
	if six {
		return 1
	}
	return 0
}

// find walks the chain from i for the path of a source. It returns none and the length of the chain when there is no such path.
func (r *RIB) find(t *table, i uint32, src *source, pathID uint32, hasPathID bool) (index uint32, length int) {
	for ; i != none; length++ {
		e := t.arena.at(i)
		if e.pathID == pathID && e.hasPathID() == hasPathID && r.feeds[e.feed()].src == src {
			return i, 0
		}
		i = e.next
	}
	return none, length
}

// table returns the table for a feed, creating it.
func (r *RIB) table(k feedKey, v View) *table {
	vr := r.vrf(k.vrf)
	p := &vr.tables[v][version(k.six)]
	if *p == nil {
		r.tableSeq++
		*p = r.newTable(k, v)
		(*p).id = r.tableSeq
		vr.n++
		r.tables = append(r.tables, *p)
	}
	return *p
}

// vrf returns a VRF, creating it.
func (r *RIB) vrf(rd RD) *vrf {
	vr := r.vrfs[rd]
	if vr == nil {
		vr = &vrf{changed: [2]int64{r.history.lost, r.history.lost}}
		r.vrfs[rd] = vr
	}
	return vr
}

func (r *RIB) newTable(k feedKey, v View) *table {
	t := &table{vrf: k.vrf, view: v, six: k.six, born: math.MaxInt64, changed: math.MinInt64}
	t.arena.width = 4
	if k.six {
		t.arena.width = 16
	}
	t.trie = newTrie(&t.arena)
	t.past = newTrie(&r.history.past[version(k.six)].arena)
	return t
}

// peek returns the table for a feed, or nil.
func (r *RIB) peek(k feedKey, v View) *table {
	if vr := r.vrfs[k.vrf]; vr != nil {
		return vr.tables[v][version(k.six)]
	}
	return nil
}

// drop takes a table without live routes out of the RIB. The history may keep it as a ghost.
func (r *RIB) drop(t *table) {
	vr := r.vrfs[t.vrf]
	six := version(t.six)
	vr.tables[t.view][six] = nil
	vr.n--
	vr.changed[six] = max(vr.changed[six], t.died)
	i := r.tableIndex(t.id)
	r.tables = append(r.tables[:i], r.tables[i+1:]...)
	r.epoch++
	r.dead -= t.dead
	t.dirty = false // it may still be in the list of dirty ones
	if r.history.horizon > 0 && r.history.lost < t.died && t.dead+t.past.size > 0 {
		r.haunt(t)
		return
	}
	r.lapse(t.vrf, vr)
	r.entomb(t)
}

// entomb frees what a table holds. Attribute references are for Tick.
func (r *RIB) entomb(t *table) {
	for _, f := range t.feeds {
		r.retireFeed(f)
	}
	t.feeds = nil
	if t.dead > 0 {
		r.buried += t.dead
		r.graves = append(r.graves, t.arena)
	}
	t.trie, t.arena = newTrie(nil), arena{}
}

// lapse drops a VRF without tables.
func (r *RIB) lapse(rd RD, vr *vrf) {
	if vr.n == 0 && len(vr.ghosts) == 0 {
		delete(r.vrfs, rd)
	}
}

// ordered reports whether all chains of the table have only live entries and begin with the best of them.
func (t *table) ordered() bool { return t.dead == 0 && !t.unsorted }

// unlink takes entry i out of the chain of prefix p and frees it.
func (r *RIB) unlink(t *table, p netip.Prefix, i, stamp uint32) {
	t.modify(p, func(head uint32) (uint32, uint32) {
		next := t.arena.at(i).next
		if head == i {
			return r.order(t, next), stamp
		}
		t.arena.at(t.before(head, i)).next = next
		return r.order(t, head), stamp
	})
	r.in.Release(t.arena.at(i).attr)
	t.arena.remove(i)
}

// before returns the entry in front of i in the chain that starts with head, which is not i.
func (t *table) before(head, i uint32) uint32 {
	for {
		next := t.arena.at(head).next
		if next == i {
			return head
		}
		head = next
	}
}

// order moves the best live entry of a chain to its front and returns the new head. Lookups are a hundred times more frequent than
// changes, and most of them need no more than the head then.
func (r *RIB) order(t *table, head uint32) uint32 {
	if head == none || t.arena.at(head).next == none {
		return head
	}
	best := r.bestOf(t, head)
	if best == none || best == head {
		return head
	}
	e := t.arena.at(best)
	t.arena.at(t.before(head, best)).next = e.next
	e.next = head
	return best
}
