package ipfix

import (
	"testing"
	"time"
)

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
			if s.tables.use.templates != 1 {
				t.Error("expired at its age")
			}
			s.Expire(export + int64(time.Hour+2*time.Minute))
			if s.tables.use.templates != c.left || s.TemplatesExpired != uint64(1-c.left) {
				t.Errorf("%d templates left, counters %+v", s.tables.use.templates, s.Counters)
			}
		})
	}
}

// A template that is sent again lives on, and one that is sent again wrongly does not.
func TestTemplateIsToldAgain(t *testing.T) {
	s := newTestSession(t, Config{TemplateAge: time.Hour})
	template := buildMessage(t, VersionIPFIX, 0, func(b *Builder) { b.Template(256, fields(1, 4)...) })
	decode(t, s, template)
	if err := s.Decode(template, export+int64(time.Hour), &keepFlows{}); err != nil {
		t.Fatal(err)
	}
	s.Expire(export + int64(90*time.Minute))
	if s.tables.use.templates != 1 || s.TemplatesRefreshed != 1 {
		t.Errorf("%d templates, counters %+v", s.tables.use.templates, s.Counters)
	}
	was := s.OwnChanges()
	_ = s.Decode(buildMessage(t, VersionIPFIX, 0, func(b *Builder) { b.Template(256, fields(1, 0)...); b.Set(256); b.Pad(4) }), export, &keepFlows{})
	if s.tables.use.templates != 0 || s.UnknownSets != 1 || s.OwnChanges() == was {
		t.Errorf("a definition that describes nothing left the one before: %d templates, counters %+v", s.tables.use.templates, s.Counters)
	}
}

// Saved templates are saved anew when one came, went or changed, and not when all were told again.
func TestTemplateChangesAreCounted(t *testing.T) {
	s := newTestSession(t, Config{})
	for _, step := range []struct {
		name    string
		build   func(b *Builder)
		changes uint64
	}{
		{"learnt", func(b *Builder) { b.Template(256, fields(1, 4)...) }, 1},
		{"told again", func(b *Builder) { b.Template(256, fields(1, 4)...) }, 0},
		{"changed", func(b *Builder) { b.Template(256, fields(1, 8)...) }, 2},
		{"withdrawn", func(b *Builder) { b.Withdraw(256, false) }, 1},
	} {
		was := s.OwnChanges()
		decode(t, s, buildMessage(t, VersionIPFIX, 0, step.build))
		if got := s.OwnChanges() - was; got != step.changes {
			t.Errorf("%s: %d changes, want %d", step.name, got, step.changes)
		}
	}
}

// The two protocols have ids of their own for sets of templates, and a withdrawal of all has that of its set.
func TestSetsOfTheOtherProtocol(t *testing.T) {
	for _, tc := range []struct {
		name    string
		version uint16
		set     uint16
		record  []uint64 // in words of two octets
		want    Counters
	}{
		{"templates of IPFIX in NetFlow v9", VersionNetFlow9, 2, []uint64{300, 1, 1, 4}, Counters{SkippedSets: 1}},
		{"options templates of IPFIX in NetFlow v9", VersionNetFlow9, 3, []uint64{300, 4, 4, 1, 4, 34, 4}, Counters{SkippedSets: 1}},
		{"templates of NetFlow v9 in IPFIX", VersionIPFIX, 0, []uint64{300, 1, 1, 4}, Counters{SkippedSets: 1}},
		{"options templates of NetFlow v9 in IPFIX", VersionIPFIX, 1, []uint64{300, 4, 4, 1, 4, 34, 4}, Counters{SkippedSets: 1}},
		{"a withdrawal of all templates among options templates", VersionIPFIX, 3, []uint64{2, 0}, Counters{BadTemplates: 1}},
		{"a withdrawal of all with fields", VersionIPFIX, 2, []uint64{2, 1, 1, 4}, Counters{BadTemplates: 1}},
		{"a withdrawal of all in NetFlow v9", VersionNetFlow9, 0, []uint64{2, 0}, Counters{BadTemplates: 1}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			s := newTestSession(t, Config{})
			decode(t, s, buildMessage(t, tc.version, 0, func(b *Builder) { b.Template(256, fields(1, 4)...) }))
			_ = s.Decode(buildMessage(t, tc.version, uint32(VersionIPFIX-tc.version), func(b *Builder) {
				b.Set(tc.set)
				for _, w := range tc.record {
					b.Uint(w, 2)
				}
			}), export, &keepFlows{})
			tc.want.TemplatesLearnt = 1
			wantCounters(t, s, tc.want)
			if s.tables.use.templates != 1 {
				t.Errorf("%d templates, want the one of before", s.tables.use.templates)
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
	if s.tables.use.templates != 1 || s.TemplatesWithdrawn != 0 {
		t.Errorf("%d templates, counters %+v", s.tables.use.templates, s.Counters)
	}
}
