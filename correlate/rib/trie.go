package rib

// trie finds the chains of one table by prefix: a multibit trie of one octet per level. A prefix without company below an octet
// has no nodes of its own: the slot holds its chain, and its address is beside the entry. A node is two
// cache lines and its slots a third, so that a lookup waits for memory twice a level; in a large table the first levels are
// jumped over.
//
// It holds a prefix in less than half of the memory of a general-purpose trie, since chains need no pointers and prefixes no copies.
type trie struct {
	arena *arena // of the entries, for the prefixes of chains
	slots
	chunks [][]node
	root   uint32 // none in an empty trie
	size   int    // prefixes
	held   int    // chunks with storage
	caps   int    // octets of all slots
	jump   jump
}

func newTrie(a *arena) trie { return trie{arena: a, root: none} }

// lookup returns the chain of the longest prefix that covers an address, or 0, and the latest stamp of the nodes that could tell of it.
func (t *trie) lookup(k key) (chain, uint32) {
	if n := t.jump.node(k); n != none {
		if c, stamp := t.walk(n, k); c != 0 {
			return c, max(stamp, t.jump.stamp)
		}
	}
	if t.root == none {
		return 0, t.jump.stamp
	}
	c, stamp := t.walk(t.root, k)
	return c, max(stamp, t.jump.stamp)
}

// walk goes down from a node.
func (t *trie) walk(i uint32, k key) (chain, uint32) {
	var best *node
	var at uint
	var stamp uint32
	for {
		n := t.node(i)
		stamp = max(stamp, n.stamp)
		o := k.octet(n.depth)
		if m := n.match(o); m != 0 {
			best, at = n, m
		}
		if !n.hasChild(o) {
			break
		}
		s := n.slots[n.childPlace(o)]
		if isNode(s) {
			i = uint32(s)
			continue
		}
		if c := chain(s); t.covers(c, k) {
			return c, stamp
		}
		break
	}
	if best == nil {
		return 0, stamp
	}
	return chain(best.slots[best.place(at)]), stamp
}

// lookupUpTo is lookup among the prefixes of no more than so many bits.
func (t *trie) lookupUpTo(k key, bits int) chain {
	var found chain
	t.covering(k, bits, func(c chain) bool {
		found = c
		return false
	})
	return found
}

// covers reports whether the prefix of a chain covers an address.
func (t *trie) covers(c chain, k key) bool {
	return t.arena.key(c.head()).shares(k, t.arena.at(c.head()).bits())
}

func (t *trie) node(i uint32) *node { return &t.chunks[i>>chunkShift][i&chunkMask] }

// newNode adds an empty node. It invalidates pointers to nodes.
func (t *trie) newNode(depth uint8, stamp uint32) uint32 {
	i := t.alloc()
	c, at := int(i>>chunkShift), int(i&chunkMask)
	if c == len(t.chunks) {
		t.chunks = append(t.chunks, nil)
	}
	if t.chunks[c] == nil {
		n := chunkSize
		if len(t.chunks) == 1 {
			n = 1
		}
		t.chunks[c] = make([]node, 0, n)
		t.held++
	}
	if at == len(t.chunks[c]) {
		t.chunks[c] = append(t.chunks[c], node{})
	}
	*t.node(i) = node{depth: depth, stamp: stamp}
	return i
}

func (t *trie) freeNode(i uint32) {
	n := t.node(i)
	t.caps -= cap(n.slots) * 8
	*n = node{}
	if t.free(i) {
		t.chunks[i>>chunkShift] = nil
		t.held--
	}
}

// sparse reports whether so much of the storage is unused that moving nodes together is worth it.
func (t *trie) sparse() bool { return t.held > 4 && t.used < t.held*chunkSize/3 }

// bytes returns the memory held.
func (t *trie) bytes() int {
	n := t.caps + t.jump.bytes() + cap(t.chunks)*24 + cap(t.maps)*slotMapSize
	for _, c := range t.chunks {
		n += cap(c) * nodeSize
	}
	return n
}
