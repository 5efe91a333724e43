package collector

import (
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"slices"
	"sync"

	"github.com/telcol/telcol/correlate"
)

// parkedConn is an open connection between two periods of serving: the way to another process lies between them, or nothing does when
// that did not work out.
type parkedConn struct {
	kind    connKind
	from    netip.AddrPort
	id      uint64            // of its session; 0: none has begun
	feed    *correlate.Paused // of a BMP session
	pending []byte            // octets that were read and belong in front of the stream, where feed does not have them
	events  *parkedEvents
	file    *os.File // the socket, a duplicate
	late    *late    // is told when the session has caught up; nil when nobody waits for that
	moved   bool     // its address is another device's now: it is to end as one that is closed by closeFrom
}

type connKind byte

const (
	connBMP   connKind = 'b'
	connIPFIX connKind = 'i'
)

// parked are the connections between two periods of serving. Any goroutine may use it.
type parked struct {
	mu     sync.Mutex
	idle   []*parkedConn
	resume map[*net.TCPConn]*parkedConn // whose handlers have not begun yet
}

// park keeps a connection open that its server is about to close.
func (p *parked) park(conn *net.TCPConn, c *parkedConn) {
	file, err := conn.File()
	if err != nil {
		return // it is closed already, as the next reader would have seen
	}
	c.file = file
	p.mu.Lock()
	defer p.mu.Unlock()
	p.idle = append(p.idle, c)
}

// all returns the connections that wait. They stay parked.
func (p *parked) all() []*parkedConn {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.idle
}

// add parks a connection that came from another process.
func (p *parked) add(c *parkedConn) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.idle = append(p.idle, c)
}

// move has the connections from some addresses, which are other devices' now, closed when they go on, and returns how many there are.
func (p *parked) move(addrs []netip.Addr) (n int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, c := range p.idle {
		if slices.Contains(addrs, c.from.Addr()) {
			c.moved = true
			n++
		}
	}
	return n
}

// drop lets go of the sockets, which another process has.
func (p *parked) drop() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, c := range p.idle {
		c.file.Close()
	}
	p.idle = nil
}

// unpark makes connections again of what waits, to be served by handlers that take from here what they need to go on.
func (p *parked) unpark(kind connKind) (conns []*net.TCPConn) {
	p.mu.Lock()
	defer p.mu.Unlock()
	left := p.idle[:0]
	for _, c := range p.idle {
		if c.kind != kind {
			left = append(left, c)
			continue
		}
		conn, err := net.FileConn(c.file)
		c.file.Close()
		tcp, ok := conn.(*net.TCPConn)
		if err != nil || !ok {
			continue // no connection; nothing is known of it but that
		}
		if p.resume == nil {
			p.resume = make(map[*net.TCPConn]*parkedConn)
		}
		p.resume[tcp] = c
		conns = append(conns, tcp)
	}
	p.idle = left
	return conns
}

// await returns what tells when the handlers of some connections, which have not begun yet, have read what waits in the sockets. They must be
// ones that say so, as those of BMP do.
func (p *parked) await(conns []*net.TCPConn) *late {
	p.mu.Lock()
	defer p.mu.Unlock()
	sessions := newLate(len(conns))
	for _, conn := range conns {
		p.resume[conn].late = sessions
	}
	return sessions
}

// take returns what a handler needs to go on with a connection, which is nothing for a new one.
func (p *parked) take(conn *net.TCPConn) *parkedConn {
	p.mu.Lock()
	defer p.mu.Unlock()
	c := p.resume[conn]
	if c == nil {
		return &parkedConn{}
	}
	delete(p.resume, conn)
	return c
}

// parkedText is a parkedConn on the way to another process.
type parkedText struct {
	Kind    connKind          `json:"kind"`
	From    netip.AddrPort    `json:"from"`
	ID      uint64            `json:"id"`
	Feed    *correlate.Paused `json:"feed,omitempty"`
	Pending []byte            `json:"pending,omitempty"`
	Events  *parkedEvents     `json:"events,omitempty"`
}

func (c *parkedConn) encode() ([]byte, error) {
	return json.Marshal(parkedText{c.kind, c.from, c.id, c.feed, c.pending, c.events})
}

var errParked = errors.New("connection that cannot be taken up")

// decodeParked reads what encode wrote. The socket comes beside it.
func decodeParked(b []byte, file *os.File) (*parkedConn, error) {
	var t parkedText
	if err := json.Unmarshal(b, &t); err != nil {
		return nil, fmt.Errorf("%w: %w", errParked, err)
	}
	switch {
	case file == nil, t.Kind != connBMP && t.Kind != connIPFIX, !t.From.IsValid(), (t.Feed != nil) != (t.Kind == connBMP && t.ID != 0):
		return nil, errParked
	case t.Feed != nil:
		if err := t.Feed.Check(); err != nil {
			return nil, fmt.Errorf("%w: %w", errParked, err)
		}
	}
	return &parkedConn{kind: t.Kind, from: t.From, id: t.ID, feed: t.Feed, pending: t.Pending, events: t.Events, file: file}, nil
}
