package record

import (
	"math"
	"math/bits"

	"github.com/telcol/telcol/ipfix"
)

// Groups of fields that most templates lack as a whole.
const (
	layer2Fields = ipfix.FieldSrcMAC | ipfix.FieldDstMAC | ipfix.FieldSrcVLAN | ipfix.FieldDstVLAN | ipfix.FieldCoS
	tunnelFields = ipfix.FieldTunnelSrc | ipfix.FieldTunnelDst | ipfix.FieldTunnelProto | ipfix.FieldTunnelTOS |
		ipfix.FieldTunnelLabel
	natFields = ipfix.FieldNATSrc | ipfix.FieldNATDst | ipfix.FieldNATSrcPort | ipfix.FieldNATDstPort |
		ipfix.FieldNATEvent
	biflowFields = ipfix.FieldReverseBytes | ipfix.FieldReversePackets
	rareFields   = tunnelFields | natFields | biflowFields

	exporterFields = ipfix.FieldNextHop | ipfix.FieldBGPNextHop | ipfix.FieldSrcAS | ipfix.FieldDstAS |
		ipfix.FieldSrcMask | ipfix.FieldDstMask
)

func (e *Encoder) appendTimes(dst []byte, f *ipfix.Flow) []byte {
	if f.Has&ipfix.FieldStart != 0 {
		dst = e.dates.append(dst, &keyTimeFlowStart, f.Start)
	}
	if f.Has&ipfix.FieldEnd != 0 {
		dst = e.dates.append(dst, &keyTimeFlowEnd, f.End)
	}
	return dst
}

func appendTuple(dst []byte, f *ipfix.Flow) []byte {
	if f.Has&ipfix.FieldSrcAddr != 0 {
		dst = appendAddr(dst, &keySrcAddr, f.Src)
	}
	if f.Has&ipfix.FieldDstAddr != 0 {
		dst = appendAddr(dst, &keyDstAddr, f.Dst)
	}
	if f.Has&ipfix.FieldSrcPort != 0 {
		dst = appendUint(dst, &keySrcPort, uint64(f.SrcPort))
	}
	if f.Has&ipfix.FieldDstPort != 0 {
		dst = appendUint(dst, &keyDstPort, uint64(f.DstPort))
	}
	if f.Has&ipfix.FieldProto != 0 {
		dst = appendUint(dst, &keyProto, uint64(f.Proto))
		if name := protoNames[f.Proto]; name != "" {
			dst = appendWord(dst, &keyProtoName, name)
		}
	}
	return dst
}

func appendPacketFields(dst []byte, f *ipfix.Flow) []byte {
	if f.Has&ipfix.FieldIPVersion != 0 {
		dst = appendUint(dst, &keyIPVersion, uint64(f.IPVersion))
	}
	if f.Has&ipfix.FieldEtherType != 0 {
		dst = appendUint(dst, &keyEtype, uint64(f.EtherType))
	}
	if f.Has&ipfix.FieldTOS != 0 {
		dst = appendUint(dst, &keyIPTOS, uint64(f.TOS))
	}
	if f.Has&ipfix.FieldTTL != 0 {
		dst = appendUint(dst, &keyIPTTL, uint64(f.TTL))
	}
	if f.Has&ipfix.FieldFlowLabel != 0 {
		dst = appendUint(dst, &keyIPv6FlowLabel, uint64(f.FlowLabel))
	}
	if f.Has&ipfix.FieldTCPFlags != 0 {
		dst = appendUint(dst, &keyTCPFlags, uint64(f.TCPFlags))
	}
	if f.Has&ipfix.FieldICMPType != 0 {
		dst = appendUint(dst, &keyICMPType, uint64(f.ICMPType))
	}
	if f.Has&ipfix.FieldICMPCode != 0 {
		dst = appendUint(dst, &keyICMPCode, uint64(f.ICMPCode))
	}
	return dst
}

func (e *Encoder) appendCounters(dst []byte, f *ipfix.Flow) []byte {
	factor := e.factor(f)
	if f.Has&ipfix.FieldBytes != 0 {
		dst = appendUint(dst, &keyBytes, times(f.Bytes, factor))
	}
	if f.Has&ipfix.FieldPackets != 0 {
		dst = appendUint(dst, &keyPackets, times(f.Packets, factor))
	}
	if f.Has&ipfix.FieldSamplingRate != 0 {
		dst = appendUint(dst, &keySamplingRate, uint64(f.SamplingRate))
		if e.renormalize {
			dst = append(keyRenormalized.append(dst), "true"...)
		}
	}
	return dst
}

// appendReverse writes what came back in a biflow.
func (e *Encoder) appendReverse(dst []byte, f *ipfix.Flow) []byte {
	if f.Has&biflowFields == 0 {
		return dst
	}
	octets, packets := f.Reverse()
	if f.Has&ipfix.FieldReverseBytes != 0 {
		dst = appendUint(dst, &keyReverseBytes, times(octets, e.factor(f)))
	}
	if f.Has&ipfix.FieldReversePackets != 0 {
		dst = appendUint(dst, &keyReversePackets, times(packets, e.factor(f)))
	}
	return dst
}

// factor is what counters are multiplied by.
func (e *Encoder) factor(f *ipfix.Flow) uint64 {
	if e.renormalize && f.Has&ipfix.FieldSamplingRate != 0 {
		return max(uint64(f.SamplingRate), 1)
	}
	return 1
}

// times multiplies; what is too large for a counter becomes the largest.
func times(n, factor uint64) uint64 {
	if high, low := bits.Mul64(n, factor); high == 0 {
		return low
	}
	return math.MaxUint64
}

func appendLayer2(dst []byte, f *ipfix.Flow) []byte {
	if f.Has&ipfix.FieldSrcMAC != 0 {
		dst = appendMAC(dst, &keySrcMAC, f.SrcMAC)
	}
	if f.Has&ipfix.FieldDstMAC != 0 {
		dst = appendMAC(dst, &keyDstMAC, f.DstMAC)
	}
	if f.Has&ipfix.FieldSrcVLAN != 0 {
		dst = appendUint(dst, &keySrcVLAN, uint64(f.SrcVLAN))
	}
	if f.Has&ipfix.FieldDstVLAN != 0 {
		dst = appendUint(dst, &keyDstVLAN, uint64(f.DstVLAN))
	}
	if f.Has&ipfix.FieldCoS != 0 {
		dst = appendUint(dst, &keyCoS, uint64(f.CoS))
	}
	return dst
}

// appendForwarding writes what the device did with the packets: status, labels, segments, and why the flow ended.
func appendForwarding(dst []byte, f *ipfix.Flow) []byte {
	if f.Has&ipfix.FieldForwarding != 0 {
		dst = appendUint(dst, &keyForwardingStatus, uint64(f.Forwarding))
	}
	if len(f.MPLSLabels) > 0 {
		dst = appendNumbers(dst, &keyMPLSLabels, f.MPLSLabels)
	}
	if f.Has&ipfix.FieldMPLSTopType != 0 {
		dst = appendUint(dst, &keyMPLSTopLabelType, uint64(f.MPLSTopType))
	}
	if len(f.SRv6Segments) > 0 {
		dst = appendAddrs(dst, &keySRv6Segments, f.SRv6Segments)
	}
	if f.Has&ipfix.FieldEndReason != 0 {
		dst = appendUint(dst, &keyFlowEndReason, uint64(f.EndReason))
	}
	if f.Has&ipfix.FieldDirection != 0 {
		dst = appendUint(dst, &keyFlowDirection, uint64(f.Direction))
	}
	return dst
}

func appendTunnel(dst []byte, f *ipfix.Flow) []byte {
	if f.Has&ipfix.FieldTunnelSrc != 0 {
		dst = appendAddr(dst, &keyTunnelSrcAddr, f.TunnelSrc)
	}
	if f.Has&ipfix.FieldTunnelDst != 0 {
		dst = appendAddr(dst, &keyTunnelDstAddr, f.TunnelDst)
	}
	if f.Has&ipfix.FieldTunnelProto != 0 {
		dst = appendUint(dst, &keyTunnelProto, uint64(f.TunnelProto))
	}
	if f.Has&ipfix.FieldTunnelTOS != 0 {
		dst = appendUint(dst, &keyTunnelTOS, uint64(f.TunnelTOS))
	}
	if f.Has&ipfix.FieldTunnelLabel != 0 {
		dst = appendUint(dst, &keyTunnelFlowLabel, uint64(f.TunnelLabel))
	}
	return dst
}

func appendNAT(dst []byte, f *ipfix.Flow) []byte {
	if f.Has&ipfix.FieldNATSrc != 0 {
		dst = appendAddr(dst, &keyPostNATSrcAddr, f.NATSrc)
	}
	if f.Has&ipfix.FieldNATDst != 0 {
		dst = appendAddr(dst, &keyPostNATDstAddr, f.NATDst)
	}
	if f.Has&ipfix.FieldNATSrcPort != 0 {
		dst = appendUint(dst, &keyPostNATSrcPort, uint64(f.NATSrcPort))
	}
	if f.Has&ipfix.FieldNATDstPort != 0 {
		dst = appendUint(dst, &keyPostNATDstPort, uint64(f.NATDstPort))
	}
	if f.Has&ipfix.FieldNATEvent != 0 {
		dst = appendUint(dst, &keyNATEvent, uint64(f.NATEvent))
	}
	return dst
}

// appendExporterRoute writes what the router itself said about the route, whatever it is worth.
func appendExporterRoute(dst []byte, f *ipfix.Flow) []byte {
	if f.Has&ipfix.FieldNextHop != 0 {
		dst = appendAddr(dst, &keyExporterNextHop, f.NextHop)
	}
	if f.Has&ipfix.FieldBGPNextHop != 0 {
		dst = appendAddr(dst, &keyExporterBGPNextHop, f.BGPNextHop)
	}
	if f.Has&ipfix.FieldSrcAS != 0 {
		dst = appendUint(dst, &keyExporterSrcAS, uint64(f.SrcAS))
	}
	if f.Has&ipfix.FieldDstAS != 0 {
		dst = appendUint(dst, &keyExporterDstAS, uint64(f.DstAS))
	}
	if f.Has&ipfix.FieldSrcMask != 0 {
		dst = appendUint(dst, &keyExporterSrcMask, uint64(f.SrcMask))
	}
	if f.Has&ipfix.FieldDstMask != 0 {
		dst = appendUint(dst, &keyExporterDstMask, uint64(f.DstMask))
	}
	return dst
}
