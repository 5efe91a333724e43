package ipfix

import "testing"

func TestTunnels(t *testing.T) {
	outer := func(proto uint64) []hexField {
		return []hexField{a(27, "2001:db8:91::1"), a(28, "2001:db8:90:e002::"), u(31, 4, 0xa665), u(7, 2, 0), u(11, 2, 0), u(4, 1, proto), u(5, 1, 1), u(29, 1, 64), u(30, 1, 48)}
	}
	const both = FieldSrcAddr | FieldDstAddr | FieldSrcPort | FieldDstPort | FieldProto | FieldTOS
	const tunnel = FieldTunnelSrc | FieldTunnelDst | FieldTunnelProto
	cases := []struct {
		name   string
		record []hexField
		want   Flow
	}{
		{
			"IPv4 in IPv6",
			append(outer(4), a(8, "192.0.2.13"), a(12, "192.0.2.12"), u(7, 2, 1111), u(11, 2, 2222), u(4, 1, 17), u(5, 1, 2)),
			Flow{
				Has: both | tunnel | FieldTunnelTOS, Src: addr("192.0.2.13"), Dst: addr("192.0.2.12"), SrcPort: 1111, DstPort: 2222, Proto: 17, TOS: 2,
				TunnelSrc: addr("2001:db8:91::1"), TunnelDst: addr("2001:db8:90:e002::"), TunnelProto: 4, TunnelTOS: 1,
			},
		},
		{
			"IPv6 in IPv6",
			append(outer(41), a(27, "2001:db8::13"), a(28, "2001:db8::12"), u(7, 2, 1111), u(11, 2, 2222), u(4, 1, 17), u(5, 1, 2), u(31, 4, 7)),
			Flow{
				Has: both | tunnel | FieldTunnelTOS | FieldTunnelLabel | FieldFlowLabel, Src: addr("2001:db8::13"), Dst: addr("2001:db8::12"), SrcPort: 1111, DstPort: 2222, Proto: 17, TOS: 2, FlowLabel: 7,
				TunnelSrc: addr("2001:db8:91::1"), TunnelDst: addr("2001:db8:90:e002::"), TunnelProto: 41, TunnelTOS: 1, TunnelLabel: 0xa665,
			},
		},
		{
			"Ethernet inside: the outer packet alone",
			append(outer(143), a(8, "192.0.2.13"), a(12, "192.0.2.12"), u(7, 2, 1111), u(11, 2, 2222), u(4, 1, 17), u(5, 1, 2)),
			Flow{
				Has: both | FieldFlowLabel | FieldSrcMask | FieldDstMask, Src: addr("2001:db8:91::1"), Dst: addr("2001:db8:90:e002::"), Proto: 143, TOS: 1, FlowLabel: 0xa665, SrcMask: 64, DstMask: 48,
			},
		},
		{
			"nothing inside",
			append(outer(4), a(8, "0.0.0.0"), a(12, "0.0.0.0"), u(7, 2, 0), u(11, 2, 0), u(4, 1, 0), u(5, 1, 0)),
			Flow{
				Has: both | FieldFlowLabel | FieldSrcMask | FieldDstMask, Src: addr("2001:db8:91::1"), Dst: addr("2001:db8:90:e002::"), Proto: 4, TOS: 1, FlowLabel: 0xa665, SrcMask: 64, DstMask: 48,
			},
		},
		{
			"IPv6 in IPv4, with a name in front",
			[]hexField{vary(82, 'e', '0'), a(8, "192.0.2.1"), a(12, "192.0.2.2"), u(4, 1, 41), a(27, "2001:db8::1"), a(28, "2001:db8::2"), u(4, 1, 6), u(29, 1, 60)},
			Flow{
				Has: FieldSrcAddr | FieldDstAddr | FieldProto | tunnel | FieldSrcMask, Src: addr("2001:db8::1"), Dst: addr("2001:db8::2"), Proto: 6, SrcMask: 60,
				TunnelSrc: addr("192.0.2.1"), TunnelDst: addr("192.0.2.2"), TunnelProto: 41,
			},
		},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			got := decode(t, newTestSession(t, Config{}), one(t, VersionIPFIX, c.record...))
			wantFlow(t, got[0], c.want)
		})
	}
}

func TestFamilies(t *testing.T) {
	v4, v6 := []string{"192.0.2.1", "192.0.2.2"}, []string{"2001:db8::1", "64:ff9b::1"}
	none4, none6 := []string{"0.0.0.0", "0.0.0.0"}, []string{"::", "::"}
	cases := []struct {
		name    string
		v6, v4  []string
		version uint64 // 0: no such field
		want    []string
	}{
		{"only IPv4 set", none6, v4, 0, v4},
		{"only IPv6 set", v6, none4, 0, v6},
		{"both set: the first in the template", v6, v4, 0, v6},
		{"both set, version 4", v6, v4, 4, v4},
		{"none set", none6, none4, 0, none6},
		{"unknown version", none6, v4, 9, v4},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			record := []hexField{a(27, c.v6[0]), a(28, c.v6[1]), a(8, c.v4[0]), a(12, c.v4[1]), u(9, 1, 24), u(29, 1, 64), u(4, 1, 4)}
			if c.version > 0 {
				record = append(record, u(60, 1, c.version))
			}
			f := decode(t, newTestSession(t, Config{}), one(t, VersionIPFIX, record...))[0]
			if f.Src != addr(c.want[0]) || f.Dst != addr(c.want[1]) || f.TunnelSrc.IsValid() || f.Proto != 4 {
				t.Errorf("got %v to %v, want %v", f.Src, f.Dst, c.want)
			}
			if want := map[bool]uint8{true: 24, false: 64}[f.Src.Is4()]; f.SrcMask != want {
				t.Errorf("mask: got %d, want %d", f.SrcMask, want)
			}
		})
	}
}

// TestHalfAddresses has templates with sources or destinations only, of both families.
func TestHalfAddresses(t *testing.T) {
	cases := []struct {
		name   string
		record []hexField
		want   Flow
	}{
		{"sources", []hexField{a(8, "192.0.2.1"), a(27, "::"), u(4, 1, 6)}, Flow{Has: FieldSrcAddr | FieldProto, Src: addr("192.0.2.1"), Proto: 6}},
		{"destinations", []hexField{a(12, "0.0.0.0"), a(28, "2001:db8::1")}, Flow{Has: FieldDstAddr, Dst: addr("2001:db8::1")}},
		{"one of each", []hexField{a(8, "0.0.0.0"), a(28, "2001:db8::1")}, Flow{Has: FieldDstAddr, Dst: addr("2001:db8::1")}},
		{"sources twice", []hexField{a(8, "192.0.2.1"), a(8, "192.0.2.2"), u(4, 1, 4), u(4, 1, 6)}, Flow{Has: FieldSrcAddr | FieldProto, Src: addr("192.0.2.2"), Proto: 6}},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			wantFlow(t, decode(t, newTestSession(t, Config{}), one(t, VersionIPFIX, c.record...))[0], c.want)
		})
	}
}
