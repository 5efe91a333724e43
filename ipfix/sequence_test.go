package ipfix

import "testing"

func TestSequence(t *testing.T) {
	type step struct {
		seq     uint32
		units   uint32
		seconds int64 // of export
		uptime  uint32
		unsure  bool
	}
	cases := []struct {
		name    string
		version uint16
		steps   []step
		want    Sequence
	}{
		{"in order", 10, []step{{seq: 100, units: 5}, {seq: 105, units: 5}, {seq: 110, units: 0}, {seq: 110, units: 1}}, Sequence{}},
		{"lost", 10, []step{{seq: 100, units: 5}, {seq: 115, units: 5}}, Sequence{Lost: 10}},
		{"lost across the wrap", 10, []step{{seq: 0xfffffffe, units: 1}, {seq: 4, units: 1}}, Sequence{Lost: 5}},
		{"late", 10, []step{{seq: 100, units: 5}, {seq: 110, units: 5}, {seq: 105, units: 5}, {seq: 115, units: 5}}, Sequence{Lost: 5, Late: 5}},
		{"late across a second", 10, []step{{seq: 100, units: 5, seconds: 1}, {seq: 110, units: 5, seconds: 2}, {seq: 105, units: 5, seconds: 1}}, Sequence{Lost: 5, Late: 5}},
		{"restart", 10, []step{{seq: 10, units: 5, seconds: 1}, {seq: 0, units: 5, seconds: 2}, {seq: 5, units: 5, seconds: 2}}, Sequence{Restarts: 1}},
		{"restart from a high number", 10, []step{{seq: 3_000_000_000, units: 5, seconds: 1}, {seq: 0, units: 5, seconds: 1}, {seq: 5, seconds: 1}}, Sequence{Restarts: 1}},
		{"records that could not be counted", 10, []step{{seq: 100, units: 0, unsure: true}, {seq: 107, units: 5}, {seq: 113, units: 1}}, Sequence{Lost: 1}},
		{"version 9 counts messages", 9, []step{{seq: 100, units: 1}, {seq: 101, units: 1}, {seq: 104, units: 1}}, Sequence{Lost: 2}},
		{"version 9 restart by uptime", 9, []step{{seq: 3, units: 1, uptime: 500_000}, {seq: 4, units: 1, uptime: 1000, seconds: 9}}, Sequence{Restarts: 1}},
		{"version 9 late", 9, []step{{seq: 3, units: 1, uptime: 5000}, {seq: 5, units: 1, uptime: 6000}, {seq: 4, units: 1, uptime: 5500}}, Sequence{Lost: 1, Late: 1}},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			var q sequence
			for _, s := range c.steps {
				q.follow(&Header{Version: c.version, Sequence: s.seq, ExportTime: s.seconds * 1e9, Uptime: s.uptime}, s.units, !s.unsure)
			}
			if q.Sequence != c.want {
				t.Errorf("got %+v, want %+v", q.Sequence, c.want)
			}
		})
	}
}

// TestSequenceOfSession counts the records of a message as its exporter does: options records as well, held sets not.
func TestSequenceOfSession(t *testing.T) {
	s := newTestSession(t, Config{})
	mixed := func(seq uint32) []byte {
		return buildMessage(t, VersionIPFIX, seq, func(b *Builder) {
			b.Template(256, fields(1, 4)...)
			b.OptionsTemplate(257, Field{ID: 149, Len: 4, Scope: true})
			b.Set(256)
			b.Pad(8)
			b.Set(257)
			b.Pad(4)
		})
	}
	unknown := buildMessage(t, VersionIPFIX, 6, func(b *Builder) { b.Set(300); b.Pad(40) })
	decode(t, s, mixed(0), mixed(3), unknown, mixed(16), mixed(19), mixed(25))
	if s.SequenceLost != 3 || s.SequenceLate+s.SequenceRestarts != 0 {
		t.Errorf("counters %+v", s.Counters)
	}
}

// TestSequenceOfSessionCountsWhatWasSaid holds that a session's counters are the sum of its domains', and that NetFlow v9 counts messages.
func TestSequenceOfSessionCountsWhatWasSaid(t *testing.T) {
	s := newTestSession(t, Config{})
	msg := func(version uint16, seq uint32) []byte {
		return buildMessage(t, version, seq, func(b *Builder) { b.Template(256, fields(1, 4)...); b.Set(256); b.Pad(12) })
	}
	decode(t, s, msg(VersionNetFlow9, 1), msg(VersionNetFlow9, 2), msg(VersionNetFlow9, 5), // two lost
		msg(VersionIPFIX, 100), msg(VersionIPFIX, 106), msg(VersionIPFIX, 103), // three late, told by one message
		msg(VersionIPFIX, 1<<30)) // far ahead: a new count
	want := map[uint16]Sequence{VersionNetFlow9: {Lost: 2}, VersionIPFIX: {Lost: 3, Late: 3, Restarts: 1}}
	for d := range s.Domains() {
		if d.Sequence != want[d.Version] {
			t.Errorf("version %d: got %+v, want %+v", d.Version, d.Sequence, want[d.Version])
		}
	}
	if s.SequenceLost != 5 || s.SequenceLate != 3 || s.SequenceRestarts != 1 || s.MessagesV9 != 3 || s.MessagesIPFIX != 4 || s.Messages != 7 || s.Sets != 14 {
		t.Errorf("counters %+v", s.Counters)
	}
}

// TestSequenceBehindWhatCouldNotBeRead holds that a message which could be read in part only makes no loss of what its exporter counted.
func TestSequenceBehindWhatCouldNotBeRead(t *testing.T) {
	for name, spoilt := range map[string]func(b *Builder){
		"a set that does not fit": func(b *Builder) { b.Set(256); b.Pad(4); b.endSet(); b.Octets([]byte{1, 1, 0, 99}) },
		"a record that does not fit": func(b *Builder) {
			b.Template(257, fields(371, 65535)...)
			b.Set(257)
			b.Octets([]byte{9, 1, 2})
			b.Set(256)
			b.Pad(4)
		},
	} {
		s := newTestSession(t, Config{})
		good := func(seq uint32) []byte {
			return buildMessage(t, VersionIPFIX, seq, func(b *Builder) { b.Template(256, fields(1, 4)...); b.Set(256); b.Pad(4) })
		}
		decode(t, s, good(0))
		if err := s.Decode(buildMessage(t, VersionIPFIX, 1, spoilt), export, &keepFlows{}); err == nil {
			t.Errorf("%s: no error", name)
		}
		decode(t, s, good(5)) // four records by the exporter's count
		if s.SequenceLost != 0 {
			t.Errorf("%s: %d lost", name, s.SequenceLost)
		}
		decode(t, s, good(7))
		if s.SequenceLost != 1 {
			t.Errorf("%s: %d lost behind a whole message, want one", name, s.SequenceLost)
		}
	}
}
