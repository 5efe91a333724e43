package rib

import (
	"math/bits"
	"unsafe"
)

const (
	chunkShift = 10
	chunkSize  = 1 << chunkShift
	chunkMask  = chunkSize - 1

	// none is no index: the end of a chain, an empty place.
	none = ^uint32(0)
)

// slots hands out indices in chunks of chunkSize. The storage belongs to the embedding type, which frees a chunk's
// storage when its last index is given back.
type slots struct {
	maps []slotMap
	open []uint32 // chunks that may have room, most recently used last
	used int
}

// slotMap says which indices of a chunk are in use.
type slotMap struct {
	bits   [chunkSize / 64]uint64
	n      uint16
	hint   uint8 // no word before it has a free bit
	listed bool  // in slots.open
	leave  bool  // to be emptied: nothing new goes here
}

const slotMapSize = int(unsafe.Sizeof(slotMap{}))

// alloc takes a free index. Within a chunk the lowest free one is taken, so storage can grow by appending.
func (s *slots) alloc() uint32 {
	for len(s.open) > 0 {
		c := s.open[len(s.open)-1]
		if m := &s.maps[c]; m.n < chunkSize && !m.leave {
			s.used++
			return c<<chunkShift | m.take()
		}
		s.maps[c].listed = false
		s.open = s.open[:len(s.open)-1]
	}
	c := uint32(len(s.maps))
	s.maps = append(s.maps, slotMap{listed: true})
	s.open = append(s.open, c)
	s.used++
	return c<<chunkShift | s.maps[c].take()
}

func (m *slotMap) take() uint32 {
	for ^m.bits[m.hint] == 0 {
		m.hint++
	}
	b := bits.TrailingZeros64(^m.bits[m.hint])
	m.bits[m.hint] |= 1 << b
	m.n++
	return uint32(m.hint)<<6 | uint32(b)
}

// free gives an index back and reports whether its chunk has become empty.
func (s *slots) free(i uint32) bool {
	c := i >> chunkShift
	m := &s.maps[c]
	w := uint8(i & chunkMask >> 6)
	m.bits[w] &^= 1 << (i & 63)
	m.n--
	m.hint = min(m.hint, w)
	s.used--
	m.leave = m.leave && m.n > 0
	if !m.listed && !m.leave {
		m.listed = true
		s.open = append(s.open, c)
	}
	return m.n == 0
}

// evacuate tells whether what is in i's chunk should move, because the chunk is less than half full. If so, nothing new
// goes into it until it is empty.
func (s *slots) evacuate(i uint32) bool {
	m := &s.maps[i>>chunkShift]
	if !m.leave && m.n < chunkSize/2 {
		m.leave = true
	}
	return m.leave
}

// next returns the first index in use that is not before i, or none.
func (s *slots) next(i uint32) uint32 {
	for c := i >> chunkShift; int(c) < len(s.maps); c++ {
		m := &s.maps[c]
		if m.n > 0 {
			for w := i & chunkMask >> 6; w < chunkSize/64; w++ {
				if b := m.bits[w] >> (i & 63); b != 0 {
					return c<<chunkShift + w<<6 + i&63 + uint32(bits.TrailingZeros64(b))
				}
				i &^= 63
			}
		}
		i = 0
	}
	return none
}
