package ipfix

import "net/netip"

// Protocol versions as they stand in the first two octets of a message.
const (
	VersionNetFlow9 = 9
	VersionIPFIX    = 10
)

// FieldSet says which fields of a Flow the data record carried. A field that is not in the set has
// its zero value, which means nothing: absent is not zero.
type FieldSet uint64

// The fields of a Flow. Element numbers are those of the IANA IPFIX registry.
const (
	FieldStart          FieldSet = 1 << iota // 152, 150, 154, 156, 158, 22 with 160, 323
	FieldEnd                                 // 153, 151, 155, 157, 159, 21 with 160, 323
	FieldSrcAddr                             // 8, 27
	FieldDstAddr                             // 12, 28
	FieldSrcPort                             // 7, else 180 or 182
	FieldDstPort                             // 11, else 181 or 183
	FieldProto                               // 4
	FieldIPVersion                           // 60
	FieldEtherType                           // 256, else by the family of the addresses
	FieldTOS                                 // 5
	FieldTTL                                 // 192
	FieldFlowLabel                           // 31
	FieldTCPFlags                            // 6
	FieldICMPType                            // 176, 178, high octet of 32 or 139
	FieldICMPCode                            // 177, 179, low octet of 32 or 139
	FieldBytes                               // 1, else 85, 23, 352
	FieldPackets                             // 2, else 86, 24
	FieldSamplingRate                        // 34, 305 with 306, 309 with 310, 311, else the options tables
	FieldInIf                                // 10
	FieldOutIf                               // 14
	FieldSrcMAC                              // 56, else 81
	FieldDstMAC                              // 80, else 57
	FieldSrcVLAN                             // 58, else 243
	FieldDstVLAN                             // 59, else 254
	FieldCoS                                 // 244
	FieldForwarding                          // 89
	FieldMPLSTopType                         // 46
	FieldTunnelSrc                           // outer 8, 27
	FieldTunnelDst                           // outer 12, 28
	FieldTunnelProto                         // outer 4
	FieldTunnelTOS                           // outer 5
	FieldTunnelLabel                         // outer 31
	FieldNATSrc                              // 225, 281
	FieldNATDst                              // 226, 282
	FieldNATSrcPort                          // 227
	FieldNATDstPort                          // 228
	FieldNATEvent                            // 230
	FieldEndReason                           // 136
	FieldDirection                           // 61
	FieldIngressVRF                          // 234
	FieldEgressVRF                           // 235
	FieldRD                                  // 90
	FieldNextHop                             // 15, 62
	FieldBGPNextHop                          // 18, 63
	FieldSrcAS                               // 16
	FieldDstAS                               // 17
	FieldSrcMask                             // 9, 29
	FieldDstMask                             // 13, 30
	FieldReverseBytes                        // the reverse (RFC 5103) of 1, else 85, 23, 352; see Flow.Reverse
	FieldReversePackets                      // the reverse of 2, else 86, 24
)

// Flow is one data record with the meaning of its elements applied. The decoder reuses its Flows for all
// records: a handler does not change it, and to keep it beyond its call copies it, the slices included, without the Record.
type Flow struct {
	Version    uint16 // VersionNetFlow9 or VersionIPFIX
	TemplateID uint16
	Domain     uint32 // observation domain id, or source id of NetFlow v9
	Sequence   uint32 // of the message's header
	Position   uint32 // octet of the message at which the record begins: the same however often it is decoded
	ExportTime int64  // of the message's header, Unix nanoseconds

	Has FieldSet

	Start, End       int64 // Unix nanoseconds, device clock
	Bytes, Packets   uint64
	Src, Dst         netip.Addr // the innermost packet; never IPv4-mapped
	TunnelSrc        netip.Addr // the outer packet, where a template carries the elements twice
	TunnelDst        netip.Addr
	NATSrc, NATDst   netip.Addr
	NextHop          netip.Addr // as the exporter said, sane or not
	BGPNextHop       netip.Addr
	RD               uint64 // eight octets of element 90, big-endian (RFC 4364 section 4.2)
	SamplingRate     uint32 // one out of this many packets; 1 is unsampled
	InIf, OutIf      uint32
	IngressVRF       uint32
	EgressVRF        uint32
	SrcAS, DstAS     uint32
	FlowLabel        uint32
	TunnelLabel      uint32
	Forwarding       uint32 // forwardingStatus as exported (RFC 7270 section 4.12)
	SrcPort, DstPort uint16
	NATSrcPort       uint16
	NATDstPort       uint16
	EtherType        uint16
	TCPFlags         uint16
	SrcVLAN, DstVLAN uint16
	SrcMAC, DstMAC   [6]byte
	Proto            uint8
	TunnelProto      uint8
	IPVersion        uint8
	TOS, TunnelTOS   uint8
	TTL              uint8
	ICMPType         uint8
	ICMPCode         uint8
	CoS              uint8
	MPLSTopType      uint8
	NATEvent         uint8
	EndReason        uint8
	Direction        uint8
	SrcMask, DstMask uint8

	// MPLSLabels holds 20-bit labels from elements 70 to 79, top first, up to and with the bottom of the stack.
	MPLSLabels []uint32
	// SRv6Segments is the segment list of element 497, in the order of the packet.
	SRv6Segments []netip.Addr

	// Record is the data record itself, for the elements that have no field above.
	Record Record

	// Options holds its domain's option tables at the time of the record, for what the exporter said once for many flows
	// (interface and VRF names, route distinguishers). Never nil in a handler's call.
	Options *Options
}

// Reverse gives the octets and packets of a biflow's other direction (RFC 5103), valid with FieldReverseBytes and FieldReversePackets
// and as long as the Record. All else that a Flow has is of the forward direction.
func (f *Flow) Reverse() (octets, packets uint64) {
	r := &f.Record
	if r.plan == nil {
		return 0, 0
	}
	if r.plan.has&FieldReverseBytes != 0 {
		octets = number(r.Value(r.plan.reverse[0]))
	}
	if r.plan.has&FieldReversePackets != 0 {
		packets = number(r.Value(r.plan.reverse[1]))
	}
	return octets, packets
}

// reset clears a flow but for its place in the message, and keeps the memory of its lists.
func (f *Flow) reset() {
	*f = Flow{
		Position:   f.Position,
		MPLSLabels: f.MPLSLabels[:0], SRv6Segments: f.SRv6Segments[:0],
	}
}

// EtherTypes of the two address families (IEEE 802 numbers).
const (
	etherTypeIPv4 = 0x0800
	etherTypeIPv6 = 0x86dd
)

// typeByFamily fills the EtherType of a record that carries addresses but no element 256. It is the frame's, and so of the outer
// packet where there are two.
func (f *Flow) typeByFamily() {
	if f.Has&FieldEtherType != 0 || f.Has&(FieldSrcAddr|FieldDstAddr) == 0 {
		return
	}
	src, dst := f.Src, f.Dst
	if f.Has&(FieldTunnelSrc|FieldTunnelDst) != 0 {
		src, dst = f.TunnelSrc, f.TunnelDst
	}
	f.EtherType = etherTypeIPv6
	if src.Is4() || dst.Is4() {
		f.EtherType = etherTypeIPv4
	}
	f.Has |= FieldEtherType
}
