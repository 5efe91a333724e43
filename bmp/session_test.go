package bmp

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/telcol/telcol/bmp/bgp"
)

func TestRoundTrip(t *testing.T) {
	up := func(p Peer) *PeerUp {
		m := &PeerUp{
			Peer: p, LocalAddr: addr("198.51.100.1"), LocalPort: 179, RemotePort: 33357,
			Sent: openOf(64496), Received: openOf(4200000001, bgp.AddPath{Family: bgp.IPv4Unicast, Mode: bgp.AddPathBoth}),
		}
		if p.Addr.Is6() {
			m.LocalAddr = addr("2001:db8::1")
		}
		return m
	}
	named := up(locRD)
	named.LocalAddr, named.TableName, named.Strings = addr("0.0.0.0"), "A2", []string{"x"}
	named.AdminLabel, named.TLVs = "label", []TLV{{Type: 99, Value: []byte{1}}}
	messages := []Message{
		&Initiation{SysName: "r1", SysDescr: "router", Strings: []string{"a", "b"}, TLVs: []TLV{{77, []byte{7}}}},
		&Termination{Reason: TermRedundant, HasReason: true, Strings: []string{"bye"}},
		&Termination{TLVs: []TLV{{Type: 9, Value: []byte{1, 2}}}},
		up(peer4), up(peer6), up(inRD), up(local), named,
		&PeerDown{
			Peer: peer4, Reason: DownRemoteNotification, Known: true,
			Notification: &Notification{Code: 6, Subcode: 4, Data: []byte{1}},
		},
		&PeerDown{Peer: peer6, Reason: DownLocalNoNotif, FSMEvent: 24, Known: true},
		&PeerDown{Peer: inRD, Reason: DownRemoteNoNotif, Known: true},
		&PeerDown{Peer: local, Reason: DownDeconfigured, Known: true},
		&PeerDown{Peer: locRD, Reason: DownTLVs, TableName: "A2", Known: true, TLVs: []TLV{{Type: 9, Value: []byte{1}}}},
		&PeerDown{Peer: locRD, Reason: 200, Data: []byte("why")},
		&PeerDown{Peer: peer4, Reason: DownReserved, Data: []byte{}},
		&PeerDown{Peer: peer4, Reason: DownLocalNotification}, // there is none to show
		&Statistics{Peer: peer4, Stats: []Statistic{
			{Type: 0, Value: 1},
			{Type: StatAdjRIBIn, Value: 1 << 40},
			{Type: StatAdjRIBInFamily, Family: bgp.IPv6Unicast, Value: 5},
			{Type: 500, Value: 6},
			{Type: 501, Raw: []byte{1, 2, 3}},
			{Type: 502, Raw: []byte{}},
		}},
		&RouteMirroring{Peer: peer6, TLVs: []TLV{{1, []byte{1, 0}}, {1, []byte{0, 2}}, {1, []byte{0}}}}, // codes that nobody knows
		&RouteMirroring{Peer: peer4, Errored: true, Lost: true, Messages: [][]byte{{1, 2, 3}}, TLVs: []TLV{{8, []byte{8}}}},
		&Unknown{Type: 200, Body: []byte{1, 2}},
	}
	s := NewSession(Config{})
	for i, want := range messages {
		t.Run(fmt.Sprintf("%d %v", i, want.MessageType()), func(t *testing.T) {
			got, err := s.Decode(encode(want))
			if err != nil || !reflect.DeepEqual(got, want) {
				t.Errorf("got  %+v, %v\nwant %+v", got, err, want)
			}
		})
	}
	c := s.Counters()
	if c.Malformed != 0 || c.Messages[TypePeerUp] != 5 || c.Messages[TypeUnknown] != 1 || c.UnknownTLVs != 8 {
		t.Errorf("counters %+v", c)
	}
	if want := [...]uint64{1, 1, 1, 1, 1, 1, 1, 1}; c.Downs != want {
		t.Errorf("peer downs by reason %v, want %v", c.Downs, want)
	}
	if c.Statistics != 6 || c.OddStatistics != 2 || c.Mirrored != 1 || c.MirrorErrors != 1 || c.MirrorLosses != 1 {
		t.Errorf("counters %+v", c)
	}
	twice, zero := c, Counters{}
	twice.Add(&c)
	twice.Sub(&c)
	if twice != c {
		t.Errorf("added and subtracted: %+v, want %+v", twice, c)
	}
	if twice.Sub(&c); twice != zero {
		t.Errorf("nothing is left: %+v", twice)
	}
}

func encode(m Message) []byte {
	switch m := m.(type) {
	case *Initiation:
		return AppendInitiation(nil, m)
	case *Termination:
		return AppendTermination(nil, m)
	case *PeerUp:
		return AppendPeerUp(nil, m)
	case *PeerDown:
		return AppendPeerDown(nil, m)
	case *Statistics:
		return AppendStatistics(nil, m)
	case *RouteMirroring:
		return AppendRouteMirroring(nil, m)
	case *Unknown:
		b, start := open(nil, m.Type)
		return finish(append(b, m.Body...), start)
	}
	panic("no such message")
}

func TestRouteMonitoringRoundTrip(t *testing.T) {
	s := NewSession(Config{})
	for _, p := range []Peer{peer4, peer6, outV4, inRD, local, loc, locRD} {
		routes := []NLRI{
			{Family: bgp.IPv4Unicast, Prefix: prefix("192.0.2.0/24")},
			{Family: bgp.IPv4VPN, Prefix: prefix("192.0.2.0/24"), RD: 12, Label: 3, HasLabel: true},
		}
		gone := []NLRI{{Family: bgp.IPv6Unicast, Prefix: prefix("2001:db8::/32")}}
		stream := AppendRouteMonitoring(nil, &p, gone, routes, attrsOf(64496, 4200000000))
		stream = AppendEndOfRIB(stream, &p, bgp.IPv4VPN)
		r := NewReader(bytes.NewReader(stream), 0, nil)
		var got []NLRI
		for range 4 {
			msg, err := r.Next()
			if err != nil {
				t.Fatal(err)
			}
			m := mustDecode[*RouteMonitoring](t, s, msg)
			if m.Peer != p {
				t.Fatalf("peer %+v, want %+v", m.Peer, p)
			}
			got = append(got, m.Withdrawn...)
			for _, a := range m.Announced {
				got = append(got, a.NLRI...)
				if !slices.Equal(a.Attrs.ASPath, []uint32{64496, 4200000000}) {
					t.Errorf("as path %v", a.Attrs.ASPath)
				}
			}
			if m.EndOfRIB != 0 && m.EndOfRIB != bgp.IPv4VPN {
				t.Errorf("end of rib of %v", m.EndOfRIB)
			}
		}
		if !slices.Equal(got, append(gone, routes...)) {
			t.Errorf("got %v", got)
		}
	}
}

func TestViews(t *testing.T) {
	tests := []struct {
		typ, flags uint8
		view       View
		post       bool
		filtered   bool
		as2        bool
	}{
		{PeerGlobal, 0, ViewAdjRIBInPre, false, false, false},
		{PeerGlobal, FlagIPv6 | FlagPostPolicy, ViewAdjRIBInPost, true, false, false},
		{PeerRD, FlagOut, ViewAdjRIBOutPre, false, false, false},
		{PeerLocal, FlagOut | FlagPostPolicy | FlagAS2, ViewAdjRIBOutPost, true, false, true},
		{PeerLocRIB, 0, ViewLocRIB, false, false, false},
		{PeerLocRIB, FlagFiltered, ViewLocRIB, false, true, false},
		{PeerLocRIB, 0x7f, ViewLocRIB, false, false, false},
	}
	for _, tt := range tests {
		p := Peer{Type: tt.typ, Flags: tt.flags}
		if p.View() != tt.view || p.PostPolicy() != tt.post || p.Filtered() != tt.filtered || p.AS2() != tt.as2 {
			t.Errorf("type %d flags %#x: %v %v %v %v", tt.typ, tt.flags, p.View(), p.PostPolicy(), p.Filtered(), p.AS2())
		}
	}
}

func TestPeerKey(t *testing.T) {
	global := Peer{Type: PeerGlobal, Addr: addr("0.0.0.0")}
	same := func(name string, a, b Peer, want bool) {
		t.Helper()
		if got := a.Key() == b.Key(); got != want {
			t.Errorf("%s: same %v, want %v", name, got, want)
		}
	}
	flagged, garbage, v6, addressed := peer4, peer4, global, loc
	addressed.Addr = peer4.Addr
	flagged.Flags, garbage.Distinguisher, v6.Addr = FlagPostPolicy|FlagOut, 99, addr("::")
	same("flags", peer4, flagged, true)
	same("distinguisher of a global peer", peer4, garbage, true)
	same("frr: loc-rib up as global", global, loc, true)
	same("loc-rib with an address", loc, addressed, true)
	same("loc-rib with the address of a peer", peer4, addressed, false)
	same("unspecified in both families", global, v6, true)
	same("loc-ribs of two tables", loc, locRD, false)
	same("rd instance", peer4, inRD, false)
	same("local instance", inRD, local, false)
	otherLocal := local
	otherLocal.Distinguisher = 8
	same("two local instances", local, otherLocal, false)
	if locRD.RD() != 0xfbf00000000c || inRD.RD() != 0xfbf00000000c || local.RD() != 0 || garbage.RD() != 0 {
		t.Error("wrong route distinguisher")
	}
}

// withPath is a Route Monitoring message of a peer with one IPv4 route that has a path identifier.
func withPath(p Peer) []byte {
	n := NLRI{Family: bgp.IPv4Unicast, Prefix: prefix("192.0.2.0/24"), PathID: 7, HasPathID: true}
	return AppendRouteMonitoring(nil, &p, nil, []NLRI{n}, attrsOf(64496))
}

func TestAddPathByDirection(t *testing.T) {
	receive := bgp.AddPath{Family: bgp.IPv4Unicast, Mode: bgp.AddPathReceive}
	send := bgp.AddPath{Family: bgp.IPv4Unicast, Mode: bgp.AddPathSend}
	both := bgp.AddPath{Family: bgp.IPv4Unicast, Mode: bgp.AddPathBoth}
	none := bgp.AddPath{Family: bgp.IPv6Unicast, Mode: bgp.AddPathBoth}
	tests := []struct {
		name           string
		sent, received bgp.AddPath
		in, out, loc   bool
	}{
		{"router takes, peer sends", receive, send, true, false, true},
		{"router sends, peer takes", send, receive, false, true, true},
		{"both ways", both, both, true, true, true},
		{"only the router", both, none, false, false, false},
		{"nobody sends", receive, receive, false, false, true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := NewSession(Config{})
			for _, v := range []struct {
				peer Peer
				want bool
			}{{peer4, tt.in}, {outV4, tt.out}, {loc, tt.loc}} {
				up := &PeerUp{Peer: v.peer, LocalAddr: addr("0.0.0.0"), Sent: openOf(64496, tt.sent), Received: openOf(64497, tt.received)}
				mustDecode[*PeerUp](t, s, AppendPeerUp(nil, up))
				m, err := s.Decode(withPath(v.peer))
				rm := m.(*RouteMonitoring)
				got := err == nil && len(rm.Announced) == 1 && len(rm.Announced[0].NLRI) == 1 && rm.Announced[0].NLRI[0].PathID == 7
				if got != v.want {
					t.Errorf("%v: path id read %v, want %v (%v)", v.peer.View(), got, v.want, err)
				}
			}
		})
	}
}

func TestPeerUpRenews(t *testing.T) {
	s := NewSession(Config{})
	both := bgp.AddPath{Family: bgp.IPv4Unicast, Mode: bgp.AddPathBoth}
	up := &PeerUp{Peer: peer4, LocalAddr: addr("198.51.100.1"), Sent: openOf(1), Received: openOf(2)}
	if m := mustDecode[*PeerUp](t, s, AppendPeerUp(nil, up)); m.Renewed {
		t.Error("the first peer up renews nothing")
	}
	mustDecode[*RouteMonitoring](t, s, AppendEndOfRIB(nil, &peer4, bgp.IPv4Unicast))
	up.Sent, up.Received = openOf(1, both), openOf(2, both)
	if m := mustDecode[*PeerUp](t, s, AppendPeerUp(nil, up)); m.Renewed {
		t.Error("a peer up told twice renews nothing, though its capabilities count")
	}
	if m := mustDecode[*RouteMonitoring](t, s, withPath(peer4)); !m.Announced[0].NLRI[0].HasPathID {
		t.Errorf("capabilities are not renewed: %+v", m)
	}
	up.RemotePort++
	if m := mustDecode[*PeerUp](t, s, AppendPeerUp(nil, up)); !m.Renewed {
		t.Error("the peer up of another BGP session renews")
	}
	if m := mustDecode[*RouteMonitoring](t, s, withPath(peer4)); !m.Known || !m.Announced[0].NLRI[0].HasPathID {
		t.Errorf("capabilities are not renewed: %+v", m)
	}
	// One of the peer's views goes: how the others are written stays known.
	mustDecode[*PeerDown](t, s, AppendPeerDown(nil, &PeerDown{Peer: peer4, Reason: DownDeconfigured}))
	if m := mustDecode[*RouteMonitoring](t, s, withPath(peer4)); m.Known || !m.Announced[0].NLRI[0].HasPathID {
		t.Errorf("after peer down: %+v", m)
	}
	if c := s.Counters(); c.NoPeerUp != 1 {
		t.Errorf("counters %+v", c)
	}
	if m := mustDecode[*PeerUp](t, s, AppendPeerUp(nil, up)); m.Renewed {
		t.Error("a peer up after a peer down renews nothing")
	}
}

func TestSessionID(t *testing.T) {
	up := PeerUp{Peer: peer4, LocalPort: 179, RemotePort: 33357}
	seen := map[uint64]string{up.SessionID(): "as it was"}
	for name, change := range map[string]func(m *PeerUp){
		"time":        func(m *PeerUp) { m.Time++ },
		"local port":  func(m *PeerUp) { m.LocalPort++ },
		"remote port": func(m *PeerUp) { m.RemotePort++ },
		"identifier":  func(m *PeerUp) { m.BGPID = addr("10.0.0.9") },
	} {
		m := up
		change(&m)
		if was, twice := seen[m.SessionID()]; twice {
			t.Errorf("%s: same session as with %s", name, was)
		}
		seen[m.SessionID()] = name
	}
	for name, change := range map[string]func(m *PeerUp){
		"flags": func(m *PeerUp) { m.Flags = FlagPostPolicy }, "opens": func(m *PeerUp) { m.Sent = openOf(7) },
	} {
		m := up
		change(&m)
		if seen[m.SessionID()] != "as it was" {
			t.Errorf("%s: another session", name)
		}
	}
}

// A Peer Up that is cut says that the peer is up all the same.
func TestCutPeerUpIsAPeerUp(t *testing.T) {
	s := NewSession(Config{})
	up := AppendPeerUp(nil, &PeerUp{Peer: peer4, LocalAddr: addr("0.0.0.0"), Sent: openOf(1), Received: openOf(2)})
	for _, size := range []int{HeaderSize + PeerHeaderSize + 4, HeaderSize + PeerHeaderSize + peerUpSize + 5} {
		if _, err := s.Decode(finish(slices.Clone(up[:size]), 0)); err == nil {
			t.Fatalf("%d octets of a peer up are no error", size)
		}
		if m := mustDecode[*RouteMonitoring](t, s, AppendEndOfRIB(nil, &peer4, bgp.IPv4Unicast)); !m.Known {
			t.Errorf("after %d octets of a peer up the peer is not known", size)
		}
		mustDecode[*PeerDown](t, s, AppendPeerDown(nil, &PeerDown{Peer: peer4, Reason: DownRemoteNoNotif}))
	}
}

// Dumps repeat the per-peer header but for its time, and messages of other types may come in between.
func TestTimeIsOfTheMessage(t *testing.T) {
	s := NewSession(Config{})
	for i, p := range []Peer{peer4, peer4, peer6, peer4} {
		p.Time = int64(1700000000+i) * 1e9
		if m := mustDecode[*RouteMonitoring](t, s, AppendEndOfRIB(nil, &p, bgp.IPv4Unicast)); m.Peer != p {
			t.Errorf("message %d: got %+v, want %+v", i, m.Peer, p)
		}
	}
}

func TestASWidth(t *testing.T) {
	as2 := peer4
	as2.Flags = FlagAS2
	locFlag := loc
	locFlag.Flags = FlagAS2 // means nothing for Loc-RIB
	tests := []struct {
		name string
		peer Peer
		attr string // AS_PATH
		want []uint32
	}{
		{"four octets without peer up", peer4, "40020a 0202 0000fbf0 0000fbf1", []uint32{64496, 64497}},
		{"a flag", as2, "400206 0202 fbf0 fbf1", []uint32{64496, 64497}},
		{"a flag, path that looks like four octets", as2, "40020a 0202 0001 0002 0201 0003", []uint32{1, 2, 3}},
		{"no a flag, path that looks like two octets too", peer4, "40020a 0202 0001 0002 0201 0003", []uint32{0x10002, 0x2010003}},
		{"two octets without a flag", peer4, "400206 0202 fbf0 fbf1", []uint32{64496, 64497}},
		{"loc-rib flags", locFlag, "40020a 0202 0000fbf0 0000fbf1", []uint32{64496, 64497}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := NewSession(Config{})
			msg := routeMessage(t, &tt.peer, "400101 00"+tt.attr+"400304 c0000201", "18 c00002")
			m := mustDecode[*RouteMonitoring](t, s, msg)
			if got := m.Announced[0].Attrs.ASPath; !slices.Equal(got, tt.want) {
				t.Errorf("got %v, want %v", got, tt.want)
			}
		})
	}
	t.Run("opens decide what is ambiguous", func(t *testing.T) {
		wide, old := openOf(64497), openOf(64497)
		old.AS4 = false
		two, four := []uint32{1, 2, 3}, []uint32{0x10002, 0x2010003}
		for _, tt := range []struct {
			name           string
			peer           Peer
			sent, received bgp.Open
			want           []uint32
		}{
			{"both with four octets", peer4, wide, wide, four},
			{"the peer has two", peer4, wide, old, two},
			{"the router has two", peer4, old, wide, two},
			{"loc-rib has four whatever is made up", loc, old, old, four},
			{"opens that say nothing", peer4, bgp.Open{}, bgp.Open{}, four},
		} {
			s := NewSession(Config{})
			up, start := openPeer(nil, TypePeerUp, &tt.peer)
			up = append(up, make([]byte, peerUpSize)...)
			for _, o := range []*bgp.Open{&tt.sent, &tt.received} {
				if o.Version == 0 { // an OPEN without contents
					up = append(append(up, bytes.Repeat([]byte{0xff}, 16)...), 0, bgp.HeaderSize, bgp.TypeOpen)
					continue
				}
				up = bgp.AppendOpen(up, o)
			}
			mustDecode[*PeerUp](t, s, finish(up, start))
			msg := routeMessage(t, &tt.peer, "400101 00 40020a 0202 0001 0002 0201 0003 400304 c0000201", "18 c00002")
			if got := mustDecode[*RouteMonitoring](t, s, msg).Announced[0].Attrs.ASPath; !slices.Equal(got, tt.want) {
				t.Errorf("%s: got %v, want %v", tt.name, got, tt.want)
			}
		}
	})
}

// routeMessage builds Route Monitoring from attributes and IPv4 routes in hex.
func routeMessage(t testing.TB, p *Peer, attrs, nlri string) []byte {
	b, start := openPeer(nil, TypeRouteMonitoring, p)
	return finish(append(b, updateMessage(t, attrs, nlri)...), start)
}

func updateMessage(t testing.TB, attrs, nlri string) []byte {
	a, n := unhex(t, attrs), unhex(t, nlri)
	b := append(bytes.Repeat([]byte{0xff}, 16), 0, 0, bgp.TypeUpdate, 0, 0, byte(len(a)>>8), byte(len(a)))
	b = append(append(b, a...), n...)
	binary.BigEndian.PutUint16(b[16:], uint16(len(b)))
	return b
}

func TestMaxPeers(t *testing.T) {
	s := NewSession(Config{MaxPeers: 2})
	both := bgp.AddPath{Family: bgp.IPv4Unicast, Mode: bgp.AddPathBoth}
	peers := make([]Peer, 4)
	for i := range peers {
		peers[i] = peer4
		peers[i].Addr = addr(fmt.Sprintf("198.51.100.%d", i))
	}
	open := func(p Peer) {
		mustDecode[*PeerUp](t, s, AppendPeerUp(nil, &PeerUp{Peer: p, Sent: openOf(1, both), Received: openOf(2, both)}))
	}
	for _, p := range peers[:3] {
		open(p)
	}
	if len(s.peers) != 2 || s.Counters().PeersRefused != 1 {
		t.Errorf("%d peers, %+v", len(s.peers), s.Counters())
	}
	open(peers[1]) // known ones are renewed
	mustDecode[*PeerDown](t, s, AppendPeerDown(nil, &PeerDown{Peer: peers[0], Reason: DownDeconfigured}))
	open(peers[3])
	if m := mustDecode[*RouteMonitoring](t, s, withPath(peers[3])); !m.Known || len(s.peers) != 2 || s.Counters().PeersRefused != 1 {
		t.Errorf("%d peers, %+v", len(s.peers), s.Counters())
	}
}

func TestMalformed(t *testing.T) {
	cut := func(m []byte, n int) []byte {
		m = slices.Clone(m[:len(m)-n])
		return finish(m, 0)
	}
	up := AppendPeerUp(nil, &PeerUp{Peer: peer4, LocalAddr: addr("0.0.0.0"), Sent: openOf(1), Received: openOf(2)})
	notOpen := slices.Clone(up)
	notOpen[HeaderSize+PeerHeaderSize+peerUpSize+18] = bgp.TypeKeepalive
	down := AppendPeerDown(nil, &PeerDown{Peer: peer4, Reason: DownRemoteNotification, Notification: &Notification{Code: 6}})
	notNotification, noSubcode := slices.Clone(down), cut(down, 1)
	notNotification[HeaderSize+PeerHeaderSize+1+18] = bgp.TypeKeepalive
	noSubcode[HeaderSize+PeerHeaderSize+1+17]--
	route := AppendEndOfRIB(nil, &peer4, bgp.IPv4Unicast)
	notUpdate := slices.Clone(route)
	notUpdate[HeaderSize+PeerHeaderSize+18] = bgp.TypeKeepalive
	tests := []struct {
		name string
		msg  []byte
		want error
		nil  bool
	}{
		{"empty", nil, ErrFraming, true},
		{"length differs", append(slices.Clone(route), 0), ErrFraming, true},
		{"version", append([]byte{5}, route[1:]...), ErrFraming, true},
		{"per-peer header cut", message(TypeRouteMonitoring, 20), ErrShort, true},
		{"route monitoring without update", cut(route, 23), bgp.ErrMessage, false},
		{"route monitoring with another message", notUpdate, ErrPDU, false},
		{"route monitoring with bad update", routeMessage(t, &peer4, "", "18 c0"), bgp.ErrUpdate, false},
		{"peer up without addresses", cut(up, len(up)-50), ErrShort, false},
		{"peer up with one open", cut(up, 40), bgp.ErrMessage, false},
		{"peer up with another message", notOpen, ErrPDU, false},
		{"peer up with cut tlv", finish(append(slices.Clone(up), 0, 3, 0, 9, 1), 0), ErrShort, false},
		{"peer down without reason", cut(down, 22), ErrShort, false},
		{"peer down with cut notification", cut(down, 1), bgp.ErrMessage, false},
		{"peer down with another message", notNotification, ErrPDU, false},
		{"peer down with a notification without subcode", noSubcode, ErrPDU, false},
		{"statistics without count", message(TypeStatistics, HeaderSize+PeerHeaderSize+3), ErrShort, false},
		{"initiation with cut tlv", finish([]byte{3, 0, 0, 0, 0, 4, 0, 1, 0, 5, 1}, 0), ErrShort, false},
		{"initiation with cut tlv header", finish([]byte{3, 0, 0, 0, 0, 4, 0, 1, 0}, 0), ErrShort, false},
	}
	s := NewSession(Config{})
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			m, err := s.Decode(tt.msg)
			if !errors.Is(err, tt.want) || (m == nil) != tt.nil {
				t.Errorf("got %+v, %v; want %v", m, err, tt.want)
			}
			if rm, ok := m.(*RouteMonitoring); ok && (rm.Addr != peer4.Addr || rm.Outcome != bgp.OutcomeMalformed) {
				t.Errorf("got %+v", rm)
			}
		})
	}
	if c := s.Counters(); c.Malformed != uint64(len(tests)) {
		t.Errorf("counters %+v", c)
	}
}

func TestTextOfTLVs(t *testing.T) {
	s := NewSession(Config{})
	m := mustDecode[*Initiation](t, s, AppendInitiation(nil, &Initiation{SysName: "r1\x00\x00", SysDescr: "a\xffb"}))
	if m.SysName != "r1" || m.SysDescr != "a\uFFFDb" {
		t.Errorf("got %q %q", m.SysName, m.SysDescr)
	}
	long, cut := strings.Repeat("x", 254)+"äbc", strings.Repeat("x", 254)
	m = mustDecode[*Initiation](t, s, AppendInitiation(nil, &Initiation{SysName: long, SysDescr: long}))
	up := mustDecode[*PeerUp](t, s, AppendPeerUp(nil, &PeerUp{Peer: loc, Sent: openOf(1), Received: openOf(1), TableName: long}))
	down := mustDecode[*PeerDown](t, s, AppendPeerDown(nil, &PeerDown{Peer: loc, Reason: DownTLVs, TableName: long}))
	if m.SysName != cut || m.SysDescr != long || up.TableName != cut || down.TableName != cut {
		t.Errorf("got %q %q %q %q", m.SysName, m.SysDescr, up.TableName, down.TableName)
	}
}

func TestNames(t *testing.T) {
	for typ, want := range map[MessageType]string{TypeRouteMonitoring: "route-monitoring", TypeRouteMirroring: "route-mirroring", 99: "unknown"} {
		if typ.String() != want {
			t.Errorf("%d: %s", typ, typ)
		}
	}
	for typ, want := range map[uint16]string{
		7: "adj-rib-in-routes", 17: "adj-rib-out-post-family-routes", 22: "adj-rib-in-pre-family-rejected-routes", 26: "family-damped-routes",
		38: "adj-rib-out-pre-family-rejected-routes", 43: "adj-rib-out-post-family-rpki-not-found-routes", 44: "stat-44",
	} {
		st := Statistic{Type: typ}
		if st.Name() != want || !st.IsGauge() {
			t.Errorf("%d: %s, gauge %v", typ, st.Name(), st.IsGauge())
		}
	}
	if d := (&PeerDown{Reason: 6}); d.ReasonText() != "local system closed with tlv data" {
		t.Error(d.ReasonText())
	}
	if d := (&PeerDown{Reason: 77}); d.ReasonText() != "unknown" {
		t.Error(d.ReasonText())
	}
	if m := (&Termination{Reason: 3, HasReason: true}); m.ReasonText() != "redundant connection" {
		t.Error(m.ReasonText())
	}
}
