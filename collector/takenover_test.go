package collector

import (
	"context"
	"io"
	"log/slog"
	"net/netip"
	"testing"

	"github.com/telcol/telcol/collector/takeover"
)

// TestPredecessorsEnd hands a worker over that knows nothing, and ends in order or not. What it told before counts either way.
func TestPredecessorsEnd(t *testing.T) {
	datagram := appendSpooled(nil, netip.MustParseAddrPort("192.0.2.1:4739"), 1e18, []byte("no message"), false)
	for _, c := range []struct {
		name    string
		last    func(*takeover.Conn) error
		broken  uint64
		spooled int
	}{
		{"in order", func(to *takeover.Conn) error { return to.Send(msgEnded, nil, nil) }, 0, 1},
		{"without a word", func(*takeover.Conn) error { return nil }, 1, 1},
		{"in a datagram", func(to *takeover.Conn) error { return to.Send(msgSpool, datagram[:len(datagram)-1], nil) }, 1, 1},
		{"with another message", func(to *takeover.Conn) error { return to.Send(msgYours, nil, nil) }, 1, 1},
	} {
		t.Run(c.name, func(t *testing.T) {
			cfg := Default()
			cfg.Slot, cfg.Steering, cfg.Sink, cfg.RunDir = 0, false, SinkStdout, t.TempDir()
			cfg.ListenIPFIX, cfg.ListenBMP, cfg.HTTP = freeAddr(t), freeAddr(t), "off"
			w := newWorker(cfg, Env{Stdout: io.Discard, Log: slog.New(slog.DiscardHandler), Takeover: true})
			ln, err := takeover.Listen(cfg.takeoverSocket())
			if err != nil {
				t.Fatal(err)
			}
			defer ln.Close()
			ended := make(chan error, 1)
			go func() { ended <- endAsPredecessor(ln, datagram, c.last) }()
			if err := w.start(context.Background()); err != nil {
				t.Fatal(err)
			}
			defer w.abandon()
			w.spool.stop()
			if err := <-ended; err != nil {
				t.Fatal(err)
			}
			n := 0
			for _, b := range w.spool.take() {
				k, err := eachSpooled(b, func(netip.AddrPort, int64, []byte, bool) {})
				if err != nil {
					t.Error(err)
				}
				n += k
			}
			if got := w.brokenTakeovers.Load(); got != c.broken || n != c.spooled {
				t.Errorf("%d broken takeovers and %d datagrams, want %d and %d", got, n, c.broken, c.spooled)
			}
		})
	}
}

// endAsPredecessor hands over up to a first datagram, then says something last.
func endAsPredecessor(ln *takeover.Listener, datagram []byte, last func(*takeover.Conn) error) error {
	to, err := ln.Accept()
	if err != nil {
		return err
	}
	defer to.Close()
	if err := to.Hello(); err != nil {
		return err
	}
	for _, say := range []takeover.Kind{msgWhole, msgYours, msgGone} {
		m, err := to.Receive()
		if err != nil {
			return err
		}
		m.Close()
		if err := to.Send(say, nil, nil); err != nil {
			return err
		}
	}
	if err := to.Send(msgSpool, datagram, nil); err != nil {
		return err
	}
	return last(to)
}
