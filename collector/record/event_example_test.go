package record

import (
	"errors"
	"net/netip"

	"github.com/telcol/telcol/bmp"
	"github.com/telcol/telcol/bmp/bgp"
)

// Peers, attributes and routes of the tests of events.
var (
	eventDevice = netip.MustParseAddr("192.0.2.1")
	eventTime   = int64(1_700_000_000_123_456_789)

	vrfPeer = bmp.Peer{
		Type: bmp.PeerRD, Flags: bmp.FlagIPv6 | bmp.FlagPostPolicy, Distinguisher: 0x0000_fbf4_00000007, AS: 4226809946,
		Addr: netip.MustParseAddr("2001:db8::1"), BGPID: netip.MustParseAddr("192.0.2.82"), Time: 1_690_000_000_000_001_000,
	}
	locPeer = bmp.Peer{
		Type: bmp.PeerLocRIB, Flags: bmp.FlagFiltered, Addr: netip.IPv4Unspecified(), BGPID: netip.MustParseAddr("192.0.2.1"), AS: 64500,
	}
	routeV6  = bgp.NLRI{Family: bgp.IPv6Unicast, Prefix: netip.MustParsePrefix("2001:db8:41::/48"), PathID: 7, HasPathID: true}
	routeVPN = bgp.NLRI{
		Family: bgp.IPv4VPN, Prefix: netip.MustParsePrefix("198.51.100.0/24"), RD: 0x0002_fbf1fbf1_0069, Label: 917584, HasLabel: true,
	}
)

func everyAttribute() *bgp.Attributes {
	return &bgp.Attributes{
		HasOrigin: true, Origin: 2, HasASPath: true, ASPath: []uint32{64496, 4226809946, 65000}, ASSet: []uint32{65010, 65011},
		NextHop: netip.MustParseAddr("2001:db8::9"), LinkLocalNextHop: netip.MustParseAddr("fe80::9"),
		HasLocalPref: true, LocalPref: 100, HasMED: true, MED: 0, HasAIGP: true, AIGP: 1 << 63, HasOTC: true, OTC: 64501,
		Communities: []uint32{64496<<16 | 299, 0xffffff01}, ExtCommunities: []uint64{0x0002_fbf1_0000002a, 0x8000_0000_00000001},
		LargeCommunities: [][3]uint32{{64496, 1, 2}}, AtomicAggregate: true,
		Aggregator: netip.MustParseAddr("192.0.2.33"), AggregatorAS: 64499,
		OriginatorID: netip.MustParseAddr("192.0.2.44"), ClusterList: []uint32{0x0a000001, 0x0a000002},
		HasLabelIndex: true, LabelIndex: 17,
		SRv6SIDs: []bgp.SRv6SID{
			{Addr: netip.MustParseAddr("2001:db8:5::"), Behavior: 63, BlockLength: 40, NodeLength: 24, FunctionLength: 16, TranspositionLength: 16, TranspositionOffset: 64},
			{Addr: netip.MustParseAddr("2001:db8:6::1"), Behavior: 20, L2: true},
		},
		Unknown: []bgp.RawAttr{{Flags: 0xc0, Type: 99, Value: []byte{0, 255}}, {Flags: 0x80, Type: 250}},
	}
}

func everyOpen() bgp.Open {
	return bgp.Open{
		ID: netip.MustParseAddr("192.0.2.82"), AS: 4226809946, HoldTime: 180, Version: 4, AS4: true,
		Families: []bgp.Family{bgp.IPv4Unicast, bgp.NewFamily(25, 70)}, AddPath: []bgp.AddPath{{Family: bgp.IPv4Unicast, Mode: bgp.AddPathBoth}},
		Capabilities: []bgp.Capability{{Code: 2}, {Code: 64, Value: []byte{0x40, 0x78}}},
	}
}

// namedEvent is an event and how it is written.
type namedEvent struct {
	name  string
	write func(e *EventEncoder, dst []byte) []byte
}

// everyEvent has each kind of event with every field that it can have; a session of one device, in order.
func everyEvent() []namedEvent {
	tlvs := []bmp.TLV{{Type: 9, Value: []byte("\x00\x01")}}
	info := []string{"free text", "line \"two\"\n"}
	routes := func(p bmp.Peer, o bgp.Outcome, write func(e *EventEncoder, dst []byte) []byte) func(*EventEncoder, []byte) []byte {
		return func(e *EventEncoder, dst []byte) []byte {
			e.Routes(&bmp.RouteMonitoring{Peer: p, Update: bgp.Update{Outcome: o}})
			return write(e, dst)
		}
	}
	return append([]namedEvent{
		{"session up", func(e *EventEncoder, d []byte) []byte { return e.AppendSessionUp(d, 33357, 2) }},
		{"init", func(e *EventEncoder, d []byte) []byte {
			return e.AppendInitiation(d, &bmp.Initiation{SysName: "pe1", SysDescr: "a router", Strings: info, TLVs: tlvs})
		}},
		{"peer up", func(e *EventEncoder, d []byte) []byte {
			return e.AppendPeerUp(d, &bmp.PeerUp{
				Peer: vrfPeer, LocalAddr: netip.MustParseAddr("2001:db8::2"), LocalPort: 179, RemotePort: 52434, Sent: everyOpen(), Received: everyOpen(),
				Renewed: true, TableName: "customer-a", AdminLabel: "label", Strings: info, TLVs: tlvs,
			})
		}},
		{"update", routes(vrfPeer, bgp.OutcomeDiscard, func(e *EventEncoder, d []byte) []byte { return e.AppendUpdate(d, &routeV6, everyAttribute()) })},
		{"vpn update", routes(locPeer, bgp.OutcomeOK, func(e *EventEncoder, d []byte) []byte {
			return e.AppendUpdate(d, &routeVPN, &bgp.Attributes{HasASPath: true})
		})},
		{"withdraw", routes(vrfPeer, bgp.OutcomeTreatWithdraw, func(e *EventEncoder, d []byte) []byte { return e.AppendWithdraw(d, &routeV6) })},
		{"other update", routes(vrfPeer, bgp.OutcomeOK, func(e *EventEncoder, d []byte) []byte {
			n := &bgp.OtherNLRI{Family: bgp.NewFamily(25, 70), Text: "[type:macadv][esi:single-homed]", PathID: 3, HasPathID: true}
			return e.AppendOther(d, n, &bgp.Attributes{HasASPath: true})
		})},
		{"other withdraw", routes(vrfPeer, bgp.OutcomeOK, func(e *EventEncoder, d []byte) []byte {
			return e.AppendOther(d, &bgp.OtherNLRI{Family: bgp.NewFamily(25, 70), Text: "[type:macadv]"}, nil)
		})},
		{"end of rib", routes(locPeer, bgp.OutcomeOK, func(e *EventEncoder, d []byte) []byte { return e.AppendEndOfRIB(d, bgp.IPv4VPN) })},
	}, everyRareEvent(info, tlvs)...)
}

func everyRareEvent(info []string, tlvs []bmp.TLV) []namedEvent {
	down := func(m bmp.PeerDown) func(*EventEncoder, []byte) []byte {
		return func(e *EventEncoder, d []byte) []byte { m.Peer = vrfPeer; return e.AppendPeerDown(d, &m) }
	}
	stat := func(s bmp.Statistic) func(*EventEncoder, []byte) []byte {
		return func(e *EventEncoder, d []byte) []byte {
			return e.AppendStatistic(d, &bmp.Statistics{Peer: vrfPeer}, &s)
		}
	}
	return []namedEvent{
		{"counter", stat(bmp.Statistic{Type: 2, Value: 49575})},
		{"gauge", stat(bmp.Statistic{Type: 9, Family: bgp.IPv6Unicast, Value: 1<<64 - 1})},
		{"no number", stat(bmp.Statistic{Type: 65535, Raw: []byte{1, 2, 3}})},
		{"peer down by notification", down(bmp.PeerDown{Reason: 3, Notification: &bmp.Notification{Code: 6, Subcode: 2, Data: []byte{0xab}}})},
		{"peer down by event", down(bmp.PeerDown{Reason: 2, FSMEvent: 24})},
		{"peer down with tlvs", down(bmp.PeerDown{Reason: 6, TableName: "customer-a", Strings: info, TLVs: tlvs})},
		{"peer down unknown", down(bmp.PeerDown{Reason: 77, Data: []byte{1}})},
		{"mirror", func(e *EventEncoder, d []byte) []byte {
			return e.AppendMirror(d, &bmp.RouteMirroring{Peer: vrfPeer, Messages: [][]byte{{0xff, 0xfe}, {}}, Errored: true, Lost: true, TLVs: tlvs})
		}},
		{"refused", func(e *EventEncoder, d []byte) []byte {
			return e.AppendRefused(d, errors.New("peer-down: cut").Error())
		}},
		{"gap", func(e *EventEncoder, d []byte) []byte {
			e.Skip(5)
			return e.AppendGap(d, &Gap{Lost: 5, From: e.Seq() - 4, To: e.Seq(), Start: eventTime, End: eventTime + 1})
		}},
		{"term", func(e *EventEncoder, d []byte) []byte {
			return e.AppendTermination(d, &bmp.Termination{Reason: 3, HasReason: true, Strings: info, TLVs: tlvs})
		}},
		{"session down", func(e *EventEncoder, d []byte) []byte { return e.AppendSessionDown(d, "error", "broken framing") }},
	}
}

func newEventEncoder() *EventEncoder {
	e := NewEventEncoder(3, eventDevice, 1_700_000_000_000_001)
	e.SetDeviceName("pe1")
	e.Arrived(eventTime)
	return e
}
