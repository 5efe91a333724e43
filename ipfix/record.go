package ipfix

import (
	"strconv"

	"github.com/vmware/go-ipfix/pkg/entities"
)

// Record is a data or options record as it stands in its message, for what a Flow has no field for. It is valid as long as
// the call that gave it.
type Record struct {
	Template *Template

	plan   *plan // nil for options records
	data   []byte
	spans  []span
	domain *domain
}

// Group is the fields of a record that have one name, in the template's order: a template may list an element more
// than once.
type Group struct {
	Name   string // of the registry, or enterprise number and id as in "2011.232"
	Fields []int
}

// Len gives the number of fields.
func (r *Record) Len() int {
	if r.Template == nil {
		return 0
	}
	return len(r.Template.Fields)
}

// Octets gives the whole record, with the lengths of variable-length fields.
func (r *Record) Octets() []byte { return r.data }

// Field gives what the template says of field i.
func (r *Record) Field(i int) *Field { return &r.Template.Fields[i] }

// Value gives the octets of field i, without a variable length in front.
func (r *Record) Value(i int) []byte { return r.Template.refs[i].value(r.data, r.spans) }

// Extra gives the fields that are in none of the Flow's: elements that it has no place for, and occurrences of an element
// that another stood in for. Padding and fields without octets are not extra. The groups are shared and must not be changed.
func (r *Record) Extra() []Group {
	switch {
	case r.Template == nil:
		return nil
	case r.plan == nil:
		return groupFields(r.Template, nil)
	}
	return r.plan.extra
}

// All gives all fields but padding.
func (r *Record) All() []Group {
	if r.Template == nil {
		return nil
	}
	return groupFields(r.Template, nil)
}

// AppendObject appends a JSON object of groups of fields: name and value as AppendValue gives it, or an array of values where
// there are several.
func (r *Record) AppendObject(dst []byte, groups []Group) []byte {
	return r.appendGroups(dst, groups, 0)
}

// appendGroups is AppendObject for a record in so many lists.
func (r *Record) appendGroups(dst []byte, groups []Group, depth int) []byte {
	dst = append(dst, '{')
	for i := range groups {
		g := &groups[i]
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = append(dst, '"') // names hold nothing to escape
		dst = append(dst, g.Name...)
		dst = append(dst, `":`...)
		if len(g.Fields) > 1 {
			dst = append(dst, '[')
		}
		for j, f := range g.Fields {
			if j > 0 {
				dst = append(dst, ',')
			}
			dst = r.appendTyped(dst, r.Template.Fields[f].Type, r.Value(f), depth)
		}
		if len(g.Fields) > 1 {
			dst = append(dst, ']')
		}
	}
	return append(dst, '}')
}

// groupFields groups the fields of a template by name, but for padding, those without octets and those that a plan uses.
func groupFields(t *Template, p *plan) []Group {
	var groups []Group
	index := make(map[string]int)
	for i := range t.Fields {
		f := &t.Fields[i]
		if f.Len == 0 || p != nil && p.uses(i) || f.PEN == enterpriseIANA && f.ID == idPadding {
			continue
		}
		name := f.name()
		at, ok := index[name]
		if !ok {
			at = len(groups)
			index[name] = at
			groups = append(groups, Group{Name: name})
		}
		groups[at].Fields = append(groups[at].Fields, i)
	}
	return groups
}

// name is AppendName as a string.
func (f *Field) name() string {
	if f.Name != "" {
		return f.Name
	}
	return string(f.AppendName(nil))
}

// AppendName appends the field's name: that of the registry, or its enterprise number and id as in "2011.232".
func (f *Field) AppendName(dst []byte) []byte {
	if f.Name != "" {
		return append(dst, f.Name...)
	}
	dst = strconv.AppendUint(dst, uint64(f.PEN), 10)
	dst = append(dst, '.')
	return strconv.AppendUint(dst, uint64(f.ID), 10)
}

// Element gives field i as go-ipfix has it. Numbers in fewer octets than their type's are extended to it. What go-ipfix
// cannot decode, which is lists, times finer than milliseconds, unsigned256 and values of another length, comes as an
// octet array. It allocates.
func (r *Record) Element(i int) (entities.InfoElementWithValue, error) {
	f, v := r.Field(i), r.Value(i)
	ie := entities.NewInfoElement(f.name(), f.ID, f.Type, f.PEN, f.Len)
	if v = naturalValue(f.Type, v); v == nil {
		ie.DataType = entities.OctetArray
		v = r.Value(i)
	}
	return entities.DecodeAndCreateInfoElementWithValue(ie, v)
}

// naturalValue extends a value to the length of its type; nil when go-ipfix cannot decode it.
func naturalValue(typ entities.IEDataType, v []byte) []byte {
	switch typ {
	case entities.OctetArray:
		return v
	case entities.String:
		return trimNULs(v)
	case entities.DateTimeMicroseconds, entities.DateTimeNanoseconds,
		entities.BasicList, entities.SubTemplateList, entities.SubTemplateMultiList, unsigned256:
		return nil
	default: // of a length of its own
	}
	want := int(entities.InfoElementLength[typ])
	switch {
	case len(v) == want:
		return v
	case len(v) == 0 || len(v) > want:
		return nil
	}
	wide := make([]byte, want)
	switch typ {
	case entities.Signed16, entities.Signed32, entities.Signed64:
		if v[0]&0x80 != 0 {
			for i := range wide {
				wide[i] = 0xff
			}
		}
	case entities.Unsigned16, entities.Unsigned32, entities.Unsigned64, entities.DateTimeSeconds, entities.DateTimeMilliseconds:
	default: // a float64 as float32 needs more than octets in front, the others have one length
		return nil
	}
	copy(wide[want-len(v):], v)
	return wide
}
