package rib

// jump leads past the upper levels of a large trie: from the first two octets of an IPv4 address, or the first four of an IPv6
// address, to the node below them. IPv4 has a plain array for it, IPv6 a hash index.
type jump struct {
	depth  uint8    // of the nodes, 0 while there is no jump
	direct []uint32 // IPv4: index of the node + 1
	hashed shard    // IPv6: mix(first four octets)<<32 | index of the node + 1
	stamp  uint32   // latest stamp of the prefixes that the jump leads past
}

// A table gets its jump when it has jumpFrom prefixes, and loses it below jumpUntil: the array takes 256 KiB. Tests lower them.
var (
	jumpFrom  = 1 << 15
	jumpUntil = 1 << 13
)

func (j *jump) on() bool { return j.depth != 0 }

// node returns the node for an address, or none.
func (j *jump) node(k key) uint32 {
	if j.direct != nil {
		return j.direct[k.hi>>48] - 1 // 0 becomes none
	}
	if len(j.hashed.places) == 0 {
		return none
	}
	h := mix(uint32(k.hi >> 32))
	mask := uint32(len(j.hashed.places) - 1)
	for p := h & mask; j.hashed.places[p] != 0; p = (p + 1) & mask {
		if v := j.hashed.places[p]; uint32(v>>32) == h {
			return uint32(v) - 1
		}
	}
	return none
}

// mix spreads a number. No two numbers give the same.
func mix(h uint32) uint32 {
	h = (h ^ h>>16) * 0x85ebca6b
	h = (h ^ h>>13) * 0xc2b2ae35
	return h ^ h>>16
}

// set notes where the node for an address is.
func (j *jump) set(k key, n uint32) {
	j.unset(k)
	if j.direct != nil {
		j.direct[k.hi>>48] = n + 1
		return
	}
	j.hashed.insert(uint64(mix(uint32(k.hi>>32)))<<32 | uint64(n+1))
}

func (j *jump) unset(k key) {
	if j.direct != nil {
		j.direct[k.hi>>48] = 0
	} else if n := j.node(k); n != none {
		j.hashed.remove(uint64(mix(uint32(k.hi>>32)))<<32 | uint64(n+1))
	}
}

func (j *jump) bytes() int { return 4*len(j.direct) + 8*len(j.hashed.places) }

// fitJump makes or drops the jump as the size of the trie asks for.
func (t *trie) fitJump() {
	switch {
	case !t.jump.on() && t.size >= jumpFrom:
		t.makeJump()
	case t.jump.on() && t.size < jumpUntil:
		t.jump = jump{}
	}
}

func (t *trie) makeJump() {
	t.jump.depth = 4
	if t.arena.width == 4 {
		t.jump.depth = 2
		t.jump.direct = make([]uint32, 1<<16)
	}
	t.fillJump(t.root, key{})
}

// fillJump enters the nodes below node i, which is in the direction of k.
func (t *trie) fillJump(i uint32, k key) {
	n := t.node(i)
	if n.depth == t.jump.depth {
		t.jump.set(k, i)
		return
	}
	t.jump.stamp = max(t.jump.stamp, n.stamp)
	for o := range 256 {
		if !n.hasChild(uint8(o)) {
			continue
		}
		if s := n.slots[n.childPlace(uint8(o))]; isNode(s) {
			t.fillJump(uint32(s), key{hi: k.hi | uint64(o)<<(56-8*n.depth)})
		}
	}
}
