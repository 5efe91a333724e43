package ipfix

// op is an operation on a field at a fixed place of a window.
type op struct {
	do   opcode
	arg  uint8
	len  uint16
	end  uint32 // of the field in the record, which is where the eight octets that end with it begin in the window
	mask uint64 // of the field in these
}

// argBothFamilies is the arg of an address that the record may have in a field of the other family.
const argBothFamilies = 1

// newOp returns the operation for n octets at a place in a record.
func newOp(do opcode, arg uint8, start, n int) op {
	mask := ^uint64(0)
	if n < 8 {
		mask = 1<<(8*n) - 1
	}
	return op{do: do, arg: arg, len: uint16(n), end: uint32(start + n), mask: mask}
}

// value returns the field's octets.
func (o *op) value(window []byte) []byte {
	start := o.end + lead - uint32(o.len)
	return window[start:][:o.len]
}

// group is operations on fields at fixed places behind the seg-th field of variable length.
type group struct {
	seg uint16
	ops []op
}

// lateOp is an operation on a field of variable length, or one that depends on such a field.
type lateOp struct {
	op
	at   ref
	rule rule
	has  FieldSet
}

// plan fills a Flow from a record of one template.
type plan struct {
	fixed  []op
	groups []group
	late   []lateOp
	has    FieldSet // what is set whatever the record holds
	used   []uint64 // bit per field of the template that the plan reads into a field of the Flow

	extra []Group // the others, but for padding

	reverse [2]int // fields of the octets and packets of a biflow's other direction, those in has

	labels bool // has opLabel
	icmp   bool // has type or code and the protocol to tell whether they mean something
	// repeats says that every record sets the same fields of a Flow, but for times, rates and lists.
	repeats bool
}

// uses reports whether the plan reads field i.
func (p *plan) uses(i int) bool { return p.used[i/64]&(1<<(i%64)) != 0 }

// planView says which occurrence of an element a plan takes.
type planView struct {
	family     uint8 // of the addresses; 0 when the template has none
	first      bool  // the first occurrence of an element instead of the last
	innerStart int   // index of the inner packet's first address, in the plan for a tunnel; else 0
}

// candidate is the field that fills a slot.
type candidate struct {
	rule  rule
	field int
}

// compile makes the plan of a template under a view.
func compile(t *Template, v planView, l *layers) *plan {
	var slots [numSlots]candidate
	for i := range t.Fields {
		f := &t.Fields[i]
		if f.Len == 0 {
			continue
		}
		for _, r := range rulesFor(t.Version, f) {
			if !r.fits(f.Len) || r.op == opReverse && f.Variable() || r.family != 0 && v.family != 0 && r.family != v.family || r.inner && i < v.innerStart {
				continue
			}
			s := &slots[r.slot]
			if s.rule.op == opNone || r.rank < s.rule.rank || r.rank == s.rule.rank && !v.first {
				*s = candidate{r, i}
			}
		}
	}
	if v.innerStart > 0 {
		l.tunnel(t, &slots)
	}
	return t.emit(&slots)
}

// fits reports whether the rule can take a field of n octets. That a variable length fits is seen record by record.
func (r *rule) fits(n uint16) bool {
	switch {
	case n == variableLength, r.shape == shapeAny:
		return true
	case r.shape == shapeInt:
		return n >= 1 && n <= 8
	case r.shape == shapeExact:
		return n == r.len
	}
	return n%r.len == 0
}

// field gives the FieldSet bit of a slot.
func (r *rule) field() FieldSet {
	switch r.slot {
	case slotNextHop6:
		return FieldNextHop
	case slotBGPNextHop6:
		return FieldBGPNextHop
	case slotNATSrc6:
		return FieldNATSrc
	case slotNATDst6:
		return FieldNATDst
	}
	if r.slot >= slotLabel0 || r.op.time() {
		return 0
	}
	return 1 << r.slot
}

// time reports whether an operation sets a time, which a record may hold as zero for unknown.
func (o opcode) time() bool { return o >= opStartSeconds && o <= opEndUptime }

// uptime reports whether an operation needs the start of the system.
func (o opcode) uptime() bool { return o == opStartUptime || o == opEndUptime }

// emit turns the chosen fields into a plan.
func (t *Template) emit(slots *[numSlots]candidate) *plan {
	p := &plan{used: make([]uint64, (len(t.Fields)+63)/64)}
	initLate := false
	if c := &slots[slotSystemInit]; c.rule.op != opNone && (slots[0].rule.op.uptime() || slots[1].rule.op.uptime()) {
		initLate = p.add(t, c, 0, false)
	}
	labelsLate := t.scattered(slots[slotLabel0:slotSegments])
	both := p.bothFamilies(slots)
	for i := range slots {
		if c := &slots[i]; c.rule.op != opNone && i != slotSystemInit {
			arg := uint8(0)
			if both&c.rule.field() != 0 {
				arg = argBothFamilies
			}
			p.add(t, c, arg, initLate && c.rule.op.uptime() || labelsLate && c.rule.op == opLabel)
		}
	}
	may := p.has
	for i := range p.late {
		may |= p.late[i].has
	}
	p.repeats = may == p.has && both == 0
	p.icmp = may&FieldProto != 0 && may&(FieldICMPType|FieldICMPCode) != 0
	p.extra = groupFields(t, p)
	return p
}

// scattered reports whether fields lie on both sides of one of variable length, or are of such a length themselves: then
// operations on them do not run in the order of their slots.
func (t *Template) scattered(fields []candidate) bool {
	seg := -1
	for i := range fields {
		if c := &fields[i]; c.rule.op != opNone {
			at := t.refs[c.field]
			if at.len == variableLength || seg >= 0 && int(at.seg) != seg {
				return true
			}
			seg = int(at.seg)
		}
	}
	return false
}

// bothFamilies gives the addresses for which fields of both families are there.
func (p *plan) bothFamilies(slots *[numSlots]candidate) (both FieldSet) {
	for i := slotNextHop6; i <= slotNATDst6; i++ {
		if r := &slots[i].rule; r.op != opNone {
			if field := r.field(); slots[slotOf(field)].rule.op != opNone {
				both |= field
			}
		}
	}
	return both
}

// add appends the operation of a field, and reports whether it must wait for the lengths of a record's fields.
func (p *plan) add(t *Template, c *candidate, arg uint8, late bool) bool {
	r, at := &c.rule, t.refs[c.field]
	if r.op == opReverse {
		p.has |= r.field()
		p.reverse[r.slot-slotOf(FieldReverseBytes)] = c.field
		p.used[c.field/64] |= 1 << (c.field % 64)
		return false
	}
	if r.op == opSampling {
		arg = r.slot - slotSamplingBase
	}
	p.labels = p.labels || r.op == opLabel
	if r.op != opSelector && r.op != opSampler && r.op != opSequence { // their number has no field in the Flow
		p.used[c.field/64] |= 1 << (c.field % 64)
	}
	if late || at.len == variableLength {
		p.late = append(p.late, lateOp{op: op{do: r.op, arg: arg}, at: at, rule: *r, has: r.field()})
		return true
	}
	p.has |= r.field()
	o := newOp(r.op, arg, int(at.off), int(at.len))
	if at.seg == 0 {
		p.fixed = append(p.fixed, o)
		return false
	}
	for i := range p.groups {
		if p.groups[i].seg == at.seg {
			p.groups[i].ops = append(p.groups[i].ops, o)
			return true
		}
	}
	p.groups = append(p.groups, group{at.seg, []op{o}})
	return true
}
