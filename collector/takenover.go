package collector

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"strings"
	"time"

	"github.com/telcol/telcol/collector/takeover"
)

// startByTakeover is the rest of start for a worker that is to take its slot over. Where nobody holds the slot it starts as any other.
func (w *worker) startByTakeover(ctx context.Context) error {
	path := w.cfg.takeoverSocket()
	if path == "" {
		return fmt.Errorf("%w: a takeover without steering needs a place to meet: give both workers the same --run-dir or --state-dir", ErrConfig)
	}
	conn, err := dialPredecessor(ctx, path)
	switch {
	case errors.Is(err, takeover.ErrNobody):
		return w.startWithoutPredecessor(ctx)
	case errors.Is(err, takeover.ErrVersion):
		defer conn.Close()
		return w.startByReplacement(ctx, conn.PID(), err)
	case err != nil:
		return fmt.Errorf("takeover: %w", err)
	}
	defer conn.Close()
	stop := context.AfterFunc(ctx, func() { conn.Close() })
	defer stop()
	p := &predecessor{conn: conn, w: w, began: time.Now()}
	if err := p.takeOver(); err != nil {
		w.parked.drop()
		return fmt.Errorf("takeover from process %d: %w", conn.PID(), err)
	}
	return nil
}

// socketPatience is how long the socket of a slot may be missing: a worker that has just taken over may not listen yet.
const socketPatience = time.Second

// dialPredecessor finds the worker that holds the slot and greets it. One that is about to end or to begin does not answer for a moment. With
// ErrVersion the connection, to one that says another hello, is open too.
func dialPredecessor(ctx context.Context, path string) (*takeover.Conn, error) {
	for began := time.Now(); ; {
		conn, err := greetPredecessor(ctx, path)
		if !errors.Is(err, takeover.ErrNobody) || time.Since(began) > socketPatience {
			return conn, err
		}
		select {
		case <-time.After(socketPatience / 20):
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

func greetPredecessor(ctx context.Context, path string) (*takeover.Conn, error) {
	conn, err := takeover.Dial(ctx, path)
	if err != nil {
		return nil, err
	}
	conn.SetDeadline(time.Now().Add(takeoverGreeting))
	switch err := conn.Hello(); {
	case err == nil, errors.Is(err, takeover.ErrVersion):
		return conn, err
	default:
		conn.Close()
		return nil, fmt.Errorf("process %d: %w", conn.PID(), err)
	}
}

// predecessor is the worker that is taken over.
type predecessor struct {
	conn  *takeover.Conn
	w     *worker
	began time.Time
	given given

	devices, routes, conns, spooled int
}

// takeOver takes all from the predecessor. After an error that has everything still, unless it has ended by itself.
func (p *predecessor) takeOver() error {
	w := p.w
	p.conn.SetDeadline(time.Now().Add(takeoverGreeting + takeoverFlush))
	text, err := json.Marshal(w.ask())
	if err != nil {
		return err
	}
	if err := p.conn.Send(msgAsk, text, nil); err != nil {
		return err
	}
	m, err := p.conn.Receive()
	p.began = time.Now()
	p.conn.SetPatience(takeoverPause+takeoverGreeting, p.began.Add(takeoverLimit+takeoverGreeting))
	if err := p.hear(m, err); err != nil {
		return err
	}
	if err := w.sockets.open(&p.given); err != nil {
		return err
	}
	if w.http, err = listenHTTP(&w.cfg, w, &p.given); err != nil {
		return err
	}
	if left := p.given.close(); len(left) > 0 {
		w.log.Warn("listeners of the worker before are not configured any more", "listeners", strings.Join(left, ", "))
	}
	if err := p.exchange(msgRestored, msgYours); err != nil {
		return err
	}
	if err := w.sockets.claim(); err != nil {
		return err
	}
	// Whoever does not hear gone cannot tell whether the predecessor goes on. It does when it has not heard going.
	if err := p.exchange(msgGoing, msgGone); err != nil {
		return err
	}
	w.offers = openOffers(w) // in place of the predecessor's, so that there is one all the time
	w.notify(notifyReady + "\n" + notifyAlive)
	spooled, err := p.awaitEnd()
	w.spool = startSpool(w.sockets.udp, spooled)
	if err != nil {
		w.brokenTakeovers.Add(1)
		w.log.Warn("the worker before did not end in order, records of it may be lost", "err", err)
	}
	w.aliases.takeUp(w.core.corr)
	w.log.Info("slot taken over", "from", p.conn.PID(), "devices", p.devices, "routes", p.routes, "connections", p.conns, "spooled", p.spooled,
		"took", time.Since(p.began).Round(time.Millisecond))
	return nil
}

// awaitEnd waits for the predecessor's end, and returns what came in since it stopped reading. It delivers before it tells.
func (p *predecessor) awaitEnd() (spooled [][]byte, err error) {
	p.conn.SetDeadline(time.Now().Add(p.w.cfg.DrainAfter + takeoverPause))
	for {
		m, err := p.conn.Receive()
		if err != nil {
			return spooled, err
		}
		m.Close()
		switch m.Kind {
		case msgEnded:
			return spooled, nil
		case msgSpool:
			n, err := eachSpooled(m.Payload, func(netip.AddrPort, int64, []byte, bool) {})
			if err != nil {
				return spooled, err
			}
			p.spooled += n
			spooled = append(spooled, bytes.Clone(m.Payload))
		default:
			return spooled, fmt.Errorf("%w: message %q at the end", takeover.ErrFrame, m.Kind)
		}
	}
}

// exchange says something and waits for the answer.
func (p *predecessor) exchange(say, want takeover.Kind) error {
	if err := p.conn.Send(say, nil, nil); err != nil {
		return err
	}
	return p.expect(want)
}

func (p *predecessor) expect(kind takeover.Kind) error {
	m, err := p.conn.Receive()
	if err != nil {
		return err
	}
	defer m.Close()
	switch m.Kind {
	case kind:
		return nil
	case msgRefused:
		return refusal(m.Payload)
	}
	return fmt.Errorf("%w: message %q, want %q", takeover.ErrFrame, m.Kind, kind)
}

func refusal(reason []byte) error { return fmt.Errorf("it refuses: %.500q", reason) }

// hear takes all messages from the first on.
func (p *predecessor) hear(m takeover.Message, err error) error {
	for ; err == nil; m, err = p.conn.Receive() {
		if m.Kind == msgWhole {
			m.Close()
			return nil
		}
		if err := p.take(&m); err != nil {
			return err
		}
	}
	return err
}

// take takes one message.
func (p *predecessor) take(m *takeover.Message) error {
	file := m.File
	if m.Kind != msgListener && m.Kind != msgConn {
		m.Close()
	}
	switch m.Kind {
	case msgListener:
		var t listenerText
		if err := json.Unmarshal(m.Payload, &t); err != nil || file == nil {
			m.Close()
			return fmt.Errorf("listener: %w", errors.Join(takeover.ErrFrame, err))
		}
		p.given.add(t, file)
		return nil
	case msgConn:
		c, err := decodeParked(m.Payload, file)
		if err != nil {
			m.Close()
			return err
		}
		p.conns++
		p.w.parked.add(c)
		return nil
	case msgDevices:
		return p.takeNumbers(m.Payload)
	case msgDevice:
		return p.takeDevice(m.Payload)
	case msgRefused:
		return refusal(m.Payload)
	}
	return fmt.Errorf("%w: message %q", takeover.ErrFrame, m.Kind)
}

func (p *predecessor) takeNumbers(text []byte) error {
	var n numbers
	if err := json.Unmarshal(text, &n); err != nil {
		return fmt.Errorf("%w: %w", takeover.ErrFrame, err)
	}
	w := p.w
	w.sessions.Store(n.Sessions)
	w.streams.ids.Store(n.Streams)
	if w.events != nil {
		w.events.lastID.Store(n.Events)
	}
	w.aliases.learnt = n.Aliases
	if w.aliases.learnt == nil {
		w.aliases.learnt = make(map[netip.Addr]netip.Addr)
	}
	w.core.corr.SetAliases(n.InEffect)
	return w.core.corr.RestoreLive(n.Devices)
}

// takeDevice takes a device and the routes that follow it.
func (p *predecessor) takeDevice(b []byte) error {
	device, state, err := deviceOf(b)
	if err != nil {
		return err
	}
	corr, now := p.w.core.corr, time.Now().UnixNano()
	routes, err := corr.RestoreDevice(device, state, now)
	if err != nil {
		return err
	}
	p.devices++
	if !routes {
		return nil
	}
	n, err := corr.RestoreLiveRIB(device, &routesReader{conn: p.conn}, now)
	p.routes += n
	return err
}

// routesReader reads the pieces of an image up to the empty one that ends them.
type routesReader struct {
	conn  *takeover.Conn
	piece []byte
	ended bool
}

func (r *routesReader) Read(b []byte) (int, error) {
	for len(r.piece) == 0 {
		if r.ended {
			return 0, io.EOF
		}
		m, err := r.conn.Receive()
		if err != nil {
			return 0, err
		}
		m.Close()
		if m.Kind != msgRoutes {
			return 0, fmt.Errorf("%w: message %q among routes", takeover.ErrFrame, m.Kind)
		}
		r.piece, r.ended = m.Payload, len(m.Payload) == 0
	}
	n := copy(b, r.piece)
	r.piece = r.piece[n:]
	return n, nil
}
