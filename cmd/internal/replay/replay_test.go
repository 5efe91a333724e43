package replay

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/telcol/telcol/cmd/internal/pcapfile"
)

const ms = time.Millisecond

func mapping(pairs ...string) map[netip.Addr]netip.Addr {
	m := map[netip.Addr]netip.Addr{}
	for _, p := range pairs {
		from, to, err := ParseMap(p)
		if err != nil {
			panic(err)
		}
		m[from] = to
	}
	return m
}

var twoRouters = mapping("192.0.2.1=127.0.1.1", "192.0.2.2=127.0.1.2")

// TestOrderAndSources plays two routers, with everything that TCP does to a stream.
func TestOrderAndSources(t *testing.T) {
	name := writeCapture(t,
		frame{src: "192.0.2.1:20", tcp: true, syn: true, seq: 100, payload: "init1 "},
		bmp(1*ms, "192.0.2.2:20", 900, "init2 "),
		bmp(2*ms, "192.0.2.1:20", 114, "routes "),
		bmp(3*ms, "192.0.2.1:20", 106, "peer up "),
		bmp(4*ms, "192.0.2.1:20", 106, "peer up "),
		bmp(5*ms, "192.0.2.2:20", 906, "end2"),
		flows(6*ms, "192.0.2.1:5000", "a1"),
		flows(7*ms, "192.0.2.2:5000", "b1"),
		bmp(8*ms, "192.0.2.1:20", 121, "end1"),
		flows(9*ms, "192.0.2.1:5001", "a2"),
	)
	c := newCollector(t, "127.0.0.1")
	got, err := Run(t.Context(), Options{Files: []string{name}, Map: twoRouters, IPFIX: c.ipfix, BMP: c.bmp})
	if err != nil {
		t.Fatal(err)
	}
	if want := (Result{BMPBytes: 35, Datagrams: 3, Sources: 2, Connections: 2}); got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
	datagrams, streams := c.settled(t, 3, 35)
	texts := map[string]string{}
	for _, s := range streams {
		texts[s.from.String()] += s.text + "."
	}
	for _, d := range datagrams {
		texts["flows of "+d.from.String()] += d.text
	}
	for from, want := range map[string]string{
		"127.0.1.1": "init1 peer up routes end1.", "127.0.1.2": "init2 end2.",
		"flows of 127.0.1.1": "a1a2", "flows of 127.0.1.2": "b1",
	} {
		if texts[from] != want {
			t.Errorf("%s: got %q, want %q", from, texts[from], want)
		}
	}
}

func TestGapComesBeforeFirstDatagram(t *testing.T) {
	const gap = 3 * time.Second // in which a busy machine does what takes no time
	name := writeCapture(t,
		bmp(0, "192.0.2.1:20", 0, "routes"),
		flows(0, "192.0.2.2:9", "no routes, no gap"),
		flows(1*ms, "192.0.2.1:9", "first"),
		flows(2*ms, "192.0.2.1:9", "second"),
	)
	c := newCollector(t, "127.0.0.1")
	begun := time.Now()
	if _, err := Run(t.Context(), Options{Files: []string{name}, Map: twoRouters, IPFIX: c.ipfix, BMP: c.bmp, Gap: gap}); err != nil {
		t.Fatal(err)
	}
	took := time.Since(begun)
	datagrams, _ := c.settled(t, 3, 6)
	if d := datagrams[1].at.Sub(begun); d < gap {
		t.Errorf("the first datagram came %v after the beginning, want %v behind the routes", d, gap)
	}
	if d := datagrams[0].at.Sub(begun); d >= gap {
		t.Errorf("the router without routes had to wait for %v", d)
	}
	if took >= 2*gap {
		t.Errorf("took %v: more than one gap", took)
	}
}

func TestSpeedAndHold(t *testing.T) {
	const length = 5 * time.Minute
	name := writeCapture(t, flows(0, "192.0.2.1:9", "a"), flows(length, "192.0.2.1:9", "b"), flows(length-time.Second, "192.0.2.1:9", "late"))
	c := newCollector(t, "127.0.0.1")
	for _, tc := range []struct {
		name  string
		speed float64
		hold  time.Duration
		least time.Duration
	}{
		{"fast", 1000, 0, length / 1000},
		{"no waiting", 0, 0, 0},
		{"hold", 0, 120 * ms, 120 * ms},
	} {
		t.Run(tc.name, func(t *testing.T) {
			begun := time.Now()
			_, err := Run(t.Context(), Options{
				Files: []string{name}, Map: twoRouters, IPFIX: c.ipfix, BMP: c.bmp, Speed: tc.speed, Hold: tc.hold,
			})
			if took := time.Since(begun); err != nil || took < tc.least || took > length/2 {
				t.Errorf("took %v, error %v; want %v and not much more", took, err, tc.least)
			}
		})
	}
}

func TestFilesSideBySide(t *testing.T) {
	one := writeCapture(t, flows(0, "192.0.2.1:9", "1"), flows(20*ms, "192.0.2.1:9", "3"), flows(40*ms, "192.0.2.1:9", "5"))
	two := writeCapture(t, flows(0, "192.0.2.1:9", "2"), flows(30*ms, "192.0.2.1:9", "4"))
	c := newCollector(t, "127.0.0.1")
	if _, err := Run(t.Context(), Options{Files: []string{one, two}, Map: twoRouters, IPFIX: c.ipfix, BMP: c.bmp}); err != nil {
		t.Fatal(err)
	}
	datagrams, _ := c.settled(t, 5, 0)
	got := ""
	for _, d := range datagrams {
		got += d.text
	}
	if got != "12345" {
		t.Errorf("got %s", got)
	}
}

// TestDisorder plays a file whose packets are not in the order of their time.
func TestDisorder(t *testing.T) {
	name := writeCapture(t, flows(5*ms, "192.0.2.1:9", "2"), flows(9*ms, "192.0.2.1:9", "4"), flows(0, "192.0.2.1:9", "1"),
		flows(7*ms, "192.0.2.1:9", "3"), bmp(8*ms, "192.0.2.1:20", 0, "x"))
	c := newCollector(t, "127.0.0.1")
	for range 2 {
		o := Options{Files: []string{name}, Map: twoRouters, IPFIX: c.ipfix, Only: IPFIX}
		if got, err := Run(t.Context(), o); err != nil || got.Datagrams != 4 {
			t.Fatalf("got %+v and %v", got, err)
		}
	}
	datagrams, _ := c.settled(t, 8, 0)
	got := ""
	for _, d := range datagrams {
		got += d.text
	}
	if got != "12341234" {
		t.Errorf("got %s", got)
	}
}

func TestOnly(t *testing.T) {
	name := writeCapture(t, bmp(0, "192.0.2.1:20", 0, "routes"), flows(0, "192.0.2.1:9", "flow"))
	c := newCollector(t, "127.0.0.1")
	for only, want := range map[Only]Result{
		BMP:   {BMPBytes: 6, Sources: 1, Connections: 1},
		IPFIX: {Datagrams: 1, Sources: 1},
	} {
		o := Options{Files: []string{name}, Map: twoRouters, Only: only, Gap: time.Hour}
		if only == BMP {
			o.BMP = c.bmp
		} else {
			o.IPFIX = c.ipfix
		}
		if got, err := Run(t.Context(), o); err != nil || got != want {
			t.Errorf("%s: got %+v and %v, want %+v", only, got, err, want)
		}
	}
}

// Connections that begin with an IPFIX message go where datagrams go, and count as flows for --only and for the gap.
func TestIPFIXOverTCP(t *testing.T) {
	const message = "\x00\x0a\x00\x10\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x07"
	name := writeCapture(t,
		frame{at: 0, src: "192.0.2.1:30", tcp: true, syn: true, seq: 99},
		bmp(1*ms, "192.0.2.1:20", 0, "routes"),
		bmp(2*ms, "192.0.2.1:30", 100, message),
		bmp(3*ms, "192.0.2.1:30", 116, message),
		flows(4*ms, "192.0.2.1:9", "flow"),
	)
	for only, want := range map[Only]Result{
		Everything: {BMPBytes: 6, FlowBytes: 32, Datagrams: 1, Sources: 1, Connections: 2},
		BMP:        {BMPBytes: 6, Sources: 1, Connections: 1},
		IPFIX:      {FlowBytes: 32, Datagrams: 1, Sources: 1, Connections: 1},
	} {
		c, streams := newCollector(t, "127.0.0.1"), newCollector(t, "127.0.0.1")
		// The datagram goes to the port of the stream, which must be free for datagrams too.
		u, err := net.ListenUDP("udp", net.UDPAddrFromAddrPort(streams.bmp))
		for tries := 0; err != nil && tries < 20; tries++ {
			streams = newCollector(t, "127.0.0.1")
			u, err = net.ListenUDP("udp", net.UDPAddrFromAddrPort(streams.bmp))
		}
		if err != nil {
			t.Fatal(err)
		}
		defer u.Close()
		o := Options{Files: []string{name}, Map: twoRouters, Only: only, Gap: 50 * time.Millisecond, IPFIX: streams.bmp, BMP: c.bmp}
		begun := time.Now() // before the routes, which the collector may see late
		got, err := Run(t.Context(), o)
		if err != nil || got != want {
			t.Errorf("only %q: got %+v and %v, want %+v", only, got, err, want)
		}
		_, routes := c.settled(t, 0, int(want.BMPBytes))
		_, messages := streams.settled(t, 0, int(want.FlowBytes))
		if len(routes) != map[bool]int{true: 1}[want.BMPBytes > 0] || len(messages) != map[bool]int{true: 1}[want.FlowBytes > 0] {
			t.Fatalf("only %q: %d connections for BMP, %d for IPFIX", only, len(routes), len(messages))
		}
		if only == Everything && messages[0].at.Sub(begun) < o.Gap {
			t.Errorf("flows %v after the beginning, want the gap", messages[0].at.Sub(begun))
		}
	}
}

func TestNewStreamOfARouter(t *testing.T) {
	name := writeCapture(t,
		bmp(0, "192.0.2.1:20", 0, "one"),
		frame{at: 1 * ms, src: "192.0.2.1:20", tcp: true, fin: true, seq: 3},
		frame{at: 2 * ms, src: "192.0.2.1:21", tcp: true, syn: true, seq: 77},
		bmp(3*ms, "192.0.2.1:21", 78, "two"),
		frame{at: 4 * ms, src: "192.0.2.1:21", tcp: true, syn: true, seq: 5000, payload: "three"},
	)
	c := newCollector(t, "127.0.0.1")
	got, err := Run(t.Context(), Options{Files: []string{name}, Map: twoRouters, IPFIX: c.ipfix, BMP: c.bmp})
	if err != nil || got.Connections != 3 || got.Sources != 1 {
		t.Errorf("got %+v and %v, want three connections of one source", got, err)
	}
	_, streams := c.settled(t, 0, 11)
	var texts []string
	for _, s := range streams {
		texts = append(texts, s.text)
	}
	if text := strings.Join(texts, " "); text != "one two three" {
		t.Errorf("got %q", text)
	}
}

func TestIPv6(t *testing.T) {
	name := writeCapture(t, bmp(0, "[2001:db8::1]:20", 0, "routes"), flows(0, "[2001:db8::1]:9", "flow"))
	c := newCollector(t, "::1")
	// The address as for IPv4 means this host, so the source's family decides.
	v4 := netip.AddrFrom4([4]byte{127, 0, 0, 1})
	got, err := Run(t.Context(), Options{
		Files: []string{name}, Map: mapping("2001:db8::1=::1"),
		IPFIX: netip.AddrPortFrom(v4, c.ipfix.Port()), BMP: netip.AddrPortFrom(v4, c.bmp.Port()),
	})
	if err != nil || got.Datagrams != 1 || got.BMPBytes != 6 {
		t.Errorf("got %+v and %v", got, err)
	}
}

func TestErrorsSayWhatToDo(t *testing.T) {
	c := newCollector(t, "127.0.0.1")
	closed := closedPort(t)
	routes, flow := bmp(0, "192.0.2.1:20", 0, "routes"), flows(0, "192.0.2.1:9", "flow")
	six := mapping("192.0.2.1=2001:db8::77")
	whole := writeCapture(t, flow, flow)
	cut := writeCapture(t, flow, flow)
	if err := os.Truncate(cut, 24+16+20+8+4+10); err != nil {
		t.Fatal(err)
	}
	text := writeCapture(t)
	if err := os.WriteFile(text, []byte("not a capture, but a file with a text"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, tc := range []struct {
		name  string
		o     Options
		want  error
		words string
	}{
		{"foreign source", Options{Files: []string{whole}, IPFIX: c.ipfix, BMP: c.bmp}, ErrAddress, "ip addr add 192.0.2.1/32 dev lo"},
		{"foreign source, IPv6", Options{Files: []string{whole}, IPFIX: c.ipfix, BMP: c.bmp, Map: six}, ErrAddress, "ip -6 addr add 2001:db8::77/128 dev lo nodad"},
		{
			"other family",
			Options{Files: []string{whole}, IPFIX: netip.MustParseAddrPort("198.51.100.1:1"), BMP: c.bmp, Map: six},
			ErrAddress, "two families",
		},
		{"nobody at BMP", Options{Files: []string{writeCapture(t, routes)}, IPFIX: c.ipfix, BMP: closed, Map: twoRouters}, ErrRefused, "does not listen"},
		{"nobody at IPFIX, one datagram", Options{Files: []string{writeCapture(t, repeat(flow, 1)...)}, IPFIX: closed, BMP: c.bmp, Map: twoRouters}, ErrRefused, "is it running"},
		{"nobody at IPFIX", Options{Files: []string{writeCapture(t, repeat(flow, 200)...)}, IPFIX: closed, BMP: c.bmp, Map: twoRouters}, ErrRefused, "is it running"},
		{"gap", Options{Files: []string{writeCapture(t, routes, bmp(0, "192.0.2.1:20", 9, "x"))}, IPFIX: c.ipfix, BMP: c.bmp, Map: twoRouters}, ErrGap, "192.0.2.1:20"},
		{"nothing in it", Options{Files: []string{writeCapture(t)}, IPFIX: c.ipfix, BMP: c.bmp}, ErrNothing, "capture.pcap"},
		{"cut file", Options{Files: []string{cut}, IPFIX: c.ipfix, BMP: c.bmp, Map: twoRouters}, pcapfile.ErrTruncated, "capture.pcap"},
		{"no capture", Options{Files: []string{text}, IPFIX: c.ipfix, BMP: c.bmp}, pcapfile.ErrFormat, "capture.pcap"},
		{"no file", Options{Files: []string{"nowhere.pcap"}, IPFIX: c.ipfix, BMP: c.bmp}, os.ErrNotExist, "nowhere.pcap"},
		{"no files", Options{IPFIX: c.ipfix, BMP: c.bmp}, ErrOptions, "no capture file"},
		{"no BMP address", Options{Files: []string{whole}, IPFIX: c.ipfix}, ErrOptions, "BMP"},
		{"no IPFIX address", Options{Files: []string{whole}, BMP: c.bmp}, ErrOptions, "IPFIX"},
		{"negative speed", Options{Files: []string{whole}, IPFIX: c.ipfix, BMP: c.bmp, Speed: -1}, ErrOptions, "speed"},
		{"negative gap", Options{Files: []string{whole}, IPFIX: c.ipfix, BMP: c.bmp, Gap: -1}, ErrOptions, "gap"},
		{"odd only", Options{Files: []string{whole}, IPFIX: c.ipfix, BMP: c.bmp, Only: "udp"}, ErrOptions, "want bmp or ipfix"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			_, err := Run(t.Context(), tc.o)
			if !errors.Is(err, tc.want) || !strings.Contains(err.Error(), tc.words) {
				t.Errorf("got %v, want a kind of %q with %q", err, tc.want, tc.words)
			}
		})
	}
}

func repeat(f frame, n int) (out []frame) {
	for range n {
		out = append(out, f)
	}
	return out
}

// closedPort returns an address where nobody listens.
func closedPort(t *testing.T) netip.AddrPort {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).AddrPort()
}

// TestClosedConnection lets the collector reset a connection: the rest of the capture is played, and the error tells.
func TestClosedConnection(t *testing.T) {
	frames := []frame{bmp(0, "192.0.2.1:20", 0, "garbage")}
	for i := range 50 {
		frames = append(frames, bmp(time.Duration(i)*10*ms, "192.0.2.1:20", uint32(7+4*i), "more"))
	}
	frames = append(frames, flows(500*ms, "192.0.2.2:9", "flow"))
	c := newCollector(t, "127.0.0.1", func(c *collector) { c.closeAt = 7 })
	got, err := Run(t.Context(), Options{
		Files: []string{writeCapture(t, frames...)}, Map: twoRouters, IPFIX: c.ipfix, BMP: c.bmp, Speed: 2,
	})
	if !errors.Is(err, ErrRefused) || !strings.Contains(err.Error(), "closed the connection from 127.0.1.1") {
		t.Errorf("got %v", err)
	}
	if got.Datagrams != 1 {
		t.Errorf("got %+v: the other router's flow is missing", got)
	}
}

// TestEnds cancels a run in each of its waits.
func TestEnds(t *testing.T) {
	var big []frame
	for i := range 200 {
		big = append(big, bmp(0, "192.0.2.1:20", uint32(i*60000), strings.Repeat("x", 60000)))
	}
	routes, flow := bmp(0, "192.0.2.1:20", 0, "routes"), flows(time.Hour, "192.0.2.1:9", "flow")
	for name, o := range map[string]Options{
		"between packets": {Files: []string{writeCapture(t, routes, flow)}, Speed: 1},
		"in the gap":      {Files: []string{writeCapture(t, routes, flow)}, Gap: time.Hour},
		"in the hold":     {Files: []string{writeCapture(t, routes)}, Hold: time.Hour},
		"while writing":   {Files: []string{writeCapture(t, big...)}, Hold: time.Hour},
	} {
		t.Run(name, func(t *testing.T) {
			c := newCollector(t, "127.0.0.1", func(c *collector) { c.deaf = name == "while writing" })
			o.Map, o.IPFIX, o.BMP = twoRouters, c.ipfix, c.bmp
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			go func() {
				c.accepted(t)
				time.AfterFunc(50*ms, cancel) // by then it waits, or is about to
			}()
			got, err := Run(ctx, o)
			if !errors.Is(err, context.Canceled) {
				t.Errorf("got %v", err)
			}
			if got.Sources != 1 || got.Datagrams != 0 {
				t.Errorf("got %+v, want what was sent before", got)
			}
		})
	}
}

func TestParseMap(t *testing.T) {
	for text, want := range map[string]string{
		"192.0.2.1=127.0.1.1":        "192.0.2.1 127.0.1.1",
		" 192.0.2.1 = 127.0.1.1 ":    "192.0.2.1 127.0.1.1",
		"::ffff:192.0.2.1=127.0.1.1": "192.0.2.1 127.0.1.1",
		"2001:db8::1=fd25::101":      "2001:db8::1 fd25::101",
		"192.0.2.1":                  "",
		"=":                          "",
		"192.0.2.1=":                 "",
		"router=127.0.1.1":           "",
		"192.0.2.1=127.0.1.1=x":      "",
	} {
		from, to, err := ParseMap(text)
		switch {
		case want == "" && !errors.Is(err, ErrOptions):
			t.Errorf("%q: got %v", text, err)
		case want != "" && (err != nil || from.String()+" "+to.String() != want):
			t.Errorf("%q: got %v %v, error %v", text, from, to, err)
		}
	}
}
