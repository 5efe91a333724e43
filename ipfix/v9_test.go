package ipfix

import (
	"errors"
	"slices"
	"testing"
)

func TestNetFlow9(t *testing.T) {
	s := newTestSession(t, Config{})
	flows := decode(t, s, buildMessage(t, VersionNetFlow9, 0, func(b *Builder) {
		b.Template(256, fields(8, 4, 12, 4, 1, 4, 2, 4, 22, 4, 21, 4, 48, 1, 89, 1)...)
		b.OptionsTemplate(257, Field{ID: 1, Len: 4, Scope: true}, Field{ID: 48, Len: 1}, Field{ID: 49, Len: 1}, Field{ID: 50, Len: 4})
		b.Pad(2)
		b.Set(257)
		b.Uint(1, 4) // system
		b.Uint(3, 1)
		b.Uint(2, 1)
		b.Uint(100, 4)
		b.Pad(2)
		b.Set(256)
		b.Addr(addr("192.0.2.1"))
		b.Addr(addr("192.0.2.2"))
		b.Uint(1500, 4)
		b.Uint(1, 4)
		b.Uint(990_000, 4)
		b.Uint(999_000, 4)
		b.Uint(3, 1)
		b.Uint(64, 1)
		b.Pad(2)
	}))
	if len(flows) != 1 {
		t.Fatalf("%d flows", len(flows))
	}
	wantFlow(t, flows[0], Flow{
		Has: FieldSrcAddr | FieldDstAddr | FieldBytes | FieldPackets | FieldStart | FieldEnd | FieldForwarding | FieldSamplingRate,
		Src: addr("192.0.2.1"), Dst: addr("192.0.2.2"), Bytes: 1500, Packets: 1, SamplingRate: 100,
		Start: export - 10e9 + exportSecond, End: export - 1e9 + exportSecond, Forwarding: 64,
	})
	if flows[0].Version != VersionNetFlow9 {
		t.Errorf("version %d", flows[0].Version)
	}
	wantCounters(t, s, Counters{TemplatesLearnt: 2, OptionsRecords: 1, DataRecords: 1})
}

// TestNetFlow9Types has field types that are no enterprise elements, though their high bit is set.
func TestNetFlow9Types(t *testing.T) {
	flows := decode(t, newTestSession(t, Config{}), one(t, VersionNetFlow9,
		a(40001, "192.0.2.1"), a(40002, "192.0.2.2"), u(40003, 2, 1000), u(40004, 2, 2000), u(33000, 4, 7), u(323, 8, uint64(export/1e6))))
	wantFlow(t, flows[0], Flow{
		Has:    FieldNATSrc | FieldNATDst | FieldNATSrcPort | FieldNATDstPort | FieldStart | FieldEnd,
		NATSrc: addr("192.0.2.1"), NATDst: addr("192.0.2.2"), NATSrcPort: 1000, NATDstPort: 2000, Start: export, End: export,
	})
	r := flows[0].Record
	if f := r.Field(4); f.ID != 33000 || f.PEN != 0 {
		t.Errorf("got %+v", f)
	}
	if got := string(r.AppendObject(nil, r.Extra())); got != `{"0.33000":"0x00000007"}` {
		t.Errorf("extra: got %s", got)
	}
}

// TestNetFlow9Scopes has scope types, whose numbers are none of elements: interface, line card, template, and the system, which is none.
func TestNetFlow9Scopes(t *testing.T) {
	s := newTestSession(t, Config{})
	decode(t, s, buildMessage(t, VersionNetFlow9, 0, func(b *Builder) {
		b.OptionsTemplate(257, Field{ID: 2, Len: 4, Scope: true}, Field{ID: 3, Len: 4, Scope: true}, Field{ID: 5, Len: 2, Scope: true}, Field{ID: 1, Len: 4, Scope: true})
	}))
	for tpl := range s.Templates() {
		var got []string
		for _, f := range tpl.Fields {
			got = append(got, f.Name)
		}
		if want := []string{"ingressInterface", "lineCardId", "templateId", ""}; !slices.Equal(got, want) {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}

func TestNetFlow9Bad(t *testing.T) {
	cases := []struct {
		name  string
		build func(b *Builder)
		err   error
		bad   uint64
	}{
		{"template without fields", func(b *Builder) { b.Template(256) }, nil, 1},
		{"octets of fields that are no fields", func(b *Builder) { b.Set(1); b.Uint(256, 2); b.Uint(3, 2); b.Uint(4, 2); b.Pad(8) }, ErrTemplate, 1},
		{"octets of scopes that are no fields", func(b *Builder) { b.Set(1); b.Uint(256, 2); b.Uint(2, 2); b.Uint(6, 2); b.Pad(8) }, ErrTemplate, 1},
		{"octets of options that are no fields", func(b *Builder) { b.Set(1); b.Uint(256, 2); b.Uint(4, 2); b.Uint(6, 2); b.Pad(8) }, ErrTemplate, 1},
		{"options template cut", func(b *Builder) { b.Set(1); b.Uint(256, 2); b.Uint(4, 2) }, ErrTemplate, 1},
		{"padding in a template set", func(b *Builder) { b.Template(256, fields(1, 4)...); b.Pad(8) }, nil, 0},
		{"IPFIX set ids", func(b *Builder) { b.Set(2); b.Pad(8); b.Set(3); b.Pad(4) }, nil, 0},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			s := newTestSession(t, Config{})
			if err := s.Decode(buildMessage(t, VersionNetFlow9, 0, c.build), export, &keepFlows{}); !errors.Is(err, c.err) {
				t.Errorf("got error %v, want %v", err, c.err)
			}
			if s.BadTemplates != c.bad {
				t.Errorf("counters %+v", s.Counters)
			}
		})
	}
}
