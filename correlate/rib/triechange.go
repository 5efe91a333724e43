package rib

// spot is where a prefix is, or would be, in a trie.
type spot struct {
	node  uint32 // the deepest node above it or with it; none when there is no root
	index uint   // number of the prefix in that node, 0 when it lies deeper
	chain chain  // of the prefix, 0 when it is not there
	leaf  bool   // the child where the prefix would be is a chain: of it, or of another one
}

// find goes down to a prefix.
func (t *trie) find(k key, bits int) spot {
	if t.root == none {
		return spot{node: none}
	}
	i := t.root
	depth := uint8(max(bits-1, 0) / 8)
	if n := t.jump.node(k); n != none && depth >= t.jump.depth {
		i = n
	}
	for {
		n := t.node(i)
		if n.depth == depth {
			s := spot{node: i, index: prefixIndex(k.octet(depth), bits-8*int(depth))}
			if n.has(s.index) {
				s.chain = chain(n.slots[n.place(s.index)])
			}
			return s
		}
		o := k.octet(n.depth)
		if !n.hasChild(o) {
			return spot{node: i}
		}
		c := n.slots[n.childPlace(o)]
		if !isNode(c) {
			if t.is(chain(c), k, bits) {
				return spot{node: i, chain: chain(c), leaf: true}
			}
			return spot{node: i, leaf: true}
		}
		i = uint32(c)
	}
}

func prefixIndex(o uint8, bits int) uint { return uint(1)<<bits | uint(o)>>(8-bits) }

// is reports whether a chain is that of a prefix.
func (t *trie) is(c chain, k key, bits int) bool {
	return t.arena.at(c.head()).bits() == bits && t.arena.key(c.head()) == k
}

// get returns the chain of a prefix, or 0.
func (t *trie) get(k key, bits int) chain { return t.find(k, bits).chain }

// touch notes that the answers of a prefix that was found at s changed. A stamp holds for the addresses whose way down the trie leads
// through the node.
func (t *trie) touch(s spot, bits int, stamp uint32) {
	if stamp == 0 {
		return
	}
	if s.node != none {
		n := t.node(s.node)
		n.stamp = max(n.stamp, stamp)
	}
	if t.jump.on() && bits <= 8*int(t.jump.depth) {
		t.jump.stamp = max(t.jump.stamp, stamp)
	}
}

// set changes the chain of a prefix that was found at s. No chain (0) removes it.
func (t *trie) set(s spot, k key, bits int, c chain) {
	switch {
	case c == 0 && s.chain == 0:
	case c == 0:
		t.size--
		t.unset(s, k)
		t.fitJump()
	case s.chain == 0:
		t.size++
		t.add(s, k, bits, c)
		t.fitJump()
	case s.index != 0:
		n := t.node(s.node)
		n.slots[n.place(s.index)] = uint64(c)
	default:
		n := t.node(s.node)
		n.slots[n.childPlace(k.octet(n.depth))] = uint64(c)
	}
}

// add puts a chain where there is none.
func (t *trie) add(s spot, k key, bits int, c chain) {
	if s.node == none {
		s.node = t.newNode(0, 0)
		t.root = s.node
		if bits <= 8 {
			s.index = prefixIndex(k.octet(0), bits)
		}
	}
	for s.leaf { // of another prefix: push it down, until both part
		t.push(s.node, k)
		s = t.find(k, bits)
	}
	n := t.node(s.node)
	was := cap(n.slots)
	if s.index != 0 {
		n.addPrefix(s.index, uint64(c))
	} else {
		n.addChild(k.octet(n.depth), uint64(c))
	}
	t.caps += (cap(n.slots) - was) * 8
}

// push makes a node of the chain that is the child of a node in the direction of k.
func (t *trie) push(i uint32, k key) {
	n := t.node(i)
	at := n.childPlace(k.octet(n.depth))
	c := chain(n.slots[at])
	depth := n.depth + 1
	j := t.newNode(depth, n.stamp)
	t.node(i).slots[at] = uint64(j)
	other, bits := t.arena.key(c.head()), t.arena.at(c.head()).bits()
	m := t.node(j)
	if bits <= 8*int(depth)+8 {
		m.addPrefix(prefixIndex(other.octet(depth), bits-8*int(depth)), uint64(c))
	} else {
		m.addChild(other.octet(depth), uint64(c))
	}
	t.caps += cap(m.slots) * 8
	if depth == t.jump.depth {
		t.jump.set(other, j)
	}
}

// unset takes out a chain. Nodes that are left with one chain or none go.
func (t *trie) unset(s spot, k key) {
	n := t.node(s.node)
	was := cap(n.slots)
	if s.index != 0 {
		n.removePrefix(s.index)
	} else {
		n.removeChild(k.octet(n.depth))
	}
	t.caps += (cap(n.slots) - was) * 8
	if len(n.slots) > 1 || n.depth == 0 && len(n.slots) > 0 {
		return
	}
	var path [16]uint32
	t.pathTo(n.depth, k, &path)
	for depth := n.depth; ; depth-- {
		n = t.node(path[depth])
		if len(n.slots) > 1 || len(n.slots) == 1 && (depth == 0 || isNode(n.slots[0])) {
			return
		}
		if depth == 0 {
			t.freeNode(t.root)
			t.root = none
			return
		}
		if depth == t.jump.depth {
			t.jump.unset(k)
		}
		t.pull(path[depth-1], n, k)
		t.freeNode(path[depth])
	}
}

// pull replaces a node by its only chain, or nothing, in its parent.
func (t *trie) pull(parent uint32, n *node, k key) {
	p := t.node(parent)
	p.stamp = max(p.stamp, n.stamp)
	o := k.octet(p.depth)
	if len(n.slots) == 1 {
		p.slots[p.childPlace(o)] = n.slots[0]
		return
	}
	was := cap(p.slots)
	p.removeChild(o)
	t.caps += (cap(p.slots) - was) * 8
}

// pathTo fills in the nodes down to a depth in the direction of k, which are there.
func (t *trie) pathTo(depth uint8, k key, path *[16]uint32) {
	i := t.root
	for d := uint8(0); ; d++ {
		path[d] = i
		if d == depth {
			return
		}
		n := t.node(i)
		i = uint32(n.slots[n.childPlace(k.octet(d))])
	}
}

// settle moves the nodes above a prefix, which is there, out of chunks that are nearly empty.
func (t *trie) settle(k key, bits int) {
	s := t.find(k, bits)
	var path [16]uint32
	depth := t.node(s.node).depth
	t.pathTo(depth, k, &path)
	for d := uint8(0); d <= depth; d++ {
		i := path[d]
		if !t.evacuate(i) {
			continue
		}
		j := t.newNode(d, 0)
		*t.node(j) = *t.node(i)
		*t.node(i) = node{}
		t.freeNode(i)
		path[d] = j
		if d == 0 {
			t.root = j
			continue
		}
		if d == t.jump.depth {
			t.jump.set(k, j)
		}
		p := t.node(path[d-1])
		p.slots[p.childPlace(k.octet(d-1))] = uint64(j)
	}
}
