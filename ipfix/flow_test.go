package ipfix

import (
	"net/netip"
	"reflect"
	"testing"
)

func TestFlowFields(t *testing.T) {
	mac := [6]byte{2, 0, 0, 0, 0, 1}
	mac2 := [6]byte{2, 0, 0, 0, 0, 2}
	cases := []struct {
		name   string
		record []hexField
		want   Flow
	}{
		{
			"addresses, ports, counters",
			[]hexField{a(8, "192.0.2.1"), a(12, "192.0.2.2"), u(7, 2, 1024), u(11, 2, 443), u(4, 1, 6), u(1, 8, 1500), u(2, 8, 3), u(6, 1, 0x12)},
			Flow{Has: FieldSrcAddr | FieldDstAddr | FieldSrcPort | FieldDstPort | FieldProto | FieldBytes | FieldPackets | FieldTCPFlags, Src: addr("192.0.2.1"), Dst: addr("192.0.2.2"), SrcPort: 1024, DstPort: 443, Proto: 6, Bytes: 1500, Packets: 3, TCPFlags: 0x12},
		},
		{
			"reduced sizes",
			[]hexField{u(1, 3, 70000), u(2, 5, 1<<33), u(10, 2, 9), u(14, 1, 8), u(16, 2, 64496), u(89, 1, 64), u(6, 2, 0x112)},
			Flow{Has: FieldBytes | FieldPackets | FieldInIf | FieldOutIf | FieldSrcAS | FieldForwarding | FieldTCPFlags, Bytes: 70000, Packets: 1 << 33, InIf: 9, OutIf: 8, SrcAS: 64496, Forwarding: 64, TCPFlags: 0x112},
		},
		{
			"numbers longer than their field",
			[]hexField{u(7, 4, 443), u(4, 2, 17)},
			Flow{Has: FieldSrcPort | FieldProto, SrcPort: 443, Proto: 17},
		},
		{
			"mapped address",
			[]hexField{a(27, "::ffff:192.0.2.1"), a(28, "2001:db8::1")},
			Flow{Has: FieldSrcAddr | FieldDstAddr, Src: addr("192.0.2.1"), Dst: addr("2001:db8::1")},
		},
		{
			"address of a wrong length is none",
			[]hexField{o(8, 1, 2, 3), o(27, 1, 2), u(1, 4, 5)},
			Flow{Has: FieldBytes, Bytes: 5},
		},
		{
			"fallbacks",
			[]hexField{u(85, 8, 7), u(86, 8, 2), u(182, 2, 1), u(183, 2, 2), o(81, mac[:]...), o(57, mac2[:]...), u(243, 2, 12), u(254, 2, 13)},
			Flow{Has: FieldBytes | FieldPackets | FieldSrcPort | FieldDstPort | FieldSrcMAC | FieldDstMAC | FieldSrcVLAN | FieldDstVLAN, Bytes: 7, Packets: 2, SrcPort: 1, DstPort: 2, SrcMAC: mac, DstMAC: mac2, SrcVLAN: 12, DstVLAN: 13},
		},
		{
			"first choice wins over a fallback, in any order",
			[]hexField{u(352, 8, 99), u(1, 8, 7), u(23, 8, 5), u(24, 8, 6), u(2, 8, 4), o(56, mac[:]...), o(81, mac2[:]...), u(58, 2, 1), u(243, 2, 2)},
			Flow{Has: FieldBytes | FieldPackets | FieldSrcMAC | FieldSrcVLAN, Bytes: 7, Packets: 4, SrcMAC: mac, SrcVLAN: 1},
		},
		{
			"icmp in one",
			[]hexField{u(32, 2, 0x0803), u(4, 1, 1)},
			Flow{Has: FieldICMPType | FieldICMPCode | FieldProto, ICMPType: 8, ICMPCode: 3, Proto: 1},
		},
		{
			"icmp of another protocol says nothing",
			[]hexField{u(32, 2, 0x0803), u(4, 1, 17)},
			Flow{Has: FieldProto, Proto: 17},
		},
		{
			"icmp in two",
			[]hexField{u(178, 1, 128), u(179, 1, 1), u(139, 2, 0x0102)},
			Flow{Has: FieldICMPType | FieldICMPCode, ICMPType: 128, ICMPCode: 1},
		},
		{
			"layer 2 and what follows",
			[]hexField{u(60, 1, 4), u(256, 2, 0x86dd), u(5, 1, 0xb8), u(192, 1, 63), u(244, 1, 5), u(46, 1, 4), u(136, 1, 2), u(61, 1, 1)},
			Flow{Has: FieldIPVersion | FieldEtherType | FieldTOS | FieldTTL | FieldCoS | FieldMPLSTopType | FieldEndReason | FieldDirection, IPVersion: 4, EtherType: 0x86dd, TOS: 0xb8, TTL: 63, CoS: 5, MPLSTopType: 4, EndReason: 2, Direction: 1},
		},
		{
			"ethertype of a wrong length is none",
			[]hexField{u(256, 4, 0x800), u(1, 4, 1)},
			Flow{Has: FieldBytes, Bytes: 1},
		},
		{
			"vrf and rd",
			[]hexField{u(234, 4, 0x60000002), u(235, 4, 3), u(90, 8, 0x0002fbf00036000e)},
			Flow{Has: FieldIngressVRF | FieldEgressVRF | FieldRD, IngressVRF: 0x60000002, EgressVRF: 3, RD: 0x0002fbf00036000e},
		},
		{
			"translation",
			[]hexField{a(225, "192.0.2.1"), a(226, "192.0.2.2"), u(227, 2, 1), u(228, 2, 2), u(230, 1, 4)},
			Flow{Has: FieldNATSrc | FieldNATDst | FieldNATSrcPort | FieldNATDstPort | FieldNATEvent, NATSrc: addr("192.0.2.1"), NATDst: addr("192.0.2.2"), NATSrcPort: 1, NATDstPort: 2, NATEvent: 4},
		},
		{
			"next hops of both families: the one that is set",
			[]hexField{a(15, "0.0.0.0"), a(62, "2001:db8::1"), a(63, "::"), a(18, "192.0.2.9")},
			Flow{Has: FieldNextHop | FieldBGPNextHop, NextHop: addr("2001:db8::1"), BGPNextHop: addr("192.0.2.9")},
		},
		{
			"masks and flow label of the family",
			[]hexField{a(27, "2001:db8::1"), a(28, "2001:db8::2"), u(29, 1, 64), u(30, 1, 48), u(9, 1, 24), u(13, 1, 16), u(31, 3, 0xf96e6)},
			Flow{Has: FieldSrcAddr | FieldDstAddr | FieldSrcMask | FieldDstMask | FieldFlowLabel, Src: addr("2001:db8::1"), Dst: addr("2001:db8::2"), SrcMask: 64, DstMask: 48, FlowLabel: 0xf96e6},
		},
		{
			"repeated element: the last",
			[]hexField{u(4, 1, 17), u(4, 1, 6), u(7, 2, 1), u(7, 2, 2)},
			Flow{Has: FieldProto | FieldSrcPort, Proto: 6, SrcPort: 2},
		},
		{
			"segments",
			[]hexField{vary(497, append(sixteen(1), sixteen(2)...)...), u(2, 4, 1)},
			Flow{Has: FieldPackets, Packets: 1, SRv6Segments: []netip.Addr{netip.AddrFrom16([16]byte(sixteen(1))), netip.AddrFrom16([16]byte(sixteen(2)))}},
		},
		{
			"segments in a list",
			[]hexField{vary(496, append([]byte{4, 1, 0xee, 0, 16}, sixteen(1)...)...), u(2, 4, 1)},
			Flow{Has: FieldPackets, Packets: 1, SRv6Segments: []netip.Addr{netip.AddrFrom16([16]byte(sixteen(1)))}},
		},
		{
			"list of something else",
			[]hexField{vary(496, 4, 0, 1, 0, 4, 0, 0, 0, 9), u(2, 4, 1)},
			Flow{Has: FieldPackets, Packets: 1},
		},
		{
			"segments of an odd length are none",
			[]hexField{vary(497, sixteen(1)[:15]...), u(2, 4, 1)},
			Flow{Has: FieldPackets, Packets: 1},
		},
		{
			"fields behind fields of variable length",
			[]hexField{u(1, 4, 1), vary(371, 'x', 'y'), a(8, "192.0.2.1"), vary(236), u(2, 8, 9), vary(7, 1, 187)},
			Flow{Has: FieldBytes | FieldSrcAddr | FieldPackets | FieldSrcPort, Bytes: 1, Src: addr("192.0.2.1"), Packets: 9, SrcPort: 443},
		},
		{
			"field of no length",
			[]hexField{o(4), u(2, 1, 1)},
			Flow{Has: FieldPackets, Packets: 1},
		},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			got := decode(t, newTestSession(t, Config{}), one(t, VersionIPFIX, c.record...))
			if len(got) != 1 {
				t.Fatalf("%d flows", len(got))
			}
			wantFlow(t, got[0], c.want)
		})
	}
}

// sixteen is an address of one number.
func sixteen(n byte) []byte { return append(make([]byte, 15), n) }

func TestFlowHeader(t *testing.T) {
	s := newTestSession(t, Config{})
	msg := buildMessage(t, VersionIPFIX, 5, func(b *Builder) {
		b.Template(300, fields(2, 4)...)
		b.Set(300)
		b.Uint(1, 4)
		b.Uint(2, 4)
	})
	for i, f := range decode(t, s, msg) {
		if f.Options != s.Tables().Domain(7) || f.Record.Len() != 1 || string(f.Record.Value(0)) != string([]byte{0, 0, 0, byte(i + 1)}) {
			t.Errorf("record %d: options %p, record %+v", i, f.Options, f.Record)
		}
		f.Record, f.Options, f.MPLSLabels, f.SRv6Segments = Record{}, nil, nil, nil
		want := Flow{
			Version: VersionIPFIX, TemplateID: 300, Domain: 7, Sequence: 5, ExportTime: export,
			Position: uint32(len(msg) - 8 + 4*i), Has: FieldPackets, Packets: uint64(i + 1),
		}
		if !reflect.DeepEqual(f, want) {
			t.Errorf("got  %+v\nwant %+v", f, want)
		}
	}
}

// TestFlowForgets decodes records of different templates in turn: nothing of one shows in the next.
func TestFlowForgets(t *testing.T) {
	s := newTestSession(t, Config{})
	got := decode(t, s, buildMessage(t, VersionIPFIX, 0, func(b *Builder) {
		b.Template(300, fields(2, 4, 70, 3, 152, 8, 34, 4, 32, 2, 4, 1)...)
		b.Template(301, fields(1, 4, 10, 4)...)
		b.Set(300)
		write := func(packets, label, ms, rate, icmp, proto uint64) {
			b.Uint(packets, 4)
			b.Uint(label, 3)
			b.Uint(ms, 8)
			b.Uint(rate, 4)
			b.Uint(icmp, 2)
			b.Uint(proto, 1)
		}
		write(1, 0x000141, 1_700_000_000_000, 10, 0x0800, 1)
		write(2, 0, 0, 0, 0x0800, 6)
		b.Set(301)
		b.Uint(9, 4)
		b.Uint(8, 4)
		b.Set(300)
		write(3, 0, 0, 0, 0, 6)
	}))
	if len(got) != 4 {
		t.Fatalf("%d flows", len(got))
	}
	wantFlow(t, got[0], Flow{
		Has:     FieldPackets | FieldStart | FieldSamplingRate | FieldICMPType | FieldICMPCode | FieldProto,
		Packets: 1, MPLSLabels: []uint32{20}, Start: export, SamplingRate: 10, ICMPType: 8, Proto: 1,
	})
	wantFlow(t, got[1], Flow{Has: FieldPackets | FieldProto, Packets: 2, Proto: 6})
	wantFlow(t, got[2], Flow{Has: FieldBytes | FieldInIf, Bytes: 9, InIf: 8})
	wantFlow(t, got[3], Flow{Has: FieldPackets | FieldProto, Packets: 3, Proto: 6})
}

func TestLabels(t *testing.T) {
	cases := []struct {
		name    string
		entries []uint64
		want    []uint32
	}{
		{"to the bottom of the stack", []uint64{0x03ec10, 0x03ea11, 0x123450}, []uint32{16065, 16033}},
		{"to a zero label", []uint64{0x03ec10, 0, 0x03ea11}, []uint32{16065}},
		{"none", []uint64{0, 0, 0}, nil},
		{"explicit null on top", []uint64{0, 0x03ea11, 0}, []uint32{0, 16033}},
		{"explicit null alone", []uint64{1, 0, 0}, []uint32{0}},
		{"full", []uint64{0x000110, 0x000120, 0x000130}, []uint32{17, 18, 19}},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			// The template gives the entries in another order than the stack's.
			got := decode(t, newTestSession(t, Config{}), one(t, VersionIPFIX, u(72, 3, c.entries[2]), u(71, 3, c.entries[1]), u(70, 3, c.entries[0])))
			wantFlow(t, got[0], Flow{MPLSLabels: c.want})
		})
	}
}

// A biflow (RFC 5103) is one flow with two counters of the other direction; the rest of that direction is extra, by name.
func TestBiflow(t *testing.T) {
	reverse := func(id, octets uint16, n uint64) hexField {
		f := u(id, octets, n)
		f.pen = enterpriseReverse
		return f
	}
	for _, tc := range []struct {
		name           string
		fields         []hexField
		bytes, packets uint64
		has            FieldSet
		extra          string
	}{
		{
			"deltas",
			[]hexField{u(1, 4, 10), reverse(1, 8, 70), u(2, 4, 1), reverse(2, 2, 7), reverse(6, 1, 18)},
			70, 7,
			FieldBytes | FieldPackets | FieldReverseBytes | FieldReversePackets, `{"reverseTcpControlBits":18}`,
		},
		{"totals", []hexField{reverse(85, 8, 70), reverse(86, 8, 7)}, 70, 7, FieldReverseBytes | FieldReversePackets, `{}`},
		{
			"deltas before totals",
			[]hexField{reverse(85, 8, 9000), reverse(1, 8, 70), reverse(24, 8, 5), reverse(23, 8, 6), reverse(352, 8, 8)},
			70, 5,
			FieldReverseBytes | FieldReversePackets,
			`{"reverseOctetTotalCount":9000,"reversePostOctetDeltaCount":6,"reverseLayer2OctetDeltaCount":8}`,
		},
		{"a counter of variable length", []hexField{{id: 1, len: variableLength, pen: enterpriseReverse, value: []byte{7}}}, 0, 0, 0, `{"reverseOctetDeltaCount":7}`},
		{"one way", []hexField{u(1, 4, 10), reverse(8, 4, 1)}, 0, 0, FieldBytes, `{"reverseSourceIPv4Address":"0.0.0.1"}`},
	} {
		t.Run(tc.name, func(t *testing.T) {
			f := decode(t, newTestSession(t, Config{}), one(t, VersionIPFIX, tc.fields...))[0]
			if octets, packets := f.Reverse(); octets != tc.bytes || packets != tc.packets || f.Has != tc.has {
				t.Errorf("got %d octets and %d packets, fields %#x, want %d, %d, %#x", octets, packets, f.Has, tc.bytes, tc.packets, tc.has)
			}
			if got := string(f.Record.AppendObject(nil, f.Record.Extra())); got != tc.extra {
				t.Errorf("extra %s, want %s", got, tc.extra)
			}
		})
	}
}

// Flows are used again, with the fields of one record in them when the next of its template comes.
func TestFlowForgetsTheRecordBefore(t *testing.T) {
	segment := []byte(addr("2001:db8::5").AsSlice())
	list := append([]byte{3, 0x01, 0xee, 0, 16}, segment...) // of 494
	for _, tc := range []struct {
		name    string
		records [][]hexField // of one template, each in a message of its own
		want    []Flow
	}{
		{
			"labels",
			[][]hexField{{u(70, 3, 0x000110), u(71, 3, 0x000121)}, {u(70, 3, 0x000131), u(71, 3, 0)}, {u(70, 3, 0), u(71, 3, 0)}},
			[]Flow{{MPLSLabels: []uint32{17, 18}}, {MPLSLabels: []uint32{19}}, {}},
		},
		{
			"a field of variable length that is not there",
			[][]hexField{{{id: 7, len: variableLength, value: []byte{0, 80}}}, {{id: 7, len: variableLength}}, {{id: 7, len: variableLength, value: make([]byte, 9)}}},
			[]Flow{{Has: FieldSrcPort, SrcPort: 80}, {}, {}},
		},
		{
			"segments",
			[][]hexField{{vary(496, list...)}, {vary(496, list[:5]...)}, {vary(496, 3, 0, 7, 0, 2)}, {vary(496, list...)}},
			[]Flow{{SRv6Segments: []netip.Addr{addr("2001:db8::5")}}, {}, {}, {SRv6Segments: []netip.Addr{addr("2001:db8::5")}}},
		},
		{
			"a segment list that is none",
			[][]hexField{{vary(496, 3, 0x01, 0xee)}, {vary(496, append([]byte{3, 0x01, 0xee, 0, 15}, segment...)...)}, {vary(496)}},
			[]Flow{{}, {}, {}},
		},
		{
			"next hops of both families",
			[][]hexField{{a(15, "192.0.2.1"), a(62, "::")}, {a(15, "0.0.0.0"), a(62, "2001:db8::1")}, {a(15, "0.0.0.0"), a(62, "::")}},
			[]Flow{{Has: FieldNextHop, NextHop: addr("192.0.2.1")}, {Has: FieldNextHop, NextHop: addr("2001:db8::1")}, {Has: FieldNextHop, NextHop: addr("0.0.0.0")}},
		},
		{"type and code of ICMP without a protocol", [][]hexField{{u(32, 2, 0x0305)}}, []Flow{{Has: FieldICMPType | FieldICMPCode, ICMPType: 3, ICMPCode: 5}}},
		{
			"times",
			[][]hexField{{u(152, 8, uint64(export/1e6)), u(153, 8, uint64(export/1e6))}, {u(152, 8, 0), u(153, 8, 0)}},
			[]Flow{{Has: FieldStart | FieldEnd, Start: export, End: export}, {}},
		},
		{
			"start of the system in the record",
			[][]hexField{{u(22, 4, 1000), u(160, 8, 1_699_000_000_000)}, {u(22, 4, 1000), u(160, 8, 0)}},
			[]Flow{{Has: FieldStart, Start: 1_699_000_001_000 * 1e6}, {}},
		},
	} {
		t.Run(tc.name, func(t *testing.T) {
			s := newTestSession(t, Config{})
			for i, r := range tc.records {
				for _, f := range decode(t, s, one(t, VersionIPFIX, r...)) {
					wantFlow(t, f, tc.want[i])
				}
			}
			if s.DataRecords != uint64(len(tc.want)) {
				t.Errorf("%d records, want %d", s.DataRecords, len(tc.want))
			}
		})
	}
}
