package collector

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/netip"
	"os"
	"reflect"
	"testing"

	"github.com/telcol/telcol/bmp"
	"github.com/telcol/telcol/collector/record"
	"github.com/telcol/telcol/collector/takeover"
	"github.com/telcol/telcol/correlate"
)

// parkedExamples are connections of each kind, at each point of their lives.
func parkedExamples() []*parkedConn {
	from := netip.MustParseAddrPort("192.0.2.1:4739")
	state := bmp.NewSession(bmp.Config{}).AppendState(nil)
	return []*parkedConn{
		{kind: connBMP, from: from, pending: []byte("begun")},
		{kind: connBMP, from: from, id: 7, feed: &correlate.Paused{State: state, Pending: []byte{3, 0, 0}}},
		{kind: connBMP, from: from, id: 8, feed: &correlate.Paused{State: state}, events: &parkedEvents{
			ID: 1, Seq: 2, Name: "pe1", Gap: record.Gap{Lost: 3}, Final: true,
		}},
		{kind: connIPFIX, from: netip.MustParseAddrPort("[2001:db8::1]:4739"), id: 9, pending: []byte{0, 10}},
	}
}

func TestParkedConnComesBack(t *testing.T) {
	for _, c := range parkedExamples() {
		b, err := c.encode()
		if err != nil {
			t.Fatal(err)
		}
		back, err := decodeParked(b, os.Stdin)
		c.file = os.Stdin
		if err != nil || !reflect.DeepEqual(back, c) {
			t.Errorf("got %+v, error %v; want %+v", back, err, c)
		}
		if _, err := decodeParked(b, nil); !errors.Is(err, errParked) {
			t.Errorf("without a socket: %v", err)
		}
	}
}

// FuzzParked takes up octets as a connection of another process. What is taken can be handed over again and served.
func FuzzParked(f *testing.F) {
	for _, c := range parkedExamples() {
		b, err := c.encode()
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		c, err := decodeParked(b, os.Stdin)
		if err != nil {
			if !errors.Is(err, errParked) {
				t.Fatal(err)
			}
			return
		}
		again, err := c.encode()
		if err != nil {
			t.Fatal(err)
		}
		if back, err := decodeParked(again, os.Stdin); err != nil || back.id != c.id || back.from != c.from || len(back.pending) != len(c.pending) {
			t.Fatalf("handed over again: got %+v, error %v; want %+v", back, err, c)
		}
		if c.feed == nil {
			return
		}
		routes := make(chan *correlate.Batch)
		ended := make(chan struct{})
		go func() {
			for b := range routes {
				b.Free()
			}
			close(ended)
		}()
		feed := correlate.NewFeed(c.from.Addr(), correlate.FeedConfig{Session: c.id, Resume: c.feed, MaxPeers: 10}, routes)
		if feed.Run(eof{}) == nil {
			t.Error("the session goes on without octets")
		}
		close(routes)
		<-ended
	})
}

// eof is a stream that has ended.
type eof struct{}

func (eof) Read([]byte) (int, error) { return 0, io.EOF }

// FuzzTakenNumbers takes up octets as what another process says of all devices.
func FuzzTakenNumbers(f *testing.F) {
	w := newWorker(Default(), Env{Stdout: io.Discard, Log: slog.New(slog.DiscardHandler)})
	w.sockets, w.core = &sockets{}, spoolTaker(f)
	w.streams = newStreams(&w.cfg.IPFIX, nil, w.warn, w.log, w.core.streams)
	var err error
	if w.aliases, err = newAliases(w); err != nil {
		f.Fatal(err)
	}
	b, err := json.Marshal(numbers{Sessions: 1, Streams: 2, Events: 3, Devices: w.core.corr.AppendLive(nil), Aliases: map[netip.Addr]netip.Addr{
		netip.MustParseAddr("192.0.2.1"): netip.MustParseAddr("192.0.2.2"),
	}})
	if err != nil {
		f.Fatal(err)
	}
	f.Add(b)
	f.Fuzz(func(t *testing.T, b []byte) {
		err := (&predecessor{w: w}).takeNumbers(b)
		if err != nil && !errors.Is(err, takeover.ErrFrame) && !errors.Is(err, correlate.ErrState) {
			t.Fatal(err)
		}
		if w.aliases.known() == nil {
			t.Fatal("no map of aliases")
		}
	})
}

// FuzzTakenDevice takes up octets as a device of another process.
func FuzzTakenDevice(f *testing.F) {
	c := spoolTaker(f)
	if _, err := c.takeSpooled(appendSpooled(nil, netip.MustParseAddrPort("192.0.2.1:4739"), 1e18, []byte{0, 10, 0, 16, 15: 1}, false)); err != nil {
		f.Fatal(err)
	}
	for _, d := range c.corr.Live() {
		f.Add(d.AppendState(append(binary.AppendUvarint(nil, uint64(len(d.Device.String()))), d.Device.String()...)))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		device, state, err := deviceOf(b)
		if err != nil {
			if !errors.Is(err, takeover.ErrFrame) {
				t.Fatal(err)
			}
			return
		}
		if !device.IsValid() || device != device.Unmap() || device.Zone() != "" {
			t.Fatalf("device %s", device)
		}
		corr, err := correlate.New(correlate.Config{}, func(*correlate.Record) {})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := corr.RestoreDevice(device, state, 1e18); err != nil && !errors.Is(err, correlate.ErrState) || (err == nil) != (len(corr.Live()) == 1) {
			t.Fatalf("%d devices, error %v", len(corr.Live()), err)
		}
	})
}
