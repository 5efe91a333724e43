package rib

import (
	"cmp"
	"math"
	"net/netip"
	"time"
)

// Options limit a RIB and set its times. A zero field takes its default.
type Options struct {
	MaxRoutes   int           // live routes; more are refused and counted. Default: no limit
	MaxPeers    int           // peers; what further ones tell is refused and counted. Default 65536
	MaxPaths    int           // routes of a prefix in a view, all looked at by a change; more are refused and counted. Default 1024
	MaxSources  int           // peers' views and families; more are refused and counted. Default 65536
	QuietPeriod time.Duration // a source that says nothing for so long counts as synced. Default 5 s
	SyncLimit   time.Duration // a source that syncs for so long counts as synced. Default 5 min
	StaleAfter  time.Duration // stale routes go after it, and peers that are not up. Default 10 min
	History     time.Duration // routes that ended are kept for it, see LookupAt; negative: not at all. Default 10 min

	// MaxAttrBytes limits the octets of the sets of path attributes that this device was the first to tell. Routes with further
	// ones are refused and counted. Default: no limit.
	MaxAttrBytes int
	HistoryBytes int // octets of what History keeps; the oldest goes first. Default 64 MiB
}

func (o *Options) setDefaults() {
	o.QuietPeriod = cmp.Or(o.QuietPeriod, 5*time.Second)
	o.SyncLimit = cmp.Or(o.SyncLimit, 5*time.Minute)
	o.StaleAfter = cmp.Or(o.StaleAfter, 10*time.Minute)
	o.History = cmp.Or(o.History, 10*time.Minute)
	o.HistoryBytes = cmp.Or(o.HistoryBytes, 64<<20)
	o.MaxSources = cmp.Or(o.MaxSources, 1<<16)
	o.MaxPeers = cmp.Or(o.MaxPeers, 1<<16)
	o.MaxPaths = cmp.Or(o.MaxPaths, 1024)
}

// RIB is the routes of one device. One goroutine owns it.
type RIB struct {
	in  *Intern
	opt Options
	now int64 // latest time passed in

	peers      map[PeerKey]*peer
	sources    []*source // by SourceID; nil is free, index 0 never used
	freeSource []SourceID
	feeds      []feed
	freeFeeds  []uint32
	vrfs       map[RD]*vrf
	tables     []*table // in order of creation
	tableSeq   uint64

	live     int    // live routes
	dead     int    // dead entries still in tables
	buried   int    // dead entries in graves
	haunting int    // dead entries in ghosts
	epoch    uint64 // rises when a state or a table's feeds change

	syncing int // sources in state Syncing
	dumping int // those of them whose dump has begun
	bare    int // peers that are bare

	dirty     []*table // with dead entries
	graves    []arena  // of dropped tables, whose attributes are still referenced
	nextTimer int64
	history   history
	pages     hugeCursor
	attrBytes int   // of the sets that the device brought
	refusing  int   // sources that lack refused routes
	peersOver bool  // peers were refused
	lastDump  int64 // when a dump last ended

	cands  []candidate // scratch of the decision process
	groups []medGroup
	stats  Stats
}

// Stats counts what happened to a RIB since it was made.
type Stats struct {
	Announced       uint64 // new routes
	Replaced        uint64 // routes told again with other attributes
	Refreshed       uint64 // routes told again with the same attributes
	Withdrawn       uint64
	WithdrawnAbsent uint64 // withdrawals of routes that were not there
	Swept           uint64 // routes that went with End-of-RIB, Peer Down, a timeout or Clear
	RefusedRoutes   uint64 // over Options.MaxRoutes or MaxPaths
	RefusedSources  uint64 // routes and messages of a source over Options.MaxSources or MaxPeers
	RefusedAttrs    uint64 // routes with attributes over Options.MaxAttrBytes
	Invalid         uint64 // invalid prefix, view or source
	HistoryEvicted  uint64 // versions of routes that the history lost before their time, over Options.HistoryBytes
}

// New returns an empty RIB that keeps its attributes in in.
func New(in *Intern, o Options) *RIB {
	o.setDefaults()
	r := &RIB{in: in, opt: o, history: o.historyOf()}
	r.reset()
	return r
}

func (r *RIB) reset() {
	r.peers = make(map[PeerKey]*peer)
	r.vrfs = make(map[RD]*vrf)
	r.sources, r.freeSource = []*source{nil}, nil
	r.feeds, r.freeFeeds = nil, nil
	r.tables, r.dirty = nil, nil
	r.refusing, r.peersOver = 0, false
	r.live, r.dead, r.haunting, r.syncing, r.dumping, r.bare = 0, 0, 0, 0, 0, 0
	r.epoch++
}

// Intern returns the table that holds the RIB's attributes.
func (r *RIB) Intern() *Intern { return r.in }

// Acquire is Intern.Acquire within the limit of the device. It returns 0, with which Announce refuses routes, when the set is new and
// the device has brought too many.
func (r *RIB) Acquire(key []byte, decode func() Attrs) AttrID {
	return r.in.acquire(key, decode, &r.attrBytes, r.opt.MaxAttrBytes)
}

// Announce sets a route of a source in a VRF (RD 0 is the global table). It takes over one reference of a, also when it refuses the
// route. The time is when the route was learnt, in Unix nanoseconds by the device's clock (kept to the microsecond);
// a route that is told again with the same attributes keeps the earlier time. It reports whether the route is in the RIB.
func (r *RIB) Announce(s SourceID, vrf RD, p netip.Prefix, pathID uint32, hasPathID bool, a AttrID, t int64) bool {
	src := r.source(s)
	switch {
	case src == nil && s == 0:
		r.stats.RefusedSources++
	case src == nil || !p.IsValid():
		r.stats.Invalid++
	case a == 0:
		r.stats.RefusedAttrs++
		r.refuse(src)
		r.Withdraw(s, vrf, p, pathID, hasPathID, t) // what was told before is not true any more
	default:
		p = p.Masked()
		r.heard(src)
		k := feedKey{vrf: vrf, six: p.Addr().Is6()}
		if !hasPathID {
			pathID = 0
		}
		if r.opt.MaxRoutes > 0 && r.live >= r.opt.MaxRoutes && !r.has(src, k, p, pathID, hasPathID) {
			r.stats.RefusedRoutes++
			r.refuse(src)
			break
		}
		if r.insert(src, k, p, entry{attr: a, next: none, pathID: pathID, meta: packMeta(t, p.Bits(), hasPathID)}) {
			return true
		}
		r.stats.RefusedRoutes++
		r.refuse(src)
	}
	r.in.Release(a)
	return false
}

// refuse marks a source that lacks routes, until it begins anew.
func (r *RIB) refuse(s *source) {
	if !s.refused {
		s.refused = true
		r.refusing++
	}
}

func (r *RIB) pardon(s *source) {
	if s.refused {
		s.refused = false
		r.refusing--
	}
}

// insert adds or replaces the entry that e describes and reports whether there was room for it.
func (r *RIB) insert(src *source, k feedKey, p netip.Prefix, e entry) bool {
	fi := r.currentFeed(src, k)
	if fi == none {
		return false
	}
	r.dumped(src, &e)
	return r.insertInto(fi, src, p, e)
}

// insertInto is insert into a feed of the source.
func (r *RIB) insertInto(fi uint32, src *source, p netip.Prefix, e entry) bool {
	t := r.feeds[fi].table
	e.origin = packOrigin(fi, r.in.set(e.attr).rank.nextHop)
	fits := true
	t.modify(p, func(head uint32) (uint32, uint32) {
		i, paths := r.find(t, head, src, e.pathID, e.hasPathID())
		switch {
		case i != none:
			again, stamp := r.replace(t, i, e, p)
			if again {
				return head, stamp
			}
			return r.order(t, head), stamp
		case paths >= r.opt.MaxPaths:
			fits = false
			return head, 0
		}
		e.next = head
		head = t.arena.add(e, p)
		r.stats.Announced++
		r.count(fi, 1)
		return r.order(t, head), r.begins(t, &e)
	})
	r.count(fi, 0) // a new feed goes again if it got nothing
	return fits
}

// begins notes that a route is valid from a time on and returns the stamp of that.
func (r *RIB) begins(t *table, e *entry) uint32 {
	since := r.since(e)
	if t.born == math.MaxInt64 {
		if v := r.vrfs[t.vrf]; since > math.MinInt64 {
			v.changed[version(t.six)] = max(v.changed[version(t.six)], since)
		}
	}
	t.born = min(t.born, since)
	if since == math.MinInt64 {
		return 0
	}
	return r.stampOf(since)
}

// replace gives entry i the attributes, feed and time of e. It reports whether the route is told again as it was, and the stamp of the
// change.
func (r *RIB) replace(t *table, i uint32, e entry, p netip.Prefix) (again bool, stamp uint32) {
	x := t.arena.at(i)
	was := x.feed()
	old := &r.feeds[was]
	switch {
	case old.dead:
		if old.kept {
			r.leave(t, x, p, old.died)
		}
		r.stats.Announced++
		x.meta = e.meta
	case x.attr == e.attr:
		again = true
		r.stats.Refreshed++
		stamp = r.refresh(x, e)
	default:
		e.meta &^= metaDumped | metaEver
		r.leave(t, x, p, e.time())
		r.stats.Replaced++
		x.meta = e.meta
	}
	r.in.Release(x.attr)
	x.attr, x.origin = e.attr, e.origin
	if fi := e.feed(); was != fi {
		r.count(fi, 1)
		r.count(was, -1)
	}
	if !again {
		stamp = r.begins(t, x)
	}
	return again, stamp
}

// refresh keeps the earlier time of a route that is told again with the same attributes.
func (r *RIB) refresh(x *entry, e entry) (stamp uint32) {
	flags := x.meta & metaFlags
	x.meta = min(x.meta&^metaFlags, e.meta&^metaFlags) // the rest of it is equal
	if flags&metaDumped != 0 && x.feed() != e.feed() {
		flags &^= metaDumped // the dump that it was told in is not the last one any more
		stamp = r.stampOf(x.time())
	}
	x.meta |= flags
	return stamp
}

// has reports whether a live route is in place.
func (r *RIB) has(src *source, k feedKey, p netip.Prefix, pathID uint32, hasPathID bool) bool {
	t := r.peek(k, src.view)
	if t == nil {
		return false
	}
	i, _ := r.find(t, t.head(p), src, pathID, hasPathID)
	return i != none && !r.feeds[t.arena.at(i).feed()].dead
}

// Withdraw removes a route of a source and reports whether it was there. The time is that of the withdrawal by the device's
// clock.
func (r *RIB) Withdraw(s SourceID, vrf RD, p netip.Prefix, pathID uint32, hasPathID bool, at int64) bool {
	src := r.source(s)
	if src == nil || !p.IsValid() {
		r.stats.Invalid++
		return false
	}
	p = p.Masked()
	r.heard(src)
	if !hasPathID {
		pathID = 0
	}
	t := r.peek(feedKey{vrf: vrf, six: p.Addr().Is6()}, src.view)
	if t != nil {
		i, _ := r.find(t, t.head(p), src, pathID, hasPathID)
		if i != none && !r.feeds[t.arena.at(i).feed()].dead {
			f := t.arena.at(i).feed()
			to := max(at, 0) / 1000 * 1000
			r.leave(t, t.arena.at(i), p, to)
			t.died = to
			r.unlink(t, p, i, r.stampOf(to))
			r.count(f, -1)
			r.stats.Withdrawn++
			r.shrink(t)
			return true
		}
	}
	r.stats.WithdrawnAbsent++
	return false
}

// count adds n entries to a feed; a feed without entries goes, and a table without live ones with it.
func (r *RIB) count(fi uint32, n int) {
	f := &r.feeds[fi]
	f.n += n
	t := f.table
	if f.dead {
		t.dead += n
		r.dead += n
	} else {
		t.live += n
		r.live += n
		f.src.live += n
		if f.stale {
			f.src.stale += n
		}
	}
	if f.n == 0 {
		r.freeFeed(fi)
		if t.live == 0 {
			r.drop(t)
		}
	}
}
