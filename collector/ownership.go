package collector

import (
	"net/netip"

	"github.com/telcol/telcol/steering"
)

// ownership tells whether a device belongs to this worker's slot, by the same function as the kernel's. It is the guard behind the
// steering: a datagram of a foreign device means that something beside the program chose the socket, and must not be joined here.
// A nil ownership (steering is off) owns every device. Its check belongs to the owner goroutine.
type ownership struct {
	place func(netip.Addr) int // slot of a device
	slot  int

	// The answers for sources seen lately, since the function costs more than the lookup. Emptied when full.
	known map[netip.Addr]bool
}

// maxKnownSources bounds the memory of sources that an attacker can make up.
const maxKnownSources = 1 << 16

func newOwnership(g *steering.Group, slot int) *ownership {
	if g == nil {
		return nil
	}
	return &ownership{place: func(a netip.Addr) int { return g.Table().Slot(a) }, slot: slot, known: make(map[netip.Addr]bool)}
}

func (o *ownership) check(src netip.Addr) bool {
	if o == nil {
		return true
	}
	own, ok := o.known[src]
	if !ok {
		if len(o.known) >= maxKnownSources {
			clear(o.known)
		}
		own = o.owns(src)
		o.known[src] = own
	}
	return own
}

// owns is check without the memory of answers; any goroutine may call it.
func (o *ownership) owns(src netip.Addr) bool {
	return o == nil || o.place(src) == o.slot
}
