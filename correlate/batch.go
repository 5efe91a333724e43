package correlate

import (
	"net/netip"

	"github.com/telcol/telcol/bmp"
	"github.com/telcol/telcol/bmp/bgp"
	"github.com/telcol/telcol/correlate/rib"
)

// Batch is a run of operations of one BMP session, in the order of its messages. A Feed fills it in the session's goroutine, the
// owner of the Correlator applies and frees it.
type Batch struct {
	device  netip.Addr
	session uint64
	ops     []op
	nlri    []bgp.NLRI // of all operations
	counted BMPCounters
	taken   int // messages
	home    chan *Batch
}

// Free gives the batch back to its Feed.
func (b *Batch) Free() { b.home <- b }

type opKind uint8

const (
	opSessionUp opKind = iota
	opSessionDown
	opInitiation
	opStatistics
	opPeerUp
	opPeerDown
	opAnnounce
	opWithdraw
	opEndOfRIB
)

// op is one operation. Which fields count depends on its kind.
type op struct {
	kind     opKind
	view     rib.View
	peer     rib.PeerKey
	time     int64           // Unix nanoseconds, device clock where it gave one
	attrs    *bgp.Attributes // announce
	from, to int             // announce and withdraw: the routes, in Batch.nlri
	family   rib.Family      // end of RIB
	name     string          // initiation: sysName
	info     *rib.PeerInfo   // peer up
	id       netip.Addr      // peer up: the device's own BGP identifier in the global instance, else invalid

	stats       *bmp.Statistics // statistics
	unmonitored bool            // peer down: the router only stopped to monitor the peer
}

// full reports whether the owner should have the batch before more is added: applying it takes well under a millisecond, which is what a
// datagram may have to wait for.
func (b *Batch) full() bool { return len(b.nlri) >= batchRoutes || len(b.ops) >= batchRoutes }

const batchRoutes = 512

// empty reports whether the batch tells the owner nothing, not even counts.
func (b *Batch) empty() bool { return len(b.ops) == 0 && b.taken == 0 }

func (b *Batch) reset() {
	clear(b.ops) // drop pointers
	b.ops, b.nlri, b.counted, b.taken = b.ops[:0], b.nlri[:0], BMPCounters{}, 0
}

// Device returns whose session the batch is of.
func (b *Batch) Device() netip.Addr { return b.device }

// Apply carries out a batch. now is in Unix nanoseconds.
func (c *Correlator) Apply(b *Batch, now int64) {
	c.counted.BMP.add(&b.counted)
	if c.isStray(b) {
		c.counted.BMP.Superseded += b.counted.Announced
		c.counted.BMP.WithdrawnLate += b.counted.Withdrawn
		return
	}
	d := c.deviceOf(c.Canonical(b.device), now)
	if d == nil {
		c.counted.DeviceQuota++
		c.counted.BMP.RoutesOfNoDevice += b.counted.Announced
		return
	}
	d.openSession(b.session, b.device)
	session := d.rib.Session(b.session)
	for i := range b.ops {
		o := &b.ops[i]
		switch o.kind {
		case opAnnounce:
			c.announce(d, session, b, o)
		case opWithdraw:
			c.withdraw(d, session, b, o)
		case opEndOfRIB:
			if !session.EndOfRIB(o.peer, o.view, o.family, now) {
				c.counted.BMP.WithdrawnLate++
			}
		case opPeerUp:
			delete(d.drift, o.peer)
			session.PeerUp(o.peer, *o.info, now)
			if o.id.IsValid() {
				d.bgpID = o.id
			}
		case opPeerDown:
			delete(d.drift, o.peer)
			session.PeerDown(o.peer, o.unmonitored, now)
		case opStatistics:
			c.compare(d, o.peer, o.stats, now)
		case opInitiation:
			if d.name != o.name {
				d.name = o.name
				d.ownChanges++
			}
		case opSessionUp:
			c.sessionUp(d, now)
		case opSessionDown:
			d.endSession(b.session, now)
		}
	}
	c.noteQuota(d)
}

func (d *Device) endSession(session uint64, now int64) {
	delete(d.sessions, session)
	clear(d.drift)
	d.rib.Session(session).End(now)
}

// openSession notes that a session is open. Batches before may have met with too many devices, so that each one may be the first.
func (d *Device) openSession(session uint64, source netip.Addr) {
	if _, ok := d.sessions[session]; ok {
		return
	}
	if len(d.sessions) == 0 {
		d.quota = quota{before: d.rib.Stats()}
	}
	d.sessions[session] = source
}

func (c *Correlator) announce(d *Device, session rib.Session, b *Batch, o *op) {
	routes := b.nlri[o.from:o.to]
	id := d.rib.Acquire(o.attrs.Key(), func() rib.Attrs { return ribAttrs(o.attrs) })
	c.intern.Retain(id, len(routes)) // one reference for each route, which Announce takes over
	src := source{session: session}
	for i := range routes {
		n := &routes[i]
		switch s, heard := src.of(o, n.Family); {
		case !heard:
			c.intern.Release(id)
			c.counted.BMP.Superseded++
		case !d.rib.Announce(s, vrfOfRoute(o, n), n.Prefix, n.PathID, n.HasPathID, id, o.time):
			c.counted.BMP.RoutesRefused++
		}
	}
	c.intern.Release(id)
}

func (c *Correlator) withdraw(d *Device, session rib.Session, b *Batch, o *op) {
	src := source{session: session}
	for i := range b.nlri[o.from:o.to] {
		n := &b.nlri[o.from+i]
		s, heard := src.of(o, n.Family)
		if !heard {
			c.counted.BMP.WithdrawnLate++
			continue
		}
		d.rib.Withdraw(s, vrfOfRoute(o, n), n.Prefix, n.PathID, n.HasPathID, o.time)
	}
}

// source remembers the source of the last route: the routes of one message are of one family, nearly always.
type source struct {
	session rib.Session
	id      rib.SourceID
	heard   bool // no newer session tells the source
	family  bgp.Family
}

func (s *source) of(o *op, f bgp.Family) (id rib.SourceID, heard bool) {
	if f != s.family {
		s.family = f
		s.id, s.heard = s.session.Source(o.peer, o.view, ribFamily(f))
	}
	return s.id, s.heard
}

// vrfOfRoute says which VRF a route belongs to: the route distinguisher of a VPN route, else the distinguisher of its peer, which
// is zero for the global instance.
func vrfOfRoute(o *op, n *bgp.NLRI) rib.RD {
	if n.Family.SAFI() == bgp.SAFIVPN {
		return rib.RD(n.RD)
	}
	return o.peer.Distinguisher
}

func ribFamily(f bgp.Family) rib.Family { return rib.Family{AFI: f.AFI(), SAFI: f.SAFI()} }

// ribAttrs takes what the join needs of a set of attributes. The slices are shared: both sides never change them.
func ribAttrs(a *bgp.Attributes) rib.Attrs {
	return rib.Attrs{
		NextHop: a.NextHop, ASPath: a.ASPath, ASSet: a.ASSet,
		Communities: a.Communities, ExtCommunities: a.ExtCommunities, LargeCommunities: a.LargeCommunities,
		LocalPref: a.LocalPref, HasLocalPref: a.HasLocalPref, MED: a.MED, HasMED: a.HasMED,
		Origin: a.Origin, HasOrigin: a.HasOrigin,
		OriginatorID: a.OriginatorID, PathLength: a.PathLength, ClusterLength: a.ClusterLength,
	}
}
