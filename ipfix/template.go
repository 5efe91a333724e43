package ipfix

import (
	"encoding/binary"
	"fmt"

	"github.com/vmware/go-ipfix/pkg/entities"
)

// Field is one field of a template.
type Field struct {
	ID    uint16              // element number without the enterprise bit; the whole type in NetFlow v9
	PEN   uint32              // enterprise number, 0 for IANA's
	Len   uint16              // octets as the template says, 65535 for variable
	Scope bool                // a scope field of an options template
	Name  string              // in the model, "" when it does not know the element
	Type  entities.IEDataType // OctetArray when unknown, InvalidDataType for unsigned256
}

// Variable reports whether the field's length stands in the record.
func (f *Field) Variable() bool { return f.Len == variableLength }

// Template says how the records of a data set are laid out. It does not change once learnt.
type Template struct {
	ID      uint16
	Version uint16
	Domain  uint32
	Options bool    // its records describe the exporter, not flows
	Fields  []Field // scope fields first, in options templates

	raw    []byte // the record it was read from
	refs   []ref  // where each field is
	minLen int    // octets of the shortest record
	gaps   []int  // fixed octets before each variable-length field
	tail   int    // and behind the last
	plans  planChoice
	seen   int64 // when it was last sent, Unix nanoseconds
	used   uint64
}

// Seen says when the template was last sent, in Unix nanoseconds of this host's clock. It belongs to the goroutine that decodes.
func (t *Template) Seen() int64 { return t.seen }

// Records says how many records were decoded by the template. It belongs to the goroutine that decodes.
func (t *Template) Records() uint64 { return t.used }

// ref says where a field's value is: at off in the record when seg is 0, else at off behind the seg-th
// variable-length field; or, with length variableLength, it is the (seg+1)-th such field itself.
type ref struct {
	seg, off, len uint16
}

// span is the place of a variable-length value in a record.
type span struct{ off, end uint16 }

// bounds gives the place of the field in a measured record.
func (r ref) bounds(spans []span) (start, end int) {
	if r.len == variableLength {
		return int(spans[r.seg].off), int(spans[r.seg].end)
	}
	if r.seg > 0 {
		start = int(spans[r.seg-1].end)
	}
	start += int(r.off)
	return start, start + int(r.len)
}

// value returns the octets of the field in a measured record.
func (r ref) value(rec []byte, spans []span) []byte {
	start, end := r.bounds(spans)
	return rec[start:end]
}

// templateSpec is a template record as it stands in its set.
type templateSpec struct {
	id     uint16
	count  int // fields
	scopes int
	raw    []byte // whole record with its header
	fields []byte // field specifiers within raw
}

// templateKind says which of the four forms a template record has.
type templateKind struct {
	version uint16
	options bool
}

// parseTemplateSpec frames the template record at the start of b, which holds at least four octets. A withdrawal has
// count 0.
func parseTemplateSpec(b []byte, kind templateKind) (templateSpec, error) {
	t := templateSpec{id: binary.BigEndian.Uint16(b)}
	head := 4
	switch n := int(binary.BigEndian.Uint16(b[2:])); {
	case !kind.options:
		t.count = n
	case kind.version == VersionNetFlow9: // octets of scope fields, octets of option fields
		if len(b) < 6 {
			return t, ErrTemplate
		}
		m := int(binary.BigEndian.Uint16(b[4:]))
		if n%4 != 0 || m%4 != 0 {
			return t, fmt.Errorf("template %d: scope of %d and options of %d octets: %w", t.id, n, m, ErrTemplate)
		}
		t.scopes, t.count, head = n/4, (n+m)/4, 6
	case n == 0: // a withdrawal has no scope count
	default:
		if len(b) < 6 {
			return t, ErrTemplate
		}
		t.scopes, t.count, head = int(binary.BigEndian.Uint16(b[4:])), n, 6
	}
	if t.scopes > t.count {
		return t, fmt.Errorf("template %d: %d scopes of %d fields: %w", t.id, t.scopes, t.count, ErrTemplate)
	}
	end := head
	for range t.count {
		if len(b)-end < 4 {
			return t, fmt.Errorf("template %d: %d fields: %w", t.id, t.count, ErrTemplate)
		}
		if kind.version == VersionIPFIX && b[end]&0x80 != 0 {
			end += 4
		}
		end += 4
	}
	if end > len(b) {
		return t, fmt.Errorf("template %d: %d fields: %w", t.id, t.count, ErrTemplate)
	}
	t.raw, t.fields = b[:end], b[head:end]
	return t, nil
}

// newTemplate makes the template of a specification: names its fields, lays them out and compiles its plans.
func newTemplate(spec templateSpec, kind templateKind, domain uint32, model *Model) (*Template, error) {
	t := &Template{
		ID: spec.id, Version: kind.version, Domain: domain, Options: kind.options,
		Fields: make([]Field, spec.count),
		raw:    append([]byte(nil), spec.raw...),
	}
	b := spec.fields
	for i := range t.Fields {
		f := &t.Fields[i]
		f.Scope = i < spec.scopes
		f.ID, f.Len = binary.BigEndian.Uint16(b), binary.BigEndian.Uint16(b[2:])
		b = b[4:]
		if kind.version == VersionIPFIX && f.ID&0x8000 != 0 {
			f.ID &= 0x7fff
			f.PEN = binary.BigEndian.Uint32(b)
			b = b[4:]
		}
		f.describe(kind.version, model)
	}
	if err := t.layout(); err != nil {
		return nil, err
	}
	if !t.Options {
		t.plans = choosePlans(t)
	}
	return t, nil
}

// describe fills in what the model says of the field's element.
func (f *Field) describe(version uint16, model *Model) {
	var e *entities.InfoElement
	switch {
	case version == VersionIPFIX:
		e = model.Lookup(f.PEN, f.ID)
	case f.Scope: // a scope type of RFC 3954 section 6.1, with a number space of its own
		if f.ID = v9ScopeElement(f.ID); f.ID != 0 {
			e = model.Lookup(enterpriseIANA, f.ID)
		}
	default:
		e = model.lookupV9(f.ID)
	}
	if e != nil {
		f.Name, f.Type = e.Name, e.DataType
	}
}

// v9ScopeElement gives the element that says the same as a scope type of NetFlow v9, 0 for the system and the cache.
func v9ScopeElement(scope uint16) uint16 {
	switch scope {
	case 2:
		return idIngressInterface
	case 3:
		return idLineCard
	case 5:
		return idTemplate
	}
	return 0
}

// layout computes where the fields are and how long a record is at least.
func (t *Template) layout() error {
	t.refs = make([]ref, len(t.Fields))
	off := 0
	for i := range t.Fields {
		r := ref{seg: uint16(len(t.gaps)), off: uint16(off), len: t.Fields[i].Len}
		t.refs[i] = r
		if r.len == variableLength {
			t.gaps, off = append(t.gaps, off), 0
			t.minLen++
		} else {
			off += int(r.len)
			t.minLen += int(r.len)
		}
		if t.minLen > 0xffff {
			return fmt.Errorf("template %d: records of %d octets or more: %w", t.ID, t.minLen, ErrTemplate)
		}
	}
	t.tail = off
	if t.minLen == 0 {
		return fmt.Errorf("template %d: records without octets: %w", t.ID, ErrTemplate)
	}
	return nil
}

// measure finds the variable-length values of the record at the start of b and returns the record's length. Spans has room
// for one entry per variable-length field, b at least the octets of the shortest record.
func (t *Template) measure(b []byte, spans []span) (int, error) {
	at := 0
	for i, gap := range t.gaps {
		at += gap
		if at >= len(b) {
			return 0, ErrRecord
		}
		n := int(b[at])
		at++
		if n == 255 { // the long form; RFC 7011 section 7 allows it for short values as well
			if len(b)-at < 2 {
				return 0, ErrRecord
			}
			n = int(binary.BigEndian.Uint16(b[at:]))
			at += 2
		}
		if n > len(b)-at {
			return 0, ErrRecord
		}
		spans[i] = span{uint16(at), uint16(at + n)}
		at += n
	}
	at += t.tail
	if at > len(b) {
		return 0, ErrRecord
	}
	return at, nil
}
