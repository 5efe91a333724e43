package record

import (
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/netip"
	"reflect"
	"testing"

	"github.com/telcol/telcol/bmp"
	"github.com/telcol/telcol/bmp/bgp"
	"github.com/telcol/telcol/correlate/rib"
)

// TestRouteEventsLikeTheirTwin writes the routes of random messages and compares each event with what encoding/json makes of a map
// that is built slowly and obviously.
func TestRouteEventsLikeTheirTwin(t *testing.T) {
	r := newRandom(99)
	pool := make([]*bgp.Attributes, 20)
	for i := range pool {
		pool[i] = r.attributes()
	}
	e := NewEventEncoder(3, eventDevice, 77)
	name, seq := "", uint64(0)
	for range 800 {
		if r.chance(10) {
			name = r.name()
			e.SetDeviceName(name)
		}
		received := r.Int64N(2_000_000_000) * nanosPerSecond
		e.Arrived(received)
		m := &bmp.RouteMonitoring{Peer: r.peer(), Update: bgp.Update{Outcome: bgp.Outcome(r.IntN(3))}}
		e.Routes(m)
		for range 1 + r.IntN(6) {
			seq++
			want := twin{"type": "bmp", "event": "route_monitor"}
			want.num(true, "schema", 1)
			want.addr(true, "device", eventDevice)
			want.text("device_name", name)
			want.num(true, "slot", 3)
			want.num(true, "session", 77)
			want.num(true, "seq", seq)
			want.time(true, "time_received", received)
			want.peer(&m.Peer)
			if m.Outcome != bgp.OutcomeOK {
				want["outcome"] = m.Outcome.String()
			}
			got := r.routeEvent(e, &m.Peer, pool[r.IntN(len(pool))], want)
			if d := decode(t, got); !reflect.DeepEqual(d, map[string]any(want)) {
				t.Fatalf("got\n%s\nwant\n%s", got, must(json.Marshal(want)))
			}
		}
	}
}

// routeEvent writes a random event of the message and puts what it must say into want.
func (r random) routeEvent(e *EventEncoder, p *bmp.Peer, a *bgp.Attributes, want twin) []byte {
	n := r.nlri()
	want.num(true, "afi", n.Family.AFI())
	want.num(true, "safi", n.Family.SAFI())
	if rd := p.RD(); rd != 0 && n.Family.SAFI() != bgp.SAFIVPN {
		want["rd"] = rib.RD(rd).String()
	}
	kind := r.IntN(10)
	if kind == 0 {
		want["action"] = "end-of-rib"
		return e.AppendEndOfRIB(nil, n.Family)
	}
	want.num(n.HasPathID, "path_id", n.PathID)
	if kind <= 2 { // a family without prefixes; its number does not matter to the encoder
		other := bgp.OtherNLRI{Family: n.Family, Text: "some " + r.name(), PathID: n.PathID, HasPathID: n.HasPathID}
		want.text("nlri", other.Text)
		if kind == 1 {
			want["action"] = "withdraw"
			return e.AppendOther(nil, &other, nil)
		}
		want["action"] = "update"
		want.attributes(a)
		return e.AppendOther(nil, &other, a)
	}
	want["prefix"] = n.Prefix.String()
	want.num(n.HasLabel, "mpls_label", n.Label)
	if n.Family.SAFI() == bgp.SAFIVPN {
		want["rd"] = rib.RD(n.RD).String()
	}
	if kind <= 4 {
		want["action"] = "withdraw"
		return e.AppendWithdraw(nil, n)
	}
	want["action"] = "update"
	want.attributes(a)
	return e.AppendUpdate(nil, n, a)
}

func (m twin) peer(p *bmp.Peer) {
	m["rib"] = p.View().String()
	m.addr(true, "bgp_peer", p.Addr)
	m.num(true, "bgp_peer_as", p.AS)
	m.addr(true, "bgp_peer_id", p.BGPID)
	m.num(true, "bgp_peer_type", p.Type)
	m.num(true, "bgp_peer_flags", p.Flags)
	if p.Distinguisher != 0 {
		m["bgp_peer_distinguisher"] = rib.RD(p.Distinguisher).String()
	}
	if p.Type == bmp.PeerLocRIB && p.Flags&0x80 != 0 {
		m["filtered"] = true
	}
	m.time(p.Time != 0, "time_event", p.Time)
}

func (m twin) attributes(a *bgp.Attributes) {
	texts := func(name string, n int, text func(i int) string) {
		if n == 0 {
			return
		}
		list := make([]any, n)
		for i := range list {
			list[i] = text(i)
		}
		m[name] = list
	}
	if a.HasOrigin {
		m["origin"] = []string{"igp", "egp", "incomplete"}[a.Origin]
	}
	m["as_path"] = numbers(a.ASPath)
	if len(a.ASSet) > 0 {
		m["as_set"] = numbers(a.ASSet)
	}
	m.addr(true, "next_hop", a.NextHop)
	m.addr(true, "link_local_next_hop", a.LinkLocalNextHop)
	m.num(a.HasLocalPref, "local_pref", a.LocalPref)
	m.num(a.HasMED, "med", a.MED)
	m.num(a.HasAIGP, "aigp", a.AIGP)
	m.num(a.HasOTC, "otc", a.OTC)
	m.num(a.HasLabelIndex, "label_index", a.LabelIndex)
	texts("communities", len(a.Communities), func(i int) string { return fmt.Sprintf("%d:%d", a.Communities[i]>>16, a.Communities[i]&0xffff) })
	texts("ext_communities", len(a.ExtCommunities), func(i int) string { return fmt.Sprintf("%#016x", a.ExtCommunities[i]) })
	texts("large_communities", len(a.LargeCommunities), func(i int) string {
		c := a.LargeCommunities[i]
		return fmt.Sprintf("%d:%d:%d", c[0], c[1], c[2])
	})
	texts("cluster_list", len(a.ClusterList), func(i int) string {
		c := a.ClusterList[i]
		return fmt.Sprintf("%d.%d.%d.%d", c>>24, c>>16&255, c>>8&255, c&255)
	})
	if a.AtomicAggregate {
		m["atomic_aggregate"] = true
	}
	m.addr(true, "aggregator", a.Aggregator)
	m.num(a.Aggregator.IsValid(), "aggregator_as", a.AggregatorAS)
	m.addr(true, "originator_id", a.OriginatorID)
	var sids, unknown []any
	for _, s := range a.SRv6SIDs {
		o := twin{}
		o.addr(true, "sid", s.Addr)
		o.num(true, "behavior", s.Behavior)
		if s.L2 {
			o["l2"] = true
		}
		has := s.BlockLength != 0
		o.num(has, "block_length", s.BlockLength)
		o.num(has, "node_length", s.NodeLength)
		o.num(has, "function_length", s.FunctionLength)
		o.num(has, "argument_length", s.ArgumentLength)
		o.num(has, "transposition_length", s.TranspositionLength)
		o.num(has, "transposition_offset", s.TranspositionOffset)
		sids = append(sids, map[string]any(o))
	}
	for _, u := range a.Unknown {
		o := twin{"value": hex.EncodeToString(u.Value)}
		o.num(true, "type", u.Type)
		o.num(true, "flags", u.Flags)
		unknown = append(unknown, map[string]any(o))
	}
	if sids != nil {
		m["srv6_sids"] = sids
	}
	if unknown != nil {
		m["unknown_attributes"] = unknown
	}
}

func (r random) peer() bmp.Peer {
	p := bmp.Peer{Type: uint8(r.IntN(4)), Flags: uint8(r.Uint32()), AS: r.u32(), Addr: r.plainAddr(), BGPID: r.plainAddr()}
	if r.chance(50) {
		p.Distinguisher = r.Uint64() >> 14 // of types 0 to 3
	}
	if r.chance(80) {
		p.Time = r.Int64N(2_000_000_000) * nanosPerSecond
	}
	return p
}

// plainAddr is an address as the wire can carry it.
func (r random) plainAddr() netip.Addr { return r.addr().Unmap().WithZone("") }

func (r random) nlri() *bgp.NLRI {
	families := []bgp.Family{
		bgp.IPv4Unicast, bgp.IPv6Unicast, bgp.IPv4Multicast, bgp.IPv4Labeled, bgp.IPv6Labeled, bgp.IPv4VPN, bgp.IPv6VPN,
	}
	n := &bgp.NLRI{Family: families[r.IntN(len(families))], HasPathID: r.chance(30), PathID: r.u32()}
	if safi := n.Family.SAFI(); safi == bgp.SAFILabeled || safi == bgp.SAFIVPN {
		n.HasLabel, n.Label = r.chance(90), r.Uint32N(1<<20)
	}
	if n.Family.SAFI() == bgp.SAFIVPN {
		n.RD = r.Uint64() >> 14
	}
	if n.Family.AFI() == bgp.AFIIPv4 {
		n.Prefix = netip.PrefixFrom(netip.AddrFrom4([4]byte{byte(r.Uint32()), byte(r.Uint32()), byte(r.Uint32())}), r.IntN(33)).Masked()
	} else {
		n.Prefix = netip.PrefixFrom(netip.MustParseAddr("2001:db8:1:2:3:4:5:6"), r.IntN(129)).Masked()
	}
	return n
}

func (r random) attributes() *bgp.Attributes {
	a := &bgp.Attributes{
		HasASPath: true, HasOrigin: r.chance(90), Origin: uint8(r.IntN(3)), HasLocalPref: r.chance(50), LocalPref: r.u32(),
		HasMED: r.chance(50), MED: r.u32(), HasAIGP: r.chance(20), AIGP: r.Uint64(), HasOTC: r.chance(20), OTC: r.u32(),
		HasLabelIndex: r.chance(20), LabelIndex: r.u32(), AtomicAggregate: r.chance(20),
	}
	addr := func(percent int) (out netip.Addr) {
		if r.chance(percent) {
			out = r.plainAddr()
		}
		return out
	}
	a.NextHop, a.LinkLocalNextHop, a.OriginatorID, a.Aggregator = addr(90), addr(20), addr(20), addr(20)
	a.AggregatorAS = r.u32()
	for range r.IntN(5) {
		a.ASPath = append(a.ASPath, r.u32())
		a.Communities = append(a.Communities, r.Uint32()>>1)
	}
	for range r.IntN(3) {
		a.ASSet = append(a.ASSet, r.u32())
		a.ExtCommunities = append(a.ExtCommunities, 0x81<<56|r.Uint64()>>8) // of a type without a text
		a.LargeCommunities = append(a.LargeCommunities, [3]uint32{r.u32(), r.u32(), r.u32()})
		a.ClusterList = append(a.ClusterList, r.Uint32())
		a.Unknown = append(a.Unknown, bgp.RawAttr{Flags: uint8(r.Uint32()), Type: uint8(r.Uint32()), Value: []byte(r.name())})
		sid := bgp.SRv6SID{Addr: r.plainAddr(), Behavior: uint16(r.Uint32()), L2: r.chance(30)}
		if r.chance(50) {
			sid.BlockLength, sid.NodeLength, sid.FunctionLength, sid.TranspositionLength = 40, 24, 16, 16
		}
		a.SRv6SIDs = append(a.SRv6SIDs, sid)
	}
	return a
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}
