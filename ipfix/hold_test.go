package ipfix

import (
	"errors"
	"testing"
	"time"
)

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
	t.Run("what was decoded gives its room back", func(t *testing.T) {
		s := newTestSession(t, Config{HoldSets: 2})
		for i := range uint64(5) {
			id := 256 + uint16(i)
			decode(t, s, data(id, 1), data(id, 2), template(id))
		}
		if s.ReleasedSets != 10 || s.DroppedSets != 0 || s.tables.use.heldSets != 0 || s.tables.use.heldBytes != 0 {
			t.Errorf("in use %+v, counters %+v", s.tables.use, s.Counters)
		}
		for d := range s.Domains() {
			if d.Held != 0 || d.Records != 10 {
				t.Errorf("domain %+v", d)
			}
		}
		if n := len(s.domains[domainKey{VersionIPFIX, 7}].waiting); n != 0 {
			t.Errorf("%d templates are still waited for", n)
		}
	})
	t.Run("a template is its domain's", func(t *testing.T) {
		s := newTestSession(t, Config{})
		other := buildMessage(t, VersionNetFlow9, 0, func(b *Builder) { b.Set(256); b.Uint(5, 4) })
		if flows := decode(t, s, other, data(256, 1), template(256)); len(flows) != 1 || flows[0].Bytes != 1 {
			t.Errorf("got %+v", flows)
		}
	})
	t.Run("a set too large for all the room leaves the others", func(t *testing.T) {
		s := newTestSession(t, Config{HoldBytes: 1000})
		decode(t, s, data(256, 1), buildMessage(t, VersionIPFIX, 0, func(b *Builder) { b.Set(257); b.Pad(1000) }))
		if sets, _ := s.Held(); sets != 1 || s.DroppedSets != 1 || s.HeldSets != 1 {
			t.Errorf("%d sets held, counters %+v", sets, s.Counters)
		}
	})
	t.Run("for ever", func(t *testing.T) {
		s := newTestSession(t, Config{HoldAge: -1})
		decode(t, s, data(256, 1))
		s.Expire(export + 1e6*second)
		if sets, _ := s.Held(); sets != 1 {
			t.Errorf("%d sets held", sets)
		}
	})
	t.Run("none", func(t *testing.T) {
		s := newTestSession(t, Config{HoldSets: -1})
		if flows := decode(t, s, data(256, 1), template(256)); len(flows) > 0 || s.DroppedSets != 1 {
			t.Errorf("%d flows, counters %+v", len(flows), s.Counters)
		}
	})
}

// TestHeldSetsAreCountedAtTheEnd holds that no held set is lost without a count, and that Stop leaves the templates.
func TestHeldSetsAreCountedAtTheEnd(t *testing.T) {
	s := newTestSession(t, Config{})
	msg := func(id uint16) []byte {
		return buildMessage(t, VersionIPFIX, 0, func(b *Builder) { b.Set(id); b.Uint(1, 4) })
	}
	decode(t, s, buildMessage(t, VersionIPFIX, 0, func(b *Builder) { b.Template(256, fields(1, 4)...) }), msg(300), msg(301))
	s.Stop()
	if sets, octets := s.Held(); sets+octets != 0 || s.StoppedSets != 2 || s.tables.use.templates != 1 {
		t.Errorf("%d sets of %d octets left, counters %+v", sets, octets, s.Counters)
	}
	decode(t, s, msg(300))
	s.End()
	if s.EndedSets != 1 || s.Lost() != 3 || s.UnknownSets != s.HeldSets || s.tables.use != (usage{}) {
		t.Errorf("counters %+v", s.Counters)
	}
}

// TestSetWithoutARecord holds that octets which are too few for one record are no padding: the exporter has another template.
func TestSetWithoutARecord(t *testing.T) {
	s := newTestSession(t, Config{})
	msg := buildMessage(t, VersionIPFIX, 0, func(b *Builder) {
		b.Template(256, fields(1, 8)...)
		b.Set(256)
		b.Uint(1, 4)
	})
	h := &keepFlows{}
	if err := s.Decode(msg, export, h); !errors.Is(err, ErrRecord) || s.BadRecords != 1 || s.DataRecords != 0 {
		t.Errorf("%v, counters %+v", err, s.Counters)
	}
}
