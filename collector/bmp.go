package collector

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/netip"

	"github.com/telcol/telcol/collector/intake"
	"github.com/telcol/telcol/correlate"
)

// serveBMP accepts BMP sessions from a listener until ctx ends and every session's goroutine has ended.
func (w *worker) serveBMP(ctx context.Context, ln *net.TCPListener) error {
	cfg := intake.ServeConfig{MaxConns: w.cfg.Intake.MaxSessions, Stats: &w.bmpStats}
	return intake.Serve(ctx, ln, cfg, w.session)
}

// session reads one BMP session to its end. It decodes in this goroutine and hands batches of route operations to the owner; a
// busy owner slows this session down by TCP's own flow control and nobody else.
func (w *worker) session(ctx context.Context, conn *net.TCPConn, from netip.AddrPort) {
	log := w.log.With("device", from.Addr().String(), "port", from.Port())
	head, probe := w.answerConn(conn, from.Addr())
	if probe {
		return
	}
	noted := w.conns.add(from.Addr(), conn)
	defer w.conns.remove(noted)
	if !w.mayStay(from) {
		return
	}
	log.Info("bmp session opened")
	told := w.events.session(ctx, from)
	cfg := correlate.FeedConfig{
		MaxMessage: w.cfg.BMP.MaxMessage, Session: w.sessions.Add(1), Cache: w.attributes,
		Refused: func(err error) {
			w.warn.warn("bmp message refused, session goes on", slog.String("source", from.String()), slog.Any("err", err))
		},
	}
	if told != nil {
		cfg.Observer = told
	}
	err := correlate.NewFeed(from.Addr(), cfg, w.core.routes).Run(io.MultiReader(bytes.NewReader(head), conn))
	switch {
	case w.conns.remove(noted):
		log.Info("bmp session closed, its device belongs to another slot now")
		told.end(downMoved, "")
	case ctx.Err() != nil:
		log.Info("bmp session closed by the stop of the worker")
		told.end(downStop, "")
	case errors.Is(err, io.EOF):
		log.Info("bmp session closed by the device", "reason", err)
		told.end(downClosed, "")
	default:
		log.Warn("bmp session ended", "err", err)
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
