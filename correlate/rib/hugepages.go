package rib

import (
	"time"
	"unsafe"
)

// hugePages moves the large tables of a worker onto huge pages. A lookup in a full table misses the translation cache at nearly
// every step otherwise, which costs as much as the memory itself. Only what tables use is moved, some pages at each Tick,
// once: the kernel is not told to keep it so, so that memory which the tables give back is not filled up again.
type hugePages struct {
	off   bool
	done  map[uintptr]int64 // page number: when it was last moved
	tried int
	moved int
}

const (
	hugeShift = 21 // 2 MiB
	hugeEvery = int64(10 * time.Minute)
	hugeTick  = 2    // pages moved by a Tick, which takes about half a millisecond each
	hugeScan  = 4096 // pieces of memory looked at by a Tick
)

// hugeCursor is how far a RIB's memory has been looked at.
type hugeCursor struct {
	next  int64 // when to look again
	table uint64
	at    int // chunk, of the entries and then of the nodes
}

// settlePages goes on with moving a RIB's memory.
func (r *RIB) settlePages() {
	h, c := &r.in.pages, &r.pages
	if h.off || r.now < c.next {
		return
	}
	pages, scan := hugeTick, hugeScan
	move := func(p unsafe.Pointer) bool {
		scan--
		if h.move(uintptr(p)>>hugeShift, r.now) {
			pages--
		}
		return pages > 0 && scan > 0
	}
	for n := r.tableIndex(c.table); n < len(r.tables); n++ {
		t := r.tables[n]
		if t.id != c.table {
			c.table, c.at = t.id, 0
		}
		if t.live < jumpFrom {
			continue
		}
		for ; c.at < len(t.arena.ents)+len(t.trie.chunks); c.at++ {
			if !t.memory(c.at, move) {
				return
			}
		}
	}
	if n := len(r.tables); n > 0 && r.in.move(move) {
		return
	}
	c.table, c.at, c.next = 0, 0, r.now+hugeEvery
}

// memory gives a chunk of a table to move, and reports whether it was done to the end.
func (t *table) memory(at int, move func(unsafe.Pointer) bool) bool {
	if at < len(t.arena.ents) {
		e := t.arena.ents[at]
		return e == nil || move(unsafe.Pointer(unsafe.SliceData(e)))
	}
	nodes := t.trie.chunks[at-len(t.arena.ents)]
	if nodes == nil {
		return true
	}
	ok := move(unsafe.Pointer(unsafe.SliceData(nodes)))
	for i := 0; ok && i < len(nodes); i++ {
		ok = nodes[i].slots == nil || move(unsafe.Pointer(unsafe.SliceData(nodes[i].slots)))
	}
	return ok
}

// move gives the sets of attributes to move and reports whether more are left.
func (in *Intern) move(move func(unsafe.Pointer) bool) bool {
	for i := range in.sets {
		if s := in.sets[i]; s != nil && !move(unsafe.Pointer(unsafe.SliceData(s))) {
			return true
		}
	}
	return false
}

// move moves a page, if that was not done lately, and reports whether it tried.
func (h *hugePages) move(page uintptr, now int64) bool {
	if at, ok := h.done[page]; ok && now-at < hugeEvery {
		return false
	}
	h.done[page] = now
	h.tried++
	if collapse(page<<hugeShift, 1<<hugeShift) {
		h.moved++
	}
	// A kernel that cannot do it says so each time; parts of the heap's edges cannot be moved either.
	h.off = h.tried == 32 && h.moved == 0
	return true
}
