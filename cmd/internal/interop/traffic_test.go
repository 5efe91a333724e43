package interop

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"syscall"
	"testing"

	"github.com/gopacket/gopacket"
	"github.com/gopacket/gopacket/layers"
	"golang.org/x/sys/unix"

	"github.com/telcol/telcol/cmd/internal/daemons"
)

// key is what tells flows apart.
type key struct {
	src, dst netip.AddrPort
	proto    uint8
}

func (k key) String() string { return fmt.Sprintf("%v > %v proto %d", k.src, k.dst, k.proto) }

// volume is what was seen of a flow: octets of IP packets, without the link's header.
type volume struct{ bytes, packets uint64 }

// volumes is the traffic of all flows, however many records tell it.
type volumes map[key]volume

func (v volumes) add(k key, more volume) {
	sum := v[k]
	v[k] = volume{sum.bytes + more.bytes, sum.packets + more.packets}
}

func (v volumes) total() (sum volume) {
	for _, one := range v {
		sum.bytes += one.bytes
		sum.packets += one.packets
	}
	return sum
}

// check compares with what is right, flow by flow.
func (v volumes) check(t *testing.T, who string, want volumes) {
	t.Helper()
	for k, w := range want {
		if got, ok := v[k]; got != w {
			t.Errorf("%s: %v: got %d bytes in %d packets (known: %v), want %d in %d", who, k, got.bytes, got.packets, ok, w.bytes, w.packets)
		}
	}
	for k, got := range v {
		if _, ok := want[k]; !ok {
			t.Errorf("%s: %v: %d bytes in %d packets that nobody sent", who, k, got.bytes, got.packets)
		}
	}
}

// flow is packets to send, all alike.
type flow struct {
	key
	packets int
	payload int // octets behind the transport header
}

// The ends of the traffic. Neither is an address of the machine: frames go through a veth pair as they are.
var (
	macA, macB = net.HardwareAddr{2, 0, 0, 0, 0, 0xa}, net.HardwareAddr{2, 0, 0, 0, 0, 0xb}

	hostA, hostB   = netip.MustParseAddr("192.0.2.1"), netip.MustParseAddr("198.51.100.2")
	hostA6, hostB6 = netip.MustParseAddr("2001:db8:a::1"), netip.MustParseAddr("2001:db8:b::2")
)

// someTraffic is UDP and TCP over both families, both ways, in flows of different sizes. No packet is so short that the link
// pads it: exporters differ in whether they count that.
func someTraffic() []flow {
	var flows []flow
	for i := range 10 {
		n := uint16(i)
		for _, ends := range [][2]netip.Addr{{hostA, hostB}, {hostB, hostA}, {hostA6, hostB6}} {
			flows = append(flows,
				flow{key{netip.AddrPortFrom(ends[0], 1000+n), netip.AddrPortFrom(ends[1], 2000+n), unix.IPPROTO_UDP}, 1 + i, 20 + 100*i},
				flow{key{netip.AddrPortFrom(ends[0], 3000+n), netip.AddrPortFrom(ends[1], 443), unix.IPPROTO_TCP}, 2 + i, 1400 - 100*i})
		}
	}
	return flows
}

// frame gives one Ethernet frame of the flow and the octets of its IP packet.
func (f flow) frame(t testing.TB) ([]byte, uint64) {
	t.Helper()
	src, dst := macA, macB
	if f.src.Addr() == hostB || f.src.Addr() == hostB6 {
		src, dst = macB, macA
	}
	eth := &layers.Ethernet{SrcMAC: src, DstMAC: dst, EthernetType: layers.EthernetTypeIPv4}
	var ip gopacket.NetworkLayer = &layers.IPv4{
		Version: 4, TTL: 64, Protocol: layers.IPProtocol(f.proto), SrcIP: f.src.Addr().AsSlice(), DstIP: f.dst.Addr().AsSlice(),
	}
	if f.src.Addr().Is6() {
		eth.EthernetType = layers.EthernetTypeIPv6
		ip = &layers.IPv6{
			Version: 6, HopLimit: 64, NextHeader: layers.IPProtocol(f.proto), SrcIP: f.src.Addr().AsSlice(), DstIP: f.dst.Addr().AsSlice(),
		}
	}
	var transport gopacket.SerializableLayer
	var err error
	switch f.proto {
	case unix.IPPROTO_UDP:
		udp := &layers.UDP{SrcPort: layers.UDPPort(f.src.Port()), DstPort: layers.UDPPort(f.dst.Port())}
		transport, err = udp, udp.SetNetworkLayerForChecksum(ip)
	default:
		tcp := &layers.TCP{SrcPort: layers.TCPPort(f.src.Port()), DstPort: layers.TCPPort(f.dst.Port()), ACK: true, Window: 1000}
		transport, err = tcp, tcp.SetNetworkLayerForChecksum(ip)
	}
	if err != nil {
		t.Fatal(err)
	}
	buf := gopacket.NewSerializeBuffer()
	opts := gopacket.SerializeOptions{FixLengths: true, ComputeChecksums: true}
	payload := gopacket.Payload(make([]byte, f.payload))
	if err := gopacket.SerializeLayers(buf, opts, eth, ip.(gopacket.SerializableLayer), transport, payload); err != nil {
		t.Fatal(err)
	}
	return buf.Bytes(), uint64(len(buf.Bytes()) - 14)
}

// wire sends frames through a veth pair: they come in at its other end.
type wire struct {
	fd   int
	sent volumes
}

// newWire makes a veth pair and sends into the end that is called as the other with an x behind.
func newWire(t *testing.T, end string) *wire {
	t.Helper()
	daemons.Run(t, "ip", "link", "add", end, "type", "veth", "peer", "name", end+"x")
	for _, name := range []string{end, end + "x"} {
		// The machine itself is to send nothing: no neighbour discovery, no multicast reports.
		if err := os.WriteFile("/proc/sys/net/ipv6/conf/"+name+"/disable_ipv6", []byte("1"), 0o644); err != nil {
			t.Fatal(err)
		}
		daemons.Run(t, "ip", "link", "set", name, "up")
	}
	link, err := net.InterfaceByName(end + "x")
	if err != nil {
		t.Fatal(err)
	}
	fd, err := unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { unix.Close(fd) })
	if err := unix.Bind(fd, &unix.SockaddrLinklayer{Ifindex: link.Index}); err != nil {
		t.Fatal(err)
	}
	return &wire{fd: fd, sent: make(volumes)}
}

// send sends the packets of flows, one of each in turn, and counts them.
func (w *wire) send(t testing.TB, flows ...flow) {
	t.Helper()
	for i, more := 0, true; more; i++ {
		more = false
		for _, f := range flows {
			if i >= f.packets {
				continue
			}
			more = true
			frame, octets := f.frame(t)
			if _, err := unix.Write(w.fd, frame); err != nil && !errors.Is(err, syscall.ENOBUFS) {
				t.Fatal(err)
			} else if err == nil {
				w.sent.add(f.key, volume{octets, 1})
			}
		}
	}
}
