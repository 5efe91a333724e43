package rib

import (
	"encoding/binary"
	"net/netip"
	"unsafe"
)

// entry is one route: a path of a prefix, told by a source. It holds no pointers.
type entry struct {
	meta   uint64 // flags (3 bits), microseconds since 1970 (53 bits, until 2255), prefix length (8 bits)
	attr   AttrID
	next   uint32 // next entry of the same prefix, or none
	origin uint32 // index in RIB.feeds (24 bits), hash of the next hop (8 bits)
	pathID uint32
}

const (
	metaPathID = 1 << 63
	metaDumped = 1 << 62 // told in a dump, see RIB.since
	metaEver   = 1 << 61 // told in the first dump of its source
	metaFlags  = metaPathID | metaDumped | metaEver
	metaMicros = 1<<53 - 1
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
	ents  [][]entry // by chunk
	addrs [][]byte  // by chunk, width octets per entry
	width int       // octets of an address: 4 or 16
	held  int       // chunks with storage
}

func (a *arena) at(i uint32) *entry { return &a.ents[i>>chunkShift][i&chunkMask] }

// prefix returns the prefix of entry i.
func (a *arena) prefix(i uint32) netip.Prefix {
	at := int(i&chunkMask) * a.width
	b := a.addrs[i>>chunkShift][at : at+a.width]
	n := a.at(i).bits()
	if a.width == 4 {
		return netip.PrefixFrom(netip.AddrFrom4([4]byte(b)), n)
	}
	return netip.PrefixFrom(netip.AddrFrom16([16]byte(b)), n)
}

// key returns the address of entry i's prefix.
func (a *arena) key(i uint32) key {
	at := int(i&chunkMask) * a.width
	b := a.addrs[i>>chunkShift][at : at+a.width]
	if a.width == 4 {
		return key{hi: uint64(binary.BigEndian.Uint32(b)) << 32}
	}
	return key{binary.BigEndian.Uint64(b), binary.BigEndian.Uint64(b[8:])}
}

// keyAt returns where the address of entry i's prefix is.
func (a *arena) keyAt(i uint32) unsafe.Pointer {
	return unsafe.Pointer(&a.addrs[i>>chunkShift][int(i&chunkMask)*a.width])
}

// add stores an entry of prefix p, which is masked, and returns its index.
func (a *arena) add(e entry, p netip.Prefix) uint32 {
	i := a.alloc()
	c, at := int(i>>chunkShift), int(i&chunkMask)
	if c == len(a.ents) {
		a.ents, a.addrs = append(a.ents, nil), append(a.addrs, nil)
	}
	if a.ents[c] == nil {
		n := chunkSize
		if len(a.ents) == 1 {
			n = firstChunk
		}
		a.ents[c] = make([]entry, 0, n)
		a.addrs[c] = make([]byte, 0, n*a.width)
		a.held++
	}
	if at == len(a.ents[c]) {
		a.ents[c] = append(a.ents[c], entry{})
		a.addrs[c] = append(a.addrs[c], make([]byte, a.width)...)
	}
	a.ents[c][at] = e
	if addr := p.Addr(); a.width == 4 {
		b := addr.As4()
		copy(a.addrs[c][at*4:], b[:])
	} else {
		b := addr.As16()
		copy(a.addrs[c][at*16:], b[:])
	}
	return i
}

// remove frees entry i, and its chunk's memory when it was the last one there.
func (a *arena) remove(i uint32) {
	if a.free(i) {
		a.ents[i>>chunkShift], a.addrs[i>>chunkShift] = nil, nil
		a.held--
	}
}

// cut drops the last chunk, which is empty.
func (a *arena) cut() {
	c := len(a.ents) - 1
	a.ents[c], a.addrs[c] = nil, nil
	a.ents, a.addrs, a.maps = a.ents[:c], a.addrs[:c], a.maps[:c]
}

// sparse reports whether so much of the storage is unused that moving entries together is worth it.
func (a *arena) sparse() bool { return a.held > 4 && a.used < a.held*chunkSize/3 }

// bytes returns the memory held.
func (a *arena) bytes() int {
	n := cap(a.maps)*slotMapSize + cap(a.ents)*48 + cap(a.open)*4
	for i := range a.ents {
		n += cap(a.ents[i])*entrySize + cap(a.addrs[i])
	}
	return n
}
