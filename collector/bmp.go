package collector

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/netip"

	"github.com/telcol/telcol/bmp"
	"github.com/telcol/telcol/collector/intake"
	"github.com/telcol/telcol/correlate"
)

// serveBMP accepts BMP sessions until ctx ends and every session's goroutine has ended.
func (w *worker) serveBMP(ctx context.Context) error {
	return intake.Serve(ctx, w.sockets.tcp, intake.ServeConfig{MaxConns: w.cfg.Intake.MaxSessions}, w.session)
}

// session reads one BMP session to its end. It decodes in this goroutine and hands batches of route operations to the owner; a
// busy owner slows this session down by TCP's own flow control and nobody else.
func (w *worker) session(ctx context.Context, conn *net.TCPConn, from netip.AddrPort) {
	from = unmap(from)
	log := w.log.With("device", from.Addr().String(), "port", from.Port())
	stop := context.AfterFunc(ctx, func() { conn.Close() })
	defer stop()
	defer conn.Close()
	log.Info("bmp session opened")

	feed := correlate.NewFeed(from.Addr(), bmp.Config{MaxMessage: w.cfg.BMP.MaxMessage}, w.core.routes)
	err := feed.Run(conn)
	switch {
	case ctx.Err() != nil:
		log.Info("bmp session closed by the stop of the worker")
	case errors.Is(err, io.EOF):
		log.Info("bmp session closed by the device")
	default:
		log.Warn("bmp session ended", slog.Any("err", err))
	}
}
