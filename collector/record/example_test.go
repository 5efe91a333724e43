package record

import (
	"net/netip"

	"github.com/telcol/telcol/correlate"
	"github.com/telcol/telcol/correlate/rib"
	"github.com/telcol/telcol/ipfix"
)

// example is a usual record: 25 elements of a flow whose both addresses were found.
func example() *correlate.Record {
	const start = 1_700_000_000_123_456_789
	return &correlate.Record{
		Device: netip.MustParseAddr("192.0.2.1"), DeviceName: "core1.example.net",
		Exporter: netip.MustParseAddr("192.0.2.1"), Received: start + 3_000_000_000,
		Flow: &ipfix.Flow{
			Version: ipfix.VersionIPFIX, TemplateID: 313, Domain: 33312, Sequence: 4_100_200, Position: 4,
			ExportTime: 1_700_000_002_000_000_000,
			Has: ipfix.FieldStart | ipfix.FieldEnd | ipfix.FieldSrcAddr | ipfix.FieldDstAddr | ipfix.FieldSrcPort |
				ipfix.FieldDstPort | ipfix.FieldProto | ipfix.FieldIPVersion | ipfix.FieldEtherType | ipfix.FieldTOS |
				ipfix.FieldTTL | ipfix.FieldTCPFlags | ipfix.FieldBytes | ipfix.FieldPackets |
				ipfix.FieldSamplingRate | ipfix.FieldInIf | ipfix.FieldOutIf | ipfix.FieldSrcVLAN |
				ipfix.FieldForwarding | ipfix.FieldEndReason | ipfix.FieldDirection | ipfix.FieldIngressVRF |
				ipfix.FieldEgressVRF | ipfix.FieldBGPNextHop | ipfix.FieldSrcMask,
			Start: start, End: start + 1_000_000_000, Bytes: 123_456, Packets: 98,
			Src: netip.MustParseAddr("198.51.100.17"), Dst: netip.MustParseAddr("203.0.113.200"),
			BGPNextHop: netip.MustParseAddr("192.0.2.33"), SamplingRate: 1000, InIf: 55, OutIf: 87,
			IngressVRF: 1_610_612_736, EgressVRF: 1_610_612_737, SrcPort: 51_512, DstPort: 443, EtherType: 0x800,
			TCPFlags: 0x1b, SrcVLAN: 100, Forwarding: 64, Proto: 6, IPVersion: 4, TOS: 184, TTL: 57, EndReason: 2,
			SrcMask: 24,
		},
		InIfName: "HundredGigE0/0/0/1", OutIfName: "HundredGigE0/0/0/7",
		IngressVRFName: "default", EgressVRFName: "A2", VRFName: "A2",
		RD: 2<<48 | 64496<<16 | 12, HasRD: true,
		Src: correlate.Side{Join: correlate.JoinHit, Match: rib.Match{
			Prefix: netip.MustParsePrefix("198.51.100.0/24"), Attr: 71, View: rib.LocRIB, Time: 1_699_000_000_000_000_000,
			Attrs: &rib.Attrs{
				NextHop: netip.MustParseAddr("192.0.2.33"), ASPath: []uint32{64496, 64499, 65000, 65001},
				Communities:  []uint32{0xfbf0012b, 0xfbf0012c, 0xfbf0012d, 0xffffff01},
				HasLocalPref: true, LocalPref: 100, HasOrigin: true,
			},
		}},
		Dst: correlate.Side{Join: correlate.JoinHitNextHop, Match: rib.Match{
			Prefix: netip.MustParsePrefix("203.0.113.0/24"), Attr: 72, View: rib.AdjRIBInPost,
			Peer: netip.MustParseAddr("192.0.2.50"), HasPathID: true, PathID: 7, Time: 1_699_900_000_250_000_000,
			Attrs: &rib.Attrs{
				NextHop: netip.MustParseAddr("2001:db8:53::1"), ASPath: []uint32{64496, 4_226_809_909, 65000},
				Communities: []uint32{0xfbf0012b, 0xfbf003e8}, ExtCommunities: []uint64{0x0002_fbf1_00000001},
				LargeCommunities: [][3]uint32{{64496, 1, 2}},
				HasLocalPref:     true, LocalPref: 200, HasMED: true, MED: 50, HasOrigin: true, Origin: rib.OriginIncomplete,
			},
		}},
		RIB: correlate.RIBSynced, AsOfFlowEnd: true,
	}
}
