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

// Drop forgets the devices that gone reports, as those that have been silent for long: with templates, options and routes. One that has a
// BMP session, flows that wait, or data sets that wait for their template, stays for the time being. It returns how many it forgot.
func (c *Correlator) Drop(gone func(netip.Addr) bool) (n int) {
	for addr, d := range c.devices {
		if len(d.sessions) > 0 || len(d.hold.flows) > 0 || !gone(addr) {
			continue
		}
		if _, sets, _ := d.options.Kept(); sets > 0 {
			continue
		}
		c.forget(d)
		n++
	}
	return n
}
