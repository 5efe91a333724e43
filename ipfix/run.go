package ipfix

import (
	"encoding/binary"
	"math"
	"net/netip"
)

// scratch is what a plan's run needs beside the record, and what it leaves for after it.
type scratch struct {
	clock
	sampling samplingParams
	labels   labelStack
}

// labelStack follows the label fields of a record from the top.
type labelStack struct {
	closed bool // bottom of stack seen, or no label where one could be
	blank  bool // the first label is all zero: an explicit null if another follows, else nothing
}

// number reads an unsigned number of any length; of more than eight octets the last eight count.
func number(v []byte) uint64 {
	switch len(v) {
	case 1:
		return uint64(v[0])
	case 2:
		return uint64(binary.BigEndian.Uint16(v))
	case 4:
		return uint64(binary.BigEndian.Uint32(v))
	case 8:
		return binary.BigEndian.Uint64(v)
	}
	var n uint64
	for _, b := range v {
		n = n<<8 | uint64(b)
	}
	return n
}

// lead is how many octets in front of a record its window begins: numbers are read as the eight octets that end with them,
// which for the first fields begin in the set's header or in the record before.
const lead = 8

// run fills f from a measured record, given as the window that begins lead octets before it.
func (p *plan) run(f *Flow, window []byte, spans []span, x *scratch) {
	f.Has = p.has
	x.recordInit = 0
	x.sampling.clear()
	x.labels = labelStack{}
	execute(f, p.fixed, window, x)
	for i := range p.groups {
		g := &p.groups[i]
		execute(f, g.ops, window[spans[g.seg-1].end:], x)
	}
	for i := range p.late {
		p.late[i].run(f, window, spans, x)
	}
	if p.labels && x.labels.blank && len(f.MPLSLabels) == 1 {
		f.MPLSLabels = f.MPLSLabels[:0]
	}
	if p.icmp && f.Proto != 1 && f.Proto != 58 && f.Has&FieldProto != 0 {
		// Exporters fill the fields for every packet; of others they say nothing.
		f.Has &^= FieldICMPType | FieldICMPCode
		f.ICMPType, f.ICMPCode = 0, 0
	}
}

// run takes a field whose place or length is known now only.
func (o *lateOp) run(f *Flow, window []byte, spans []span, x *scratch) {
	start, end := o.at.bounds(spans)
	if n := end - start; n == 0 || n >= variableLength || !o.rule.fits(uint16(n)) {
		return
	}
	one := [1]op{newOp(o.do, o.arg, start, end-start)}
	execute(f, one[:], window, x)
	f.Has |= o.has
}

// execute applies operations to fields at fixed places of a window. It is long, but one case per field.
func execute(f *Flow, ops []op, window []byte, x *scratch) {
	for i := range ops {
		o := &ops[i]
		n := binary.BigEndian.Uint64(window[o.end:]) & o.mask // the window begins lead = 8 octets early
		switch o.do {
		case opSrcPort:
			f.SrcPort = uint16(n)
		case opDstPort:
			f.DstPort = uint16(n)
		case opProto:
			f.Proto = uint8(n)
		case opIPVersion:
			f.IPVersion = uint8(n)
		case opEtherType:
			f.EtherType = uint16(n)
		case opTOS:
			f.TOS = uint8(n)
		case opTTL:
			f.TTL = uint8(n)
		case opFlowLabel:
			f.FlowLabel = uint32(n)
		case opTCPFlags:
			f.TCPFlags = uint16(n)
		case opICMPType:
			f.ICMPType = uint8(n)
		case opICMPCode:
			f.ICMPCode = uint8(n)
		case opICMPBothType:
			f.ICMPType = uint8(n >> 8)
		case opICMPBothCode:
			f.ICMPCode = uint8(n)
		case opBytes:
			f.Bytes = n
		case opPackets:
			f.Packets = n
		case opInIf:
			f.InIf = uint32(n)
		case opOutIf:
			f.OutIf = uint32(n)
		case opSrcVLAN:
			f.SrcVLAN = uint16(n)
		case opDstVLAN:
			f.DstVLAN = uint16(n)
		case opCoS:
			f.CoS = uint8(n)
		case opForwarding:
			f.Forwarding = uint32(n)
		case opMPLSTopType:
			f.MPLSTopType = uint8(n)
		case opTunnelProto:
			f.TunnelProto = uint8(n)
		case opTunnelTOS:
			f.TunnelTOS = uint8(n)
		case opTunnelLabel:
			f.TunnelLabel = uint32(n)
		case opNATSrcPort:
			f.NATSrcPort = uint16(n)
		case opNATDstPort:
			f.NATDstPort = uint16(n)
		case opNATEvent:
			f.NATEvent = uint8(n)
		case opEndReason:
			f.EndReason = uint8(n)
		case opDirection:
			f.Direction = uint8(n)
		case opIngressVRF:
			f.IngressVRF = uint32(n)
		case opEgressVRF:
			f.EgressVRF = uint32(n)
		case opRD:
			f.RD = n
		case opSrcAS:
			f.SrcAS = uint32(n)
		case opDstAS:
			f.DstAS = uint32(n)
		case opSrcMask:
			f.SrcMask = uint8(n)
		case opDstMask:
			f.DstMask = uint8(n)
		case opSystemInit:
			x.recordInit = fromMillis(n)
		case opStartSeconds:
			f.setStart(fromSeconds(n))
		case opStartMillis:
			f.setStart(fromMillis(n))
		case opStartMicros:
			f.setStart(fromNTP(n &^ 0x7ff)) // RFC 7011 section 6.1.9
		case opStartNanos:
			f.setStart(fromNTP(n))
		case opStartDelta:
			f.setStart(x.before(n))
		case opStartUptime:
			f.setStart(x.atUptime(n))
		case opEndSeconds:
			f.setEnd(fromSeconds(n))
		case opEndMillis:
			f.setEnd(fromMillis(n))
		case opEndMicros:
			f.setEnd(fromNTP(n &^ 0x7ff))
		case opEndNanos:
			f.setEnd(fromNTP(n))
		case opEndDelta:
			f.setEnd(x.before(n))
		case opEndUptime:
			f.setEnd(x.atUptime(n))
		case opSampling:
			x.sampling.set(o.arg, n, int(o.len))
		case opSelector:
			x.sampling.selector, x.sampling.hasSelector = n, true
		case opSampler:
			x.sampling.sampler, x.sampling.hasSampler = n, true
		case opSequence:
			x.sampling.sequence, x.sampling.hasSequence = n, true
		case opSrc4:
			f.Src = netip.AddrFrom4([4]byte(o.value(window)))
		case opDst4:
			f.Dst = netip.AddrFrom4([4]byte(o.value(window)))
		case opSrc6:
			f.Src = netip.AddrFrom16([16]byte(o.value(window))).Unmap()
		case opDst6:
			f.Dst = netip.AddrFrom16([16]byte(o.value(window))).Unmap()
		case opTunnelSrc4:
			f.TunnelSrc = netip.AddrFrom4([4]byte(o.value(window)))
		case opTunnelDst4:
			f.TunnelDst = netip.AddrFrom4([4]byte(o.value(window)))
		case opTunnelSrc6:
			f.TunnelSrc = netip.AddrFrom16([16]byte(o.value(window))).Unmap()
		case opTunnelDst6:
			f.TunnelDst = netip.AddrFrom16([16]byte(o.value(window))).Unmap()
		case opNATSrc4:
			o.setAddr(&f.NATSrc, netip.AddrFrom4([4]byte(o.value(window))))
		case opNATDst4:
			o.setAddr(&f.NATDst, netip.AddrFrom4([4]byte(o.value(window))))
		case opNATSrc6:
			o.setAddr(&f.NATSrc, netip.AddrFrom16([16]byte(o.value(window))).Unmap())
		case opNATDst6:
			o.setAddr(&f.NATDst, netip.AddrFrom16([16]byte(o.value(window))).Unmap())
		case opNextHop4:
			o.setAddr(&f.NextHop, netip.AddrFrom4([4]byte(o.value(window))))
		case opNextHop6:
			o.setAddr(&f.NextHop, netip.AddrFrom16([16]byte(o.value(window))).Unmap())
		case opBGPNextHop4:
			o.setAddr(&f.BGPNextHop, netip.AddrFrom4([4]byte(o.value(window))))
		case opBGPNextHop6:
			o.setAddr(&f.BGPNextHop, netip.AddrFrom16([16]byte(o.value(window))).Unmap())
		case opSrcMAC:
			f.SrcMAC = [6]byte(o.value(window))
		case opDstMAC:
			f.DstMAC = [6]byte(o.value(window))
		case opLabel:
			f.pushLabel(uint32(n), &x.labels)
		case opSegments:
			f.setSegments(o.value(window))
		case opSegmentList:
			f.setSegments(segmentsOfList(o.value(window)))
		case opNone, opReverse: // are in no plan
		}
	}
}

// setSegments sets the segment list from addresses one behind the other.
func (f *Flow) setSegments(v []byte) {
	f.SRv6Segments = f.SRv6Segments[:0]
	for ; len(v) >= 16; v = v[16:] {
		f.SRv6Segments = append(f.SRv6Segments, netip.AddrFrom16([16]byte(v)))
	}
}

// segmentsOfList gives the addresses of a basic list (RFC 6313 section 4.5.1) of srhSegmentIPv6, nil if it is another.
func segmentsOfList(v []byte) []byte {
	const head = 5 // semantic, element id, octets of one
	if len(v) < head || binary.BigEndian.Uint16(v[1:]) != idSegment || binary.BigEndian.Uint16(v[3:]) != 16 {
		return nil
	}
	return v[head:]
}

// setAddr sets an address. Where a record has fields of both families for it, the one that is not all zero counts, and
// IPv4 where both are or neither is.
func (o *op) setAddr(dst *netip.Addr, a netip.Addr) {
	if o.arg == argBothFamilies && dst.IsValid() {
		if a.IsUnspecified() && (o.len == 16 || !dst.IsUnspecified()) || o.len == 16 && !dst.IsUnspecified() {
			return
		}
	}
	*dst = a
}

// pushLabel adds a label stack entry: 20 bits of label, 3 of traffic class, bottom of stack. Exporters fill the fields
// below the bottom with zeros; a zero on top is an explicit null if a label follows or it is the bottom itself.
func (f *Flow) pushLabel(entry uint32, s *labelStack) {
	if s.closed {
		return
	}
	if len(f.MPLSLabels) == 0 {
		s.blank = entry == 0
	} else if entry>>4 == 0 {
		s.closed = true
		return
	}
	f.MPLSLabels = append(f.MPLSLabels, entry>>4)
	s.closed = entry&1 != 0
}

// setStart sets the flow's start; a zero time is an unknown one.
func (f *Flow) setStart(t int64) {
	if t > 0 {
		f.Start = t
		f.Has |= FieldStart
	}
}

// setEnd sets the flow's end; a zero time is an unknown one.
func (f *Flow) setEnd(t int64) {
	if t > 0 {
		f.End = t
		f.Has |= FieldEnd
	}
}

// float reads a float32 or float64, 0 for another length and for what is no number.
func float(n uint64, octets int) float64 {
	var v float64
	switch octets {
	case 4:
		v = float64(math.Float32frombits(uint32(n)))
	case 8:
		v = math.Float64frombits(n)
	}
	if math.IsNaN(v) || math.IsInf(v, 0) {
		return 0
	}
	return v
}
