package decode

import (
	"bytes"
	"encoding/json"
	"errors"
	"flag"
	"io"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/gopacket/gopacket"
	"github.com/gopacket/gopacket/layers"
	"github.com/gopacket/gopacket/pcapgo"

	"github.com/telcol/telcol/bmp"
	"github.com/telcol/telcol/bmp/bgp"
	"github.com/telcol/telcol/cmd/internal/pcapfile"
	"github.com/telcol/telcol/ipfix"
)

var update = flag.Bool("update", false, "write the golden files anew")

var (
	start     = time.Unix(1_700_000_000, 0).UTC()
	router    = netip.MustParseAddr("192.0.2.1")
	router6   = netip.MustParseAddr("2001:db8::1")
	collector = netip.MustParseAddr("192.0.2.200")
	collect6  = netip.MustParseAddr("2001:db8::200")
)

// tape is a capture under construction.
type tape struct {
	t   testing.TB
	buf bytes.Buffer
	w   *pcapgo.Writer
	n   int
}

func newTape(t testing.TB) *tape {
	t.Helper()
	c := &tape{t: t}
	c.w = pcapgo.NewWriter(&c.buf)
	if err := c.w.WriteFileHeader(65535, layers.LinkTypeRaw); err != nil {
		t.Fatal(err)
	}
	return c
}

// packet writes a packet, a millisecond after the one before.
func (c *tape) packet(src, dst netip.Addr, transport gopacket.SerializableLayer, payload []byte) {
	c.t.Helper()
	proto := layers.IPProtocolUDP
	if _, ok := transport.(*layers.TCP); ok {
		proto = layers.IPProtocolTCP
	}
	var ip gopacket.SerializableLayer = &layers.IPv4{Version: 4, TTL: 64, Protocol: proto, SrcIP: src.AsSlice(), DstIP: dst.AsSlice()}
	if src.Is6() {
		ip = &layers.IPv6{Version: 6, HopLimit: 64, NextHeader: proto, SrcIP: src.AsSlice(), DstIP: dst.AsSlice()}
	}
	buf := gopacket.NewSerializeBuffer()
	if err := gopacket.SerializeLayers(buf, gopacket.SerializeOptions{FixLengths: true}, ip, transport, gopacket.Payload(payload)); err != nil {
		c.t.Fatal(err)
	}
	at := start.Add(time.Duration(c.n) * time.Millisecond)
	c.n++
	info := gopacket.CaptureInfo{Timestamp: at, CaptureLength: len(buf.Bytes()), Length: len(buf.Bytes())}
	if err := c.w.WritePacket(info, buf.Bytes()); err != nil {
		c.t.Fatal(err)
	}
}

func (c *tape) datagram(port uint16, payload []byte) {
	c.t.Helper()
	c.packet(router, collector, &layers.UDP{SrcPort: 5000, DstPort: layers.UDPPort(port)}, payload)
}

func (c *tape) segment(seq uint32, payload []byte) {
	c.t.Helper()
	c.packet(router6, collect6, &layers.TCP{SrcPort: 5001, DstPort: 4739, Seq: seq, ACK: true, Window: 100}, payload)
}

// message builds a message.
func message(t testing.TB, version uint16, domain, sequence uint32, fill func(*ipfix.Builder)) []byte {
	t.Helper()
	var b ipfix.Builder
	b.Begin(nil, ipfix.Header{
		Version: version, ExportTime: start.UnixNano(), Uptime: 60_000, Domain: domain, Sequence: sequence,
	})
	fill(&b)
	msg, err := b.Finish()
	if err != nil {
		t.Fatal(err)
	}
	return msg
}

// Fields of the templates.
var (
	flowFields = []ipfix.Field{
		{ID: 8, Len: 4},
		{ID: 12, Len: 4},
		{ID: 4, Len: 1},
		{ID: 10, Len: 4},
		{ID: 234, Len: 4},
		{ID: 1, Len: 4},
		{ID: 2, Len: 4},
		{ID: 152, Len: 8},
		{ID: 153, Len: 8},
		{ID: 232, PEN: 2011, Len: 3},
		{ID: 371, Len: 65535},
	}
	v9Fields = []ipfix.Field{
		{ID: 27, Len: 16},
		{ID: 28, Len: 16},
		{ID: 7, Len: 2},
		{ID: 11, Len: 2},
		{ID: 4, Len: 1},
		{ID: 1, Len: 4},
		{ID: 2, Len: 4},
		{ID: 22, Len: 4},
		{ID: 21, Len: 4},
	}
)

func flowRecord(b *ipfix.Builder, n uint64) {
	b.Addr(netip.MustParseAddr("198.51.100.1"))
	b.Addr(netip.MustParseAddr("203.0.113.2"))
	b.Uint(17, 1)
	b.Uint(55, 4)
	b.Uint(100, 4)
	b.Uint(1000*n, 4)
	b.Uint(n, 4)
	b.Uint(uint64(start.UnixMilli()-2000), 8)
	b.Uint(uint64(start.UnixMilli()-1000), 8)
	b.Octets([]byte{1, 2, 3})
	b.Variable([]byte("user \"x\""))
}

func v9Record(b *ipfix.Builder) {
	b.Addr(netip.MustParseAddr("2001:db8:a::1"))
	b.Addr(netip.MustParseAddr("2001:db8:b::2"))
	b.Uint(1234, 2)
	b.Uint(443, 2)
	b.Uint(6, 1)
	b.Uint(4000, 4)
	b.Uint(4, 4)
	b.Uint(50_000, 4)
	b.Uint(55_000, 4)
}

// The BGP peers of the scenes, and what their router calls itself.
var (
	peer    = bmp.Peer{Addr: netip.MustParseAddr("192.0.2.9"), BGPID: netip.MustParseAddr("192.0.2.9"), AS: 64500, Flags: bmp.FlagPostPolicy, Time: start.UnixNano()}
	locRIB  = bmp.Peer{Addr: netip.MustParseAddr("0.0.0.0"), BGPID: router, AS: 64496, Type: bmp.PeerLocRIB, Distinguisher: 64500<<32 | 1}
	sysName = bmp.Initiation{SysName: "r1", SysDescr: "a \"router\""}
	route4  = bgp.NLRI{Family: bgp.IPv4Unicast, Prefix: netip.MustParsePrefix("198.51.100.0/24")}
	routeV  = bgp.NLRI{Family: bgp.IPv4VPN, Prefix: netip.MustParsePrefix("203.0.113.0/24"), RD: 64500<<32 | 2, Label: 24001, HasLabel: true}
	path    = bgp.Attributes{
		NextHop: netip.MustParseAddr("192.0.2.9"), ASPath: []uint32{64500, 64501}, HasASPath: true, HasOrigin: true,
		LocalPref: 100, HasLocalPref: true, MED: 5, HasMED: true,
		Communities: []uint32{64500<<16 | 7}, ExtCommunities: []uint64{0x0002_fbf4_00000001}, LargeCommunities: [][3]uint32{{64500, 1, 2}},
	}
)

// bmpSegments writes octets to the collector's BMP port, in segments of so many.
func (c *tape) bmpSegments(port uint16, octets int, stream []byte) {
	c.t.Helper()
	for seq := 0; seq < len(stream); seq += octets {
		part := stream[seq:min(seq+octets, len(stream))]
		c.packet(router, collector, &layers.TCP{SrcPort: 5002, DstPort: layers.TCPPort(port), Seq: uint32(1000 + seq), ACK: true, Window: 100}, part)
	}
}

// open makes an OPEN.
func open(id netip.Addr, as uint32) bgp.Open {
	return bgp.Open{
		ID: id, AS: as, HoldTime: 90, Version: 4, AS4: true, Families: []bgp.Family{bgp.IPv4Unicast},
		AddPath: []bgp.AddPath{{Family: bgp.IPv4VPN, Mode: bgp.AddPathReceive}},
	}
}

// peerUp makes the Peer Up of a peer.
func peerUp(p bmp.Peer) *bmp.PeerUp {
	return &bmp.PeerUp{
		Peer: p, LocalAddr: router, LocalPort: 179, RemotePort: 33000, Sent: open(router, 64496), Received: open(p.BGPID, p.AS),
		TableName: "blue",
	}
}

// evpnRoute makes a Route Monitoring of an inclusive multicast route of EVPN (RFC 7432 section 7.3), announced or withdrawn.
func evpnRoute(p *bmp.Peer, announced bool) []byte {
	route := append([]byte{3, 17}, 0, 1, 192, 0, 2, 9, 0, 7, 0, 0, 0, 100, 32, 192, 0, 2, 9)
	family := []byte{0, 25, 70}
	attr := func(typ byte, v []byte) []byte { return append([]byte{0x80, typ, byte(len(v))}, v...) }
	attrs := attr(15, append(family, route...))
	if announced {
		attrs = append([]byte{0x40, 1, 1, 0, 0x40, 2, 0, 0x40, 5, 4, 0, 0, 0, 100}, attr(14, append(append(family, 4, 192, 0, 2, 9, 0), route...))...)
	}
	update := append([]byte{0, 0, 0, byte(len(attrs))}, attrs...)
	update = append(append(bytes.Repeat([]byte{0xff}, 16), 0, byte(19+len(update)), 2), update...)
	m := bmp.AppendRouteMonitoring(nil, p, nil, []bgp.NLRI{route4}, &path)[:bmp.HeaderSize+bmp.PeerHeaderSize]
	m[4] = byte(len(m) + len(update))
	return append(m, update...)
}

// scenes are captures, each with what is special about it.
var scenes = map[string]func(*tape){
	// Options data, a template, data, the template told again, changed and withdrawn.
	"templates": func(c *tape) {
		c.datagram(4739, message(c.t, 10, 7, 0, func(b *ipfix.Builder) {
			b.OptionsTemplate(300, ipfix.Field{ID: 234, Len: 4, Scope: true}, ipfix.Field{ID: 236, Len: 8}, ipfix.Field{ID: 90, Len: 8})
			b.OptionsTemplate(301, ipfix.Field{ID: 10, Len: 4, Scope: true}, ipfix.Field{ID: 82, Len: 65535}, ipfix.Field{ID: 83, Len: 65535})
			b.OptionsTemplate(302, ipfix.Field{ID: 149, Len: 4, Scope: true}, ipfix.Field{ID: 305, Len: 4}, ipfix.Field{ID: 306, Len: 4})
			b.OptionsTemplate(303, ipfix.Field{ID: 302, Len: 4, Scope: true}, ipfix.Field{ID: 309, Len: 4}, ipfix.Field{ID: 310, Len: 4})
			b.OptionsTemplate(304, ipfix.Field{ID: 301, Len: 8, Scope: true}, ipfix.Field{ID: 302, Len: 4}, ipfix.Field{ID: 302, Len: 4})
			b.Set(303)
			b.Uint(1, 4)
			b.Uint(1, 4)
			b.Uint(10, 4)
			b.Set(304)
			b.Uint(6, 8)
			b.Uint(1, 4)
			b.Uint(2, 4)
			b.Set(300)
			b.Uint(100, 4)
			b.Text("blue", 8)
			b.Uint(64500<<32|1, 8)
			b.Set(301)
			b.Uint(55, 4)
			b.Variable([]byte("eth55"))
			b.Variable([]byte("to the north"))
			b.Set(302)
			b.Uint(7, 4)
			b.Uint(1, 4)
			b.Uint(999, 4)
		}))
		c.datagram(4739, message(c.t, 10, 7, 5, func(b *ipfix.Builder) {
			b.Template(256, flowFields...)
			b.Set(256)
			flowRecord(b, 1)
			flowRecord(b, 2)
		}))
		c.datagram(4739, message(c.t, 10, 7, 7, func(b *ipfix.Builder) {
			b.Template(256, flowFields...)
			b.Template(256, flowFields[:2]...)
			b.Set(256)
			b.Addr(netip.MustParseAddr("198.51.100.1"))
			b.Addr(netip.MustParseAddr("203.0.113.2"))
		}))
		c.datagram(4739, message(c.t, 10, 7, 18, func(b *ipfix.Builder) { b.Withdraw(256, false) }))
	},
	// Data before its template, for another port than the usual ones, among what is no export at all.
	"held": func(c *tape) {
		c.datagram(53, []byte("no export"))
		c.datagram(8888, message(c.t, 9, 3, 10, func(b *ipfix.Builder) { b.Set(260); v9Record(b) }))
		c.datagram(8888, message(c.t, 9, 3, 11, func(b *ipfix.Builder) {
			b.Template(260, v9Fields...)
			b.Set(260)
			v9Record(b)
			b.Set(261)
			b.Pad(8)
		}))
	},
	// What is wrong with messages.
	"malformed": func(c *tape) {
		good := message(c.t, 10, 7, 0, func(b *ipfix.Builder) { b.Template(256, flowFields...); b.Set(256); flowRecord(b, 1) })
		c.datagram(4739, good)
		c.datagram(4739, good[:len(good)-3])
		c.datagram(4739, []byte{0, 5, 0, 1, 0, 0})
		c.datagram(4739, message(c.t, 10, 7, 1, func(b *ipfix.Builder) { b.Set(256); b.Pad(44); b.Octets([]byte{200}) }))
		c.datagram(4739, append(message(c.t, 9, 7, 1, func(b *ipfix.Builder) { b.Template(257, v9Fields...) }), 1, 2, 0xff, 0xff))
		c.datagram(4739, message(c.t, 10, 7, 2, func(b *ipfix.Builder) { b.Template(258, ipfix.Field{ID: 1, Len: 0}) }))
	},
	// Two messages in segments that are out of order and repeated, and then no message.
	"tcp": func(c *tape) {
		msg := append(message(c.t, 10, 1, 0, func(b *ipfix.Builder) { b.Template(256, flowFields...) }),
			message(c.t, 10, 1, 0, func(b *ipfix.Builder) { b.Set(256); flowRecord(b, 3) })...)
		c.segment(100, msg[:30])
		c.segment(100+60, msg[60:])
		c.segment(100, msg[:30])
		c.segment(100+30, msg[30:60])
		c.segment(100+uint32(len(msg)), []byte("GET / HTTP/1.1"))
	},
	// All that a BMP session can tell, beside a flow of its device.
	"bmp": func(c *tape) {
		c.datagram(4739, message(c.t, 10, 7, 0, func(b *ipfix.Builder) { b.Template(256, flowFields...); b.Set(256); flowRecord(b, 1) }))
		s := bmp.AppendInitiation(nil, &sysName)
		s = bmp.AppendPeerUp(s, peerUp(peer))
		s = bmp.AppendPeerUp(s, peerUp(locRIB))
		s = bmp.AppendRouteMonitoring(s, &peer, nil, []bgp.NLRI{route4}, &path)
		s = bmp.AppendRouteMonitoring(s, &locRIB, nil, []bgp.NLRI{route4, routeV}, &path)
		s = bmp.AppendRouteMonitoring(s, &locRIB, []bgp.NLRI{route4}, nil, nil)
		s = append(s, evpnRoute(&peer, true)...)
		s = append(s, evpnRoute(&peer, false)...)
		s = bmp.AppendEndOfRIB(s, &locRIB, bgp.IPv4Unicast)
		s = bmp.AppendStatistics(s, &bmp.Statistics{Peer: peer, Stats: []bmp.Statistic{
			{Type: bmp.StatAdjRIBIn, Value: 1}, {Type: bmp.StatLocRIBFamily, Family: bgp.IPv4Unicast, Value: 2}, {Type: 99, Raw: []byte{1, 2}},
		}})
		s = bmp.AppendRouteMirroring(s, &bmp.RouteMirroring{Peer: peer, Messages: [][]byte{{1, 2, 3}}, Errored: true})
		s = bmp.AppendPeerDown(s, &bmp.PeerDown{
			Peer: peer, Reason: bmp.DownRemoteNotification, Notification: &bmp.Notification{Code: 6, Subcode: 2},
		})
		s = bmp.AppendTermination(s, &bmp.Termination{HasReason: true, Reason: bmp.TermAdminClose, Strings: []string{"bye\n"}})
		c.bmpSegments(1790, 100, s)
	},
	// What is wrong with BMP: an UPDATE that is cut, a type that is not known, and then no message.
	"bmp-malformed": func(c *tape) {
		s := bmp.AppendRouteMonitoring(nil, &peer, nil, []bgp.NLRI{route4}, &path)
		s[len(s)-20] = 0xff // within the attributes
		s = append(s, bmp.AppendRouteMonitoring(nil, &peer, nil, []bgp.NLRI{route4}, &path)[:6+42]...)
		s[len(s)-42-6+4] = 6 + 42
		s = append(s, 3, 0, 0, 0, 8, 9, 1, 2)
		s = append(s, "GET / HTTP/1.1"...)
		c.bmpSegments(7000, 4000, s)
	},
}

func decode(t testing.TB, capture []byte, o Options) (string, Summary, error) {
	t.Helper()
	var out strings.Builder
	sum, err := Run(t.Context(), bytes.NewReader(capture), &out, o)
	return out.String(), sum, err
}

func TestGolden(t *testing.T) {
	for name, scene := range scenes {
		c := newTape(t)
		scene(c)
		for _, format := range []Format{Text, JSON} {
			t.Run(name+"/"+string(format), func(t *testing.T) {
				got, _, err := decode(t, c.buf.Bytes(), Options{Format: format, Records: AllRecords})
				if err != nil {
					t.Fatal(err)
				}
				file := filepath.Join("testdata", name+"."+string(format))
				if *update {
					if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
						t.Fatal(err)
					}
				}
				want, err := os.ReadFile(file)
				if err != nil {
					t.Fatal(err)
				}
				if got != string(want) {
					t.Errorf("differs from %s (-update writes it):\n%s", file, got)
				}
			})
		}
	}
}

// kinds counts the lines of JSON output by their kind.
func kinds(t testing.TB, out string) map[string]int {
	t.Helper()
	n := make(map[string]int)
	for line := range strings.Lines(out) {
		var e struct{ Kind string }
		if err := json.Unmarshal([]byte(line), &e); err != nil {
			t.Fatalf("%v: %s", err, line)
		}
		n[e.Kind]++
	}
	return n
}

func TestFilters(t *testing.T) {
	c := newTape(t)
	scenes["templates"](c)
	scenes["tcp"](c)
	scenes["bmp"](c)
	for _, tc := range []struct {
		name string
		o    Options
		want string
	}{
		{"all", Options{Records: AllRecords}, `{"bmp":14,"bmp_event":16,"bmp_peers":1,"data":5,"malformed":1,"message":7,"options":5,"summary":1,"tables":1,"template":11}`},
		{"one record each", Options{Records: 1}, `{"bmp":14,"bmp_event":12,"bmp_peers":1,"data":4,"malformed":1,"message":7,"options":5,"summary":1,"tables":1,"template":11}`},
		{"no records", Options{}, `{"bmp":14,"bmp_event":10,"bmp_peers":1,"malformed":1,"message":7,"options":5,"summary":1,"tables":1,"template":11}`},
		{"a device", Options{Records: AllRecords, Device: router6}, `{"data":1,"malformed":1,"message":2,"summary":1,"template":1}`},
		{"a template", Options{Records: AllRecords, Template: 301}, `{"message":1,"options":1,"summary":1,"tables":1,"template":1}`},
		{"flows alone", Options{Records: AllRecords, Only: OnlyIPFIX}, `{"data":5,"malformed":1,"message":7,"options":5,"summary":1,"tables":1,"template":11}`},
		{"BMP alone", Options{Records: AllRecords, Only: OnlyBMP}, `{"bmp":14,"bmp_event":16,"bmp_peers":1,"summary":1}`},
		{"BMP without routes", Options{Only: OnlyBMP}, `{"bmp":14,"bmp_event":10,"bmp_peers":1,"summary":1}`},
		{"BMP by a port", Options{Only: OnlyBMP, Ports: []uint16{1790}}, `{"bmp":14,"bmp_event":10,"bmp_peers":1,"summary":1}`},
		{"a template with data", Options{Records: 1, Template: 256, Device: router}, `{"data":3,"message":4,"summary":1,"tables":1,"template":5}`},
	} {
		t.Run(tc.name, func(t *testing.T) {
			tc.o.Format = JSON
			out, _, err := decode(t, c.buf.Bytes(), tc.o)
			if err != nil {
				t.Fatal(err)
			}
			if got, _ := json.Marshal(kinds(t, out)); string(got) != tc.want {
				t.Errorf("got  %s\nwant %s", got, tc.want)
			}
		})
	}
}

func TestErrors(t *testing.T) {
	c := newTape(t)
	scenes["held"](c)
	routes := newTape(t)
	scenes["bmp"](routes)
	other := newTape(t)
	other.datagram(53, []byte("no export"))
	for _, tc := range []struct {
		name    string
		capture []byte
		o       Options
		want    error
	}{
		{"no capture", []byte("hello, world"), Options{}, pcapfile.ErrFormat},
		{"empty", nil, Options{}, pcapfile.ErrFormat},
		{"no messages", other.buf.Bytes(), Options{}, ErrNothing},
		{"no messages on the port", c.buf.Bytes(), Options{Ports: []uint16{4739}}, ErrNothing},
		{"cut", c.buf.Bytes()[:c.buf.Len()-1], Options{}, pcapfile.ErrTruncated},
		{"bad format", c.buf.Bytes(), Options{Format: "xml"}, ErrOptions},
		{"bad template", c.buf.Bytes(), Options{Template: 2}, ErrOptions},
		{"bad kind", c.buf.Bytes(), Options{Only: "sflow"}, ErrOptions},
		{"template of BMP", c.buf.Bytes(), Options{Only: OnlyBMP, Template: 256}, ErrOptions},
		{"no BMP", c.buf.Bytes(), Options{Only: OnlyBMP}, ErrNothing},
		{"BMP of another device", routes.buf.Bytes(), Options{Only: OnlyBMP, Device: router6}, ErrNothing},
		{"BMP, a template asked for", routes.buf.Bytes(), Options{Template: 300, Ports: []uint16{1790}}, ErrNothing},
	} {
		t.Run(tc.name, func(t *testing.T) {
			if tc.o.Format == "" {
				tc.o.Format = Text
			}
			if _, _, err := decode(t, tc.capture, tc.o); !errors.Is(err, tc.want) {
				t.Errorf("got %v, want %v", err, tc.want)
			}
		})
	}
	if _, sum, _ := decode(t, c.buf.Bytes(), Options{Format: Text, Ports: []uint16{8888}}); sum.Messages != 2 || sum.Passed != 1 {
		t.Errorf("with the right port: %+v", sum)
	}
	if _, err := Run(t.Context(), bytes.NewReader(c.buf.Bytes()), brokenPipe{}, Options{Format: Text}); !errors.Is(err, io.ErrClosedPipe) {
		t.Errorf("with a broken pipe: %v", err)
	}
}

type brokenPipe struct{}

func (brokenPipe) Write([]byte) (int, error) { return 0, io.ErrClosedPipe }

// TestStreams tells what a stream carries by its first octets, else by its port.
func TestStreams(t *testing.T) {
	init := bmp.AppendInitiation(nil, &sysName)
	first := message(t, 10, 1, 0, func(b *ipfix.Builder) { b.Template(256, flowFields...) })
	for _, tc := range []struct {
		name       string
		port       uint16
		stream     []byte
		o          Options
		flows, bmp int
		malformed  int
	}{
		{"BMP for the port of IPFIX", 4739, init, Options{}, 0, 1, 0},
		{"IPFIX for the port of BMP", 1790, first, Options{}, 1, 0, 0},
		{"neither for the port of IPFIX", 4739, []byte("GET / HTTP/1.1"), Options{}, 0, 0, 1},
		{"neither for the port of BMP", 11019, []byte("GET / HTTP/1.1"), Options{}, 0, 0, 1},
		{"neither, to be shown as BMP", 4739, []byte("GET / HTTP/1.1"), Options{Ports: []uint16{4739}, Only: OnlyBMP}, 0, 0, 1},
		{"BMP in pieces, for its port", 1790, bmp.AppendPeerUp(nil, peerUp(peer)), Options{}, 0, 1, 0},
		{"BMP of version 4", 5000, append([]byte{4}, init[1:]...), Options{}, 0, 1, 0},
		{"half a message", 5000, init[:len(init)-1], Options{}, 0, 0, 0},
		{"a length beyond all", 5000, []byte{3, 0x7f, 0xff, 0xff, 0xff, 4}, Options{}, 0, 0, 0},
	} {
		t.Run(tc.name, func(t *testing.T) {
			c := newTape(t)
			octets := len(tc.stream)
			if octets > 100 && tc.port == 1790 {
				octets = 5
			}
			c.bmpSegments(tc.port, octets, tc.stream)
			tc.o.Format = JSON
			_, sum, _ := decode(t, c.buf.Bytes(), tc.o)
			if sum.Messages != tc.flows || sum.BMP.Messages != tc.bmp || sum.Malformed != tc.malformed {
				t.Errorf("got %d, %d and %d malformed, want %d, %d and %d", sum.Messages, sum.BMP.Messages, sum.Malformed, tc.flows, tc.bmp, tc.malformed)
			}
			if gap := tc.name == "half a message"; gap != (sum.Gaps == 1) {
				t.Errorf("%d gaps", sum.Gaps)
			}
		})
	}
}

// TestEventsAreNumbered holds that events have the numbers that a worker would give them, whatever is shown.
func TestEventsAreNumbered(t *testing.T) {
	c := newTape(t)
	scenes["bmp"](c)
	numbers := func(records int) map[string]uint64 {
		out, _, err := decode(t, c.buf.Bytes(), Options{Format: JSON, Only: OnlyBMP, Records: records})
		if err != nil {
			t.Fatal(err)
		}
		all := make(map[string]uint64)
		for line := range strings.Lines(out) {
			var e struct {
				Kind  string
				Event map[string]any
			}
			if err := json.Unmarshal([]byte(line), &e); err != nil {
				t.Fatal(err)
			}
			if e.Kind == "bmp_event" {
				n := uint64(e.Event["seq"].(float64))
				delete(e.Event, "seq")
				text, _ := json.Marshal(e.Event)
				all[string(text)] = n
			}
		}
		return all
	}
	all, few := numbers(AllRecords), numbers(0)
	for event, n := range few {
		if all[event] != n {
			t.Errorf("number %d without routes, %d with them: %s", n, all[event], event)
		}
	}
	if len(few) >= len(all) || len(few) == 0 {
		t.Errorf("%d events without routes, %d with them", len(few), len(all))
	}
}

// TestConnectionsOneAfterTheOther has a router connect again from the same port: what came before has no end there, and what follows is
// another session.
func TestConnectionsOneAfterTheOther(t *testing.T) {
	c := newTape(t)
	init := bmp.AppendInitiation(nil, &sysName)
	for i := range uint32(2) {
		start := 1000 + 1_000_000*i
		c.packet(router, collector, &layers.TCP{SrcPort: 5002, DstPort: 1790, Seq: start, SYN: true}, nil)
		c.packet(router, collector, &layers.TCP{SrcPort: 5002, DstPort: 1790, Seq: start + 1, ACK: true}, init)
		c.packet(router, collector, &layers.TCP{SrcPort: 5002, DstPort: 1790, Seq: start + 1 + uint32(len(init)), ACK: true}, init[:3])
	}
	_, sum, err := decode(t, c.buf.Bytes(), Options{Format: JSON})
	if err != nil || sum.BMP.Sessions != 2 || sum.BMP.Messages != 2 || sum.Gaps != 2 || sum.Malformed != 0 {
		t.Errorf("error %v, %+v; want two sessions that end within a message", err, sum)
	}
}

// TestRows has a row of every option table, with who told it.
func TestRows(t *testing.T) {
	by := func(template uint16) ipfix.Told { return ipfix.Told{Updated: start.UnixNano(), Template: template} }
	rows := rows(&ipfix.Options{
		IngressVRFs: map[uint32]ipfix.VRF{2: {Name: "b", Told: by(300)}, 1: {Name: "a", RD: 64500<<32 | 1, HasRD: true, Told: by(300)}},
		EgressVRFs:  map[uint32]ipfix.VRF{3: {Name: "c", Told: by(301)}},
		Interfaces:  map[uint32]ipfix.Interface{5: {Name: "e5", Description: "up", Told: by(302)}, 6: {Name: "e6", Told: by(302)}},
		Selectors:   map[uint64]ipfix.Sampling{1: {Rate: 10, Algorithm: 3, Name: "s", Told: by(303)}},
		Samplers:    map[uint64]ipfix.Sampling{2: {Told: by(304)}},
		Sequences:   map[uint64]ipfix.SelectionSequence{6: {Selectors: []uint64{1, 2}, Told: by(305)}},
		PerIf:       map[uint32]ipfix.Sampling{5: {Rate: 20, Told: by(306)}},
		Default:     ipfix.Sampling{Rate: 30, Told: by(307)},
		SystemInit:  start.UnixNano(), Exporter: router, ActiveTimeout: time.Minute, IdleTimeout: time.Second, About: by(308),
	})
	var out strings.Builder
	(&tablesEvent{Device: router, Domain: 7, Rows: rows}).write(&out)
	want := `option tables of 192.0.2.1, domain 7
  ingress vrf 1            "a", route distinguisher 0:64500:1  (template 300, 2023-11-14 22:13:20.000000)
  ingress vrf 2            "b"  (template 300, 2023-11-14 22:13:20.000000)
  egress vrf 3             "c"  (template 301, 2023-11-14 22:13:20.000000)
  interface 5              "e5", "up"  (template 302, 2023-11-14 22:13:20.000000)
  interface 6              "e6"  (template 302, 2023-11-14 22:13:20.000000)
  selector 1               1 out of 10, algorithm 3, "s"  (template 303, 2023-11-14 22:13:20.000000)
  sampler 2                rate not told  (template 304, 2023-11-14 22:13:20.000000)
  selection sequence 6     selectors 1 2  (template 305, 2023-11-14 22:13:20.000000)
  sampling of interface 5  1 out of 20  (template 306, 2023-11-14 22:13:20.000000)
  sampling                 1 out of 30  (template 307, 2023-11-14 22:13:20.000000)
  system start             2023-11-14T22:13:20Z  (template 308, 2023-11-14 22:13:20.000000)
  exporter address         192.0.2.1  (template 308, 2023-11-14 22:13:20.000000)
  active timeout           1m0s  (template 308, 2023-11-14 22:13:20.000000)
  idle timeout             1s  (template 308, 2023-11-14 22:13:20.000000)
`
	if out.String() != want {
		t.Errorf("got\n%s\nwant\n%s", out.String(), want)
	}
}

// TestLooks holds how octets begin that are taken for messages at ports that say nothing.
func TestLooks(t *testing.T) {
	flow := message(t, 10, 1, 0, func(b *ipfix.Builder) { b.Template(256, flowFields...) })
	flow9 := message(t, 9, 1, 0, func(b *ipfix.Builder) { b.Template(256, v9Fields...) })
	init := bmp.AppendInitiation(nil, &sysName)
	with := func(b []byte, at int, v ...byte) []byte {
		b = bytes.Clone(b)
		copy(b[at:], v)
		return b
	}
	for _, tc := range []struct {
		name  string
		proto pcapfile.Proto
		b     []byte
		want  content
	}{
		{"IPFIX", pcapfile.UDP, flow, flows},
		{"IPFIX with octets behind it", pcapfile.UDP, append(bytes.Clone(flow), 0), nothing},
		{"IPFIX without a set", pcapfile.UDP, with(flow, 2, 0, 16)[:16], nothing},
		{"IPFIX with a reserved set", pcapfile.UDP, with(flow, 16, 0, 4), nothing},
		{"IPFIX with the last reserved set", pcapfile.UDP, with(flow, 16, 0, 255), nothing},
		{"IPFIX with data", pcapfile.UDP, with(flow, 16, 1, 0), flows},
		{"IPFIX with a set of no length", pcapfile.UDP, with(flow, 18, 0, 3), nothing},
		{"NetFlow v9", pcapfile.UDP, flow9, flows},
		{"NetFlow v9 of no records", pcapfile.UDP, with(flow9, 2, 0, 0), nothing},
		{"NetFlow v9 with a set beyond it", pcapfile.UDP, with(flow9, 22, 1, 0), nothing},
		{"NetFlow v9 cut", pcapfile.UDP, flow9[:23], nothing},
		{"NetFlow v5", pcapfile.UDP, with(flow9, 1, 5), nothing},
		{"NetFlow v9 over TCP", pcapfile.TCP, flow9, nothing},
		{"IPFIX over TCP", pcapfile.TCP, flow, flows},
		{"IPFIX over TCP with more behind it", pcapfile.TCP, append(bytes.Clone(flow), flow...), flows},
		{"BMP", pcapfile.TCP, init, routes},
		{"BMP of version 4", pcapfile.TCP, with(init, 0, 4), routes},
		{"BMP of version 2", pcapfile.TCP, with(init, 0, 2), nothing},
		{"BMP of an unknown type", pcapfile.TCP, with(init, 5, 7), nothing},
		{"BMP of the last known type", pcapfile.TCP, with(init, 5, 6), routes},
		{"BMP without a TLV", pcapfile.TCP, with(init, 1, 0, 0, 0, 9), nothing},
		{"BMP of a TLV", pcapfile.TCP, with(init, 1, 0, 0, 0, 10), routes},
		{"BMP of the longest message", pcapfile.TCP, with(init, 1, 0, 0x10, 0, 0), routes},
		{"BMP too long", pcapfile.TCP, with(init, 1, 0, 0x10, 0, 1), nothing},
		{"BMP cut", pcapfile.TCP, init[:5], nothing},
		{"BMP in a datagram", pcapfile.UDP, init, nothing},
	} {
		p := &pcapfile.Packet{Proto: tc.proto, Src: netip.AddrPortFrom(router, 1000), Dst: netip.AddrPortFrom(collector, 7000), Payload: tc.b}
		if got := (&Options{}).carries(p); got != tc.want {
			t.Errorf("%s: got %d, want %d", tc.name, got, tc.want)
		}
	}
}

// FuzzRun decodes captures that may be anything. Every line of JSON must parse, and the summary count what was shown.
func FuzzRun(f *testing.F) {
	for _, scene := range scenes {
		c := newTape(f)
		scene(c)
		f.Add(c.buf.Bytes())
	}
	model, err := ipfix.NewModel()
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, capture []byte) {
		out, sum, err := decode(t, capture, Options{Format: JSON, Records: AllRecords, Model: model})
		if err != nil && out == "" {
			return
		}
		n := kinds(t, out)
		if n["bmp"] != sum.BMP.Messages || n["bmp_peers"] != sum.BMP.Sessions || n["bmp"] > 0 && n["bmp_event"] < sum.BMP.Announced+sum.BMP.Withdrawn ||
			n["message"] != sum.Messages || n["malformed"] != sum.Malformed || uint64(n["data"]) != sum.Counters.DataRecords ||
			uint64(n["options"]) != sum.Counters.OptionsRecords || uint64(n["unknown"]) != sum.Counters.UnknownSets || n["summary"] != 1 {
			t.Errorf("shown %v, counted %+v", n, sum)
		}
		_, again, _ := decode(t, capture, Options{Format: Text, Records: AllRecords, Model: model})
		if again.Messages != sum.Messages || again.BMP.Messages != sum.BMP.Messages {
			t.Errorf("%d and %d messages as text, %d and %d as JSON", again.Messages, again.BMP.Messages, sum.Messages, sum.BMP.Messages)
		}
	})
}
