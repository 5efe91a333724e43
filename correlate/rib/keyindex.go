package rib

import "hash/maphash"

const (
	indexShards   = 64 // a resize moves one of them, so that no call takes long
	shardShift    = 32 - 6
	minShardSlots = 16
)

// keyIndex is a hash index from key hashes to ids, without pointers: open addressing with linear probing. Keys are
// compared by the caller.
type keyIndex struct {
	seed   maphash.Seed
	shards [indexShards]shard
}

type shard struct {
	places []uint64 // hash<<32 | id; 0 is free. The length is 0 or a power of two
	n      int
}

func (x *keyIndex) hash(key []byte) uint32 { return uint32(maphash.Bytes(x.seed, key) >> 32) }

func (x *keyIndex) shard(h uint32) *shard { return &x.shards[h>>shardShift] }

func (x *keyIndex) insert(h uint32, id AttrID) {
	x.shard(h).insert(uint64(h)<<32 | uint64(id))
}

func (s *shard) insert(v uint64) {
	if 4*(s.n+1) > 3*len(s.places) {
		s.resize(max(minShardSlots, 2*len(s.places)))
	}
	s.n++
	s.put(v)
}

func (s *shard) put(v uint64) {
	mask := uint32(len(s.places) - 1)
	p := uint32(v>>32) & mask
	for s.places[p] != 0 {
		p = (p + 1) & mask
	}
	s.places[p] = v
}

func (s *shard) resize(n int) {
	old := s.places
	s.places = make([]uint64, n)
	for _, v := range old {
		if v != 0 {
			s.put(v)
		}
	}
}

func (x *keyIndex) remove(h uint32, id AttrID) { x.shard(h).remove(uint64(h)<<32 | uint64(id)) }

// remove takes out a value that is in the index. Those behind it move up, so that no mark of the removed one is left.
func (s *shard) remove(v uint64) {
	mask := uint32(len(s.places) - 1)
	p := uint32(v>>32) & mask
	for s.places[p] != v {
		p = (p + 1) & mask
	}
	for q := (p + 1) & mask; s.places[q] != 0; q = (q + 1) & mask {
		home := uint32(s.places[q]>>32) & mask
		if (q-home)&mask >= (q-p)&mask {
			s.places[p] = s.places[q]
			p = q
		}
	}
	s.places[p] = 0
	s.n--
	switch {
	case s.n == 0:
		s.places = nil
	case len(s.places) > minShardSlots && 8*s.n < len(s.places):
		s.resize(len(s.places) / 4)
	}
}

func (x *keyIndex) bytes() int {
	n := 0
	for i := range x.shards {
		n += 8 * len(x.shards[i].places)
	}
	return n
}
