package ipfix

import (
	"fmt"
	"math"
	"net/netip"
	"slices"
)

// FlowWriter writes flows that a handler has kept, as Clone copies them, for another process that goes on with them. A template is
// written once, with the first flow that has it. The zero FlowWriter is ready for use.
type FlowWriter struct {
	templates map[*Template]uint64
}

// Append appends a flow.
func (w *FlowWriter) Append(dst []byte, f *Flow) []byte {
	t := f.Record.Template
	n, known := w.templates[t]
	if !known {
		if w.templates == nil {
			w.templates = make(map[*Template]uint64)
		}
		n = uint64(len(w.templates))
		w.templates[t] = n
	}
	s := stateWriter{b: dst}
	s.uint(n)
	if !known {
		s.uint(uint64(t.Version))
		s.uint(uint64(t.Domain))
		s.bool(t.Options)
		s.int(t.seen)
		s.octets(t.raw)
	}
	f.walk(&flowCodec{w: &s})
	s.octets(f.Record.data)
	return s.b
}

// FlowReader reads what a FlowWriter wrote, in the same order. The zero FlowReader is ready for use.
type FlowReader struct {
	templates []*Template
}

// Next reads the flow at the start of b, which then belongs to a session: its domain's option tables are the flow's. It returns what
// follows. The error wraps ErrState, or ErrQuota when the session has too many domains.
func (r *FlowReader) Next(s *Session, b []byte) (f *Flow, rest []byte, err error) {
	sr := stateReader{b: b}
	t, err := r.template(s, &sr)
	if err != nil {
		return nil, b, err
	}
	f = new(Flow)
	f.walk(&flowCodec{r: &sr})
	data := slices.Clone(sr.octets())
	if sr.failed {
		return nil, b, fmt.Errorf("flow: %w", ErrState)
	}
	spans := make([]span, len(t.gaps))
	if n, err := t.measure(data, spans); err != nil || n != len(data) || t.Options {
		return nil, b, fmt.Errorf("record of template %d: %w", t.ID, ErrState)
	}
	d := s.domain(domainKey{t.Version, t.Domain})
	if d == nil {
		return nil, b, fmt.Errorf("observation domain %d: %w", t.Domain, ErrQuota)
	}
	f.Version, f.TemplateID, f.Domain, f.Options = t.Version, t.ID, t.Domain, d.options
	f.Record = Record{Template: t, plan: t.plans.choose(data, spans), data: data, spans: spans, domain: d}
	return f, sr.b, nil
}

func (r *FlowReader) template(s *Session, sr *stateReader) (*Template, error) {
	n := sr.uint(math.MaxInt32)
	if sr.failed || n > uint64(len(r.templates)) {
		return nil, fmt.Errorf("template of a flow: %w", ErrState)
	}
	if n < uint64(len(r.templates)) {
		return r.templates[n], nil
	}
	key := domainKey{uint16(sr.uint(math.MaxUint16)), uint32(sr.uint(math.MaxUint32))}
	kind := templateKind{key.version, sr.bool()}
	seen, raw := sr.int(), sr.octets()
	if sr.failed || len(raw) < 4 || !key.known() {
		return nil, fmt.Errorf("template of a flow: %w", ErrState)
	}
	spec, err := parseTemplateSpec(raw, kind)
	if err != nil || len(spec.raw) != len(raw) || spec.id < minTemplateID || spec.count == 0 || spec.count > s.cfg.MaxFields {
		return nil, fmt.Errorf("template %d of a flow: %w", spec.id, ErrState)
	}
	t, err := newTemplate(spec, kind, key.id, s.model)
	if err != nil {
		return nil, fmt.Errorf("template %d of a flow: %w", spec.id, ErrState)
	}
	t.seen = seen
	r.templates = append(r.templates, t)
	return t, nil
}

// flowCodec writes or reads fields: one walk over a flow does for both, so that they cannot differ.
type flowCodec struct {
	w *stateWriter // nil: reads
	r *stateReader
}

// walk goes over the fields that are not the template's or the record's.
func (f *Flow) walk(c *flowCodec) {
	codeNumber(c, &f.Has, math.MaxUint64)
	for _, v := range [...]*int64{&f.ExportTime, &f.Start, &f.End} {
		c.time(v)
	}
	for _, v := range [...]*uint64{&f.Bytes, &f.Packets, &f.RD} {
		codeNumber(c, v, math.MaxUint64)
	}
	for _, v := range [...]*netip.Addr{&f.Src, &f.Dst, &f.TunnelSrc, &f.TunnelDst, &f.NATSrc, &f.NATDst, &f.NextHop, &f.BGPNextHop} {
		c.addr(v)
	}
	for _, v := range [...]*uint32{
		&f.Sequence, &f.Position, &f.SamplingRate, &f.InIf, &f.OutIf, &f.IngressVRF, &f.EgressVRF, &f.SrcAS, &f.DstAS,
		&f.FlowLabel, &f.TunnelLabel, &f.Forwarding,
	} {
		codeNumber(c, v, math.MaxUint32)
	}
	for _, v := range [...]*uint16{
		&f.SrcPort, &f.DstPort, &f.NATSrcPort, &f.NATDstPort, &f.EtherType, &f.TCPFlags, &f.SrcVLAN, &f.DstVLAN,
	} {
		codeNumber(c, v, math.MaxUint16)
	}
	for _, v := range [...]*uint8{
		&f.Proto, &f.TunnelProto, &f.IPVersion, &f.TOS, &f.TunnelTOS, &f.TTL, &f.ICMPType, &f.ICMPCode, &f.CoS, &f.MPLSTopType,
		&f.NATEvent, &f.EndReason, &f.Direction, &f.SrcMask, &f.DstMask,
	} {
		codeNumber(c, v, math.MaxUint8)
	}
	for _, mac := range [...]*[6]byte{&f.SrcMAC, &f.DstMAC} {
		for i := range mac {
			codeNumber(c, &mac[i], math.MaxUint8)
		}
	}
	codeList(c, &f.MPLSLabels, func(v *uint32) { codeNumber(c, v, math.MaxUint32) })
	codeList(c, &f.SRv6Segments, c.addr)
}

func codeNumber[T ~uint8 | ~uint16 | ~uint32 | ~uint64](c *flowCodec, v *T, limit uint64) {
	if c.w != nil {
		c.w.uint(uint64(*v))
		return
	}
	*v = T(c.r.uint(limit))
}

func codeList[T any](c *flowCodec, v *[]T, each func(*T)) {
	n := len(*v)
	if c.w != nil {
		c.w.uint(uint64(n))
	} else if n = c.r.count(); n > 0 {
		*v = make([]T, n)
	}
	for i := range n {
		each(&(*v)[i])
	}
}

func (c *flowCodec) time(v *int64) {
	if c.w != nil {
		c.w.int(*v)
		return
	}
	*v = c.r.int()
}

func (c *flowCodec) addr(v *netip.Addr) {
	if c.w != nil {
		c.w.octets(v.AsSlice())
		return
	}
	if b := c.r.octets(); len(b) > 0 {
		var ok bool
		if *v, ok = netip.AddrFromSlice(b); !ok {
			c.r.fail()
		}
	}
}

// Decoded reports whether a kept flow is of this session.
func (s *Session) Decoded(f *Flow) bool {
	d := f.Record.domain
	return d != nil && s.domains[d.key] == d
}
