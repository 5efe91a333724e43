package collector

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"syscall"
	"time"

	"github.com/telcol/telcol/collector/takeover"
)

// A takeover goes like this, the running worker on the right:
//
//	ask       ────►          who wants to take over; refused at once where nothing can be delivered
//	          ◄──── listener, conn, devices, device, routes, …, whole
//	                         the worker has stopped reading, joined what it had read, and tells all that it knows
//	restored  ────►          all was taken up
//	          ◄──── yours    all records that the worker made are delivered
//	going     ────►          the slot is claimed with the same sockets; nothing was read of them yet
//	          ◄──── gone     from here on the worker only ends
//	          ◄──── spool, …, ended
//	                         nothing is produced or written any more, and these datagrams came meanwhile: now the new process reads
//
// Until it has read going, the worker goes on as if nothing had happened when the connection ends, when a step takes longer than
// takeoverPause, or all of them longer than takeoverLimit. Datagrams that arrive meanwhile are spooled, octets of connections wait in the
// sockets, which both processes hold: no datagram is lost, no connection is reset, and a device's data is produced in its order.
const (
	msgAsk      takeover.Kind = 'a'
	msgRefused  takeover.Kind = 'x' // by the worker, with the reason
	msgListener takeover.Kind = 'l' // with its socket
	msgConn     takeover.Kind = 'c' // with its socket
	msgDevices  takeover.Kind = 'w' // of all devices together
	msgDevice   takeover.Kind = 'd'
	msgRoutes   takeover.Kind = 'r' // of the device before, piece by piece; an empty one ends them
	msgWhole    takeover.Kind = 'e'
	msgRestored takeover.Kind = 'R'
	msgYours    takeover.Kind = 'y'
	msgGoing    takeover.Kind = 'g'
	msgGone     takeover.Kind = 'k'
	msgSpool    takeover.Kind = 's' // datagrams, see spool
	msgEnded    takeover.Kind = 'b'
)

const (
	takeoverGreeting = 5 * time.Second  // for the first words
	takeoverFlush    = 5 * time.Second  // for the delivery of what was made, each time
	takeoverPause    = 20 * time.Second // for a step: a message, a piece of the routes
	takeoverLimit    = 2 * time.Minute  // while nothing is joined; a million routes take one to two seconds
	routesSlice      = 20_000           // routes told in one piece
)

// ask is what a process says that wants to take over.
type ask struct {
	Group     string `json:"group"`
	Slot      int    `json:"slot"`
	Steering  bool   `json:"steering"`
	Namespace string `json:"namespace"` // of the network
}

func (w *worker) ask() ask {
	ns, _ := os.Readlink("/proc/self/ns/net") // both have the same answer
	return ask{Group: w.cfg.Group, Slot: w.cfg.Slot, Steering: w.cfg.Steering, Namespace: ns}
}

// numbers go on in the new process, beside the state of the devices.
type numbers struct {
	Sessions uint64 `json:"sessions"` // last number of a BMP session
	Streams  uint64 `json:"streams"`  // last number of an IPFIX connection
	Events   uint64 `json:"events"`   // last number of a session's events
	Devices  []byte `json:"devices"`  // see correlate.Correlator.AppendLive

	Aliases  map[netip.Addr]netip.Addr `json:"aliases"`   // that were learnt
	InEffect map[netip.Addr]netip.Addr `json:"in_effect"` // by which the devices are told
}

// takeoverSocket is where a worker can be asked to hand over; "" when there is no place that only its slot has.
func (c *Config) takeoverSocket() string {
	dir := c.RunDir
	switch {
	case dir != "":
	case c.StateDir != "":
		dir = c.StateDir
	case !c.Steering:
		return ""
	case os.Geteuid() == 0:
		dir = "/run/telcol"
	default:
		dir = filepath.Join(os.TempDir(), "telcol-"+strconv.Itoa(os.Geteuid()))
	}
	return filepath.Join(dir, c.Group, strconv.Itoa(c.Slot), "takeover.sock")
}

// offers are what a running worker hears on the socket of its slot.
type offers struct {
	ln     *takeover.Listener
	takers chan *taker
	done   sync.WaitGroup
}

// openOffers makes the socket of the slot, which this worker holds.
func openOffers(w *worker) *offers {
	o := &offers{takers: make(chan *taker)}
	path := w.cfg.takeoverSocket()
	if path == "" {
		return o
	}
	var err error
	if o.ln, err = takeover.Listen(path); err != nil {
		w.log.Warn("this worker cannot be taken over, only restarted; --run-dir names a folder for its socket", "err", err)
	}
	return o
}

// hear begins to listen to processes that want to take over, until ctx ends.
func (o *offers) hear(ctx context.Context, w *worker) {
	if o.ln != nil {
		o.done.Go(func() { o.listen(ctx, w) })
	}
}

func (o *offers) close() {
	if o == nil {
		return
	}
	if o.ln != nil {
		o.ln.Close()
	}
	o.done.Wait()
}

// listen gives one process after the other to the worker.
func (o *offers) listen(ctx context.Context, w *worker) {
	for {
		conn, err := o.ln.Accept()
		switch {
		case errors.Is(err, net.ErrClosed):
			return
		case errors.Is(err, takeover.ErrStranger):
			w.warn.warn("takeover refused", slog.Any("err", err))
			continue
		case err != nil:
			w.warn.warn("takeover not heard", slog.Any("err", err))
			select {
			case <-time.After(readPause):
				continue
			case <-ctx.Done():
				return
			}
		}
		t := &taker{conn: conn, ended: make(chan struct{})}
		if err := t.greet(ctx, w); err != nil {
			w.log.Warn("takeover refused", "pid", conn.PID(), "err", err)
			conn.Close()
			continue
		}
		select {
		case o.takers <- t:
			<-t.ended
		case <-ctx.Done():
			conn.Close()
			return
		}
	}
}

// taker is a process that wants to take over. A nil taker is none.
type taker struct {
	conn  *takeover.Conn
	gone  bool   // it has taken over
	spool *spool // of what came since reading stopped
	ended chan struct{}
}

// greet hears who it is and makes sure that what was made so far can be delivered. Reading has not stopped yet.
func (t *taker) greet(ctx context.Context, w *worker) error {
	t.conn.SetDeadline(time.Now().Add(takeoverGreeting))
	if err := t.conn.Hello(); err != nil {
		if errors.Is(err, takeover.ErrVersion) {
			w.successors.otherVersion.Store(int64(t.conn.PID()))
		}
		return err
	}
	m, err := t.conn.Receive()
	if err != nil {
		return err
	}
	defer m.Close()
	var theirs ask
	if m.Kind != msgAsk || json.Unmarshal(m.Payload, &theirs) != nil {
		return takeover.ErrFrame
	}
	if ours := w.ask(); theirs != ours {
		return t.refuse(fmt.Errorf("it asks for %+v, this is %+v", theirs, ours))
	}
	flush, cancel := context.WithTimeout(ctx, takeoverFlush)
	defer cancel()
	if err := w.sink.Flush(flush); err != nil {
		return t.refuse(fmt.Errorf("records wait for delivery: %w", err))
	}
	return nil
}

// refuse tells the process why.
func (t *taker) refuse(err error) error {
	t.conn.SetDeadline(time.Now().Add(takeoverGreeting))
	return errors.Join(err, t.conn.Send(msgRefused, []byte(err.Error()), nil))
}

// give hands everything over and reports whether the process has it. Readers have ended, with their connections parked. When it reports
// false nothing was given up.
func (t *taker) give(ctx context.Context, w *worker) bool {
	began := time.Now()
	t.conn.SetPatience(takeoverPause, began.Add(takeoverLimit))
	stop := context.AfterFunc(ctx, func() { t.conn.Close() })
	defer stop()
	t.spool = startSpool(w.sockets.udp, nil)
	var err error
	if aerr := w.core.ask(ctx, func() { err = t.giveAll(w) }); aerr != nil {
		err = aerr
	}
	if t.gone {
		w.http.leave()
		w.parked.drop()
		w.log.Info("worker was taken over", "pid", t.conn.PID(), "took", time.Since(began).Round(time.Millisecond))
		return true
	}
	w.spool = t.spool
	w.log.Warn("takeover was given up, this worker goes on", "pid", t.conn.PID(), "took", time.Since(began).Round(time.Millisecond), "err", err)
	return false
}

// giveAll is give in the goroutine of the owner, who does nothing else meanwhile.
func (t *taker) giveAll(w *worker) error {
	w.core.drain()
	w.core.frozen.Store(w.core.takeSnapshot())
	defer w.core.frozen.Store(nil)
	if err := t.tell(w); err != nil {
		return err
	}
	if err := t.expect(msgRestored); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(context.Background(), takeoverFlush)
	defer cancel()
	if err := w.sink.Flush(ctx); err != nil {
		return t.refuse(fmt.Errorf("records wait for delivery: %w", err))
	}
	if err := t.conn.Send(msgYours, nil, nil); err != nil {
		return err
	}
	if err := t.expect(msgGoing); err != nil {
		return err
	}
	w.core.gone, t.gone = true, true
	w.notify(notifyMain(t.conn.PID())) // before the process says anything, which the manager would not believe
	_ = t.conn.Send(msgGone, nil, nil) // a process that does not read it has not gone either; nobody takes over then
	return nil
}

// send sends a message of JSON, with a socket if there is one.
func (t *taker) send(kind takeover.Kind, v any, socket syscall.Conn) error {
	text, err := json.Marshal(v)
	if err != nil {
		return err
	}
	return t.conn.Send(kind, text, socket)
}

// expect waits for a message.
func (t *taker) expect(kind takeover.Kind) error {
	m, err := t.conn.Receive()
	if err != nil {
		return err
	}
	defer m.Close()
	if m.Kind != kind {
		return fmt.Errorf("%w: message %q, want %q", takeover.ErrFrame, m.Kind, kind)
	}
	return nil
}

// tell sends all that the worker has and knows.
func (t *taker) tell(w *worker) error {
	listeners, err := w.listeners()
	if err != nil {
		return err
	}
	for _, l := range listeners {
		if err := t.send(msgListener, l.listenerText, l.socket); err != nil {
			return err
		}
	}
	for _, c := range w.parked.all() {
		text, err := c.encode()
		if err != nil {
			return err
		}
		if err := t.conn.Send(msgConn, text, c.file); err != nil {
			return err
		}
	}
	n := numbers{
		Sessions: w.sessions.Load(), Streams: w.streams.ids.Load(), Devices: w.core.corr.AppendLive(nil),
		Aliases: w.aliases.known(), InEffect: maps.Collect(w.core.corr.Aliases()),
	}
	if w.events != nil {
		n.Events = w.events.lastID.Load()
	}
	if err := t.send(msgDevices, n, nil); err != nil {
		return err
	}
	return t.tellDevices(w)
}

func (t *taker) tellDevices(w *worker) error {
	var b []byte
	for _, d := range w.core.corr.Live() {
		addr := d.Device.String()
		b = append(binary.AppendUvarint(b[:0], uint64(len(addr))), addr...)
		b = d.AppendState(b)
		if err := t.conn.Send(msgDevice, b, nil); err != nil {
			return err
		}
		if !d.HasRoutes() {
			continue
		}
		routes := d.RIB()
		for more := true; more; {
			if b, more = routes.Append(b[:0], routesSlice); len(b) == 0 {
				continue
			}
			if err := t.conn.Send(msgRoutes, b, nil); err != nil {
				return err
			}
		}
		if err := t.conn.Send(msgRoutes, nil, nil); err != nil {
			return err
		}
	}
	return t.conn.Send(msgWhole, nil, nil)
}

// deviceOf splits a message about a device.
func deviceOf(b []byte) (device netip.Addr, state []byte, err error) {
	n, size := binary.Uvarint(b)
	if size <= 0 || n > uint64(len(b)-size) {
		return device, nil, takeover.ErrFrame
	}
	b = b[size:]
	device, err = netip.ParseAddr(string(b[:n]))
	if err != nil || device != device.Unmap() || device.Zone() != "" {
		return netip.Addr{}, nil, fmt.Errorf("device %.50q: %w", b[:n], takeover.ErrFrame)
	}
	return device, b[n:], nil
}

// end tells a process that has taken over what came in meanwhile and that it can begin, and lets go of one that has not.
func (t *taker) end(w *worker) {
	if t == nil {
		return
	}
	if t.gone {
		t.spool.stop()
		t.conn.SetDeadline(time.Now().Add(takeoverPause)) // the delivery may have taken long
		if err := t.spool.send(t.conn); err != nil {
			w.log.Error("datagrams that came during the takeover may be lost", "err", err)
		}
		_ = t.conn.Send(msgEnded, nil, nil) // its end is as good a sign
	}
	t.conn.Close()
	close(t.ended)
}
