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

	// The past: routes that ended, when tables had routes, and what is known of sources.
	ended   []*twinRoute
	alive   map[twinTable]*twinSpan
	gone    map[twinTable][]twinSpan
	sources map[twinSource]*twinDump
	times   []int64 // of changes
}

type twinTable struct {
	vrf  RD
	view View
	six  bool
}

type twinSpan struct{ from, to int64 }

// twinDump tells since when what a source dumps is taken to be valid.
type twinDump struct {
	assume   int64
	known    bool
	gap      bool
	gapSince int64
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
	peer  *twinPeer // as of then: it may have been forgotten and met again since
	attrs *Attrs
	time  int64
	since int64 // when it became stale, -1 while it is not

	from, to int64 // when it was valid
	dumped   bool  // from is not its own time
}

func (k twinKey) table() twinTable { return twinTable{k.vrf, k.src.view, k.prefix.Addr().Is6()} }

func newTwin(o Options) *twin {
	o.setDefaults()
	return &twin{
		stale: int64(o.StaleAfter), max: o.MaxRoutes, peers: map[PeerKey]*twinPeer{}, all: map[twinKey]*twinRoute{},
		alive: map[twinTable]*twinSpan{}, gone: map[twinTable][]twinSpan{}, sources: map[twinSource]*twinDump{},
	}
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

// source returns what is known of a source.
func (w *twin) source(s twinSource) *twinDump {
	if w.sources[s] == nil {
		w.sources[s] = &twinDump{assume: math.MinInt64}
	}
	return w.sources[s]
}

// met notes that a source is about to tell a route, and its state before.
func (w *twin) met(s twinSource, before State) {
	if before == Absent || before == Stale {
		w.begin(s)
	}
}

// begin begins a dump.
func (w *twin) begin(s twinSource) {
	d := w.source(s)
	switch {
	case !d.known:
		d.known = true
	case d.gap:
		d.assume = d.gapSince
	default:
		d.assume = w.now
	}
	d.gap = false
}

// forget drops the sources that are not in a list.
func (w *twin) forget(known map[twinSource]State) {
	for s := range w.sources {
		if _, ok := known[s]; !ok {
			delete(w.sources, s)
		}
	}
}

// end takes a route out, which was valid until a time.
func (w *twin) end(r *twinRoute, to int64) {
	delete(w.all, r.key)
	w.leave(*r, to)
	t := r.key.table()
	for k := range w.all {
		if k.table() == t {
			return
		}
	}
	w.gone[t] = append(w.gone[t], twinSpan{w.alive[t].from, to})
	delete(w.alive, t)
}

// leave remembers a route as it was.
func (w *twin) leave(r twinRoute, to int64) {
	if r.to = to; r.from < to {
		w.ended = append(w.ended, &r)
		w.times = append(w.times, to)
	}
}

func (w *twin) announce(k twinKey, a *Attrs, t int64, dump bool) bool {
	w.hear(k.src.peer)
	t = t / 1000 * 1000
	r := &twinRoute{key: k, peer: w.peer(k.src.peer), attrs: a, time: t, since: -1, from: t}
	old := w.all[k]
	switch {
	case old != nil && old.attrs == a:
		r.time = min(t, old.time)
		r.dumped = old.dumped && (old.since < 0 || old.from == math.MinInt64)
		if r.from = r.time; r.dumped {
			r.from = min(r.from, old.from)
		}
	case old != nil:
		w.leave(*old, t)
	case w.max > 0 && len(w.all) >= w.max:
		return false
	case dump:
		r.dumped = true
		r.from = min(t, w.source(k.src).assume)
	}
	w.all[k] = r
	if s := w.alive[k.table()]; s == nil {
		w.alive[k.table()] = &twinSpan{from: r.from}
	} else if old == nil || old.attrs != a {
		s.from = min(s.from, r.from)
	}
	if r.from > math.MinInt64 {
		w.times = append(w.times, r.from)
	}
	return true
}

func (w *twin) withdraw(k twinKey, at int64) bool {
	w.hear(k.src.peer)
	r, ok := w.all[k]
	if ok {
		w.end(r, at/1000*1000)
	}
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
	for _, r := range w.all {
		if match(r) {
			w.end(r, w.now)
		}
	}
}

func (w *twin) peerUp(k PeerKey, info PeerInfo, known map[twinSource]State) {
	p := w.peer(k)
	again := p.up && info.Session != 0 && info.Session == p.info.Session
	p.info = info
	if !again {
		p.up, p.lost, p.since, p.heard = true, false, w.now, w.now
		w.markStale(func(s twinSource) bool { return s.peer == k })
		for s := range known {
			if s.peer == k {
				w.begin(s)
			}
		}
	}
}

func (w *twin) peerDown(k PeerKey) {
	if p := w.peers[k]; p != nil {
		p.up, p.lost, p.since = false, false, w.now
	}
	w.remove(func(r *twinRoute) bool { return r.key.src.peer == k })
	for s, d := range w.sources {
		if s.peer == k {
			d.gap = false
		}
	}
}

func (w *twin) endOfRIB(s twinSource) {
	w.hear(s.peer)
	w.source(s).known = true
	w.remove(func(r *twinRoute) bool { return r.key.src == s && r.since >= 0 })
}

func (w *twin) sessionLost(known map[twinSource]State) {
	for s, st := range known {
		if d := w.source(s); st != Absent && !d.gap {
			d.gap, d.gapSince = true, w.now
		}
	}
	for _, p := range w.peers {
		if !p.lost {
			p.up, p.lost, p.since = false, true, w.now
		}
	}
	w.markStale(func(twinSource) bool { return true })
}

func (w *twin) tick() {
	w.remove(func(r *twinRoute) bool { return r.since >= 0 && w.now-r.since >= w.stale })
	const reach = int64(15 * time.Minute) // no one asks for what is older
	w.ended = slices.DeleteFunc(w.ended, func(r *twinRoute) bool { return w.now-r.to > reach })
	w.times = slices.DeleteFunc(w.times, func(t int64) bool { return w.now-t > reach/3 })
	for t := range w.gone {
		w.gone[t] = slices.DeleteFunc(w.gone[t], func(s twinSpan) bool { return w.now-s.to > reach })
	}
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
	clear(w.alive)
	clear(w.gone)
	clear(w.sources)
	w.ended, w.times = nil, nil
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
	return w.answer(vrf, addr, nextHop, slices.Collect(maps.Values(w.all)), func(t twinTable) bool { return w.alive[t] != nil })
}

func (w *twin) lookupAt(vrf RD, addr, nextHop netip.Addr, at int64) (*twinRoute, bool, Result) {
	var routes []*twinRoute
	for _, r := range w.all {
		if r.from <= at {
			routes = append(routes, r)
		}
	}
	for _, r := range w.ended {
		if r.from <= at && at < r.to {
			routes = append(routes, r)
		}
	}
	return w.answer(vrf, addr, nextHop, routes, func(t twinTable) bool {
		if s := w.alive[t]; s != nil && s.from <= at {
			return true
		}
		return slices.ContainsFunc(w.gone[t], func(s twinSpan) bool { return s.from <= at && at < s.to })
	})
}

func (w *twin) answer(vrf RD, addr, nextHop netip.Addr, routes []*twinRoute, alive func(twinTable) bool) (*twinRoute, bool, Result) {
	for view := LocRIB; view <= AdjRIBInPre; view++ {
		if !alive(twinTable{vrf, view, addr.Is6()}) {
			continue
		}
		var paths []*twinRoute
		long := -1
		for _, r := range routes {
			k := r.key
			if k.vrf != vrf || k.src.view != view || k.prefix.Addr().Is4() != addr.Is4() {
				continue
			}
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
		return nil, false, NoPrefix
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
		i := r.peer.info
		if i.AS != 0 && i.LocalAS != 0 && i.AS != i.LocalAS {
			return 0
		}
		return 1
	}
	id := func(r *twinRoute) uint32 {
		if v := num(r.attrs.OriginatorID); v != 0 {
			return v
		}
		if v := num(r.peer.info.BGPID); v != 0 {
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
