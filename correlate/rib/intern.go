package rib

import (
	"encoding/binary"
	"hash/maphash"
	"net/netip"
	"unsafe"
)

// Intern holds each distinct set of path attributes once and counts the references to it. Its sets are found by the
// octets they came from, so that equal attributes of many routes, peers and devices are decoded and stored once.
type Intern struct {
	slots
	sets  [][]attrSet
	index keyIndex
	bytes int
	pages hugePages

	unowned int // octets of sets that no RIB brought
}

// attrSet is one set with what the choice among paths needs of it, within a cache line.
type attrSet struct {
	attrs *Attrs
	key   string
	refs  uint32
	hop4  bool // the next hop is an IPv4 address, so that its hash says which
	rank  rank

	account *int // octets, of who brought the set
}

// rank is the comparable part of a set: the steps of the decision process that depend on the attributes alone.
type rank struct {
	localPref  uint32
	med        uint32 // 0 when absent (RFC 4271 section 9.1.2.2 c)
	neighborAS uint32 // first AS of the path, 0 when there is none
	originator uint32 // ORIGINATOR_ID, 0 when absent
	nextHop    uint32 // hashAddr of the next hop
	pathLength uint16
	origin     uint8
	clusters   uint8
}

// NewIntern returns an empty table.
func NewIntern() *Intern {
	return &Intern{index: keyIndex{seed: maphash.MakeSeed()}, pages: newHugePages()}
}

// Acquire returns the id of the set whose octets are key and adds a reference to it, which Announce takes over or Release
// gives back. A new key makes it call decode. The key and the slices of the decoded set are copied, so both may lie in buffers
// that are used again; key must tell apart whatever decodes differently (AS width, for example).
func (in *Intern) Acquire(key []byte, decode func() Attrs) AttrID {
	return in.acquire(key, decode, &in.unowned, 0)
}

// acquire puts a new set to an account, which may have a limit.
func (in *Intern) acquire(key []byte, decode func() Attrs, account *int, limit int) AttrID {
	h := in.index.hash(key)
	if id := in.find(h, key); id != 0 {
		in.set(id).refs++
		return id
	}
	if limit > 0 && *account >= limit {
		return 0
	}
	a := compact(decode())
	i := in.alloc()
	c := int(i >> chunkShift)
	if c == len(in.sets) {
		in.sets = append(in.sets, nil)
	}
	if in.sets[c] == nil {
		in.sets[c] = make([]attrSet, chunkSize)
	}
	in.sets[c][i&chunkMask] = attrSet{attrs: a, key: string(key), refs: 1, hop4: a.NextHop.Unmap().Is4(), rank: rankOf(a), account: account}
	id := AttrID(i + 1)
	in.index.insert(h, id)
	in.bytes += setBytes(len(key), a)
	*account += setBytes(len(key), a)
	return id
}

// Find returns the id of the set whose octets are key, or 0. It adds no reference.
func (in *Intern) Find(key []byte) AttrID { return in.find(in.index.hash(key), key) }

func (in *Intern) find(h uint32, key []byte) AttrID {
	sh := in.index.shard(h)
	if len(sh.places) == 0 {
		return 0
	}
	mask := uint32(len(sh.places) - 1)
	for p := h & mask; sh.places[p] != 0; p = (p + 1) & mask {
		if uint32(sh.places[p]>>32) == h {
			if id := AttrID(sh.places[p]); in.set(id).key == string(key) {
				return id
			}
		}
	}
	return 0
}

// Retain adds n references to a set that has at least one.
func (in *Intern) Retain(id AttrID, n int) {
	if id != 0 {
		in.set(id).refs += uint32(n)
	}
}

// Release gives one reference back; the set goes with its last one. Attrs that were handed out stay readable.
func (in *Intern) Release(id AttrID) {
	if id == 0 {
		return
	}
	s := in.set(id)
	if s.refs--; s.refs > 0 {
		return
	}
	in.bytes -= setBytes(len(s.key), s.attrs)
	*s.account -= setBytes(len(s.key), s.attrs)
	in.index.remove(in.index.hash([]byte(s.key)), id)
	*s = attrSet{}
	if i := uint32(id) - 1; in.free(i) {
		in.sets[i>>chunkShift] = nil
	}
}

// Attrs returns the set, shared and immutable, or nil for id 0.
func (in *Intern) Attrs(id AttrID) *Attrs {
	if id == 0 {
		return nil
	}
	return in.set(id).attrs
}

// Len returns the number of sets.
func (in *Intern) Len() int { return in.used }

// Bytes returns the memory that sets and index take, without the rounding of the allocator.
func (in *Intern) Bytes() int {
	n := in.bytes + in.index.bytes()
	for i := range in.maps {
		if in.maps[i].n > 0 {
			n += chunkSize * int(unsafe.Sizeof(attrSet{}))
		}
	}
	return n
}

func (in *Intern) set(id AttrID) *attrSet {
	i := uint32(id) - 1
	return &in.sets[i>>chunkShift][i&chunkMask]
}

func setBytes(key int, a *Attrs) int {
	return key + int(unsafe.Sizeof(*a)) + 4*(len(a.ASPath)+len(a.ASSet)+len(a.Communities)) +
		8*len(a.ExtCommunities) + 12*len(a.LargeCommunities)
}

// compact copies a set's slices into memory of exactly their size, the 32-bit ones into one block.
func compact(a Attrs) *Attrs {
	words := make([]uint32, 0, len(a.ASPath)+len(a.ASSet)+len(a.Communities))
	part := func(s []uint32) []uint32 {
		if len(s) == 0 {
			return nil
		}
		at := len(words)
		words = append(words, s...)
		return words[at:len(words):len(words)]
	}
	a.ASPath, a.ASSet, a.Communities = part(a.ASPath), part(a.ASSet), part(a.Communities)
	a.ExtCommunities = exact(a.ExtCommunities)
	a.LargeCommunities = exact(a.LargeCommunities)
	return &a
}

func exact[T any](s []T) []T {
	if len(s) == 0 {
		return nil
	}
	c := make([]T, len(s))
	copy(c, s)
	return c
}

func rankOf(a *Attrs) rank {
	r := rank{
		localPref: 100, pathLength: a.PathLength, origin: OriginIncomplete, clusters: a.ClusterLength,
		nextHop: hashAddr(a.NextHop.Unmap()), originator: routerID(a.OriginatorID),
	}
	if a.HasLocalPref {
		r.localPref = a.LocalPref
	}
	if a.HasMED {
		r.med = a.MED
	}
	if a.HasOrigin {
		r.origin = a.Origin
	}
	if len(a.ASPath) > 0 {
		r.neighborAS = a.ASPath[0]
	}
	return r
}

// routerID reads a BGP identifier as a number, 0 when it is none.
func routerID(a netip.Addr) uint32 {
	if !a.Is4() {
		return 0
	}
	b := a.As4()
	return binary.BigEndian.Uint32(b[:])
}

// hashAddr mixes an address into 32 bits. No two IPv4 addresses have the same hash. It is no defence against chosen addresses and needs
// none: equal hashes cost a comparison.
func hashAddr(a netip.Addr) uint32 {
	if a.Is4() {
		b := a.As4()
		return mix(binary.BigEndian.Uint32(b[:]))
	}
	b := a.As16()
	h := binary.BigEndian.Uint64(b[:8])*0x9e3779b97f4a7c15 ^ binary.BigEndian.Uint64(b[8:])*0xc2b2ae3d27d4eb4f
	return uint32(h >> 32)
}
