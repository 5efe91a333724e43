package rib

import (
	"encoding/binary"
	"hash/crc32"
	"math"
	"net/netip"
)

// An image is a RIB as octets: routes with their attributes, peers and times, so that a worker that starts again can answer before its
// devices have told everything anew. All numbers are big-endian or unsigned varints.
//
//	image   = magic block… end
//	block   = type(1) length(4) payload crc(4)              crc: CRC-32C of type, length and payload
//	table   = RD(8) view(1) version(1: 4 or 6)               the routes that follow are of this table
//	entries = { tag(1) item }                                peer, attributes, source or route; each kind is numbered from 0
//	end     = routes(8)
//
// Whoever refers to a peer, a set of attributes or a source does so by number, after it was told.
const (
	imageMagic  = "telcol rib 1\n"
	imageBlock  = 1 << 20 // a block is closed when it is longer
	maxImage    = 8 << 20 // octets of a block that a reader accepts
	blockTable  = 't'
	blockItems  = 'i'
	blockEnd    = 'e'
	blockHeader = 1 + 4
	blockFrame  = blockHeader + 4

	tagPeer   = 'p'
	tagAttrs  = 'a'
	tagSource = 's'
	tagRoute  = 'r'
)

var imageCRC = crc32.MakeTable(crc32.Castagnoli)

// ImageWriter writes the image of a RIB in slices, between which the RIB may change: a route that is there all the time is in
// the image. It belongs to the goroutine that owns the RIB.
type ImageWriter struct {
	rib     *RIB
	cursor  Cursor
	begun   bool
	done    bool
	table   tableID
	peers   map[PeerKey]uint64
	attrs   map[AttrID]imageAttr
	sources map[imageSource]uint64
	sets    uint64
	routes  uint64
	time    int64 // of the last route
}

type tableID struct {
	vrf  RD
	view View
	six  bool
}

// imageAttr is a set that was written. Its id may have come to name another set meanwhile, which the pointer tells.
type imageAttr struct {
	number uint64
	attrs  *Attrs
}

type imageSource struct {
	peer   PeerKey
	view   View
	family Family
}

// Image begins an image.
func (r *RIB) Image() *ImageWriter {
	return &ImageWriter{
		rib: r, peers: make(map[PeerKey]uint64), attrs: make(map[AttrID]imageAttr), sources: make(map[imageSource]uint64),
	}
}

// Append appends the next slice of the image, for which it looks at no more than budget routes, and reports whether more follows.
// What it appends are whole blocks, so that slices can be written to a file as they come.
func (w *ImageWriter) Append(b []byte, budget int) (out []byte, more bool) {
	if w.done {
		return b, false
	}
	if !w.begun {
		w.begun = true
		b = append(b, imageMagic...)
	}
	o := blocks{b: b, start: -1}
	more = w.rib.Walk(&w.cursor, budget, func(rt Route) {
		if id := (tableID{rt.VRF, rt.View, rt.Prefix.Addr().Is6()}); w.routes == 0 || id != w.table {
			w.table = id
			o.b = appendTable(o.close(), id)
		}
		o.item()
		o.b = w.appendRoute(o.b, &rt)
	})
	b = o.close()
	if !more {
		w.done = true
		at := len(b)
		b = binary.BigEndian.AppendUint64(openBlock(b, blockEnd), w.routes)
		b = closeBlock(b, at)
	}
	return b, more
}

func openBlock(b []byte, kind byte) []byte { return append(b, kind, 0, 0, 0, 0) }

// closeBlock fills in the length of the block that begins at start and appends its checksum. A negative start is no block.
func closeBlock(b []byte, start int) []byte {
	if start < 0 {
		return b
	}
	binary.BigEndian.PutUint32(b[start+1:], uint32(len(b)-start-blockHeader))
	return binary.BigEndian.AppendUint32(b, crc32.Checksum(b[start:], imageCRC))
}

// blocks is a slice of an image, in which a block of items may be open.
type blocks struct {
	b     []byte
	start int // of the open block, or below 0
}

// item makes room for an item.
func (o *blocks) item() {
	if o.start >= 0 && len(o.b)-o.start > imageBlock {
		o.close()
	}
	if o.start < 0 {
		o.start = len(o.b)
		o.b = openBlock(o.b, blockItems)
	}
}

// close ends the open block and returns the slice.
func (o *blocks) close() []byte {
	o.b, o.start = closeBlock(o.b, o.start), -1
	return o.b
}

func appendTable(b []byte, id tableID) []byte {
	start := len(b)
	b = binary.BigEndian.AppendUint64(openBlock(b, blockTable), uint64(id.vrf))
	v := byte(4)
	if id.six {
		v = 6
	}
	return closeBlock(append(b, byte(id.view), v), start)
}

// Flags of a route.
const (
	routePathID = 1 << 0
	routeStale  = 1 << 1 // it was stale when the image was written; kept for readers, all routes of an image are stale when loaded
)

func (w *ImageWriter) appendRoute(b []byte, rt *Route) []byte {
	src := imageSource{rt.Peer, rt.View, rt.Family}
	source, ok := w.sources[src]
	if !ok {
		b, source = w.appendSource(b, src)
	}
	set, ok := w.attrs[rt.Attr]
	if !ok || set.attrs != rt.Attrs {
		set = imageAttr{w.sets, rt.Attrs}
		w.sets++
		w.attrs[rt.Attr] = set
		b = append(b, tagAttrs)
		b = appendBytes(b, w.rib.in.set(rt.Attr).key)
		b = appendAttrs(b, rt.Attrs)
	}
	var flags byte
	if rt.HasPathID {
		flags |= routePathID
	}
	if rt.Stale {
		flags |= routeStale
	}
	b = append(b, tagRoute, flags)
	b = binary.AppendUvarint(b, source)
	b = binary.AppendUvarint(b, set.number)
	if rt.HasPathID {
		b = binary.AppendUvarint(b, uint64(rt.PathID))
	}
	b = binary.AppendVarint(b, (rt.Time-w.time)/1000)
	w.time += (rt.Time - w.time) / 1000 * 1000
	b = append(b, byte(rt.Prefix.Bits()))
	w.routes++
	return appendPrefixAddr(b, rt.Prefix)
}

// appendPrefixAddr appends the octets of an address that its prefix length covers.
func appendPrefixAddr(b []byte, p netip.Prefix) []byte {
	n := (p.Bits() + 7) / 8
	if p.Addr().Is4() {
		a := p.Addr().As4()
		return append(b, a[:n]...)
	}
	a := p.Addr().As16()
	return append(b, a[:n]...)
}

func (w *ImageWriter) appendSource(b []byte, s imageSource) ([]byte, uint64) {
	number, ok := w.peers[s.peer]
	if !ok {
		number = uint64(len(w.peers))
		w.peers[s.peer] = number
		var info PeerInfo
		if p := w.rib.peers[s.peer]; p != nil {
			info = p.info
		}
		b = append(b, tagPeer, byte(s.peer.Class))
		b = binary.BigEndian.AppendUint64(b, uint64(s.peer.Distinguisher))
		b = appendImageAddr(b, s.peer.Addr)
		b = binary.AppendUvarint(b, uint64(info.AS))
		b = binary.AppendUvarint(b, uint64(info.LocalAS))
		b = appendImageAddr(b, info.BGPID)
		b = appendBytes(b, info.Name)
	}
	id := uint64(len(w.sources))
	w.sources[s] = id
	b = append(b, tagSource)
	b = binary.AppendUvarint(b, number)
	b = append(b, byte(s.view), s.family.SAFI)
	return binary.BigEndian.AppendUint16(b, s.family.AFI), id
}

func appendBytes[T string | []byte](b []byte, s T) []byte {
	return append(binary.AppendUvarint(b, uint64(len(s))), s...)
}

// appendImageAddr appends the length of an address, 0 for the invalid one, and its octets. Zones are not kept.
func appendImageAddr(b []byte, a netip.Addr) []byte {
	s := a.AsSlice()
	return append(append(b, byte(len(s))), s...)
}

// Flags of a set of attributes.
const (
	setLocalPref = 1 << iota
	setMED
	setOrigin
)

func appendAttrs(b []byte, a *Attrs) []byte {
	var flags byte
	for _, f := range [...]struct {
		has bool
		bit byte
	}{{a.HasLocalPref, setLocalPref}, {a.HasMED, setMED}, {a.HasOrigin, setOrigin}} {
		if f.has {
			flags |= f.bit
		}
	}
	b = append(b, flags, a.Origin, a.ClusterLength)
	b = binary.AppendUvarint(b, uint64(a.LocalPref))
	b = binary.AppendUvarint(b, uint64(a.MED))
	b = binary.AppendUvarint(b, uint64(a.PathLength))
	b = appendImageAddr(b, a.NextHop)
	b = appendImageAddr(b, a.OriginatorID)
	for _, list := range [...][]uint32{a.ASPath, a.ASSet, a.Communities} {
		b = binary.AppendUvarint(b, uint64(len(list)))
		for _, v := range list {
			b = binary.AppendUvarint(b, uint64(v))
		}
	}
	b = binary.AppendUvarint(b, uint64(len(a.ExtCommunities)))
	for _, v := range a.ExtCommunities {
		b = binary.BigEndian.AppendUint64(b, v)
	}
	b = binary.AppendUvarint(b, uint64(len(a.LargeCommunities)))
	for _, c := range a.LargeCommunities {
		for _, v := range c {
			b = binary.AppendUvarint(b, uint64(v))
		}
	}
	return b
}

// The largest values that numbers of an image can have; most have 32 bits.
const (
	maxUint32 = math.MaxUint32
	maxUint64 = math.MaxUint64
)
