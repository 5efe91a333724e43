package ipfix

import (
	"bufio"
	"encoding/hex"
	"os"
	"strings"
	"testing"
)

// readMessages reads messages in hexadecimal digits, one to a line.
func readMessages(tb testing.TB, name string) [][]byte {
	tb.Helper()
	f, err := os.Open("testdata/" + name + ".hex")
	if err != nil {
		tb.Fatal(err)
	}
	defer f.Close()
	var msgs [][]byte
	for lines := bufio.NewScanner(f); lines.Scan(); {
		if line := lines.Text(); !strings.HasPrefix(line, "#") {
			msg, err := hex.DecodeString(line)
			if err != nil {
				tb.Fatal(err)
			}
			msgs = append(msgs, msg)
		}
	}
	return msgs
}

// TestRouters decodes what real routers sent; each file in testdata says what it is.
func TestRouters(t *testing.T) {
	const ms = int64(1e6)
	cases := []struct {
		name  string
		flows []Flow // the first ones
		all   int
		want  Counters
	}{
		{"srv6-tunnel-ios-xr", []Flow{
			{
				Has: FieldStart | FieldEnd | FieldSrcAddr | FieldDstAddr | FieldSrcPort | FieldDstPort | FieldProto | FieldTOS | FieldTCPFlags | FieldBytes | FieldPackets |
					FieldInIf | FieldOutIf | FieldForwarding | FieldTunnelSrc | FieldTunnelDst | FieldTunnelProto | FieldTunnelTOS | FieldDirection |
					FieldIngressVRF | FieldEgressVRF | FieldBGPNextHop | FieldSrcAS | FieldDstAS,
				Start: (0x18c6d758653 + 0x24a54f70) * ms, End: (0x18c6d758653 + 0x24a639d1) * ms,
				Src: addr("192.0.2.13"), Dst: addr("192.0.2.12"), SrcPort: 0x457, DstPort: 0x8ae, Proto: 17, Bytes: 0x20de0, Packets: 0x259,
				InIf: 0x57, OutIf: 0x9b, Forwarding: 64, BGPNextHop: addr("::"), IngressVRF: 0x60000000, EgressVRF: 0x60000002,
				TunnelSrc: addr("2001:db8:91::1"), TunnelDst: addr("2001:db8:90:e002::"), TunnelProto: 4,
			},
			{
				Has: FieldStart | FieldEnd | FieldSrcAddr | FieldDstAddr | FieldSrcPort | FieldDstPort | FieldProto | FieldTOS | FieldTCPFlags | FieldBytes | FieldPackets |
					FieldInIf | FieldOutIf | FieldForwarding | FieldTunnelSrc | FieldTunnelDst | FieldTunnelProto | FieldTunnelTOS | FieldTunnelLabel | FieldFlowLabel | FieldDirection |
					FieldIngressVRF | FieldEgressVRF | FieldBGPNextHop | FieldSrcAS | FieldDstAS,
				Start: (0x18c6d758653 + 0x24a5d865) * ms, End: (0x18c6d758653 + 0x24a6c262) * ms,
				Src: addr("2001:db8::13"), Dst: addr("2001:db8::12"), SrcPort: 0x8ae, DstPort: 0x457, Proto: 17, Bytes: 0x23be0, Packets: 0x258,
				InIf: 0x57, OutIf: 0x9b, Forwarding: 64, BGPNextHop: addr("fd00::2"), IngressVRF: 0x60000000, EgressVRF: 0x60000002,
				TunnelSrc: addr("2001:db8:91::1"), TunnelDst: addr("2001:db8:90:e003::"), TunnelProto: 41, TunnelLabel: 0xf96e6,
			},
		}, 2, Counters{TemplatesLearnt: 4, OptionsRecords: 7, DataRecords: 2}},
		{"mpls-both-families-ios-xr", []Flow{{
			Has: FieldSrcAddr | FieldDstAddr | FieldSrcPort | FieldDstPort | FieldProto | FieldTOS | FieldTCPFlags | FieldBytes | FieldPackets |
				FieldInIf | FieldOutIf | FieldForwarding | FieldMPLSTopType | FieldDirection | FieldIngressVRF | FieldEgressVRF,
			Src: addr("192.0.2.11"), Dst: addr("192.0.2.12"), SrcPort: 0x457, DstPort: 0x8ae, Proto: 17, Bytes: 0x197d0, Packets: 0x258,
			InIf: 0x59, OutIf: 0x9b, Forwarding: 64, MPLSTopType: 4, IngressVRF: 0x60000000, EgressVRF: 0x60000002, MPLSLabels: []uint32{24021},
		}}, 2, Counters{TemplatesLearnt: 1, DataRecords: 2, UnknownSets: 1, HeldSets: 1}}, // a set of another template
		{"srv6-vrf-huawei", []Flow{{
			Has: FieldStart | FieldEnd | FieldSrcAddr | FieldDstAddr | FieldSrcPort | FieldDstPort | FieldProto | FieldTOS | FieldTCPFlags | FieldBytes | FieldPackets |
				FieldInIf | FieldOutIf | FieldForwarding | FieldSrcVLAN | FieldDstVLAN | FieldTunnelSrc | FieldTunnelDst | FieldTunnelProto | FieldTunnelTOS | FieldDirection |
				FieldIngressVRF | FieldEgressVRF | FieldNextHop | FieldBGPNextHop | FieldSrcAS | FieldDstAS | FieldEndReason,
			Start: (0x1943f5752b8 + 0x68e3f978) * ms, End: (0x1943f5752b8 + 0x68e4e7c0) * ms,
			Src: addr("192.0.2.110"), Dst: addr("192.0.2.14"), SrcPort: 0x8ae, DstPort: 0x457, Proto: 17, Bytes: 0x22b88, Packets: 0x265,
			InIf: 10, OutIf: 0x41, Forwarding: 64, DstVLAN: 14, EndReason: 2, NextHop: addr("169.254.0.1"), BGPNextHop: addr("169.254.0.1"), EgressVRF: 1,
			TunnelSrc: addr("2001:db8:53::1"), TunnelDst: addr("2001:db8:9:e140::"), TunnelProto: 4,
		}}, 2, Counters{TemplatesLearnt: 2, OptionsRecords: 1, DataRecords: 2, SequenceLost: 0}},
		{"netflow9-mpls-ios-xr", []Flow{{
			Has: FieldStart | FieldEnd | FieldSrcAddr | FieldDstAddr | FieldSrcPort | FieldDstPort | FieldProto | FieldTOS | FieldTCPFlags | FieldBytes | FieldPackets |
				FieldInIf | FieldOutIf | FieldForwarding | FieldMPLSTopType | FieldDirection | FieldIngressVRF | FieldEgressVRF,
			Src: addr("138.187.58.13"), Dst: addr("138.187.57.33"), SrcPort: 10000, DstPort: 0xe59b, Proto: 6, TCPFlags: 0x10, Bytes: 60, Packets: 1,
			InIf: 0x8f, OutIf: 0x8e, Forwarding: 64, IngressVRF: 0x60000000, EgressVRF: 0x60000000, MPLSLabels: []uint32{16065, 16033},
		}}, 2, Counters{TemplatesLearnt: 1, DataRecords: 2}},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			s := newTestSession(t, Config{})
			got := decode(t, s, readMessages(t, c.name)...)
			if len(got) != c.all {
				t.Fatalf("%d flows", len(got))
			}
			for i, want := range c.flows {
				f := got[i]
				if want.Start == 0 { // by the header's uptime, within the hour
					if age := f.ExportTime - f.End; f.Version == VersionNetFlow9 && (age < 0 || age > 3600e9 || f.Start > f.End) {
						t.Errorf("flow %d from %d to %d, exported %d", i, f.Start, f.End, f.ExportTime)
					}
					want.Start, want.End = f.Start, f.End
				}
				wantFlow(t, f, want)
			}
			c.want.SequenceLost, c.want.SequenceLate = s.SequenceLost, s.SequenceLate // parts were left out
			wantCounters(t, s, c.want)
		})
	}
}

func TestRouterOptions(t *testing.T) {
	s := newTestSession(t, Config{})
	flows := decode(t, s, readMessages(t, "srv6-vrf-huawei")...)
	want := VRF{Name: "A4", RD: 0x0002fbf00036000e, HasRD: true, Told: Told{Updated: export, Template: 1514}}
	if got, _ := flows[0].Options.EgressVRF(flows[0].EgressVRF); got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
	r := &flows[0].Record
	const extra = `{"sourceTransportPort":0,"destinationTransportPort":0,"2011.232":"0x0001","tcpControlBits":0,` +
		`"sourceIPv6PrefixLength":0,"destinationIPv6PrefixLength":0,"flowLabelIPv6":1151,"samplerId":10,"selectorId":14,` +
		`"ipv6ExtensionHeadersFull":0,"2011.701":"0x00000000","2011.702":"0x00000000","2011.703":"0x00000000",` +
		`"2011.704":"0x0000000000000000","srhTagIPv6":0,"srhFlagsIPv6":0,"srhSegmentsIPv6Left":0,"srhActiveSegmentIPv6":"::"}`
	if got := string(r.AppendObject(nil, r.Extra())); got != extra {
		t.Errorf("extra: got %s", got)
	}
}
