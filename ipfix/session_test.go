package ipfix

import (
	"encoding/binary"
	"errors"
	"reflect"
	"testing"
	"time"
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

func TestSetsAndTemplates(t *testing.T) {
	cases := []struct {
		name  string
		build func(b *Builder)
		flows int
		want  Counters
	}{
		{"many sets, many templates", func(b *Builder) {
			b.Template(256, fields(1, 4)...)
			b.Template(257, fields(2, 4)...)
			b.Set(256)
			b.Uint(1, 4)
			b.Set(257)
			b.Uint(1, 4)
			b.Uint(2, 4)
			b.Set(256)
			b.Uint(1, 4)
		}, 4, Counters{TemplatesLearnt: 2, DataRecords: 4}},
		{"padding after records and templates", func(b *Builder) {
			b.Template(256, fields(1, 4, 2, 4)...)
			b.Pad(4)
			b.Set(256)
			b.Uint(1, 8)
			b.Pad(7)
		}, 1, Counters{TemplatesLearnt: 1, DataRecords: 1}},
		{"reserved sets are passed over", func(b *Builder) {
			b.Set(4)
			b.Pad(10)
			b.Set(255)
			b.Set(0)
			b.Pad(2)
			b.Template(256, fields(1, 4)...)
			b.Set(256)
			b.Uint(1, 4)
		}, 1, Counters{SkippedSets: 3, TemplatesLearnt: 1, DataRecords: 1}},
		{"enterprise elements", func(b *Builder) {
			b.Template(256, Field{ID: 232, PEN: 2011, Len: 2}, Field{ID: 1, PEN: 29305, Len: 8}, Field{ID: 1, Len: 8})
			b.Set(256)
			b.Uint(1, 2)
			b.Uint(2, 8)
			b.Uint(3, 8)
		}, 1, Counters{TemplatesLearnt: 1, DataRecords: 1}},
		{"long form of a variable length", func(b *Builder) {
			b.Template(256, fields(82, variableLength, 1, 4)...)
			b.Set(256)
			b.Octets([]byte{255, 0, 3, 'a', 'b', 'c', 0, 0, 0, 1})
			b.Variable(make([]byte, 300))
			b.Uint(2, 4)
		}, 2, Counters{TemplatesLearnt: 1, DataRecords: 2}},
		{"the same template again", func(b *Builder) {
			b.Template(256, fields(1, 4)...)
			b.Template(256, fields(1, 4)...)
		}, 0, Counters{TemplatesLearnt: 1, TemplatesRefreshed: 1}},
		{"a changed template counts at once", func(b *Builder) {
			b.Template(256, fields(1, 4)...)
			b.Set(256)
			b.Uint(1, 4)
			b.Template(256, fields(1, 2)...)
			b.Set(256)
			b.Uint(1, 2)
			b.Uint(1, 2)
		}, 3, Counters{TemplatesLearnt: 1, TemplatesChanged: 1, DataRecords: 3}},
		{"a template that turns into one of options", func(b *Builder) {
			b.Template(256, fields(1, 4)...)
			b.OptionsTemplate(256, Field{ID: 149, Len: 4, Scope: true})
			b.Set(256)
			b.Uint(7, 4)
		}, 0, Counters{TemplatesLearnt: 1, TemplatesChanged: 1, OptionsRecords: 1}},
		{"withdrawal of one", func(b *Builder) {
			b.Template(256, fields(1, 4)...)
			b.Template(257, fields(1, 4)...)
			b.Withdraw(256, false)
			b.Set(256)
			b.Uint(1, 4)
			b.Set(257)
			b.Uint(1, 4)
		}, 1, Counters{TemplatesLearnt: 2, TemplatesWithdrawn: 1, UnknownSets: 1, HeldSets: 1, DataRecords: 1}},
		{"withdrawal of all templates, not of options", func(b *Builder) {
			b.Template(256, fields(1, 4)...)
			b.Template(257, fields(1, 4)...)
			b.OptionsTemplate(258, Field{ID: 149, Len: 4, Scope: true})
			b.Withdraw(2, false)
			b.Template(259, fields(1, 4)...)
		}, 0, Counters{TemplatesLearnt: 4, TemplatesWithdrawn: 2}},
		{"withdrawal of all options templates", func(b *Builder) {
			b.Template(256, fields(1, 4)...)
			b.OptionsTemplate(258, Field{ID: 149, Len: 4, Scope: true})
			b.Withdraw(3, true)
		}, 0, Counters{TemplatesLearnt: 2, TemplatesWithdrawn: 1}},
		{"withdrawal of what is not there", func(b *Builder) { b.Withdraw(400, false) }, 0, Counters{}},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			s := newTestSession(t, Config{})
			flows := decode(t, s, buildMessage(t, VersionIPFIX, 0, c.build))
			if len(flows) != c.flows {
				t.Errorf("got %d flows, want %d", len(flows), c.flows)
			}
			wantCounters(t, s, c.want)
		})
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
		{"longer than what came", good, func(m []byte) []byte { return m[:len(m)-1] }, ErrShort, 0, Counters{BadMessages: 1}},
		{"length less than a header", good, func(m []byte) []byte { m[3] = 15; return m }, ErrShort, 0, Counters{BadMessages: 1}},
		{"more than its length", good, func(m []byte) []byte { return append(m, 1, 2, 3, 4, 5) }, nil, 1, Counters{TemplatesLearnt: 1, DataRecords: 1}},
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

func TestHold(t *testing.T) {
	const second = int64(time.Second)
	template := func(id uint16) []byte {
		return buildMessage(t, VersionIPFIX, 0, func(b *Builder) { b.Template(id, fields(1, 4)...) })
	}
	data := func(id uint16, n uint64) []byte {
		return buildMessage(t, VersionIPFIX, uint32(n), func(b *Builder) { b.Set(id); b.Uint(n, 4) })
	}
	t.Run("decoded in order when the template comes", func(t *testing.T) {
		s := newTestSession(t, Config{})
		flows := decode(t, s, data(256, 1), data(257, 9), data(256, 2), template(256), data(256, 3))
		if len(flows) != 3 || flows[0].Bytes != 1 || flows[1].Bytes != 2 || flows[2].Bytes != 3 || flows[1].Sequence != 2 {
			t.Errorf("got %+v", flows)
		}
		if sets, _ := s.Held(); sets != 1 || s.HeldSets != 3 || s.ReleasedSets != 2 || s.UnknownSets != 3 {
			t.Errorf("%d sets held, counters %+v", sets, s.Counters)
		}
	})
	t.Run("the record is at the same position", func(t *testing.T) {
		msg := data(256, 1)
		held := decode(t, newTestSession(t, Config{}), msg, template(256))
		known := decode(t, newTestSession(t, Config{}), template(256), msg)
		if held[0].Position != known[0].Position || held[0].Position == 0 {
			t.Errorf("got %d held, %d at once", held[0].Position, known[0].Position)
		}
	})
	t.Run("options data waits too", func(t *testing.T) {
		s := newTestSession(t, Config{})
		decode(t, s, buildMessage(t, VersionIPFIX, 0, func(b *Builder) { b.Set(300); b.Uint(5, 4); b.Text("A2", 8) }),
			buildMessage(t, VersionIPFIX, 0, func(b *Builder) {
				b.OptionsTemplate(300, Field{ID: 234, Len: 4, Scope: true}, Field{ID: 236, Len: 8})
			}))
		if v, _ := s.Tables().Domain(7).IngressVRF(5); v.Name != "A2" {
			t.Errorf("got %+v", v)
		}
	})
	t.Run("age", func(t *testing.T) {
		s := newTestSession(t, Config{HoldAge: 10 * time.Second})
		decode(t, s, data(256, 1))
		s.Expire(export + 10*second)
		if sets, _ := s.Held(); sets != 1 {
			t.Errorf("%d sets held after 10 s", sets)
		}
		s.Expire(export + 11*second)
		if sets, octets := s.Held(); sets != 0 || octets != 0 || s.ExpiredSets != 1 {
			t.Errorf("%d sets of %d octets held after 11 s, counters %+v", sets, octets, s.Counters)
		}
		if flows := decode(t, s, template(256)); len(flows) > 0 {
			t.Errorf("got %d flows", len(flows))
		}
	})
	t.Run("count: the oldest make room", func(t *testing.T) {
		s := newTestSession(t, Config{HoldSets: 2})
		flows := decode(t, s, data(256, 1), data(256, 2), data(256, 3), template(256))
		if len(flows) != 2 || flows[0].Bytes != 2 || s.DroppedSets != 1 {
			t.Errorf("%d flows, counters %+v", len(flows), s.Counters)
		}
	})
	t.Run("octets", func(t *testing.T) {
		s := newTestSession(t, Config{HoldBytes: 1000})
		for i := range uint64(100) {
			decode(t, s, data(256, i))
			if _, octets := s.Held(); octets > 1000 {
				t.Fatalf("%d octets held", octets)
			}
		}
		if sets, _ := s.Held(); uint64(sets)+s.DroppedSets != 100 || sets == 0 {
			t.Errorf("%d sets held, %d dropped", sets, s.DroppedSets)
		}
	})
	t.Run("none", func(t *testing.T) {
		s := newTestSession(t, Config{HoldSets: -1})
		if flows := decode(t, s, data(256, 1), template(256)); len(flows) > 0 || s.DroppedSets != 1 {
			t.Errorf("%d flows, counters %+v", len(flows), s.Counters)
		}
	})
}

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
		if s.TemplatesRefused != 1 || s.fields != 4 || s.templates != 2 {
			t.Errorf("%d fields, counters %+v", s.fields, s.Counters)
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
}

func TestTemplateAge(t *testing.T) {
	template := buildMessage(t, VersionIPFIX, 0, func(b *Builder) { b.Template(256, fields(1, 4)...) })
	for _, c := range []struct {
		name string
		age  time.Duration
		left int
	}{{"an hour", time.Hour, 0}, {"for ever", -1, 1}} {
		t.Run(c.name, func(t *testing.T) {
			s := newTestSession(t, Config{TemplateAge: c.age})
			decode(t, s, template)
			s.Expire(export + int64(time.Hour))
			if s.templates != 1 {
				t.Error("expired at its age")
			}
			s.Expire(export + int64(time.Hour+2*time.Minute))
			if s.templates != c.left || s.TemplatesExpired != uint64(1-c.left) {
				t.Errorf("%d templates left, counters %+v", s.templates, s.Counters)
			}
		})
	}
}

func TestIgnoreWithdrawals(t *testing.T) {
	s := newTestSession(t, Config{IgnoreWithdrawals: true})
	decode(t, s, buildMessage(t, VersionIPFIX, 0, func(b *Builder) {
		b.Template(256, fields(1, 4)...)
		b.Withdraw(256, false)
		b.Withdraw(2, false)
	}))
	if s.templates != 1 || s.TemplatesWithdrawn != 0 {
		t.Errorf("%d templates, counters %+v", s.templates, s.Counters)
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
	for name, f := range map[string][]Field{"25": benchFields(false), "50": benchFields50(false), "variable": benchFields50(true)} {
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

func TestHeader(t *testing.T) {
	var b Builder
	want := Header{Version: VersionIPFIX, Length: 16, ExportTime: export, Sequence: 3, Domain: 4}
	b.Begin([]byte("before"), want)
	msg := finish(t, &b)[6:]
	if got, err := ParseHeader(msg); err != nil || got != want {
		t.Errorf("got %+v, %v", got, err)
	}
	if n, err := MessageLength(msg); n != 16 || err != nil {
		t.Errorf("length %d, %v", n, err)
	}
	want = Header{Version: VersionNetFlow9, Count: 9, Length: 20, ExportTime: export, Sequence: 3, Domain: 4, Uptime: 77}
	b.Begin(nil, want)
	msg = finish(t, &b)
	if got, err := ParseHeader(msg); err != nil || got != want {
		t.Errorf("got %+v, %v", got, err)
	}
	for name, m := range map[string][]byte{"v9": msg, "short": {0, 10, 0}, "length": {0, 10, 0, 15}} {
		if _, err := MessageLength(m); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
	if v := Version(binary.BigEndian.AppendUint16(nil, 5)); v != 5 || Version(nil) != 0 {
		t.Errorf("version %d", v)
	}
}

// TestCountersAdd checks that no counter is forgotten.
func TestCountersAdd(t *testing.T) {
	var one, sum Counters
	v := reflect.ValueOf(&one).Elem()
	for i := range v.NumField() {
		v.Field(i).SetUint(uint64(i + 1))
	}
	sum.Add(&one)
	sum.Add(&one)
	for i := range v.NumField() {
		if got := reflect.ValueOf(sum).Field(i).Uint(); got != uint64(2*i+2) {
			t.Errorf("%s: got %d", v.Type().Field(i).Name, got)
		}
	}
}
