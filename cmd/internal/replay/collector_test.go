package replay

import (
	"bytes"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/gopacket/gopacket"
	"github.com/gopacket/gopacket/layers"
	"github.com/gopacket/gopacket/pcapgo"
)

// frame is an IP packet of a capture, at a time since its beginning.
type frame struct {
	at       time.Duration
	src      string // "192.0.2.1:20"; the destination does not matter
	payload  string
	tcp      bool
	seq      uint32
	syn, fin bool
}

func bmp(at time.Duration, src string, seq uint32, payload string) frame {
	return frame{at: at, src: src, payload: payload, tcp: true, seq: seq}
}

func flows(at time.Duration, src, payload string) frame {
	return frame{at: at, src: src, payload: payload}
}

// writeCapture writes a pcap file of raw IP packets.
func writeCapture(t *testing.T, frames ...frame) string {
	t.Helper()
	var buf bytes.Buffer
	w := pcapgo.NewWriter(&buf)
	if err := w.WriteFileHeader(65535, layers.LinkTypeRaw); err != nil {
		t.Fatal(err)
	}
	begin := time.Unix(1_700_000_000, 0)
	for _, f := range frames {
		data := f.serialize(t)
		info := gopacket.CaptureInfo{Timestamp: begin.Add(f.at), CaptureLength: len(data), Length: len(data)}
		if err := w.WritePacket(info, data); err != nil {
			t.Fatal(err)
		}
	}
	name := filepath.Join(t.TempDir(), "capture.pcap")
	if err := os.WriteFile(name, buf.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	return name
}

func (f frame) serialize(t *testing.T) []byte {
	t.Helper()
	src := netip.MustParseAddrPort(f.src)
	proto := layers.IPProtocolUDP
	if f.tcp {
		proto = layers.IPProtocolTCP
	}
	var ip gopacket.NetworkLayer = &layers.IPv4{
		Version: 4, TTL: 64, Protocol: proto, SrcIP: src.Addr().AsSlice(), DstIP: net.IPv4(192, 0, 2, 200),
	}
	if src.Addr().Is6() {
		ip = &layers.IPv6{
			Version: 6, HopLimit: 64, NextHeader: proto, SrcIP: src.Addr().AsSlice(), DstIP: net.ParseIP("2001:db8::200"),
		}
	}
	tcp := &layers.TCP{SrcPort: layers.TCPPort(src.Port()), DstPort: 1790, Seq: f.seq, SYN: f.syn, FIN: f.fin, ACK: !f.syn}
	udp := &layers.UDP{SrcPort: layers.UDPPort(src.Port()), DstPort: 4739}
	_ = tcp.SetNetworkLayerForChecksum(ip)
	_ = udp.SetNetworkLayerForChecksum(ip)
	var transport gopacket.SerializableLayer = udp
	if f.tcp {
		transport = tcp
	}
	buf := gopacket.NewSerializeBuffer()
	opts := gopacket.SerializeOptions{FixLengths: true}
	if err := gopacket.SerializeLayers(buf, opts, ip.(gopacket.SerializableLayer), transport, gopacket.Payload(f.payload)); err != nil {
		t.Fatal(err)
	}
	return bytes.Clone(buf.Bytes())
}

// event is something that reached the collector.
type event struct {
	at   time.Time
	from netip.Addr
	text string // of a datagram, or of all that was read of a connection so far
}

// collector listens like a worker and remembers what comes.
type collector struct {
	ipfix, bmp netip.AddrPort

	mu        sync.Mutex
	datagrams []event
	streams   []*event
	closeAt   int  // octets after which a connection is reset, 0 for never
	deaf      bool // connections are not read
	stop      chan struct{}
	readers   sync.WaitGroup
}

// newCollector listens on an address of this host.
func newCollector(t *testing.T, host string, with ...func(*collector)) *collector {
	t.Helper()
	c := &collector{stop: make(chan struct{})}
	for _, w := range with {
		w(c)
	}
	l, err := net.Listen("tcp", net.JoinHostPort(host, "0"))
	if err != nil {
		t.Skipf("no listener on %s: %v", host, err)
	}
	u, err := net.ListenPacket("udp", net.JoinHostPort(host, "0"))
	if err != nil {
		t.Fatal(err)
	}
	c.bmp, c.ipfix = l.Addr().(*net.TCPAddr).AddrPort(), u.LocalAddr().(*net.UDPAddr).AddrPort()
	c.readers.Go(func() { c.accept(l) })
	c.readers.Go(func() { c.receive(u) })
	t.Cleanup(func() {
		_, _ = l.Close(), u.Close()
		close(c.stop)
		c.readers.Wait()
	})
	return c
}

func (c *collector) accept(l net.Listener) {
	for {
		conn, err := l.Accept()
		if err != nil {
			return
		}
		e := &event{at: time.Now(), from: conn.RemoteAddr().(*net.TCPAddr).AddrPort().Addr()}
		c.mu.Lock()
		c.streams = append(c.streams, e)
		c.mu.Unlock()
		c.readers.Go(func() { c.read(conn, e) })
	}
}

func (c *collector) read(conn net.Conn, e *event) {
	defer conn.Close()
	if c.deaf {
		<-c.stop
		return
	}
	buf := make([]byte, 4096)
	for {
		n, err := conn.Read(buf)
		c.mu.Lock()
		e.text += string(buf[:n])
		enough := c.closeAt > 0 && len(e.text) >= c.closeAt
		c.mu.Unlock()
		if enough {
			_ = conn.(*net.TCPConn).SetLinger(0)
			return
		}
		if err != nil {
			return
		}
	}
}

func (c *collector) receive(u net.PacketConn) {
	buf := make([]byte, 65536)
	for {
		n, from, err := u.ReadFrom(buf)
		if err != nil {
			return
		}
		c.mu.Lock()
		addr := from.(*net.UDPAddr).AddrPort().Addr().Unmap()
		c.datagrams = append(c.datagrams, event{time.Now(), addr, string(buf[:n])})
		c.mu.Unlock()
	}
}

// accepted waits for the first connection.
func (c *collector) accepted(t *testing.T) {
	for t.Context().Err() == nil {
		c.mu.Lock()
		n := len(c.streams)
		c.mu.Unlock()
		if n > 0 {
			return
		}
		time.Sleep(time.Millisecond)
	}
}

// settled waits until so many datagrams and octets came, and returns everything.
func (c *collector) settled(t *testing.T, datagrams, octets int) (flows []event, streams []event) {
	t.Helper()
	deadline := time.Now().Add(2 * time.Minute)
	for {
		c.mu.Lock()
		flows, streams = append([]event(nil), c.datagrams...), nil
		got := 0
		for _, s := range c.streams {
			streams = append(streams, *s)
			got += len(s.text)
		}
		c.mu.Unlock()
		if len(flows) >= datagrams && got >= octets {
			return flows, streams
		}
		if time.Now().After(deadline) {
			t.Fatalf("got %d datagrams and %d octets, want %d and %d", len(flows), got, datagrams, octets)
		}
		time.Sleep(time.Millisecond)
	}
}
