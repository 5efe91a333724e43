package ipfix

import (
	"errors"
	"testing"
)

// wantCounters compares counters whose message counts were cleared.
func wantCounters(tb testing.TB, s *Session, want Counters) {
	tb.Helper()
	got := s.Counters
	got.Messages, got.MessagesIPFIX, got.MessagesV9, got.Sets = 0, 0, 0, 0
	if got != want {
		tb.Errorf("got  %+v\nwant %+v", got, want)
	}
}

func TestBadMessages(t *testing.T) {
	good := func(b *Builder) {
		b.Template(256, fields(1, 4)...)
		b.Set(256)
		b.Uint(1, 4)
	}
	cases := []struct {
		name  string
		build func(b *Builder)
		spoil func(msg []byte) []byte
		err   error
		flows int
		want  Counters
	}{
		{"empty", good, func([]byte) []byte { return nil }, ErrVersion, 0, Counters{BadVersions: 1}},
		{"version 5", good, func(m []byte) []byte { m[1] = 5; return m }, ErrVersion, 0, Counters{BadVersions: 1}},
		{"short header", good, func(m []byte) []byte { return m[:15] }, ErrShort, 0, Counters{BadMessages: 1}},
		{"short header of version 9", good, func(m []byte) []byte { m[1] = 9; return m[:19] }, ErrShort, 0, Counters{BadMessages: 1}},
		{"longer than what came", good, func(m []byte) []byte { return m[:len(m)-1] }, ErrShort, 0, Counters{BadMessages: 1}},
		{"length less than a header", good, func(m []byte) []byte { m[3] = 15; return m }, ErrShort, 0, Counters{BadMessages: 1}},
		{"more than its length", good, func(m []byte) []byte { return append(m, 1, 2, 3, 4, 5) }, nil, 1, Counters{TemplatesLearnt: 1, DataRecords: 1, Trailing: 1}},
		{"set of no length", func(b *Builder) { good(b); b.Set(300) }, func(m []byte) []byte { m[len(m)-1] = 0; return m }, ErrSet, 1, Counters{TemplatesLearnt: 1, DataRecords: 1, BadSets: 1}},
		{"set longer than the message", func(b *Builder) { good(b); b.Set(300) }, func(m []byte) []byte { m[len(m)-1] = 5; return m }, ErrSet, 1, Counters{TemplatesLearnt: 1, DataRecords: 1, BadSets: 1}},
		{"template of more fields than octets", func(b *Builder) { b.Set(2); b.Uint(256, 2); b.Uint(65535, 2); b.Uint(1, 4) }, nil, ErrTemplate, 0, Counters{BadTemplates: 1}},
		{"enterprise number cut", func(b *Builder) { b.Set(2); b.Uint(256, 2); b.Uint(1, 2); b.Uint(0x8001, 2); b.Uint(4, 2) }, nil, ErrTemplate, 0, Counters{BadTemplates: 1}},
		{"records of no octets", func(b *Builder) { b.Template(256, fields(1, 0, 2, 0)...) }, nil, ErrTemplate, 0, Counters{BadTemplates: 1}},
		{"records of too many octets", func(b *Builder) { b.Template(256, fields(1, 65000, 2, 65000)...) }, nil, ErrTemplate, 0, Counters{BadTemplates: 1}},
		{"template id of a set", func(b *Builder) { b.Set(2); b.Uint(255, 2); b.Uint(1, 2); b.Uint(1, 2); b.Uint(4, 2) }, nil, ErrTemplate, 0, Counters{BadTemplates: 1}},
		{"more scopes than fields", func(b *Builder) { b.Set(3); b.Uint(256, 2); b.Uint(1, 2); b.Uint(2, 2); b.Uint(0x00010004, 4) }, nil, ErrTemplate, 0, Counters{BadTemplates: 1}},
		{"options template cut", func(b *Builder) { b.Set(3); b.Uint(256, 2); b.Uint(1, 2) }, nil, ErrTemplate, 0, Counters{BadTemplates: 1}},
		{"variable length beyond the set", func(b *Builder) {
			b.Template(256, fields(82, variableLength, 1, 4)...)
			b.Set(256)
			b.Variable([]byte("ab"))
			b.Uint(1, 4)
			b.Octets([]byte{4, 'a', 'b', 'c', 'd'})
		}, nil, ErrRecord, 1, Counters{TemplatesLearnt: 1, DataRecords: 1, BadRecords: 1}},
		{"long form cut", func(b *Builder) {
			b.Template(256, fields(82, variableLength)...)
			b.Set(256)
			b.Octets([]byte{255, 0})
		}, nil, ErrRecord, 0, Counters{TemplatesLearnt: 1, BadRecords: 1}},
		{"a template of no octets leaves the templates behind it", func(b *Builder) {
			b.Template(257, fields(1, 0)...)
			good(b)
		}, nil, ErrTemplate, 1, Counters{TemplatesLearnt: 1, DataRecords: 1, BadTemplates: 1}},
		{"a bad template leaves the sets behind it", func(b *Builder) {
			b.Template(256, fields(1, 4)...)
			b.Set(2)
			b.Uint(257, 2)
			b.Uint(9, 2)
			b.Set(256)
			b.Uint(1, 4)
		}, nil, ErrTemplate, 1, Counters{TemplatesLearnt: 1, DataRecords: 1, BadTemplates: 1}},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			s := newTestSession(t, Config{})
			msg := buildMessage(t, VersionIPFIX, 0, c.build)
			if c.spoil != nil {
				msg = c.spoil(msg)
			}
			var k keepFlows
			if err := s.Decode(msg, export, &k); !errors.Is(err, c.err) {
				t.Errorf("got error %v, want %v", err, c.err)
			}
			if len(k.flows) != c.flows {
				t.Errorf("got %d flows, want %d", len(k.flows), c.flows)
			}
			wantCounters(t, s, c.want)
		})
	}
}

// TestKillers sends the two datagrams that make go-ipfix's collector loop for ever: a template without fields, or
// with fields of no length, and data of it.
func TestKillers(t *testing.T) {
	for name, fields := range map[string][]Field{"no fields": nil, "no length": fields(1, 0)} {
		t.Run(name, func(t *testing.T) {
			s := newTestSession(t, Config{})
			var k keepFlows
			_ = s.Decode(buildMessage(t, VersionIPFIX, 0, func(b *Builder) { b.Template(256, fields...) }), export, &k)
			_ = s.Decode(buildMessage(t, VersionIPFIX, 0, func(b *Builder) { b.Set(256); b.Pad(1400) }), export, &k)
			if len(k.flows) > 0 || s.UnknownSets != 1 {
				t.Errorf("%d flows, counters %+v", len(k.flows), s.Counters)
			}
		})
	}
}

// TestDomainsApart gives one template id two meanings, by domain and by version.
func TestDomainsApart(t *testing.T) {
	build := func(version uint16, domain uint32, octets uint16) []byte {
		var b Builder
		b.Begin(nil, Header{Version: version, ExportTime: export, Domain: domain})
		b.Template(256, fields(1, octets)...)
		return finish(t, &b)
	}
	data := func(version uint16, domain uint32) []byte {
		var b Builder
		b.Begin(nil, Header{Version: version, ExportTime: export, Domain: domain})
		b.Set(256)
		b.Uint(1, 8)
		return finish(t, &b)
	}
	s := newTestSession(t, Config{})
	flows := decode(t, s, build(VersionIPFIX, 1, 8), build(VersionIPFIX, 2, 4), build(VersionNetFlow9, 1, 2),
		data(VersionIPFIX, 1), data(VersionIPFIX, 2), data(VersionNetFlow9, 1))
	if len(flows) != 1+2+4 {
		t.Errorf("got %d flows", len(flows))
	}
}

func TestNoAllocation(t *testing.T) {
	for name, f := range map[string][]Field{"25": benchFields(false), "50": benchFields50(false, false), "variable": benchFields50(false, true), "v6": benchFields50(true, true)} {
		setup, data := benchMessages(t, f)
		s, h := newTestSession(t, Config{}), &countFlows{}
		decode(t, s, setup, data)
		if n := testing.AllocsPerRun(10, func() {
			if err := s.Decode(data, export, h); err != nil {
				t.Error(err)
			}
			if err := s.Decode(setup, export, h); err != nil {
				t.Error(err)
			}
		}); n > 0 {
			t.Errorf("%s: %v allocations per message", name, n)
		}
	}
}
