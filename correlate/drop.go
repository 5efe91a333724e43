package correlate

import "net/netip"

// Knows reports whether there is a device of that address.
func (c *Correlator) Knows(device netip.Addr) bool { return c.devices[device] != nil }

// Resave makes Unsaved give a device again, as one that has changed.
func (c *Correlator) Resave(device netip.Addr) {
	if d := c.devices[device]; d != nil {
		d.savedChanges, d.savedAt = d.savedChanges-1, 0
	}
}

// Drop forgets the devices that gone reports, as those that have been silent for long: with templates, options, routes, and data sets that
// wait for a template, which will not come here. One that has a BMP session or flows that wait stays for the time being. It returns how many it
// forgot and how many stay.
func (c *Correlator) Drop(gone func(netip.Addr) bool) (dropped, stay int) {
	for addr, d := range c.devices {
		switch {
		case !gone(addr):
		case len(d.sessions) > 0 || len(d.hold.flows) > 0:
			stay++
		default:
			c.forget(d)
			dropped++
		}
	}
	return dropped, stay
}
