package simrouter

import (
	"context"
	"errors"
	"math"
	"net"
	"net/netip"
	"sync"
	"testing"
	"time"

	"github.com/telcol/telcol/correlate"
)

// collector is a small collector on loopback sockets.
type collector struct {
	*path
	udp     *net.UDPConn
	tcp     *net.TCPListener
	batches chan *correlate.Batch
	packets chan packet

	mu    sync.Mutex
	conns []net.Conn
}

type packet struct {
	from netip.Addr
	data []byte
}

func newCollector(t *testing.T) *collector {
	t.Helper()
	udp, err := net.ListenUDP("udp", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	_ = udp.SetReadBuffer(4 << 20)
	tcp, err := net.ListenTCP("tcp", &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	c := &collector{path: newPath(t), udp: udp, tcp: tcp, batches: make(chan *correlate.Batch), packets: make(chan packet, 100)}
	ctx, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	wg.Go(func() { c.receive(ctx) })
	wg.Go(func() { c.accept(ctx, &wg) })
	t.Cleanup(func() {
		cancel()
		udp.Close()
		tcp.Close()
		c.reset()
		wg.Wait()
	})
	return c
}

func (c *collector) receive(ctx context.Context) {
	for {
		buf := make([]byte, 65536)
		n, from, err := c.udp.ReadFromUDPAddrPort(buf)
		if err != nil {
			return
		}
		select {
		case c.packets <- packet{from.Addr().Unmap(), buf[:n]}:
		case <-ctx.Done():
			return
		}
	}
}

func (c *collector) accept(ctx context.Context, wg *sync.WaitGroup) {
	for session := uint64(1); ; session++ {
		conn, err := c.tcp.Accept()
		if err != nil {
			return
		}
		c.mu.Lock()
		c.conns = append(c.conns, conn)
		c.mu.Unlock()
		from := conn.RemoteAddr().(*net.TCPAddr).AddrPort().Addr().Unmap()
		out := make(chan *correlate.Batch)
		wg.Go(func() {
			defer close(out)
			_ = correlate.NewFeed(from, correlate.FeedConfig{Session: session}, out).Run(conn)
			conn.Close()
		})
		wg.Go(func() {
			for b := range out {
				select {
				case c.batches <- b:
				case <-ctx.Done():
					b.Free()
				}
			}
		})
	}
}

// reset drops all BMP sessions.
func (c *collector) reset() {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, conn := range c.conns {
		conn.Close()
	}
	c.conns = nil
}

// serve plays the collector until done says so; it gives records to check.
func (c *collector) serve(what string, check func([]byte) error, done func() bool) {
	c.t.Helper()
	deadline := time.After(2 * time.Minute)
	for !done() {
		select {
		case b := <-c.batches:
			c.corr.Apply(b, time.Now().UnixNano())
			b.Free()
		case p := <-c.packets:
			if err := c.corr.Message(p.from, p.data, time.Now().UnixNano()); err != nil {
				c.t.Error(err)
			}
			for _, record := range c.got {
				if err := check([]byte(record)); err != nil {
					c.t.Error(err)
				}
			}
			c.got = nil
		case <-time.After(10 * time.Millisecond):
		case <-deadline:
			c.t.Fatalf("%s: not in time", what)
		}
	}
}

func (c *collector) fleet(routers int, rate float64) Fleet {
	c.t.Helper()
	f, err := NewFleet(FleetConfig{
		Routers: routers, Rate: rate, Seed: 11,
		Each: Config{
			Device: DeviceConfig{Routes: 400}, Hold: true, Churn: 50, Refresh: time.Second,
			IPFIX: c.udp.LocalAddr().(*net.UDPAddr).AddrPort(), BMP: c.tcp.Addr().(*net.TCPAddr).AddrPort(),
		},
	})
	if err != nil {
		c.t.Fatal(err)
	}
	return f
}

// TestFleet plays routers on loopback into decoders and the join: all that was sent comes back right, also after all sessions
// were lost.
func TestFleet(t *testing.T) {
	c := newCollector(t)
	const routers = 9
	f := c.fleet(routers, 3000)
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- f.Run(ctx) }()

	checker := NewChecker(f.Devices(), func(netip.Addr) int { return 3 })
	c.serve("dump", checker.Check, func() bool { return f.Connected() == routers && c.corr.Totals().Routes == f.Routes() })
	if s := f.Sent(); s.Records != 0 || s.Datagrams != 0 {
		t.Errorf("flows before the start: %+v", s)
	}
	f.StartFlows()
	c.serve("flows", checker.Check, func() bool { return checker.Tally().Records >= 1500 })
	c.reset()
	c.serve("return", checker.Check, func() bool { return f.Sent().BMPSessions == 2*routers && f.Connected() == routers })

	stopped := make(chan struct{})
	go func() { f.StopFlows(ctx); close(stopped) }()
	c.serve("end", checker.Check, func() bool {
		select {
		case <-stopped:
			return checker.Tally().Records == f.Sent().Records
		default:
			return false
		}
	})
	for _, r := range f {
		if got, want := checker.Records(r.Device().Addr()), r.Sent().Records; got != want || want == 0 {
			t.Errorf("%s: %d records, sent %d", r.Device().Addr(), got, want)
		}
	}
	if tally := checker.Tally(); tally.Bad() != 0 || f.Sent().Errors != 0 {
		t.Errorf("%+v, sent %+v", tally, f.Sent())
	}
	cancel()
	if err := <-ended; err != nil {
		t.Error(err)
	}
}

func TestRouterWithoutItsAddress(t *testing.T) {
	newRouter := func() *Router {
		t.Helper()
		r, err := New(Config{Device: DeviceConfig{Addr: netip.MustParseAddr("192.0.2.77")}, BMP: netip.MustParseAddrPort("127.0.0.1:1")})
		if err != nil {
			t.Fatal(err)
		}
		return r
	}
	if err := newRouter().Run(t.Context()); err == nil {
		t.Error("no error for an address that this host does not have")
	}
	if err := (Fleet{newRouter()}).Run(t.Context()); err == nil {
		t.Error("the fleet hides the error")
	}
}

func TestFleetAddressesDiffer(t *testing.T) {
	known := make(map[netip.Addr]bool)
	for i := range maxFleet {
		a := fleetAddr(netip.MustParseAddr("127.1.1.1"), i)
		if known[a] || !a.IsLoopback() || a.As4()[1] > 101 {
			t.Fatalf("router %d has %v", i, a)
		}
		known[a] = true
	}
}

func TestImpossibleDevices(t *testing.T) {
	for name, cfg := range map[string]DeviceConfig{
		"routes":  {Routes: MaxRoutes + 1},
		"few":     {Routes: 3},
		"vrfs":    {VRFs: MaxVRFs + 1},
		"dialect": {Dialect: numDialects},
	} {
		cfg.Addr = netip.MustParseAddr("127.0.0.1")
		if _, err := NewDevice(cfg); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
	for _, rate := range []float64{-1, math.NaN(), math.Inf(1)} {
		if _, err := NewFleet(FleetConfig{Routers: 1, Rate: rate, Each: Config{Device: DeviceConfig{Routes: DefaultRoutes}}}); !errors.Is(err, ErrDevice) {
			t.Errorf("rate %v: %v", rate, err)
		}
	}
	if _, err := NewFleet(FleetConfig{}); err == nil {
		t.Error("empty fleet: no error")
	}
}

func TestPace(t *testing.T) {
	start := time.Unix(0, 0)
	for _, c := range []struct {
		name      string
		rate      float64
		step      time.Duration
		want, max int // records in 10 s, and in a datagram
	}{
		{"fast", 10_000, 20 * time.Millisecond, 100_000, 20},
		{"slow", 3, 20 * time.Millisecond, 30, 2},
		{"very slow", 0.5, 20 * time.Millisecond, 5, 1},
		{"held up", 100, 5 * time.Second, 100, 20},
		{"none", 0, time.Second, 0, 0},
	} {
		p := pace{rate: c.rate, datagram: 20, last: start}
		sum := 0
		for at := c.step; at <= 10*time.Second; at += c.step {
			for n := p.owed(start.Add(at)); n > 0; n = p.owed(start.Add(at)) {
				sum += n
				if n > c.max {
					t.Errorf("%s: %d in a datagram", c.name, n)
				}
			}
		}
		if sum < c.want-20 || sum > c.want+1 || c.want > 0 && sum == 0 {
			t.Errorf("%s: %d records, want %d", c.name, sum, c.want)
		}
	}
}
