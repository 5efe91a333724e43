package correlate

import (
	"net/netip"

	"github.com/telcol/telcol/correlate/rib"
	"github.com/telcol/telcol/ipfix"
)

// FlowQuestion is a flow as far as the join looks at it.
type FlowQuestion struct {
	Src, Dst   netip.Addr // either may be missing
	NextHop    netip.Addr // bgpNextHop or ipNextHop of the flow, may be missing
	Domain     uint32     // observation domain, in which the VRF ids have their meaning
	IngressVRF uint32     // 0: none
	EgressVRF  uint32     // 0: none
	RD         rib.RD     // of the record itself, valid with HasRD
	HasRD      bool
	End        int64 // when it ended, Unix nanoseconds by the device's clock; 0: now
}

// FlowExplanation says how the join finds what it says of a flow.
type FlowExplanation struct {
	Record  Record // as the join makes it; Flow is not set
	VRFRule string // why the flow belongs to its VRF
	Waits   string // what a flow of now would wait for first, "" for nothing
	Sides   [2]SideExplanation
}

// SideExplanation is one address of a flow, by SideSrc and SideDst.
type SideExplanation struct {
	Addr     netip.Addr
	RD       rib.RD // in which it is looked up
	KnownVRF bool
	VRFName  string
	Rule     string          // that decided the outcome
	Routes   rib.Explanation // what the views have
}

// Explain joins a flow as the decoder would give it, and says why the answer is what it is. It changes nothing but what a question
// of a flow changes too, and counts nothing. now is in Unix nanoseconds.
func (c *Correlator) Explain(d *Device, q *FlowQuestion, now int64) *FlowExplanation {
	f := q.flow(d, now)
	var p vrfPlan
	planVRF(f, &p)
	x := &FlowExplanation{VRFRule: p.rule.String(), Record: Record{Device: d.addr, DeviceName: d.name, Received: now}}
	if w := c.waitsFor(d, f, &p, now); w != waitNone {
		x.Waits = w.String()
	}
	x.Record.Flow = f
	d.joinFlow(f, &p, &x.Record)
	x.Record.Flow = nil
	at, asOf := d.flowEnd(f)
	for i, s := range [...]struct {
		side *Side
		vrf  vrfOf
		addr netip.Addr
		hop  netip.Addr
	}{
		SideSrc: {&x.Record.Src, p.src, f.Src, netip.Addr{}},
		SideDst: {&x.Record.Dst, p.dst, f.Dst, flowNextHop(f)},
	} {
		e := &x.Sides[i]
		e.Addr, e.KnownVRF, e.VRFName = s.addr, s.vrf.known, s.vrf.name
		if s.vrf.known {
			e.RD = s.vrf.rd
		}
		if s.addr.IsValid() && s.vrf.known && routable(s.addr) {
			e.Routes = d.rib.Explain(s.vrf.rd, s.addr, s.hop, at, asOf)
		}
		e.Rule = ruleOf(s.side, s.addr, &e.Routes)
	}
	return x
}

// flow makes what the decoder would have made of the flow.
func (q *FlowQuestion) flow(d *Device, now int64) *ipfix.Flow {
	f := &ipfix.Flow{
		Src: q.Src, Dst: q.Dst, Domain: q.Domain, IngressVRF: q.IngressVRF, EgressVRF: q.EgressVRF, RD: uint64(q.RD),
		BGPNextHop: q.NextHop, End: q.End, ExportTime: now, Options: d.options.Domain(q.Domain),
	}
	for _, has := range [...]struct {
		is    bool
		field ipfix.FieldSet
	}{
		{q.Src.IsValid(), ipfix.FieldSrcAddr},
		{q.Dst.IsValid(), ipfix.FieldDstAddr},
		{q.NextHop.IsValid(), ipfix.FieldBGPNextHop},
		{q.IngressVRF != 0, ipfix.FieldIngressVRF},
		{q.EgressVRF != 0, ipfix.FieldEgressVRF},
		{q.HasRD, ipfix.FieldRD},
		{q.End != 0, ipfix.FieldEnd},
	} {
		if has.is {
			f.Has |= has.field
		}
	}
	return f
}

// ruleOf puts the outcome of a lookup into a sentence.
func ruleOf(s *Side, addr netip.Addr, x *rib.Explanation) string {
	switch s.Join {
	case JoinHitNextHop:
		return "the longest prefix of the best view with routes of the family; among its paths, the next hop that the flow names"
	case JoinHit:
		for _, v := range x.Views {
			if v.Answers && len(v.Paths) > 1 {
				return "the longest prefix of the best view with routes of the family; among its paths, " + v.Paths[1].Step.String()
			}
		}
		return "the longest prefix of the best view with routes of the family; it has one path"
	case JoinNoPrefix:
		return "the best view with routes of the family has no prefix that covers the address; a lesser view is not asked"
	case JoinNoRIB:
		return "no view of the VRF has routes of the family"
	case JoinUnknownVRF:
		return "no options data say which route distinguisher the VRF id stands for, or they say that it has none; no other VRF is tried"
	case JoinNone, JoinNotRouted, numJoinStatus:
	}
	if !addr.IsValid() {
		return "the flow has no such address"
	}
	return "multicast, loopback, link-local and unspecified addresses have no unicast route"
}
