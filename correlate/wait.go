package correlate

import (
	"time"

	"github.com/telcol/telcol/correlate/rib"
	"github.com/telcol/telcol/ipfix"
)

// wait says what a flow waits for before it is joined. Three things come later than the first flows, after a start of the worker or of
// the device: the BMP session, the routes behind it and the options that say what a VRF id means. A join before that would tell
// no-rib, no-prefix, a shorter prefix than the device used, or unknown-vrf, all of it wrong.
type wait uint8

const (
	waitNone    wait = iota
	waitVRF          // for the options of its VRF id
	waitSession      // for the BMP session of a device that has or may have one, and its first peer
	waitRoutes       // for the end of the dump of the tables that would answer
	waitTurn         // for earlier flows of the device that are being released
	numWaits
)

// String gives the text used in metrics.
func (w wait) String() string { return [...]string{"none", "vrf", "session", "routes", "turn"}[w] }

// holdEnd says how a wait ended.
type holdEnd uint8

const (
	endKnown    holdEnd = iota // what it waited for came
	endTimedOut                // it did not
	endFull                    // made room for newer ones
	endStopped                 // the worker ended
	numHoldEnds
)

// String gives the text used in metrics.
func (e holdEnd) String() string { return [...]string{"known", "timeout", "no-room", "stop"}[e] }

// vrfID is a VRF id in its observation domain.
type vrfID struct{ domain, id uint32 }

// maxGaveUp bounds the ids remembered per device; they come from the wire. When it is reached all are forgotten and may cause
// one more wait each.
const maxGaveUp = 4096

// waitsFor says what a flow should wait for. It is asked for every flow, so the usual answer, nothing, comes first.
func (c *Correlator) waitsFor(d *Device, f *ipfix.Flow, p *vrfPlan, now int64) wait {
	if !p.used.known && p.used.named && c.cfg.VRFWait > 0 {
		if id, missing := missingVRF(p, f); missing {
			if _, vain := d.hold.gaveUp[id]; !vain {
				return waitVRF
			}
		}
	}
	syncing := d.rib.Syncing()
	if !syncing && !d.awaited {
		d.ribGaveUp = false
		return waitNone
	}
	if d.ribGaveUp || c.cfg.RIBWait <= 0 {
		return waitNone
	}
	if d.expecting(now) {
		return waitSession
	}
	if syncing && (d.arriving(p.src, f, ipfix.FieldSrcAddr) || d.arriving(p.dst, f, ipfix.FieldDstAddr)) {
		return waitRoutes
	}
	return waitNone
}

// arriving reports whether the tables are still in their dump that would answer for one address of a flow.
func (d *Device) arriving(vrf vrfOf, f *ipfix.Flow, side ipfix.FieldSet) bool {
	addr := f.Src
	if side == ipfix.FieldDstAddr {
		addr = f.Dst
	}
	return vrf.known && f.Has&side != 0 && routable(addr) && d.rib.State(vrf.rd, addr) == rib.Syncing
}

// missingVRF gives the VRF id that a flow's join waits for, if there is one.
func missingVRF(p *vrfPlan, f *ipfix.Flow) (vrfID, bool) {
	switch {
	case p.used.known, p.used.toldNone(): // no more will be told of it
		return vrfID{}, false
	case p.used == p.ingress:
		return vrfID{f.Domain, f.IngressVRF}, true
	}
	return vrfID{f.Domain, f.EgressVRF}, true
}

// patience is how long a flow waits, from its arrival.
func (c *Correlator) patience(d *Device, why wait) int64 {
	switch {
	case why == waitVRF:
		return int64(c.cfg.VRFWait)
	case why == waitSession && !d.speaks:
		return int64(c.cfg.NewWait)
	}
	return int64(c.cfg.RIBWait)
}

// giveUp remembers that a wait was in vain, so that later flows do not wait for the same.
func (c *Correlator) giveUp(d *Device, f *ipfix.Flow, p *vrfPlan, why wait) {
	if why != waitVRF {
		d.ribGaveUp = true
		return
	}
	id, missing := missingVRF(p, f)
	if !missing {
		return
	}
	h := &d.hold
	if len(h.gaveUp) >= maxGaveUp {
		clear(h.gaveUp)
	}
	if h.gaveUp == nil {
		h.gaveUp = make(map[vrfID]struct{})
	}
	h.gaveUp[id] = struct{}{}
}

// expecting reports whether a BMP session of the device, or the first Peer Up of an open one, may be about to come. A device that
// has routes, stale ones included, answers with them.
func (d *Device) expecting(now int64) bool {
	if !d.awaited {
		return false
	}
	d.awaited = now < d.awaitedUntil && !d.rib.HasPeers()
	return d.awaited
}

// await makes the flows of a device wait for its BMP session, or for what an open one tells first, until a time.
func (d *Device) await(until int64) {
	d.awaited, d.awaitedUntil, d.ribGaveUp = true, until, false
}

// settling is how long after the first device nobody can tell whether BMP is in use.
const settling = time.Minute

// newcomer decides whether the first flows of a device wait for a BMP session that it has not opened yet. Those of a device that
// had one when its state was saved do. Of a device that is not known nothing can be said, so that its flows wait a short time if BMP is in use
// here at all, which nobody can tell just after the first start. A device that was met before and had no session is not held.
func (c *Correlator) newcomer(d *Device, met bool, now int64) {
	if c.began == 0 {
		c.began = now
	}
	switch {
	case c.cfg.RIBWait <= 0:
	case d.speaks:
		d.await(now + int64(c.cfg.RIBWait))
	case !met && c.cfg.NewWait > 0 && (c.bmpSeen || now-c.began < int64(settling)):
		d.await(now + int64(c.cfg.NewWait))
	}
}

// sessionUp notes that a device has opened a BMP session. Its first Peer Up is expected within the quiet period.
func (c *Correlator) sessionUp(d *Device, now int64) {
	c.bmpSeen = true
	if !d.speaks {
		d.speaks = true
		d.ownChanges++
	}
	d.await(now + int64(c.cfg.QuietPeriod))
}
