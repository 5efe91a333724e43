package correlate

import (
	"net/netip"

	"github.com/telcol/telcol/ipfix"
)

// hold keeps the flows of a device that would be joined wrongly now and rightly a little later: see wait. It is never the reason
// that a flow is lost: when there is no room for another one the oldest is joined with what is known.
type hold struct {
	flows []heldFlow // in the order of arrival
	bytes int
	due   int64 // the earliest time at which one of them has waited long enough

	listed bool // in Correlator.waiting

	// What the flows were last judged by. While none of it changes, they wait on.
	options   uint64 // count of options records
	epoch     uint64 // of the RIB
	expecting bool

	// ready reports that some of the flows could go and were too many for one slice. Until all of those are out, later flows of the device
	// queue behind them.
	ready bool

	// gaveUp holds the VRF ids for which a wait ended in vain: their later flows do not wait.
	gaveUp map[vrfID]struct{}
}

type heldFlow struct {
	flow     *ipfix.Flow
	exporter netip.Addr
	received int64
	until    int64
	why      wait
}

// releaseSlice is how many held flows are joined before the owner turns to other work: about as many as a tenth of a second brings.
const releaseSlice = 4096

// holdFlow keeps a flow that has something to wait for, and reports whether it did.
func (c *Correlator) holdFlow(d *Device, f *ipfix.Flow, p *vrfPlan) bool {
	now := c.rec.Received
	why := c.waitsFor(d, f, p, now)
	if why == waitNone {
		if !d.hold.ready {
			return false
		}
		why = waitTurn
	}
	size := f.Size()
	if !c.makeRoom(d, size) {
		return false
	}
	h := &d.hold
	if len(h.flows) == 0 {
		h.options, h.epoch, h.expecting = d.options.Records, d.rib.Epoch(), d.expecting(now)
		h.due = now + c.patience(d, why)
	}
	if !h.listed {
		h.listed = true
		c.waiting = append(c.waiting, d)
	}
	until := now + c.patience(d, why)
	h.due = min(h.due, until)
	h.flows = append(h.flows, heldFlow{flow: f.Clone(), exporter: c.rec.Exporter, received: now, until: until, why: why})
	h.bytes += size
	c.heldBytes += size
	c.counted.Held[why]++
	return true
}

// makeRoom releases the oldest flows of the device until there is room for another one, and reports whether there is.
func (c *Correlator) makeRoom(d *Device, size int) bool {
	if size > c.cfg.HoldBytes {
		return false
	}
	for d.hold.bytes+size > c.cfg.HoldBytes || c.heldBytes+size > c.cfg.HoldTotalBytes {
		if len(d.hold.flows) == 0 {
			return false // other devices have all the room
		}
		held := d.hold.flows[0]
		d.hold.flows[0] = heldFlow{}
		d.hold.flows = d.hold.flows[1:]
		c.release(d, &held, endFull)
	}
	return true
}

// review joins those held flows of a device that have nothing to wait for any more or have waited long enough, in order, and no more
// than budget of them. It reports how many. It does nothing while what they wait for has not changed.
func (c *Correlator) review(d *Device, now int64, budget int) int {
	h := &d.hold
	if len(h.flows) == 0 {
		return 0
	}
	options, epoch, expecting := d.options.Records, d.rib.Epoch(), d.expecting(now)
	if !h.ready && now < h.due && options == h.options && epoch == h.epoch && expecting == h.expecting {
		return 0
	}
	h.options, h.epoch, h.expecting = options, epoch, expecting
	h.ready = false
	h.due = noDue
	flows, kept, done := h.flows, h.flows[:0], 0
	for i := range flows {
		held := &flows[i]
		end, over := c.judge(d, held, now)
		if over && done == budget {
			h.ready = true
			kept = append(kept, flows[i:]...)
			break
		}
		if over {
			done++
			c.release(d, held, end)
			continue
		}
		h.due = min(h.due, held.until)
		kept = append(kept, *held)
	}
	clear(flows[len(kept):])
	h.flows = kept
	return done
}

const noDue = int64(1<<63 - 1)

// judge tells whether the wait of a held flow is over, and how it ended.
func (c *Correlator) judge(d *Device, held *heldFlow, now int64) (holdEnd, bool) {
	var p vrfPlan
	planVRF(held.flow, &p)
	why := c.waitsFor(d, held.flow, &p, now)
	if why == waitNone {
		return endKnown, true
	}
	if why != held.why {
		held.why, held.until = why, held.received+c.patience(d, why)
	}
	if held.until > now {
		return 0, false
	}
	c.giveUp(d, held.flow, &p, why)
	return endTimedOut, true
}

// release joins a held flow with what is known by now.
func (c *Correlator) release(d *Device, held *heldFlow, end holdEnd) {
	size := held.flow.Size()
	d.hold.bytes -= size
	c.heldBytes -= size
	d.quality.Ended[end]++
	was := c.rec
	c.rec = Record{Device: d.addr, DeviceName: d.name, Exporter: held.exporter, Received: held.received, Flow: held.flow}
	var p vrfPlan
	planVRF(held.flow, &p)
	c.join(d, held.flow, &p)
	c.rec = was
}

// reviewAll goes through the devices with held flows, and begins with another one each time.
func (c *Correlator) reviewAll(now int64) {
	budget := releaseSlice
	for n := len(c.waiting); n > 0; n-- {
		d := c.waiting[0]
		c.waiting[0] = nil
		c.waiting = c.waiting[1:]
		budget -= c.review(d, now, budget)
		if d.hold.listed = len(d.hold.flows) > 0; d.hold.listed {
			c.waiting = append(c.waiting, d)
		}
	}
}

// Release joins all flows held, whatever they wait for: the worker ends. Data sets held for a template, which will not come now, are
// counted as stopped.
func (c *Correlator) Release() {
	for _, d := range c.waiting {
		c.releaseAll(d)
	}
	c.waiting = nil
	for _, d := range c.devices {
		for _, s := range d.allSessions() {
			s.Stop()
		}
	}
}

// releaseAll joins what is held of one device, with what is known by now.
func (c *Correlator) releaseAll(d *Device) {
	flows := d.hold.flows
	d.hold.flows = nil
	for i := range flows {
		c.release(d, &flows[i], endStopped)
	}
}
