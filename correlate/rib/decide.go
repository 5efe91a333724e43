package rib

import (
	"cmp"
	"math"
	"net/netip"
)

// candidate is a path that takes part in a decision.
type candidate struct {
	index uint32 // of the entry in its arena
	entry *entry
	rank  *rank
	src   *source
}

// medGroup is the lowest MED told by a neighbouring AS.
type medGroup struct{ as, med uint32 }

// best picks a path by the decision process (RFC 4271 section 9.1.2.2, RFC 4456 section 9) as far as BMP shows its inputs: local
// preference, AS path length, origin, MED among paths of the same neighbouring AS, external over internal peer, originator or
// BGP identifier, cluster list length, peer address. What is left is ordered by path id, so that the answer never
// depends on the order of arrival. It overwrites cands, of which there is at least one.
func (r *RIB) best(cands []candidate) candidate {
	if len(cands) > 1 {
		cands = shortlist(cands)
	}
	if len(cands) > 1 {
		cands = r.lowestMED(cands)
	}
	b := cands[0]
	for _, c := range cands[1:] {
		if compare(&c, &b) < 0 {
			b = c
		}
	}
	return b
}

// shortlist keeps the candidates that share the best local preference, then path length, then origin.
func shortlist(cands []candidate) []candidate {
	low := ^uint64(0)
	kept := cands[:0]
	for _, c := range cands {
		k := c.rank
		v := uint64(^k.localPref)<<32 | uint64(k.pathLength)<<8 | uint64(k.origin)
		if v < low {
			low = v
			kept = kept[:0]
		}
		if v == low {
			kept = append(kept, c)
		}
	}
	return kept
}

// lowestMED removes the candidates that a lower MED of the same neighbouring AS beats.
func (r *RIB) lowestMED(cands []candidate) []candidate {
	groups := r.groups[:0]
next:
	for i := range cands {
		k := cands[i].rank
		for j := range groups {
			if groups[j].as == k.neighborAS {
				groups[j].med = min(groups[j].med, k.med)
				continue next
			}
		}
		groups = append(groups, medGroup{k.neighborAS, k.med})
	}
	r.groups = groups
	kept := cands[:0]
	for _, c := range cands {
		k := c.rank
		for _, g := range groups {
			if g.as == k.neighborAS && g.med == k.med {
				kept = append(kept, c)
				break
			}
		}
	}
	return kept
}

// compare orders candidates that are equal up to the MED; the lower one is better.
func compare(a, b *candidate) int {
	if a.src.peer.external() != b.src.peer.external() {
		if a.src.peer.external() {
			return -1
		}
		return 1
	}
	if c := cmp.Compare(identifier(a), identifier(b)); c != 0 {
		return c
	}
	if c := cmp.Compare(a.rank.clusters, b.rank.clusters); c != 0 {
		return c
	}
	if c := comparePeers(a.src.peer.key, b.src.peer.key); c != 0 {
		return c
	}
	if c := cmp.Compare(a.entry.pathID, b.entry.pathID); c != 0 {
		return c
	}
	if a.entry.hasPathID() != b.entry.hasPathID() {
		if b.entry.hasPathID() {
			return -1
		}
		return 1
	}
	if c := cmp.Compare(a.src.family.SAFI, b.src.family.SAFI); c != 0 {
		return c
	}
	return cmp.Compare(a.src.family.AFI, b.src.family.AFI)
}

// identifier is the ORIGINATOR_ID, else the peer's BGP identifier. One that is not known loses.
func identifier(c *candidate) uint32 {
	if id := c.rank.originator; id != 0 {
		return id
	}
	if id := routerID(c.src.peer.info.BGPID); id != 0 {
		return id
	}
	return math.MaxUint32
}

func comparePeers(a, b PeerKey) int {
	if c := compareAddr(a.Addr, b.Addr); c != 0 {
		return c
	}
	if c := cmp.Compare(a.Class, b.Class); c != 0 {
		return c
	}
	return cmp.Compare(a.Distinguisher, b.Distinguisher)
}

func compareAddr(a, b netip.Addr) int {
	if a == b {
		return 0
	}
	return a.Compare(b)
}
