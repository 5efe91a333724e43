package collector

import (
	"errors"
	"net"
	"net/netip"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/telcol/telcol/ipfix"
)

// dialIPFIX opens a connection to the worker.
func (r *running) dialIPFIX(t *testing.T) *net.TCPConn {
	t.Helper()
	c, err := net.Dial("tcp", r.cfg.ListenIPFIX)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c.(*net.TCPConn)
}

// wait waits until a metric has a value.
func (r *running) wait(t *testing.T, name string, want float64) {
	t.Helper()
	waitFor(t, name, func() bool { return r.metrics(t)[name] == want })
}

// data is a message with n records of the template of flows.
func data(t *testing.T, sequence uint32, n int) []byte {
	t.Helper()
	var b ipfix.Builder
	b.Begin(nil, ipfix.Header{Version: ipfix.VersionIPFIX, ExportTime: time.Now().UnixNano(), Domain: 1, Sequence: sequence})
	b.Set(256)
	for i := range n {
		b.Addr(netip.AddrFrom4([4]byte{10, 1, 2, byte(i)}))
		b.Addr(netip.AddrFrom4([4]byte{10, 1, 3, byte(i)}))
		b.Uint(uint64(100+i), 4)
	}
	msg, err := b.Finish()
	if err != nil {
		t.Fatal(err)
	}
	return msg
}

const (
	streamMessages = `telcol_intake_stream_messages_total{}`
	streamsOpen    = `telcol_ipfix_connections{}`
)

// TestStreamTemplatesAreTheConnections has a template on one connection, which neither another nor the datagrams know.
func TestStreamTemplatesAreTheConnections(t *testing.T) {
	r := startTest(t, nil)
	a, b := r.dialIPFIX(t), r.dialIPFIX(t)
	a.Write(flows(t, 0, 3))
	a.Write(data(t, 3, 4))
	r.wait(t, streamMessages, 2)
	b.Write(data(t, 0, 5))
	r.wait(t, streamMessages, 3)
	r.send(t, data(t, 0, 6))
	r.wait(t, `telcol_ipfix_held_sets_total{result="held",}`, 2)
	if m := r.metrics(t); m[`telcol_ipfix_records_total{kind="data",}`] != 7 || m[`telcol_devices{}`] != 1 || m[streamsOpen] != 2 {
		t.Errorf("got %v records, %v devices, %v connections", m[`telcol_ipfix_records_total{kind="data",}`], m[`telcol_devices{}`], m[streamsOpen])
	}
	b.Close() // what waits on it is lost
	r.wait(t, `telcol_lost_total{reason="session-end",,stage="template"}`, 1)
	a.Close()
	r.wait(t, streamsOpen, 0)
	if m := r.metrics(t); m[`telcol_lost_total{reason="message-cut",,stage="intake"}`] != 0 {
		t.Error("connections that were closed between messages count as cut")
	}
	r.stop(t)
	if n := len(r.stdout.lines()); n != 7 {
		t.Errorf("got %d records", n)
	}
}

// TestStreamIsDrainedAtTheStop sends more than the worker can have read, stops it, and adds up: the records of every whole message that
// was delivered to this host come out.
func TestStreamIsDrainedAtTheStop(t *testing.T) {
	r := startTest(t, nil)
	c := r.dialIPFIX(t)
	c.Write(flows(t, 0, 1))
	r.wait(t, streamMessages, 1)
	msg := data(t, 1, 100)
	const n = 40
	for range n {
		if _, err := c.Write(msg); err != nil { // small enough for the buffers of both sockets
			t.Fatal(err)
		}
	}
	c.Write(msg[:10])
	r.stop(t)
	if got := len(r.stdout.lines()); got != 1+100*n {
		t.Errorf("got %d records, want %d", got, 1+100*n)
	}
}

func TestStreamBounds(t *testing.T) {
	const ended = `telcol_ipfix_connections_ended_total{reason="`
	r := startTest(t, func(c *Config) {
		c.IPFIX.TCPMaxSessions, c.IPFIX.TCPMaxDevice, c.IPFIX.TCPIdleTimeout = 3, 2, time.Hour
	})
	a, b := r.dialIPFIX(t), r.dialIPFIX(t)
	r.wait(t, streamsOpen, 2)
	closed := func(c *net.TCPConn) {
		t.Helper()
		c.SetReadDeadline(time.Now().Add(patience))
		if n, err := c.Read(make([]byte, 1)); n > 0 || err == nil || strings.Contains(err.Error(), "timeout") {
			t.Errorf("the connection is still open: %v", err)
		}
	}
	closed(r.dialIPFIX(t)) // the third of this device
	r.wait(t, `telcol_ipfix_connections_refused_total{reason="max-device",}`, 1)
	a.Write([]byte("GET / HTTP/1.1\r\n"))
	closed(a)
	r.wait(t, ended+`framing",}`, 1)
	b.Write(flows(t, 0, 1)[:20])
	b.CloseWrite()
	closed(b)
	r.wait(t, `telcol_lost_total{reason="message-cut",,stage="intake"}`, 1)
	r.wait(t, streamsOpen, 0)
	r.stop(t)
	if out := r.stdout.String(); out != "" {
		t.Errorf("got records: %s", out)
	}
}

// TestStreamIdle ends a connection that says nothing.
func TestStreamIdle(t *testing.T) {
	r := startTest(t, func(c *Config) { c.IPFIX.TCPIdleTimeout = 50 * time.Millisecond })
	r.dialIPFIX(t)
	r.wait(t, `telcol_ipfix_connections_ended_total{reason="idle",}`, 1)
	r.stop(t)
}

// TestStreamSlow has a message that comes octet by octet: that it goes on does not lengthen its time.
func TestStreamSlow(t *testing.T) {
	near, far := tcpPair(t)
	c := newStreamConn(t.Context(), far, 0)
	c.patience = 100 * time.Millisecond
	stop := make(chan struct{})
	var writer sync.WaitGroup
	writer.Go(func() {
		tick := time.NewTicker(10 * time.Millisecond)
		defer tick.Stop()
		for _, octet := range data(t, 0, 250) { // half a minute's worth
			if _, err := near.Write([]byte{octet}); err != nil {
				return
			}
			select {
			case <-tick.C:
			case <-stop:
				return
			}
		}
	})
	_, err := c.reader.Next()
	close(stop)
	writer.Wait()
	s := newStreams(nil, nil, nil, nil, nil)
	s.ended(c, err)
	if !errors.Is(err, os.ErrDeadlineExceeded) || s.slow.Load() != 1 || s.cut.Load() != 1 || s.idle.Load() != 0 {
		t.Errorf("got %v; %d slow, %d cut, %d idle", err, s.slow.Load(), s.cut.Load(), s.idle.Load())
	}
}

// tcpPair gives both ends of a connection.
func tcpPair(t *testing.T) (near, far *net.TCPConn) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	c, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	f, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close(); f.Close() })
	return c.(*net.TCPConn), f.(*net.TCPConn)
}
