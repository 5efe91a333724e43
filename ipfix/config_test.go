package ipfix

import (
	"testing"
)

func TestQuotas(t *testing.T) {
	learn := func(s *Session, domain uint32, id uint16, f ...Field) {
		var b Builder
		b.Begin(nil, Header{Version: VersionIPFIX, ExportTime: export, Domain: domain})
		b.Template(id, f...)
		b.Set(id)
		for _, f := range f {
			b.Uint(1, int(f.Len))
		}
		_ = s.Decode(finish(t, &b), export, &keepFlows{})
	}
	t.Run("templates", func(t *testing.T) {
		s := newTestSession(t, Config{MaxTemplates: 2})
		for id := range uint16(4) {
			learn(s, uint32(id), 256+id, fields(1, 4)...)
		}
		learn(s, 0, 256, fields(1, 8)...) // in place of another
		if s.TemplatesRefused != 2 || s.DataRecords != 3 || s.TemplatesChanged != 1 {
			t.Errorf("counters %+v", s.Counters)
		}
	})
	t.Run("fields of a template", func(t *testing.T) {
		s := newTestSession(t, Config{MaxFields: 2})
		learn(s, 0, 256, fields(1, 4, 2, 4, 3, 4)...)
		learn(s, 0, 257, fields(1, 4, 2, 4)...)
		if s.TemplatesRefused != 1 || s.TemplatesLearnt != 1 {
			t.Errorf("counters %+v", s.Counters)
		}
	})
	t.Run("fields of all", func(t *testing.T) {
		s := newTestSession(t, Config{MaxTotalFields: 4})
		learn(s, 0, 256, fields(1, 4, 2, 4, 3, 4)...)
		learn(s, 0, 257, fields(1, 4, 2, 4)...)
		learn(s, 0, 256, fields(1, 4, 2, 4)...)
		learn(s, 0, 257, fields(1, 4, 2, 4)...)
		if s.TemplatesRefused != 1 || s.tables.use.fields != 4 || s.tables.use.templates != 2 {
			t.Errorf("%d fields, counters %+v", s.tables.use.fields, s.Counters)
		}
	})
	t.Run("domains", func(t *testing.T) {
		s := newTestSession(t, Config{MaxDomains: 2})
		for d := range uint32(3) {
			learn(s, d, 256, fields(1, 4)...)
		}
		if s.DomainsRefused != 1 || s.DataRecords != 2 {
			t.Errorf("counters %+v", s.Counters)
		}
	})
	t.Run("options", func(t *testing.T) {
		s := newTestSession(t, Config{MaxOptions: 3})
		decode(t, s, buildMessage(t, VersionIPFIX, 0, func(b *Builder) {
			b.OptionsTemplate(256, Field{ID: 10, Len: 4, Scope: true}, Field{ID: 82, Len: 4})
			b.Set(256)
			for i := range 5 {
				b.Uint(uint64(i), 4)
				b.Text("old", 4)
			}
			b.Uint(1, 4)
			b.Text("new", 4)
		}))
		if n, refused := s.Tables().Len(), s.Tables().Refused; n != 3 || refused != 2 {
			t.Errorf("%d entries, %d refused", n, refused)
		}
		if i, _ := s.Tables().Domain(7).Interface(1); i.Name != "new" {
			t.Errorf("got %+v", i)
		}
	})
	t.Run("a definition that is refused outdates the one before", func(t *testing.T) {
		s := newTestSession(t, Config{MaxFields: 2})
		learn(s, 0, 256, fields(1, 4)...)
		learn(s, 0, 256, fields(1, 4, 2, 4, 3, 4)...)
		if s.DataRecords != 1 || s.UnknownSets != 1 || s.tables.use != (usage{heldSets: 1, heldBytes: s.held.bytes}) {
			t.Errorf("counters %+v, in use %+v", s.Counters, s.tables.use)
		}
	})
}

// TestQuotasAreTheDevices has two sessions on one device's tables: what one keeps the other cannot.
func TestQuotasAreTheDevices(t *testing.T) {
	cfg := Config{MaxTemplates: 2, HoldSets: 2}
	a := newTestSession(t, cfg)
	b := NewSession(a.model, cfg, a.Tables())
	message := func(id uint16) []byte {
		return buildMessage(t, VersionIPFIX, 0, func(b *Builder) {
			b.Template(id, fields(1, 4)...)
			b.Set(id + 1000)
			b.Uint(1, 4)
		})
	}
	decode(t, a, message(256), message(257))
	_ = b.Decode(message(256), export, &keepFlows{})
	if b.TemplatesRefused != 1 || b.DroppedSets != 1 || a.HeldSets != 2 {
		t.Errorf("the second has %+v", b.Counters)
	}
	a.End()
	if a.EndedSets != 2 || a.tables.use != (usage{}) {
		t.Errorf("after the end of the first: %+v, counters %+v", a.tables.use, a.Counters)
	}
	decode(t, b, message(256), message(257))
	if b.TemplatesLearnt != 2 || b.HeldSets != 2 {
		t.Errorf("the second has %+v", b.Counters)
	}
}
