package rib

import "encoding/binary"

// nodes tells the stamps of the table at hand: with the same prefixes there, its trie has the same nodes here and there.
func (w *LiveWriter) nodes(o *blocks, budget int) int {
	t := &w.tables[w.table].trie
	if w.at == 0 {
		o.item()
		o.b = binary.AppendUvarint(append(o.b, tagJump, t.jump.depth), uint64(t.jump.stamp))
	}
	for i := t.next(w.at); i != none; i = t.next(w.at) {
		if budget == 0 {
			return 0
		}
		budget--
		w.at = i + 1
		n := t.node(i)
		if n.stamp == 0 {
			continue
		}
		o.item()
		o.b = binary.AppendUvarint(append(o.b, tagNode, n.depth), uint64(n.stamp))
		k := t.keyOf(n)
		for d := range n.depth {
			o.b = append(o.b, k.octet(d))
		}
	}
	w.nextTable()
	return budget
}

// vrfs tells when tables came or went.
func (w *LiveWriter) vrfs(o *blocks) {
	for rd, v := range w.rib.vrfs {
		o.item()
		o.b = binary.BigEndian.AppendUint64(append(o.b, tagVRF), uint64(rd))
		o.b = binary.AppendVarint(binary.AppendVarint(o.b, v.changed[0]), v.changed[1])
	}
}

// versions tells the versions of an IP version, in the order in which they are to go.
func (w *LiveWriter) versions(o *blocks, budget int) int {
	p := &w.rib.history.past[w.step-liveOld4]
	for ; int(w.at) < p.queue.n; w.at++ {
		if budget == 0 {
			return 0
		}
		budget--
		o.item()
		o.b = w.appendVersion(o.b, p, p.queue.get(int(w.at)))
	}
	w.at = 0
	w.step++
	return budget
}

func (w *LiveWriter) appendVersion(b []byte, p *past, i uint32) []byte {
	e, x := p.at(i), p.end(i)
	b, feed := w.appendFeed(b, e.feed())
	b, set := w.appendSet(b, e.attr)
	micro := x.to / 1000
	rest := x.to - micro*1000
	b = append(b, tagVersion, routeFlags(e)|flagsOf(x.torn, e.next == none, rest != 0)*versionTorn)
	b = binary.AppendUvarint(b, feed)
	b = binary.AppendUvarint(b, set)
	if e.hasPathID() {
		b = binary.AppendUvarint(b, uint64(e.pathID))
	}
	b = binary.AppendVarint(b, micro-w.time/1000)
	w.time = micro * 1000
	if rest != 0 {
		b = binary.AppendVarint(b, rest)
	}
	b = binary.AppendVarint(b, micro-e.time()/1000)
	b = append(b, byte(e.bits()))
	w.items++
	return appendPrefixAddr(b, p.prefix(i))
}

// keyOf returns an address below a node.
func (t *trie) keyOf(n *node) key {
	for isNode(n.slots[0]) {
		n = t.node(uint32(n.slots[0]))
	}
	return t.arena.key(chain(n.slots[0]).head())
}

// unstamp forgets all stamps. A trie that was not told as of now has its jump too, if it had it there.
func (t *trie) unstamp(jump bool, stamp uint32) {
	for i := t.next(0); i != none; i = t.next(i + 1) {
		t.node(i).stamp = 0
	}
	if jump && !t.jump.on() && t.size >= jumpUntil {
		t.makeJump()
	}
	if t.jump.stamp = 0; t.jump.on() {
		t.jump.stamp = stamp
	}
}

// stamp stamps the node in the direction of k at a depth, or the last one above it.
func (t *trie) stamp(k key, depth uint8, stamp uint32) {
	if t.root == none {
		return
	}
	n := t.node(t.root)
	for n.depth < depth {
		o := k.octet(n.depth)
		if !n.hasChild(o) || !isNode(n.slots[n.childPlace(o)]) {
			break
		}
		n = t.node(uint32(n.slots[n.childPlace(o)]))
	}
	n.stamp = max(n.stamp, stamp)
}
