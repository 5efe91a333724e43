package collector

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"runtime/debug"
	"sync/atomic"
	"time"

	"github.com/telcol/telcol/collector/intake"
	"github.com/telcol/telcol/collector/record"
	"github.com/telcol/telcol/correlate"
	"github.com/telcol/telcol/steering"
)

// core is the goroutine that owns all device state: it decodes datagrams, applies routes, joins, encodes and hands records to the
// sink. Everything else talks to it by channels.
type core struct {
	warn *sampled

	// Queues. Both are bounded by the number of batches that exist: a reader without a free batch waits, the kernel's receive
	// buffer fills behind it, and what overflows there is counted by the kernel.
	free      chan *intake.Batch
	datagrams chan *intake.Batch
	routes    chan *correlate.Batch
	streams   chan *streamBatch
	asks      chan func() // see ask

	ended chan struct{} // closed at the end of run
	last  *snapshot     // of the end, once ended is closed

	readErrors atomic.Uint64

	// frozen is what snapshot gives while the owner hands over, which may take longer than anybody waits. Nothing is counted meanwhile.
	frozen atomic.Pointer[snapshot]

	// Set before run, and nil when there is no steering group.
	probe   func(src netip.AddrPort, payload []byte) bool // answers a datagram of a self-test
	sighted chan<- []netip.Addr                           // takes sources to tell to the group

	// Owned by run.
	corr    *correlate.Correlator
	enc     *record.Encoder
	sink    Sink
	owned   *ownership
	state   *stateDir
	images  *images
	gone    bool      // another process has taken over
	saved   time.Time // when state was last looked after
	stamp   time.Time // of the batch at hand
	now     int64     // the same in Unix nanoseconds
	counted counters
}

// counters are what the owner counts beside the correlator.
type counters struct {
	datagrams uint64
	bytes     uint64
	truncated uint64 // longer than a read buffer
	foreign   uint64 // from a source of another slot
	messages  uint64 // of connections
	msgBytes  uint64
	panics    uint64 // that decoding did not survive
	probes    uint64 // of a self-test
	adopted   uint64 // devices whose state was taken over from another slot's worker
	moved     uint64 // devices forgotten because they belong to another slot now
	records   uint64 // given to the sink
}

const (
	batchesInFlight  = 16                     // of datagrams; with 64 a batch about 1000 datagrams are between socket and join
	routeQueue       = 8                      // batches of route operations waiting for the owner, all sessions together
	tickEvery        = 100 * time.Millisecond // timers of the correlator
	sweepBudget      = 20_000                 // routes examined a tick, a few milliseconds
	snapshotPatience = 5 * time.Second
)

func newCore(cfg *Config, sink Sink, owned *ownership, state *stateDir, warn *sampled) (*core, error) {
	c := &core{
		warn: warn, sink: sink, owned: owned, state: state, images: newImages(cfg, state),
		datagrams: make(chan *intake.Batch, batchesInFlight),
		routes:    make(chan *correlate.Batch, routeQueue),
		streams:   make(chan *streamBatch, streamQueue),
		enc:       record.NewEncoder(cfg.Slot, encoderOptions(cfg)...),
		asks:      make(chan func()),
		ended:     make(chan struct{}),
	}
	var forgotten func(netip.Addr)
	if state != nil {
		forgotten = c.forgotten
	}
	elements, err := cfg.IPFIX.elements()
	if err != nil {
		return nil, err
	}
	c.corr, err = correlate.New(correlate.Config{
		StaleTimeout: cfg.BMP.StaleTimeout, QuietPeriod: cfg.BMP.QuietPeriod, MaxRoutes: cfg.BMP.MaxRoutes, MaxPeers: cfg.BMP.MaxPeers, MaxAttrBytes: cfg.BMP.MaxAttributeBytes,
		VRFWait: orOff(cfg.IPFIX.VRFWait), RIBWait: orOff(cfg.Join.RIBWait), NewWait: orOff(cfg.Join.NewWait),
		History: orOff(cfg.Join.History), HistoryBytes: cfg.Join.HistoryBytes, ClockTolerance: cfg.Join.ClockTolerance,
		HoldBytes: cfg.Join.HoldBytes, HoldTotalBytes: cfg.Join.HoldTotalBytes, Forgotten: forgotten, Elements: elements, Ahead: c.enc.Ahead,
		IPFIX: cfg.IPFIX.decoder(), PortInTemplateKey: cfg.IPFIX.PortInTemplateKey,
		DriftReports: orOff(cfg.BMP.DriftReports), DriftRoutes: cfg.BMP.DriftRoutes, Drifted: c.drifted, OverQuota: c.overQuota,
	}, c.send)
	if err != nil {
		return nil, err
	}
	readers, err := cfg.IPFIXAddrs()
	if err != nil {
		return nil, err
	}
	c.free = make(chan *intake.Batch, batchesInFlight+len(readers)-1) // each reader keeps one while it waits
	for range cap(c.free) {
		c.free <- intake.NewBatch()
	}
	return c, nil
}

// forgotten removes the files of a device, but for what one had told that is now an alias of another slot's device: it is for the worker there,
// which takes it up with the first that it hears. There it is of use until its templates are too old.
func (c *core) forgotten(device netip.Addr) {
	if to := c.corr.Canonical(device); to == device || c.owned.owns(to) {
		c.state.forget(device)
	}
	c.images.forget(device)
}

// orOff turns a setting whose zero means off into the correlator's, whose zero is its default.
func orOff[T ~int | ~int64](d T) T {
	if d == 0 {
		return -1
	}
	return d
}

// encoderOptions says what the records hold.
func encoderOptions(cfg *Config) (opts []record.Option) {
	if cfg.Record.Extra == ExtraAll {
		opts = append(opts, record.WithExtra())
	}
	if cfg.IPFIX.Renormalize {
		opts = append(opts, record.WithRenormalize())
	}
	return opts
}

// load takes up what the state directory has, before run and before the first datagram can come.
func (c *core) load(now time.Time) {
	c.state.load(c.corr, c.owned, now)
	c.images.load(c.corr, c.owned, now)
}

// run serves the queues until ctx ends, then what is still in them.
func (c *core) run(ctx context.Context) {
	tick := time.NewTicker(tickEvery)
	defer tick.Stop()
	for {
		select {
		case b := <-c.datagrams:
			c.takeDatagrams(b)
		case b := <-c.routes:
			c.applyRoutes(b)
		case b := <-c.streams:
			c.takeStream(b)
		case f := <-c.asks:
			f()
			if c.gone { // what waits is joined elsewhere: no tick may come between
				c.finish()
				return
			}
		case t := <-tick.C:
			c.tick(t)
		case <-ctx.Done():
			c.finish()
			return
		}
	}
}

func (c *core) tick(now time.Time) {
	c.corr.Tick(now.UnixNano(), sweepBudget)
	c.images.tick(c.corr, now)
	if now.Sub(c.saved) >= time.Second {
		c.saved = now
		c.state.round(c.corr, now)
		c.roundOwned(now)
	}
}

// roundOwned tells which sources there are and forgets devices that have moved to another slot: what they say from now on is known there.
func (c *core) roundOwned(now time.Time) {
	if fresh := c.owned.round(now); len(fresh) > 0 && c.sighted != nil {
		select {
		case c.sighted <- fresh:
		default: // told again with the next of the rounds that tell all
		}
	}
	if gone := c.owned.gone(now); gone != nil {
		dropped, stay := c.corr.Drop(gone)
		c.counted.moved += uint64(dropped)
		if stay > 0 {
			c.owned.settled = now.Add(settleTime)
		}
	}
}

// finish joins what the readers handed over before they ended. They have ended: nothing comes in any more. What is known is saved, unless
// another process has it.
func (c *core) finish() {
	c.drain()
	if c.gone {
		c.state.leave()
		c.images.leave()
	} else {
		c.corr.Release()
		c.state.finish(c.corr)
		c.images.finish(c.corr)
	}
	c.last = c.takeSnapshot()
	close(c.ended)
}

// drain takes what is in the queues.
func (c *core) drain() {
	for {
		select {
		case b := <-c.routes:
			c.applyRoutes(b)
		case b := <-c.datagrams:
			c.takeDatagrams(b)
		case b := <-c.streams:
			c.takeStream(b)
		default:
			return
		}
	}
}

func (c *core) takeDatagrams(b *intake.Batch) {
	c.stamp = b.Received()
	c.now = c.stamp.UnixNano()
	for i := range b.Len() {
		src, payload, truncated := b.Datagram(i)
		c.takeDatagram(src, payload, truncated)
	}
	b.Reset()
	c.free <- b
}

func (c *core) takeDatagram(src netip.AddrPort, payload []byte, truncated bool) {
	if len(payload) == steering.ProbeSize && c.probe != nil && c.probe(src, payload) {
		c.counted.probes++
		return
	}
	c.counted.datagrams++
	c.counted.bytes += uint64(len(payload))
	if truncated {
		c.counted.truncated++
		c.warn.warn("datagram longer than the read buffer, dropped", slog.String("source", src.String()))
		return
	}
	addr := src.Addr()
	if !c.receive(addr) {
		c.counted.foreign++
		c.warn.warn("datagram of another slot's device, dropped", slog.String("source", src.String()))
		return
	}
	if err := c.guard(func() error { return c.corr.MessageFrom(src, payload, c.now) }); err != nil {
		c.warn.warn("message refused", slog.String("source", src.String()), slog.Any("err", err))
	}
}

// errPanic reports a message whose decoding panicked: a fault of ours, which must cost that message and not the worker.
var errPanic = errors.New("panic")

func (c *core) applyRoutes(b *correlate.Batch) {
	c.receive(b.Device())
	c.corr.Apply(b, time.Now().UnixNano())
	b.Free()
}

// receive reports whether a source belongs here. If it has just come from another slot, what is known of it there is taken over first.
func (c *core) receive(src netip.Addr) bool {
	own := c.owned.check(src)
	if from := c.owned.cameFrom(); from >= 0 && c.state.takeOver(c.corr, src, from, time.Now()) {
		c.counted.adopted++
	}
	return own
}

// takeStream gives the messages of a connection to the correlator, and its end.
func (c *core) takeStream(b *streamBatch) {
	c.receive(b.device)
	s := correlate.Stream{Conn: b.conn}
	c.stamp = b.received
	c.now = c.stamp.UnixNano()
	start := 0
	for _, end := range b.ends {
		msg := b.data[start:end]
		start = end
		c.counted.messages++
		c.counted.msgBytes += uint64(len(msg))
		if err := c.guard(func() error { return c.corr.StreamMessage(b.device, s, msg, c.now) }); err != nil {
			c.warn.warn("message refused", slog.String("source", b.device.String()), slog.Any("err", err))
		}
	}
	if b.last {
		c.corr.StreamEnded(b.device, s)
	}
	b.release()
}

// guard gives a message to the correlator. What that holds of the message at hand is set anew by the next one.
func (c *core) guard(give func() error) (err error) {
	defer func() {
		if p := recover(); p != nil {
			c.counted.panics++
			err = fmt.Errorf("%w: %v\n%s", errPanic, p, debug.Stack())
		}
	}()
	return give()
}

// send encodes one record into a buffer of the sink and gives it over.
func (c *core) send(r *correlate.Record) {
	it := c.sink.Get()
	it.Value = c.enc.AppendJSON(it.Value, r)
	it.Key = r.Device.AppendTo(it.Key)
	it.Time = c.stamp
	c.sink.Send(TopicFlow, it)
	c.counted.records++
}

// ask has the owner run f between two batches and waits for its end. f must be short, since nothing else is done meanwhile. ctx bounds the
// wait for the owner's turn; then f is not run, nor once run has ended. A panic in f is returned as an error that wraps errPanic.
func (c *core) ask(ctx context.Context, f func()) (err error) {
	done := make(chan struct{})
	run := func() {
		defer close(done)
		defer func() {
			if p := recover(); p != nil {
				err = fmt.Errorf("%w: %v\n%s", errPanic, p, debug.Stack())
			}
		}()
		f()
	}
	select {
	case c.asks <- run:
		<-done
		return err
	case <-c.ended:
		return errEnded
	case <-ctx.Done():
		return ctx.Err()
	}
}

// errEnded says that the owner runs no more: the worker delivers what it took.
var errEnded = errors.New("the owner of the devices has ended")

// snapshot asks the owner for its counters. When it has ended they are those of its end.
func (c *core) snapshot(ctx context.Context) (s *snapshot, ok bool) {
	if s := c.frozen.Load(); s != nil {
		return s, true
	}
	ctx, cancel := context.WithTimeout(ctx, snapshotPatience)
	defer cancel()
	err := c.ask(ctx, func() { s = c.takeSnapshot() })
	if errors.Is(err, errEnded) {
		return c.last, true
	}
	return s, err == nil
}
