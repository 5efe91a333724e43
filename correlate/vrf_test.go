package correlate

import (
	"testing"

	"github.com/telcol/telcol/correlate/rib"
	"github.com/telcol/telcol/ipfix"
)

// Options as a router tells them: the default table, two VRFs with a distinguisher, one without.
const (
	idDefault  = 0x60000000
	idA        = 0x60000001
	idB        = 0x60000002
	idNameOnly = 0x60000003
	idNoRD     = 0x60000004 // in flowSpec
	idUntold   = 0x60000009

	rdA = rib.RD(0x0002_0000fde8_0001)
	rdB = rib.RD(0x0002_0000fde8_0002)
	rdC = rib.RD(0x0002_0000fde8_0003)
)

func testOptions() *ipfix.Options {
	return &ipfix.Options{IngressVRFs: map[uint32]ipfix.VRF{
		idDefault:  {Name: "default", HasRD: true},
		idA:        {Name: "A", RD: uint64(rdA), HasRD: true},
		idB:        {Name: "B", RD: uint64(rdB), HasRD: true},
		idNameOnly: {Name: "N"},
	}}
}

func TestPlanVRF(t *testing.T) {
	const (
		in  = ipfix.FieldIngressVRF
		out = ipfix.FieldEgressVRF
	)
	global := vrfOf{known: true}
	tests := []struct {
		name     string
		flow     ipfix.Flow
		src, dst rib.RD
		unknown  bool // both sides
		vrfName  string
	}{
		{name: "no VRF information is the global table", flow: ipfix.Flow{}},
		{name: "ids of zero name no VRF", flow: ipfix.Flow{Has: in | out}},
		{name: "ingress id", flow: ipfix.Flow{Has: in, IngressVRF: idA}, src: rdA, dst: rdA, vrfName: "A"},
		{name: "ingress wins over the default table", flow: ipfix.Flow{Has: in | out, IngressVRF: idA, EgressVRF: idDefault}, src: rdA, dst: rdA, vrfName: "A"},
		{name: "egress when the ingress is the default table", flow: ipfix.Flow{Has: in | out, IngressVRF: idDefault, EgressVRF: idB}, src: rdB, dst: rdB, vrfName: "B"},
		{name: "egress when there is no ingress", flow: ipfix.Flow{Has: in | out, EgressVRF: idB}, src: rdB, dst: rdB, vrfName: "B"},
		{
			name: "egress observation point", src: rdA, dst: rdB, vrfName: "B",
			flow: ipfix.Flow{Has: in | out | ipfix.FieldDirection, IngressVRF: idA, EgressVRF: idB, Direction: directionEgress},
		},
		{
			name: "ingress observation point", src: rdA, dst: rdB, vrfName: "A",
			flow: ipfix.Flow{Has: in | out | ipfix.FieldDirection, IngressVRF: idA, EgressVRF: idB},
		},
		{
			name: "egress observation point without an egress id", src: rdA, dst: rdA, vrfName: "A",
			flow: ipfix.Flow{Has: in | out | ipfix.FieldDirection, IngressVRF: idA, Direction: directionEgress},
		},
		{
			name: "egress observation point, out over MPLS", src: rdA, dst: rdA, vrfName: "A",
			flow: ipfix.Flow{Has: in | out | ipfix.FieldDirection, IngressVRF: idA, EgressVRF: idDefault, Direction: directionEgress},
		},
		{name: "arrival over MPLS for a VRF that was not told", flow: ipfix.Flow{Has: in | out, IngressVRF: idDefault, EgressVRF: idUntold}, unknown: true},
		{name: "arrival over MPLS for a VRF without a distinguisher", flow: ipfix.Flow{Has: in | out, IngressVRF: idDefault, EgressVRF: idNameOnly}, unknown: true, vrfName: "N"},
		{
			name: "out over MPLS from a VRF that was not told", unknown: true,
			flow: ipfix.Flow{Has: in | out | ipfix.FieldDirection, IngressVRF: idUntold, EgressVRF: idDefault, Direction: directionEgress},
		},
		{name: "from a VRF to one that was not told", flow: ipfix.Flow{Has: in | out, IngressVRF: idA, EgressVRF: idUntold}, src: rdA, dst: rdA, vrfName: "A"},
		{name: "the default table alone", flow: ipfix.Flow{Has: in, IngressVRF: idDefault}, vrfName: "default"},
		{name: "from a VRF alone", flow: ipfix.Flow{Has: in | out, IngressVRF: idA}, src: rdA, dst: rdA, vrfName: "A"},
		{name: "extranet: each side in its own VRF", flow: ipfix.Flow{Has: in | out, IngressVRF: idA, EgressVRF: idB}, src: rdA, dst: rdB, vrfName: "A"},
		{name: "default on both sides", flow: ipfix.Flow{Has: in | out, IngressVRF: idDefault, EgressVRF: idDefault}, vrfName: "default"},
		{name: "unknown id", flow: ipfix.Flow{Has: in, IngressVRF: idUntold}, unknown: true},
		{name: "unknown id does not fall back to the other side", flow: ipfix.Flow{Has: in | out, IngressVRF: idUntold, EgressVRF: idB}, unknown: true, vrfName: "B"},
		{name: "a VRF without a distinguisher is unknown", flow: ipfix.Flow{Has: in, IngressVRF: idNameOnly}, unknown: true, vrfName: "N"},
		{
			name: "a distinguisher in the record wins", src: rdC, dst: rdC, vrfName: "A",
			flow: ipfix.Flow{Has: in | ipfix.FieldRD, IngressVRF: idA, RD: uint64(rdC)},
		},
		{name: "a distinguisher of zero in the record is the global table", flow: ipfix.Flow{Has: ipfix.FieldRD}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			f := tt.flow
			f.Options = testOptions()
			var p vrfPlan
			planVRF(&f, &p)
			if p.src.known == tt.unknown || p.dst.known == tt.unknown {
				t.Fatalf("known: src %v dst %v, want unknown %v", p.src.known, p.dst.known, tt.unknown)
			}
			if p.src.rd != tt.src || p.dst.rd != tt.dst {
				t.Errorf("got src %v dst %v, want %v and %v", p.src.rd, p.dst.rd, tt.src, tt.dst)
			}
			if got := p.vrfName(); got != tt.vrfName {
				t.Errorf("VRF name %q, want %q", got, tt.vrfName)
			}
			if !tt.unknown && tt.src == 0 && p.src.rd != global.rd {
				t.Error("not the global table")
			}
		})
	}
}

// TestVRFRules holds that the rule which is told is the one that decided.
func TestVRFRules(t *testing.T) {
	const (
		in  = ipfix.FieldIngressVRF
		out = ipfix.FieldEgressVRF
		dir = ipfix.FieldDirection
	)
	for want, flow := range map[vrfRule]ipfix.Flow{
		ruleGlobal:    {Has: in | out},
		ruleIngress:   {Has: in | out, IngressVRF: idA, EgressVRF: idB},
		ruleEgress:    {Has: in | out | dir, IngressVRF: idA, EgressVRF: idB, Direction: directionEgress},
		ruleOtherSide: {Has: in | out, IngressVRF: idDefault, EgressVRF: idB},
		ruleRD:        {Has: in | ipfix.FieldRD, IngressVRF: idA, RD: uint64(rdC)},
	} {
		flow.Options = testOptions()
		var p vrfPlan
		if planVRF(&flow, &p); p.rule != want {
			t.Errorf("got %q, want %q", p.rule, want)
		}
	}
}

// TestExplainAVRFWithoutADistinguisher holds that none is told of it.
func TestExplainAVRFWithoutADistinguisher(t *testing.T) {
	b := newBench(t)
	b.join(device1, flowSpec{src: "10.1.2.3", dst: "10.1.3.4", in: idNoRD})
	x := b.Explain(b.devices[device1], &FlowQuestion{Src: addr("10.1.2.3"), Dst: addr("10.1.3.4"), Domain: 1, IngressVRF: idNoRD}, testNow)
	if s := x.Sides[SideDst]; s.KnownVRF || s.RD != 0 || s.VRFName != "mgmt" || x.Record.Dst.Join != JoinUnknownVRF || x.Waits != "" {
		t.Errorf("got %+v, waits for %q", s, x.Waits)
	}
}
