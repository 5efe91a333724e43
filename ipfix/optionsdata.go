package ipfix

import (
	"net/netip"
	"slices"
	"strings"
	"time"
	"unicode/utf8"
)

// maxText bounds a name that is kept from options data, in octets.
const maxText = 255

// optionsRecord is what one options record says, as far as the tables have a place for it.
type optionsRecord struct {
	ingressVRF, egressVRF uint64
	inIf, outIf, domain   uint64
	systemInit            uint64
	active, idle          uint64
	hasIngress, hasEgress bool
	hasIn, hasOut         bool
	hasDomain             bool
	scopedIf              bool // the record is about an interface

	algorithm               uint64
	rd                      uint64
	hasRD                   bool
	vrfName, ifName, ifDesc []byte
	samplerName             []byte
	selectorName            []byte
	exporter                netip.Addr
	sampling                samplingParams
	selectors               [maxSelectors]uint64 // in order
	numSelectors            int
}

// maxSelectors bounds the selectors of a selection sequence that are kept.
const maxSelectors = 8

// readOptions reads a measured options record. Of an element that occurs twice, as the scope and again as an option, the
// first occurrence counts.
func readOptions(t *Template, rec []byte, spans []span) optionsRecord {
	var o optionsRecord
	first := func(dst *uint64, has *bool, v []byte) {
		if !*has && len(v) > 0 && len(v) <= 8 {
			*dst, *has = number(v), true
		}
	}
	for i := range t.Fields {
		f := &t.Fields[i]
		if f.PEN != enterpriseIANA {
			continue
		}
		v := t.refs[i].value(rec, spans)
		switch f.ID {
		case idIngressVRF:
			first(&o.ingressVRF, &o.hasIngress, v)
		case idEgressVRF:
			first(&o.egressVRF, &o.hasEgress, v)
		case idIngressInterface:
			first(&o.inIf, &o.hasIn, v)
			o.scopedIf = o.scopedIf || f.Scope
		case idEgressInterface:
			first(&o.outIf, &o.hasOut, v)
		case idDomain:
			if f.Scope {
				first(&o.domain, &o.hasDomain, v)
			}
		case idRD:
			if len(v) == 8 {
				first(&o.rd, &o.hasRD, v)
			}
		default:
			o.readValue(f, v)
		}
	}
	return o
}

// readValue reads a field that is no key of a table.
func (o *optionsRecord) readValue(f *Field, v []byte) {
	text := func(dst *[]byte) {
		if *dst == nil {
			*dst = trimText(v)
		}
	}
	switch f.ID {
	case idVRFName:
		text(&o.vrfName)
	case idInterfaceName:
		text(&o.ifName)
	case idInterfaceDesc:
		text(&o.ifDesc)
	case idSamplerName:
		text(&o.samplerName)
	case idSelectorName:
		text(&o.selectorName)
	case idExporterV4:
		if len(v) == 4 {
			o.exporter = netip.AddrFrom4([4]byte(v))
		}
	case idExporterV6:
		if len(v) == 16 && !o.exporter.IsValid() {
			o.exporter = netip.AddrFrom16([16]byte(v)).Unmap()
		}
	default:
		if len(v) > 0 && len(v) <= 8 {
			o.readNumber(f.ID, v)
		}
	}
}

// readNumber reads a field that is a number.
func (o *optionsRecord) readNumber(id uint16, v []byte) {
	n := number(v)
	switch id {
	case idSystemInit:
		o.systemInit = n
	case idActiveTimeout:
		o.active = n
	case idIdleTimeout:
		o.idle = n
	case idSelectionSequence:
		if !o.sampling.hasSequence {
			o.sampling.sequence, o.sampling.hasSequence = n, true
		}
	case idSelector:
		if o.numSelectors < maxSelectors {
			o.selectors[o.numSelectors] = n
			o.numSelectors++
		}
		if !o.sampling.hasSelector {
			o.sampling.selector, o.sampling.hasSelector = n, true
		}
	case idSamplerID:
		if !o.sampling.hasSampler {
			o.sampling.sampler, o.sampling.hasSampler = n, true
		}
	case idSamplingAlgorithm, idSamplerMode:
		if o.algorithm == 0 {
			o.algorithm = n
		}
	}
	for i, param := range samplingElements {
		if param == id {
			o.sampling.set(uint8(i), n, len(v))
		}
	}
	if id == idSelectorAlgorithm {
		o.algorithm = n
	}
}

// apply takes an options record into the tables of a domain, or of the domain that it is about.
func (t *Tables) apply(domain uint32, r *optionsRecord, told Told) {
	if r.hasDomain {
		domain = uint32(r.domain)
	}
	o := t.Domain(domain)
	o.applyVRFs(r, told)
	if r.ifName != nil || r.ifDesc != nil {
		for _, k := range [...]struct {
			id  uint64
			has bool
		}{{r.inIf, r.hasIn}, {r.outIf, r.hasOut}} {
			if k.has {
				update(o, &o.Interfaces, uint32(k.id), func(v *Interface) bool {
					v.Told = told
					name, desc := setText(&v.Name, r.ifName), setText(&v.Description, r.ifDesc)
					return name || desc
				})
			}
		}
	}
	o.applySampling(r, told)
	if o.applyExporter(r) {
		o.About = told
	}
}

// applyExporter takes what a record says of the exporter as a whole, and reports whether it says something.
func (o *Options) applyExporter(r *optionsRecord) (told bool) {
	init, exporter, active, idle := o.SystemInit, o.Exporter, o.ActiveTimeout, o.IdleTimeout
	if ns := fromMillis(r.systemInit); ns > 0 {
		o.SystemInit, told = ns, true
	}
	if r.exporter.IsValid() && !r.exporter.IsUnspecified() {
		o.Exporter, told = r.exporter, true
	}
	if r.active > 0 && r.active <= 0xffff {
		o.ActiveTimeout, told = time.Duration(r.active)*time.Second, true
	}
	if r.idle > 0 && r.idle <= 0xffff {
		o.IdleTimeout, told = time.Duration(r.idle)*time.Second, true
	}
	if init != o.SystemInit || exporter != o.Exporter || active != o.ActiveTimeout || idle != o.IdleTimeout {
		o.tables.Changed++
	}
	return told
}

// applyVRFs takes what a record says of VRFs.
func (o *Options) applyVRFs(r *optionsRecord, told Told) {
	if r.vrfName == nil && !r.hasRD {
		return
	}
	set := func(v *VRF) bool {
		v.Told = told
		changed := setText(&v.Name, r.vrfName)
		if r.hasRD {
			changed = changed || !v.HasRD || v.RD != r.rd
			v.RD, v.HasRD = r.rd, true
		}
		o.namesDefault = o.namesDefault || v.isDefault()
		return changed
	}
	if r.hasIngress {
		update(o, &o.IngressVRFs, uint32(r.ingressVRF), set)
	}
	if r.hasEgress {
		update(o, &o.EgressVRFs, uint32(r.egressVRF), set)
	}
}

// applySampling takes what a record says of sampling: for a selector, for a sampler, for an interface, or for all.
func (o *Options) applySampling(r *optionsRecord, told Told) {
	p := &r.sampling
	if p.hasSequence && r.numSelectors > 0 {
		o.applySequence(p.sequence, r.selectors[:r.numSelectors], told)
	}
	if p.has == 0 {
		return
	}
	name := r.selectorName
	if len(name) == 0 {
		name = r.samplerName
	}
	set := func(v *Sampling) bool {
		rate, algorithm := p.rate(), uint16(r.algorithm)
		changed := v.Rate != rate || v.Algorithm != algorithm
		v.Rate, v.Algorithm, v.Told = rate, algorithm, told
		return setText(&v.Name, name) || changed
	}
	o.changes++
	switch {
	case p.hasSelector || p.hasSampler:
		if p.hasSelector {
			update(o, &o.Selectors, p.selector, set)
		}
		if p.hasSampler {
			update(o, &o.Samplers, p.sampler, set)
		}
	case r.scopedIf && r.hasIn:
		update(o, &o.PerIf, uint32(r.inIf), set)
	default:
		if set(&o.Default) {
			o.tables.Changed++
		}
	}
}

// applySequence takes what a record says of a selection sequence.
func (o *Options) applySequence(id uint64, selectors []uint64, told Told) {
	o.changes++
	update(o, &o.Sequences, id, func(v *SelectionSequence) bool {
		v.Told = told
		if slices.Equal(v.Selectors, selectors) {
			return false
		}
		v.Selectors = slices.Clone(selectors)
		return true
	})
}

// update changes an entry of a table, or makes one if there is room. Set reports whether it says something else than before.
func update[K comparable, V any](o *Options, table *map[K]V, key K, set func(*V) bool) {
	v, known := (*table)[key]
	if !known {
		if o.tables.entries >= o.tables.cfg.MaxOptions {
			o.tables.Refused++
			return
		}
		if *table == nil {
			*table = make(map[K]V)
		}
		o.tables.entries++
	}
	if set(&v) || !known {
		o.tables.Changed++
	}
	(*table)[key] = v
}

// setText sets a kept text from octets on the wire, nil for none, and reports whether it changed; only then it allocates.
func setText(dst *string, v []byte) bool {
	if v == nil || *dst == string(v) {
		return false
	}
	text := strings.ToValidUTF8(string(v), "\uFFFD")
	changed := *dst != text
	*dst = text
	return changed
}

// trimText cuts a text at its first NUL, of blanks around it, and to a length that is kept. It is never nil.
func trimText(v []byte) []byte {
	if v == nil {
		v = []byte{}
	}
	end := len(v)
	for i, b := range v {
		if b == 0 {
			end = i
			break
		}
	}
	end = min(end, maxText)
	v = v[:end]
	for len(v) > 0 && (v[len(v)-1] == ' ' || v[len(v)-1] == '\t') {
		v = v[:len(v)-1]
	}
	for len(v) > 0 && v[0] == ' ' {
		v = v[1:]
	}
	for i := 0; i < utf8.UTFMax-1 && end == maxText && len(v) > 0 && !utf8.Valid(v); i++ {
		v = v[:len(v)-1]
	}
	return v
}
