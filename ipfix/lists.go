package ipfix

import (
	"encoding/binary"
	"strconv"

	"github.com/vmware/go-ipfix/pkg/entities"
)

// maxListDepth bounds lists in lists, which the lengths on the wire would allow to be many.
const maxListDepth = 4

// semantics names the first octet of a list, RFC 6313 section 8.
var semantics = [...]string{"noneOf", "exactlyOneOf", "oneOrMoreOf", "allOf", "ordered"}

// appendSemantic begins the object of a list.
func appendSemantic(dst []byte, s byte) []byte {
	dst = append(dst, `{"semantic":`...)
	switch {
	case int(s) < len(semantics):
		dst = appendString(dst, []byte(semantics[s]))
	case s == 255:
		dst = append(dst, `"undefined"`...)
	default:
		dst = strconv.AppendUint(dst, uint64(s), 10)
	}
	return dst
}

// appendList appends a list as an object, or says that it is not one.
func (r *Record) appendList(dst []byte, typ entities.IEDataType, v []byte, depth int) ([]byte, bool) {
	if len(v) < 1 || depth >= maxListDepth {
		return dst, false
	}
	dst = appendSemantic(dst, v[0])
	v = v[1:]
	ok := false
	switch typ {
	case entities.BasicList:
		dst, ok = r.appendBasicList(dst, v, depth+1)
	case entities.SubTemplateList:
		if len(v) < 2 {
			return dst, false
		}
		dst, ok = r.appendRecords(append(dst, ','), binary.BigEndian.Uint16(v), v[2:], depth+1)
	case entities.SubTemplateMultiList:
		dst, ok = r.appendMultiList(dst, v, depth+1)
	default: // no list
	}
	return append(dst, '}'), ok
}

// appendBasicList appends the values of one element, RFC 6313 section 4.5.1.
//
//	+--------+--------+--------+--------+--------+
//	|E| element id    |  octets of one  | values |  with the enterprise number before the values if E
//	+--------+--------+--------+--------+--------+
func (r *Record) appendBasicList(dst, v []byte, depth int) ([]byte, bool) {
	f, v, ok := r.listField(v)
	if !ok {
		return dst, false
	}
	dst = append(dst, `,"element":`...)
	dst = appendString(dst, f.AppendName(nil))
	dst = append(dst, `,"values":[`...)
	for first := true; len(v) > 0; first = false {
		n := int(f.Len)
		if f.Variable() {
			if n, v, ok = cutLength(v); !ok {
				return dst, false
			}
		} else if n == 0 {
			return dst, false
		}
		if n > len(v) {
			return dst, false
		}
		if !first {
			dst = append(dst, ',')
		}
		dst = r.appendTyped(dst, f.Type, v[:n], depth)
		v = v[n:]
	}
	return append(dst, ']'), true
}

// listField reads the element of a basic list.
func (r *Record) listField(v []byte) (Field, []byte, bool) {
	if len(v) < 4 {
		return Field{}, nil, false
	}
	f := Field{ID: binary.BigEndian.Uint16(v), Len: binary.BigEndian.Uint16(v[2:])}
	v = v[4:]
	if f.ID&0x8000 != 0 {
		if len(v) < 4 {
			return f, nil, false
		}
		f.ID, f.PEN = f.ID&0x7fff, binary.BigEndian.Uint32(v)
		v = v[4:]
	}
	var model *Model
	if r.domain != nil {
		model = r.domain.model
	}
	f.describe(VersionIPFIX, model)
	return f, v, true
}

// cutLength reads the length of a variable-length value and returns it with what follows.
func cutLength(v []byte) (int, []byte, bool) {
	switch {
	case v[0] < 255:
		return int(v[0]), v[1:], true
	case len(v) < 3:
		return 0, nil, false
	}
	return int(binary.BigEndian.Uint16(v[1:])), v[3:], true
}

// appendMultiList appends records of several templates, each with the template's id and the octets of both, RFC 6313
// section 4.5.3.
func (r *Record) appendMultiList(dst, v []byte, depth int) ([]byte, bool) {
	dst = append(dst, `,"lists":[`...)
	for first := true; len(v) > 0; first = false {
		if len(v) < 4 {
			return dst, false
		}
		id, n := binary.BigEndian.Uint16(v), int(binary.BigEndian.Uint16(v[2:]))
		if n < 4 || n > len(v) {
			return dst, false
		}
		if !first {
			dst = append(dst, ',')
		}
		var ok bool
		if dst, ok = r.appendRecords(append(dst, '{'), id, v[4:n], depth); !ok {
			return dst, false
		}
		dst = append(dst, '}')
		v = v[n:]
	}
	return append(dst, ']'), true
}

// appendRecords appends records of a template of the same domain, RFC 6313 section 4.5.2; as hexadecimal digits when it is
// not known.
func (r *Record) appendRecords(dst []byte, id uint16, v []byte, depth int) ([]byte, bool) {
	dst = append(dst, `"template":`...)
	dst = strconv.AppendUint(dst, uint64(id), 10)
	dst = append(dst, `,"records":`...)
	var t *Template
	if r.domain != nil {
		t = r.domain.templates[id]
	}
	if t == nil {
		return appendHex(dst, v), true
	}
	dst = append(dst, '[')
	sub := Record{Template: t, domain: r.domain, spans: make([]span, len(t.gaps))}
	for first := true; len(v) >= t.minLen; first = false {
		n, err := t.measure(v, sub.spans)
		if err != nil {
			return dst, false
		}
		sub.data = v[:n]
		if !first {
			dst = append(dst, ',')
		}
		dst = sub.appendGroups(dst, groupFields(t, nil), depth)
		v = v[n:]
	}
	return append(dst, ']'), true
}
