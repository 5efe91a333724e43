package correlate

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
	"net/netip"

	"github.com/telcol/telcol/correlate/rib"
	"github.com/telcol/telcol/ipfix"
)

// What follows hands a Correlator over to another process that goes on with the same BMP sessions and IPFIX connections: beside what a
// restart keeps (see AppendState and Image) it tells the waits, the flows that are held, sequence numbers, the state of each session and the quality
// of the device's joins. Counters, those of the joins of all devices too, begin anew there. Numbers are varints, octets stand behind their number.

// Live tells of one device as another process needs it. The device must not change while it is written.
type Live struct {
	Device netip.Addr
	d      *Device
}

// Live returns the devices, but for those that are being forgotten.
func (c *Correlator) Live() []Live {
	all := make([]Live, 0, len(c.order))
	for _, d := range c.order {
		if !d.leaving {
			all = append(all, Live{d.addr, d})
		}
	}
	return all
}

// HasRoutes reports whether RIB has anything to tell, be it of routes of then alone.
func (l Live) HasRoutes() bool { return !l.d.rib.Blank() }

// RIB begins the image of the device's routes and sessions, for Correlator.RestoreLiveRIB.
func (l Live) RIB() *rib.LiveWriter { return l.d.rib.Live() }

// AppendLive appends what is true of all devices together.
func (c *Correlator) AppendLive(b []byte) []byte {
	return append(binary.AppendVarint(b, c.began), liveFlags(c.bmpSeen))
}

// RestoreLive takes up what AppendLive wrote.
func (c *Correlator) RestoreLive(b []byte) error {
	r := liveReader{b: b}
	began, seen := r.int(), r.octet()
	if r.bad || len(r.b) > 0 {
		return fmt.Errorf("%w: of the devices together", ErrState)
	}
	c.began, c.bmpSeen = began, c.bmpSeen || seen&1 != 0
	return nil
}

// Flags of a live device.
const (
	liveSpeaks = 1 << iota
	liveAwaited
	liveGaveUp
	liveHasImage
	liveSaved  // the state directory has it as it is
	liveImaged // the same of the routes
	liveRoutes // there are some, or were
)

func liveFlags(flags ...bool) (b byte) {
	for i, f := range flags {
		if f {
			b |= 1 << i
		}
	}
	return b
}

// AppendState appends all of the device but its routes, for Correlator.RestoreDevice.
func (l Live) AppendState(b []byte) []byte {
	d := l.d
	b = append(b, liveFlags(d.speaks, d.awaited, d.ribGaveUp, d.hasImage, d.savedChanges == d.changes(), d.imaged == d.rib.Changes(), l.HasRoutes()))
	b = appendOctets(b, d.name)
	b = append(appendOctets(b, d.bgpID.AsSlice()), liveFlags(d.clock.off))
	for _, t := range [...]int64{d.awaitedUntil, d.seen, d.imageAt, d.clock.offset} {
		b = binary.AppendVarint(b, t)
	}
	b = binary.AppendUvarint(b, uint64(len(d.sessions)))
	for id, source := range d.sessions {
		b = appendOctets(binary.AppendUvarint(b, id), source.AsSlice())
	}
	b = binary.AppendUvarint(b, uint64(len(d.hold.gaveUp)))
	for v := range d.hold.gaveUp {
		b = binary.AppendUvarint(binary.AppendUvarint(b, uint64(v.domain)), uint64(v.id))
	}
	b = d.appendWatch(b)
	b = d.quality.appendLive(b)
	b = d.session.AppendState(d.options.AppendState(b), ipfix.ScopeLive)
	b = binary.AppendUvarint(b, uint64(len(d.streams)))
	order := map[*ipfix.Session]uint64{d.session: 0}
	for s, st := range d.streams {
		order[st.session] = uint64(len(order))
		b = binary.AppendUvarint(binary.AppendUvarint(appendOctets(b, s.Addr.AsSlice()), s.Conn), uint64(s.Port))
		b = st.session.AppendState(binary.AppendVarint(b, st.seen), ipfix.ScopeLive)
	}
	return d.appendHeld(b, order)
}

// appendWatch appends what is compared and counted of the present BMP sessions.
func (d *Device) appendWatch(b []byte) []byte {
	refused := d.Refused()
	b = append(b, liveFlags(d.quota.noted))
	for _, n := range [...]uint64{refused.Routes, refused.Attrs, refused.Sources, uint64(len(d.drift))} {
		b = binary.AppendUvarint(b, n)
	}
	for k, list := range d.drift {
		b = binary.BigEndian.AppendUint64(append(b, byte(k.Class)), uint64(k.Distinguisher))
		b = binary.AppendUvarint(appendOctets(b, k.Addr.AsSlice()), uint64(len(list)))
		for i := range list {
			f := &list[i]
			b = append(binary.BigEndian.AppendUint16(append(b, byte(f.View)), f.Family.AFI), f.Family.SAFI, liveFlags(f.Lasting))
			for _, n := range [...]uint64{uint64(f.Ours), f.Theirs, uint64(f.Reports)} {
				b = binary.AppendUvarint(b, n)
			}
			b = binary.AppendVarint(binary.AppendVarint(b, f.Time), f.Since)
		}
	}
	return b
}

// appendHeld appends the flows that wait, in order, each with the number of its session: 0 for datagrams and for those whose connection
// has ended.
func (d *Device) appendHeld(b []byte, order map[*ipfix.Session]uint64) []byte {
	var w ipfix.FlowWriter
	b = binary.AppendUvarint(b, uint64(len(d.hold.flows)))
	for i := range d.hold.flows {
		h := &d.hold.flows[i]
		n := uint64(0)
		for s, number := range order {
			if s.Decoded(h.flow) {
				n = number
			}
		}
		b = binary.AppendUvarint(b, n)
		b = appendOctets(b, h.exporter.AsSlice())
		b = append(binary.AppendVarint(binary.AppendVarint(b, h.received), h.until), byte(h.why))
		b = w.Append(b, h.flow)
	}
	return b
}

func appendOctets[T string | []byte](b []byte, s T) []byte {
	return append(binary.AppendUvarint(b, uint64(len(s))), s...)
}

// RestoreDevice takes up a device that is not known yet, and reports whether its routes are told apart. An error wraps ErrState; nothing is
// known of the device then.
func (c *Correlator) RestoreDevice(device netip.Addr, state []byte, now int64) (routes bool, err error) {
	switch {
	case c.devices[device] != nil:
		return false, fmt.Errorf("%w: %s is known already", ErrState, device)
	case len(c.devices) >= c.cfg.MaxDevices:
		return false, fmt.Errorf("%w: %w", ErrState, ErrDeviceQuota)
	}
	d := c.newDevice(device, now)
	r := liveReader{b: state}
	flags := r.octet()
	d.speaks, d.awaited, d.ribGaveUp, d.hasImage = flags&liveSpeaks != 0, flags&liveAwaited != 0, flags&liveGaveUp != 0, flags&liveHasImage != 0
	d.name = string(r.octets())
	d.bgpID, _ = netip.AddrFromSlice(r.octets())
	d.clock.off = r.octet()&1 != 0
	d.awaitedUntil, d.seen, d.imageAt, d.clock.offset = r.int(), r.int(), r.int(), r.int()
	for range r.count() {
		id := r.uint(math.MaxUint64)
		if source, _ := netip.AddrFromSlice(r.octets()); !r.bad {
			d.sessions[id] = source
		}
	}
	if n := r.count(); n > 0 {
		d.hold.gaveUp = make(map[vrfID]struct{})
		for range min(n, maxGaveUp) {
			d.hold.gaveUp[vrfID{uint32(r.uint(math.MaxUint32)), uint32(r.uint(math.MaxUint32))}] = struct{}{}
		}
	}
	r.watch(d)
	r.quality(&d.quality)
	order := c.restoreSessions(d, &r)
	c.restoreHeld(d, &r, order)
	if r.bad || len(r.b) > 0 {
		c.heldBytes -= d.hold.bytes
		return false, errors.Join(fmt.Errorf("%w: live device %s", ErrState, device), r.err)
	}
	if flags&liveSaved == 0 {
		d.ownChanges++ // so that it is saved
	} else {
		d.savedChanges = d.changes()
	}
	d.savedAt = now
	c.counted.Quality.take(&d.quality.Quality)
	d.imaged = d.rib.Changes()
	if flags&liveImaged == 0 {
		d.imaged--
	}
	c.add(d)
	if d.hold.listed = len(d.hold.flows) > 0; d.hold.listed {
		c.waiting = append(c.waiting, d)
	}
	return flags&liveRoutes != 0, nil
}

// restoreSessions takes up the tables and the decoders and returns these in their order.
func (c *Correlator) restoreSessions(d *Device, r *liveReader) []*ipfix.Session {
	r.restore(d.options.RestoreState)
	r.restore(d.session.RestoreState)
	order := []*ipfix.Session{d.session}
	for range r.count() {
		var s Stream
		s.Addr, _ = netip.AddrFromSlice(r.octets())
		s.Conn, s.Port = r.uint(math.MaxUint64), uint16(r.uint(math.MaxUint16))
		seen := r.int()
		if r.bad || s == (Stream{}) {
			r.bad = true
			return nil
		}
		session := c.sessionOf(d, s, seen)
		r.restore(session.RestoreState)
		order = append(order, session)
	}
	return order
}

// restoreHeld takes up the flows that wait. They keep their places and times, whatever the bounds are here.
func (c *Correlator) restoreHeld(d *Device, r *liveReader, order []*ipfix.Session) {
	var flows ipfix.FlowReader
	h := &d.hold
	for range r.count() {
		n := r.uint(uint64(len(order) - min(1, len(order))))
		exporter, _ := netip.AddrFromSlice(r.octets())
		held := heldFlow{exporter: exporter, received: r.int(), until: r.int(), why: wait(r.octet())}
		if r.bad || len(order) == 0 || held.why == waitNone || held.why >= numWaits {
			r.bad = true
			return
		}
		r.restore(func(b []byte) (rest []byte, err error) {
			held.flow, rest, err = flows.Next(order[n], b)
			return rest, err
		})
		if r.bad {
			return
		}
		if len(h.flows) == 0 {
			h.due = noDue
		}
		h.flows = append(h.flows, held)
		size := held.flow.Size()
		h.bytes += size
		c.heldBytes += size
		h.due = min(h.due, held.until)
	}
	h.ready = len(h.flows) > 0 // what they were judged by is not known here: look at all of them
}

// RestoreLiveRIB takes up the image of a device's routes, after RestoreDevice.
func (c *Correlator) RestoreLiveRIB(device netip.Addr, from io.Reader, now int64) (routes int, err error) {
	d := c.devices[device]
	if d == nil {
		return 0, fmt.Errorf("%w: %s is not known", ErrState, device)
	}
	imaged := d.imaged == d.rib.Changes()
	if routes, err = d.rib.RestoreLive(from, now); err != nil {
		return 0, fmt.Errorf("%w: %w", ErrState, err)
	}
	d.imaged = d.rib.Changes()
	if !imaged {
		d.imaged--
	}
	return routes, nil
}

// liveReader reads what the append functions wrote. After a failure it reads nothing but zeros.
type liveReader struct {
	b   []byte
	bad bool
	err error // why
}

func (r *liveReader) fail(err error) { r.bad, r.b, r.err = true, nil, err }

func (r *liveReader) octet() byte {
	if len(r.b) == 0 {
		r.bad = true
		return 0
	}
	v := r.b[0]
	r.b = r.b[1:]
	return v
}

func (r *liveReader) uint(limit uint64) uint64 {
	v, n := binary.Uvarint(r.b)
	if n <= 0 || v > limit {
		r.fail(nil)
		return 0
	}
	r.b = r.b[n:]
	return v
}

func (r *liveReader) int() int64 {
	v, n := binary.Varint(r.b)
	if n <= 0 {
		r.fail(nil)
		return 0
	}
	r.b = r.b[n:]
	return v
}

// count reads the number of things that follow, each of one octet or more.
func (r *liveReader) count() int { return int(r.uint(uint64(len(r.b)))) }

func (r *liveReader) octets() []byte { return r.fixed(r.count()) }

// watch reads what appendWatch wrote. Counts of what was refused go on from there.
func (r *liveReader) watch(d *Device) {
	d.quota.noted = r.octet()&1 != 0
	before := &d.quota.before
	before.RefusedRoutes, before.RefusedAttrs, before.RefusedSources = -r.uint(math.MaxUint64), -r.uint(math.MaxUint64), -r.uint(math.MaxUint64)
	for range r.count() {
		var k rib.PeerKey
		k.Class, k.Distinguisher = rib.PeerClass(r.octet()), rib.RD(binary.BigEndian.Uint64(r.fixed(8)))
		k.Addr, _ = netip.AddrFromSlice(r.octets())
		var list []Drift
		for range r.count() {
			f := Drift{View: rib.View(r.octet())}
			f.Family.AFI, f.Family.SAFI = binary.BigEndian.Uint16(r.fixed(2)), r.octet()
			f.Lasting = r.octet()&1 != 0
			f.Ours, f.Theirs, f.Reports = int(r.uint(math.MaxInt64)), r.uint(math.MaxUint64), int(r.uint(math.MaxInt32))
			f.Time, f.Since = r.int(), r.int()
			if r.bad {
				return
			}
			list = append(list, f)
		}
		d.drift[k] = list
	}
}

// appendLive appends what was counted of the device's joins.
func (q *quality) appendLive(b []byte) []byte {
	for _, n := range q.numbers() {
		b = binary.AppendUvarint(b, *n)
	}
	for _, sum := range q.AgeSum {
		b = binary.BigEndian.AppendUint64(b, math.Float64bits(sum))
	}
	b = binary.AppendUvarint(b, uint64(len(q.missed.list)))
	for i := range q.missed.list {
		m := &q.missed.list[i]
		b = appendOctets(binary.BigEndian.AppendUint64(b, uint64(m.VRF)), m.Prefix.Addr().AsSlice())
		b = binary.AppendUvarint(binary.AppendUvarint(b, m.Count), m.Error)
	}
	return b
}

// quality reads what quality.appendLive wrote.
func (r *liveReader) quality(q *quality) {
	for _, n := range q.numbers() {
		*n = r.uint(math.MaxUint64)
	}
	for side := range q.AgeSum {
		sum := math.Float64frombits(binary.BigEndian.Uint64(r.fixed(8)))
		if !(sum >= 0 && sum <= math.MaxFloat64) {
			r.fail(nil)
			return
		}
		q.AgeSum[side] = sum
	}
	for range r.count() {
		m := Missed{VRF: rib.RD(binary.BigEndian.Uint64(r.fixed(8)))}
		a, _ := netip.AddrFromSlice(r.octets())
		m.Count, m.Error = r.uint(math.MaxUint64), r.uint(math.MaxUint64)
		p, err := missedPrefix(a)
		if r.bad || err != nil || p.Addr() != a || m.Error > m.Count || !q.missed.restore(m, p) {
			r.fail(nil)
			return
		}
	}
}

// fixed reads so many octets. After a failure they are zeros, no more than of a number.
func (r *liveReader) fixed(n int) []byte {
	if len(r.b) < n {
		r.fail(nil)
		return make([]byte, min(n, 8))
	}
	v := r.b[:n]
	r.b = r.b[n:]
	return v
}

// restore lets take read from the front.
func (r *liveReader) restore(take func([]byte) ([]byte, error)) {
	if r.bad {
		return
	}
	rest, err := take(r.b)
	if err != nil {
		r.fail(err)
		return
	}
	r.b = rest
}
