package correlate

import (
	"errors"
	"io"
	"net"
	"net/netip"
	"testing"
	"time"

	"github.com/telcol/telcol/bmp"
	"github.com/telcol/telcol/bmp/bgp"
	"github.com/telcol/telcol/ipfix"
)

const testNow = int64(1_800_000_000) * 1e9

var (
	device1 = netip.MustParseAddr("192.0.2.1")
	device2 = netip.MustParseAddr("192.0.2.2")
	ce      = netip.MustParseAddr("198.51.100.1")
)

func addr(s string) netip.Addr     { return netip.MustParseAddr(s) }
func prefix(s string) netip.Prefix { return netip.MustParsePrefix(s) }

// bench is a Correlator with a way to feed it BMP messages as a session would.
type bench struct {
	*Correlator
	t        testing.TB
	sessions uint64
	kept     bool // the last session is open
}

func newBench(t testing.TB) *bench {
	c, err := New(Config{VRFWait: -1, RIBWait: -1}, func(*Record) {})
	if err != nil {
		t.Fatal(err)
	}
	return &bench{Correlator: c, t: t}
}

// session plays messages as one BMP session of a device and applies all batches. The session ends with it unless keep is set;
// then the next call goes on with it.
func (b *bench) session(device netip.Addr, keep bool, messages ...[]byte) error {
	b.t.Helper()
	out := make(chan *Batch)
	if !b.kept {
		b.sessions++
	}
	b.kept = keep
	feed := NewFeed(device, FeedConfig{Session: b.sessions, Now: func() int64 { return testNow }}, out)
	near, far := net.Pipe()
	ended := make(chan error, 1)
	go func() { ended <- feed.Run(far) }()
	go func() {
		for _, m := range messages {
			near.Write(m)
		}
		near.Close()
	}()
	for {
		select {
		case batch := <-out:
			if keep {
				ops := batch.ops[:0]
				for _, o := range batch.ops {
					if o.kind != opSessionDown {
						ops = append(ops, o)
					}
				}
				batch.ops = ops
			}
			b.Apply(batch, testNow)
			batch.Free()
		case err := <-ended:
			return err
		}
	}
}

func globalPeer(flags uint8) *bmp.Peer {
	return &bmp.Peer{Type: bmp.PeerGlobal, Flags: flags, Addr: ce, AS: 64500, BGPID: ce, Time: testNow - 5e9}
}

func locRIB(rd uint64) *bmp.Peer {
	return &bmp.Peer{Type: bmp.PeerLocRIB, Addr: netip.IPv4Unspecified(), Distinguisher: rd, BGPID: ce, Time: testNow - 5e9}
}

func rdPeer(rd uint64) *bmp.Peer {
	p := globalPeer(bmp.FlagPostPolicy)
	p.Type, p.Distinguisher = bmp.PeerRD, rd
	return p
}

// route announces one prefix with an AS path that tells the answers apart.
func route(p *bmp.Peer, pfx string, as uint32, nextHop string) []byte {
	return routeOf(p, bgp.NLRI{Prefix: prefix(pfx), Family: unicast(pfx)}, as, nextHop)
}

func unicast(pfx string) bgp.Family {
	if prefix(pfx).Addr().Is4() {
		return bgp.NewFamily(1, bgp.SAFIUnicast)
	}
	return bgp.NewFamily(2, bgp.SAFIUnicast)
}

func routeOf(p *bmp.Peer, n bgp.NLRI, as uint32, nextHop string) []byte {
	a := &bgp.Attributes{
		HasOrigin: true, HasASPath: true, ASPath: []uint32{64500, as}, NextHop: addr(nextHop), LocalPref: 100, HasLocalPref: true,
	}
	return bmp.AppendRouteMonitoring(nil, p, nil, []bgp.NLRI{n}, a)
}

// join decodes one flow of a device through a template and returns the record.
func (b *bench) join(device netip.Addr, f flowSpec) Record {
	b.t.Helper()
	var got []Record
	b.emit = func(r *Record) {
		c := *r
		c.Flow = r.Flow.Clone()
		got = append(got, c)
	}
	err := b.Message(device, f.message(b.t), testNow)
	if err != nil || len(got) != 1 {
		b.t.Fatalf("%d records, error %v", len(got), err)
	}
	return got[0]
}

// flowSpec is a flow with the elements that decide a join.
type flowSpec struct {
	src, dst     string
	in, out      uint32 // VRF ids
	rd           uint64
	bgpNextHop   string
	withoutAddrs bool
}

func (f flowSpec) message(t testing.TB) []byte {
	t.Helper()
	var m ipfix.Builder
	m.Begin(nil, ipfix.Header{Version: ipfix.VersionIPFIX, ExportTime: testNow, Domain: 1})
	m.OptionsTemplate(257, ipfix.Field{ID: 234, Len: 4, Scope: true}, ipfix.Field{ID: 90, Len: 8}, ipfix.Field{ID: 236, Len: 8})
	m.Set(257)
	for _, v := range []struct {
		id   uint64
		rd   uint64
		name string
	}{{idDefault, 0, "default"}, {idA, uint64(rdA), "A"}, {idB, uint64(rdB), "B"}, {idNoRD, 0, "mgmt"}} {
		m.Uint(v.id, 4)
		m.Uint(v.rd, 8)
		m.Text(v.name, 8)
	}
	fields := []ipfix.Field{{ID: 234, Len: 4}, {ID: 235, Len: 4}, {ID: 1, Len: 4}}
	if !f.withoutAddrs {
		srcID, dstID, size := uint16(8), uint16(12), uint16(4)
		if addr(f.src).Is6() {
			srcID, dstID, size = 27, 28, 16
		}
		fields = append(fields, ipfix.Field{ID: srcID, Len: size}, ipfix.Field{ID: dstID, Len: size})
	}
	if f.rd != 0 {
		fields = append(fields, ipfix.Field{ID: 90, Len: 8})
	}
	if f.bgpNextHop != "" {
		fields = append(fields, ipfix.Field{ID: 18, Len: 4})
	}
	m.Template(256, fields...)
	m.Set(256)
	m.Uint(uint64(f.in), 4)
	m.Uint(uint64(f.out), 4)
	m.Uint(1000, 4)
	if !f.withoutAddrs {
		m.Addr(addr(f.src))
		m.Addr(addr(f.dst))
	}
	if f.rd != 0 {
		m.Uint(f.rd, 8)
	}
	if f.bgpNextHop != "" {
		m.Addr(addr(f.bgpNextHop))
	}
	msg, err := m.Finish()
	if err != nil {
		t.Fatal(err)
	}
	return msg
}

// lastAS is the answer: the last AS of the path that a side met, 0 for none.
func lastAS(s *Side) uint32 {
	if !s.Join.Hit() || len(s.Match.Attrs.ASPath) == 0 {
		return 0
	}
	return s.Match.Attrs.ASPath[len(s.Match.Attrs.ASPath)-1]
}

func TestJoin(t *testing.T) {
	vpn := bgp.NLRI{Prefix: prefix("10.3.0.0/16"), Family: bgp.NewFamily(1, bgp.SAFIVPN), RD: uint64(rdC), HasLabel: true, Label: 16}
	labelled := bgp.NLRI{Prefix: prefix("10.4.0.0/16"), Family: bgp.NewFamily(1, bgp.SAFILabeled), HasLabel: true, Label: 17}
	messages := [][]byte{
		bmp.AppendInitiation(nil, &bmp.Initiation{SysName: "pe1"}),
		route(globalPeer(0), "10.1.0.0/16", 11, "203.0.113.1"),
		route(globalPeer(bmp.FlagPostPolicy), "10.1.0.0/16", 12, "203.0.113.2"),
		route(locRIB(0), "10.1.0.0/16", 13, "203.0.113.3"),
		route(globalPeer(0), "10.1.2.0/24", 14, "203.0.113.1"), // longer, in a lesser view
		route(globalPeer(bmp.FlagOut), "10.9.0.0/16", 15, "203.0.113.1"),
		route(locRIB(0), "169.254.7.0/24", 16, "203.0.113.3"),
		route(locRIB(0), "0.0.0.0/0", 17, "203.0.113.3"),
		route(locRIB(uint64(rdA)), "10.1.0.0/16", 21, "203.0.113.3"),
		route(rdPeer(uint64(rdB)), "10.2.0.0/16", 31, "203.0.113.3"),
		routeOf(globalPeer(0), vpn, 41, "203.0.113.4"),
		routeOf(locRIB(0), labelled, 51, "203.0.113.5"),
		route(locRIB(0), "2001:db8:1::/48", 61, "2001:db8::1"),
	}
	tests := []struct {
		name     string
		flow     flowSpec
		src, dst JoinStatus
		srcAS    uint32
		dstAS    uint32
		rd       string
		vrf      string
	}{
		{name: "Loc-RIB before Adj-RIB-In, whatever the length", flow: flowSpec{src: "10.1.2.3", dst: "10.1.3.4"}, src: JoinHit, dst: JoinHit, srcAS: 13, dstAS: 13},
		{name: "Adj-RIB-Out never answers", flow: flowSpec{src: "10.9.0.1", dst: "10.1.3.4"}, src: JoinHit, dst: JoinHit, srcAS: 17, dstAS: 13},
		{name: "Loc-RIB with a distinguisher", flow: flowSpec{src: "10.1.2.3", dst: "10.5.0.1", in: idA}, src: JoinHit, dst: JoinNoPrefix, srcAS: 21, rd: rdA.String(), vrf: "A"},
		{name: "RD instance peer", flow: flowSpec{src: "10.2.2.3", dst: "10.2.0.1", in: idB}, src: JoinHit, dst: JoinHit, srcAS: 31, dstAS: 31, rd: rdB.String(), vrf: "B"},
		{name: "VPN route by its own distinguisher", flow: flowSpec{src: "10.3.0.1", dst: "10.3.0.2", rd: uint64(rdC)}, src: JoinHit, dst: JoinHit, srcAS: 41, dstAS: 41, rd: rdC.String()},
		{name: "labelled unicast is of the global table", flow: flowSpec{src: "10.4.0.1", dst: "10.4.0.2"}, src: JoinHit, dst: JoinHit, srcAS: 51, dstAS: 51},
		{name: "default table matches global routes only", flow: flowSpec{src: "10.2.0.1", dst: "10.1.0.1", in: idDefault, out: idDefault}, src: JoinHit, dst: JoinHit, srcAS: 17, dstAS: 13, rd: "0:0:0", vrf: "default"},
		{name: "arrival over MPLS belongs to the egress VRF", flow: flowSpec{src: "10.1.2.3", dst: "10.1.3.4", in: idDefault, out: idA}, src: JoinHit, dst: JoinHit, srcAS: 21, dstAS: 21, rd: rdA.String(), vrf: "A"},
		{name: "extranet", flow: flowSpec{src: "10.1.2.3", dst: "10.2.3.4", in: idA, out: idB}, src: JoinHit, dst: JoinHit, srcAS: 21, dstAS: 31, rd: rdA.String(), vrf: "A"},
		{name: "unknown VRF is never any VRF", flow: flowSpec{src: "10.1.2.3", dst: "10.1.3.4", in: idUntold}, src: JoinUnknownVRF, dst: JoinUnknownVRF},
		{name: "a VRF without a distinguisher is not the default table", flow: flowSpec{src: "10.1.2.3", dst: "10.1.3.4", in: idNoRD, out: idDefault}, src: JoinUnknownVRF, dst: JoinUnknownVRF, rd: "0:0:0", vrf: "mgmt"},
		{name: "into a VRF without a distinguisher", flow: flowSpec{src: "10.1.2.3", dst: "10.1.3.4", in: idDefault, out: idNoRD}, src: JoinUnknownVRF, dst: JoinUnknownVRF, rd: "0:0:0", vrf: "mgmt"},
		{name: "VRF without routes", flow: flowSpec{src: "10.1.2.3", dst: "10.1.3.4", rd: 77}, src: JoinNoRIB, dst: JoinNoRIB, rd: "0:0:77"},
		{name: "family without routes", flow: flowSpec{src: "2001:db8::1", dst: "2001:db8::2", in: idA}, src: JoinNoRIB, dst: JoinNoRIB, rd: rdA.String(), vrf: "A"},
		{name: "multicast and link-local", flow: flowSpec{src: "169.254.1.1", dst: "224.0.0.5"}, src: JoinNotRouted, dst: JoinNotRouted},
		{name: "announced link-local", flow: flowSpec{src: "169.254.7.1", dst: "255.255.255.255"}, src: JoinHit, dst: JoinNotRouted, srcAS: 16},
		{name: "IPv6 link-local", flow: flowSpec{src: "fe80::1", dst: "2001:db8:1::2"}, src: JoinNotRouted, dst: JoinHit, dstAS: 61},
		{name: "no addresses", flow: flowSpec{withoutAddrs: true}, src: JoinNotRouted, dst: JoinNotRouted},
		{name: "the flow's next hop applies to the destination", flow: flowSpec{src: "10.1.2.3", dst: "10.1.3.4", bgpNextHop: "203.0.113.3"}, src: JoinHit, dst: JoinHitNextHop, srcAS: 13, dstAS: 13},
		{name: "a next hop out of 0.0.0.0/8 is none", flow: flowSpec{src: "10.1.2.3", dst: "10.1.3.4", bgpNextHop: "0.0.45.194"}, src: JoinHit, dst: JoinHit, srcAS: 13, dstAS: 13},
	}
	b := newBench(t)
	if err := b.session(device1, true, messages...); !errors.Is(err, io.EOF) {
		t.Fatal(err)
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := (&bench{Correlator: b.Correlator, t: t}).join(device1, tt.flow)
			if r.Src.Join != tt.src || r.Dst.Join != tt.dst {
				t.Errorf("join %v and %v, want %v and %v", r.Src.Join, r.Dst.Join, tt.src, tt.dst)
			}
			if lastAS(&r.Src) != tt.srcAS || lastAS(&r.Dst) != tt.dstAS {
				t.Errorf("AS %d and %d, want %d and %d", lastAS(&r.Src), lastAS(&r.Dst), tt.srcAS, tt.dstAS)
			}
			rd := ""
			if r.HasRD {
				rd = r.RD.String()
			}
			if rd != tt.rd || r.VRFName != tt.vrf {
				t.Errorf("RD %q VRF %q, want %q and %q", rd, r.VRFName, tt.rd, tt.vrf)
			}
			if r.DeviceName != "pe1" {
				t.Errorf("device name %q", r.DeviceName)
			}
		})
	}
}

func TestJoinIsPerDevice(t *testing.T) {
	b := newBench(t)
	b.session(device1, true, route(locRIB(0), "10.1.0.0/16", 13, "203.0.113.3"))
	r := b.join(device2, flowSpec{src: "10.1.2.3", dst: "10.1.3.4"})
	if r.Src.Join != JoinNoRIB || r.Dst.Join != JoinNoRIB || r.RIB != RIBAbsent {
		t.Errorf("another device's routes answered: %v, %v, %v", r.Src.Join, r.Dst.Join, r.RIB)
	}
}

func TestRIBState(t *testing.T) {
	b := newBench(t)
	state := func() RIBState {
		return b.join(device1, flowSpec{src: "10.1.2.3", dst: "10.1.3.4"}).RIB
	}
	if got := state(); got != RIBAbsent {
		t.Errorf("without routes: %v", got)
	}
	up := bmp.AppendPeerUp(nil, &bmp.PeerUp{
		Peer: *globalPeer(0), LocalAddr: device1, Sent: bgp.Open{AS: 64496, AS4: true}, Received: bgp.Open{AS: 64500, AS4: true},
	})
	announce := route(globalPeer(0), "10.1.0.0/16", 13, "203.0.113.3")
	b.session(device1, true, up, announce)
	if got := state(); got != RIBSyncing {
		t.Errorf("during the dump: %v", got)
	}
	b.session(device1, true, bmp.AppendEndOfRIB(nil, globalPeer(0), unicast("10.1.0.0/16")))
	if got := state(); got != RIBSynced {
		t.Errorf("after End-of-RIB: %v", got)
	}
	b.session(device1, false, announce)
	if got := state(); got != RIBStale {
		t.Errorf("after the loss of the session: %v", got)
	}
	b.session(device1, true, bmp.AppendPeerDown(nil, &bmp.PeerDown{Peer: *globalPeer(0), Reason: 1}))
	if r := b.join(device1, flowSpec{src: "10.1.2.3", dst: "10.1.3.4"}); r.Src.Join.Hit() {
		t.Error("routes of a peer that is down answered")
	}
}

func TestMessageRefused(t *testing.T) {
	c, err := New(Config{MaxDevices: 1}, func(*Record) { t.Error("a record came out") })
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name string
		src  netip.Addr
		msg  []byte
		want error
	}{
		{"no version", device1, []byte{0}, ErrShort},
		{"sFlow", device1, make([]byte, 72), ErrVersion},
		{"cut header", device1, []byte{0, 10, 0, 16}, ipfix.ErrShort},
		{"one device too many", device2, []byte{0, 10, 0, 16}, ErrDeviceQuota},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if err := c.Message(tt.src, tt.msg, testNow); !errors.Is(err, tt.want) {
				t.Errorf("got %v, want %v", err, tt.want)
			}
		})
	}
	n := c.Counters()
	if n.TooShort != 1 || n.VersionUnknown[0] != 1 || n.DeviceQuota != 1 || n.IPFIX.BadMessages != 1 {
		t.Errorf("counters %+v", n)
	}
}

func TestVersionsAreNamed(t *testing.T) {
	b := newBench(t)
	for v, want := range map[byte]string{
		0: "version 0, perhaps sFlow: version is not decoded", 5: "NetFlow v5 instead of v9 or IPFIX: version is not decoded",
		11: "version 11: version is not decoded",
	} {
		if err := b.Message(device1, []byte{0, v, 0, 1}, testNow); err == nil || err.Error() != want {
			t.Errorf("got %q, want %q", err, want)
		}
	}
	if n := b.Totals().Devices; n != 0 {
		t.Errorf("%d devices of what is not decoded", n)
	}
}

func TestVersionsAreBounded(t *testing.T) {
	b := newBench(t)
	for v := range 1000 {
		b.Message(device1, []byte{byte(v>>8) | 0x40, byte(v)}, testNow)
	}
	n := b.Counters().VersionUnknown
	if len(n) > maxVersions+1 || n[versionOther] != 1000-maxVersions {
		t.Errorf("%d versions, %d others", len(n), n[versionOther])
	}
}

func TestIdleDeviceIsForgotten(t *testing.T) {
	b := newBench(t)
	b.session(device1, false, route(locRIB(0), "10.1.0.0/16", 13, "203.0.113.3"))
	b.join(device1, flowSpec{src: "10.1.2.3", dst: "10.1.3.4"})
	now := testNow
	for range 30 * 60 {
		now += int64(time.Minute)
		b.Tick(now, 1000)
	}
	if n := b.Totals(); n.Devices != 0 || n.Routes != 0 || n.AttrSets != 0 || len(b.order) != 0 {
		t.Errorf("left over: %+v, %d in order", n, len(b.order))
	}
	if n := b.Counters(); n.IPFIX.DataRecords != 1 {
		t.Errorf("counters of a forgotten device are lost: %+v", n.IPFIX)
	}
}

// TestJoinOfSpecialFlows has what the table of TestJoin cannot say: addresses that no route is for, although one covers them, the router's own
// next hop, and names of interfaces.
func TestJoinOfSpecialFlows(t *testing.T) {
	b := newBench(t)
	own := *globalPeer(bmp.FlagPostPolicy)
	other := own
	other.Addr = addr("198.51.100.2")
	b.session(device1, true,
		route(&own, "0.0.0.0/0", 1, "203.0.113.1"), route(&other, "0.0.0.0/0", 2, "203.0.113.2"),
		route(&own, "169.254.0.0/16", 3, "203.0.113.1"), route(&own, "::/0", 4, "2001:db8::1"), route(&own, "fe80::/10", 5, "2001:db8::1"))
	flow := func(dst string, fill func(f *ipfix.Flow)) Record {
		f := ipfix.Flow{Has: ipfix.FieldDstAddr, Dst: addr(dst), ExportTime: testNow, Options: b.Correlator.Device(device1).options.Domain(1)}
		if fill != nil {
			fill(&f)
		}
		var p vrfPlan
		var r Record
		r.Flow = &f
		planVRF(&f, &p)
		b.Correlator.Device(device1).joinFlow(&f, &p, &r)
		return r
	}
	for _, tc := range []struct {
		dst  string
		fill func(f *ipfix.Flow)
		want JoinStatus
		as   uint32
	}{
		{"192.0.2.1", nil, JoinHit, 1},
		{"0.0.0.0", nil, JoinNotRouted, 0},
		{"127.0.0.1", nil, JoinNotRouted, 0},
		{"224.0.0.5", nil, JoinNotRouted, 0},
		{"255.255.255.255", nil, JoinNotRouted, 0},
		{"::", nil, JoinNotRouted, 0},
		{"::1", nil, JoinNotRouted, 0},
		{"ff02::1", nil, JoinNotRouted, 0},
		{"fe80::1", nil, JoinNotRouted, 0},
		{"169.254.3.4", nil, JoinHit, 3},
		{"2001:db8::9", nil, JoinHit, 4},
		{"192.0.2.1", func(f *ipfix.Flow) { f.Has, f.NextHop = f.Has|ipfix.FieldNextHop, addr("203.0.113.2") }, JoinHitNextHop, 2},
		{"192.0.2.1", func(f *ipfix.Flow) {
			f.Has, f.NextHop, f.BGPNextHop = f.Has|ipfix.FieldNextHop|ipfix.FieldBGPNextHop, addr("203.0.113.2"), addr("203.0.113.1")
		}, JoinHitNextHop, 1},
		{"192.0.2.1", func(f *ipfix.Flow) { f.NextHop = addr("203.0.113.2") }, JoinHit, 1}, // not in the record
		{"192.0.2.1", func(f *ipfix.Flow) { f.BGPNextHop = addr("203.0.113.2") }, JoinHit, 1},
	} {
		r := flow(tc.dst, tc.fill)
		if r.Dst.Join != tc.want || lastAS(&r.Dst) != tc.as || r.Src.Join != JoinNotRouted {
			t.Errorf("%s: %v, AS %d; want %v, AS %d; source %v", tc.dst, r.Dst.Join, lastAS(&r.Dst), tc.want, tc.as, r.Src.Join)
		}
	}
	var m ipfix.Builder
	m.Begin(nil, ipfix.Header{Version: ipfix.VersionIPFIX, ExportTime: testNow, Domain: 1})
	m.OptionsTemplate(258, ipfix.Field{ID: 10, Len: 4, Scope: true}, ipfix.Field{ID: 82, Len: 4})
	m.Set(258)
	for i, name := range []string{"et0", "et5", "et6"} {
		m.Uint([]uint64{0, 5, 6}[i], 4)
		m.Text(name, 4)
	}
	msg, err := m.Finish()
	if err == nil {
		err = b.Message(device1, msg, testNow)
	}
	if err != nil {
		t.Fatal(err)
	}
	for _, tc := range []struct {
		has     ipfix.FieldSet
		in, out string
	}{
		{ipfix.FieldInIf | ipfix.FieldOutIf, "et5", "et6"},
		{ipfix.FieldInIf, "et5", ""},
		{ipfix.FieldOutIf, "", "et6"},
		{0, "", ""},
	} {
		r := flow("192.0.2.1", func(f *ipfix.Flow) { f.Has, f.InIf, f.OutIf = f.Has|tc.has, 5, 6 })
		if r.InIfName != tc.in || r.OutIfName != tc.out {
			t.Errorf("fields %#x: interfaces %q and %q, want %q and %q", tc.has, r.InIfName, r.OutIfName, tc.in, tc.out)
		}
	}
}

// A device that goes on sending is not forgotten; of one that is, all that it left unfinished is counted.
func TestForgottenDeviceLeavesItsCounts(t *testing.T) {
	b := newBench(t)
	var forgotten []netip.Addr
	b.cfg.Forgotten = func(a netip.Addr) { forgotten = append(forgotten, a) }
	for _, d := range []netip.Addr{device1, device2, addr("192.0.2.3")} {
		b.join(d, flowSpec{src: "10.1.2.3", dst: "10.1.3.4", in: idA})
	}
	b.StreamMessage(device2, Stream{Conn: 1}, streamMessage(t, 4, true), testNow)
	was := b.Counters()
	now := testNow
	for range 26 * 60 {
		now += int64(time.Minute)
		if err := b.Message(device1, streamMessage(t, 4, true), now); err != nil {
			t.Fatal(err)
		}
		if now == testNow+int64(time.Hour) { // its template comes never
			b.Message(device2, func() []byte { m := streamMessage(t, 4, false); m[16], m[17] = 3, 0; return m }(), now)
		}
		b.Tick(now, 1000)
		b.Tick(now, 1000)
	}
	b.StreamEnded(device2, Stream{Conn: 1}) // until then it is there
	now += int64(26 * time.Hour)
	for range 100 {
		b.Message(device1, streamMessage(t, 4, true), now)
		b.Tick(now, 1000)
	}
	if len(b.devices) != 1 || b.devices[device1] == nil || len(b.order) != 1 || len(forgotten) != 2 {
		t.Errorf("%d devices, %d in order, forgotten %v; want the one that goes on", len(b.devices), len(b.order), forgotten)
	}
	n := b.Counters()
	if n.IPFIX.OptionsRecords != was.IPFIX.OptionsRecords || n.Options.Changed != was.Options.Changed || n.IPFIX.ExpiredSets+n.IPFIX.EndedSets != 1 {
		t.Errorf("got %+v and options %+v, want what was counted before, %+v and %+v", n.IPFIX, n.Options, was.IPFIX, was.Options)
	}
	if total := b.Totals(); total.HeldSets != 0 || total.HeldBytes != 0 || total.Devices != 1 {
		t.Errorf("totals %+v", total)
	}
}
