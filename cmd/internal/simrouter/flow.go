package simrouter

import (
	"net/netip"
	"time"

	"github.com/telcol/telcol/ipfix"
)

// flow is the content of one flow record. It follows from the device and its number alone.
type flow struct {
	vrf              int
	src, dst         netip.Addr
	toward           *table
	route            int // of dst in toward
	srcPort, dstPort uint16
	proto            uint8
	tos, ttl         uint8
	tcpFlags         uint8
	bytes, packets   uint64
	inIf, outIf      uint32
	length           time.Duration
}

// flow computes flow number n; numbers are those of the IPFIX sequence.
func (d *Device) flow(n uint32) flow {
	s := stream(mix(d.cfg.Seed, 0xf10e, uint64(n)))
	f := flow{}
	if d.cfg.VRFs > 0 && s.below(10) >= 6 {
		f.vrf = 1 + s.below(d.cfg.VRFs)
	}
	fam := v4
	if s.below(4) == 0 {
		fam = v6
	}
	t := d.table(f.vrf, fam)
	f.toward = t
	f.src, f.dst = t.pick(t.destination(&s), &s), t.pick(t.destination(&s), &s)
	f.route, _ = t.find(f.dst)
	f.srcPort, f.dstPort = uint16(1024+s.below(60000)), [...]uint16{443, 443, 443, 80, 53, 22, 8443, 123}[s.below(8)]
	f.proto, f.tcpFlags = 6, uint8(0x18|s.below(4))
	if f.dstPort == 53 || f.dstPort == 123 {
		f.proto, f.tcpFlags = 17, 0
	}
	f.tos, f.ttl = uint8(s.below(8)<<5), uint8(40+s.below(88))
	f.packets = uint64(1 + s.below(200))
	f.bytes = f.packets * uint64(64+s.below(1400))
	f.inIf, f.outIf = uint32(1+s.below(interfaces)), uint32(1+s.below(interfaces))
	f.length = time.Duration(s.below(3000)) * time.Millisecond
	return f
}

// Ids of the templates.
const (
	templateV4         = 256
	templateV6         = 257
	templateVRFs       = 300
	templateInterfaces = 301
	templateSampling   = 302
)

// samplingInterval is the sampling rate that the options tell, under selectorID.
const (
	samplingInterval = 1000
	selectorID       = 1
	domain           = 33312
)

// flowFields is the data template, 25 fields; the addresses take so many octets.
func flowFields(f family) []ipfix.Field {
	src, dst, hop, srcMask, dstMask, octets := uint16(8), uint16(12), uint16(18), uint16(9), uint16(13), uint16(4)
	if f == v6 {
		src, dst, hop, srcMask, dstMask, octets = 27, 28, 63, 29, 30, 16
	}
	return []ipfix.Field{
		{ID: 152, Len: 8},
		{ID: 153, Len: 8},
		{ID: src, Len: octets},
		{ID: dst, Len: octets},
		{ID: 7, Len: 2},
		{ID: 11, Len: 2},
		{ID: 4, Len: 1},
		{ID: 5, Len: 1},
		{ID: 192, Len: 1},
		{ID: 6, Len: 1}, // shorter than in the registry, as routers do
		{ID: 1, Len: 4},
		{ID: 2, Len: 4},
		{ID: 10, Len: 4},
		{ID: 14, Len: 4},
		{ID: 234, Len: 4},
		{ID: 235, Len: 4},
		{ID: 61, Len: 1},
		{ID: 136, Len: 1},
		{ID: 89, Len: 1},
		{ID: hop, Len: octets},
		{ID: 16, Len: 4},
		{ID: 17, Len: 4},
		{ID: srcMask, Len: 1},
		{ID: dstMask, Len: 1},
		{ID: 302, Len: 4},
	}
}

// flowState is the state of the goroutine that writes IPFIX.
type flowState struct {
	next    uint32 // sequence number of the next record
	builder ipfix.Builder
}

func (d *Device) begin(b []byte, now time.Time) *ipfix.Builder {
	d.flows.builder.Begin(b, ipfix.Header{
		Version: ipfix.VersionIPFIX, ExportTime: now.UnixNano(), Sequence: d.flows.next, Domain: domain,
	})
	return &d.flows.builder
}

// AppendTemplates appends a message with all templates and the options data: VRFs, interfaces and sampling.
func (d *Device) AppendTemplates(b []byte, now time.Time) []byte {
	m := d.begin(b, now)
	m.Template(templateV4, flowFields(v4)...)
	m.Template(templateV6, flowFields(v6)...)
	m.OptionsTemplate(templateVRFs, ipfix.Field{ID: 234, Len: 4, Scope: true}, ipfix.Field{ID: 236, Len: 32}, ipfix.Field{ID: 90, Len: 8})
	m.OptionsTemplate(templateInterfaces, ipfix.Field{ID: 10, Len: 4, Scope: true}, ipfix.Field{ID: 82, Len: 32})
	m.OptionsTemplate(templateSampling, ipfix.Field{ID: 302, Len: 4, Scope: true}, ipfix.Field{ID: 304, Len: 2},
		ipfix.Field{ID: 305, Len: 4}, ipfix.Field{ID: 306, Len: 4})
	records := uint32(0)
	for vrf := range d.cfg.VRFs + 1 {
		if d.vrfName(vrf) == "" {
			continue
		}
		if records == 0 {
			m.Set(templateVRFs)
		}
		m.Uint(uint64(d.vrfID(vrf)), 4)
		m.Text(d.vrfName(vrf), 32)
		m.Uint(uint64(d.rd(vrf)), 8)
		records++
	}
	m.Set(templateInterfaces)
	for index := range uint32(interfaces) {
		m.Uint(uint64(index+1), 4)
		m.Text(d.interfaceName(index+1), 32)
		records++
	}
	m.Set(templateSampling)
	m.Uint(selectorID, 4)
	m.Uint(1, 2) // systematic count-based
	m.Uint(1, 4)
	m.Uint(samplingInterval-1, 4)
	return d.finish(m, records+1)
}

// finish ends a message that carries so many data records.
func (d *Device) finish(m *ipfix.Builder, records uint32) []byte {
	b, err := m.Finish()
	if err != nil {
		panic("simrouter: " + err.Error()) // messages are far below the limit
	}
	d.flows.next += records
	return b
}

// MaxFlows is the most flows in a message, so that it fits into an Ethernet frame of 9000 octets.
const MaxFlows = 50

// AppendFlows appends a message with the next flows, at most [MaxFlows].
func (d *Device) AppendFlows(b []byte, now time.Time, flows int) []byte {
	m := d.begin(b, now)
	n := min(flows, MaxFlows)
	set := uint16(0)
	for i := range uint32(n) {
		f := d.flow(d.flows.next + i)
		id := templateV4 + uint16(f.toward.family)
		if id != set {
			m.Set(id)
			set = id
		}
		d.appendFlow(m, &f, now)
	}
	return d.finish(m, uint32(n))
}

// flowAt gives the number of the flow that begins at an octet of the message with a sequence number.
func (d *Device) flowAt(sequence uint32, octet int) (uint32, bool) {
	at, last := headerOctets, family(255)
	for n := range uint32(MaxFlows) {
		f := d.flow(sequence + n).toward.family
		if f != last {
			at += setOctets
			last = f
		}
		if at >= octet {
			return sequence + n, at == octet
		}
		at += flowOctets[f]
	}
	return 0, false
}

const (
	headerOctets = 16
	setOctets    = 4
)

// flowOctets is the length of a record in a family.
var flowOctets = [...]int{v4: 77, v6: 113}

func (d *Device) appendFlow(m *ipfix.Builder, f *flow, now time.Time) {
	end := now.Add(-time.Second).UnixMilli()
	m.Uint(uint64(end-f.length.Milliseconds()), 8)
	m.Uint(uint64(end), 8)
	m.Addr(f.src)
	m.Addr(f.dst)
	m.Uint(uint64(f.srcPort), 2)
	m.Uint(uint64(f.dstPort), 2)
	m.Uint(uint64(f.proto), 1)
	m.Uint(uint64(f.tos), 1)
	m.Uint(uint64(f.ttl), 1)
	m.Uint(uint64(f.tcpFlags), 1)
	m.Uint(f.bytes, 4)
	m.Uint(f.packets, 4)
	m.Uint(uint64(f.inIf), 4)
	m.Uint(uint64(f.outIf), 4)
	m.Uint(uint64(d.vrfID(f.vrf)), 4)
	m.Uint(uint64(d.vrfID(f.vrf)), 4)
	m.Uint(0, 1)  // flowDirection: ingress
	m.Uint(2, 1)  // flowEndReason: active timeout
	m.Uint(64, 1) // forwardingStatus: forwarded
	d.appendRouted(m, f)
	m.Uint(selectorID, 4)
}

// appendRouted appends what the router itself says of the route: the next hop is right, AS numbers are of the kind that routers
// export as zero.
func (d *Device) appendRouted(m *ipfix.Builder, f *flow) {
	d.mu.RLock()
	v, _ := d.changesOf(f.toward).versionOf(f.route)
	d.mu.RUnlock()
	m.Addr(d.nextHop(f.toward, f.route, v))
	m.Uint(0, 4)
	m.Uint(0, 4)
	src, _ := f.toward.find(f.src)
	m.Uint(uint64(f.toward.prefix(src).Bits()), 1)
	m.Uint(uint64(f.toward.prefix(f.route).Bits()), 1)
}
