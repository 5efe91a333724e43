package correlate

import (
	"cmp"
	"maps"
	"net/netip"
	"slices"
)

// SetAliases says which addresses are other addresses of a device, by its canonical one, in place of what was said before. Messages
// from them are the device's; templates stay apart by source address, since each exporting process numbers its own. What a
// device had told from an address that becomes an alias is forgotten: its sessions are to begin anew. It returns the devices
// of now whose sessions that concerns: those that became aliases, and those of addresses that no longer are.
func (c *Correlator) SetAliases(aliases map[netip.Addr]netip.Addr) (changed []netip.Addr) {
	was := c.aliases
	c.aliases = maps.Clone(aliases)
	for from, to := range aliases {
		if was[from] == to {
			continue
		}
		changed = append(changed, from)
		if d := c.devices[from]; d != nil {
			for id := range d.sessions {
				c.stray(id)
			}
			c.forget(d)
		}
		c.endAlias(was[from], from)
	}
	for from, to := range was {
		if _, still := aliases[from]; !still {
			changed = append(changed, from)
			c.endAlias(to, from)
		}
	}
	return changed
}

// stray makes the correlator pass over what a session still tells before it ends.
func (c *Correlator) stray(session uint64) {
	if c.strays == nil {
		c.strays = make(map[uint64]struct{})
	}
	c.strays[session] = struct{}{}
}

// isStray reports whether a batch is of a session that began when its address was another device's. What it tells until it ends, which it is
// about to, belongs to nobody.
func (c *Correlator) isStray(b *Batch) bool {
	_, stray := c.strays[b.session]
	for i := range b.ops {
		if stray && b.ops[i].kind == opSessionDown {
			delete(c.strays, b.session)
		}
	}
	return stray
}

// endAlias forgets the templates that a device told from one of its other addresses, and ends its BMP sessions from there.
func (c *Correlator) endAlias(device, from netip.Addr) {
	d := c.devices[device]
	if d == nil {
		return
	}
	for s := range d.streams {
		if s.Addr == from {
			c.endStream(d, s)
		}
	}
	for id, source := range d.sessions {
		if source == from {
			d.endSession(id, d.seen)
			c.stray(id)
		}
	}
}

// Canonical gives the device that an address belongs to.
func (c *Correlator) Canonical(a netip.Addr) netip.Addr {
	if len(c.aliases) == 0 {
		return a
	}
	if to, ok := c.aliases[a]; ok {
		return to
	}
	return a
}

// AliasCandidate is an address that seems to be another one of a device.
type AliasCandidate struct {
	From, To netip.Addr
	Why      string // exporter-address, sys-name or bgp-identifier
}

// Reasons of an AliasCandidate, the strongest first.
const (
	whyExporter = "exporter-address" // the device says so itself, by exporterIPv4Address or exporterIPv6Address
	whyName     = "sys-name"         // both told one sysName in a BMP Initiation
	whyBGPID    = "bgp-identifier"   // both told one BGP identifier of their own in a Peer Up
)

// AliasCandidates lists the devices that seem to be one, by address. A device with a BMP session is taken as the canonical one, since
// that is where the routes are; else the one with the lower address is, or the one that an exporter names.
func (c *Correlator) AliasCandidates() []AliasCandidate {
	found := make(map[netip.Addr]AliasCandidate)
	add := func(from, to *Device, why string) {
		if _, ok := found[from.addr]; !ok && from != to {
			found[from.addr] = AliasCandidate{From: from.addr, To: to.addr, Why: why}
		}
	}
	for _, d := range c.devices {
		// Where the exporter says to be may be at another worker: it needs no device here.
		if e := c.Canonical(d.exporterAddr()); !d.speaks && e.IsValid() && !e.IsUnspecified() && e != d.addr {
			found[d.addr] = AliasCandidate{From: d.addr, To: e, Why: whyExporter}
		}
	}
	pair := func(why string, key func(*Device) string) {
		first := make(map[string]*Device)
		for _, d := range c.devices {
			k := key(d)
			if k == "" {
				continue
			}
			if f := first[k]; f == nil || preferred(d, f) {
				first[k] = d
			}
		}
		for _, d := range c.devices {
			if k := key(d); k != "" {
				add(d, first[k], why)
			}
		}
	}
	pair(whyName, func(d *Device) string { return d.name })
	pair(whyBGPID, func(d *Device) string {
		if !d.bgpID.IsValid() || d.bgpID.IsUnspecified() {
			return ""
		}
		return d.bgpID.String()
	})
	list := slices.Collect(maps.Values(found))
	// An address that others stand for must not stand for a third.
	list = slices.DeleteFunc(list, func(a AliasCandidate) bool { _, chained := found[a.To]; return chained })
	slices.SortFunc(list, func(a, b AliasCandidate) int { return cmp.Or(a.From.Compare(b.From), a.To.Compare(b.To)) })
	return list
}

// preferred reports whether a is the better canonical device.
func preferred(a, b *Device) bool {
	if a.speaks != b.speaks {
		return a.speaks
	}
	return a.addr.Less(b.addr)
}

// exporterAddr is the address that the device's options say its exporter has.
func (d *Device) exporterAddr() netip.Addr {
	for _, o := range d.options.All() {
		if a := o.ExporterAddr(); a.IsValid() {
			return a
		}
	}
	return netip.Addr{}
}
