package pcapfile

import (
	"bytes"
	"encoding/binary"
	"net"
	"net/netip"
	"testing"
	"time"

	"github.com/gopacket/gopacket"
	"github.com/gopacket/gopacket/layers"
	"github.com/gopacket/gopacket/pcapgo"
)

var (
	router    = netip.MustParseAddrPort("192.0.2.1:20")
	collector = netip.MustParseAddrPort("192.0.2.200:1790")
	router6   = netip.MustParseAddrPort("[2001:db8::1]:20")
	collect6  = netip.MustParseAddrPort("[2001:db8::200]:4739")
	start     = time.Unix(1_700_000_000, 123_456_000).UTC()
)

func serialize(t testing.TB, ls ...gopacket.SerializableLayer) []byte {
	t.Helper()
	buf := gopacket.NewSerializeBuffer()
	opts := gopacket.SerializeOptions{FixLengths: true, ComputeChecksums: true}
	if err := gopacket.SerializeLayers(buf, opts, ls...); err != nil {
		t.Fatal(err)
	}
	return bytes.Clone(buf.Bytes())
}

// network gives the IP header between two addresses.
func network(src, dst netip.AddrPort, proto layers.IPProtocol) gopacket.NetworkLayer {
	if src.Addr().Is4() {
		return &layers.IPv4{
			Version: 4, TTL: 64, Protocol: proto, SrcIP: src.Addr().AsSlice(), DstIP: dst.Addr().AsSlice(),
		}
	}
	return &layers.IPv6{
		Version: 6, HopLimit: 64, NextHeader: proto, SrcIP: src.Addr().AsSlice(), DstIP: dst.Addr().AsSlice(),
	}
}

// datagram gives an IP packet with a UDP payload.
func datagram(t testing.TB, src, dst netip.AddrPort, payload string) []byte {
	t.Helper()
	ip := network(src, dst, layers.IPProtocolUDP)
	udp := &layers.UDP{SrcPort: layers.UDPPort(src.Port()), DstPort: layers.UDPPort(dst.Port())}
	if err := udp.SetNetworkLayerForChecksum(ip); err != nil {
		t.Fatal(err)
	}
	return serialize(t, ip.(gopacket.SerializableLayer), udp, gopacket.Payload(payload))
}

// segment gives an IP packet with a TCP payload.
func segment(t testing.TB, src, dst netip.AddrPort, tcp layers.TCP, payload string) []byte {
	t.Helper()
	ip := network(src, dst, layers.IPProtocolTCP)
	tcp.SrcPort, tcp.DstPort = layers.TCPPort(src.Port()), layers.TCPPort(dst.Port())
	if err := tcp.SetNetworkLayerForChecksum(ip); err != nil {
		t.Fatal(err)
	}
	return serialize(t, ip.(gopacket.SerializableLayer), &tcp, gopacket.Payload(payload))
}

// ethernet puts an IP packet into a frame, with VLAN tags and padding to 60 octets.
func ethernet(ip []byte, tags ...uint16) []byte {
	frame := bytes.Repeat([]byte{0x02}, 12)
	for _, tag := range tags {
		frame = binary.BigEndian.AppendUint16(frame, 0x8100)
		frame = binary.BigEndian.AppendUint16(frame, tag)
	}
	frame = binary.BigEndian.AppendUint16(frame, etherType(ip))
	frame = append(frame, ip...)
	for len(frame) < 60 {
		frame = append(frame, 0xee)
	}
	return frame
}

func etherType(ip []byte) uint16 {
	if ip[0]>>4 == 6 {
		return 0x86dd
	}
	return 0x0800
}

// sll and sll2 put an IP packet behind the headers of Linux's "any" interface.
func sll(ip []byte) []byte {
	return append(binary.BigEndian.AppendUint16([]byte{0, 0, 0, 1, 0, 6, 2, 2, 2, 2, 2, 2, 0, 0}, etherType(ip)), ip...)
}

func sll2(ip []byte) []byte {
	head := append(binary.BigEndian.AppendUint16(nil, etherType(ip)), 0, 0, 0, 0, 0, 2, 0, 1, 0, 6, 2, 2, 2, 2, 2, 2, 0, 0)
	return append(head, ip...)
}

func withHead(head ...byte) func([]byte) []byte {
	return func(ip []byte) []byte { return append(head, ip...) }
}

// writePcap gives a capture file with frames a millisecond apart.
func writePcap(t testing.TB, link layers.LinkType, frames ...[]byte) []byte {
	t.Helper()
	var buf bytes.Buffer
	w := pcapgo.NewWriter(&buf)
	if err := w.WriteFileHeader(65535, link); err != nil {
		t.Fatal(err)
	}
	for i, f := range frames {
		info := gopacket.CaptureInfo{Timestamp: start.Add(time.Duration(i) * time.Millisecond), CaptureLength: len(f), Length: len(f)}
		if err := w.WritePacket(info, f); err != nil {
			t.Fatal(err)
		}
	}
	return buf.Bytes()
}

// writeNg gives a capture file of two interfaces, the second of a link type that cannot be read.
func writeNg(t testing.TB, link layers.LinkType, frames ...[]byte) []byte {
	t.Helper()
	var buf bytes.Buffer
	w, err := pcapgo.NewNgWriter(&buf, link)
	if err != nil {
		t.Fatal(err)
	}
	second, err := w.AddInterface(pcapgo.NgInterface{LinkType: layers.LinkTypeIEEE802_11})
	if err != nil {
		t.Fatal(err)
	}
	for i, f := range frames {
		info := gopacket.CaptureInfo{Timestamp: start.Add(time.Duration(i) * time.Millisecond), CaptureLength: len(f), Length: len(f)}
		if err := w.WritePacket(info, f); err != nil {
			t.Fatal(err)
		}
	}
	info := gopacket.CaptureInfo{Timestamp: start, CaptureLength: 4, Length: 4, InterfaceIndex: second}
	if err := w.WritePacket(info, net.IPv4zero.To4()); err != nil {
		t.Fatal(err)
	}
	if err := w.Flush(); err != nil {
		t.Fatal(err)
	}
	return buf.Bytes()
}
