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

// run fills f, whose record fields are zero, from a measured record.
func (p *plan) run(f *Flow, rec []byte, spans []span, x *scratch) {
	f.Has = p.has
	if p.uptimes {
		x.recordInit = 0
	}
	if p.rates {
		x.sampling = samplingParams{}
	}
	x.labels = labelStack{}
	execute(f, p.fixed, rec, x)
	for i := range p.late {
		o := &p.late[i]
		v := o.at.value(rec, spans)
		if len(v) == 0 || len(v) == variableLength || !o.rule.fits(uint16(len(v))) {
			continue
		}
		one := [1]op{{do: o.do, arg: o.arg, len: uint16(len(v))}}
		execute(f, one[:], v, x)
		f.Has |= o.has
	}
	if p.labels && x.labels.blank && len(f.MPLSLabels) == 1 {
		f.MPLSLabels = f.MPLSLabels[:0]
	}
	const icmp = FieldICMPType | FieldICMPCode
	if p.icmp && f.Proto != 1 && f.Proto != 58 && f.Has&FieldProto != 0 {
		// Exporters fill the field for every packet; of others it says nothing.
		f.Has &^= icmp
		f.ICMPType, f.ICMPCode = 0, 0
	}
}

// execute applies operations to fields at fixed places of rec.
//
//nolint:gocyclo,maintidx // one case per field, nothing to split
func execute(f *Flow, ops []op, rec []byte, x *scratch) {
	for i := range ops {
		o := &ops[i]
		v := rec[o.off:][:o.len]
		var n uint64
		if o.do < opLastInt {
			switch len(v) {
			case 1:
				n = uint64(v[0])
			case 2:
				n = uint64(binary.BigEndian.Uint16(v))
			case 4:
				n = uint64(binary.BigEndian.Uint32(v))
			case 8:
				n = binary.BigEndian.Uint64(v)
			default:
				n = number(v)
			}
		}
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
			x.sampling.set(o.arg, n, len(v))
		case opSelector:
			x.sampling.selector, x.sampling.hasSelector = n, true
		case opSampler:
			x.sampling.sampler, x.sampling.hasSampler = n, true
		case opSrc4:
			f.Src = netip.AddrFrom4([4]byte(v))
		case opDst4:
			f.Dst = netip.AddrFrom4([4]byte(v))
		case opSrc6:
			f.Src = netip.AddrFrom16([16]byte(v)).Unmap()
		case opDst6:
			f.Dst = netip.AddrFrom16([16]byte(v)).Unmap()
		case opTunnelSrc4:
			f.TunnelSrc = netip.AddrFrom4([4]byte(v))
		case opTunnelDst4:
			f.TunnelDst = netip.AddrFrom4([4]byte(v))
		case opTunnelSrc6:
			f.TunnelSrc = netip.AddrFrom16([16]byte(v)).Unmap()
		case opTunnelDst6:
			f.TunnelDst = netip.AddrFrom16([16]byte(v)).Unmap()
		case opNATSrc4:
			f.NATSrc = preferSet(f.NATSrc, netip.AddrFrom4([4]byte(v)))
		case opNATDst4:
			f.NATDst = preferSet(f.NATDst, netip.AddrFrom4([4]byte(v)))
		case opNATSrc6:
			f.NATSrc = preferSet(f.NATSrc, netip.AddrFrom16([16]byte(v)).Unmap())
		case opNATDst6:
			f.NATDst = preferSet(f.NATDst, netip.AddrFrom16([16]byte(v)).Unmap())
		case opNextHop4:
			f.NextHop = preferSet(f.NextHop, netip.AddrFrom4([4]byte(v)))
		case opNextHop6:
			f.NextHop = preferSet(f.NextHop, netip.AddrFrom16([16]byte(v)).Unmap())
		case opBGPNextHop4:
			f.BGPNextHop = preferSet(f.BGPNextHop, netip.AddrFrom4([4]byte(v)))
		case opBGPNextHop6:
			f.BGPNextHop = preferSet(f.BGPNextHop, netip.AddrFrom16([16]byte(v)).Unmap())
		case opSrcMAC:
			f.SrcMAC = [6]byte(v)
		case opDstMAC:
			f.DstMAC = [6]byte(v)
		case opLabel:
			f.pushLabel(v, &x.labels)
		case opSegments:
			f.SRv6Segments = f.SRv6Segments[:0]
			for ; len(v) >= 16; v = v[16:] {
				f.SRv6Segments = append(f.SRv6Segments, netip.AddrFrom16([16]byte(v)))
			}
		}
	}
}

// preferSet returns b unless a is an address that is not all zero: records may carry one of each family.
func preferSet(a, b netip.Addr) netip.Addr {
	if a.IsValid() && !a.IsUnspecified() {
		return a
	}
	return b
}

// pushLabel adds a label stack entry: 20 bits of label, 3 of traffic class, bottom of stack. Exporters fill the fields
// below the bottom with zeros; a zero on top is an explicit null if a label follows or it is the bottom itself.
func (f *Flow) pushLabel(v []byte, s *labelStack) {
	if s.closed {
		return
	}
	entry := uint32(v[0])<<16 | uint32(v[1])<<8 | uint32(v[2])
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
