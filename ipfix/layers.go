package ipfix

// layers are the fields of a template with the addresses and protocols of packets, in the template's order.
type layers struct {
	srcs, dsts, protos []int
	tos, labels        []int
	version            int // field of the IP version, -1 if none
	v4, v6             bool
	lead               uint8 // family of the first address
}

// findLayers finds them.
func findLayers(t *Template) *layers {
	l := &layers{version: -1}
	for i := range t.Fields {
		f := &t.Fields[i]
		if f.PEN != enterpriseIANA || f.Len == variableLength || f.Len == 0 {
			continue
		}
		v4, v6 := false, false
		switch {
		case f.ID == idSrcV4 && f.Len == 4, f.ID == idSrcV6 && f.Len == 16:
			l.srcs = append(l.srcs, i)
			v4, v6 = f.ID == idSrcV4, f.ID == idSrcV6
		case f.ID == idDstV4 && f.Len == 4, f.ID == idDstV6 && f.Len == 16:
			l.dsts = append(l.dsts, i)
			v4, v6 = f.ID == idDstV4, f.ID == idDstV6
		case f.ID == idProtocol && f.Len <= 8:
			l.protos = append(l.protos, i)
		case f.ID == idTOS && f.Len <= 8:
			l.tos = append(l.tos, i)
		case f.ID == idFlowLabel && f.Len <= 8:
			l.labels = append(l.labels, i)
		case f.ID == idIPVersion && f.Len <= 8:
			l.version = i
		}
		if l.lead == 0 && (v4 || v6) {
			l.lead = t.familyOf(i)
		}
		l.v4, l.v6 = l.v4 || v4, l.v6 || v6
	}
	return l
}

// twoPackets reports whether the template carries an outer packet and an inner one: addresses and protocol twice. With one
// protocol only, addresses of both families are one packet's, in one or the other.
func (l *layers) twoPackets() bool { return len(l.srcs) > 1 && len(l.dsts) > 1 && len(l.protos) > 1 }

// tunnel puts the outer packet's fields into their slots.
func (l *layers) tunnel(t *Template, slots *[numSlots]candidate) {
	set := func(fields []int, field FieldSet, op opcode) {
		slot := slotOf(field)
		slots[slot] = candidate{rule{slot: slot, op: op}, fields[0]}
	}
	src, dst := opTunnelSrc4, opTunnelDst4
	if t.Fields[l.srcs[0]].ID == idSrcV6 {
		src = opTunnelSrc6
	}
	if t.Fields[l.dsts[0]].ID == idDstV6 {
		dst = opTunnelDst6
	}
	set(l.srcs, FieldTunnelSrc, src)
	set(l.dsts, FieldTunnelDst, dst)
	set(l.protos, FieldTunnelProto, opTunnelProto)
	if len(l.tos) > 1 {
		set(l.tos, FieldTunnelTOS, opTunnelTOS)
	}
	if len(l.labels) > 1 {
		set(l.labels, FieldTunnelLabel, opTunnelLabel)
	}
}

// planChoice is the plan of a template, or two and what decides between them for a record.
type planChoice struct {
	plan, other *plan
	decide      func(c *planChoice, rec []byte, spans []span) bool // true: other

	proto        ref // of the outer packet
	version      ref // IP version
	hasVersion   bool
	lead         uint8 // family whose addresses come first in the template
	ours, theirs []ref // addresses of plan and of other
}

// choose returns the plan for a measured record.
func (c *planChoice) choose(rec []byte, spans []span) *plan {
	if c.decide != nil && c.decide(c, rec, spans) {
		return c.other
	}
	return c.plan
}

// choosePlans compiles what a template needs.
func choosePlans(t *Template) planChoice {
	l := findLayers(t)
	switch {
	case l.twoPackets():
		return tunnelPlans(t, l)
	case l.v4 && l.v6:
		return familyPlans(t, l)
	case l.v4:
		return planChoice{plan: compile(t, planView{family: 4}, l)}
	case l.v6:
		return planChoice{plan: compile(t, planView{family: 6}, l)}
	}
	return planChoice{plan: compile(t, planView{}, l)}
}

// tunnelPlans compiles a template with two packets: the outer alone, or the inner as the flow and the outer as its tunnel.
func tunnelPlans(t *Template, l *layers) planChoice {
	src, dst := l.srcs[len(l.srcs)-1], l.dsts[len(l.dsts)-1]
	return planChoice{
		plan:   compile(t, planView{family: t.familyOf(l.srcs[0]), first: true}, l),
		other:  compile(t, planView{family: t.familyOf(src), innerStart: min(src, dst)}, l),
		decide: isTunnel,
		proto:  t.refs[l.protos[0]],
		theirs: []ref{t.refs[src], t.refs[dst]},
	}
}

// isTunnel reports whether the outer packet's protocol carries another IP packet, and the record has it.
func isTunnel(c *planChoice, rec []byte, spans []span) bool {
	return tunnels(number(c.proto.value(rec, spans))) && anySet(c.theirs, rec, spans)
}

// tunnels reports whether a protocol can have an IP packet inside that a router looks into. Ethernet (143) is not one of
// them: what routers put behind it in a record is not the inner packet.
func tunnels(proto uint64) bool {
	switch proto {
	case 4, 41, // IPv4 and IPv6
		17,  // VXLAN, GTP-U, Geneve
		47,  // GRE
		94,  // IP within IP
		115, // L2TPv3
		137: // MPLS in IP
		return true
	}
	return false
}

// familyPlans compiles a template with one packet whose addresses are in fields of both families.
func familyPlans(t *Template, l *layers) planChoice {
	c := planChoice{
		plan:   compile(t, planView{family: 6}, l),
		other:  compile(t, planView{family: 4}, l),
		decide: isV4,
		lead:   l.lead,
	}
	if l.version >= 0 {
		c.version, c.hasVersion = t.refs[l.version], true
	}
	for _, i := range append(append([]int(nil), l.srcs...), l.dsts...) {
		if t.familyOf(i) == 6 {
			c.ours = append(c.ours, t.refs[i])
		} else {
			c.theirs = append(c.theirs, t.refs[i])
		}
	}
	return c
}

// isV4 reports whether the record's packet is IPv4: by its version, else by the family that comes first in the template and
// has an address, else by the other.
func isV4(c *planChoice, rec []byte, spans []span) bool {
	if c.hasVersion {
		switch number(c.version.value(rec, spans)) {
		case 4:
			return true
		case 6:
			return false
		}
	}
	if c.lead == 6 && anySet(c.ours, rec, spans) {
		return false
	}
	return anySet(c.theirs, rec, spans)
}

// familyOf gives the family of an address field.
func (t *Template) familyOf(field int) uint8 {
	if id := t.Fields[field].ID; id == idSrcV6 || id == idDstV6 {
		return 6
	}
	return 4
}

// anySet reports whether one of the fields is not all zero.
func anySet(fields []ref, rec []byte, spans []span) bool {
	for _, r := range fields {
		for _, b := range r.value(rec, spans) {
			if b != 0 {
				return true
			}
		}
	}
	return false
}
