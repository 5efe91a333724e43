package rib

import (
	"errors"
	"fmt"
	"io"
	"math"
	"net/netip"
)

// RestoreLive takes up a live image into a RIB that nothing was told of, which then answers as the one that the image is of, as of now and
// as of then: no route has become stale and no peer is down for it. Quotas and the limits of the history apply. It returns the number of routes. After an error, which wraps ErrImage for
// a damaged image, the RIB is empty again; as after Clear, Tick gives the attributes back.
func (r *RIB) RestoreLive(from io.Reader, now int64) (routes int, err error) {
	if r.live > 0 || len(r.peers) > 0 {
		return 0, errors.New("the RIB knows something already")
	}
	r.advance(now)
	r.history.lost = max(r.history.lost, r.now) // unless the image tells of a history
	rd := newLiveReader(r, from, now)
	if err = rd.run(liveMagic); err == nil {
		rd.settle()
	}
	for _, id := range rd.attrs {
		if id != 0 {
			r.in.Release(id) // the reader's own reference; routes have theirs
		}
	}
	if err != nil {
		r.Clear()
		return 0, err
	}
	return rd.routes, nil
}

// liveReader holds what a live image has told so far.
type liveReader struct {
	imageReader
	known  []*peer   // nil: over a quota
	of     []*source // the same
	tables []toldTable
	feeds  []liveFeed
	routes int  // that were taken
	past   bool // the image has a history, and so has the RIB
}

// liveFeed is a feed of the image. It is made with its first route or version.
type liveFeed struct {
	feed           // table is none
	source *source // nil: over a quota
	of     int     // index of the table
	index  uint32  // in RIB.feeds, or none
}

// toldTable is a table of the image.
type toldTable struct {
	tableID
	kind          byte
	table         *table // nil while a living one has no routes, and where nobody will ask for it
	born, changed int64
}

func newLiveReader(r *RIB, from io.Reader, now int64) *liveReader {
	rd := &liveReader{imageReader: imageReader{rib: r, now: now, from: from}}
	rd.blocks = map[byte]func([]byte) error{blockState: rd.state, blockTable: rd.readTable}
	for tag, read := range map[byte]func(*imageDecoder){
		tagPeer: rd.peer, tagSource: rd.source, tagFeed: rd.feed, tagAttrs: rd.set, tagRoute: rd.route,
		tagJump: rd.jump, tagNode: rd.node, tagVRF: rd.changes, tagVersion: rd.version,
	} {
		rd.tags[tag] = read
	}
	return rd
}

func (r *liveReader) state(b []byte) error {
	d := imageDecoder{b: b}
	last, flags := d.varint(), d.octet()
	var lost, base int64
	var evicted uint64
	if flags&livePast != 0 {
		lost, base, evicted = d.varint(), d.varint(), d.uvarint(maxUint64)
	}
	if d.bad || len(d.b) > 0 {
		return fmt.Errorf("%w: state", ErrImage)
	}
	r.rib.lastDump, r.rib.peersOver = last, flags&livePeersOver != 0
	if h := &r.rib.history; flags&livePast != 0 && h.horizon > 0 {
		r.past = true
		h.lost, h.base, h.limit = lost, base, math.MaxInt // until all is there
		r.rib.stats.HistoryEvicted = evicted
	}
	return nil
}

func (r *liveReader) readTable(b []byte) error {
	d := imageDecoder{b: b}
	view, version, kind := View(d.octet()), d.octet(), d.octet()
	id := tableID{vrf: RD(d.uint64()), view: view, six: version == 6}
	t := toldTable{tableID: id, kind: kind, born: d.varint(), changed: d.varint()}
	died, octets := d.varint(), d.varint()
	if d.bad || len(d.b) > 0 || view >= numViews || version != 4 && version != 6 || kind > tableGone || octets < 0 || octets > 1<<40 {
		return fmt.Errorf("%w: table", ErrImage)
	}
	if kind != tableLive && r.past {
		t.table = r.rib.newTable(feedKey{id.vrf, id.six}, id.view)
		t.table.born, t.table.changed, t.table.died = t.born, t.changed, died
	}
	if kind == tableGhost && r.past {
		t.table.ghostBytes = int(octets) // as it took there: it counts for as much here
		h, vr := &r.rib.history, r.rib.vrf(id.vrf)
		h.bytes += t.table.ghostBytes
		h.ghosts, vr.ghosts = append(h.ghosts, t.table), append(vr.ghosts, t.table)
	}
	r.tables = append(r.tables, t)
	return nil
}

func (r *liveReader) peer(d *imageDecoder) {
	class, flags := PeerClass(d.octet()), d.octet()
	k := PeerKey{Class: class, Distinguisher: RD(d.uint64()), Addr: d.addr()}
	since, session := d.varint(), d.uvarint(maxUint64)
	info := PeerInfo{
		AS: uint32(d.uvarint(maxUint32)), LocalAS: uint32(d.uvarint(maxUint32)), BGPID: d.addr(), Name: string(d.bytes()), Session: d.uint64(),
		Filtered: flags&liveFiltered != 0,
	}
	for range d.count(3) {
		info.Families = append(info.Families, Family{SAFI: d.octet(), AFI: d.uint16()})
	}
	gone := flags&livePeerGone != 0
	if class > ClassLocal || !k.Addr.IsValid() || k != k.canonical() || !gone && r.rib.peers[k] != nil {
		d.bad = true
	}
	if d.bad {
		return
	}
	if gone {
		r.known = append(r.known, &peer{key: k, info: info, since: since})
		return
	}
	p := r.rib.peerOf(k)
	if p != nil {
		p.info, p.up, p.lost, p.since, p.session = info, flags&liveUp != 0, flags&liveLost != 0, since, session
		r.rib.setBare(p, flags&liveBare != 0)
	}
	r.known = append(r.known, p)
}

func (r *liveReader) source(d *imageDecoder) {
	n := d.uvarint(maxUint32)
	view := View(d.octet())
	f := Family{SAFI: d.octet(), AFI: d.uint16()}
	state, flags, owner := State(d.octet()), d.octet(), d.uvarint(maxUint64)
	syncSince, heard, oldSince, assume, gapSince := d.varint(), d.varint(), d.varint(), d.varint(), d.varint()
	if d.bad || n >= uint64(len(r.known)) || view >= numViews || state > Stale {
		d.bad = true
		return
	}
	p := r.known[n]
	if flags&liveSourceGone != 0 {
		if p == nil {
			p = &peer{}
		}
		r.of = append(r.of, &source{peer: p, view: view, family: f, assume: assume, known: true})
		return
	}
	var s *source
	switch {
	case p == nil:
	case r.rib.peers[p.key] != p:
		d.bad = true // of one that is gone
		return
	default:
		bare := p.bare
		s = r.rib.sourceOf(p, view, f)
		r.rib.setBare(p, bare) // a new source is not the first word of the peer's dump here
	}
	if s != nil {
		r.rib.setState(s, state)
		s.owner, s.syncSince, s.heard, s.oldSince, s.assume, s.gapSince = owner, syncSince, heard, oldSince, assume, gapSince
		s.known, s.gap = flags&liveKnown != 0, flags&liveGap != 0
		if flags&liveBegun != 0 && state == Syncing && !s.begun {
			s.begun = true
			r.rib.dumping++
		}
		if flags&liveRefused != 0 {
			r.rib.refuse(s)
		}
	}
	r.of = append(r.of, s)
}

func (r *liveReader) feed(d *imageDecoder) {
	flags := d.octet()
	n, of := d.uvarint(maxUint32), d.uvarint(maxUint32)
	f := liveFeed{index: none}
	f.since, f.died, f.assume = d.varint(), d.varint(), d.varint()
	if d.bad || n >= uint64(len(r.of)) || of >= uint64(len(r.tables)) {
		d.bad = true
		return
	}
	f.stale, f.dead, f.kept = flags&feedStale != 0, flags&feedDead != 0, flags&feedKept != 0
	f.source, f.of = r.of[n], int(of)
	switch t := &r.tables[of]; {
	case f.source != nil && f.source.view != t.view, !f.dead && t.kind != tableLive:
		d.bad = true
		return
	case f.source != nil && !f.dead && r.rib.sources[f.source.id] != f.source:
		d.bad = true // a living route of a source that is gone
		return
	}
	r.feeds = append(r.feeds, f)
}

func (r *liveReader) route(d *imageDecoder) {
	flags := d.octet()
	f, e := r.entry(d, flags)
	r.time += d.varint() * 1000
	if d.bad || len(r.tables) == 0 || f.of != len(r.tables)-1 {
		d.bad = true
		return
	}
	p := d.prefix(r.tables[f.of].six)
	if d.bad {
		return
	}
	r.told++
	e.meta |= packMeta(r.time, p.Bits(), false)
	if f.dead {
		r.putDead(f, p.Masked(), e)
		return
	}
	r.put(f, p.Masked(), e)
}

// entry reads what routes and versions begin with.
func (r *liveReader) entry(d *imageDecoder, flags byte) (*liveFeed, entry) {
	feed, set := d.uvarint(maxUint32), d.uvarint(maxUint32)
	if d.bad || feed >= uint64(len(r.feeds)) || set >= uint64(len(r.attrs)) {
		d.bad = true
		return nil, entry{}
	}
	e := entry{attr: r.attrs[set], next: none}
	for _, f := range [...]struct {
		told byte
		meta uint64
	}{{routePathID, metaPathID}, {routeDumped, metaDumped}, {routeEver, metaEver}} {
		if flags&f.told != 0 {
			e.meta |= f.meta
		}
	}
	if flags&routePathID != 0 {
		e.pathID = uint32(d.uvarint(maxUint32))
	}
	return &r.feeds[feed], e
}

// put inserts a route within the quotas.
func (r *liveReader) put(f *liveFeed, p netip.Prefix, e entry) {
	b := r.rib
	switch {
	case f.source == nil:
		b.stats.RefusedSources++
		return
	case e.attr == 0:
		b.stats.RefusedAttrs++
		b.refuse(f.source)
		return
	case b.opt.MaxRoutes > 0 && b.live >= b.opt.MaxRoutes:
		b.stats.RefusedRoutes++
		b.refuse(f.source)
		return
	}
	b.in.Retain(e.attr, 1)
	if !r.liveFeed(f, p, &e) || !b.insertInto(f.index, f.source, p, e) {
		b.in.Release(e.attr)
		b.stats.RefusedRoutes++
		b.refuse(f.source)
		return
	}
	r.routes++
}

// holds reports whether a feed was made and is still there: one whose routes are all told again in another one is not.
func (r *liveReader) holds(f *liveFeed) bool {
	if f.index == none {
		return false
	}
	x, of := &r.rib.feeds[f.index], &r.tables[f.of]
	if x.src != f.source || x.table == nil || (tableID{x.table.vrf, x.table.view, x.table.six}) != of.tableID ||
		of.table != nil && x.table != of.table {
		f.index = none
	}
	return f.index != none
}

// liveFeed makes the feed of a route, unless there is one already or the route has no place: a feed without routes must not be.
func (r *liveReader) liveFeed(f *liveFeed, p netip.Prefix, e *entry) bool {
	if r.holds(f) {
		return !r.rib.feeds[f.index].dead
	}
	if t := r.living(f.of); t != nil {
		if i, paths := r.rib.find(t, t.head(p), f.source, e.pathID, e.hasPathID()); i == none && paths >= r.rib.opt.MaxPaths {
			return false
		}
	}
	f.index = r.rib.toldFeed(f, r.tables[f.of].tableID)
	return f.index != none
}

// toldFeed makes a feed as an image tells it.
func (r *RIB) toldFeed(f *liveFeed, of tableID) uint32 {
	s, k := f.source, feedKey{of.vrf, of.six}
	was, current := s.current[k]
	if current && f.stale {
		delete(s.current, k) // the one for new routes stays that
	}
	s.cachedFeed = none
	fi := r.currentFeed(s, k)
	if fi != none {
		r.feeds[fi].assume = f.assume
		if f.stale {
			r.feeds[fi].stale, r.feeds[fi].since = true, f.since
			delete(s.current, k)
			s.old = append(s.old, fi)
		}
	}
	if current && f.stale {
		s.current[k] = was
	}
	s.cachedFeed = none
	return fi
}
