package record

import (
	"github.com/telcol/telcol/correlate"
	"github.com/telcol/telcol/ipfix"
)

// Groups of fields that most templates lack as a whole.
const (
	layer2Fields = ipfix.FieldSrcMAC | ipfix.FieldDstMAC | ipfix.FieldSrcVLAN | ipfix.FieldDstVLAN | ipfix.FieldCoS
	tunnelFields = ipfix.FieldTunnelSrc | ipfix.FieldTunnelDst | ipfix.FieldTunnelProto | ipfix.FieldTunnelTOS |
		ipfix.FieldTunnelLabel
	natFields = ipfix.FieldNATSrc | ipfix.FieldNATDst | ipfix.FieldNATSrcPort | ipfix.FieldNATDstPort |
		ipfix.FieldNATEvent
	exporterFields = ipfix.FieldNextHop | ipfix.FieldBGPNextHop | ipfix.FieldSrcAS | ipfix.FieldDstAS |
		ipfix.FieldSrcMask | ipfix.FieldDstMask
)

func (e *Encoder) appendTimes(dst []byte, f *ipfix.Flow) []byte {
	if f.Has&ipfix.FieldStart != 0 {
		dst = e.dates.append(dst, `,"time_flow_start":"`, f.Start)
	}
	if f.Has&ipfix.FieldEnd != 0 {
		dst = e.dates.append(dst, `,"time_flow_end":"`, f.End)
	}
	return dst
}

func appendTuple(dst []byte, f *ipfix.Flow) []byte {
	if f.Has&ipfix.FieldSrcAddr != 0 {
		dst = appendAddr(dst, `,"src_addr":`, f.Src)
	}
	if f.Has&ipfix.FieldDstAddr != 0 {
		dst = appendAddr(dst, `,"dst_addr":`, f.Dst)
	}
	if f.Has&ipfix.FieldSrcPort != 0 {
		dst = appendUint(dst, `,"src_port":`, uint64(f.SrcPort))
	}
	if f.Has&ipfix.FieldDstPort != 0 {
		dst = appendUint(dst, `,"dst_port":`, uint64(f.DstPort))
	}
	if f.Has&ipfix.FieldProto != 0 {
		dst = appendUint(dst, `,"proto":`, uint64(f.Proto))
		if name := protoNames[f.Proto]; name != "" {
			dst = appendWord(dst, `,"proto_name":"`, name)
		}
	}
	return dst
}

func appendPacketFields(dst []byte, f *ipfix.Flow) []byte {
	if f.Has&ipfix.FieldIPVersion != 0 {
		dst = appendUint(dst, `,"ip_version":`, uint64(f.IPVersion))
	}
	if f.Has&ipfix.FieldEtherType != 0 {
		dst = appendUint(dst, `,"etype":`, uint64(f.EtherType))
	}
	if f.Has&ipfix.FieldTOS != 0 {
		dst = appendUint(dst, `,"ip_tos":`, uint64(f.TOS))
	}
	if f.Has&ipfix.FieldTTL != 0 {
		dst = appendUint(dst, `,"ip_ttl":`, uint64(f.TTL))
	}
	if f.Has&ipfix.FieldFlowLabel != 0 {
		dst = appendUint(dst, `,"ipv6_flow_label":`, uint64(f.FlowLabel))
	}
	if f.Has&ipfix.FieldTCPFlags != 0 {
		dst = appendUint(dst, `,"tcp_flags":`, uint64(f.TCPFlags))
	}
	if f.Has&ipfix.FieldICMPType != 0 {
		dst = appendUint(dst, `,"icmp_type":`, uint64(f.ICMPType))
	}
	if f.Has&ipfix.FieldICMPCode != 0 {
		dst = appendUint(dst, `,"icmp_code":`, uint64(f.ICMPCode))
	}
	return dst
}

func appendCounters(dst []byte, f *ipfix.Flow) []byte {
	if f.Has&ipfix.FieldBytes != 0 {
		dst = appendUint(dst, `,"bytes":`, f.Bytes)
	}
	if f.Has&ipfix.FieldPackets != 0 {
		dst = appendUint(dst, `,"packets":`, f.Packets)
	}
	if f.Has&ipfix.FieldSamplingRate != 0 {
		dst = appendUint(dst, `,"sampling_rate":`, uint64(f.SamplingRate))
	}
	return dst
}

func appendInterfaces(dst []byte, r *correlate.Record) []byte {
	f := r.Flow
	if f.Has&ipfix.FieldInIf != 0 {
		dst = appendUint(dst, `,"in_if":`, uint64(f.InIf))
	}
	if f.Has&ipfix.FieldOutIf != 0 {
		dst = appendUint(dst, `,"out_if":`, uint64(f.OutIf))
	}
	dst = appendText(dst, `,"in_if_name":`, r.InIfName)
	return appendText(dst, `,"out_if_name":`, r.OutIfName)
}

func appendLayer2(dst []byte, f *ipfix.Flow) []byte {
	if f.Has&ipfix.FieldSrcMAC != 0 {
		dst = appendMAC(dst, `,"src_mac":"`, f.SrcMAC)
	}
	if f.Has&ipfix.FieldDstMAC != 0 {
		dst = appendMAC(dst, `,"dst_mac":"`, f.DstMAC)
	}
	if f.Has&ipfix.FieldSrcVLAN != 0 {
		dst = appendUint(dst, `,"src_vlan":`, uint64(f.SrcVLAN))
	}
	if f.Has&ipfix.FieldDstVLAN != 0 {
		dst = appendUint(dst, `,"dst_vlan":`, uint64(f.DstVLAN))
	}
	if f.Has&ipfix.FieldCoS != 0 {
		dst = appendUint(dst, `,"cos":`, uint64(f.CoS))
	}
	return dst
}

// appendForwarding writes what the device did with the packets: status, labels, segments, and why the flow ended.
func appendForwarding(dst []byte, f *ipfix.Flow) []byte {
	if f.Has&ipfix.FieldForwarding != 0 {
		dst = appendUint(dst, `,"forwarding_status":`, uint64(f.Forwarding))
	}
	if len(f.MPLSLabels) > 0 {
		dst = appendNumbers(dst, `,"mpls_labels":`, f.MPLSLabels)
	}
	if f.Has&ipfix.FieldMPLSTopType != 0 {
		dst = appendUint(dst, `,"mpls_top_label_type":`, uint64(f.MPLSTopType))
	}
	if len(f.SRv6Segments) > 0 {
		dst = appendAddrs(dst, `,"srv6_segments":`, f.SRv6Segments)
	}
	if f.Has&ipfix.FieldEndReason != 0 {
		dst = appendUint(dst, `,"flow_end_reason":`, uint64(f.EndReason))
	}
	if f.Has&ipfix.FieldDirection != 0 {
		dst = appendUint(dst, `,"flow_direction":`, uint64(f.Direction))
	}
	return dst
}

func appendTunnel(dst []byte, f *ipfix.Flow) []byte {
	if f.Has&ipfix.FieldTunnelSrc != 0 {
		dst = appendAddr(dst, `,"tunnel_src_addr":`, f.TunnelSrc)
	}
	if f.Has&ipfix.FieldTunnelDst != 0 {
		dst = appendAddr(dst, `,"tunnel_dst_addr":`, f.TunnelDst)
	}
	if f.Has&ipfix.FieldTunnelProto != 0 {
		dst = appendUint(dst, `,"tunnel_proto":`, uint64(f.TunnelProto))
	}
	if f.Has&ipfix.FieldTunnelTOS != 0 {
		dst = appendUint(dst, `,"tunnel_tos":`, uint64(f.TunnelTOS))
	}
	if f.Has&ipfix.FieldTunnelLabel != 0 {
		dst = appendUint(dst, `,"tunnel_flow_label":`, uint64(f.TunnelLabel))
	}
	return dst
}

func appendNAT(dst []byte, f *ipfix.Flow) []byte {
	if f.Has&ipfix.FieldNATSrc != 0 {
		dst = appendAddr(dst, `,"post_nat_src_addr":`, f.NATSrc)
	}
	if f.Has&ipfix.FieldNATDst != 0 {
		dst = appendAddr(dst, `,"post_nat_dst_addr":`, f.NATDst)
	}
	if f.Has&ipfix.FieldNATSrcPort != 0 {
		dst = appendUint(dst, `,"post_nat_src_port":`, uint64(f.NATSrcPort))
	}
	if f.Has&ipfix.FieldNATDstPort != 0 {
		dst = appendUint(dst, `,"post_nat_dst_port":`, uint64(f.NATDstPort))
	}
	if f.Has&ipfix.FieldNATEvent != 0 {
		dst = appendUint(dst, `,"nat_event":`, uint64(f.NATEvent))
	}
	return dst
}

func appendVRF(dst []byte, r *correlate.Record) []byte {
	f := r.Flow
	if f.Has&ipfix.FieldIngressVRF != 0 {
		dst = appendUint(dst, `,"ingress_vrf_id":`, uint64(f.IngressVRF))
	}
	if f.Has&ipfix.FieldEgressVRF != 0 {
		dst = appendUint(dst, `,"egress_vrf_id":`, uint64(f.EgressVRF))
	}
	dst = appendText(dst, `,"ingress_vrf_name":`, r.IngressVRFName)
	dst = appendText(dst, `,"egress_vrf_name":`, r.EgressVRFName)
	dst = appendText(dst, `,"vrf_name":`, r.VRFName)
	if r.HasRD {
		dst = append(dst, `,"rd":"`...)
		dst = r.RD.Append(dst)
		dst = append(dst, '"')
	}
	return dst
}

// appendExporterRoute writes what the router itself said about the route, whatever it is worth.
func appendExporterRoute(dst []byte, f *ipfix.Flow) []byte {
	if f.Has&ipfix.FieldNextHop != 0 {
		dst = appendAddr(dst, `,"exporter_next_hop":`, f.NextHop)
	}
	if f.Has&ipfix.FieldBGPNextHop != 0 {
		dst = appendAddr(dst, `,"exporter_bgp_next_hop":`, f.BGPNextHop)
	}
	if f.Has&ipfix.FieldSrcAS != 0 {
		dst = appendUint(dst, `,"exporter_src_as":`, uint64(f.SrcAS))
	}
	if f.Has&ipfix.FieldDstAS != 0 {
		dst = appendUint(dst, `,"exporter_dst_as":`, uint64(f.DstAS))
	}
	if f.Has&ipfix.FieldSrcMask != 0 {
		dst = appendUint(dst, `,"exporter_src_mask":`, uint64(f.SrcMask))
	}
	if f.Has&ipfix.FieldDstMask != 0 {
		dst = appendUint(dst, `,"exporter_dst_mask":`, uint64(f.DstMask))
	}
	return dst
}
