package rib

import (
	"cmp"
	"maps"
	"math"
	"net/netip"
	"slices"
	"time"
)

// twin is the slow and obvious RIB: a flat list of routes, searched linearly. It does not model the states that end by silence.
type twin struct {
	now   int64
	stale int64
	max   int
	peers map[PeerKey]*twinPeer
	all   map[twinKey]*twinRoute
}

type twinPeer struct {
	info         PeerInfo
	up, lost     bool
	since, heard int64
}

type twinSource struct {
	peer   PeerKey
	view   View
	family Family
}

type twinKey struct {
	src    twinSource
	vrf    RD
	prefix netip.Prefix
	path   uint32
	has    bool
}

type twinRoute struct {
	key   twinKey
	attrs *Attrs
	time  int64
	since int64 // when it became stale, -1 while it is not
}

func newTwin(o Options) *twin {
	o.setDefaults()
	return &twin{stale: int64(o.StaleAfter), max: o.MaxRoutes, peers: map[PeerKey]*twinPeer{}, all: map[twinKey]*twinRoute{}}
}

func (w *twin) peer(k PeerKey) *twinPeer {
	if w.peers[k] == nil {
		w.peers[k] = &twinPeer{since: w.now}
	}
	return w.peers[k]
}

// hear notes that a peer told something.
func (w *twin) hear(k PeerKey) {
	p := w.peer(k)
	p.lost, p.heard = false, w.now
}

func (w *twin) announce(k twinKey, a *Attrs, t int64) bool {
	w.hear(k.src.peer)
	t = t / 1000 * 1000
	if old := w.all[k]; old != nil {
		if old.attrs == a {
			t = min(t, old.time)
		}
	} else if w.max > 0 && len(w.all) >= w.max {
		return false
	}
	w.all[k] = &twinRoute{key: k, attrs: a, time: t, since: -1}
	return true
}

func (w *twin) withdraw(k twinKey) bool {
	w.hear(k.src.peer)
	_, ok := w.all[k]
	delete(w.all, k)
	return ok
}

func (w *twin) markStale(match func(twinSource) bool) {
	for _, r := range w.all {
		if r.since < 0 && match(r.key.src) {
			r.since = w.now
		}
	}
}

func (w *twin) remove(match func(*twinRoute) bool) {
	for k, r := range w.all {
		if match(r) {
			delete(w.all, k)
		}
	}
}

func (w *twin) peerUp(k PeerKey, info PeerInfo) {
	p := w.peer(k)
	again := p.up && info.Session != 0 && info.Session == p.info.Session
	p.info = info
	if !again {
		p.up, p.lost, p.since, p.heard = true, false, w.now, w.now
		w.markStale(func(s twinSource) bool { return s.peer == k })
	}
}

func (w *twin) peerDown(k PeerKey) {
	if p := w.peers[k]; p != nil {
		p.up, p.lost, p.since = false, false, w.now
	}
	w.remove(func(r *twinRoute) bool { return r.key.src.peer == k })
}

func (w *twin) endOfRIB(s twinSource) {
	w.hear(s.peer)
	w.remove(func(r *twinRoute) bool { return r.key.src == s && r.since >= 0 })
}

func (w *twin) sessionLost() {
	for _, p := range w.peers {
		if !p.lost {
			p.up, p.lost, p.since = false, true, w.now
		}
	}
	w.markStale(func(twinSource) bool { return true })
}

func (w *twin) tick() {
	w.remove(func(r *twinRoute) bool { return r.since >= 0 && w.now-r.since >= w.stale })
	for k, p := range w.peers { // a peer that is gone is forgotten, and with it what was known for the decision process
		used := slices.ContainsFunc(slices.Collect(maps.Keys(w.all)), func(x twinKey) bool { return x.src.peer == k })
		if !p.up && w.now-p.since >= w.stale && w.now-p.heard >= w.stale && !used {
			delete(w.peers, k)
		}
	}
}

func (w *twin) clear() {
	clear(w.all)
	clear(w.peers)
}

func (w *twin) count(s twinSource) (live, stale int) {
	for _, r := range w.all {
		if r.key.src == s {
			live++
			if r.since >= 0 {
				stale++
			}
		}
	}
	return live, stale
}

func (w *twin) lookup(vrf RD, addr, nextHop netip.Addr) (*twinRoute, bool, Result) {
	for view := LocRIB; view <= AdjRIBInPre; view++ {
		var paths []*twinRoute
		any, long := false, -1
		for k, r := range w.all {
			if k.vrf != vrf || k.src.view != view || k.prefix.Addr().Is4() != addr.Is4() {
				continue
			}
			any = true
			if !k.prefix.Contains(addr) || k.prefix.Bits() < long {
				continue
			}
			if k.prefix.Bits() > long {
				long, paths = k.prefix.Bits(), nil
			}
			paths = append(paths, r)
		}
		if paths != nil {
			r, by := w.choose(paths, nextHop)
			return r, by, Found
		}
		if any {
			return nil, false, NoPrefix
		}
	}
	return nil, false, NoRIB
}

func (w *twin) choose(paths []*twinRoute, nh netip.Addr) (*twinRoute, bool) {
	if nh.IsValid() && nh.Unmap().As16() != [16]byte{} && !(nh.Unmap().Is4() && nh.Unmap().As4()[0] == 0) {
		var hits []*twinRoute
		for _, r := range paths {
			if r.attrs.NextHop.Unmap() == nh.Unmap() {
				hits = append(hits, r)
			}
		}
		if best := w.best(paths); slices.Contains(hits, best) {
			return best, true
		}
		if hits != nil {
			return w.best(hits), true
		}
	}
	return w.best(paths), false
}

// best runs the decision process step by step, each step removing the routes that another one beats.
func (w *twin) best(paths []*twinRoute) *twinRoute {
	num := func(a netip.Addr) uint32 {
		if !a.Is4() {
			return 0
		}
		b := a.As4()
		return uint32(b[0])<<24 | uint32(b[1])<<16 | uint32(b[2])<<8 | uint32(b[3])
	}
	pref := func(r *twinRoute) uint32 {
		if r.attrs.HasLocalPref {
			return r.attrs.LocalPref
		}
		return 100
	}
	origin := func(r *twinRoute) uint8 {
		if r.attrs.HasOrigin {
			return r.attrs.Origin
		}
		return OriginIncomplete
	}
	neighbor := func(r *twinRoute) uint32 {
		if len(r.attrs.ASPath) > 0 {
			return r.attrs.ASPath[0]
		}
		return 0
	}
	external := func(r *twinRoute) int {
		i := w.peers[r.key.src.peer].info
		if i.AS != 0 && i.LocalAS != 0 && i.AS != i.LocalAS {
			return 0
		}
		return 1
	}
	id := func(r *twinRoute) uint32 {
		if v := num(r.attrs.OriginatorID); v != 0 {
			return v
		}
		if v := num(w.peers[r.key.src.peer].info.BGPID); v != 0 {
			return v
		}
		return math.MaxUint32
	}
	flag := func(b bool) int {
		if b {
			return 1
		}
		return 0
	}
	steps := []func(a, b *twinRoute) int{ // below 0: a beats b
		func(a, b *twinRoute) int { return cmp.Compare(pref(b), pref(a)) },
		func(a, b *twinRoute) int { return cmp.Compare(a.attrs.PathLength, b.attrs.PathLength) },
		func(a, b *twinRoute) int { return cmp.Compare(origin(a), origin(b)) },
		func(a, b *twinRoute) int {
			if neighbor(a) != neighbor(b) {
				return 0
			}
			return cmp.Compare(flag(a.attrs.HasMED)*int(a.attrs.MED), flag(b.attrs.HasMED)*int(b.attrs.MED))
		},
		func(a, b *twinRoute) int { return cmp.Compare(external(a), external(b)) },
		func(a, b *twinRoute) int { return cmp.Compare(id(a), id(b)) },
		func(a, b *twinRoute) int { return cmp.Compare(a.attrs.ClusterLength, b.attrs.ClusterLength) },
		func(a, b *twinRoute) int { return a.key.src.peer.Addr.Compare(b.key.src.peer.Addr) },
		func(a, b *twinRoute) int { return cmp.Compare(a.key.src.peer.Class, b.key.src.peer.Class) },
		func(a, b *twinRoute) int {
			return cmp.Compare(a.key.src.peer.Distinguisher, b.key.src.peer.Distinguisher)
		},
		func(a, b *twinRoute) int { return cmp.Compare(a.key.path, b.key.path) },
		func(a, b *twinRoute) int { return cmp.Compare(flag(a.key.has), flag(b.key.has)) },
		func(a, b *twinRoute) int { return cmp.Compare(a.key.src.family.SAFI, b.key.src.family.SAFI) },
		func(a, b *twinRoute) int { return cmp.Compare(a.key.src.family.AFI, b.key.src.family.AFI) },
	}
	paths = slices.Clone(paths)
	for _, beats := range steps {
		in := slices.Clone(paths)
		paths = slices.DeleteFunc(paths, func(r *twinRoute) bool {
			return slices.ContainsFunc(in, func(o *twinRoute) bool { return beats(o, r) < 0 })
		})
	}
	return paths[0]
}

// elapse moves the clock.
func (w *twin) elapse(d time.Duration) { w.now += int64(d) }
