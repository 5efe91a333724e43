package correlate

import (
	"net/netip"

	"github.com/telcol/telcol/correlate/rib"
	"github.com/telcol/telcol/ipfix"
)

// joinFlow fills the record with what the device's options and routes say of the flow.
func (d *Device) joinFlow(f *ipfix.Flow, p *vrfPlan, r *Record) {
	r.describe(f, p)
	q := question{}
	q.at, q.asOf = d.flowEnd(f)
	hasSrc, hasDst := f.Has&ipfix.FieldSrcAddr != 0, f.Has&ipfix.FieldDstAddr != 0
	d.joinSide(&r.Src, p.src, f.Src, hasSrc, &q)
	q.nextHop = flowNextHop(f)
	d.joinSide(&r.Dst, p.dst, f.Dst, hasDst, &q)
	r.AsOfFlowEnd = q.asked > 0 && q.asked == q.then
	r.RIB = d.ribState(r, p)
}

// Describe fills in what the device's options say of the flow: all that the record of a device without routes has beside the flow itself.
func (r *Record) Describe(f *ipfix.Flow) {
	var p vrfPlan
	planVRF(f, &p)
	r.describe(f, &p)
}

func (r *Record) describe(f *ipfix.Flow, p *vrfPlan) {
	r.IngressVRFName, r.EgressVRFName, r.VRFName = p.ingress.name, p.egress.name, p.vrfName()
	r.RD, r.HasRD = p.used.rd, p.used.named && p.used.known
	if p.used.toldNone() {
		r.RD, r.HasRD = 0, true
	}
	r.InIfName, r.OutIfName = interfaceNames(f)
}

// question is what the two lookups of a flow have in common.
type question struct {
	at      int64 // the time whose routes are wanted, valid with asOf
	asOf    bool
	nextHop netip.Addr // chooses among paths, the destination's alone
	asked   int        // lookups made
	then    int        // of them, those that could answer as of that time
}

// joinSide looks up one address.
func (d *Device) joinSide(s *Side, vrf vrfOf, addr netip.Addr, has bool, q *question) {
	switch {
	case !has || !routable(addr):
		s.Join = JoinNotRouted
		return
	case !vrf.known:
		s.Join = JoinUnknownVRF
		return
	}
	switch d.lookup(vrf.rd, addr, q, &s.Match) {
	case rib.Found:
		s.Join = JoinHit
		if s.Match.ByNextHop {
			s.Join = JoinHitNextHop
		}
	case rib.NoPrefix:
		s.Join = JoinNoPrefix
	default:
		s.Join = JoinNoRIB
	}
	if linkLocal4(addr) && (!s.Join.Hit() || s.Match.Prefix.Bits() < linkLocalBits) {
		s.Join = JoinNotRouted
	}
}

func (d *Device) lookup(rd rib.RD, addr netip.Addr, q *question, m *rib.Match) rib.Result {
	q.asked++
	if !q.asOf {
		return d.rib.Lookup(rd, addr, q.nextHop, m)
	}
	res := d.rib.LookupAt(rd, addr, q.nextHop, q.at, m)
	if m.AsOf {
		q.then++
	}
	return res
}

// linkLocalBits is the length of 169.254.0.0/16. Some networks do number links from it and announce them, so that only a route
// that is about it answers; a default route does not.
const linkLocalBits = 16

func linkLocal4(a netip.Addr) bool { return a.Is4() && a.IsLinkLocalUnicast() }

// routable reports whether a unicast route could be meant for the address at all.
func routable(a netip.Addr) bool {
	if a.IsMulticast() || a.IsUnspecified() || a.IsLoopback() || a == limitedBroadcast {
		return false
	}
	return a.Is4() || !a.IsLinkLocalUnicast()
}

var limitedBroadcast = netip.AddrFrom4([4]byte{255, 255, 255, 255})

// flowNextHop is the next hop that chooses among the paths of a prefix: the BGP one, else the router's own. Whether the value is
// sane is checked where it is used.
func flowNextHop(f *ipfix.Flow) netip.Addr {
	if f.Has&ipfix.FieldBGPNextHop != 0 {
		return f.BGPNextHop
	}
	if f.Has&ipfix.FieldNextHop != 0 {
		return f.NextHop
	}
	return netip.Addr{}
}

func interfaceNames(f *ipfix.Flow) (in, out string) {
	if f.Has&ipfix.FieldInIf != 0 {
		i, _ := f.Options.Interface(f.InIf)
		in = i.Name
	}
	if f.Has&ipfix.FieldOutIf != 0 {
		i, _ := f.Options.Interface(f.OutIf)
		out = i.Name
	}
	return in, out
}

// ribState is the state of the least settled table that the join used: a stale one before a syncing one before a synced one.
func (d *Device) ribState(r *Record, p *vrfPlan) RIBState {
	state := RIBAbsent
	for _, s := range [...]struct {
		side *Side
		vrf  vrfOf
		addr netip.Addr
	}{{&r.Src, p.src, r.Flow.Src}, {&r.Dst, p.dst, r.Flow.Dst}} {
		var t rib.State
		switch s.side.Join {
		case JoinHit, JoinHitNextHop:
			t = s.side.Match.State
		case JoinNoPrefix, JoinNoRIB:
			t = d.rib.State(s.vrf.rd, s.addr)
		default:
			continue
		}
		state = max(state, RIBState(t)) // both types have one order
	}
	return state
}
