package rib

import (
	"encoding/binary"
	"net/netip"
)

// entry is one route: a path of a prefix, told by a source. It holds no pointers.
type entry struct {
	meta   uint64 // path id flag (1 bit), microseconds since 1970 (55 bits), prefix length (8 bits)
	attr   AttrID
	next   uint32 // next entry of the same prefix, or none
	origin uint32 // index in RIB.feeds (24 bits), hash of the next hop (8 bits)
	pathID uint32
}

const (
	metaPathID = 1 << 63
	metaMicros = 1<<55 - 1
	entrySize  = 24
	maxFeeds   = 1 << 24
	firstChunk = 8 // entries in a new table, which doubles until it has a whole chunk
)

// packMeta keeps the microseconds of t, which is in nanoseconds; a time before 1970 becomes 0.
func packMeta(t int64, bits int, hasPathID bool) uint64 {
	us := uint64(max(t, 0)) / 1000 & metaMicros
	m := us<<8 | uint64(uint8(bits))
	if hasPathID {
		m |= metaPathID
	}
	return m
}

func packOrigin(feed uint32, hopHash uint32) uint32 { return feed<<8 | hopHash>>24 }

func (e *entry) feed() uint32    { return e.origin >> 8 }
func (e *entry) hop() uint8      { return uint8(e.origin) }
func (e *entry) bits() int       { return int(uint8(e.meta)) }
func (e *entry) hasPathID() bool { return e.meta&metaPathID != 0 }
func (e *entry) time() int64     { return int64(e.meta>>8&metaMicros) * 1000 }

// arena stores the entries of one table and, beside them, their prefixes' addresses.
type arena struct {
	slots
	chunks []chunk
	width  int // octets of an address: 4 or 16
	held   int // chunks with storage
}

type chunk struct {
	ents []entry
	addr []byte // width octets per entry
}

func (a *arena) at(i uint32) *entry { return &a.chunks[i>>chunkShift].ents[i&chunkMask] }

// prefix returns the prefix of entry i.
func (a *arena) prefix(i uint32) netip.Prefix {
	c := &a.chunks[i>>chunkShift]
	at := int(i&chunkMask) * a.width
	b := c.addr[at : at+a.width]
	n := c.ents[i&chunkMask].bits()
	if a.width == 4 {
		return netip.PrefixFrom(netip.AddrFrom4([4]byte(b)), n)
	}
	return netip.PrefixFrom(netip.AddrFrom16([16]byte(b)), n)
}

// add stores an entry of prefix p, which is masked, and returns its index.
func (a *arena) add(e entry, p netip.Prefix) uint32 {
	i := a.alloc()
	ci := int(i >> chunkShift)
	if ci == len(a.chunks) {
		a.chunks = append(a.chunks, chunk{})
	}
	c := &a.chunks[ci]
	if c.ents == nil {
		n := chunkSize
		if len(a.chunks) == 1 {
			n = firstChunk
		}
		a.held++
		c.ents = make([]entry, 0, n)
		c.addr = make([]byte, 0, n*a.width)
	}
	at := int(i & chunkMask)
	if at == len(c.ents) {
		c.ents = append(c.ents, entry{})
		c.addr = append(c.addr, make([]byte, a.width)...)
	}
	c.ents[at] = e
	putAddr(c.addr[at*a.width:], p.Addr(), a.width)
	return i
}

func putAddr(b []byte, addr netip.Addr, width int) {
	if width == 4 {
		a := addr.As4()
		binary.BigEndian.PutUint32(b, binary.BigEndian.Uint32(a[:]))
		return
	}
	a := addr.As16()
	copy(b, a[:])
}

// remove frees entry i, and its chunk's memory when it was the last one there.
func (a *arena) remove(i uint32) {
	if a.free(i) {
		a.chunks[i>>chunkShift] = chunk{}
		a.held--
	}
}

// sparse reports whether so much of the storage is unused that moving entries together is worth it.
func (a *arena) sparse() bool { return a.held > 4 && a.used < a.held*chunkSize/3 }

// bytes returns the memory held.
func (a *arena) bytes() int {
	n := cap(a.maps)*136 + cap(a.chunks)*48 + cap(a.open)*4
	for i := range a.chunks {
		n += cap(a.chunks[i].ents)*entrySize + cap(a.chunks[i].addr)
	}
	return n
}
