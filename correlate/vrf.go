package correlate

import (
	"github.com/telcol/telcol/correlate/rib"
	"github.com/telcol/telcol/ipfix"
)

// vrfOf is what is known of one VRF that a flow names. It has no more fields than the compiler keeps in registers.
type vrfOf struct {
	rd    rib.RD
	known bool // rd is known; the global table is RD zero
	named bool // the flow names a VRF at all
	name  string
}

// rdNone stands in a vrfOf that is not known for what was told: zero, which means that the VRF has none.
const rdNone = ^rib.RD(0)

func (v vrfOf) toldNone() bool { return !v.known && v.rd == rdNone }

func (v vrfOf) global() bool { return v.known && v.rd == 0 }

// vrfPlan says in which VRF each address of a flow is looked up.
type vrfPlan struct {
	src, dst vrfOf
	used     vrfOf // the one that the record names as its own
	ingress  vrfOf
	egress   vrfOf
	rule     vrfRule // that chose used
}

// vrfRule says why a flow belongs to its VRF.
type vrfRule uint8

const (
	ruleGlobal    vrfRule = iota // it names no VRF
	ruleIngress                  // the ingress VRF id
	ruleEgress                   // the egress VRF id: there is no ingress one, or the flow was observed on egress
	ruleOtherSide                // the side in the default table is where it arrived over MPLS or SRv6
	ruleRD                       // a route distinguisher in the record
)

// String gives a sentence for people.
func (r vrfRule) String() string {
	return [...]string{
		"the flow names no VRF: the global table",
		"the ingress VRF id",
		"the egress VRF id: no ingress id, or observed on egress",
		"one side is the default table, where the flow came in over MPLS or SRv6: the VRF of the other side",
		"the route distinguisher in the record",
	}[r]
}

// told makes a vrfOf from what an exporter's option tables say of its id.
func told(o *ipfix.Options, v ipfix.VRF) vrfOf {
	rd, known := o.Distinguisher(v)
	t := vrfOf{rd: rib.RD(rd), known: known, named: true, name: v.Name}
	if v.HasRD && !known {
		t.rd = rdNone
	}
	return t
}

// planVRF applies the rules of the join to the VRF facts of a flow: a route distinguisher in the record itself wins; then the
// ingress VRF (the egress one for a flow observed on egress); a flow that arrived in the default table over MPLS or SRv6 belongs to
// the VRF of its other side, though it is not known what that is: the default table would answer for somebody else's addresses. Where
// the two sides name different VRFs, neither the default one, each address is looked up in its own. A flow that names no VRF belongs to the
// global table.
func planVRF(f *ipfix.Flow, p *vrfPlan) {
	var ingress, egress vrfOf
	if f.Has&ipfix.FieldIngressVRF != 0 && f.IngressVRF != 0 { // id 0 names no VRF
		v, _ := f.Options.IngressVRF(f.IngressVRF)
		ingress = told(f.Options, v)
	}
	if f.Has&ipfix.FieldEgressVRF != 0 && f.EgressVRF != 0 {
		v, _ := f.Options.EgressVRF(f.EgressVRF)
		egress = told(f.Options, v)
	}
	p.ingress, p.egress = ingress, egress
	primary, other := ingress, egress
	p.rule = ruleIngress
	if !primary.named || (f.Has&ipfix.FieldDirection != 0 && f.Direction == directionEgress && other.named) {
		primary, other = other, primary
		p.rule = ruleEgress
	}
	if primary.global() && other.named && !other.global() {
		primary = other
		p.rule = ruleOtherSide
	}
	p.src, p.dst, p.used = primary, primary, primary
	if p.ingress.known && p.egress.known && p.ingress.rd != 0 && p.egress.rd != 0 && p.ingress.rd != p.egress.rd {
		p.src, p.dst = p.ingress, p.egress
	}
	if f.Has&ipfix.FieldRD != 0 {
		v := vrfOf{rd: rib.RD(f.RD), known: true, named: true, name: p.used.name}
		p.src, p.dst, p.used = v, v, v
		p.rule = ruleRD
	}
	if !p.used.named {
		p.rule = ruleGlobal
		global := vrfOf{known: true}
		p.src, p.dst = global, global
	}
}

// directionEgress is the value of flowDirection (61) for a flow observed when it left the device.
const directionEgress = 1

// vrfName names the VRF a record belongs to: the ingress one's name, or the egress one's when the flow came in by the default
// table or without a VRF.
func (p *vrfPlan) vrfName() string {
	if p.used.name != "" || p.rule == ruleOtherSide { // whose name the default table's would be taken for
		return p.used.name
	}
	if p.ingress.name != "" {
		return p.ingress.name
	}
	return p.egress.name
}
