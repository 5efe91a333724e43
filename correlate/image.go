package correlate

import (
	"fmt"
	"io"
	"net/netip"

	"github.com/telcol/telcol/correlate/rib"
)

// Image is the RIB of one device on its way to a file. It belongs to the owner of the Correlator.
type Image struct {
	Device netip.Addr
	device *Device
	w      *rib.ImageWriter
	was    uint64 // changes of the RIB when it was begun
}

// Append appends the next slice of the image, of no more than budget routes, and reports whether more follows. A device that is
// forgotten meanwhile has nothing left; its image ends early and must not be kept, which whole tells.
func (m *Image) Append(b []byte, budget int) (out []byte, more bool) {
	if m.device.leaving {
		return b, false
	}
	b, more = m.w.Append(b, budget)
	if !more {
		m.device.imaged, m.device.hasImage = m.was, true
	}
	return b, more
}

// Whole reports whether the image, whose last slice was appended, is one to keep.
func (m *Image) Whole() bool { return !m.device.leaving }

// NextImage begins the image of the next device whose routes have changed since its last image was written or restored, but for those
// whose image was begun after the time since. A device without routes that has an image is given to empty instead. It
// returns nil when a round over all devices found no other.
func (c *Correlator) NextImage(now, since int64, empty func(device netip.Addr)) *Image {
	for range c.order {
		c.imageNext++
		if c.imageNext >= len(c.order) {
			c.imageNext = 0
		}
		d := c.order[c.imageNext]
		changes := d.rib.Changes()
		switch {
		case d.leaving || d.imageAt > since && d.imageAt != 0:
		case d.rib.Routes() == 0:
			if d.hasImage {
				d.hasImage = false
				empty(d.addr)
			}
		case !d.hasImage || changes != d.imaged:
			d.imageAt = now
			return &Image{Device: d.addr, device: d, w: d.rib.Image(), was: changes}
		}
	}
	return nil
}

// RestoreRIB takes up the image of a device's routes. They answer as stale until its BMP session tells them anew or the stale timeout
// comes. Restore, if there is anything to restore, comes first.
func (c *Correlator) RestoreRIB(device netip.Addr, from io.Reader, now int64) (routes int, err error) {
	d := c.devices[device]
	if d == nil {
		if len(c.devices) >= c.cfg.MaxDevices {
			return 0, fmt.Errorf("%w: %w", ErrState, ErrDeviceQuota)
		}
		d = c.newDevice(device, now)
		c.add(d)
	}
	if routes, err = d.rib.Restore(from, now); err != nil {
		return 0, fmt.Errorf("%w: %w", ErrState, err)
	}
	d.speaks, c.bmpSeen = true, true
	d.imaged, d.hasImage, d.imageAt = d.rib.Changes(), true, now
	return routes, nil
}
