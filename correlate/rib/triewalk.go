package rib

// covering yields the chains of the prefixes of no more than so many bits that cover an address, the longest first, until yield returns
// false.
func (t *trie) covering(k key, bits int, yield func(chain) bool) {
	if t.root == none || bits < 0 {
		return
	}
	var path [16]uint32
	i, last := t.root, 0
	for d := 0; ; d++ {
		path[d], last = i, d
		n := t.node(i)
		o := k.octet(uint8(d))
		if 8*d+8 >= bits || !n.hasChild(o) {
			break
		}
		s := n.slots[n.childPlace(o)]
		if isNode(s) {
			i = uint32(s)
			continue
		}
		c := chain(s)
		if t.arena.at(c.head()).bits() <= bits && t.covers(c, k) && !yield(c) {
			return
		}
		break
	}
	for d := last; d >= 0; d-- {
		n := t.node(path[d])
		for m := n.matchUpTo(k.octet(uint8(d)), min(8, bits-8*d)); m != 0; {
			if !yield(chain(n.slots[n.place(m)])) {
				return
			}
			for m >>= 1; m > 0 && !n.has(m); {
				m >>= 1
			}
		}
	}
}

// within yields the chains of the prefixes that lie in a prefix, in order, until yield returns false.
func (t *trie) within(k key, bits int, yield func(chain) bool) {
	if t.root == none {
		return
	}
	i := t.root
	depth := uint8(max(bits-1, 0) / 8)
	for {
		n := t.node(i)
		o := k.octet(n.depth)
		if n.depth == depth {
			t.under(n, prefixIndex(o, bits-8*int(depth)), yield)
			return
		}
		if !n.hasChild(o) {
			return
		}
		s := n.slots[n.childPlace(o)]
		if !isNode(s) {
			e := t.arena.at(chain(s).head())
			if e.bits() >= bits && t.arena.key(chain(s).head()).shares(k, bits) {
				yield(chain(s))
			}
			return
		}
		i = uint32(s)
	}
}

// all yields the chains of all prefixes, in order.
func (t *trie) all(yield func(chain) bool) {
	if t.root != none {
		t.under(t.node(t.root), 1, yield)
	}
}

// under yields what lies in prefix m of a node and reports whether to go on.
func (t *trie) under(n *node, m uint, yield func(chain) bool) bool {
	if n.has(m) && !yield(chain(n.slots[n.place(m)])) {
		return false
	}
	if m < 256 {
		return t.under(n, 2*m, yield) && t.under(n, 2*m+1, yield)
	}
	o := uint8(m)
	if !n.hasChild(o) {
		return true
	}
	s := n.slots[n.childPlace(o)]
	if isNode(s) {
		return t.under(t.node(uint32(s)), 1, yield)
	}
	return yield(chain(s))
}
