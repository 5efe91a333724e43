package correlate

import (
	"cmp"
	"maps"
	"net/netip"
	"slices"

	"github.com/telcol/telcol/ipfix"
)

// SetAliases says which addresses are other addresses of a device, by its canonical one, in place of what was said before. Messages
// from them are the device's; templates stay apart by source address, since each exporting process numbers its own. A device whose
// address becomes an alias is the canonical one's from then on, see absorb, but for its BMP sessions, which are to begin anew. Of an address
// that was an alias before the templates are forgotten: which entries of the option tables were told from there nobody can say any more, and
// flows decoded without them would be joined wrongly, while data whose template is to come waits. It returns the addresses whose sessions are
// concerned: those that became aliases of another device, and those that no longer are.
func (c *Correlator) SetAliases(aliases map[netip.Addr]netip.Addr) (changed []netip.Addr) {
	was := c.aliases
	c.aliases = maps.Clone(aliases)
	for from, to := range aliases {
		if was[from] == to {
			continue
		}
		changed = append(changed, from)
		if d := c.devices[from]; d != nil {
			c.absorb(d, to)
		}
	}
	for _, from := range changed { // behind the loop: what a device had of its own aliases has gone with it
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

// Absorb makes a device that was restored under an address that stands for another one a part of that.
func (c *Correlator) Absorb(device netip.Addr) {
	if d, into := c.devices[device], c.Canonical(device); d != nil && into != device {
		c.absorb(d, into)
	}
}

// absorb makes a device a part of another one, whose alias its address has become. The other one, which is made if it is not known, gets the
// transport sessions with their templates, held sets and sequence numbers; of the option tables the entries that its own lack, since
// those are one for the device; and the flows that wait, which its routes may answer. Routes are not taken over: two BMP sessions of one device mean
// something else than those of two, so its are to begin anew, and flows wait for that where the other one has none. Nor is
// what was learnt of waits in vain, of its clock and of the quality of joins, which the other one has of its own.
func (c *Correlator) absorb(d *Device, into netip.Addr) {
	for id := range d.sessions {
		c.stray(id)
	}
	delete(c.devices, d.addr) // makes room for the other one
	now := d.seen
	if to := c.devices[into]; to != nil {
		now = max(now, to.seen)
	}
	if to := c.deviceOf(into, now); to != nil {
		if d.speaks && !to.speaks {
			to.speaks = true
			c.newcomer(to, true, now)
		}
		to.options.Merge(d.options)
		c.moveStreams(d, to)
		c.moveHeld(d, to)
		to.ownChanges++
	}
	c.forget(d)
}

// moveStreams gives the transport sessions of a device to another one, of which it has become a part. One that this has under the same name
// stays.
func (c *Correlator) moveStreams(d, to *Device) {
	move := func(s Stream, session *ipfix.Session, seen int64) bool {
		if s.Addr.IsValid() && c.Canonical(s.Addr) != to.addr || to.streams[s] != nil {
			return false
		}
		if s.Conn == 0 {
			c.makePortRoom(to)
		}
		session.MoveTo(to.options)
		to.putStream(s, session, seen)
		return true
	}
	own := d.session
	for range own.Domains() {
		if move(Stream{Addr: d.addr}, own, d.seen) {
			d.session = c.newSession(d, Stream{})
		}
		break
	}
	for s, st := range d.streams {
		name := s
		if s.Conn == 0 && !s.Addr.IsValid() {
			name.Addr = d.addr
		}
		if move(name, st.session, st.seen) {
			delete(d.streams, s)
		}
	}
}

// moveHeld gives the flows of a device that wait to another one. They keep their times, and all are looked at again.
func (c *Correlator) moveHeld(d, to *Device) {
	if len(d.hold.flows) == 0 {
		return
	}
	h := &to.hold
	if len(h.flows) == 0 {
		h.due = noDue
	}
	for _, held := range d.hold.flows {
		held.flow.Options = to.options.Domain(held.flow.Domain)
		h.due = min(h.due, held.until)
		h.flows = append(h.flows, held)
	}
	slices.SortStableFunc(h.flows, func(a, b heldFlow) int { return cmp.Compare(a.received, b.received) })
	h.bytes += d.hold.bytes
	d.hold.flows, d.hold.bytes = nil, 0
	h.ready = true
	c.makeRoom(to, 0)
	if !h.listed {
		h.listed = true
		c.waiting = append(c.waiting, to)
	}
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
	whyBGPID    = "bgp-identifier"   // both told one BGP identifier of their own in a Peer Up, and not two names
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
	// Two devices that tell different names are two, whatever else they have in common: identifiers need to differ within an AS only.
	differ := func(a, b *Device) bool { return a.name != "" && b.name != "" && a.name != b.name }
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
			if k := key(d); k != "" && !differ(d, first[k]) {
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
