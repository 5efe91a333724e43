package collector

import (
	"net/netip"
	"sync/atomic"
	"time"

	"github.com/telcol/telcol/steering"
)

// ownership tells whether a device belongs to this worker's slot, by the same function as the kernel's. It is the guard behind the
// steering: a datagram of a foreign device means that something beside the program chose the socket, and must not be joined here.
// A nil ownership (steering is off) owns every device. check, round and gone belong to the owner goroutine.
//
// The kernel's table may change at any time, a moment before this process knows. Then a device that comes looks foreign: the kernel is
// asked. And what a device that goes has sent before waits in the receive buffer: tables of before count for a while.
type ownership struct {
	place  func(netip.Addr) int          // slot of a device, by the newest table known
	kernel func(netip.Addr) (int, error) // the same, asked of the kernel; nil: not
	table  func() *steering.Table        // nil: never changes
	slot   int

	// former are the tables of before, for as long as they count. Set by the owner goroutine.
	former atomic.Pointer[[]formerTable]

	// Of the owner goroutine.
	at      *steering.Table
	known   map[netip.Addr]bool // the answers for sources seen lately, since the function costs more than the lookup; emptied when full
	fresh   []netip.Addr        // own sources since they were last told, see round
	emptied time.Time           // when known was last emptied
	settled time.Time           // when all that a change moves has gone
	source  int                 // slot that the last source checked came from, -1: none
}

// formerTable is a placement of before, and until when it counts.
type formerTable struct {
	*steering.Table
	until time.Time
}

const (
	// maxKnownSources bounds the memory of sources that an attacker can make up.
	maxKnownSources = 1 << 16
	// moveGrace is how long after a move a device's datagrams may still wait in the receive buffer.
	moveGrace = 10 * time.Second
	// settleTime is how long after a move devices that have gone are looked for, and after one was found that had to stay for now.
	settleTime = 2 * time.Minute
	// sightEvery is how often the sources that are still there are told to the group.
	sightEvery = 30 * time.Second
)

func newOwnership(g *steering.Group, slot int) *ownership {
	if g == nil {
		return nil
	}
	return &ownership{
		place: func(a netip.Addr) int { return g.Table().Slot(a) }, kernel: g.Lookup, table: g.Table, at: g.Table(),
		slot: slot, known: make(map[netip.Addr]bool),
	}
}

func (o *ownership) check(src netip.Addr) bool {
	if o == nil {
		return true
	}
	if o.table != nil && o.table() != o.at {
		o.turn(o.table(), time.Now())
	}
	own, ok := o.known[src]
	o.source = -1
	if !ok {
		if len(o.known) >= maxKnownSources {
			clear(o.known)
		}
		own = o.owns(src) || o.owned(src)
		o.known[src] = own
		if own {
			o.source = o.previous(src)
		}
		if own && len(o.fresh) < maxKnownSources {
			o.fresh = append(o.fresh, src)
		}
	}
	return own
}

// turn takes up a new table.
func (o *ownership) turn(t *steering.Table, now time.Time) {
	former := append(o.formerTables(now), formerTable{o.at, now.Add(moveGrace)})
	o.former.Store(&former)
	o.at, o.settled = t, now.Add(moveGrace+settleTime)
	clear(o.known)
}

// formerTables returns the tables of before that still count.
func (o *ownership) formerTables(now time.Time) []formerTable {
	var left []formerTable
	if p := o.former.Load(); p != nil {
		for _, f := range *p {
			if now.Before(f.until) {
				left = append(left, f)
			}
		}
	}
	return left
}

// owns is check without memory: who owns the device now. Any goroutine may call it.
func (o *ownership) owns(src netip.Addr) bool {
	if o == nil || o.place(src) == o.slot {
		return true
	}
	if o.kernel == nil {
		return false
	}
	slot, err := o.kernel(src)
	return err == nil && slot == o.slot
}

// allows reports whether the source is let in, by the newest table known. The kernel asks about the first packet of a connection alone. Any
// goroutine may call it.
func (o *ownership) allows(src netip.Addr) bool {
	return o == nil || o.table == nil || o.table().Allows(src)
}

// owned reports whether the device was this worker's a moment ago. Any goroutine may call it.
func (o *ownership) owned(src netip.Addr) bool {
	for _, f := range o.formerTables(time.Now()) {
		if f.Slot(src) == o.slot {
			return true
		}
	}
	return false
}

// previous returns the slot that owned a device before this one did, as far as tables of before tell; -1 if none did.
func (o *ownership) previous(src netip.Addr) int {
	// The newest table may not yet be known; then the kernel has answered.
	if slot := o.place(src); slot != o.slot {
		return slot
	}
	former := o.formerTables(time.Now())
	for i := len(former) - 1; i >= 0; i-- {
		if slot := former[i].Slot(src); slot != o.slot {
			return slot
		}
	}
	return -1
}

// cameFrom returns the slot that the source of the last check has moved away from, once a move; -1 if it did not.
func (o *ownership) cameFrom() int {
	if o == nil {
		return -1
	}
	return o.source
}

// round is to be called every second or so. It returns own sources to tell to the group, if there are any: new ones, and from time to time
// those that are still there.
func (o *ownership) round(now time.Time) []netip.Addr {
	if o == nil {
		return nil
	}
	// Nothing may come any more that check would be asked about.
	if o.table != nil && o.table() != o.at {
		o.turn(o.table(), now)
	}
	if p := o.former.Load(); p != nil {
		if left := o.formerTables(now); len(left) < len(*p) {
			o.former.Store(&left)
			clear(o.known)
		}
	}
	if now.Sub(o.emptied) >= sightEvery {
		o.emptied = now
		clear(o.known)
	}
	fresh := o.fresh
	o.fresh = nil
	return fresh
}

// gone returns a test for devices that have gone to other slots, and nil when there is no reason to look for any.
func (o *ownership) gone(now time.Time) func(netip.Addr) bool {
	if o == nil || !now.Before(o.settled) {
		return nil
	}
	return func(a netip.Addr) bool { return !o.owns(a) && !o.owned(a) }
}
