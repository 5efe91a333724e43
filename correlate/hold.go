package correlate

import (
	"net/netip"

	"github.com/telcol/telcol/ipfix"
)

// hold keeps the flows of a device whose VRF is not known yet. After a start, or when a device numbers its VRFs anew, data comes
// before the options that say what its VRF ids mean; joined at once, all of it would be told as unknown-vrf. A flow waits for the options
// no longer than Config.VRFWait, and no longer than there is room: then it is joined with what is known. It is never dropped.
type hold struct {
	flows []heldFlow // in the order of arrival
	bytes int
	// options is the count of options records when the flows were last looked at.
	options uint64
	// gaveUp holds the VRF ids for which a wait ended in vain: their later flows do not wait.
	gaveUp map[vrfID]struct{}
}

// vrfID is a VRF id in its observation domain.
type vrfID struct{ domain, id uint32 }

type heldFlow struct {
	flow     *ipfix.Flow
	exporter netip.Addr
	received int64
	until    int64
}

// maxGaveUp bounds the ids remembered per device; they come from the wire. When it is reached all are forgotten and may cause
// one more wait each.
const maxGaveUp = 4096

// missingVRF gives the VRF id that a flow's join waits for, if there is one.
func missingVRF(p *vrfPlan, f *ipfix.Flow) (vrfID, bool) {
	switch {
	case p.used.known:
		return vrfID{}, false
	case p.used == p.ingress:
		return vrfID{f.Domain, f.IngressVRF}, true
	}
	return vrfID{f.Domain, f.EgressVRF}, true
}

// holdFlow keeps a flow if options data could still tell its VRF, and reports whether it did.
func (c *Correlator) holdFlow(d *Device, f *ipfix.Flow, p *vrfPlan) bool {
	id, missing := missingVRF(p, f)
	if !missing || c.cfg.VRFWait <= 0 {
		return false
	}
	if _, vain := d.hold.gaveUp[id]; vain {
		return false
	}
	size := f.Size()
	if size > c.cfg.HoldBytes {
		return false
	}
	for d.hold.bytes+size > c.cfg.HoldBytes || c.heldBytes+size > c.cfg.HoldTotalBytes {
		if len(d.hold.flows) == 0 {
			return false // other devices have all the room
		}
		c.counted.Hold.Full++
		c.releaseFirst(d)
	}
	d.hold.flows = append(d.hold.flows, heldFlow{
		flow: f.Clone(), exporter: c.rec.Exporter, received: c.rec.Received, until: c.rec.Received + int64(c.cfg.VRFWait),
	})
	d.hold.bytes += size
	c.heldBytes += size
	c.counted.Hold.Held++
	return true
}

// releaseKnown joins the held flows whose VRF has become known. It does nothing while the device has told no further options.
func (c *Correlator) releaseKnown(d *Device) {
	h := &d.hold
	if len(h.flows) == 0 || h.options == d.session.OptionsRecords {
		return
	}
	h.options = d.session.OptionsRecords
	kept := h.flows[:0]
	for _, held := range h.flows {
		var p vrfPlan
		planVRF(held.flow, &p)
		if _, missing := missingVRF(&p, held.flow); missing {
			kept = append(kept, held)
			continue
		}
		c.counted.Hold.Known++
		c.release(d, &held)
	}
	clear(h.flows[len(kept):])
	h.flows = kept
}

// releaseOld joins the held flows that have waited long enough, and remembers that it was in vain.
func (c *Correlator) releaseOld(d *Device, now int64) {
	for len(d.hold.flows) > 0 && d.hold.flows[0].until <= now {
		c.counted.Hold.TimedOut++
		d.hold.giveUp(d.hold.flows[0].flow)
		c.releaseFirst(d)
	}
}

func (h *hold) giveUp(f *ipfix.Flow) {
	var p vrfPlan
	planVRF(f, &p)
	id, missing := missingVRF(&p, f)
	if !missing {
		return
	}
	if len(h.gaveUp) >= maxGaveUp {
		clear(h.gaveUp)
	}
	if h.gaveUp == nil {
		h.gaveUp = make(map[vrfID]struct{})
	}
	h.gaveUp[id] = struct{}{}
}

func (c *Correlator) releaseFirst(d *Device) {
	held := d.hold.flows[0]
	d.hold.flows[0] = heldFlow{}
	d.hold.flows = d.hold.flows[1:]
	c.release(d, &held)
}

// release joins a held flow with what is known by now.
func (c *Correlator) release(d *Device, held *heldFlow) {
	size := held.flow.Size()
	d.hold.bytes -= size
	c.heldBytes -= size
	was := c.rec
	c.rec = Record{Device: d.addr, DeviceName: d.name, Exporter: held.exporter, Received: held.received, Flow: held.flow}
	var p vrfPlan
	planVRF(held.flow, &p)
	c.join(d, held.flow, &p)
	c.rec = was
}

// Release joins everything held, whatever it waits for: the worker ends.
func (c *Correlator) Release() {
	for _, d := range c.order {
		for len(d.hold.flows) > 0 {
			c.counted.Hold.Ended++
			c.releaseFirst(d)
		}
	}
}
