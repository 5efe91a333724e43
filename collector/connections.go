package collector

import (
	"context"
	"io"
	"math/rand/v2"
	"net/netip"
	"slices"
	"sync"
	"time"
)

// connections are the open connections of devices. One whose device has moved to another slot is closed: the device connects again and
// reaches the worker that has its datagrams. Many at once are closed over a while, so that the other workers do not get all their tables
// at the same time.
type connections struct {
	mu   sync.Mutex
	open map[*connection]struct{}
}

// connection is one of them.
type connection struct {
	from    netip.Addr
	conn    io.Closer
	moved   bool // is to be closed, or was
	refused bool // was closed: its source is not let in any more
}

// add notes a connection, until it is removed. It must be noted before its owner is asked for: whoever looks for connections to close
// afterwards finds it.
func (c *connections) add(from netip.Addr, conn io.Closer) *connection {
	n := &connection{from: from, conn: conn}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.open == nil {
		c.open = make(map[*connection]struct{})
	}
	c.open[n] = struct{}{}
	return n
}

// remove forgets a connection.
func (c *connections) remove(n *connection) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.open, n)
}

// why says why a connection was closed here: its device has moved, or is not let in any more.
func (c *connections) why(n *connection) (moved, refused bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return n.moved && !n.refused, n.refused
}

// devices returns whom the connections come from.
func (c *connections) devices() []netip.Addr {
	c.mu.Lock()
	defer c.mu.Unlock()
	seen := make(map[netip.Addr]struct{}, len(c.open))
	for n := range c.open {
		seen[n.from] = struct{}{}
	}
	all := make([]netip.Addr, 0, len(seen))
	for a := range seen {
		all = append(all, a)
	}
	return all
}

// foreign marks the connections whose device is not owned any more and returns them in random order.
func (c *connections) foreign(owns func(netip.Addr) bool) []*connection {
	c.mu.Lock()
	defer c.mu.Unlock()
	var gone []*connection
	for n := range c.open {
		if !n.moved && !owns(n.from) {
			n.moved = true
			gone = append(gone, n)
		}
	}
	rand.Shuffle(len(gone), func(i, j int) { gone[i], gone[j] = gone[j], gone[i] })
	return gone
}

// stay takes the mark off a connection whose device has come back in time.
func (c *connections) stay(n *connection) {
	c.mu.Lock()
	defer c.mu.Unlock()
	n.moved = false
}

// closeMoved closes the connections of devices that are not owned any more, evenly over the spread, and returns how many it closed. It ends
// early when ctx does.
func (c *connections) closeMoved(ctx context.Context, spread time.Duration, owns func(netip.Addr) bool) (closed int) {
	gone := c.foreign(owns)
	start := time.Now()
	for i, n := range gone {
		wait := time.NewTimer(time.Until(start.Add(spread * time.Duration(i) / time.Duration(len(gone)))))
		select {
		case <-ctx.Done():
			wait.Stop()
			return closed
		case <-wait.C:
		}
		if owns(n.from) {
			c.stay(n)
			continue
		}
		n.conn.Close()
		closed++
	}
	return closed
}

// closeRefused closes the connections of sources that are not let in any more and returns how many there were. It does not wait in between:
// none of them comes back to another worker.
func (c *connections) closeRefused(allowed func(netip.Addr) bool) (closed int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for n := range c.open {
		if !n.refused && !allowed(n.from) {
			c.refuseLocked(n)
			closed++
		}
	}
	return closed
}

// refuse closes one such connection.
func (c *connections) refuse(n *connection) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.refuseLocked(n)
}

func (c *connections) refuseLocked(n *connection) {
	n.refused = true
	n.conn.Close()
}

// move closes one connection, whose address is another device's now.
func (c *connections) move(n *connection) {
	c.mu.Lock()
	defer c.mu.Unlock()
	n.moved = true
	n.conn.Close()
}

// closeFrom closes the connections from some addresses, which are other devices' now, and returns how many there were.
func (c *connections) closeFrom(addrs []netip.Addr) (closed int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for n := range c.open {
		if slices.Contains(addrs, n.from) {
			n.moved = true
			n.conn.Close()
			closed++
		}
	}
	return closed
}
