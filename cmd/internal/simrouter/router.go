package simrouter

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"
)

// Config says where a router sends, and how much.
type Config struct {
	Device DeviceConfig

	IPFIX netip.AddrPort // of the collector
	BMP   netip.AddrPort

	Rate    float64       // flow records a second
	Records int           // flow records in a datagram, default 20, at most MaxFlows
	Refresh time.Duration // templates and options are sent again after this long, default 10s
	Churn   float64       // changes of routes a second, none when 0
	Hold    bool          // send no flows until StartFlows
}

// Sent counts what a router sent. Records are those of flows; options records are not among them.
type Sent struct {
	BMPSessions uint64
	BMPBytes    uint64
	Datagrams   uint64
	Records     uint64
	Bytes       uint64
	Errors      uint64 // datagrams that the sending host refused; their records are not in Records
}

// Router is a Device with sockets. Run plays it; the other methods may be called by any goroutine.
type Router struct {
	cfg Config
	dev *Device

	release     sync.Once
	released    chan struct{} // closed by StartFlows
	halt        sync.Once
	halted      chan struct{} // closed by StopFlows
	quiet       chan struct{} // closed when no more flows will be sent
	paused      atomic.Bool   // see Pause
	connected   atomic.Bool   // the BMP session stands and its dump is written
	bmpSessions atomic.Uint64
	bmpBytes    atomic.Uint64
	datagrams   atomic.Uint64
	records     atomic.Uint64
	bytes       atomic.Uint64
	errors      atomic.Uint64
}

// New makes a router. It opens nothing yet.
func New(cfg Config) (*Router, error) {
	d, err := NewDevice(cfg.Device)
	if err != nil {
		return nil, err
	}
	if cfg.Records == 0 {
		cfg.Records = 20
	}
	cfg.Records = min(cfg.Records, MaxFlows)
	if cfg.Refresh == 0 {
		cfg.Refresh = 10 * time.Second
	}
	r := &Router{
		cfg: cfg, dev: d,
		released: make(chan struct{}), halted: make(chan struct{}), quiet: make(chan struct{}),
	}
	if !cfg.Hold {
		r.StartFlows()
	}
	return r, nil
}

// Device gives what the router plays.
func (r *Router) Device() *Device { return r.dev }

// StartFlows lets flows and changes of routes begin, for a router that holds them.
func (r *Router) StartFlows() { r.release.Do(func() { close(r.released) }) }

// StopFlows ends the flows for good and returns when the last was sent. The BMP session stays.
func (r *Router) StopFlows(ctx context.Context) {
	r.halt.Do(func() { close(r.halted) })
	select {
	case <-r.quiet:
	case <-ctx.Done():
	}
}

// Pause holds the flows back, or lets them go on. What was not sent in the meantime is not made up for.
func (r *Router) Pause(on bool) { r.paused.Store(on) }

// Connected reports whether a BMP session stands whose dump is written.
func (r *Router) Connected() bool { return r.connected.Load() }

// Sent gives the counts so far.
func (r *Router) Sent() Sent {
	return Sent{
		BMPSessions: r.bmpSessions.Load(), BMPBytes: r.bmpBytes.Load(),
		Datagrams: r.datagrams.Load(), Records: r.records.Load(), Bytes: r.bytes.Load(), Errors: r.errors.Load(),
	}
}

// Run plays the router until ctx ends. It returns early only when the router's own address cannot be used. A router runs once.
func (r *Router) Run(ctx context.Context) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var wg sync.WaitGroup
	wg.Go(func() {
		if err := r.export(ctx); err != nil {
			cancel(err)
		}
	})
	wg.Go(func() { r.monitor(ctx) })
	wg.Wait()
	return ownCause(ctx)
}

// ownCause gives the error that ended ctx, unless it ended in the ordinary way.
func ownCause(ctx context.Context) error {
	err := context.Cause(ctx)
	if errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return nil
	}
	return err
}

// burst is the shortest time between two looks at what is owed.
const burst = 20 * time.Millisecond

// export sends flows at the rate, in small bursts, until ctx ends or StopFlows.
func (r *Router) export(ctx context.Context) error {
	defer close(r.quiet)
	// Not connected: an ICMP answer must not become the error of a later datagram, which then would not be sent.
	conn, err := net.ListenUDP("udp", net.UDPAddrFromAddrPort(netip.AddrPortFrom(r.dev.Addr(), 0)))
	if err != nil {
		return fmt.Errorf("simulated router %s: %w", r.dev.Addr(), err)
	}
	defer conn.Close()
	if !r.waitReleased(ctx) {
		return nil
	}
	tick := time.NewTicker(burst)
	defer tick.Stop()
	p := pace{rate: r.cfg.Rate, datagram: r.cfg.Records, last: time.Now()}
	var buf []byte
	var refreshed time.Time
	for {
		now := time.Now()
		if now.Sub(refreshed) >= r.cfg.Refresh {
			refreshed = now
			buf = r.send(conn, r.dev.AppendTemplates(buf[:0], now), 0)
		}
		for n := p.owed(now); n > 0 && !r.paused.Load(); n = p.owed(now) {
			buf = r.send(conn, r.dev.AppendFlows(buf[:0], now, n), n)
		}
		select {
		case <-tick.C:
		case <-r.halted:
			return nil
		case <-ctx.Done():
			return nil
		}
	}
}

// waitReleased waits for StartFlows; false means that there is nothing to send any more.
func (r *Router) waitReleased(ctx context.Context) bool {
	select {
	case <-r.released:
		return true
	case <-r.halted:
	case <-ctx.Done():
	}
	return false
}

func (r *Router) send(conn *net.UDPConn, msg []byte, records int) []byte {
	if _, err := conn.WriteToUDPAddrPort(msg, r.cfg.IPFIX); err != nil {
		r.errors.Add(1)
		return msg
	}
	r.datagrams.Add(1)
	r.records.Add(uint64(records))
	r.bytes.Add(uint64(len(msg)))
	return msg
}

// pace says how many records to send next. It fills datagrams where the rate allows, and forgets what is owed from longer than
// maxOwed ago: a router that was held up does not make up for it by a flood.
type pace struct {
	rate     float64
	datagram int
	debt     float64
	last     time.Time // of the reckoning
	sent     time.Time // of the last datagram
}

const (
	maxOwed   = 500 * time.Millisecond
	maxPatchy = 250 * time.Millisecond // a datagram is sent that is not full after this long
)

func (p *pace) owed(now time.Time) int {
	p.debt += p.rate * min(now.Sub(p.last), maxOwed).Seconds()
	p.debt = min(p.debt, max(p.rate*maxOwed.Seconds(), 1))
	p.last = now
	n := min(int(p.debt), p.datagram)
	if n == 0 || n < p.datagram && now.Sub(p.sent) < maxPatchy {
		return 0
	}
	p.debt -= float64(n)
	p.sent = now
	return n
}
