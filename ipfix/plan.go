package ipfix

// op is an operation on a field at a fixed place in the record.
type op struct {
	do  opcode
	arg uint8
	off uint16
	len uint16
}

// lateOp is an operation on a field of variable length or behind one.
type lateOp struct {
	op
	at   ref
	rule rule
	has  FieldSet
}

// plan fills a Flow from a record of one template.
type plan struct {
	fixed []op
	late  []lateOp
	has   FieldSet // what the fixed operations set, whatever the record holds
	used  []uint64 // bit per field of the template that the plan reads into a field of the Flow

	labels  bool // has opLabel
	rates   bool // has opSampling, opSelector or opSampler
	icmp    bool // has type or code and the protocol to tell whether they mean something
	uptimes bool // has times relative to the start of the system
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
			if !r.fits(f.Len) || r.family != 0 && v.family != 0 && r.family != v.family || r.inner && i < v.innerStart {
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
	case n == variableLength:
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
		initLate = p.add(t, c, false)
	}
	for i := range slots {
		if c := &slots[i]; c.rule.op != opNone && i != slotSystemInit {
			p.add(t, c, initLate && c.rule.op.uptime())
		}
	}
	const icmp = FieldICMPType | FieldICMPCode
	p.icmp = slots[slotOf(FieldProto)].rule.op != opNone && p.mayHave()&icmp != 0
	return p
}

// mayHave gives what the plan can set.
func (p *plan) mayHave() FieldSet {
	has := p.has
	for i := range p.late {
		has |= p.late[i].has
	}
	return has
}

// add appends the operation of a field, among the late ones when it must or is told to, which it reports.
func (p *plan) add(t *Template, c *candidate, late bool) bool {
	r, at := &c.rule, t.refs[c.field]
	o := op{do: r.op, off: at.off, len: at.len}
	switch r.op {
	case opSampling:
		o.arg, p.rates = r.slot-slotSamplingBase, true
	case opSelector, opSampler:
		p.rates = true
	case opLabel:
		p.labels = true
	}
	p.uptimes = p.uptimes || r.op.uptime()
	if r.op != opSelector && r.op != opSampler {
		p.used[c.field/64] |= 1 << (c.field % 64)
	}
	if late || at.seg > 0 || at.len == variableLength {
		p.late = append(p.late, lateOp{op: o, at: at, rule: *r, has: r.field()})
		return true
	}
	p.fixed = append(p.fixed, o)
	p.has |= r.field()
	return false
}
