package correlate

import (
	"iter"
	"net/netip"

	"github.com/telcol/telcol/correlate/rib"
	"github.com/telcol/telcol/ipfix"
)

// What follows is for readers that look at devices in the owner's goroutine, between batches. What it hands out belongs to that
// goroutine and is valid until the reader gives it back the next batch, except where it says otherwise.

// Devices yields the devices, in no order. An iteration may rest while the owner goes on: a device that is there all the time
// is yielded exactly once.
func (c *Correlator) Devices() iter.Seq[*Device] {
	return func(yield func(*Device) bool) {
		for _, d := range c.devices {
			if !yield(d) {
				return
			}
		}
	}
}

// Device returns the device of a canonical address, nil when there is none.
func (c *Correlator) Device(addr netip.Addr) *Device { return c.devices[addr] }

// Addr returns the canonical address; it may be kept.
func (d *Device) Addr() netip.Addr { return d.addr }

// Name returns the sysName of the BMP Initiation, "" when unknown. The device chose its octets.
func (d *Device) Name() string { return d.name }

// Seen returns when the last datagram or BMP message came, in Unix nanoseconds.
func (d *Device) Seen() int64 { return d.seen }

// Sessions returns the number of open BMP sessions.
func (d *Device) Sessions() int { return len(d.sessions) }

// RIB returns the routes. They must not be changed.
func (d *Device) RIB() *rib.RIB { return d.rib }

// Options returns the option tables. They must not be changed.
func (d *Device) Options() *ipfix.Tables { return d.options }

// RIBState says how complete the device's routes are, all tables together: Stale with routes but without a session, Syncing while any
// table may still be arriving.
func (d *Device) RIBState() RIBState {
	switch {
	case d.rib.Syncing():
		return RIBSyncing
	case d.rib.Routes() == 0:
		return RIBAbsent
	case len(d.sessions) == 0:
		return RIBStale
	}
	return RIBSynced
}

// Answer is what the join would say of an address in a VRF, with the state of the tables that it used. A next hop chooses among
// paths, the invalid one does not. Its slices are shared and immutable.
func (d *Device) Answer(vrf rib.RD, addr, nextHop netip.Addr) (s Side, state RIBState) {
	addr = addr.Unmap()
	d.joinSide(&s, vrfOf{rd: vrf, known: true}, addr, true, &question{nextHop: nextHop})
	switch s.Join {
	case JoinHit, JoinHitNextHop:
		state = RIBState(s.Match.State)
	case JoinNoPrefix, JoinNoRIB:
		state = RIBState(d.rib.State(vrf, addr))
	case JoinNone, JoinUnknownVRF, JoinNotRouted, numJoinStatus:
	}
	return s, state
}

// VRFNames yields the names that VRFs have been given, with the route distinguisher they stand for: those of the options data, then those
// of BMP peers. A name may come more than once, stand for several VRFs, or be empty, so that each step of a long iteration ends; it may
// rest as that of Devices.
func (d *Device) VRFNames() iter.Seq2[string, rib.RD] {
	return func(yield func(string, rib.RD) bool) {
		for _, o := range d.options.All() {
			for _, vrfs := range []map[uint32]ipfix.VRF{o.IngressVRFs, o.EgressVRFs} {
				for _, v := range vrfs {
					name := v.Name
					rd, known := o.Distinguisher(v)
					if !known {
						name = ""
					}
					if !yield(name, rib.RD(rd)) {
						return
					}
				}
			}
		}
		for p := range d.rib.Peers() {
			if !yield(p.Info.Name, p.Key.Distinguisher) {
				return
			}
		}
	}
}

// Quality returns how the device's flows met its routes.
func (d *Device) Quality() Quality { return d.quality.Quality }

// Missed returns the prefixes that flows of the device have missed most, the most missed first. The list is the caller's.
func (d *Device) Missed() []Missed { return d.quality.missed.top() }

// Held returns the flows that wait, and their octets.
func (d *Device) Held() (flows, bytes int) { return len(d.hold.flows), d.hold.bytes }

// Clock returns by how much the device's clock was ahead of ours when its last flow came, in nanoseconds, and whether that is more than
// Config.ClockTolerance.
func (d *Device) Clock() (offset int64, off bool) { return d.clock.offset, d.clock.off }

// Aliases yields the further addresses of devices with the canonical ones, in no order.
func (c *Correlator) Aliases() iter.Seq2[netip.Addr, netip.Addr] {
	return func(yield func(from, to netip.Addr) bool) {
		for from, to := range c.aliases {
			if !yield(from, to) {
				return
			}
		}
	}
}
