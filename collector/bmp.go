package collector

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"sync"
	"time"

	"github.com/telcol/telcol/collector/intake"
	"github.com/telcol/telcol/correlate"
	"github.com/telcol/telcol/correlate/rib"
)

// What BMPConfig.Keepalive says of the questions after the first.
const (
	keepaliveInterval = 15 * time.Second
	keepaliveCount    = 5
)

// serveBMP accepts BMP sessions from a listener until ctx ends and every session's goroutine has ended. Those of resume go on first.
func (w *worker) serveBMP(ctx context.Context, ln *net.TCPListener, resume []*net.TCPConn) error {
	cfg := w.serveConfig()
	cfg.Resume = resume
	return intake.Serve(ctx, ln, cfg, w.session)
}

func (w *worker) serveConfig() intake.ServeConfig {
	return intake.ServeConfig{MaxConns: w.cfg.Intake.MaxSessions, Stats: &w.bmpStats, KeepAlive: net.KeepAliveConfig{
		Enable: true, Idle: w.cfg.BMP.Keepalive, Interval: keepaliveInterval, Count: keepaliveCount,
	}}
}

// session reads one BMP session to its end. It decodes in this goroutine and hands batches of route operations to the owner; a
// busy owner slows this session down by TCP's own flow control and nobody else.
func (w *worker) session(ctx context.Context, conn *net.TCPConn, from netip.AddrPort) {
	log := w.log.With("device", from.Addr().String(), "port", from.Port())
	was := w.parked.take(conn)
	caughtUp := func() {}
	if was.late != nil {
		caughtUp = sync.OnceFunc(was.late.done)
		defer caughtUp()
	}
	if was.id == 0 && len(was.pending) == 0 {
		var probe bool
		if was.pending, probe = w.answerConn(conn, from.Addr()); probe {
			return
		}
	}
	noted := w.conns.add(from.Addr(), conn)
	defer w.conns.remove(noted)
	if !w.owned.allows(from.Addr()) { // since a moment ago
		w.conns.refuse(noted)
	}
	if was.moved {
		w.conns.move(noted)
	}
	if !w.mayStay(from) {
		return
	}
	held := w.crowd.enter(from.Addr(), conn, w.cfg.BMP.MaxSessions)
	defer w.crowd.leave(from.Addr(), held)
	if was.id == 0 {
		was.id = w.sessions.Add(1)
		log.Info("bmp session opened")
	}
	told := w.events.resume(ctx, netip.AddrPortFrom(w.aliases.canonical(from.Addr()), from.Port()), was.events)
	cfg := correlate.FeedConfig{
		MaxMessage: w.cfg.BMP.MaxMessage, MaxPeers: w.cfg.BMP.MaxPeers, Session: was.id, Cache: w.attributes, Resume: was.feed,
		Refused: func(err error) {
			w.warn.warn("bmp message refused, session goes on", slog.String("source", from.String()), slog.Any("err", err))
		},
	}
	if told != nil {
		cfg.Observer = told
	}
	stream := &bmpReader{ctx: ctx, conn: conn, idle: w.cfg.BMP.IdleTimeout, empty: caughtUp, closed: func() error {
		_, refused := w.conns.why(noted)
		switch {
		case w.crowd.pushedOut(held):
			return correlate.ErrCrowded
		case refused:
			return correlate.ErrNotAllowed
		}
		return correlate.ErrMoved
	}}
	feed := correlate.NewFeed(from.Addr(), cfg, w.core.routes)
	err := feed.Run(io.MultiReader(bytes.NewReader(was.pending), stream))
	if errors.Is(err, correlate.ErrPaused) {
		w.parked.park(conn, &parkedConn{kind: connBMP, from: from, id: was.id, feed: feed.Paused(), events: told.park()})
		return
	}
	switch reason := correlate.EndReasonOf(err); reason {
	case correlate.EndMoved:
		log.Info("bmp session closed, its device belongs to another slot now")
		told.end(downMoved, "")
	case correlate.EndNotAllowed:
		log.Info("bmp session closed, its source is not let in any more")
		told.end(downNotAllowed, "")
	case correlate.EndStopped:
		log.Info("bmp session closed by the stop of the worker")
		told.end(downStop, "")
	case correlate.EndTermination, correlate.EndClosed:
		log.Info("bmp session closed by the device", "err", err)
		told.end(downClosed, "")
	default:
		// A device whose sessions break soon tries again: what each is told is in the sample.
		w.warn.warn("bmp session ended", slog.String("source", from.String()), slog.String("reason", reason.String()), slog.Any("err", err))
		told.end(downError, err.Error())
	}
}

// mayStay reports whether a new connection's device belongs to this slot. One that came just before its device moved is no fault of the
// steering.
func (w *worker) mayStay(from netip.AddrPort) bool {
	switch {
	case w.owned.owns(from.Addr()):
		return true
	case w.owned.owned(from.Addr()):
		w.follow.moved.Add(1)
	default:
		w.foreignSessions.Add(1)
		w.warn.warn("session of another slot's device, closed", slog.String("source", from.String()))
	}
	return false
}

// bmpReader reads a session's connection. It ends with correlate.ErrStopped or correlate.ErrPaused when ctx ends and with correlate.ErrIdle when nothing
// comes for the idle time, if that is not zero. Whoever closes the connection under it has seen its device move, correlate.ErrMoved, be
// refused, correlate.ErrNotAllowed, or open too many sessions, correlate.ErrCrowded.
type bmpReader struct {
	ctx    context.Context
	conn   *net.TCPConn
	idle   time.Duration
	empty  func()       // is called when everything that came was read and handed over; nil once it was
	closed func() error // why the connection was closed here
}

func (r *bmpReader) Read(p []byte) (int, error) {
	if r.empty != nil && intake.Unread(r.conn) == 0 {
		r.empty() // the feed has handed over what it had before it asks for more
		r.empty = nil
	}
	if r.idle > 0 {
		_ = r.conn.SetReadDeadline(time.Now().Add(r.idle))
		if r.ctx.Err() != nil { // whose own deadline was perhaps overwritten
			return 0, stopError(r.ctx)
		}
	}
	n, err := r.conn.Read(p)
	switch {
	case errors.Is(err, net.ErrClosed):
		return n, r.closed()
	case err == nil || !errors.Is(err, os.ErrDeadlineExceeded):
		return n, err
	case r.ctx.Err() != nil:
		return n, stopError(r.ctx)
	}
	return n, correlate.ErrIdle
}

// stopError tells a session whether it ends with the serving or is paused.
func stopError(ctx context.Context) error {
	if intake.Paused(ctx) {
		return correlate.ErrPaused
	}
	return correlate.ErrStopped
}

// drifted logs that a device lastingly counts other routes than we hold.
func (c *core) drifted(device netip.Addr, peer rib.PeerKey, d correlate.Drift) {
	c.warn.warn("routes differ from what the device counts", slog.String("device", device.String()),
		slog.String("peer", peer.Addr.String()), slog.String("rd", peer.Distinguisher.String()), slog.String("view", d.View.String()),
		slog.Int("afi", int(d.Family.AFI)), slog.Int("safi", int(d.Family.SAFI)),
		slog.Int("ours", d.Ours), slog.Uint64("theirs", d.Theirs), slog.Int("reports", d.Reports))
}

// overQuota logs that a device tells more than it may.
func (c *core) overQuota(device netip.Addr, r correlate.Refused) {
	c.warn.warn("device beyond its quota, further routes are refused", slog.String("device", device.String()),
		slog.Uint64("routes_refused", r.Routes), slog.Uint64("attributes_refused", r.Attrs), slog.Uint64("peers_refused", r.Sources))
}
