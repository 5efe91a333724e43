package rib

import "net/netip"

// putDead puts a route that is no more among those of its table.
func (r *liveReader) putDead(f *liveFeed, p netip.Prefix, e entry) {
	of := &r.tables[f.of]
	if !r.past || of.kind == tableGone {
		return
	}
	b := r.rib
	if f.source == nil || e.attr == 0 {
		r.lose(f.died)
		return
	}
	if of.table == nil {
		of.table = b.table(feedKey{of.vrf, of.six}, of.view)
	}
	t := of.table
	if _, paths := b.find(t, t.head(p), nil, 0, false); paths >= b.opt.MaxPaths || !r.deadFeed(f) {
		r.lose(f.died)
		return
	}
	b.in.Retain(e.attr, 1)
	e.origin = packOrigin(f.index, b.in.set(e.attr).rank.nextHop)
	t.modify(p, func(head uint32) (uint32, uint32) {
		e.next = head
		head = t.arena.add(e, p)
		if of.kind == tableLive {
			head = b.order(t, head)
		}
		return head, 0
	})
	if b.feeds[f.index].limbo {
		b.feeds[f.index].limbo = false
		t.feeds = append(t.feeds, f.index)
	}
	if of.kind == tableLive {
		b.count(f.index, 1)
		b.soil(t)
		return
	}
	b.feeds[f.index].n++
	t.dead++
	b.haunting++
}

// lose notes that a route of then is missing.
func (r *liveReader) lose(to int64) {
	r.rib.history.lost = max(r.rib.history.lost, to)
	r.rib.stats.HistoryEvicted++
}

// deadFeed makes a feed that is dead and has no routes yet, unless there is one already.
func (r *liveReader) deadFeed(f *liveFeed) bool {
	b := r.rib
	if r.holds(f) {
		return true
	}
	if f.index = b.allocFeed(); f.index == none {
		return false
	}
	x := f.feed
	x.table, x.src, x.dead, x.limbo = r.tables[f.of].table, f.source, true, true
	b.feeds[f.index] = x
	b.epoch++
	return true
}

// jump forgets the stamps that the table at hand got here. Those that it had there follow.
func (r *liveReader) jump(d *imageDecoder) {
	on, stamp := d.octet() != 0, uint32(d.uvarint(maxUint32))
	if len(r.tables) == 0 || r.tables[len(r.tables)-1].kind != tableLive {
		d.bad = true
	}
	if d.bad || !r.past {
		return
	}
	if t := r.living(len(r.tables) - 1); t != nil {
		t.trie.unstamp(on, stamp)
	}
}

// living returns a table of the image that is not a ghost, if it is there.
func (r *liveReader) living(i int) *table {
	of := &r.tables[i]
	return r.rib.peek(feedKey{of.vrf, of.six}, of.view)
}

func (r *liveReader) node(d *imageDecoder) {
	depth, stamp := d.octet(), uint32(d.uvarint(maxUint32))
	if len(r.tables) == 0 || depth > 15 || depth > 3 && !r.tables[len(r.tables)-1].six {
		d.bad = true
		return
	}
	var a [16]byte
	copy(a[:], d.take(uint64(depth)))
	if d.bad || !r.past {
		return
	}
	if t := r.living(len(r.tables) - 1); t != nil {
		t.trie.stamp(keyOf(netip.AddrFrom16(a)), depth, stamp)
	}
}

func (r *liveReader) changes(d *imageDecoder) {
	rd, changed := RD(d.uint64()), [2]int64{d.varint(), d.varint()}
	if v := r.rib.vrfs[rd]; v != nil && !d.bad && r.past {
		v.changed = changed
	}
}

func (r *liveReader) version(d *imageDecoder) {
	flags := d.octet()
	f, e := r.entry(d, flags)
	r.time += d.varint() * 1000
	x := end{to: r.time, torn: flags&versionTorn != 0}
	if flags&versionExact != 0 {
		x.to += d.varint()
	}
	began := r.time - d.varint()*1000
	if d.bad {
		return
	}
	of := &r.tables[f.of]
	p := d.prefix(of.six)
	if d.bad {
		return
	}
	r.told++
	if !r.past {
		return
	}
	if of.kind == tableLive && of.table == nil {
		of.table = r.living(f.of)
	}
	if f.source == nil || e.attr == 0 || of.table == nil || !r.deadFeed(f) {
		r.lose(x.to)
		return
	}
	p = p.Masked()
	b := r.rib
	b.in.Retain(e.attr, 1)
	e.meta |= packMeta(began, p.Bits(), false)
	e.origin = packOrigin(f.index, b.in.set(e.attr).rank.nextHop)
	b.keep(of.table, e, p, x, flags&versionLoose != 0)
}

// settle ends the reading.
func (r *liveReader) settle() {
	if !r.past {
		return
	}
	b := r.rib
	for i := range r.tables {
		if of := &r.tables[i]; of.kind == tableLive {
			if t := r.living(i); t != nil {
				t.born, t.changed = of.born, of.changed
			}
		}
	}
	for i := len(b.tables) - 1; i >= 0; i-- {
		if t := b.tables[i]; t.live == 0 { // what lived was refused
			t.died = b.now
			b.drop(t)
		}
	}
	b.history.limit = b.opt.HistoryBytes
	b.trimHistory()
}
