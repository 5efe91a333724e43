package endtoend

import (
	"bytes"
	"fmt"
	"net"
	"net/netip"
	"os"
	"testing"
	"time"

	"github.com/telcol/telcol/bmp"
	"github.com/telcol/telcol/bmp/bgp"
	"github.com/telcol/telcol/cmd/internal/daemons"
	"github.com/telcol/telcol/ipfix"
)

// byHand is a router whose every message a test chooses: one that dumps half a table, or tells of a time.
type byHand struct {
	t     *testing.T
	g     *group
	addr  netip.Addr
	peer  bmp.Peer
	bmp   net.Conn
	ipfix net.Conn
	next  uint32 // sequence number of IPFIX
	flows int    // sent
}

// routerByHand is a router at an address, with IPFIX over a network. It opens its BMP session with openBMP.
func (g *group) routerByHand(t *testing.T, addr, network string) *byHand {
	t.Helper()
	r := &byHand{t: t, g: g, addr: netip.MustParseAddr(addr), peer: bmp.Peer{
		Type: bmp.PeerGlobal, Addr: netip.MustParseAddr("192.0.2.1"), BGPID: netip.MustParseAddr("192.0.2.1"), AS: 64497, Flags: bmp.FlagPostPolicy,
	}}
	r.ipfix = r.dial(network, g.ipfix)
	return r
}

func (r *byHand) dial(network, to string) net.Conn {
	r.t.Helper()
	d := net.Dialer{LocalAddr: &net.TCPAddr{IP: r.addr.AsSlice()}, Timeout: daemons.Patience}
	if network == "udp" {
		d.LocalAddr = &net.UDPAddr{IP: r.addr.AsSlice()}
	}
	conn, err := d.DialContext(r.t.Context(), network, to)
	if err != nil {
		r.t.Fatal(err)
	}
	r.t.Cleanup(func() { conn.Close() })
	return conn
}

func (r *byHand) send(to net.Conn, b []byte) {
	r.t.Helper()
	if _, err := to.Write(b); err != nil {
		r.t.Fatal(err)
	}
}

// openBMP opens the session and tells a peer up.
func (r *byHand) openBMP(families ...bmp.Family) {
	r.t.Helper()
	r.bmp = r.dial("tcp", r.g.bmp)
	r.send(r.bmp, bmp.AppendInitiation(nil, &bmp.Initiation{SysDescr: "by hand", SysName: r.addr.String()}))
	r.up(r.peer, families...)
}

func (r *byHand) up(p bmp.Peer, families ...bmp.Family) {
	r.t.Helper()
	open := bgp.Open{Version: 4, AS: 64496, AS4: true, HoldTime: 180, ID: netip.MustParseAddr("192.0.2.250"), Families: families}
	up := bmp.PeerUp{Peer: p, Sent: open, Received: open, LocalAddr: open.ID, LocalPort: 179, RemotePort: 40179}
	up.Received.AS, up.Received.ID = p.AS, p.BGPID
	r.send(r.bmp, bmp.AppendPeerUp(nil, &up))
}

// at gives a peer's messages the time so long ago.
func at(p bmp.Peer, ago time.Duration) bmp.Peer {
	p.Time = time.Now().Add(-ago).UnixNano()
	return p
}

// route tells a route that ends in an AS; in a VRF where rd is not 0.
func (r *byHand) route(p bmp.Peer, prefix string, rd uint64, as uint32) {
	r.t.Helper()
	r.send(r.bmp, bmp.AppendRouteMonitoring(nil, &p, nil, []bmp.NLRI{nlri(prefix, rd)}, &bmp.Attributes{
		HasOrigin: true, HasASPath: true, ASPath: []uint32{64497, as}, NextHop: netip.MustParseAddr("192.0.2.9"),
	}))
}

func (r *byHand) withdraw(p bmp.Peer, prefix string) {
	r.t.Helper()
	r.send(r.bmp, bmp.AppendRouteMonitoring(nil, &p, []bmp.NLRI{nlri(prefix, 0)}, nil, nil))
}

func nlri(prefix string, rd uint64) bmp.NLRI {
	n := bmp.NLRI{Prefix: netip.MustParsePrefix(prefix), Family: bgp.IPv4Unicast}
	if rd != 0 {
		n.Family, n.RD, n.Label, n.HasLabel = bgp.IPv4VPN, rd, 16, true
	}
	return n
}

func (r *byHand) endOfRIB(families ...bmp.Family) {
	r.t.Helper()
	for _, f := range families {
		r.send(r.bmp, bmp.AppendEndOfRIB(nil, &r.peer, f))
	}
}

// Templates of a router by hand: flows, those with a VRF, and the options that explain that.
const (
	handFlows  = 256
	handInVRF  = 257
	handVRFs   = 300
	handDomain = 7
)

var handFields = []ipfix.Field{{ID: 8, Len: 4}, {ID: 12, Len: 4}, {ID: 7, Len: 2}, {ID: 153, Len: 8}, {ID: 1, Len: 4}}

// message makes a message of what fill writes, which is so many records.
func (r *byHand) message(records uint32, fill func(*ipfix.Builder)) []byte {
	r.t.Helper()
	var m ipfix.Builder
	m.Begin(nil, ipfix.Header{Version: ipfix.VersionIPFIX, ExportTime: time.Now().UnixNano(), Sequence: r.next, Domain: handDomain})
	fill(&m)
	b, err := m.Finish()
	if err != nil {
		r.t.Fatal(err)
	}
	r.next += records
	return b
}

// templates tells all templates.
func (r *byHand) templates() {
	r.t.Helper()
	r.send(r.ipfix, r.message(0, func(m *ipfix.Builder) {
		m.Template(handFlows, handFields...)
		m.Template(handInVRF, append(handFields[:len(handFields):len(handFields)], ipfix.Field{ID: 234, Len: 4})...)
		m.OptionsTemplate(handVRFs, ipfix.Field{ID: 234, Len: 4, Scope: true}, ipfix.Field{ID: 236, Len: 16}, ipfix.Field{ID: 90, Len: 8})
	}))
}

// vrf explains a VRF id.
func (r *byHand) vrf(id uint32, name string, rd uint64) {
	r.t.Helper()
	r.send(r.ipfix, r.message(1, func(m *ipfix.Builder) {
		m.Set(handVRFs)
		m.Uint(uint64(id), 4)
		m.Text(name, 16)
		m.Uint(rd, 8)
	}))
}

// flow sends a flow that ended so long ago, in a VRF unless that is 0. Its number is its source port.
func (r *byHand) flow(dst string, ago time.Duration, vrf uint32) {
	r.t.Helper()
	r.send(r.ipfix, r.flowMessage(dst, ago, vrf))
}

func (r *byHand) flowMessage(dst string, ago time.Duration, vrf uint32) []byte {
	r.t.Helper()
	r.flows++
	return r.message(1, func(m *ipfix.Builder) {
		id := uint16(handFlows)
		if vrf != 0 {
			id = handInVRF
		}
		m.Set(id)
		m.Addr(netip.MustParseAddr("10.0.0.1"))
		m.Addr(netip.MustParseAddr(dst))
		m.Uint(uint64(r.flows), 2)
		m.Uint(uint64(time.Now().Add(-ago).UnixMilli()), 8)
		m.Uint(1500, 4)
		if vrf != 0 {
			m.Uint(uint64(vrf), 4)
		}
	})
}

// records gives the records of the router in the order in which they were published.
func (r *byHand) records(file string) (rows []row) {
	r.t.Helper()
	b, err := os.ReadFile(file)
	if err != nil {
		r.t.Fatal(err)
	}
	// What has no end is being written.
	for _, x := range parseRows(r.t, file, b[:bytes.LastIndexByte(b, '\n')+1]) {
		if x.text("device") == r.addr.String() && x.text("type") == "flow" {
			rows = append(rows, x)
		}
	}
	return rows
}

// waitRecords waits until so many records of the router are published, and returns them.
func (r *byHand) waitRecords(file string, n int) (rows []row) {
	r.t.Helper()
	daemons.Eventually(r.t, fmt.Sprintf("%d records of %s", n, r.addr), func() error {
		if rows = r.records(file); len(rows) < n {
			return fmt.Errorf("%d", len(rows))
		}
		return nil
	})
	return rows
}

// checkInOrder makes sure that the records are those of all flows, in order, each once.
func (r *byHand) checkInOrder(rows []row) {
	r.t.Helper()
	if len(rows) != r.flows {
		r.t.Errorf("%s: %d records of %d flows", r.addr, len(rows), r.flows)
	}
	for i, x := range rows {
		if got := x.text("src_port"); got != fmt.Sprint(i+1) {
			r.t.Fatalf("%s: record %d is of flow %s", r.addr, i+1, got)
		}
	}
}

// down ends a peer.
func (r *byHand) down(p bmp.Peer) {
	r.t.Helper()
	r.send(r.bmp, bmp.AppendPeerDown(nil, &bmp.PeerDown{Peer: p, Reason: 4}))
}
