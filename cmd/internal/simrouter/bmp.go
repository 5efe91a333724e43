package simrouter

import (
	"encoding/binary"
	"net/netip"
	"slices"
	"time"

	"github.com/telcol/telcol/bmp"
	"github.com/telcol/telcol/bmp/bgp"
)

// bmpState is scratch of the goroutine that writes BMP.
type bmpState struct{ routes []bmp.NLRI }

// source is a BMP peer that tells routes of some tables.
type source struct {
	peer   bmp.Peer
	table  string // name of a Loc-RIB
	vrfs   []int
	vpn    bool // routes carry the VRF's route distinguisher
	decoys bool // tells one in decoyEvery routes, with attributes of its own
}

// decoyEvery is the number of routes for one that a view which must not answer has too.
const decoyEvery = 10 * sameAttributes

// bgpID is the BGP identifier of the device.
func (d *Device) bgpID() netip.Addr {
	var b [4]byte
	binary.BigEndian.PutUint32(b[:], d.routerID())
	return netip.AddrFrom4(b)
}

// sources lists the peers of the device in the order in which it tells them.
func (d *Device) sources() []source {
	neighbour := func(n byte) bmp.Peer {
		return bmp.Peer{
			Type: bmp.PeerGlobal, Addr: netip.AddrFrom4([4]byte{192, 0, 2, 200 + n}),
			BGPID: netip.AddrFrom4([4]byte{192, 0, 2, 200 + n}), AS: transitAS + uint32(n),
		}
	}
	after := func(p bmp.Peer) bmp.Peer { p.Flags |= bmp.FlagPostPolicy; return p }
	if d.cfg.Dialect == LocRIB {
		list := []source{{peer: neighbour(1), vrfs: []int{0}, decoys: true}}
		for vrf := range d.cfg.VRFs + 1 {
			p := bmp.Peer{Type: bmp.PeerLocRIB, Distinguisher: uint64(d.rd(vrf)), Addr: netip.IPv4Unspecified(), BGPID: d.bgpID(), AS: ownAS}
			list = append(list, source{peer: p, table: d.vrfName(vrf), vrfs: []int{vrf}})
		}
		return list
	}
	list := []source{
		{peer: neighbour(1), vrfs: []int{0}, decoys: true},
		{peer: after(neighbour(1)), vrfs: []int{0}},
	}
	if d.cfg.Dialect == VPN && d.cfg.VRFs > 0 {
		reflector := source{peer: after(neighbour(2)), vpn: true}
		for vrf := range d.cfg.VRFs {
			reflector.vrfs = append(reflector.vrfs, vrf+1)
		}
		return append(list, reflector)
	}
	for vrf := 1; vrf <= d.cfg.VRFs; vrf++ {
		p := after(neighbour(10 + byte(vrf)))
		p.Type, p.Distinguisher, p.AS = bmp.PeerRD, uint64(d.rd(vrf)), uint32(customer+16*vrf)
		list = append(list, source{peer: p, vrfs: []int{vrf}})
	}
	return list
}

// Dump writes what a new BMP session begins with: Initiation, and for each peer its Peer Up, routes and End-of-RIB. write gets the
// messages in pieces that are valid during its call.
func (d *Device) Dump(now time.Time, write func([]byte) error) error {
	b := bmp.AppendInitiation(nil, &bmp.Initiation{SysDescr: "telcol simulated router", SysName: d.cfg.Name})
	up := make(map[bmp.PeerKey]bool)
	for _, s := range d.sources() {
		s.peer.Time = now.UnixNano()
		if !up[s.peer.Key()] {
			b = bmp.AppendPeerUp(b, s.peerUp(d.bgpID()))
			up[s.peer.Key()] = true
		}
		for _, vrf := range s.vrfs {
			for _, f := range [...]family{v4, v6} {
				var err error
				if b, err = d.dumpTable(b, &s, d.table(vrf, f), write); err != nil {
					return err
				}
			}
		}
		for _, f := range s.families() {
			b = bmp.AppendEndOfRIB(b, &s.peer, f)
		}
	}
	return write(b)
}

func (s *source) families() []bmp.Family {
	if s.vpn {
		return []bmp.Family{bgp.IPv4VPN, bgp.IPv6VPN}
	}
	return []bmp.Family{bgp.IPv4Unicast, bgp.IPv6Unicast}
}

// peerUp is what a router of that BGP identifier says of the peer.
func (s *source) peerUp(id netip.Addr) *bmp.PeerUp {
	open := bgp.Open{Version: 4, AS: ownAS, AS4: true, HoldTime: 180, ID: id, Families: s.families()}
	up := &bmp.PeerUp{Peer: s.peer, Sent: open, Received: open, TableName: s.table}
	up.Received.AS, up.Received.ID = s.peer.AS, s.peer.BGPID
	if s.peer.Type != bmp.PeerLocRIB {
		up.LocalAddr, up.LocalPort, up.RemotePort = netip.AddrFrom4([4]byte{192, 0, 2, 250}), 179, 40179
	} else {
		up.LocalAddr = netip.IPv4Unspecified()
	}
	return up
}

// dumpPiece is how much is collected before it is written.
const dumpPiece = 32 << 10

func (d *Device) dumpTable(b []byte, s *source, t *table, write func([]byte) error) ([]byte, error) {
	c := d.changesOf(t)
	for i := 0; i < t.routes; i += sameAttributes {
		b = d.appendGroup(b, s, t, c, i)
		if len(b) >= dumpPiece {
			if err := write(b); err != nil {
				return nil, err
			}
			b = b[:0]
		}
	}
	return b, nil
}

// appendGroup appends the routes from i on that share their attributes, and any of them that has others.
func (d *Device) appendGroup(b []byte, s *source, t *table, c *changes, i int) []byte {
	if s.decoys {
		if i%decoyEvery != 0 {
			return b
		}
		return d.appendRoute(b, s, t, i, decoy)
	}
	d.mu.RLock()
	defer d.mu.RUnlock()
	same := d.bmp.routes[:0]
	for j := i; j < min(i+sameAttributes, t.routes); j++ {
		v, _ := c.versionOf(j)
		switch {
		case c.withdrawn(j):
		case v != 0:
			b = d.appendRoute(b, s, t, j, v)
		default:
			same = append(same, d.nlri(s, t, j))
		}
	}
	d.bmp.routes = same
	return bmp.AppendRouteMonitoring(b, &s.peer, nil, same, d.attributes(t, i, 0))
}

func (d *Device) appendRoute(b []byte, s *source, t *table, i int, v version) []byte {
	return bmp.AppendRouteMonitoring(b, &s.peer, nil, []bmp.NLRI{d.nlri(s, t, i)}, d.attributes(t, i, v))
}

func (d *Device) nlri(s *source, t *table, i int) bmp.NLRI {
	n := bmp.NLRI{Prefix: t.prefix(i), Family: s.families()[t.family]}
	if s.vpn {
		n.RD, n.Label, n.HasLabel = uint64(d.rd(t.vrf)), uint32(16+t.vrf), true
	}
	return n
}

func (d *Device) changesOf(t *table) *changes { return &d.changes[2*t.vrf+int(t.family)] }

// AppendChange appends one change of a route: new attributes, a withdrawal, or the return of what was withdrawn. Flows that are
// exported from now on have the new answer.
func (d *Device) AppendChange(b []byte, now time.Time) []byte {
	d.mu.Lock()
	defer d.mu.Unlock()
	turn := d.turn
	d.turn++
	t := &d.tables[turn/2%len(d.tables)]
	c := d.changesOf(t)
	at := turn / 2 / len(d.tables) % len(c.versions)
	if turn%2 == 0 && now.UnixNano() < c.when[at]+2*int64(grace) {
		return b // one change must be over before the next, or a right answer could not be told from a wrong one
	}
	for _, s := range d.sources() {
		if s.decoys || !slices.Contains(s.vrfs, t.vrf) {
			continue
		}
		s.peer.Time = now.UnixNano()
		if i := at*cycle + changing; turn%2 == 0 && i < t.routes {
			c.versions[at]++
			c.when[at] = now.UnixNano()
			b = d.appendRoute(b, &s, t, i, c.versions[at])
		}
		if i := at*cycle + flapping; turn%2 == 1 && i < t.routes {
			if c.away[at] = !c.away[at]; c.away[at] {
				b = bmp.AppendRouteMonitoring(b, &s.peer, []bmp.NLRI{d.nlri(&s, t, i)}, nil, nil)
			} else {
				b = d.appendRoute(b, &s, t, i, 0)
			}
		}
	}
	return b
}

// Away gives the number of routes that are withdrawn at present.
func (d *Device) Away() int {
	d.mu.RLock()
	defer d.mu.RUnlock()
	n := 0
	for i := range d.changes {
		for _, away := range d.changes[i].away {
			if away {
				n++
			}
		}
	}
	return n
}

// AppendTermination appends the message that ends a session in order.
func (d *Device) AppendTermination(b []byte) []byte {
	return bmp.AppendTermination(b, &bmp.Termination{HasReason: true, Reason: 1})
}
