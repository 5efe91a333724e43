package ipfix

// Record is a data or options record as it stands in its message, for what a Flow has no field for. It is valid as long as
// the call that gave it.
type Record struct {
	Template *Template

	plan   *plan // nil for options records
	data   []byte
	spans  []span
	domain *domain
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

// Extra reports whether field i is in none of the Flow's fields: an element that it has no place for, or an occurrence
// that another stood in for. Padding is not extra.
func (r *Record) Extra(i int) bool {
	f := &r.Template.Fields[i]
	if f.PEN == enterpriseIANA && f.ID == idPadding {
		return false
	}
	return r.plan == nil || !r.plan.uses(i)
}
