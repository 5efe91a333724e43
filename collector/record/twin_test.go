package record

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/telcol/telcol/correlate"
	"github.com/telcol/telcol/correlate/rib"
	"github.com/telcol/telcol/ipfix"
)

// decode reads an encoded record with the standard library, numbers kept as text.
func decode(t testing.TB, b []byte) map[string]any {
	t.Helper()
	dec := json.NewDecoder(bytes.NewReader(b))
	dec.UseNumber()
	var m map[string]any
	if err := dec.Decode(&m); err != nil {
		t.Fatalf("not JSON: %v\n%s", err, b)
	}
	if dec.More() {
		t.Fatalf("more than one value:\n%s", b)
	}
	return m
}

// twin builds, slowly and obviously, what decode must give for a record.
type twin map[string]any

func (m twin) num(has bool, name string, v any) {
	if has {
		m[name] = json.Number(fmt.Sprint(v))
	}
}

func (m twin) addr(has bool, name string, a netip.Addr) {
	if has && a.IsValid() {
		m[name] = clean(a.String())
	}
}

func (m twin) text(name, s string) {
	if s != "" {
		m[name] = clean(s)
	}
}

func (m twin) time(has bool, name string, nanos int64) {
	if has {
		m[name] = time.Unix(0, nanos).UTC().Format("2006-01-02T15:04:05.000000000Z")
	}
}

// clean replaces each octet that is not UTF-8, as encoding/json does.
func clean(s string) string {
	b, _ := json.Marshal(s)
	var out string
	_ = json.Unmarshal(b, &out)
	return out
}

func numbers(list []uint32) []any {
	out := []any{}
	for _, v := range list {
		out = append(out, json.Number(strconv.Itoa(int(v))))
	}
	return out
}

func twinOf(slot int, r *correlate.Record) map[string]any {
	f := r.Flow
	m := twin{"type": "flow"}
	m.num(true, "schema", 1)
	m["record_id"] = fmt.Sprintf("%d-%d-%d-%d", f.Domain, time.Unix(0, f.ExportTime).Unix(), f.Sequence, f.Position)
	m.addr(true, "device", r.Device)
	m.text("device_name", r.DeviceName)
	m.addr(true, "exporter_addr", r.Exporter)
	m.num(true, "slot", slot)
	m.time(true, "time_received", r.Received)
	m.time(true, "time_exported", f.ExportTime)
	m["flow_protocol"] = map[uint16]string{9: "netflow_v9", 10: "ipfix"}[f.Version]
	m.num(true, "observation_domain_id", f.Domain)
	m.num(true, "sequence_num", f.Sequence)
	m.num(true, "template_id", f.TemplateID)
	m.flow(r)
	m.exporter(r)
	m.side("src_", "join_src", &r.Src)
	m.side("dst_", "join_dst", &r.Dst)
	m["rib_state"] = []string{"absent", "synced", "syncing", "stale"}[r.RIB]
	if r.Src.Join != correlate.JoinNone || r.Dst.Join != correlate.JoinNone {
		m["join_as_of"] = map[bool]string{false: "now", true: "flow-end"}[r.AsOfFlowEnd]
	}
	return m
}

func (m twin) flow(r *correlate.Record) {
	f := r.Flow
	has := func(s ipfix.FieldSet) bool { return f.Has&s != 0 }
	m.time(has(ipfix.FieldStart), "time_flow_start", f.Start)
	m.time(has(ipfix.FieldEnd), "time_flow_end", f.End)
	m.addr(has(ipfix.FieldSrcAddr), "src_addr", f.Src)
	m.addr(has(ipfix.FieldDstAddr), "dst_addr", f.Dst)
	m.num(has(ipfix.FieldSrcPort), "src_port", f.SrcPort)
	m.num(has(ipfix.FieldDstPort), "dst_port", f.DstPort)
	m.num(has(ipfix.FieldProto), "proto", f.Proto)
	if name := protoNames[f.Proto]; has(ipfix.FieldProto) && name != "" {
		m["proto_name"] = name
	}
	m.num(has(ipfix.FieldIPVersion), "ip_version", f.IPVersion)
	m.num(has(ipfix.FieldEtherType), "etype", f.EtherType)
	m.num(has(ipfix.FieldTOS), "ip_tos", f.TOS)
	m.num(has(ipfix.FieldTTL), "ip_ttl", f.TTL)
	m.num(has(ipfix.FieldFlowLabel), "ipv6_flow_label", f.FlowLabel)
	m.num(has(ipfix.FieldTCPFlags), "tcp_flags", f.TCPFlags)
	m.num(has(ipfix.FieldICMPType), "icmp_type", f.ICMPType)
	m.num(has(ipfix.FieldICMPCode), "icmp_code", f.ICMPCode)
	m.num(has(ipfix.FieldBytes), "bytes", f.Bytes)
	m.num(has(ipfix.FieldPackets), "packets", f.Packets)
	octets, packets := f.Reverse()
	m.num(has(ipfix.FieldReverseBytes), "reverse_bytes", octets)
	m.num(has(ipfix.FieldReversePackets), "reverse_packets", packets)
	m.num(has(ipfix.FieldSamplingRate), "sampling_rate", f.SamplingRate)
	m.num(has(ipfix.FieldInIf), "in_if", f.InIf)
	m.num(has(ipfix.FieldOutIf), "out_if", f.OutIf)
	m.text("in_if_name", r.InIfName)
	m.text("out_if_name", r.OutIfName)
	if has(ipfix.FieldSrcMAC) {
		m["src_mac"] = net.HardwareAddr(f.SrcMAC[:]).String()
	}
	if has(ipfix.FieldDstMAC) {
		m["dst_mac"] = net.HardwareAddr(f.DstMAC[:]).String()
	}
	m.num(has(ipfix.FieldSrcVLAN), "src_vlan", f.SrcVLAN)
	m.num(has(ipfix.FieldDstVLAN), "dst_vlan", f.DstVLAN)
	m.num(has(ipfix.FieldCoS), "cos", f.CoS)
	m.num(has(ipfix.FieldForwarding), "forwarding_status", f.Forwarding)
	if len(f.MPLSLabels) > 0 {
		m["mpls_labels"] = numbers(f.MPLSLabels)
	}
	m.num(has(ipfix.FieldMPLSTopType), "mpls_top_label_type", f.MPLSTopType)
	if len(f.SRv6Segments) > 0 {
		segments := []any{}
		for _, a := range f.SRv6Segments {
			segments = append(segments, a.String())
		}
		m["srv6_segments"] = segments
	}
	m.num(has(ipfix.FieldEndReason), "flow_end_reason", f.EndReason)
	m.num(has(ipfix.FieldDirection), "flow_direction", f.Direction)
}

func (m twin) exporter(r *correlate.Record) {
	f := r.Flow
	has := func(s ipfix.FieldSet) bool { return f.Has&s != 0 }
	m.addr(has(ipfix.FieldTunnelSrc), "tunnel_src_addr", f.TunnelSrc)
	m.addr(has(ipfix.FieldTunnelDst), "tunnel_dst_addr", f.TunnelDst)
	m.num(has(ipfix.FieldTunnelProto), "tunnel_proto", f.TunnelProto)
	m.num(has(ipfix.FieldTunnelTOS), "tunnel_tos", f.TunnelTOS)
	m.num(has(ipfix.FieldTunnelLabel), "tunnel_flow_label", f.TunnelLabel)
	m.addr(has(ipfix.FieldNATSrc), "post_nat_src_addr", f.NATSrc)
	m.addr(has(ipfix.FieldNATDst), "post_nat_dst_addr", f.NATDst)
	m.num(has(ipfix.FieldNATSrcPort), "post_nat_src_port", f.NATSrcPort)
	m.num(has(ipfix.FieldNATDstPort), "post_nat_dst_port", f.NATDstPort)
	m.num(has(ipfix.FieldNATEvent), "nat_event", f.NATEvent)
	m.num(has(ipfix.FieldIngressVRF), "ingress_vrf_id", f.IngressVRF)
	m.num(has(ipfix.FieldEgressVRF), "egress_vrf_id", f.EgressVRF)
	m.text("ingress_vrf_name", r.IngressVRFName)
	m.text("egress_vrf_name", r.EgressVRFName)
	m.text("vrf_name", r.VRFName)
	if r.HasRD {
		m["rd"] = r.RD.String()
	}
	m.addr(has(ipfix.FieldNextHop), "exporter_next_hop", f.NextHop)
	m.addr(has(ipfix.FieldBGPNextHop), "exporter_bgp_next_hop", f.BGPNextHop)
	m.num(has(ipfix.FieldSrcAS), "exporter_src_as", f.SrcAS)
	m.num(has(ipfix.FieldDstAS), "exporter_dst_as", f.DstAS)
	m.num(has(ipfix.FieldSrcMask), "exporter_src_mask", f.SrcMask)
	m.num(has(ipfix.FieldDstMask), "exporter_dst_mask", f.DstMask)
}

func (m twin) side(side, join string, s *correlate.Side) {
	if s.Join != correlate.JoinNone {
		m[join] = s.Join.String()
	}
	if !s.Join.Hit() {
		return
	}
	a := s.Match.Attrs
	m[side+"prefix"] = s.Match.Prefix.String()
	m.num(len(a.ASPath) > 0, side+"as", append([]uint32{0}, a.ASPath...)[len(a.ASPath)])
	m.num(len(a.ASPath) > 0, side+"peer_as", append(slices.Clone(a.ASPath), 0)[0])
	m[side+"as_path"] = numbers(a.ASPath)
	if len(a.ASSet) > 0 {
		m[side+"as_set"] = numbers(a.ASSet)
	}
	var plain, ext, large []any
	for _, c := range a.Communities {
		plain = append(plain, wellKnown(c))
	}
	for _, c := range a.ExtCommunities {
		ext = append(ext, extText(c))
	}
	for _, c := range a.LargeCommunities {
		large = append(large, fmt.Sprintf("%d:%d:%d", c[0], c[1], c[2]))
	}
	for name, list := range map[string][]any{"communities": plain, "ext_communities": ext, "large_communities": large} {
		if len(list) > 0 {
			m[side+name] = list
		}
	}
	m.addr(true, side+"next_hop", a.NextHop)
	m.num(a.HasLocalPref, side+"local_pref", a.LocalPref)
	m.num(a.HasMED, side+"med", a.MED)
	if a.HasOrigin {
		m[side+"origin"] = []string{"igp", "egp", "incomplete"}[a.Origin]
	}
	m[side+"rib"] = s.Match.View.String()
	m.addr(true, side+"bgp_peer", s.Match.Peer)
	m.num(s.Match.HasPathID, side+"path_id", s.Match.PathID)
	m.time(s.Match.Time != 0, side+"route_time", s.Match.Time)
}

func wellKnown(c uint32) string {
	name, ok := map[uint32]string{
		0xffffff01: "no-export", 0xffffff02: "no-advertise", 0xffffff03: "no-export-subconfed", 0xffff029a: "blackhole",
	}[c]
	if ok {
		return name
	}
	return fmt.Sprintf("%d:%d", c>>16, c&0xffff)
}

// extText looks the community up in the table of its tests; what is not there has no name.
func extText(c uint64) string {
	for _, tc := range extCommunityTexts {
		if tc.value == c {
			return tc.text
		}
	}
	return fmt.Sprintf("0x%016x", c)
}

// random makes records of every shape from a seed.
type random struct{ *rand.Rand }

func newRandom(seed uint64) random { return random{rand.New(rand.NewPCG(seed, seed))} }

func (r random) chance(percent int) bool { return r.IntN(100) < percent }

func (r random) u32() uint32 { return r.Uint32() >> r.IntN(32) }

func (r random) addr() netip.Addr {
	var b [16]byte
	for i := range b {
		if r.chance(50) {
			b[i] = byte(r.Uint32())
		}
	}
	switch r.IntN(10) {
	case 0:
		return netip.AddrFrom16(b).WithZone(r.name())
	case 1, 2, 3:
		return netip.AddrFrom16(b)
	}
	return netip.AddrFrom4([4]byte(b[:4]))
}

// name gives nothing, a usual name, or octets a device should not have sent.
func (r random) name() string {
	switch r.IntN(6) {
	case 0:
		return ""
	case 1:
		b := make([]byte, r.IntN(24))
		for i := range b {
			b[i] = byte(r.Uint32())
		}
		return string(b)
	case 2:
		return `say "hi"\` + "\n\t\r\x00\x1f\x7f é \u2028 😀"
	}
	return "Hundred" + strings.Repeat("GigE0/", r.IntN(4)) + "1"
}

func (r random) list(most int) (out []uint32) {
	for range r.IntN(most + 1) {
		out = append(out, r.u32())
	}
	return out
}

func (r random) attrs() *rib.Attrs {
	a := &rib.Attrs{
		ASPath: r.list(6), Communities: r.list(9),
		HasLocalPref: r.chance(50), LocalPref: r.u32(), HasMED: r.chance(50), MED: r.u32(),
		HasOrigin: r.chance(80), Origin: uint8(r.IntN(3)),
	}
	if r.chance(80) {
		a.NextHop = r.addr().WithZone("")
	}
	if r.chance(10) {
		a.ASSet = r.list(3)
	}
	if r.chance(20) {
		a.Communities = append(a.Communities, 0xffff029a, 0xffffff01, 0xffffff02, 0xffffff03)
	}
	for range r.IntN(4) {
		a.ExtCommunities = append(a.ExtCommunities, extCommunityTexts[r.IntN(len(extCommunityTexts))].value)
		a.LargeCommunities = append(a.LargeCommunities, [3]uint32{r.u32(), r.u32(), r.u32()})
	}
	if r.chance(5) {
		for range 400 { // longer than the cache keeps
			a.Communities = append(a.Communities, r.u32())
		}
	}
	slices.Sort(a.Communities)
	slices.Sort(a.ExtCommunities)
	a.ExtCommunities = slices.Compact(a.ExtCommunities)
	return a
}

func (r random) side(pool []*rib.Attrs) correlate.Side {
	s := correlate.Side{Join: correlate.JoinStatus(r.IntN(int(correlate.JoinNotRouted) + 1))}
	if r.chance(60) {
		s.Join = correlate.JoinHit
	}
	if !s.Join.Hit() {
		return s
	}
	n := r.IntN(len(pool))
	addr := r.addr().WithZone("")
	s.Match = rib.Match{
		Prefix: netip.PrefixFrom(addr, r.IntN(addr.BitLen()+1)), Attrs: pool[n], Attr: rib.AttrID(n),
		View: rib.View(r.IntN(3)), HasPathID: r.chance(20), PathID: r.u32(),
	}
	if s.Match.View != rib.LocRIB {
		s.Match.Peer = r.addr().WithZone("")
	}
	if r.chance(90) {
		s.Match.Time = r.time()
	}
	return s
}

// time gives mostly times of these years, and sometimes any that an int64 holds.
func (r random) time() int64 {
	if r.chance(10) {
		return int64(r.Uint64())
	}
	t := 1_700_000_000*nanosPerSecond + r.Int64N(1e17)
	if r.chance(30) {
		t -= t % nanosPerSecond
	}
	return t
}

func (r random) flow() *ipfix.Flow {
	f := &ipfix.Flow{
		Version: uint16(9 + r.IntN(2)), TemplateID: uint16(r.Uint32()), Domain: r.u32(), Sequence: r.u32(),
		Position: r.u32(), ExportTime: r.time(), Has: ipfix.FieldSet(r.Uint64() & r.Uint64() & r.Uint64()),
		Start: r.time(), End: r.time(), Bytes: r.Uint64(), Packets: uint64(r.u32()),
		Src: r.addr(), Dst: r.addr(), TunnelSrc: r.addr(), TunnelDst: r.addr(), NATSrc: r.addr(), NATDst: r.addr(),
		NextHop: r.addr(), RD: r.Uint64(), SamplingRate: r.u32(), InIf: r.u32(), OutIf: r.u32(),
		IngressVRF: r.u32(), EgressVRF: r.u32(), SrcAS: r.u32(), DstAS: r.u32(), FlowLabel: r.u32(), TunnelLabel: r.u32(),
		Forwarding: r.u32(), SrcPort: uint16(r.u32()), DstPort: uint16(r.u32()), NATSrcPort: uint16(r.u32()),
		NATDstPort: uint16(r.u32()), EtherType: uint16(r.u32()), TCPFlags: uint16(r.u32()), SrcVLAN: uint16(r.u32()),
		DstVLAN: uint16(r.u32()), SrcMAC: [6]byte{0, 1, 0xa0, byte(r.u32())}, DstMAC: [6]byte{0xff, byte(r.u32()), 15},
		Proto: uint8(r.u32()), TunnelProto: uint8(r.u32()), IPVersion: uint8(r.u32()), TOS: uint8(r.u32()),
		TunnelTOS: uint8(r.u32()), TTL: uint8(r.u32()), ICMPType: uint8(r.u32()), ICMPCode: uint8(r.u32()),
		CoS: uint8(r.u32()), MPLSTopType: uint8(r.u32()), NATEvent: uint8(r.u32()), EndReason: uint8(r.u32()),
		Direction: uint8(r.u32()), SrcMask: uint8(r.u32()), DstMask: uint8(r.u32()),
	}
	switch r.IntN(4) {
	case 0:
		f.Has = ^ipfix.FieldSet(0)
	case 1:
		f.Has |= ipfix.FieldSet(r.Uint64())
	}
	if r.chance(30) {
		f.MPLSLabels = r.list(3)
		f.SRv6Segments = []netip.Addr{r.addr().WithZone(""), r.addr().WithZone("")}
	}
	return f
}

func (r random) record(pool []*rib.Attrs) *correlate.Record {
	return &correlate.Record{
		Device: r.addr(), DeviceName: r.name(), Exporter: r.addr(), Received: r.time(), Flow: r.flow(),
		InIfName: r.name(), OutIfName: r.name(), IngressVRFName: r.name(), EgressVRFName: r.name(), VRFName: r.name(),
		RD: rib.RD(r.Uint64() >> r.IntN(64)), HasRD: r.chance(50), Src: r.side(pool), Dst: r.side(pool),
		RIB: correlate.RIBState(r.IntN(4)), AsOfFlowEnd: r.chance(50),
	}
}

func (r random) pool(n int) (pool []*rib.Attrs) {
	for range n {
		pool = append(pool, r.attrs())
	}
	return pool
}
