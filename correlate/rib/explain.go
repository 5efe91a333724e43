package rib

import (
	"net/netip"
	"slices"
)

// Explanation says how a lookup finds its answer: view by view in the order of preference, each with the paths of its longest
// prefix. It is for people, allocates, and copies what it tells.
type Explanation struct {
	AsOf  bool // it is about the routes of the time asked for, not of now
	Views []ViewExplanation
}

// ViewExplanation is what one view has for an address.
type ViewExplanation struct {
	View    View
	Answers bool // it is the best view that has routes of the address's family
	Paths   []PathExplanation
}

// PathExplanation is a path of the longest prefix that covers the address in its view.
type PathExplanation struct {
	Route   Route
	NextHop bool // it has the next hop that the flow names
	Chosen  bool // among the paths of its view
	Step    Step // by which the chosen path is preferred to this one
}

// Step is a step of the choice among paths.
type Step uint8

// The steps, in their order.
const (
	StepNone       Step = iota // the only path, or the chosen one
	StepNextHop                // the flow names another next hop
	StepLocalPref              // LOCAL_PREF, the higher
	StepPathLength             // AS_PATH, the shorter
	StepOrigin                 // ORIGIN, the lower
	StepMED                    // MULTI_EXIT_DISC among paths of one neighbouring AS, the lower
	StepExternal               // a route of an external peer before one of an internal peer
	StepIdentifier             // ORIGINATOR_ID, else the peer's BGP identifier, the lower
	StepClusters               // CLUSTER_LIST, the shorter
	StepPeer                   // peer address, the lower
	StepPathID                 // path identifier, the lower; a route without one before the others
	StepFamily                 // unicast before labelled unicast before VPN
	numSteps
)

// String gives a few words.
func (s Step) String() string {
	return [numSteps]string{
		"", "next hop of the flow", "local preference", "AS path length", "origin", "MED", "external peer", "originator or BGP identifier",
		"cluster list length", "peer address", "path identifier", "family",
	}[s]
}

// Explain says how Lookup, or LookupAt when asOf is set and the history reaches back to at, answers.
func (r *RIB) Explain(vrf RD, addr, nextHop netip.Addr, at int64, asOf bool) Explanation {
	v := r.vrfs[vrf]
	if v == nil {
		return Explanation{AsOf: asOf && at >= r.history.lost}
	}
	k, nh, six := keyOf(addr), hopOf(nextHop), version(!addr.Is4())
	now := func(view View) (bool, []candidate) { return r.pathsOfNow(v, view, six, k) }
	if asOf && r.settledSince(v, six, k, at) {
		x := r.explain(v, six, now, vrf, addr, &nh)
		x.AsOf = true
		return x
	}
	if asOf && at >= r.history.lost {
		// Of the views up to the one that answers the history must be whole, as for LookupAt.
		moved, answered := false, false
		x := r.explain(v, six, func(view View) (bool, []candidate) {
			r.history.moved = false
			has, cands := r.pathsOfThen(v, view, six, k, addr, at)
			if view.answers() && !answered {
				moved = moved || r.history.moved
				answered = has
			}
			return has, cands
		}, vrf, addr, &nh)
		if !moved {
			x.AsOf = true
			return x
		}
	}
	return r.explain(v, six, now, vrf, addr, &nh)
}

// settledSince reports whether what would answer for an address has not changed since a time.
func (r *RIB) settledSince(v *vrf, six int, k key, at int64) bool {
	t := v.answering(six)
	if at < v.changed[six] || t != nil && at < t.changed {
		return false
	}
	if t == nil {
		return true
	}
	_, stamp := t.trie.lookup(k)
	return r.unchangedSince(at, stamp)
}

func (r *RIB) explain(v *vrf, six int, paths func(View) (has bool, cands []candidate), rd RD, addr netip.Addr, nh *hop) Explanation {
	var x Explanation
	answered := false
	for view := range numViews {
		has, cands := paths(view)
		if !has {
			continue
		}
		answers := !answered && view.answers()
		answered = answered || answers
		x.Views = append(x.Views, ViewExplanation{View: view, Answers: answers, Paths: r.explainPaths(cands, rd, view, addr, nh)})
	}
	return x
}

// pathsOfNow returns the live paths of the longest prefix in a view, and whether the view has routes of the IP version at all.
func (r *RIB) pathsOfNow(v *vrf, view View, six int, k key) (has bool, cands []candidate) {
	t := v.tables[view][six]
	if t == nil {
		return false, nil
	}
	c, _ := t.trie.lookup(k)
	for c != 0 {
		bits := 0
		for i := c.head(); i != none; {
			e := t.arena.at(i)
			cands = r.candidate(cands, i, e)
			bits, i = e.bits(), e.next
		}
		if len(cands) > 0 {
			break
		}
		c = t.trie.lookupUpTo(k, bits-1)
	}
	return true, cands
}

// pathsOfThen is pathsOfNow for a time.
func (r *RIB) pathsOfThen(v *vrf, view View, six int, k key, addr netip.Addr, at int64) (has bool, cands []candidate) {
	ts := r.tablesThen(v, view, six, at)
	for bits := addr.BitLen(); len(ts) > 0 && bits >= 0; bits-- {
		if cands, bits = r.pathsThen(ts, k, bits, at); len(cands) > 0 {
			return true, slices.Clone(cands)
		}
	}
	return len(ts) > 0, nil
}

func (r *RIB) explainPaths(cands []candidate, rd RD, view View, addr netip.Addr, nh *hop) []PathExplanation {
	if len(cands) == 0 {
		return nil
	}
	chosen, by := r.chooseThen(slices.Clone(cands), nh)
	out := make([]PathExplanation, len(cands))
	for i, c := range cands {
		e := c.entry
		p, _ := addr.Prefix(e.bits())
		out[i] = PathExplanation{
			Route: Route{
				VRF: rd, View: view, Peer: c.src.peer.key, Family: c.src.family, Prefix: p, PathID: e.pathID, HasPathID: e.hasPathID(),
				Attrs: r.in.Attrs(e.attr), Attr: e.attr, Time: e.time(), Stale: r.feeds[e.feed()].stale,
			},
			NextHop: nh.ok && nh.is(e, r.in),
			Chosen:  e == chosen.entry,
		}
		if !out[i].Chosen {
			out[i].Step = r.stepOf(&chosen, &c, by && !out[i].NextHop)
		}
	}
	slices.SortStableFunc(out, func(a, b PathExplanation) int {
		switch {
		case a.Chosen == b.Chosen:
			return int(b.Step) - int(a.Step) // who came closer first
		case a.Chosen:
			return -1
		}
		return 1
	})
	return out
}

// stepOf names the first step by which a path is preferred to another one.
func (r *RIB) stepOf(chosen, other *candidate, otherHop bool) Step {
	a, b := chosen.rank, other.rank
	switch {
	case otherHop:
		return StepNextHop
	case a.localPref != b.localPref:
		return StepLocalPref
	case a.pathLength != b.pathLength:
		return StepPathLength
	case a.origin != b.origin:
		return StepOrigin
	case a.neighborAS == b.neighborAS && a.med != b.med:
		return StepMED
	case chosen.src.peer.external() != other.src.peer.external():
		return StepExternal
	case identifier(chosen) != identifier(other):
		return StepIdentifier
	case a.clusters != b.clusters:
		return StepClusters
	case comparePeers(chosen.src.peer.key, other.src.peer.key) != 0:
		return StepPeer
	case chosen.entry.pathID != other.entry.pathID || chosen.entry.hasPathID() != other.entry.hasPathID():
		return StepPathID
	}
	return StepFamily
}
