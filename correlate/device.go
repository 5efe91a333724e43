package correlate

import (
	"net/netip"

	"github.com/telcol/telcol/correlate/rib"
	"github.com/telcol/telcol/ipfix"
)

// Device is one router: what it exports, what it routes, what it is called. It belongs to the owner goroutine.
type Device struct {
	addr     netip.Addr // canonical
	name     string     // sysName
	bgpID    netip.Addr // its own BGP identifier in the global instance, from Peer Up
	options  *ipfix.Tables
	session  *ipfix.Session     // of its datagrams, unless their port counts
	streams  map[Stream]*stream // of its other transport sessions
	rib      *rib.RIB
	sessions map[uint64]netip.Addr // open BMP sessions, by Feed, with where they come from
	seen     int64                 // Unix nanoseconds of the last datagram or BMP message
	hold     hold
	quality  quality
	clock    clock
	leaving  bool // forgotten, the routes are being given back
	drift    map[rib.PeerKey][]Drift
	quota    quota

	speaks       bool  // has, or had when its state was saved, a BMP session
	awaited      bool  // see expecting
	awaitedUntil int64 // Unix nanoseconds
	ribGaveUp    bool  // a wait for routes was in vain: nothing waits for them until the tables have settled or a session opens

	hasImage bool   // of its routes, in the state directory
	imaged   uint64 // changes of the RIB that the image has
	imageAt  int64  // when the last image was begun

	ownChanges   uint64 // of what is saved beside the sessions and tables, and of sessions that have ended
	savedChanges uint64 // when its state was last saved
	savedAt      int64
}

func (c *Correlator) newDevice(addr netip.Addr, now int64) *Device {
	d := &Device{addr: addr, seen: now, sessions: make(map[uint64]netip.Addr), drift: make(map[rib.PeerKey][]Drift)}
	d.options = ipfix.NewTables(c.cfg.IPFIX)
	d.session = ipfix.NewSession(c.model, c.cfg.IPFIX, d.options)
	d.rib = rib.New(c.intern, rib.Options{
		MaxRoutes: c.cfg.MaxRoutes, MaxPeers: c.cfg.MaxPeers, MaxAttrBytes: c.cfg.MaxAttrBytes,
		QuietPeriod: c.cfg.QuietPeriod, StaleAfter: c.cfg.StaleTimeout, History: c.cfg.History, HistoryBytes: c.cfg.HistoryBytes,
	})
	return d
}

// idle reports whether nothing was heard of the device for so long that its state is of no use.
func (d *Device) idle(now, after int64) bool {
	return len(d.sessions) == 0 && !d.connected() && len(d.hold.flows) == 0 && d.rib.Routes() == 0 && now-d.seen > after
}

// connected reports whether the device has an IPFIX connection.
func (d *Device) connected() bool {
	for s := range d.streams {
		if s.Conn != 0 {
			return true
		}
	}
	return false
}
