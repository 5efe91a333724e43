package ipfix

import (
	"bytes"
	"encoding/json"
	"reflect"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/vmware/go-ipfix/pkg/entities"
)

// seeds are messages that a decoder went wrong on, and whole ones.
func seeds(tb testing.TB) [][]byte {
	tb.Helper()
	setup, data := benchMessages(tb, benchFields50(false, true))
	return [][]byte{
		setup, data,
		// Templates without fields or octets, and data of them: an endless loop in go-ipfix's collector.
		append(buildMessage(tb, VersionIPFIX, 0, func(b *Builder) { b.Template(256); b.Set(256); b.Pad(8) }), 0),
		buildMessage(tb, VersionIPFIX, 0, func(b *Builder) { b.Template(256, fields(1, 0)...); b.Set(256); b.Pad(8) }),
		buildMessage(tb, VersionIPFIX, 0, func(b *Builder) { b.Withdraw(2, false); b.Withdraw(3, true) }),
		one(tb, VersionIPFIX, a(27, "2001:db8::1"), a(28, "2001:db8::2"), u(4, 1, 4), a(8, "192.0.2.1"), a(12, "192.0.2.2"), u(4, 1, 6), vary(497, sixteen(1)...)),
		one(tb, VersionNetFlow9, a(8, "192.0.2.1"), a(12, "192.0.2.2"), u(22, 4, 5), u(48, 1, 1)),
		optionsMessage(tb, VersionIPFIX, 0, 1, []hexField{u(149, 4, 7), u(160, 8, 1), vary(236, 'x')}),
		optionsMessage(tb, VersionNetFlow9, 0, 1, []hexField{u(2, 4, 7), text(82, 8, "e")}),
	}
}

// boundHandler checks every record against the message it came in.
type boundHandler struct {
	t     *testing.T
	limit int // octets of the longest message
}

func (h *boundHandler) Flow(f *Flow) {
	r := &f.Record
	if int(f.Position)+len(r.Octets()) > h.limit || len(r.Octets()) == 0 {
		h.t.Fatalf("record of %d octets at %d of a message of %d", len(r.Octets()), f.Position, h.limit)
	}
	h.check(r)
	if f.Options == nil || 16*len(f.SRv6Segments) > h.limit || len(f.MPLSLabels) > 10 || f.Src.Is4In6() || f.Dst.Is4In6() {
		h.t.Fatalf("flow %+v", f)
	}
}

// check adds up the octets of a record's fields.
func (h *boundHandler) check(r *Record) {
	octets := 0
	for i := range r.Len() {
		octets += len(r.Value(i))
		if r.Field(i).Variable() {
			octets++ // at least
		}
	}
	if octets > len(r.Octets()) {
		h.t.Fatalf("values of %d octets in a record of %d", octets, len(r.Octets()))
	}
}

// FuzzSession decodes two messages in one session. Its promise: records lie within their messages and have octets, what is
// kept stays within the quotas, and what is counted adds up.
func FuzzSession(f *testing.F) {
	all := seeds(f)
	for i, s := range all {
		f.Add(s, all[(i+1)%len(all)])
	}
	cfg := Config{MaxDomains: 2, MaxTemplates: 4, MaxFields: 64, MaxTotalFields: 128, MaxOptions: 8, HoldSets: 3, HoldBytes: 2000}
	f.Fuzz(func(t *testing.T, first, second []byte) {
		s := newTestSession(t, cfg)
		for i, msg := range [][]byte{first, second, first} {
			if len(msg) > 0xffff {
				return
			}
			given := bytes.Clone(msg)
			before := s.DataRecords + s.OptionsRecords
			var h Handler = &boundHandler{t, max(len(first), len(second))}
			if i > 0 {
				h = &batched{Handler: h}
			}
			_ = s.Decode(msg, export, h)
			if !bytes.Equal(msg, given) {
				t.Fatal("message changed")
			}
			if n := s.DataRecords + s.OptionsRecords - before; n > uint64(len(msg)+cfg.HoldBytes) {
				t.Fatalf("%d records of %d octets", n, len(msg))
			}
		}
		sets, octets := s.Held()
		if len(s.domains) > cfg.MaxDomains || s.tables.use.templates > cfg.MaxTemplates || s.tables.use.fields > cfg.MaxTotalFields ||
			sets > cfg.HoldSets || octets > cfg.HoldBytes || s.Tables().Len() > cfg.MaxOptions {
			t.Fatalf("beyond the quotas: %d templates, %d fields, %d sets of %d octets", s.tables.use.templates, s.tables.use.fields, sets, octets)
		}
		if s.UnknownSets != s.HeldSets+s.DroppedSets && s.UnknownSets > s.HeldSets+s.DroppedSets ||
			uint64(sets)+s.ReleasedSets > s.HeldSets {
			t.Fatalf("counters %+v, %d held", s.Counters, sets)
		}
		s.Expire(export + 1e18)
		if s.tables.use.templates+s.tables.use.fields != 0 || s.Tables().Len() != 0 {
			t.Fatalf("%d templates of %d fields, %d options left after all time", s.tables.use.templates, s.tables.use.fields, s.Tables().Len())
		}
	})
}

// FuzzRoundTrip makes up templates and records. Its promise: what was encoded is decoded, field by field, and a Flow is
// what its slow twin says.
func FuzzRoundTrip(f *testing.F) {
	f.Add([]byte{0, 3, 8, 4, 1, 192, 0, 2, 1})
	f.Add(bytes.Repeat([]byte{1, 39, 5, 2}, 100))
	f.Add(bytes.Repeat([]byte{8, 0, 200, 17, 31}, 60))
	f.Fuzz(func(t *testing.T, b []byte) { checkTwin(t, &source{b}) })
}

// watchTemplates keeps the templates it is shown.
type watchTemplates struct {
	boundHandler
	templates []*Template
}

func (w *watchTemplates) Message(*Header)                 {}
func (w *watchTemplates) Unknown(*Header, uint16, []byte) {}
func (w *watchTemplates) Options(_ *Header, r Record)     { w.check(&r) }
func (w *watchTemplates) Template(t *Template, change TemplateChange) {
	if change == TemplateLearnt || change == TemplateChanged {
		w.templates = append(w.templates, t)
	}
}

// FuzzTemplateSet decodes the body of a template set. Its promise: templates have no more fields than octets could hold, their
// records have octets, and written again by a Builder they are decoded as they were.
func FuzzTemplateSet(f *testing.F) {
	for _, msg := range seeds(f) {
		for options := range 2 {
			f.Add(uint8(options), msg[20:])
		}
	}
	f.Add(uint8(0), []byte{1, 0, 255, 255, 0, 1, 0, 4})
	f.Add(uint8(0), []byte{1, 0, 0, 0, 1, 0, 0, 1, 0, 1, 0, 0, 0, 2, 0, 0})
	f.Add(uint8(1), []byte{1, 0, 0, 2, 0, 1, 128, 1, 0, 4, 0, 0, 7, 219, 0, 1, 255, 255})
	f.Add(uint8(3), []byte{1, 0, 0, 4, 0, 4, 0, 1, 0, 4, 0, 34, 0, 4})
	f.Fuzz(func(t *testing.T, kind uint8, set []byte) {
		if len(set) > 60000 {
			return
		}
		version, options := uint16(VersionIPFIX), kind&1 > 0
		if kind&2 > 0 {
			version = VersionNetFlow9
		}
		w := &watchTemplates{boundHandler: boundHandler{t, 0xffff}}
		_ = newTestSession(t, Config{MaxFields: 20000}).Decode(buildMessage(t, version, 0, func(b *Builder) {
			b.version = version
			b.Set(b.templateSet(options))
			b.Octets(set)
		}), export, w)
		octets := 0
		for _, tpl := range w.templates {
			octets += 4 * len(tpl.Fields)
			if tpl.minLen < 1 || tpl.minLen > 0xffff || len(tpl.refs) != len(tpl.Fields) || tpl.Options != options {
				t.Fatalf("got %+v", tpl)
			}
			if version == VersionNetFlow9 && options {
				continue // scope types are not kept
			}
			again := &watchTemplates{boundHandler: boundHandler{t, 0xffff}}
			msg := buildMessage(t, version, 0, func(b *Builder) { rebuild(b, tpl) })
			if err := newTestSession(t, Config{MaxFields: 20000}).Decode(msg, export, again); err != nil {
				t.Fatal(err)
			}
			if len(again.templates) != 1 || !reflect.DeepEqual(again.templates[0].Fields, tpl.Fields) {
				t.Fatalf("got %+v, want %+v", again.templates, tpl)
			}
		}
		if octets > len(set) {
			t.Fatalf("fields of %d octets in %d", octets, len(set))
		}
	})
}

// rebuild writes a template.
func rebuild(b *Builder, t *Template) {
	if t.Options {
		b.OptionsTemplate(t.ID, t.Fields...)
	} else {
		b.Template(t.ID, t.Fields...)
	}
}

// FuzzOptions decodes an options template of made-up fields and records of made-up octets. Its promise: no flow, entries within
// the quota, texts that a record can carry, and the same entries from the same message again.
func FuzzOptions(f *testing.F) {
	f.Add(uint8(1), []byte{234, 4, 236, 8, 90, 8}, []byte("\x00\x00\x00\x05A2\x00\x00\x00\x00\x00\x00\x00\x02\xfb\xf0\x00\x36\x00\x0e"))
	f.Add(uint8(2), []byte{10, 4, 14, 4, 82, 255, 83, 255}, []byte("\x00\x00\x00\x05\x00\x00\x00\x06\x02et\x01\xff"))
	f.Add(uint8(0), []byte{34, 4, 35, 1, 48, 1, 50, 4, 160, 8}, bytes.Repeat([]byte{0, 0, 0, 1}, 12))
	f.Add(uint8(1), []byte{149, 4, 130, 4, 131, 16}, bytes.Repeat([]byte{1}, 48))
	f.Fuzz(func(t *testing.T, scopes uint8, spec, data []byte) {
		if len(data) > 5000 || len(spec) > 200 {
			return
		}
		cfg := Config{MaxOptions: 16, MaxDomains: 4}
		s := newTestSession(t, cfg)
		msg := buildMessage(t, VersionIPFIX, 0, func(b *Builder) {
			var fields []Field
			for i := 0; i+1 < len(spec); i += 2 {
				n := uint16(spec[i+1])
				if n == 255 {
					n = variableLength
				}
				id := uint16(spec[i])
				if id >= 240 { // selectors are further up
					id = 302 + (id-240)%16
				}
				fields = append(fields, Field{ID: id, Len: n, Scope: i/2 < int(scopes)})
			}
			b.OptionsTemplate(400, fields...)
			b.Set(400)
			b.Octets(data)
		})
		k := &keepFlows{}
		_ = s.Decode(msg, export, k)
		first := tablesOf(s.Tables())
		_ = s.Decode(msg, export, k)
		if len(k.flows) > 0 || s.Tables().Len() > cfg.MaxOptions || len(s.Tables().domains) > cfg.MaxDomains+1 {
			t.Fatalf("%d flows, %d entries, %d domains", len(k.flows), s.Tables().Len(), len(s.Tables().domains))
		}
		if second := tablesOf(s.Tables()); s.Tables().Refused == 0 && !reflect.DeepEqual(first, second) {
			t.Fatalf("got %+v, then %+v", first, second)
		}
		for _, o := range s.Tables().All() {
			for _, v := range o.IngressVRFs {
				checkText(t, v.Name)
			}
			for _, v := range o.Interfaces {
				checkText(t, v.Name)
				checkText(t, v.Description)
			}
		}
	})
}

// checkText fails unless a text is short UTF-8 without zeros.
func checkText(t *testing.T, s string) {
	t.Helper()
	if len(s) > 3*maxText || !utf8.ValidString(s) || strings.ContainsRune(s, 0) {
		t.Fatalf("text %q", s)
	}
}

// FuzzNetFlow9 decodes messages as version 9. Its promise is FuzzSession's, and that nothing is taken for what only IPFIX has.
func FuzzNetFlow9(f *testing.F) {
	for _, msg := range seeds(f) {
		f.Add(uint32(1000), msg[16:])
	}
	f.Add(uint32(5), []byte{0, 0, 0, 16, 1, 0, 0, 2, 0, 22, 0, 4, 0, 21, 0, 4, 1, 0, 0, 12, 0, 0, 0, 1, 0, 0, 0, 2})
	f.Fuzz(func(t *testing.T, uptime uint32, sets []byte) {
		if len(sets) > 60000 {
			return
		}
		var b Builder
		b.Begin(nil, Header{Version: VersionNetFlow9, ExportTime: export, Uptime: uptime, Domain: 1})
		b.Octets(sets)
		msg := finish(t, &b)
		s := newTestSession(t, Config{MaxTemplates: 8, MaxFields: 64})
		for range 2 {
			_ = s.Decode(msg, export, &boundHandler{t, len(msg)})
		}
		if s.tables.use.templates > 8 || s.Messages != 2 || s.MessagesV9 != 2 || s.TemplatesWithdrawn > 0 {
			t.Fatalf("counters %+v", s.Counters)
		}
	})
}

// FuzzState restores saved state with a right sum. Its promise: an error, or a session within its quotas that saves what it restored.
func FuzzState(f *testing.F) {
	s := stateSessionOf(f)
	for _, state := range [][]byte{s.AppendState(nil, ScopeLive), s.AppendState(nil, ScopeTemplates), s.Tables().AppendState(nil)} {
		payload, _, err := openState(state, state[3])
		if err != nil {
			f.Fatal(err)
		}
		f.Add(payload)
	}
	f.Fuzz(func(t *testing.T, payload []byte) {
		cfg := Config{MaxTemplates: 4, MaxDomains: 4, MaxOptions: 8, HoldSets: 4}
		m, _ := NewModel()
		got, again := NewSession(m, cfg, nil), NewSession(m, cfg, nil)
		w := beginState(nil, stateSession)
		w.b = payload
		if _, err := got.RestoreState(w.end()); err == nil {
			if _, err := again.RestoreState(got.AppendState(nil, ScopeLive)); err != nil || !reflect.DeepEqual(templatesOf(got), templatesOf(again)) {
				t.Fatalf("got %v, then %v, %v", templatesOf(got), templatesOf(again), err)
			}
		}
		w = beginState(nil, stateTables)
		w.b = payload
		if _, err := got.Tables().RestoreState(w.end()); err == nil {
			if _, err := again.Tables().RestoreState(got.Tables().AppendState(nil)); err != nil || !reflect.DeepEqual(tablesOf(got.Tables()), tablesOf(again.Tables())) {
				t.Fatalf("got %+v, then %+v, %v", tablesOf(got.Tables()), tablesOf(again.Tables()), err)
			}
		}
		if sets, _ := got.Held(); got.tables.use.templates > 4 || len(got.domains) > 4 || got.Tables().Len() > 8 || sets > 4 {
			t.Fatalf("%d templates, %d domains, %d entries, %d sets", got.tables.use.templates, len(got.domains), got.Tables().Len(), sets)
		}
	})
}

// FuzzValue appends values of every type. Its promise: JSON that is not out of proportion, and go-ipfix is not given what it
// crashes on.
func FuzzValue(f *testing.F) {
	for typ := range uint8(entities.SubTemplateMultiList) + 1 {
		f.Add(typ, []byte{3, 1, 44, 0, 80, 1, 'a', 9})
	}
	f.Add(uint8(unsigned256), []byte{1})
	f.Add(uint8(entities.BasicList), []byte{3, 1, 35, 0, 5, 3, 0, 7, 0, 2})
	f.Fuzz(func(t *testing.T, typ uint8, v []byte) {
		if len(v) > 2000 {
			return
		}
		s := newTestSession(t, Config{})
		decode(t, s, buildMessage(t, VersionIPFIX, 0, func(b *Builder) {
			b.Template(300, Field{ID: 7, Len: 2}, Field{ID: 82, Len: variableLength}, Field{ID: 291, Len: variableLength}, Field{ID: 4, Len: 0})
		}))
		tpl := &Template{ID: 1, Version: VersionIPFIX, Fields: []Field{{ID: 1, Len: uint16(len(v)), Type: entities.IEDataType(typ)}}}
		if tpl.layout() != nil {
			return
		}
		r := &Record{Template: tpl, data: v, domain: s.domains[domainKey{VersionIPFIX, 7}]}
		out := r.AppendValue(nil, 0)
		if !json.Valid(out) || len(out) > 200+120*len(v) {
			t.Fatalf("%d octets of %d: %s", len(out), len(v), out)
		}
		if _, err := r.Element(0); err != nil && typ <= uint8(entities.SubTemplateMultiList) {
			t.Fatal(err)
		}
	})
}
