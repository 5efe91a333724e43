package rib

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net/netip"
)

// RestoreLive takes up a live image into a RIB that nothing was told of, which then answers as the one that the image is of: no route
// has become stale and no peer is down for it. Quotas apply. It returns the number of routes. After an error, which wraps ErrImage for
// a damaged image, the RIB is empty again; as after Clear, Tick gives the attributes back.
func (r *RIB) RestoreLive(from io.Reader, now int64) (routes int, err error) {
	if r.live > 0 || len(r.peers) > 0 {
		return 0, errors.New("the RIB knows something already")
	}
	r.advance(now)
	r.history.lost = max(r.history.lost, r.now)
	rd := liveReader{imageReader: imageReader{rib: r, now: now, from: from}}
	err = rd.run()
	for _, id := range rd.attrs {
		if id != 0 {
			r.in.Release(id) // the reader's own reference; routes have theirs
		}
	}
	if err != nil {
		r.Clear()
		return 0, err
	}
	return int(rd.routes), nil
}

// liveReader holds what a live image has told so far.
type liveReader struct {
	imageReader
	known []*peer   // nil: over a quota
	of    []*source // the same
	feeds []liveFeed
	told  uint64 // routes, refused ones included
}

// liveFeed is a feed of the image. It is made with its first route.
type liveFeed struct {
	source *source // nil: over a quota
	table  tableID
	stale  bool
	since  int64
	assume int64
	index  uint32 // in RIB.feeds, or none
}

func (r *liveReader) run() error {
	magic := make([]byte, len(liveMagic))
	if _, err := io.ReadFull(r.from, magic); err != nil || string(magic) != liveMagic {
		return fmt.Errorf("%w: it does not begin as a live one of this version", ErrImage)
	}
	for {
		kind, payload, err := r.next()
		if err != nil {
			return err
		}
		switch kind {
		case blockState:
			err = r.state(payload)
		case blockTable:
			err = r.readTable(payload)
		case blockItems:
			err = r.items(payload)
		case blockEnd:
			return r.end(payload)
		default:
			err = fmt.Errorf("%w: block of type %#x", ErrImage, kind)
		}
		if err != nil {
			return err
		}
	}
}

func (r *liveReader) end(b []byte) error {
	if len(b) != 8 || binary.BigEndian.Uint64(b) != r.told {
		return fmt.Errorf("%w: the number of routes", ErrImage)
	}
	if n, err := r.from.Read(make([]byte, 1)); n != 0 || !errors.Is(err, io.EOF) {
		return fmt.Errorf("%w: octets after the end", ErrImage)
	}
	return nil
}

func (r *liveReader) state(b []byte) error {
	d := imageDecoder{b: b}
	last, flags := d.varint(), d.octet()
	if d.bad || len(d.b) > 0 {
		return fmt.Errorf("%w: state", ErrImage)
	}
	r.rib.lastDump, r.rib.peersOver = last, flags&livePeersOver != 0
	return nil
}

func (r *liveReader) items(b []byte) error {
	d := imageDecoder{b: b}
	for len(d.b) > 0 && !d.bad {
		switch d.octet() {
		case tagPeer:
			r.peer(&d)
		case tagSource:
			r.source(&d)
		case tagFeed:
			r.feed(&d)
		case tagAttrs:
			r.set(&d)
		case tagRoute:
			r.route(&d)
		default:
			d.bad = true
		}
	}
	if d.bad {
		return fmt.Errorf("%w: item", ErrImage)
	}
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
	if class > ClassLocal || !k.Addr.IsValid() || k != k.canonical() || r.rib.peers[k] != nil {
		d.bad = true
	}
	if d.bad {
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
	var s *source
	if p := r.known[n]; p != nil {
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
	stale := d.octet()
	n := d.uvarint(maxUint32)
	since, assume := d.varint(), d.varint()
	if d.bad || stale > 1 || n >= uint64(len(r.of)) || r.table == nil {
		d.bad = true
		return
	}
	s := r.of[n]
	if s != nil && s.view != r.table.view {
		d.bad = true
		return
	}
	r.feeds = append(r.feeds, liveFeed{source: s, table: *r.table, stale: stale == 1, since: since, assume: assume, index: none})
}

func (r *liveReader) route(d *imageDecoder) {
	flags := d.octet()
	feed, set := d.uvarint(maxUint32), d.uvarint(maxUint32)
	var pathID uint32
	if flags&routePathID != 0 {
		pathID = uint32(d.uvarint(maxUint32))
	}
	r.time += d.varint() * 1000
	if d.bad || r.table == nil || feed >= uint64(len(r.feeds)) || set >= uint64(len(r.attrs)) {
		d.bad = true
		return
	}
	p := d.prefix(r.table.six)
	f := &r.feeds[feed]
	if d.bad || f.table != *r.table {
		d.bad = true
		return
	}
	r.told++
	e := entry{attr: r.attrs[set], next: none, pathID: pathID, meta: packMeta(r.time, p.Bits(), flags&routePathID != 0)}
	if flags&routeDumped != 0 {
		e.meta |= metaDumped
	}
	if flags&routeEver != 0 {
		e.meta |= metaEver
	}
	r.put(f, p.Masked(), e)
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
	if f.index == none {
		f.index = b.liveFeed(f)
	}
	b.in.Retain(e.attr, 1)
	if f.index == none || !b.insertInto(f.index, f.source, p, e) {
		b.in.Release(e.attr)
		b.stats.RefusedRoutes++
		b.refuse(f.source)
		if f.index != none && b.feeds[f.index].src != f.source {
			f.index = none // it had no other route and went
		}
		return
	}
	r.routes++
}

// liveFeed makes a feed as an image tells it.
func (r *RIB) liveFeed(f *liveFeed) uint32 {
	s, k := f.source, feedKey{f.table.vrf, f.table.six}
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
