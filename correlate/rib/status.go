package rib

import (
	"iter"
	"unsafe"
)

// SourceStatus tells about one view and family of a peer.
type SourceStatus struct {
	Peer   PeerKey
	View   View
	Family Family
	State  State
	Routes int   // live, stale ones included
	Stale  int   // of them, those of an earlier dump
	Lacks  bool  // routes of this dump were refused for a limit of the device
	Heard  int64 // when the last route or End-of-RIB came, by the clock of the caller
}

// PeerStatus tells about a peer.
type PeerStatus struct {
	Key    PeerKey
	Info   PeerInfo
	Up     bool  // between Peer Up and Peer Down or the loss of the session
	Since  int64 // of the last change of Up
	Routes int
}

// TableStatus tells about the routes of a VRF, view and IP version.
type TableStatus struct {
	VRF      RD
	View     View
	IPv6     bool
	Routes   int
	Prefixes int // those that wait for the clean-up included
}

// Totals are the sums over a RIB.
type Totals struct {
	Peers, Sources, Tables int
	Routes                 int  // live
	AttrBytes              int  // of the sets of attributes that the device was the first to tell
	OverQuota              bool // routes or peers were refused that the device has not told again since
	Dead                   int  // gone, but not reclaimed yet, those that the history keeps whole included
	Versions               int  // routes of the past in the history, those included
	HistoryBytes           int  // what they take
	Bytes                  int  // estimate of the memory, without attributes
}

// Stats returns the counters.
func (r *RIB) Stats() Stats { return r.stats }

// Add adds the counters of another RIB.
func (s *Stats) Add(o *Stats) {
	s.Announced += o.Announced
	s.Replaced += o.Replaced
	s.Refreshed += o.Refreshed
	s.Withdrawn += o.Withdrawn
	s.WithdrawnAbsent += o.WithdrawnAbsent
	s.Swept += o.Swept
	s.RefusedRoutes += o.RefusedRoutes
	s.RefusedSources += o.RefusedSources
	s.RefusedAttrs += o.RefusedAttrs
	s.Invalid += o.Invalid
	s.HistoryEvicted += o.HistoryEvicted
}

// AttrBytes returns what the sets of attributes take that the device was the first to tell, of Options.MaxAttrBytes.
func (r *RIB) AttrBytes() int { return r.attrBytes }

// HistoryBytes returns what the history takes of Options.HistoryBytes.
func (r *RIB) HistoryBytes() int { return r.history.bytes }

// Routes returns the number of live routes.
func (r *RIB) Routes() int { return r.live }

// Sources yields the status of each source, in no order.
func (r *RIB) Sources() iter.Seq[SourceStatus] {
	return func(yield func(SourceStatus) bool) {
		for _, s := range r.sources {
			if s != nil && !yield(s.status()) {
				return
			}
		}
	}
}

func (s *source) status() SourceStatus {
	return SourceStatus{
		Peer: s.peer.key, View: s.view, Family: s.family,
		State: s.state, Routes: s.live, Stale: s.stale, Lacks: s.refused, Heard: s.heard,
	}
}

// SourceStatus returns the status of one source.
func (r *RIB) SourceStatus(k PeerKey, v View, f Family) (SourceStatus, bool) {
	if p := r.peers[k.canonical()]; p != nil {
		for _, s := range p.sources {
			if s.view == v && s.family == f {
				return s.status(), true
			}
		}
	}
	return SourceStatus{}, false
}

// Peers yields the status of each peer, in no order.
func (r *RIB) Peers() iter.Seq[PeerStatus] {
	return func(yield func(PeerStatus) bool) {
		for _, p := range r.peers {
			st := PeerStatus{Key: p.key, Info: p.info, Up: p.up, Since: p.since}
			for _, s := range p.sources {
				st.Routes += s.live
			}
			if !yield(st) {
				return
			}
		}
	}
}

// Tables yields the status of each table, oldest first.
func (r *RIB) Tables() iter.Seq[TableStatus] {
	return func(yield func(TableStatus) bool) {
		for _, t := range r.tables {
			if !yield(t.status()) {
				return
			}
		}
	}
}

func (t *table) status() TableStatus {
	return TableStatus{VRF: t.vrf, View: t.view, IPv6: t.six, Routes: t.live, Prefixes: t.trie.size}
}

// Totals sums up the RIB.
func (r *RIB) Totals() Totals {
	t := Totals{
		Peers: len(r.peers), Sources: len(r.sources) - 1 - len(r.freeSource), Tables: len(r.tables),
		Routes: r.live, Dead: r.dead + r.buried + r.haunting,
		AttrBytes: r.attrBytes, OverQuota: r.refusing > 0 || r.peersOver,
	}
	for _, x := range r.tables {
		t.Bytes += int(unsafe.Sizeof(*x)) + x.trie.bytes() + x.past.bytes() + x.arena.bytes()
	}
	for i := range r.history.past {
		p := &r.history.past[i]
		t.Versions += p.queue.n
		t.Bytes += p.arena.bytes() + p.held*chunkSize*16 + 4*len(p.queue.at)
	}
	for _, x := range r.history.ghosts {
		t.Bytes += x.ghostBytes
	}
	t.Versions += r.haunting
	t.HistoryBytes = r.history.bytes
	for i := range r.graves {
		t.Bytes += r.graves[i].bytes()
	}
	t.Bytes += cap(r.feeds)*int(unsafe.Sizeof(feed{})) + t.Sources*int(unsafe.Sizeof(source{}))
	return t
}

// Epoch rises whenever State may answer differently.
func (r *RIB) Epoch() uint64 { return r.epoch }

// HasPeers reports whether any peer is known, whose routes may have gone.
func (r *RIB) HasPeers() bool { return len(r.peers) > 0 }

// Changes rises with every change of the routes.
func (r *RIB) Changes() uint64 {
	s := &r.stats
	return s.Announced + s.Replaced + s.Withdrawn + s.Swept
}
