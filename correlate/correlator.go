package correlate

import (
	"errors"
	"fmt"
	"net/netip"
	"time"

	"github.com/telcol/telcol/correlate/rib"
	"github.com/telcol/telcol/ipfix"
)

// Config bounds a Correlator. A zero field takes its default.
type Config struct {
	MaxDevices   int           // devices at once, default 65536; messages of further ones are refused and counted
	MaxRoutes    int           // routes of a device, default no limit
	MaxPeers     int           // BMP peers of a device, default 65536; what further ones tell is refused and counted
	MaxAttrBytes int           // see rib.Options, default no limit
	QuietPeriod  time.Duration // see rib.Options
	StaleTimeout time.Duration // see rib.Options
	IdleTimeout  time.Duration // a device without routes that says nothing for so long is forgotten, default 25 h (longer than a template lives)
	IPFIX        ipfix.Config

	// PortInTemplateKey keeps the templates of a device's datagrams apart by their source port.
	PortInTemplateKey bool

	// VRFWait is how long a flow waits for options data that say what its VRF id means, default 5 s; negative: not at all.
	VRFWait time.Duration
	// RIBWait is how long a flow waits for the dump of its device's tables, or for the session of a device that had one when its
	// state was saved; default 60 s; negative: no flow waits for routes.
	RIBWait time.Duration
	// NewWait is how long the first flows of a device that nothing is known of wait for it to open a BMP session, default 6 s; negative:
	// not at all. It applies while BMP is in use on this worker, and in the first minute, when nobody can tell.
	NewWait time.Duration
	// HoldBytes and HoldTotalBytes bound the flows that wait, per device and in all; defaults 16 MiB and 256 MiB.
	HoldBytes, HoldTotalBytes int

	History      time.Duration // see rib.Options
	HistoryBytes int           // see rib.Options
	// ClockTolerance is by how much the export times of a device may differ from our clock before its flows are joined with the
	// routes of now, default 30 s.
	ClockTolerance time.Duration

	Elements []ipfix.Element // enterprise elements beyond the registry

	// DriftReports is how many reports in a row must differ until a Drift counts as lasting, default 3; negative: counts are not
	// compared. DriftRoutes is by how many routes they must differ, default 10, or by 1 % of the router's count where that is more.
	DriftReports, DriftRoutes int

	// Ahead is told of attributes that records to be emitted next are likely to have, 0 for none, so that their memory can be fetched.
	Ahead func(rib.AttrID)

	// Forgotten is told of each device that is forgotten, Drifted of each Drift that begins to last, OverQuota of each device
	// that goes beyond a quota, once while it has BMP sessions. All may be nil, Ahead too.
	Forgotten func(device netip.Addr)
	Drifted   func(device netip.Addr, peer rib.PeerKey, d Drift)
	OverQuota func(device netip.Addr, r Refused)
}

// Errors of Message.
var (
	ErrShort       = errors.New("datagram without a version")
	ErrVersion     = errors.New("version is not decoded")
	ErrDeviceQuota = errors.New("too many devices")
)

// Correlator owns the devices of a worker. All methods are for one goroutine.
type Correlator struct {
	cfg     Config
	model   *ipfix.Model
	intern  *rib.Intern
	devices map[netip.Addr]*Device
	order   []*Device                 // of devices, for rounds that go on where they stopped
	next    int                       // in order
	aliases map[netip.Addr]netip.Addr // to canonical addresses
	strays  map[uint64]struct{}       // BMP sessions that began as another device's, until they end
	gone    ipfix.Counters
	counted Counters

	waiting   []*Device // with held flows; a device that has left may still be there
	heldBytes int       // of all devices
	began     int64     // when the first device was met
	bmpSeen   bool      // a device has or had a BMP session
	saveNext  int       // in order
	imageNext int       // in order
	state     []byte
	emit      func(*Record)

	// Of the message at hand.
	device *Device
	rec    Record

	// Of the flows at hand.
	plans [ipfix.BatchFlows]vrfPlan
	asks  [2 * ipfix.BatchFlows]rib.Ask
}

// setDefaults fills in the zero fields.
func (c *Config) setDefaults() {
	for _, n := range [...]struct {
		field *int
		value int
	}{{&c.MaxDevices, 1 << 16}, {&c.HoldBytes, 16 << 20}, {&c.HoldTotalBytes, 256 << 20}, {&c.DriftReports, 3}, {&c.DriftRoutes, 10}} {
		if *n.field == 0 {
			*n.field = n.value
		}
	}
	if c.IdleTimeout == 0 {
		c.IdleTimeout = 25 * time.Hour
	}
	for _, d := range [...]struct {
		field *time.Duration
		value time.Duration
	}{
		{&c.VRFWait, 5 * time.Second},
		{&c.RIBWait, 60 * time.Second},
		{&c.NewWait, 6 * time.Second},
		{&c.QuietPeriod, 5 * time.Second},
		{&c.ClockTolerance, 30 * time.Second},
	} {
		if *d.field == 0 {
			*d.field = d.value
		}
	}
}

// New returns a Correlator without devices. It gives every joined record to emit, which must not keep it. The error is one of the
// configured enterprise elements.
func New(cfg Config, emit func(*Record)) (*Correlator, error) {
	cfg.setDefaults()
	model, err := ipfix.NewModel(cfg.Elements...)
	if err != nil {
		return nil, fmt.Errorf("information elements: %w", err)
	}
	return &Correlator{
		cfg: cfg, emit: emit, model: model, intern: rib.NewIntern(), devices: make(map[netip.Addr]*Device),
		counted: Counters{VersionUnknown: make(map[uint16]uint64)},
	}, nil
}

// Message decodes one datagram of an exporter, joins its flows and emits them. The source is the datagram's, IPv4 unmapped; received is
// in Unix nanoseconds. An error is counted; the records before it were emitted.
func (c *Correlator) Message(src netip.Addr, msg []byte, received int64) error {
	return c.StreamMessage(src, Stream{}, msg, received)
}

// maxVersions bounds the versions counted one by one; they come from the wire.
const maxVersions = 64

func (c *Correlator) countVersion(v uint16) {
	if _, ok := c.counted.VersionUnknown[v]; !ok && len(c.counted.VersionUnknown) >= maxVersions {
		v = versionOther
	}
	c.counted.VersionUnknown[v]++
}

// versionOther stands for the versions beyond maxVersions.
const versionOther = 0xffff

// Flow takes one data record.
func (c *Correlator) Flow(f *ipfix.Flow) {
	c.device.clock.heard(f.ExportTime, c.rec.Received, c.cfg.ClockTolerance)
	planVRF(f, &c.plans[0])
	c.flow(f, &c.plans[0])
}

// Flows takes data records of one message; the decoder calls it. What costs in a join is to wait for memory: of all of them
// the RIB is told before the first is joined.
func (c *Correlator) Flows(batch []ipfix.Flow) {
	c.device.clock.heard(batch[0].ExportTime, c.rec.Received, c.cfg.ClockTolerance)
	asks := c.asks[:2*len(batch)]
	for i := range batch {
		f, p := &batch[i], &c.plans[i]
		planVRF(f, p)
		asks[2*i] = rib.Ask{VRF: p.src.rd, Skip: f.Has&ipfix.FieldSrcAddr == 0 || !p.src.known, Addr: f.Src}
		asks[2*i+1] = rib.Ask{VRF: p.dst.rd, Skip: f.Has&ipfix.FieldDstAddr == 0 || !p.dst.known, Addr: f.Dst}
	}
	c.device.rib.Ahead(asks)
	c.tellAhead(0)
	for i := range batch {
		if i+1 < len(batch) { // one at a time: the processor keeps no more than a few dozen lines on their way
			c.tellAhead(i + 1)
		}
		c.flow(&batch[i], &c.plans[i])
	}
}

// tellAhead tells Config.Ahead of the routes of flow i of a batch.
func (c *Correlator) tellAhead(i int) {
	if c.cfg.Ahead != nil {
		c.cfg.Ahead(c.asks[2*i].Attr)
		c.cfg.Ahead(c.asks[2*i+1].Attr)
	}
}

func (c *Correlator) flow(f *ipfix.Flow, p *vrfPlan) {
	if c.holdFlow(c.device, f, p) {
		return
	}
	c.join(c.device, f, p)
}

// join completes the record of a flow and emits it.
func (c *Correlator) join(d *Device, f *ipfix.Flow, p *vrfPlan) {
	r := &c.rec
	r.Flow = f
	d.joinFlow(f, p, r)
	at := r.Received
	if r.AsOfFlowEnd {
		at = f.End
	}
	d.quality.count(r, p, at)
	c.emit(r)
}

// deviceOf finds or makes the device of a source address. It returns nil when there are too many.
func (c *Correlator) deviceOf(src netip.Addr, now int64) *Device {
	d := c.devices[src]
	if d == nil {
		if len(c.devices) >= c.cfg.MaxDevices {
			return nil
		}
		d = c.newDevice(src, now)
		c.newcomer(d, false, now)
		c.add(d)
	}
	d.seen = now
	return d
}

func (c *Correlator) add(d *Device) {
	c.devices[d.addr] = d
	c.order = append(c.order, d)
}

// Tick lets time pass for some of the devices, so that a round over all of them takes about a second of calls a tenth of a second
// apart, however many there are. budget is the number of dead routes it may look at.
func (c *Correlator) Tick(now int64, budget int) {
	c.reviewAll(now)
	for range len(c.order)/10 + 1 {
		if c.next >= len(c.order) {
			c.next = 0
			return
		}
		if c.tickDevice(c.order[c.next], now, budget) {
			c.next++
		}
	}
}

// tickDevice reports whether the device still has its place in the order.
func (c *Correlator) tickDevice(d *Device, now int64, budget int) bool {
	more := d.rib.Tick(now, budget)
	for _, s := range d.allSessions() {
		s.Expire(now)
	}
	if !d.leaving && d.idle(now, int64(c.cfg.IdleTimeout)) {
		c.forget(d)
	}
	if !d.leaving || more {
		return true
	}
	last := len(c.order) - 1
	c.order[c.next] = c.order[last]
	c.order[last] = nil
	c.order = c.order[:last]
	return false
}

// forget drops a device. Its routes' attributes go back with the next ticks, until when it stays in the order.
func (c *Correlator) forget(d *Device) {
	if c.cfg.Forgotten != nil {
		c.cfg.Forgotten(d.addr)
	}
	delete(c.devices, d.addr)
	c.releaseAll(d)
	for s := range d.streams {
		c.endStream(d, s)
	}
	d.session.End()
	c.gone.Add(&d.session.Counters)
	c.counted.Options.add(d.options)
	c.counted.Quality.add(&d.quality.Quality)
	c.counted.addRIB(d)
	d.session, d.leaving = nil, true
	d.rib.Clear()
}

// Counters returns what was counted so far.
func (c *Correlator) Counters() Counters {
	n := c.counted
	n.VersionUnknown = make(map[uint16]uint64, len(c.counted.VersionUnknown))
	for v, k := range c.counted.VersionUnknown {
		n.VersionUnknown[v] = k
	}
	n.IPFIX = c.gone
	for _, d := range c.devices {
		for _, s := range d.allSessions() {
			n.IPFIX.Add(&s.Counters)
		}
		n.Options.add(d.options)
		n.Quality.add(&d.quality.Quality)
		n.addRIB(d)
	}
	return n
}

// Totals sums over the devices of now.
func (c *Correlator) Totals() Totals {
	t := Totals{Devices: len(c.devices), AttrSets: c.intern.Len()}
	for _, d := range c.devices {
		n := d.rib.Routes()
		t.Routes += n
		if n > 0 {
			t.WithRoutes++
		}
		if d.clock.off {
			t.ClocksOff++
		}
		t.BMPSessions += len(d.sessions)
		templates, sets, held := d.options.Kept()
		t.Templates += templates
		t.HeldSets += sets
		t.HeldBytes += held
		t.Options += d.options.Len()
		t.HeldFlows += len(d.hold.flows)
		t.addBMP(d)
	}
	return t
}
