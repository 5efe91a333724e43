package collector

import (
	"io"
	"net/netip"
	"slices"
	"sync"
)

// crowd bounds the BMP sessions that a device has at once. One that opens a session over and over and ends none would take the places of all
// others: beyond the bound its oldest session ends, since the newest one is most likely alive.
type crowd struct {
	mu   sync.Mutex
	open map[netip.Addr][]*place // oldest first
}

// place is one session's.
type place struct {
	conn io.Closer
	lost bool // to a newer one
}

// enter gives a session a place, and closes the connections of the oldest ones where there are more than most.
func (c *crowd) enter(device netip.Addr, conn io.Closer, most int) *place {
	p := &place{conn: conn}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.open == nil {
		c.open = make(map[netip.Addr][]*place)
	}
	list := append(c.open[device], p)
	for len(list) > most {
		list[0].lost = true
		list[0].conn.Close()
		list = slices.Delete(list, 0, 1)
	}
	c.open[device] = list
	return p
}

// leave gives a place up.
func (c *crowd) leave(device netip.Addr, p *place) {
	c.mu.Lock()
	defer c.mu.Unlock()
	list := slices.DeleteFunc(c.open[device], func(q *place) bool { return q == p })
	if c.open[device] = list; len(list) == 0 {
		delete(c.open, device)
	}
}

// pushedOut reports whether a session has lost its place.
func (c *crowd) pushedOut(p *place) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return p.lost
}
