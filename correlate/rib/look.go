package rib

import "iter"

// Views is the number of views: every View is less.
const Views = int(numViews)

// Counts are what a RIB holds, known without a walk.
type Counts struct {
	Peers, Sources, VRFs, Tables int
	Routes                       int // live
	Dead                         int // gone, but not reclaimed yet
}

// Counts returns what the RIB holds.
func (r *RIB) Counts() Counts {
	return Counts{
		Peers: len(r.peers), Sources: len(r.sources) - 1 - len(r.freeSource), VRFs: len(r.vrfs), Tables: len(r.tables),
		Routes: r.live, Dead: r.dead + r.buried,
	}
}

// VRFs yields the route distinguishers of the VRFs that have routes, in no order.
func (r *RIB) VRFs() iter.Seq[RD] {
	return func(yield func(RD) bool) {
		for rd := range r.vrfs {
			if !yield(rd) {
				return
			}
		}
	}
}

// VRFTables returns the status of the tables of a VRF, by view and IP version.
func (r *RIB) VRFTables(rd RD) []TableStatus {
	v := r.vrfs[rd]
	if v == nil {
		return nil
	}
	list := make([]TableStatus, 0, v.n)
	for view := range v.tables {
		for _, t := range v.tables[view] {
			if t != nil {
				list = append(list, t.status())
			}
		}
	}
	return list
}

// Peer returns the status of a peer and of its sources.
func (r *RIB) Peer(k PeerKey) (PeerStatus, []SourceStatus, bool) {
	p := r.peers[k.canonical()]
	if p == nil {
		return PeerStatus{}, nil, false
	}
	st := PeerStatus{Key: p.key, Info: p.info, Up: p.up, Since: p.since}
	list := make([]SourceStatus, 0, len(p.sources))
	for _, s := range p.sources {
		st.Routes += s.live
		list = append(list, s.status())
	}
	return st, list, true
}
