package record

import (
	"encoding/json"
	"net/netip"
	"testing"

	"github.com/telcol/telcol/bmp"
	"github.com/telcol/telcol/bmp/bgp"
)

// BenchmarkRouteEvents writes the events of a table dump: messages of five routes that share attributes, which differ from message to message, as
// in a table of the Internet in the worst case. One operation is one route.
func BenchmarkRouteEvents(b *testing.B) {
	r := newRandom(17)
	sets := make([]*bgp.Attributes, 4096)
	for i := range sets {
		sets[i] = &bgp.Attributes{
			HasOrigin: true, HasASPath: true, ASPath: []uint32{64500, r.Uint32N(200_000), r.Uint32N(200_000), r.Uint32N(200_000)},
			NextHop: netip.MustParseAddr("192.0.2.9"), HasLocalPref: true, LocalPref: 100,
			Communities: []uint32{64500<<16 | r.Uint32N(1000), 64500<<16 | 1000 + r.Uint32N(1000), 64500<<16 | 2000 + r.Uint32N(1000)},
		}
	}
	routes := make([]bgp.NLRI, 5)
	for i := range routes {
		routes[i] = bgp.NLRI{Family: bgp.IPv4Unicast, Prefix: netip.PrefixFrom(netip.AddrFrom4([4]byte{203, byte(r.Uint32()), byte(r.Uint32())}), 24)}
	}
	msg := &bmp.RouteMonitoring{Peer: locPeer}
	e := newEventEncoder()
	buf := make([]byte, 0, 8192)
	b.ReportAllocs()
	for n := 0; b.Loop(); n++ {
		i := n % len(routes)
		if i == 0 {
			msg.Time = eventTime + int64(n)
			e.Routes(msg)
			buf = buf[:0]
		}
		buf = e.AppendUpdate(buf, &routes[i], sets[n/len(routes)%len(sets)])
	}
	b.SetBytes(int64(len(buf)) / int64(len(routes)))
}

// BenchmarkRouteEventEncodingJSON writes one such event from a plain struct: the yardstick.
func BenchmarkRouteEventEncodingJSON(b *testing.B) {
	e := newEventEncoder()
	e.Routes(&bmp.RouteMonitoring{Peer: locPeer})
	a := &bgp.Attributes{HasOrigin: true, HasASPath: true, ASPath: []uint32{64500, 1, 2, 3}, Communities: []uint32{1, 2, 3}}
	var v struct {
		Type     string     `json:"type"`
		Schema   int        `json:"schema"`
		Device   netip.Addr `json:"device"`
		Name     string     `json:"device_name"`
		Slot     int        `json:"slot"`
		Session  uint64     `json:"session"`
		Received string     `json:"time_received"`
		Seq      uint64     `json:"seq"`
		Event    string     `json:"event"`
		RIB      string     `json:"rib"`
		Peer     netip.Addr `json:"bgp_peer"`
		PeerAS   uint32     `json:"bgp_peer_as"`
		PeerID   netip.Addr `json:"bgp_peer_id"`
		PeerType uint8      `json:"bgp_peer_type"`
		Flags    uint8      `json:"bgp_peer_flags"`
		Action   string     `json:"action"`
		AFI      uint16     `json:"afi"`
		SAFI     uint8      `json:"safi"`
		Prefix   string     `json:"prefix"`
		Origin   string     `json:"origin"`
		ASPath   []uint32   `json:"as_path"`
		Comms    []string   `json:"communities"`
	}
	if err := json.Unmarshal(e.AppendUpdate(nil, &bgp.NLRI{Family: bgp.IPv4Unicast, Prefix: netip.MustParsePrefix("203.0.113.0/24")}, a), &v); err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := json.Marshal(&v); err != nil {
			b.Fatal(err)
		}
	}
}
