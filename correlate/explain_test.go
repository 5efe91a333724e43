package correlate

import (
	"net/netip"
	"strings"
	"testing"

	"github.com/telcol/telcol/bmp"
	"github.com/telcol/telcol/correlate/rib"
)

// The explanation of a flow says what the join says of it, and names the rules.
func TestExplain(t *testing.T) {
	c, got := holdBench(t, Config{VRFWait: -1})
	s := openFeed(t, c, device1, 1, testNow)
	second1 := globalPeer(bmp.FlagPostPolicy)
	second1.Addr = addr("198.51.100.2")
	s.tell(testNow, peerUp(locRIB(0)), route(at(locRIB(0), testNow), "10.1.0.0/16", 1, "203.0.113.1"), endOfRIB(locRIB(0)),
		route(globalPeer(bmp.FlagPostPolicy), "10.1.2.0/24", 2, "203.0.113.1"),
		route(locRIB(uint64(rdA)), "10.1.0.0/16", 21, "203.0.113.3"), endOfRIB(locRIB(uint64(rdA))),
		route(rdPeer(uint64(rdB)), "10.1.0.0/16", 31, "203.0.113.3"), route(rdPeerAt(rdB, second1.Addr), "10.1.0.0/16", 32, "203.0.113.4"))
	s.tell(testNow+10*second, route(at(locRIB(0), testNow+10*second), "10.1.0.0/16", 9, "203.0.113.1"))
	message(t, c, device1, vrfOptions(t, idA), testNow)
	c.cfg.RIBWait = -1
	d := c.Device(device1)
	now := testNow + 20*second
	tests := []struct {
		name   string
		q      FlowQuestion
		join   JoinStatus
		as     uint32
		vrf    vrfRule
		rule   string
		views  int
		asOf   bool
		losers string
	}{
		{"global", FlowQuestion{Src: addr("10.1.2.3")}, JoinHit, 9, ruleGlobal, "one path", 2, false, ""},
		{"as it was", FlowQuestion{Src: addr("10.1.2.3"), End: testNow + 5*second}, JoinHit, 1, ruleGlobal, "one path", 2, true, ""},
		{"by ingress id", FlowQuestion{Src: addr("10.1.2.3"), IngressVRF: idA, Domain: 1}, JoinHit, 21, ruleIngress, "one path", 1, false, ""},
		{"id of another domain", FlowQuestion{Src: addr("10.1.2.3"), IngressVRF: idA, Domain: 2}, JoinUnknownVRF, 0, ruleIngress, "no other VRF", 0, false, ""},
		{"by RD", FlowQuestion{Src: addr("10.1.2.3"), RD: rdB, HasRD: true}, JoinHit, 31, ruleRD, "peer address", 1, false, "peer address"},
		{"no prefix", FlowQuestion{Src: addr("10.7.2.3")}, JoinNoPrefix, 0, ruleGlobal, "no prefix", 2, false, ""},
		{"no routes", FlowQuestion{Src: addr("2001:db8::1")}, JoinNoRIB, 0, ruleGlobal, "no view", 0, false, ""},
		{"multicast", FlowQuestion{Src: addr("224.0.0.1")}, JoinNotRouted, 0, ruleGlobal, "multicast", 0, false, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			*got = nil
			x := c.Explain(d, &tt.q, now)
			r, side := &x.Record, &x.Sides[SideSrc]
			if r.Src.Join != tt.join || lastAS(&r.Src) != tt.as || x.VRFRule != tt.vrf.String() || r.AsOfFlowEnd != tt.asOf {
				t.Errorf("%v, AS %d, %q, as of the end %v", r.Src.Join, lastAS(&r.Src), x.VRFRule, r.AsOfFlowEnd)
			}
			if !strings.Contains(side.Rule, tt.rule) || len(side.Routes.Views) != tt.views {
				t.Errorf("rule %q, %d views: %+v", side.Rule, len(side.Routes.Views), side.Routes)
			}
			if tt.losers != "" {
				if p := side.Routes.Views[0].Paths; len(p) != 2 || p[1].Step.String() != tt.losers {
					t.Errorf("paths %+v", p)
				}
			}
			if len(*got) > 0 || r.Flow != nil || r.Dst.Join != JoinNotRouted {
				t.Error("explaining a flow does more than that")
			}
		})
	}
	if q := c.Counters().Quality; q.AgeCount(SideSrc) != 0 {
		t.Error("explanations are counted as joins")
	}
}

func TestExplainWhatAFlowWaitsFor(t *testing.T) {
	c, _ := holdBench(t, Config{})
	s := openFeed(t, c, device1, 1, testNow)
	q := FlowQuestion{Src: addr("10.1.2.3")}
	if x := c.Explain(c.Device(device1), &q, testNow); x.Waits != "session" {
		t.Errorf("waits for %q before anything was told", x.Waits)
	}
	s.tell(testNow, peerUp(locRIB(0)), route(locRIB(0), "10.1.0.0/16", 1, "203.0.113.1"))
	if x := c.Explain(c.Device(device1), &q, testNow); x.Waits != "routes" {
		t.Errorf("waits for %q in the dump", x.Waits)
	}
	s.tell(testNow, endOfRIB(locRIB(0)))
	if x := c.Explain(c.Device(device1), &q, testNow); x.Waits != "" {
		t.Errorf("waits for %q", x.Waits)
	}
}

func rdPeerAt(rd rib.RD, a netip.Addr) *bmp.Peer {
	p := rdPeer(uint64(rd))
	p.Addr = a
	return p
}
