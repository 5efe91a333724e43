package pcapfile

import (
	"bytes"
	"compress/gzip"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"reflect"
	"testing"
	"time"

	"github.com/gopacket/gopacket"
	"github.com/gopacket/gopacket/layers"
)

// readAll returns the packets of a file up to its end or error.
func readAll(t testing.TB, file []byte) ([]Packet, Skipped, error) {
	t.Helper()
	r, err := NewReader(bytes.NewReader(file))
	if err != nil {
		return nil, Skipped{}, err
	}
	var packets []Packet
	for {
		p, err := r.Next()
		if err != nil {
			return packets, r.Skipped(), err
		}
		packets = append(packets, p)
	}
}

func TestLinkTypes(t *testing.T) {
	for _, tc := range []struct {
		name  string
		link  layers.LinkType
		frame func([]byte) []byte
		no6   bool
	}{
		{name: "ethernet", link: layers.LinkTypeEthernet, frame: func(ip []byte) []byte { return ethernet(ip) }},
		{name: "vlan", link: layers.LinkTypeEthernet, frame: func(ip []byte) []byte { return ethernet(ip, 100) }},
		{name: "two vlans", link: layers.LinkTypeEthernet, frame: func(ip []byte) []byte { return ethernet(ip, 100, 200) }},
		{name: "cooked", link: layers.LinkTypeLinuxSLL, frame: sll},
		{name: "cooked, version 2", link: layers.LinkTypeLinuxSLL2, frame: sll2},
		{name: "raw", link: layers.LinkTypeRaw, frame: bytes.Clone},
		{name: "raw as DLT 12", link: 12, frame: bytes.Clone},
		{name: "raw as DLT 14", link: 14, frame: bytes.Clone},
		{name: "raw IPv4", link: layers.LinkTypeIPv4, frame: bytes.Clone, no6: true},
		{name: "loopback", link: layers.LinkTypeNull, frame: withHead(2, 0, 0, 0), no6: true},
		{name: "loopback, network order", link: layers.LinkTypeLoop, frame: withHead(0, 0, 0, 2), no6: true},
	} {
		t.Run(tc.name, func(t *testing.T) {
			frames := [][]byte{
				tc.frame(datagram(t, router, collector, "flows")),
				tc.frame(segment(t, router, collector, layers.TCP{Seq: 77, SYN: true}, "routes")),
			}
			want := []Packet{
				{Proto: UDP, Src: router, Dst: collector, Payload: []byte("flows")},
				{Proto: TCP, Src: router, Dst: collector, Payload: []byte("routes"), Seq: 77, SYN: true},
			}
			if !tc.no6 {
				frames = append(frames, tc.frame(datagram(t, router6, collect6, "six")))
				want = append(want, Packet{Proto: UDP, Src: router6, Dst: collect6, Payload: []byte("six")})
			}
			for i := range want {
				want[i].Time = start.Add(time.Duration(i) * time.Millisecond)
			}
			got, skipped, err := readAll(t, writePcap(t, tc.link, frames...))
			if !errors.Is(err, io.EOF) || skipped != (Skipped{}) {
				t.Errorf("ended with %v, %+v skipped", err, skipped)
			}
			if !reflect.DeepEqual(got, want) {
				t.Errorf("got\n%+v, want\n%+v", got, want)
			}
		})
	}
}

func TestFormats(t *testing.T) {
	frame := ethernet(datagram(t, router, collector, "flows"))
	pcap, ng := writePcap(t, layers.LinkTypeEthernet, frame), writeNg(t, layers.LinkTypeEthernet, frame)
	swapped := bytes.Clone(pcap)
	for _, at := range []int{0, 16, 20, 24, 28, 32, 36} {
		binary.BigEndian.PutUint32(swapped[at:], binary.LittleEndian.Uint32(pcap[at:]))
	}
	binary.BigEndian.PutUint16(swapped[4:], 2)
	binary.BigEndian.PutUint16(swapped[6:], 4)
	nano := bytes.Clone(pcap)
	binary.LittleEndian.PutUint32(nano, 0xa1b23c4d)
	zip := func(b []byte) []byte {
		var buf bytes.Buffer
		w := gzip.NewWriter(&buf)
		_, _ = w.Write(b)
		_ = w.Close()
		return buf.Bytes()
	}
	for _, tc := range []struct {
		name    string
		file    []byte
		time    time.Time
		skipped Skipped
	}{
		{"pcap", pcap, start, Skipped{}},
		{"pcap, other byte order", swapped, start, Skipped{}},
		{"pcap, nanoseconds", nano, time.Unix(1_700_000_000, 123_456).UTC(), Skipped{}},
		{"pcap, compressed", zip(pcap), start, Skipped{}},
		{"pcapng", ng, start, Skipped{Link: 1}},
		{"pcapng, compressed", zip(ng), start, Skipped{Link: 1}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			got, skipped, err := readAll(t, tc.file)
			if !errors.Is(err, io.EOF) || skipped != tc.skipped || len(got) != 1 {
				t.Fatalf("got %d packets, %+v skipped, error %v", len(got), skipped, err)
			}
			if !got[0].Time.Equal(tc.time) || string(got[0].Payload) != "flows" {
				t.Errorf("got %+v at %v, want time %v", got[0], got[0].Time, tc.time)
			}
		})
	}
}

func TestSkipped(t *testing.T) {
	ip := datagram(t, router, collector, "a datagram of which there is enough to cut")
	first, later := bytes.Clone(ip), bytes.Clone(ip)
	first[6], later[7] = 0x20, 9 // more fragments; offset
	arp := append(bytes.Repeat([]byte{2}, 12), 8, 6)
	icmp := serialize(t, network(router, collector, layers.IPProtocolICMPv4).(gopacket.SerializableLayer),
		&layers.ICMPv4{TypeCode: layers.CreateICMPv4TypeCode(8, 0)}, gopacket.Payload("ping"))
	for _, tc := range []struct {
		name  string
		frame []byte
		want  Skipped
	}{
		{"first fragment", ethernet(first), Skipped{Fragments: 1}},
		{"later fragment", ethernet(later), Skipped{Fragments: 1}},
		{"cut payload", ethernet(ip)[:62], Skipped{Cut: 1}},
		{"cut in the IP header", ethernet(ip)[:30], Skipped{Cut: 1}},
		{"cut in the UDP header", ethernet(ip)[:38], Skipped{Cut: 1}},
		{"arp", append(arp, make([]byte, 46)...), Skipped{Other: 1}},
		{"icmp", ethernet(icmp), Skipped{Other: 1}},
		{"nothing", nil, Skipped{Other: 1}},
		{"one octet", []byte{1}, Skipped{Other: 1}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			good := ethernet(datagram(t, router, collector, "good"))
			got, skipped, err := readAll(t, writePcap(t, layers.LinkTypeEthernet, good, tc.frame, good))
			if !errors.Is(err, io.EOF) || len(got) != 2 {
				t.Errorf("got %d packets and error %v, want the two good ones", len(got), err)
			}
			// What is too short for a header at all may count as cut.
			if skipped != tc.want && !(len(tc.frame) < 2 && skipped == Skipped{Cut: 1}) {
				t.Errorf("skipped %+v, want %+v", skipped, tc.want)
			}
		})
	}
}

// TestTruncatedAnywhere cuts a file at every octet: whole packets come out, and only a cut between packets is no error.
func TestTruncatedAnywhere(t *testing.T) {
	frame := ethernet(datagram(t, router, collector, "flows"))
	for name, file := range map[string][]byte{
		"pcap":   writePcap(t, layers.LinkTypeEthernet, frame, frame, frame),
		"pcapng": writeNg(t, layers.LinkTypeEthernet, frame, frame, frame),
	} {
		t.Run(name, func(t *testing.T) {
			ends := 0
			for n := range file {
				got, _, err := readAll(t, file[:n])
				switch {
				case errors.Is(err, io.EOF) && !errors.Is(err, ErrFormat):
					ends++
				case !errors.Is(err, ErrTruncated) && !errors.Is(err, ErrFormat):
					t.Fatalf("cut at %d: error %v", n, err)
				}
				if most := n / len(frame); len(got) > most {
					t.Fatalf("cut at %d: %d packets", n, len(got))
				}
			}
			if ends == 0 || ends > 8 {
				t.Errorf("%d of %d cuts were no error", ends, len(file))
			}
		})
	}
}

func TestOtherFiles(t *testing.T) {
	for name, tc := range map[string]struct {
		file []byte
		want error
	}{
		"empty":            {nil, ErrFormat},
		"text":             {[]byte("this is not a capture file at all, but a text"), ErrFormat},
		"compressed text":  {[]byte{0x1f, 0x8b, 8, 0, 0}, ErrFormat},
		"header alone":     {writePcap(t, layers.LinkTypeEthernet), io.EOF},
		"unsupported link": {writePcap(t, layers.LinkTypeIEEE802_11), ErrLinkType},
	} {
		t.Run(name, func(t *testing.T) {
			if _, _, err := readAll(t, tc.file); !errors.Is(err, tc.want) {
				t.Errorf("got %v, want %v", err, tc.want)
			}
		})
	}
}

// FuzzReader checks that any file ends, and that what it gives are packets.
func FuzzReader(f *testing.F) {
	frames := [][]byte{
		ethernet(datagram(f, router, collector, "flows"), 7),
		ethernet(segment(f, router6, collect6, layers.TCP{Seq: 1, ACK: true}, "routes")),
	}
	f.Add(writePcap(f, layers.LinkTypeEthernet, frames...))
	f.Add(writeNg(f, layers.LinkTypeEthernet, frames...))
	f.Add(writePcap(f, layers.LinkTypeLinuxSLL2, sll2(datagram(f, router, collector, "flows"))))
	f.Add(writePcap(f, layers.LinkTypeNull, append([]byte{2, 0, 0, 0}, datagram(f, router, collector, "x")...)))
	f.Fuzz(func(t *testing.T, file []byte) {
		packets, skipped, err := readAll(t, file)
		if err == nil {
			t.Fatal("no end")
		}
		if most := len(file)/8 + 1; len(packets)+skipped.Other+skipped.Cut > most && !bytes.HasPrefix(file, []byte{0x1f, 0x8b}) {
			t.Errorf("%d octets gave %d packets, %+v skipped", len(file), len(packets), skipped)
		}
		for _, p := range packets {
			if p.Proto != UDP && p.Proto != TCP || !p.Src.IsValid() || p.Src.Addr().Is4In6() || len(p.Payload) > len(file)*1100 {
				t.Errorf("odd packet %+v", p)
			}
		}
	})
}

func ExampleReader() {
	var file []byte // of os.ReadFile
	r, err := NewReader(bytes.NewReader(file))
	if err != nil {
		fmt.Println(err)
		return
	}
	perSource := map[netip.Addr]int{}
	for {
		p, err := r.Next()
		if err != nil {
			break // io.EOF, or ErrTruncated
		}
		perSource[p.Src.Addr()] += len(p.Payload)
	}
	// Output: not a pcap or pcapng file (EOF)
}
