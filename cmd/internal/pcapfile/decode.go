package pcapfile

import (
	"net/netip"

	"github.com/gopacket/gopacket"
	"github.com/gopacket/gopacket/layers"
)

// decode reads a frame; false when there is nothing to give, which it counts.
func (r *Reader) decode(data []byte, link layers.LinkType) (Packet, bool) {
	if link == unsupportedLink {
		r.skipped.Link++
		return Packet{}, false
	}
	// Lazy: what lies in the payload is not looked at. gopacket recovers from panics in its layers.
	frame := gopacket.NewPacket(data, link, gopacket.DecodeOptions{Lazy: true, NoCopy: true})
	p, ok := transport(frame)
	switch {
	case ok && !frame.Metadata().Truncated:
		return p, true
	case frame.Layer(gopacket.LayerTypeFragment) != nil || frame.Layer(layers.LayerTypeIPv6Fragment) != nil:
		r.skipped.Fragments++
	case frame.Metadata().Truncated:
		r.skipped.Cut++
	default:
		r.skipped.Other++
	}
	return Packet{}, false
}

// transport finds the first IP header of a frame and the UDP or TCP header behind it.
func transport(frame gopacket.Packet) (Packet, bool) {
	var p Packet
	var src, dst netip.Addr
	switch ip := frame.NetworkLayer().(type) {
	case *layers.IPv4:
		src, dst = addr(ip.SrcIP), addr(ip.DstIP)
	case *layers.IPv6:
		src, dst = addr(ip.SrcIP), addr(ip.DstIP)
	default:
		return p, false
	}
	var srcPort, dstPort uint16
	switch t := frame.TransportLayer().(type) {
	case *layers.UDP:
		p.Proto, p.Payload = UDP, t.Payload
		srcPort, dstPort = uint16(t.SrcPort), uint16(t.DstPort)
	case *layers.TCP:
		p.Proto, p.Payload = TCP, t.Payload
		srcPort, dstPort = uint16(t.SrcPort), uint16(t.DstPort)
		p.Seq, p.SYN, p.FIN, p.RST = t.Seq, t.SYN, t.FIN, t.RST
	default:
		return p, false
	}
	p.Src, p.Dst = netip.AddrPortFrom(src, srcPort), netip.AddrPortFrom(dst, dstPort)
	return p, src.IsValid() && dst.IsValid()
}

func addr(octets []byte) netip.Addr {
	a, _ := netip.AddrFromSlice(octets)
	return a.Unmap()
}
