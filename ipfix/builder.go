package ipfix

import (
	"encoding/binary"
	"fmt"
	"net/netip"
)

// Builder writes messages of IPFIX and NetFlow v9, exactly as told: it fixes lengths, but writes what a correct exporter
// would not if asked to. Begin starts a message in a caller's slice, Set starts a set and ends the one before,
// Finish completes the message. The zero value is ready; a Builder may be used again after Finish.
//
//	var b ipfix.Builder
//	b.Begin(buf[:0], ipfix.Header{Version: ipfix.VersionIPFIX, ExportTime: now, Domain: 7})
//	b.Template(256, ipfix.Field{ID: 8, Len: 4}, ipfix.Field{ID: 1, Len: 8})
//	b.Set(256)
//	b.Addr(src)
//	b.Uint(1500, 8)
//	msg, err := b.Finish()
type Builder struct {
	buf     []byte
	start   int // of the message in buf
	set     int // of the open set in buf, 0 for none
	sets    int
	version uint16
	count   uint16
}

// Begin appends a header to dst, whose spare room the message will use. Of the header, Length is computed and Count is the number of
// sets unless given.
func (b *Builder) Begin(dst []byte, h Header) {
	*b = Builder{start: len(dst), version: h.Version, count: h.Count}
	seconds := uint32(h.ExportTime / 1_000_000_000)
	dst = binary.BigEndian.AppendUint16(dst, h.Version)
	dst = binary.BigEndian.AppendUint16(dst, h.Count)
	if h.Version == VersionNetFlow9 {
		dst = binary.BigEndian.AppendUint32(dst, h.Uptime)
	}
	dst = binary.BigEndian.AppendUint32(dst, seconds)
	dst = binary.BigEndian.AppendUint32(dst, h.Sequence)
	b.buf = binary.BigEndian.AppendUint32(dst, h.Domain)
}

// Set ends the open set and begins another with an id: that of a template for data, any other for what is not a set
// of its own.
func (b *Builder) Set(id uint16) {
	b.endSet()
	b.set = len(b.buf)
	b.sets++
	b.buf = binary.BigEndian.AppendUint16(b.buf, id)
	b.buf = binary.BigEndian.AppendUint16(b.buf, 0)
}

// endSet fixes the length of the open set.
func (b *Builder) endSet() {
	if b.set > 0 {
		binary.BigEndian.PutUint16(b.buf[b.set+2:], uint16(len(b.buf)-b.set))
		b.set = 0
	}
}

// inSet begins a set with an id unless one is open.
func (b *Builder) inSet(id uint16) {
	if b.set == 0 || binary.BigEndian.Uint16(b.buf[b.set:]) != id {
		b.Set(id)
	}
}

// Template writes a template record, into the open set if that is one of templates.
func (b *Builder) Template(id uint16, fields ...Field) {
	b.inSet(b.templateSet(false))
	b.Uint(uint64(id), 2)
	b.Uint(uint64(len(fields)), 2)
	b.specifiers(fields)
}

// OptionsTemplate writes an options template record, into the open set if that is one of options templates. Fields that
// are Scope come first. In NetFlow v9 the ID of a scope field is a scope type of RFC 3954 section 6.1.
func (b *Builder) OptionsTemplate(id uint16, fields ...Field) {
	scopes := 0
	for i := range fields {
		if fields[i].Scope {
			scopes++
		}
	}
	b.inSet(b.templateSet(true))
	b.Uint(uint64(id), 2)
	if b.version == VersionNetFlow9 {
		b.Uint(uint64(4*scopes), 2)
		b.Uint(uint64(4*(len(fields)-scopes)), 2)
	} else {
		b.Uint(uint64(len(fields)), 2)
		b.Uint(uint64(scopes), 2)
	}
	b.specifiers(fields)
}

// Withdraw writes the withdrawal of a template or options template; with the id 2, of all templates, and with 3, of all
// options templates (RFC 7011 section 8.1).
func (b *Builder) Withdraw(id uint16, options bool) {
	b.inSet(b.templateSet(options))
	b.Uint(uint64(id), 2)
	b.Uint(0, 2)
}

// templateSet gives the id of the set for templates.
func (b *Builder) templateSet(options bool) uint16 {
	id := uint16(setTemplate)
	if b.version == VersionNetFlow9 {
		id = setTemplateV9
	}
	if options {
		id++
	}
	return id
}

// specifiers writes the fields of a template.
func (b *Builder) specifiers(fields []Field) {
	for i := range fields {
		f := &fields[i]
		id := f.ID
		if f.PEN != enterpriseIANA && b.version == VersionIPFIX {
			id |= 0x8000
		}
		b.Uint(uint64(id), 2)
		b.Uint(uint64(f.Len), 2)
		if id != f.ID {
			b.Uint(uint64(f.PEN), 4)
		}
	}
}

// Uint writes a number in so many octets; of a larger number the low octets.
func (b *Builder) Uint(n uint64, octets int) {
	for octets > 8 {
		b.buf = append(b.buf, 0)
		octets--
	}
	for i := octets - 1; i >= 0; i-- {
		b.buf = append(b.buf, byte(n>>(8*i)))
	}
}

// Octets writes octets as they are.
func (b *Builder) Octets(v []byte) { b.buf = append(b.buf, v...) }

// Addr writes an address in 4 or 16 octets.
func (b *Builder) Addr(a netip.Addr) {
	if a.Is4() {
		v := a.As4()
		b.Octets(v[:])
		return
	}
	v := a.As16()
	b.Octets(v[:])
}

// Text writes a string in a field of so many octets, cut or filled with zeros.
func (b *Builder) Text(s string, octets int) {
	n := min(len(s), octets)
	b.buf = append(b.buf, s[:n]...)
	b.Pad(octets - n)
}

// Variable writes the value of a variable-length field, its length in front in the short form where it fits.
func (b *Builder) Variable(v []byte) {
	if len(v) < 255 {
		b.buf = append(b.buf, byte(len(v)))
	} else {
		b.buf = append(b.buf, 255, byte(len(v)>>8), byte(len(v)))
	}
	b.Octets(v)
}

// Pad writes zeros.
func (b *Builder) Pad(octets int) {
	for range octets {
		b.buf = append(b.buf, 0)
	}
}

// Len gives the octets of the message so far.
func (b *Builder) Len() int { return len(b.buf) - b.start }

// Finish ends the message and returns the slice given to Begin with the message appended. A message too long for its
// length field is an error.
func (b *Builder) Finish() ([]byte, error) {
	b.endSet()
	if b.Len() > 0xffff {
		return nil, fmt.Errorf("message of %d octets: %w", b.Len(), ErrQuota)
	}
	n := uint16(b.Len())
	if b.version == VersionNetFlow9 {
		if n = b.count; n == 0 {
			n = uint16(b.sets)
		}
	}
	binary.BigEndian.PutUint16(b.buf[b.start+2:], n)
	return b.buf, nil
}
