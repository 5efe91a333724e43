package rib

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"net/netip"
)

// ErrImage is wrapped by the errors of an image that cannot be taken up.
var ErrImage = errors.New("not a RIB image")

// Restore takes up an image into a RIB that has no routes. All routes are stale, as after the loss of a session: they answer until
// the dumps of new sessions replace them or the timeout comes. Quotas apply. It returns the number of routes. After an error,
// which wraps ErrImage for a damaged image, the RIB is empty again; as after Clear, Tick gives the attributes back.
func (r *RIB) Restore(from io.Reader, now int64) (routes int, err error) {
	if r.live > 0 {
		return 0, errors.New("the RIB has routes already")
	}
	r.advance(now)
	rd := newImageReader(r, from, now)
	err = rd.run(imageMagic)
	for _, id := range rd.attrs {
		r.in.Release(id) // the reader's own reference; routes have theirs
	}
	if err != nil {
		r.Clear()
		return 0, err
	}
	r.SessionLost(now)
	return int(rd.told), nil
}

// imageReader reads the blocks and items of an image, and holds what it has told so far.
type imageReader struct {
	rib    *RIB
	now    int64
	from   io.Reader
	block  bytes.Buffer
	blocks map[byte]func(payload []byte) error // by type, but those of items and the end
	tags   [256]func(*imageDecoder)            // of items

	table   *tableID
	peers   []PeerKey
	attrs   []AttrID
	sources []imageSource
	told    uint64 // routes and versions
	time    int64
}

func newImageReader(r *RIB, from io.Reader, now int64) *imageReader {
	rd := &imageReader{rib: r, now: now, from: from}
	rd.blocks = map[byte]func([]byte) error{blockTable: rd.readTable}
	rd.tags[tagPeer], rd.tags[tagSource], rd.tags[tagAttrs], rd.tags[tagRoute] = rd.peer, rd.source, rd.set, rd.route
	return rd
}

// run reads all of an image, whose beginning says what it is.
func (r *imageReader) run(magic string) error {
	head := make([]byte, len(magic))
	if _, err := io.ReadFull(r.from, head); err != nil || string(head) != magic {
		return fmt.Errorf("%w: it does not begin as one of this version", ErrImage)
	}
	for {
		kind, payload, err := r.next()
		switch read := r.blocks[kind]; {
		case err != nil:
		case kind == blockItems:
			err = r.items(payload)
		case kind == blockEnd:
			return r.end(payload)
		case read != nil:
			err = read(payload)
		default:
			err = fmt.Errorf("%w: block of type %#x", ErrImage, kind)
		}
		if err != nil {
			return err
		}
	}
}

// next reads a block. What it returns is valid until the next call.
func (r *imageReader) next() (kind byte, payload []byte, err error) {
	r.block.Reset()
	if _, err := io.CopyN(&r.block, r.from, blockHeader); err != nil {
		return 0, nil, fmt.Errorf("%w: it is cut: %w", ErrImage, err)
	}
	n := binary.BigEndian.Uint32(r.block.Bytes()[1:])
	if n > maxImage {
		return 0, nil, fmt.Errorf("%w: block of %d octets", ErrImage, n)
	}
	if _, err := io.CopyN(&r.block, r.from, int64(n)+4); err != nil {
		return 0, nil, fmt.Errorf("%w: it is cut: %w", ErrImage, err)
	}
	b := r.block.Bytes()
	body := b[:len(b)-4]
	if crc32.Checksum(body, imageCRC) != binary.BigEndian.Uint32(b[len(b)-4:]) {
		return 0, nil, fmt.Errorf("%w: checksum of a block", ErrImage)
	}
	return b[0], body[blockHeader:], nil
}

func (r *imageReader) readTable(b []byte) error {
	if len(b) != 10 || View(b[8]) >= numViews || b[9] != 4 && b[9] != 6 {
		return fmt.Errorf("%w: table", ErrImage)
	}
	r.table = &tableID{vrf: RD(binary.BigEndian.Uint64(b)), view: View(b[8]), six: b[9] == 6}
	return nil
}

func (r *imageReader) end(b []byte) error {
	if len(b) != 8 || binary.BigEndian.Uint64(b) != r.told {
		return fmt.Errorf("%w: the number of routes", ErrImage)
	}
	if n, err := r.from.Read(make([]byte, 1)); n != 0 || !errors.Is(err, io.EOF) {
		return fmt.Errorf("%w: octets after the end", ErrImage)
	}
	return nil
}

// items reads the payload of a block of items.
func (r *imageReader) items(b []byte) error {
	d := imageDecoder{b: b}
	for len(d.b) > 0 && !d.bad {
		if read := r.tags[d.octet()]; read != nil {
			read(&d)
			continue
		}
		d.bad = true
	}
	if d.bad {
		return fmt.Errorf("%w: item", ErrImage)
	}
	return nil
}

func (r *imageReader) peer(d *imageDecoder) {
	class := PeerClass(d.octet())
	k := PeerKey{Class: class, Distinguisher: RD(d.uint64()), Addr: d.addr()}
	info := PeerInfo{AS: uint32(d.uvarint(maxUint32)), LocalAS: uint32(d.uvarint(maxUint32)), BGPID: d.addr(), Name: string(d.bytes())}
	if class > ClassLocal || !k.Addr.IsValid() {
		d.bad = true
	}
	if d.bad {
		return
	}
	r.rib.PeerUp(k, info, r.now)
	r.peers = append(r.peers, k)
}

func (r *imageReader) source(d *imageDecoder) {
	n := d.uvarint(maxUint32)
	s := imageSource{view: View(d.octet())}
	s.family.SAFI = d.octet()
	s.family.AFI = d.uint16()
	if d.bad || n >= uint64(len(r.peers)) || s.view >= numViews {
		d.bad = true
		return
	}
	s.peer = r.peers[n]
	r.sources = append(r.sources, s)
}

func (r *imageReader) set(d *imageDecoder) {
	key := d.bytes()
	a := d.attrs()
	if d.bad {
		return
	}
	r.attrs = append(r.attrs, r.rib.Acquire(key, func() Attrs { return a }))
}

func (r *imageReader) route(d *imageDecoder) {
	flags := d.octet()
	source, set := d.uvarint(maxUint32), d.uvarint(maxUint32)
	var pathID uint32
	if flags&routePathID != 0 {
		pathID = uint32(d.uvarint(maxUint32))
	}
	r.time += d.varint() * 1000
	if d.bad || r.table == nil || source >= uint64(len(r.sources)) || set >= uint64(len(r.attrs)) {
		d.bad = true
		return
	}
	p := d.prefix(r.table.six)
	src := r.sources[source]
	if d.bad || src.view != r.table.view {
		d.bad = true
		return
	}
	r.rib.in.Retain(r.attrs[set], 1) // Announce takes it over
	r.rib.Announce(r.rib.Source(src.peer, src.view, src.family), r.table.vrf, p, pathID, flags&routePathID != 0, r.attrs[set], r.time)
	r.told++
}

// imageDecoder reads items. The first one that is cut or impossible makes it bad, after which it reads zeros.
type imageDecoder struct {
	b   []byte
	bad bool
}

// take returns the next n octets, or nil.
func (d *imageDecoder) take(n uint64) []byte {
	if n > uint64(len(d.b)) {
		d.bad, d.b = true, nil
		return nil
	}
	b := d.b[:n]
	d.b = d.b[n:]
	return b
}

func (d *imageDecoder) octet() byte {
	if b := d.take(1); b != nil {
		return b[0]
	}
	return 0
}

func (d *imageDecoder) uint16() uint16 {
	if b := d.take(2); b != nil {
		return binary.BigEndian.Uint16(b)
	}
	return 0
}

func (d *imageDecoder) uint64() uint64 {
	if b := d.take(8); b != nil {
		return binary.BigEndian.Uint64(b)
	}
	return 0
}

func (d *imageDecoder) uvarint(limit uint64) uint64 {
	v, n := binary.Uvarint(d.b)
	if n <= 0 || v > limit {
		d.bad, d.b = true, nil
		return 0
	}
	d.b = d.b[n:]
	return v
}

func (d *imageDecoder) varint() int64 {
	v, n := binary.Varint(d.b)
	if n <= 0 {
		d.bad, d.b = true, nil
		return 0
	}
	d.b = d.b[n:]
	return v
}

func (d *imageDecoder) bytes() []byte { return d.take(d.uvarint(maxUint32)) }

func (d *imageDecoder) addr() netip.Addr {
	n := d.octet()
	if n != 0 && n != 4 && n != 16 {
		d.bad = true
	}
	a, _ := netip.AddrFromSlice(d.take(uint64(n)))
	return a
}

func (d *imageDecoder) prefix(six bool) netip.Prefix {
	bits, width := d.octet(), byte(32)
	if six {
		width = 128
	}
	if bits > width {
		d.bad = true
		return netip.Prefix{}
	}
	var a [16]byte
	copy(a[:], d.take(uint64(bits+7)/8))
	if six {
		return netip.PrefixFrom(netip.AddrFrom16(a), int(bits))
	}
	return netip.PrefixFrom(netip.AddrFrom4([4]byte(a[:4])), int(bits))
}

func (d *imageDecoder) attrs() Attrs {
	flags := d.octet()
	a := Attrs{
		HasLocalPref: flags&setLocalPref != 0, HasMED: flags&setMED != 0, HasOrigin: flags&setOrigin != 0,
		Origin: d.octet(), ClusterLength: d.octet(),
		LocalPref: uint32(d.uvarint(maxUint32)), MED: uint32(d.uvarint(maxUint32)), PathLength: uint16(d.uvarint(1<<16 - 1)),
		NextHop: d.addr(), OriginatorID: d.addr(),
	}
	a.ASPath, a.ASSet, a.Communities = d.list(), d.list(), d.list()
	for range d.count(8) {
		a.ExtCommunities = append(a.ExtCommunities, d.uint64())
	}
	for range d.count(3) {
		a.LargeCommunities = append(a.LargeCommunities, [3]uint32{
			uint32(d.uvarint(maxUint32)), uint32(d.uvarint(maxUint32)), uint32(d.uvarint(maxUint32)),
		})
	}
	return a
}

func (d *imageDecoder) list() (list []uint32) {
	for range d.count(1) {
		list = append(list, uint32(d.uvarint(maxUint32)))
	}
	return list
}

// count reads how many items follow, of which each takes at least size octets.
func (d *imageDecoder) count(size uint64) uint64 { return d.uvarint(uint64(len(d.b)) / size) }
