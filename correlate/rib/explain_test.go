package rib

import (
	"bytes"
	"fmt"
	"net/netip"
	"testing"
)

// The explanation of every lookup, of now and of before, names the path that the lookup gives.
func TestExplanationAgreesWithLookup(t *testing.T) {
	paths, answers := 0, 0
	for seed := range uint64(10) {
		r := randomRIB(t, 100+seed)
		for _, vrf := range worldVRFs {
			for _, addr := range worldAddrs {
				for _, hop := range worldHops {
					for _, at := range []int64{r.now, r.now - 5e9, r.now - 60e9} {
						var m Match
						res := r.LookupAt(vrf, addr, hop, at, &m)
						x := r.Explain(vrf, addr, hop, at, true)
						what := fmt.Sprintf("seed %d, %v %v by %v at %d", seed, vrf, addr, hop, at)
						if x.AsOf != m.AsOf {
							t.Fatalf("%s: as of %v, the lookup says %v", what, x.AsOf, m.AsOf)
						}
						paths += checkExplanation(t, what, &x, res, &m)
						answers++
					}
				}
			}
		}
	}
	if paths < answers/2 {
		t.Errorf("%d paths in %d explanations: the test says little", paths, answers)
	}
}

func checkExplanation(t *testing.T, what string, x *Explanation, res Result, m *Match) (paths int) {
	t.Helper()
	for _, v := range x.Views {
		chosen := 0
		for _, p := range v.Paths {
			paths++
			if p.Chosen != (p.Step == StepNone) {
				t.Fatalf("%s: %v: chosen %v by step %q", what, v.View, p.Chosen, p.Step)
			}
			if p.Chosen {
				chosen++
			}
			if !p.Chosen || !v.Answers {
				continue
			}
			if res != Found || p.Route.Prefix != m.Prefix || p.Route.Attrs != m.Attrs || v.View != m.View || p.Route.PathID != m.PathID || m.ByNextHop && !p.NextHop {
				t.Fatalf("%s: explains %+v, the lookup gives %v %+v", what, p, res, m)
			}
		}
		if len(v.Paths) > 0 && chosen != 1 || v.Answers && (res == Found) != (len(v.Paths) > 0) {
			t.Fatalf("%s: %v: %d of %d paths chosen, the lookup says %v", what, v.View, chosen, len(v.Paths), res)
		}
	}
	return paths
}

func TestStepsOfTheChoice(t *testing.T) {
	peer := func(i byte, as uint32) (PeerKey, PeerInfo) {
		return PeerKey{Addr: netip.AddrFrom4([4]byte{192, 0, 2, i})}, PeerInfo{AS: as, LocalAS: 64496, BGPID: netip.AddrFrom4([4]byte{1, 1, 1, 1})}
	}
	base := Attrs{NextHop: worldHops[0], ASPath: []uint32{64500, 1}, PathLength: 2, HasLocalPref: true, LocalPref: 100, HasOrigin: true}
	tests := []struct {
		step   Step
		better func(*Attrs)
		worse  func(*Attrs)
		as     uint32 // of the worse path's peer
	}{
		{StepLocalPref, func(a *Attrs) { a.LocalPref = 200 }, nil, 64500},
		{StepPathLength, func(a *Attrs) { a.PathLength = 1 }, nil, 64500},
		{StepOrigin, nil, func(a *Attrs) { a.Origin = OriginEGP }, 64500},
		{StepMED, nil, func(a *Attrs) { a.HasMED, a.MED = true, 5 }, 64500},
		{StepExternal, nil, nil, 64496},
		{StepIdentifier, nil, func(a *Attrs) { a.OriginatorID = netip.AddrFrom4([4]byte{9, 9, 9, 9}) }, 64500},
		{StepClusters, nil, func(a *Attrs) { a.ClusterLength = 2 }, 64500},
		{StepPeer, nil, nil, 64500},
		{StepNextHop, nil, func(a *Attrs) { a.LocalPref, a.NextHop = 500, worldHops[1] }, 64500},
	}
	for _, tt := range tests {
		t.Run(tt.step.String(), func(t *testing.T) {
			in := NewIntern()
			r := New(in, Options{})
			p := netip.MustParsePrefix("10.1.0.0/16")
			for i, change := range []func(*Attrs){tt.better, tt.worse} {
				as := uint32(64500)
				if i == 1 {
					as = tt.as
				}
				k, info := peer(byte(i+1), as)
				r.PeerUp(k, info, 1)
				a := base
				if change != nil {
					change(&a)
				}
				r.Announce(r.Source(k, AdjRIBInPost, IPv4Unicast), 0, p, 0, false, in.Acquire([]byte{byte(i)}, func() Attrs { return a }), 1)
			}
			x := r.Explain(0, p.Addr(), worldHops[0], 0, false)
			if len(x.Views) != 1 || len(x.Views[0].Paths) != 2 {
				t.Fatalf("%+v", x)
			}
			if got := x.Views[0].Paths; !got[0].Chosen || got[0].Route.Peer.Addr.As4()[3] != 1 || got[1].Step != tt.step {
				t.Errorf("%+v, lost by %q", got, got[1].Step)
			}
		})
	}
}

// A restored RIB is explained like another one.
func TestExplainStaleRoutes(t *testing.T) {
	r := randomRIB(t, 3)
	back := New(NewIntern(), Options{})
	if _, err := back.Restore(bytes.NewReader(imageOf(r, 1000)), r.now); err != nil {
		t.Fatal(err)
	}
	x := back.Explain(0, worldAddrs[0], netip.Addr{}, 0, false)
	if len(x.Views) == 0 || len(x.Views[0].Paths) == 0 || !x.Views[0].Paths[0].Route.Stale {
		t.Errorf("%+v", x)
	}
}
