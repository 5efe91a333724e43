package rib

import (
	"encoding/binary"
	"math"
	"slices"
)

// A live image is a RIB as octets for a process that goes on where this one stops, with the same BMP sessions: besides what an image
// has, it tells the states of peers and sources, whose they are, which routes are stale and since when, and since when routes count as
// valid, and the history, so that LookupAt answers there as it would have here. It is made of the same blocks, and begins with the peers and
// sources:
//
//	live    = magic state items… { table items… } items… end
//	state   = last end of a dump, flags; with a history since when it lacks nothing, its base and evictions     varints
//	table   = RD(8) view(1) version(1) kind(1) born changed died octets                                          varints
//	entries = those of an image, peers and sources with their states, and feeds, to which routes refer instead of sources; with a
//	          history behind the routes of a table the stamps of its nodes, and behind the tables when VRFs changed, and versions
//
// What is dead is told where the history has it: as routes of feeds that are dead, in living tables and in ghosts. Tables that are gone are
// told as well when feeds of versions name them, and so are sources that were forgotten.
const (
	liveMagic  = "telcol rib live 2\n"
	blockState = 's'
	tagFeed    = 'f'
	tagJump    = 'j'
	tagNode    = 'n'
	tagVRF     = 'd'
	tagVersion = 'v'

	livePeersOver = 1 << 0
	livePast      = 1 << 1 // there is a history
)

// Flags of a live peer. One that is gone is told for its sources alone, and they are as well.
const (
	liveUp = 1 << iota
	liveLost
	liveBare
	liveFiltered
	livePeerGone
)

// Flags of a live source.
const (
	liveBegun = 1 << iota
	liveRefused
	liveKnown
	liveGap
	liveSourceGone
)

// Flags of a feed.
const (
	feedStale = 1 << iota
	feedDead
	feedKept
)

// Flags of a route in a live image, beside those of an image.
const (
	routeDumped = 1 << 2
	routeEver   = 1 << 3
)

// Flags of a version, beside those of a route.
const (
	versionTorn  = 1 << 4
	versionLoose = 1 << 5
	versionExact = 1 << 6 // it ended between two microseconds, by so many nanoseconds as follow its time
)

// Kinds of tables.
const (
	tableLive = iota
	tableGhost
	tableGone
)

// Blank reports whether the RIB knows nothing, of the past either: there is nothing to hand over.
func (r *RIB) Blank() bool {
	h := &r.history
	return len(r.peers) == 0 && r.live == 0 && (h.horizon == 0 || h.bytes == 0 && h.lost == math.MinInt64)
}

// LiveWriter writes a live image in slices, between which the RIB must not change. It belongs to the goroutine that owns the RIB.
type LiveWriter struct {
	rib    *RIB
	begun  bool
	tables []*table // living ones, then ghosts, then those that are gone
	number map[*table]uint64
	step   liveStep
	table  int    // that is being told
	at     uint32 // place in what is being told
	source map[*source]uint64
	feeds  []uint32 // numbers by index in RIB.feeds, from 1 on
	nfeeds uint32
	attrs  map[AttrID]uint64
	items  uint64 // routes and versions
	time   int64  // of the last one
}

// liveStep is what a LiveWriter tells.
type liveStep uint8

const (
	liveTable liveStep = iota
	liveEntries
	liveNodes
	liveVRFs
	liveOld4
	liveOld6
	liveDone
)

// Live begins a live image.
func (r *RIB) Live() *LiveWriter {
	return &LiveWriter{
		rib: r, number: make(map[*table]uint64), source: make(map[*source]uint64), feeds: make([]uint32, len(r.feeds)),
		attrs: make(map[AttrID]uint64),
	}
}

// Append appends the next slice, for which it looks at no more than budget routes, nodes and versions, and reports whether more follows.
// What it appends are whole blocks.
func (w *LiveWriter) Append(b []byte, budget int) (out []byte, more bool) {
	if w.step == liveDone {
		return b, false
	}
	if !w.begun {
		w.begun = true
		b = w.appendStates(append(b, liveMagic...))
		w.tables = append(append(w.tables, w.rib.tables...), w.rib.history.ghosts...)
		for i, t := range w.tables {
			w.number[t] = uint64(i)
		}
		if w.past() {
			w.addGone()
		}
	}
	o := blocks{b: b, start: -1}
	for w.step != liveDone {
		if budget == 0 {
			return o.close(), true
		}
		budget = w.tell(&o, budget)
	}
	b = o.close()
	at := len(b)
	b = binary.BigEndian.AppendUint64(openBlock(b, blockEnd), w.items)
	return closeBlock(b, at), false
}

// past reports whether there is a history to tell of.
func (w *LiveWriter) past() bool { return w.rib.history.horizon > 0 }

// addGone finds the tables and sources that are known to feeds alone.
func (w *LiveWriter) addGone() {
	for i := range w.rib.feeds {
		t := w.rib.feeds[i].table
		if t == nil {
			continue
		}
		if _, ok := w.number[t]; !ok {
			w.number[t] = uint64(len(w.tables))
			w.tables = append(w.tables, t)
		}
	}
}

// tell goes on with the present step as far as the budget allows and returns what is left of that.
func (w *LiveWriter) tell(o *blocks, budget int) int {
	switch w.step {
	case liveTable:
		if w.table == len(w.tables) {
			w.step = liveVRFs
			break
		}
		o.b, o.start = w.appendTable(o.close(), w.tables[w.table]), -1
		w.step, w.at = liveEntries, 0
	case liveEntries:
		return w.entries(o, budget)
	case liveNodes:
		return w.nodes(o, budget)
	case liveVRFs:
		w.step = liveOld4
		if w.past() {
			w.vrfs(o)
		} else {
			w.step = liveDone
		}
		w.at = 0
	case liveOld4, liveOld6:
		return w.versions(o, budget)
	case liveDone:
	}
	return budget
}

// kind tells what has become of table i.
func (w *LiveWriter) kind(i int) byte {
	switch n := len(w.rib.tables); {
	case i < n:
		return tableLive
	case i < n+len(w.rib.history.ghosts):
		return tableGhost
	}
	return tableGone
}

// entries tells the routes of the table at hand.
func (w *LiveWriter) entries(o *blocks, budget int) int {
	t, kind := w.tables[w.table], w.kind(w.table)
	for i := t.arena.next(w.at); i != none; i = t.arena.next(w.at) {
		if budget == 0 {
			return 0
		}
		budget--
		w.at = i + 1
		if f := &w.rib.feeds[t.arena.at(i).feed()]; f.dead && !f.kept && kind == tableLive {
			continue // nobody asks for it any more
		}
		o.item()
		o.b = w.appendRoute(o.b, t, i)
	}
	w.at = 0
	if w.step = liveNodes; !w.past() || kind != tableLive {
		w.nextTable()
	}
	return budget
}

func (w *LiveWriter) nextTable() {
	w.table++
	w.step = liveTable
}

// appendStates appends what is true of the RIB, its peers and sources.
func (w *LiveWriter) appendStates(b []byte) []byte {
	start := len(b)
	b = binary.AppendVarint(openBlock(b, blockState), w.rib.lastDump)
	b = append(b, flagsOf(w.rib.peersOver, w.past()))
	if h := &w.rib.history; w.past() {
		b = binary.AppendVarint(binary.AppendVarint(b, h.lost), h.base)
		b = binary.AppendUvarint(b, w.rib.stats.HistoryEvicted)
	}
	o := blocks{b: closeBlock(b, start), start: -1}
	peers := make(map[*peer]uint64, len(w.rib.peers))
	for _, p := range w.rib.peers {
		w.appendPeer(&o, peers, p, false)
		for _, s := range p.sources {
			w.appendSource(&o, peers, s, false)
		}
	}
	for i := range w.rib.feeds {
		f := &w.rib.feeds[i]
		if f.table == nil || !w.past() {
			continue
		}
		if _, ok := w.source[f.src]; ok {
			continue
		}
		if _, ok := peers[f.src.peer]; !ok {
			w.appendPeer(&o, peers, f.src.peer, true)
		}
		w.appendSource(&o, peers, f.src, true)
	}
	return o.close()
}

func (w *LiveWriter) appendPeer(o *blocks, peers map[*peer]uint64, p *peer, gone bool) {
	o.item()
	peers[p] = uint64(len(peers))
	o.b = appendLivePeer(o.b, p, gone)
}

func (w *LiveWriter) appendSource(o *blocks, peers map[*peer]uint64, s *source, gone bool) {
	o.item()
	w.source[s] = uint64(len(w.source))
	o.b = appendLiveSource(o.b, s, peers[s.peer], gone)
}

func appendLivePeer(b []byte, p *peer, gone bool) []byte {
	b = append(b, tagPeer, byte(p.key.Class), flagsOf(p.up, p.lost, p.bare, p.info.Filtered, gone))
	b = binary.BigEndian.AppendUint64(b, uint64(p.key.Distinguisher))
	b = appendImageAddr(b, p.key.Addr)
	b = binary.AppendVarint(b, p.since)
	b = binary.AppendUvarint(b, p.session)
	b = binary.AppendUvarint(b, uint64(p.info.AS))
	b = binary.AppendUvarint(b, uint64(p.info.LocalAS))
	b = appendImageAddr(b, p.info.BGPID)
	b = appendBytes(b, p.info.Name)
	b = binary.BigEndian.AppendUint64(b, p.info.Session)
	b = binary.AppendUvarint(b, uint64(len(p.info.Families)))
	for _, f := range p.info.Families {
		b = binary.BigEndian.AppendUint16(append(b, f.SAFI), f.AFI)
	}
	return b
}

func appendLiveSource(b []byte, s *source, peer uint64, gone bool) []byte {
	b = append(b, tagSource)
	b = binary.AppendUvarint(b, peer)
	b = append(b, byte(s.view), s.family.SAFI)
	b = binary.BigEndian.AppendUint16(b, s.family.AFI)
	b = append(b, byte(s.state), flagsOf(s.begun, s.refused, s.known, s.gap, gone))
	b = binary.AppendUvarint(b, s.owner)
	for _, t := range [...]int64{s.syncSince, s.heard, s.oldSince, s.assume, s.gapSince} {
		b = binary.AppendVarint(b, t)
	}
	return b
}

// flagsOf packs flags, the lowest bit first.
func flagsOf(flags ...bool) (b byte) {
	for i, f := range slices.All(flags) {
		if f {
			b |= 1 << i
		}
	}
	return b
}

// appendTable begins a table.
func (w *LiveWriter) appendTable(b []byte, t *table) []byte {
	start := len(b)
	b = append(openBlock(b, blockTable), byte(t.view), 4, w.kind(w.table))
	if t.six {
		b[len(b)-2] = 6
	}
	b = binary.BigEndian.AppendUint64(b, uint64(t.vrf))
	for _, at := range [...]int64{t.born, t.changed, t.died, int64(t.ghostBytes)} {
		b = binary.AppendVarint(b, at)
	}
	return closeBlock(b, start)
}

func (w *LiveWriter) appendRoute(b []byte, t *table, i uint32) []byte {
	e := t.arena.at(i)
	b, feed := w.appendFeed(b, e.feed())
	b, set := w.appendSet(b, e.attr)
	b = append(b, tagRoute, routeFlags(e))
	b = binary.AppendUvarint(b, feed)
	b = binary.AppendUvarint(b, set)
	if e.hasPathID() {
		b = binary.AppendUvarint(b, uint64(e.pathID))
	}
	b = binary.AppendVarint(b, (e.time()-w.time)/1000)
	w.time = e.time()
	b = append(b, byte(e.bits()))
	w.items++
	return appendPrefixAddr(b, t.arena.prefix(i))
}

func routeFlags(e *entry) byte {
	return flagsOf(e.hasPathID(), false, e.meta&metaDumped != 0, e.meta&metaEver != 0)
}

// appendFeed tells a feed that was not told yet, and returns its number.
func (w *LiveWriter) appendFeed(b []byte, fi uint32) ([]byte, uint64) {
	if w.feeds[fi] == 0 {
		w.nfeeds++
		w.feeds[fi] = w.nfeeds
		f := &w.rib.feeds[fi]
		b = append(b, tagFeed, flagsOf(f.stale, f.dead, f.kept))
		b = binary.AppendUvarint(b, w.source[f.src])
		b = binary.AppendUvarint(b, w.number[f.table])
		for _, at := range [...]int64{f.since, f.died, f.assume} {
			b = binary.AppendVarint(b, at)
		}
	}
	return b, uint64(w.feeds[fi] - 1)
}

// appendSet is appendFeed for a set of attributes.
func (w *LiveWriter) appendSet(b []byte, id AttrID) ([]byte, uint64) {
	set, ok := w.attrs[id]
	if !ok {
		set = uint64(len(w.attrs))
		w.attrs[id] = set
		b = append(b, tagAttrs)
		b = appendBytes(b, w.rib.in.set(id).key)
		b = appendAttrs(b, w.rib.in.Attrs(id))
	}
	return b, set
}
