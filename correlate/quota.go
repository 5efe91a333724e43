package correlate

import "github.com/telcol/telcol/correlate/rib"

// quota remembers of a device what its RIB had refused before the present BMP sessions began.
type quota struct {
	before rib.Stats
	noted  bool // Config.OverQuota was told
}

// Refused says what a device told beyond its quotas since its present BMP sessions began. It lacks these routes until it tells them
// again, even when there is room by then.
type Refused struct {
	Routes  uint64 // beyond Config.MaxRoutes, or of one prefix beyond what is sensible
	Attrs   uint64 // routes with further path attributes, beyond Config.MaxAttrBytes
	Sources uint64 // routes of peers beyond Config.MaxPeers, and the Peer Ups of these
}

// Any reports whether something was refused.
func (r Refused) Any() bool { return r != Refused{} }

// Refused returns what the device told beyond its quotas.
func (d *Device) Refused() Refused {
	n, before := d.rib.Stats(), &d.quota.before
	return Refused{
		Routes: n.RefusedRoutes - before.RefusedRoutes, Attrs: n.RefusedAttrs - before.RefusedAttrs,
		Sources: n.RefusedSources - before.RefusedSources,
	}
}

// noteQuota tells once when a device goes beyond its quotas.
func (c *Correlator) noteQuota(d *Device) {
	if d.quota.noted || c.cfg.OverQuota == nil || !d.Refused().Any() {
		return
	}
	d.quota.noted = true
	c.cfg.OverQuota(d.addr, d.Refused())
}
