package rib

import (
	"encoding/binary"
	"slices"
)

// A live image is a RIB as octets for a process that goes on where this one stops, with the same BMP sessions: besides what an image
// has, it tells the states of peers and sources, whose they are, which routes are stale and since when, and since when routes count as
// valid. It is made of the same blocks, and begins with the peers and sources:
//
//	live    = magic state items… { table items… } end
//	state   = last end of a dump, flags                      varints
//	entries = those of an image, peers and sources with their states, and feeds, to which routes refer instead of sources
//
// The history is not told: questions about the time before are answered from now, and say so.
const (
	liveMagic  = "telcol rib live 1\n"
	blockState = 's'
	tagFeed    = 'f'

	livePeersOver = 1 << 0
)

// Flags of a live peer.
const (
	liveUp = 1 << iota
	liveLost
	liveBare
	liveFiltered
)

// Flags of a live source.
const (
	liveBegun = 1 << iota
	liveRefused
	liveKnown
	liveGap
)

// Flags of a route in a live image, beside those of an image.
const (
	routeDumped = 1 << 2
	routeEver   = 1 << 3
)

// LiveWriter writes a live image in slices, between which the RIB must not change. It belongs to the goroutine that owns the RIB.
type LiveWriter struct {
	rib    *RIB
	begun  bool
	done   bool
	table  int // index in RIB.tables
	slot   uint32
	told   bool // the table at hand was begun
	source map[*source]uint64
	feeds  map[uint32]uint64
	attrs  map[AttrID]uint64
	routes uint64
	time   int64 // of the last route
}

// Live begins a live image.
func (r *RIB) Live() *LiveWriter {
	return &LiveWriter{
		rib: r, source: make(map[*source]uint64), feeds: make(map[uint32]uint64), attrs: make(map[AttrID]uint64),
	}
}

// Append appends the next slice, for which it looks at no more than budget routes, and reports whether more follows. What it appends
// are whole blocks.
func (w *LiveWriter) Append(b []byte, budget int) (out []byte, more bool) {
	if w.done {
		return b, false
	}
	if !w.begun {
		w.begun = true
		b = w.appendStates(append(b, liveMagic...))
	}
	start := -1 // of the block of items that is open
	for ; w.table < len(w.rib.tables); w.nextTable() {
		t := w.rib.tables[w.table]
		if !w.told {
			w.told = true
			b, start = closeBlock(b, start), -1
			b = appendTable(b, tableID{t.vrf, t.view, t.six})
		}
		for i := t.arena.next(w.slot); i != none; i = t.arena.next(w.slot) {
			if budget == 0 {
				return closeBlock(b, start), true
			}
			budget--
			w.slot = i + 1
			if w.rib.feeds[t.arena.at(i).feed()].dead {
				continue
			}
			if start >= 0 && len(b)-start > imageBlock {
				b, start = closeBlock(b, start), -1
			}
			if start < 0 {
				start = len(b)
				b = openBlock(b, blockItems)
			}
			b = w.appendRoute(b, t, i)
		}
	}
	b = closeBlock(b, start)
	w.done = true
	at := len(b)
	b = binary.BigEndian.AppendUint64(openBlock(b, blockEnd), w.routes)
	return closeBlock(b, at), false
}

func (w *LiveWriter) nextTable() {
	w.table++
	w.slot, w.told = 0, false
}

// appendStates appends what is true of the RIB, its peers and sources.
func (w *LiveWriter) appendStates(b []byte) []byte {
	start := len(b)
	b = binary.AppendVarint(openBlock(b, blockState), w.rib.lastDump)
	var flags byte
	if w.rib.peersOver {
		flags |= livePeersOver
	}
	b = closeBlock(append(b, flags), start)
	start = len(b)
	b = openBlock(b, blockItems)
	peers := uint64(0)
	for _, p := range w.rib.peers {
		if len(b)-start > imageBlock {
			b = closeBlock(b, start)
			start = len(b)
			b = openBlock(b, blockItems)
		}
		b = appendLivePeer(b, p)
		for _, s := range p.sources {
			w.source[s] = uint64(len(w.source))
			b = appendLiveSource(b, s, peers)
		}
		peers++
	}
	return closeBlock(b, start)
}

func appendLivePeer(b []byte, p *peer) []byte {
	b = append(b, tagPeer, byte(p.key.Class), flagsOf(p.up, p.lost, p.bare, p.info.Filtered))
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

func appendLiveSource(b []byte, s *source, peer uint64) []byte {
	b = append(b, tagSource)
	b = binary.AppendUvarint(b, peer)
	b = append(b, byte(s.view), s.family.SAFI)
	b = binary.BigEndian.AppendUint16(b, s.family.AFI)
	b = append(b, byte(s.state), flagsOf(s.begun, s.refused, s.known, s.gap))
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

func (w *LiveWriter) appendRoute(b []byte, t *table, i uint32) []byte {
	e := t.arena.at(i)
	feed, ok := w.feeds[e.feed()]
	if !ok {
		feed = uint64(len(w.feeds))
		w.feeds[e.feed()] = feed
		f := &w.rib.feeds[e.feed()]
		b = append(b, tagFeed, flagsOf(f.stale))
		b = binary.AppendUvarint(b, w.source[f.src])
		b = binary.AppendVarint(b, f.since)
		b = binary.AppendVarint(b, f.assume)
	}
	set, ok := w.attrs[e.attr]
	if !ok {
		set = uint64(len(w.attrs))
		w.attrs[e.attr] = set
		b = append(b, tagAttrs)
		b = appendBytes(b, w.rib.in.set(e.attr).key)
		b = appendAttrs(b, w.rib.in.Attrs(e.attr))
	}
	b = append(b, tagRoute, flagsOf(e.hasPathID(), false, e.meta&metaDumped != 0, e.meta&metaEver != 0))
	b = binary.AppendUvarint(b, feed)
	b = binary.AppendUvarint(b, set)
	if e.hasPathID() {
		b = binary.AppendUvarint(b, uint64(e.pathID))
	}
	b = binary.AppendVarint(b, (e.time()-w.time)/1000)
	w.time = e.time()
	b = append(b, byte(e.bits()))
	w.routes++
	return appendPrefixAddr(b, t.arena.prefix(i))
}
