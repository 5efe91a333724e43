package correlate

import (
	"encoding/binary"
	"net/netip"
	"reflect"
	"slices"
	"testing"
	"time"

	"github.com/telcol/telcol/bmp"
	"github.com/telcol/telcol/bmp/bgp"
	"github.com/telcol/telcol/correlate/rib"
)

// Everything that the decision process, the record or the looking glass looks at reaches the RIB.
func TestRIBAttributesAreThoseOfTheUpdate(t *testing.T) {
	a := &bgp.Attributes{
		NextHop: addr("192.0.2.1"), OriginatorID: addr("192.0.2.2"), ASPath: []uint32{1, 2}, ASSet: []uint32{3, 4}, Communities: []uint32{5},
		ExtCommunities: []uint64{6}, LargeCommunities: [][3]uint32{{7, 8, 9}}, LocalPref: 10, HasLocalPref: true, MED: 11, HasMED: true,
		Origin: 2, HasOrigin: true, PathLength: 3, ClusterLength: 12,
	}
	want := rib.Attrs{
		NextHop: addr("192.0.2.1"), OriginatorID: addr("192.0.2.2"), ASPath: []uint32{1, 2}, ASSet: []uint32{3, 4}, Communities: []uint32{5},
		ExtCommunities: []uint64{6}, LargeCommunities: [][3]uint32{{7, 8, 9}}, LocalPref: 10, HasLocalPref: true, MED: 11, HasMED: true,
		Origin: 2, HasOrigin: true, PathLength: 3, ClusterLength: 12,
	}
	for i := range reflect.TypeFor[rib.Attrs]().NumField() {
		if f := reflect.ValueOf(want).Field(i); f.IsZero() {
			t.Errorf("%s is not tested", reflect.TypeFor[rib.Attrs]().Field(i).Name)
		}
	}
	if got := ribAttrs(a); !reflect.DeepEqual(got, want) {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
}

// A prefix that an UPDATE both withdraws and announces is announced (RFC 4271 section 4.3).
func TestWithdrawnAndAnnouncedAtOnce(t *testing.T) {
	c := newClock(t, Config{})
	p := globalPeer(0)
	l := c.open(device1)
	msg := route(p, "10.1.2.0/24", 13, "203.0.113.3")
	const update = bmp.HeaderSize + bmp.PeerHeaderSize
	fields := update + bgp.HeaderSize
	msg = slices.Insert(msg, fields+2, 24, 10, 1, 2)
	binary.BigEndian.PutUint16(msg[fields:], 4) // withdrawn routes
	binary.BigEndian.PutUint16(msg[update+16:], uint16(len(msg)-update))
	binary.BigEndian.PutUint32(msg[1:], uint32(len(msg)))
	l.send(peerUp(p), msg, msg)
	if n := c.Counters().BMP; c.devices[device1].rib.Routes() != 1 || n.Withdrawn != 2 || n.Announced != 2 {
		t.Errorf("%d routes, counters %+v", c.devices[device1].rib.Routes(), n)
	}
	l.close()
}

// Labelled routes answer flows as plain ones do; multicast routes are of another topology and must not.
func TestFamiliesThatAnswerFlows(t *testing.T) {
	c := newClock(t, Config{})
	p := globalPeer(0)
	l := c.open(device1)
	for i, safi := range []uint8{bgp.SAFIUnicast, bgp.SAFILabeled, bgp.SAFIMulticast} {
		n := bgp.NLRI{Family: bgp.NewFamily(1, safi), Prefix: prefix([]string{"10.1.2.0/24", "10.1.3.0/24", "10.1.3.0/25"}[i]), Label: 100, HasLabel: safi == bgp.SAFILabeled}
		l.send(routeOf(p, n, uint32(13+i), "203.0.113.3"))
	}
	r := c.join(device1, flowSpec{src: "10.1.2.3", dst: "10.1.3.4"})
	if r.Src.Match.Prefix != prefix("10.1.2.0/24") || r.Dst.Match.Prefix != prefix("10.1.3.0/24") {
		t.Errorf("joined with %v and %v", r.Src.Match.Prefix, r.Dst.Match.Prefix)
	}
	if n := c.Counters().BMP; n.NotKept != 1 || n.Announced != 2 {
		t.Errorf("counters %+v", n)
	}
	l.close()
}

// Peers that share an address and a number are told apart by their type: each one's end takes its own routes.
func TestPeersOfOneAddressAndDistinguisher(t *testing.T) {
	types := []uint8{bmp.PeerGlobal, bmp.PeerRD, bmp.PeerLocal}
	peerOf := func(typ uint8, distinguisher uint64) *bmp.Peer {
		p := globalPeer(0)
		p.Type, p.Distinguisher = typ, distinguisher
		return p
	}
	for _, d := range []uint64{0, 5} {
		for _, gone := range types {
			c := newClock(t, Config{})
			l := c.open(device1)
			for i, typ := range types {
				p := peerOf(typ, d)
				l.send(peerUp(p), routes(p, 10*i, 1+i))
			}
			l.send(peerDown(peerOf(gone, d), bmp.DownRemoteNoNotif))
			for i, typ := range types {
				want := 1 + i
				if typ == gone {
					want = 0
				}
				if st, _, _ := c.devices[device1].rib.Peer(peerKey(peerOf(typ, d))); st.Routes != want {
					t.Errorf("distinguisher %d, peer type %d went: type %d has %d routes, want %d", d, gone, typ, st.Routes, want)
				}
			}
			l.close()
		}
	}
}

// A session that stops to monitor a peer takes its own routes only; one that tells that the peer is down takes those of the older session too.
func TestPeerDownOfOneOfTwoSessions(t *testing.T) {
	for reason, want := range map[uint8]int{bmp.DownDeconfigured: 3, bmp.DownRemoteNoNotif: 0} {
		c := newClock(t, Config{})
		pre, post := globalPeer(0), globalPeer(bmp.FlagPostPolicy)
		older, newer := c.open(device1), c.open(device1)
		older.send(peerUp(pre), routes(pre, 0, 3), endOfRIB(pre))
		newer.send(peerUp(post), routes(post, 0, 2), endOfRIB(post))
		newer.send(peerDown(post, reason))
		if n := c.devices[device1].rib.Routes(); n != want {
			t.Errorf("reason %d: %d routes, want %d", reason, n, want)
		}
		newer.close()
		older.close()
	}
}

// The attributes of routes that an older session told too late are given back.
func TestSupersededRoutesHoldNoAttributes(t *testing.T) {
	c := newClock(t, Config{History: -1})
	p := globalPeer(0)
	older, newer := c.open(device1), c.open(device1)
	older.send(peerUp(p), routes(p, 0, 1))
	newer.send(peerUp(p), routes(p, 0, 1), endOfRIB(p))
	older.send(route(p, "10.0.0.0/24", 99, "203.0.113.9"))
	newer.send(peerDown(p, bmp.DownRemoteNoNotif))
	older.close()
	newer.close()
	c.wait(11 * time.Minute)
	if n := c.intern.Len(); n != 0 {
		t.Errorf("%d sets of attributes are left", n)
	}
}

// The device's own identifier is that of its global instance.
func TestOwnIdentifier(t *testing.T) {
	up := func(typ uint8, id string) []byte {
		p := globalPeer(0)
		p.Type = typ
		return bmp.AppendPeerUp(nil, &bmp.PeerUp{Peer: *p, LocalAddr: ce, Sent: bgp.Open{ID: addr(id)}, Received: bgp.Open{ID: ce}})
	}
	c := newClock(t, Config{})
	l := c.open(device1)
	l.send(up(bmp.PeerGlobal, "192.0.2.1"), up(bmp.PeerRD, "192.0.2.2"), up(bmp.PeerGlobal, "0.0.0.0"))
	if got := c.devices[device1].bgpID; got != addr("192.0.2.1") {
		t.Errorf("got %v", got)
	}
	l.close()
}

// What was compared goes with the peer.
func TestDriftGoesWithThePeer(t *testing.T) {
	c := newClock(t, Config{DriftRoutes: 2})
	p := globalPeer(0)
	l := c.open(device1)
	l.send(peerUp(p), routes(p, 0, 1), endOfRIB(p), report(p, bmp.Statistic{Type: bmp.StatAdjRIBIn, Value: 9}))
	if n := len(c.devices[device1].Drifts(peerKey(p))); n != 1 {
		t.Fatalf("%d comparisons", n)
	}
	l.send(peerDown(p, bmp.DownRemoteNoNotif))
	if n := len(c.devices[device1].drift); n != 0 {
		t.Errorf("%d peers are left", n)
	}
	l.close()
}

// In a large table a part of the routes is always on its way, and one with stale routes in it is not whole.
func TestDriftTolerance(t *testing.T) {
	for name, tt := range map[string]struct {
		theirs   uint64
		renew    bool
		compared uint64
		reports  int
	}{
		"one percent more": {1000, false, 1, 0},
		"more than that":   {1011, false, 1, 1},
		"stale routes":     {1011, true, 0, 0},
	} {
		c := newClock(t, Config{DriftRoutes: 2})
		p := globalPeer(0)
		l := c.open(device1)
		l.send(peerUp(p), routes(p, 0, 990), endOfRIB(p))
		if tt.renew {
			p.Time += second
			l.send(peerUp(p), routes(p, 0, 1))
			c.wait(6 * time.Second) // quiet: synced, but nobody has said that the other routes are gone
		}
		l.send(report(p, bmp.Statistic{Type: bmp.StatAdjRIBIn, Value: tt.theirs}))
		n, list := c.Counters().BMP, c.devices[device1].Drifts(peerKey(p))
		if n.DriftReports-n.DriftSkipped != tt.compared || tt.compared == 1 && (len(list) != 1 || list[0].Reports != tt.reports) {
			t.Errorf("%s: %+v, counters %+v", name, list, n)
		}
		l.close()
	}
}

// A number for all families is compared with those that both sides have agreed on.
func TestFamiliesOfASession(t *testing.T) {
	v4, v6, vpn := bgp.IPv4Unicast, bgp.IPv6Unicast, bgp.IPv4VPN
	many := make([]bgp.Family, 1000)
	for i := range many {
		many[i] = bgp.NewFamily(uint16(i), 1)
	}
	if got := families(&bmp.PeerUp{Sent: bgp.Open{Families: many}, Received: bgp.Open{Families: many}}); len(got) != maxFamilies {
		t.Errorf("%d of 1000 families are kept", len(got))
	}
	for name, tt := range map[string]struct {
		sent, received []bgp.Family
		want           []rib.Family
	}{
		"no capabilities":    {nil, nil, []rib.Family{rib.IPv4Unicast}},
		"one side has none":  {[]bgp.Family{v6, v4}, nil, []rib.Family{rib.IPv4Unicast}},
		"common ones":        {[]bgp.Family{v4, v6, vpn}, []bgp.Family{vpn, v4}, []rib.Family{rib.IPv4Unicast, rib.IPv4VPN}},
		"told twice":         {[]bgp.Family{v4, v4}, []bgp.Family{v4}, []rib.Family{rib.IPv4Unicast}},
		"nothing is common":  {[]bgp.Family{v6}, []bgp.Family{v4}, nil},
		"the other has none": {nil, []bgp.Family{v6}, nil},
	} {
		if got := families(&bmp.PeerUp{Sent: bgp.Open{Families: tt.sent}, Received: bgp.Open{Families: tt.received}}); !slices.Equal(got, tt.want) {
			t.Errorf("%s: got %v, want %v", name, got, tt.want)
		}
	}
}

// What was refused is told from the first of the sessions that a device has on, not from the last.
func TestRefusedOfTwoSessions(t *testing.T) {
	var told []Refused
	c := newClock(t, Config{MaxRoutes: 2, OverQuota: func(_ netip.Addr, r Refused) { told = append(told, r) }})
	p, post := globalPeer(0), globalPeer(bmp.FlagPostPolicy)
	first := c.open(device1)
	first.send(peerUp(p), routes(p, 0, 3))
	second := c.open(device1)
	second.send(routes(post, 0, 1))
	if got := c.devices[device1].Refused(); got.Routes != 2 || len(told) != 1 {
		t.Errorf("refused %+v, told %+v", got, told)
	}
	first.close()
	second.close()
	third := c.open(device1)
	third.send(bmp.AppendInitiation(nil, &bmp.Initiation{SysName: "pe1"}))
	if got := c.devices[device1].Refused(); got.Any() {
		t.Errorf("refused %+v by sessions that have not told anything", got)
	}
	third.close()
}
