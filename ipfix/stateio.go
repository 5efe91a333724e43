package ipfix

import (
	"encoding/binary"
	"hash/crc32"
	"math"
)

// stateWriter writes the payload of saved state: numbers as varints, octets behind their number.
type stateWriter struct {
	out  []byte // what the frame goes behind
	kind byte
	b    []byte
}

// end returns the frame behind what was there.
func (w *stateWriter) end() []byte {
	start := len(w.out)
	out := append(w.out, stateMagic...)
	out = append(out, w.kind, stateVersion)
	out = binary.AppendUvarint(out, uint64(len(w.b)))
	out = append(out, w.b...)
	return binary.BigEndian.AppendUint32(out, crc32.Checksum(out[start:], castagnoli))
}

func (w *stateWriter) uint(n uint64)   { w.b = binary.AppendUvarint(w.b, n) }
func (w *stateWriter) int(n int64)     { w.b = binary.AppendVarint(w.b, n) }
func (w *stateWriter) text(s string)   { w.uint(uint64(len(s))); w.b = append(w.b, s...) }
func (w *stateWriter) octets(v []byte) { w.uint(uint64(len(v))); w.b = append(w.b, v...) }

func (w *stateWriter) bool(v bool) {
	n := byte(0)
	if v {
		n = 1
	}
	w.b = append(w.b, n)
}

func (w *stateWriter) told(t *Told) {
	w.int(t.Updated)
	w.uint(uint64(t.Template))
}

func (w *stateWriter) vrf(v *VRF) {
	w.text(v.Name)
	w.bool(v.HasRD)
	w.uint(v.RD)
	w.told(&v.Told)
}

func (w *stateWriter) iface(v *Interface) {
	w.text(v.Name)
	w.text(v.Description)
	w.told(&v.Told)
}

func (w *stateWriter) sampling(v *Sampling) {
	w.uint(uint64(v.Rate))
	w.uint(uint64(v.Algorithm))
	w.text(v.Name)
	w.told(&v.Told)
}

func (w *stateWriter) selection(v *SelectionSequence) {
	w.uint(uint64(len(v.Selectors)))
	for _, s := range v.Selectors {
		w.uint(s)
	}
	w.told(&v.Told)
}

func (w *stateWriter) sequence(q *sequence) {
	w.bool(q.sure)
	w.uint(uint64(q.next))
	w.int(q.export)
	w.uint(uint64(q.uptime))
}

func (w *stateWriter) held(h *heldSet) {
	w.uint(uint64(h.template))
	w.uint(uint64(h.base))
	w.int(h.since)
	w.uint(uint64(h.header.Version))
	w.uint(uint64(h.header.Domain))
	w.uint(uint64(h.header.Sequence))
	w.uint(uint64(h.header.Uptime))
	w.int(h.header.ExportTime)
	w.octets(h.data)
}

// stateReader reads what a stateWriter wrote. After a failure it reads nothing but zeros.
type stateReader struct {
	b      []byte
	failed bool
}

// end returns an error unless all was read and nothing is left.
func (r *stateReader) end() error {
	if r.failed || len(r.b) > 0 {
		return ErrState
	}
	return nil
}

func (r *stateReader) fail() { r.failed, r.b = true, nil }

func (r *stateReader) uint(limit uint64) uint64 {
	n, size := binary.Uvarint(r.b)
	if size <= 0 || n > limit {
		r.fail()
		return 0
	}
	r.b = r.b[size:]
	return n
}

func (r *stateReader) int() int64 {
	n, size := binary.Varint(r.b)
	if size <= 0 {
		r.fail()
		return 0
	}
	r.b = r.b[size:]
	return n
}

// count reads the number of entries that follow, each of one octet or more.
func (r *stateReader) count() int {
	n := r.uint(math.MaxInt32)
	if n > uint64(len(r.b)) {
		r.fail()
		return 0
	}
	return int(n)
}

func (r *stateReader) octets() []byte {
	n := r.count()
	v := r.b[:n]
	r.b = r.b[n:]
	return v
}

func (r *stateReader) text() string { return string(r.octets()) }

func (r *stateReader) bool() bool { return r.uint(1) == 1 }

func (r *stateReader) told() Told {
	return Told{Updated: r.int(), Template: uint16(r.uint(math.MaxUint16))}
}

func (r *stateReader) vrf() VRF {
	return VRF{Name: r.text(), HasRD: r.bool(), RD: r.uint(math.MaxUint64), Told: r.told()}
}

func (r *stateReader) iface() Interface {
	return Interface{Name: r.text(), Description: r.text(), Told: r.told()}
}

func (r *stateReader) sampling() Sampling {
	return Sampling{
		Rate: uint32(r.uint(math.MaxUint32)), Algorithm: uint16(r.uint(math.MaxUint16)),
		Name: r.text(), Told: r.told(),
	}
}

func (r *stateReader) selection() SelectionSequence {
	n := r.count()
	if n > maxSelectors {
		r.fail()
		return SelectionSequence{}
	}
	v := SelectionSequence{Selectors: make([]uint64, n)}
	for i := range v.Selectors {
		v.Selectors[i] = r.uint(math.MaxUint64)
	}
	v.Told = r.told()
	return v
}

func (r *stateReader) sequence() sequence {
	return sequence{
		seen: true, sure: r.bool(), next: uint32(r.uint(math.MaxUint32)),
		export: r.int(), uptime: uint32(r.uint(math.MaxUint32)),
	}
}

func (r *stateReader) held() heldSet {
	h := heldSet{template: uint16(r.uint(math.MaxUint16)), base: int(r.uint(math.MaxUint16)), since: r.int()}
	h.header = Header{
		Version: uint16(r.uint(math.MaxUint16)), Domain: uint32(r.uint(math.MaxUint32)),
		Sequence: uint32(r.uint(math.MaxUint32)), Uptime: uint32(r.uint(math.MaxUint32)), ExportTime: r.int(),
	}
	h.data = append([]byte(nil), r.octets()...)
	return h
}
