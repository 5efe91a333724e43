package rib

import (
	"math/bits"
	"unsafe"
)

// node is one octet of a trie, in two cache lines. Its prefixes, which end within the octet, are numbered as the nodes of a
// binary tree: 1 is the empty one, 2n and 2n+1 are n with a bit more, 256 to 511 have all eight bits.
type node struct {
	pfx   [8]uint64 // which prefixes there are
	child [4]uint64 // which octets go on below
	slots []uint64  // a chain per prefix, then a child per octet, in order
	stamp uint32    // see trie.touch
	np    uint16    // prefixes
	depth uint8     // octets before this one
}

const nodeSize = int(unsafe.Sizeof(node{}))

// A child is a chain when all routes below are of one prefix, else the index of a node.
func isNode(slot uint64) bool { return slot>>32 == 0 }

// ancestors gives, for the upper five bits of an octet, the prefixes of up to five bits that cover it.
var ancestors = func() (m [32]uint64) {
	for i := range m {
		for p := 32 + i; p > 0; p >>= 1 {
			m[i] |= 1 << p
		}
	}
	return m
}()

// match returns the number of the longest prefix that covers an octet, or 0.
func (n *node) match(o uint8) uint {
	i := 256 + uint(o)
	if n.pfx[i>>6]>>(i&63)&1 != 0 {
		return i
	}
	i >>= 1
	if n.pfx[i>>6]>>(i&63)&1 != 0 {
		return i
	}
	i >>= 1
	if n.pfx[1]>>(i&63)&1 != 0 {
		return i
	}
	if m := n.pfx[0] & ancestors[o>>3]; m != 0 {
		return uint(63 - bits.LeadingZeros64(m))
	}
	return 0
}

// matchUpTo is match among the prefixes that end within the first so many bits of the octet.
func (n *node) matchUpTo(o uint8, within int) uint {
	i := uint(1)<<within | uint(o)>>(8-within)
	for i > 0 && !n.has(i) {
		i >>= 1
	}
	return i
}

func (n *node) has(i uint) bool { return n.pfx[i>>6]>>(i&63)&1 != 0 }

// place returns where the chain of prefix i is, or would be, among the slots.
func (n *node) place(i uint) int {
	w := i >> 6
	c := bits.OnesCount64(n.pfx[w] & (1<<(i&63) - 1))
	for _, x := range n.pfx[:w] {
		c += bits.OnesCount64(x)
	}
	return c
}

func (n *node) hasChild(o uint8) bool { return n.child[o>>6]>>(o&63)&1 != 0 }

// childPlace returns where the child of an octet is, or would be, among the slots.
func (n *node) childPlace(o uint8) int {
	w := o >> 6
	c := bits.OnesCount64(n.child[w] & (1<<(o&63) - 1))
	for _, x := range n.child[:w] {
		c += bits.OnesCount64(x)
	}
	return int(n.np) + c
}

func (n *node) addPrefix(i uint, slot uint64) {
	n.insert(n.place(i), slot)
	n.pfx[i>>6] |= 1 << (i & 63)
	n.np++
}

func (n *node) removePrefix(i uint) {
	n.remove(n.place(i))
	n.pfx[i>>6] &^= 1 << (i & 63)
	n.np--
}

func (n *node) addChild(o uint8, slot uint64) {
	n.insert(n.childPlace(o), slot)
	n.child[o>>6] |= 1 << (o & 63)
}

func (n *node) removeChild(o uint8) {
	n.remove(n.childPlace(o))
	n.child[o>>6] &^= 1 << (o & 63)
}

func (n *node) insert(at int, slot uint64) {
	if len(n.slots) == cap(n.slots) {
		n.resize(len(n.slots) + 1 + len(n.slots)/8)
	}
	n.slots = n.slots[:len(n.slots)+1]
	copy(n.slots[at+1:], n.slots[at:])
	n.slots[at] = slot
}

func (n *node) remove(at int) {
	n.slots = append(n.slots[:at], n.slots[at+1:]...)
	if cap(n.slots) > 8+2*len(n.slots) {
		n.resize(len(n.slots) + 1)
	}
}

// resize moves the slots to memory of a size that the allocator has, and that holds so many.
func (n *node) resize(want int) {
	s := append([]uint64(nil), make([]uint64, want)...)
	n.slots = s[:copy(s[:len(n.slots)], n.slots)]
}
