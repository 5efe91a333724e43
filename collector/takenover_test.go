package collector

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/telcol/telcol/collector/takeover"
	"github.com/telcol/telcol/ipfix"
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

// TestTakeoverWithOtherAliases has a worker taken over by one whose configuration makes two addresses one device. What both had told is that
// one's, and the BMP session of the address that is an alias now ends, to begin anew.
func TestTakeoverWithOtherAliases(t *testing.T) {
	old := startTest(t, func(c *Config) { c.RunDir = t.TempDir() })
	bmp := old.announce(t)
	defer bmp.Close()
	alias := old.announceFrom(t, "127.0.0.2", 2)
	defer alias.Close()
	old.sendFrom(t, "127.0.0.2", flows(t, 0, 1))
	waitFor(t, "the record", func() bool { return old.metrics(t)[`telcol_ipfix_records_total{kind="data",}`] == 1 })
	next := startWith(t, old.cfg, func(c *Config) { c.Aliases.Addresses = []string{"127.0.0.2=127.0.0.1"} }, true)
	if err := <-old.ended; err != nil {
		t.Fatal(err)
	}
	alias.SetReadDeadline(time.Now().Add(patience))
	if n, err := alias.Read(make([]byte, 1)); !errors.Is(err, io.EOF) {
		t.Errorf("session of the alias: %d octets, %v, want its end", n, err)
	}
	next.sendFrom(t, "127.0.0.2", dataAlone(t, 1))
	waitFor(t, "a record by the template of before", func() bool { return next.metrics(t)[`telcol_ipfix_records_total{kind="data",}`] == 1 })
	waitFor(t, "the end of the session", func() bool { return next.metrics(t)[`telcol_bmp_sessions{}`] == 1 })
	if m := next.metrics(t); m[`telcol_devices{}`] != 1 || m[`telcol_rib_routes{}`] != 1 {
		t.Errorf("%v devices, %v routes, want one of each", m[`telcol_devices{}`], m[`telcol_rib_routes{}`])
	}
	next.stop(t)
	line := next.stdout.lines()[0]
	for _, want := range []string{`"device":"127.0.0.1"`, `"exporter_addr":"127.0.0.2"`, `"join_dst":"hit"`} {
		if !strings.Contains(line, want) {
			t.Errorf("record without %s: %s", want, line)
		}
	}
}

// dataAlone is flows of one record, without the template.
func dataAlone(t *testing.T, sequence uint32) []byte {
	t.Helper()
	var b ipfix.Builder
	b.Begin(nil, ipfix.Header{Version: ipfix.VersionIPFIX, ExportTime: time.Now().UnixNano(), Domain: 1, Sequence: sequence})
	b.Set(256)
	b.Addr(netip.MustParseAddr("10.1.0.1"))
	b.Addr(netip.MustParseAddr("10.1.1.1"))
	b.Uint(100, 4)
	msg, err := b.Finish()
	if err != nil {
		t.Fatal(err)
	}
	return msg
}
