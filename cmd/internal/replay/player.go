package replay

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"time"

	"github.com/telcol/telcol/cmd/internal/pcapfile"
)

// After so many datagrams without a wait the player rests for a moment: a receiver's buffer is smaller than a capture.
const (
	burstSize = 50
	burstRest = time.Millisecond
)

// streamKey names a TCP stream of a file.
type streamKey struct {
	file     int
	src, dst netip.AddrPort
}

// connection is a stream with the connection that it is sent over.
type connection struct {
	pcapfile.Stream
	from netip.Addr
	conn net.Conn // nil before its first octet
	stop func() bool
	to   netip.AddrPort
	flow bool // it carries IPFIX
	dead bool // closed by the collector
}

// player holds the sockets of a run. It belongs to one goroutine.
type player struct {
	ctx    context.Context
	o      *Options
	begun  time.Time
	result Result

	streams map[streamKey]*connection
	sockets map[netip.Addr]net.Conn  // for datagrams, by source
	lastBMP map[netip.Addr]time.Time // by source
	sources map[netip.Addr]bool
	burst   int     // datagrams since the last wait
	lost    []error // of connections and streams that ended before their time
}

func newPlayer(ctx context.Context, o *Options) *player {
	return &player{
		ctx: ctx, o: o, begun: time.Now(),
		streams: make(map[streamKey]*connection), sockets: make(map[netip.Addr]net.Conn),
		lastBMP: make(map[netip.Addr]time.Time), sources: make(map[netip.Addr]bool),
	}
}

// segment sends the octets of a stream that are in order with this segment.
func (p *player) segment(file int, src netip.Addr, pkt pcapfile.Packet) error {
	key := streamKey{file: file, src: pkt.Src, dst: pkt.Dst}
	c := p.streams[key]
	if c != nil && c.Restarts(&pkt) {
		p.retire(key, c)
		c = nil
	}
	if c == nil {
		c = &connection{from: src}
		p.streams[key] = c
	}
	return c.Push(pkt, func(octets []byte) error { return p.write(key, c, octets) })
}

// write sends octets over the connection of a stream, which it opens for the first ones. Only what ends the run is an
// error.
func (p *player) write(key streamKey, c *connection, octets []byte) error {
	if c.dead {
		return nil
	}
	if c.conn == nil {
		if err := p.connect(key, c, octets); err != nil {
			return err
		}
	}
	n, err := c.conn.Write(octets)
	if c.flow {
		p.result.FlowBytes += int64(n)
	} else {
		p.result.BMPBytes += int64(n)
		p.lastBMP[c.from] = time.Now()
	}
	switch {
	case err == nil:
		return nil
	case p.ctx.Err() != nil:
		return p.ctx.Err()
	}
	c.dead = true
	p.lost = append(p.lost, fmt.Errorf("%w %v closed the connection from %v: %w", ErrRefused, c.to, c.from, err))
	return nil
}

// connect opens the connection of a stream that begins with some octets, and closes those of the same router that it had closed itself.
func (p *player) connect(key streamKey, c *connection, first []byte) error {
	for k, old := range p.streams {
		if old != c && old.Closed() && k.file == key.file && k.src.Addr() == key.src.Addr() {
			p.retire(k, old)
		}
	}
	c.to = p.o.BMP
	if c.flow = carriesIPFIX(first); c.flow {
		c.to = p.o.IPFIX
		if err := p.gap(c.from); err != nil {
			return err
		}
	}
	conn, err := dial(p.ctx, "tcp", c.from, c.to)
	if err != nil {
		return err
	}
	// A collector that does not read would keep Write waiting for ever.
	c.conn, c.stop = conn, context.AfterFunc(p.ctx, func() { _ = conn.SetDeadline(time.Unix(1, 0)) })
	p.result.Connections++
	p.source(c.from)
	return nil
}

// datagram sends a datagram, the first one of a source not before the gap behind its routes is over.
func (p *player) datagram(src netip.Addr, payload []byte) error {
	if len(payload) == 0 {
		return nil
	}
	conn := p.sockets[src]
	if conn == nil {
		err := p.gap(src)
		if err != nil {
			return err
		}
		if conn, err = dial(p.ctx, "udp", src, p.o.IPFIX); err != nil {
			return err
		}
		p.sockets[src] = conn
		p.source(src)
	}
	if p.burst++; p.burst > burstSize {
		if err := p.waitUntil(time.Now().Add(burstRest)); err != nil {
			return err
		}
	}
	if _, err := conn.Write(payload); err != nil {
		return p.refusedBy(src, err)
	}
	p.result.Datagrams++
	return nil
}

func (p *player) refusedBy(src netip.Addr, err error) error {
	return fmt.Errorf("%w %v takes no datagrams from %v, is it running? %w", ErrRefused, p.o.IPFIX, src, err)
}

// refused reports that the last datagram of a source was refused, which only the next one would have met.
func (p *player) refused() error {
	for src, conn := range p.sockets {
		if err := pending(conn); err != nil {
			return p.refusedBy(src, err)
		}
	}
	return nil
}

// gap waits until the gap behind the routes of a source is over.
func (p *player) gap(src netip.Addr) error {
	if last, ok := p.lastBMP[src]; ok {
		return p.waitUntil(last.Add(p.o.Gap))
	}
	return nil
}

func (p *player) source(a netip.Addr) {
	p.sources[a] = true
	p.result.Sources = len(p.sources)
}

// retire closes a stream's connection and forgets the stream, but for what it misses.
func (p *player) retire(key streamKey, c *connection) {
	if c.Missing() {
		p.lost = append(p.lost, gapError(key, c))
	}
	c.shut()
	delete(p.streams, key)
}

// shut closes the connection, if there is one.
func (c *connection) shut() {
	if c.conn != nil {
		c.stop()
		_ = c.conn.Close() // what the kernel took it still delivers
		c.conn = nil
	}
}

// gaps reports the streams that miss something at the end.
func (p *player) gaps() (err error) {
	for key, c := range p.streams {
		if c.Missing() {
			err = errors.Join(err, gapError(key, c))
		}
	}
	return err
}

func gapError(key streamKey, c *connection) error {
	return fmt.Errorf("%w: %v to %v, about %d octets behind its beginning", ErrGap, key.src, key.dst, c.Taken())
}

func (p *player) close() {
	for _, c := range p.streams {
		c.shut()
	}
	for _, conn := range p.sockets {
		_ = conn.Close()
	}
}
