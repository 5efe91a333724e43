package ipfix

import (
	"encoding/binary"
	"errors"
	"hash/crc32"
	"reflect"
	"testing"
	"time"
)

// stateSessionOf is a session with something of everything.
func stateSessionOf(tb testing.TB) *Session {
	tb.Helper()
	s := newTestSession(tb, Config{})
	decode(tb, s,
		optionsMessage(tb, VersionIPFIX, 7, 1, []hexField{u(234, 4, 2), text(236, 8, "A2"), u(235, 4, 3), u(90, 8, 9)}),
		optionsMessage(tb, VersionIPFIX, 0, 1, []hexField{u(10, 4, 5), text(82, 8, "et0"), u(34, 4, 10)}),
		optionsMessage(tb, VersionIPFIX, 0, 1, []hexField{u(302, 4, 5), u(309, 4, 1), u(310, 4, 100), vary(335, 's')}),
		optionsMessage(tb, VersionIPFIX, 0, 1, []hexField{u(301, 8, 6), u(302, 4, 5), u(302, 4, 9)}),
		optionsMessage(tb, VersionNetFlow9, 3, 1, []hexField{u(1, 4, 0), u(48, 1, 5), u(50, 4, 1)}),
		optionsMessage(tb, VersionIPFIX, 7, 1, []hexField{u(149, 4, 7), u(160, 8, 1_600_000_000_000), u(34, 4, 7), u(36, 2, 60), u(37, 2, 5), a(131, "2001:db8::1")}),
		one(tb, VersionIPFIX, u(1, 4, 1), vary(371, 'x')),
		one(tb, VersionNetFlow9, u(1, 4, 1)),
		buildMessage(tb, VersionIPFIX, 77, func(b *Builder) { b.Set(999); b.Uint(5, 4) }),
	)
	return s
}

// templatesOf gives the raw templates of a session.
func templatesOf(s *Session) map[domainKey]map[uint16]string {
	all := make(map[domainKey]map[uint16]string)
	for key, d := range s.domains {
		all[key] = make(map[uint16]string)
		for id, t := range d.templates {
			all[key][id] = string(t.raw) + time.Unix(0, t.seen).String()
		}
	}
	return all
}

// tablesOf gives the contents of tables.
func tablesOf(t *Tables) map[uint32]Options {
	all := make(map[uint32]Options)
	for id, o := range t.All() {
		c := *o
		c.tables, c.general, c.changes = nil, nil, 0
		all[id] = c
	}
	return all
}

func TestState(t *testing.T) {
	s := stateSessionOf(t)
	state := s.Tables().AppendState(s.AppendState([]byte("before"), ScopeTemplates))[6:]
	got := newTestSession(t, Config{})
	rest, err := got.RestoreState(state)
	if err != nil {
		t.Fatal(err)
	}
	if rest, err = got.Tables().RestoreState(rest); err != nil || len(rest) > 0 {
		t.Fatalf("%d octets left, %v", len(rest), err)
	}
	if g, w := templatesOf(got), templatesOf(s); !reflect.DeepEqual(g, w) {
		t.Errorf("templates: got %v, want %v", g, w)
	}
	if g, w := tablesOf(got.Tables()), tablesOf(s.Tables()); !reflect.DeepEqual(g, w) {
		t.Errorf("tables: got %+v\nwant %+v", g, w)
	}
	if got.Tables().Len() != s.Tables().Len() || got.tables.use.fields != s.tables.use.fields {
		t.Errorf("got %d entries, %d fields, want %d, %d", got.Tables().Len(), got.tables.use.fields, s.Tables().Len(), s.tables.use.fields)
	}
	if sets, _ := got.Held(); sets != 0 {
		t.Errorf("%d sets held", sets)
	}
	data := buildMessage(t, VersionIPFIX, 0, func(b *Builder) { b.Set(300); b.Uint(5, 4); b.Variable(nil) })
	if flows := decode(t, got, data); len(flows) != 1 || flows[0].Bytes != 5 || flows[0].Options.systemInit() == 0 {
		t.Errorf("got %+v", flows)
	}
	if got.SequenceLost != 0 {
		t.Error("a sequence number was restored")
	}
}

func TestLiveState(t *testing.T) {
	s := stateSessionOf(t)
	got := newTestSession(t, Config{})
	if _, err := got.RestoreState(s.AppendState(nil, ScopeLive)); err != nil {
		t.Fatal(err)
	}
	flows := decode(t, got, buildMessage(t, VersionIPFIX, 80, func(b *Builder) { b.Template(999, fields(1, 4)...) }))
	if len(flows) != 1 || flows[0].Bytes != 5 || flows[0].Sequence != 77 {
		t.Errorf("got %+v", flows)
	}
	// A session that has learnt better keeps it.
	later := newTestSession(t, Config{})
	decode(t, later, buildMessage(t, VersionIPFIX, 0, func(b *Builder) { b.Template(300, fields(2, 4)...); b.Template(999, fields(1, 4)...) }))
	if _, err := later.RestoreState(s.AppendState(nil, ScopeLive)); err != nil {
		t.Fatal(err)
	}
	if f := later.domains[domainKey{VersionIPFIX, 7}].templates[300].Fields; len(f) != 1 || later.DroppedSets != 1 {
		t.Errorf("got %+v, counters %+v", f, later.Counters)
	}
}

// A process that goes on counts what was lost between the other's last message and its own first.
func TestLiveStateKeepsSequence(t *testing.T) {
	for scope, want := range map[Scope]uint64{ScopeLive: 4, ScopeTemplates: 0} {
		s, next := newTestSession(t, Config{}), newTestSession(t, Config{})
		data := func(seq uint32) []byte {
			return buildMessage(t, VersionIPFIX, seq, func(b *Builder) { b.Template(256, fields(1, 4)...); b.Set(256); b.Pad(4) })
		}
		decode(t, s, data(10))
		if _, err := next.RestoreState(s.AppendState(nil, scope)); err != nil {
			t.Fatal(err)
		}
		decode(t, next, data(15))
		if next.SequenceLost != want {
			t.Errorf("scope %d: %d lost, want %d", scope, next.SequenceLost, want)
		}
	}
	// A session that has begun knows better.
	s, next := newTestSession(t, Config{}), newTestSession(t, Config{})
	decode(t, s, buildMessage(t, VersionIPFIX, 10, func(*Builder) {}))
	decode(t, next, buildMessage(t, VersionIPFIX, 500, func(*Builder) {}))
	if _, err := next.RestoreState(s.AppendState(nil, ScopeLive)); err != nil {
		t.Fatal(err)
	}
	decode(t, next, buildMessage(t, VersionIPFIX, 500, func(*Builder) {}))
	if next.SequenceLost+next.SequenceRestarts+next.SequenceLate != 0 {
		t.Errorf("counters %+v", next.Counters)
	}
}

func TestStateQuotas(t *testing.T) {
	s := stateSessionOf(t)
	state := s.Tables().AppendState(s.AppendState(nil, ScopeLive))
	m, _ := NewModel()
	got := NewSession(m, Config{MaxTemplates: 1, MaxDomains: 2, MaxOptions: 2, HoldSets: -1}, nil)
	rest, err := got.RestoreState(state)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := got.Tables().RestoreState(rest); err != nil {
		t.Fatal(err)
	}
	if sets, _ := got.Held(); got.tables.use.templates != 1 || len(got.domains) > 2 || got.Tables().Len() != 2 || sets != 0 {
		t.Errorf("%d templates, %d domains, %d options, %d sets", got.tables.use.templates, len(got.domains), got.Tables().Len(), sets)
	}
}

func TestBadState(t *testing.T) {
	s := stateSessionOf(t)
	state := s.AppendState(nil, ScopeLive)
	for i := range state {
		spoilt := append([]byte(nil), state...)
		spoilt[i] ^= 0x40
		got := newTestSession(t, Config{})
		if _, err := got.RestoreState(spoilt); !errors.Is(err, ErrState) {
			t.Fatalf("octet %d: got error %v", i, err)
		}
		if _, err := got.RestoreState(state[:i]); !errors.Is(err, ErrState) {
			t.Fatalf("%d octets: got error %v", i, err)
		}
		if len(got.domains) > 0 {
			t.Fatalf("octet %d: something was restored", i)
		}
	}
	if _, err := s.Tables().RestoreState(state); !errors.Is(err, ErrState) {
		t.Errorf("session for tables: got error %v", err)
	}
	// Right sums around wrong payloads.
	for name, w := range map[string]func(w *stateWriter){
		"nothing": func(*stateWriter) {},
		"version": func(w *stateWriter) {
			w.uint(1)
			w.uint(5)
			w.uint(0)
			w.uint(0)
			w.bool(false)
			w.uint(0)
		},
		"template cut": func(w *stateWriter) {
			w.uint(1)
			w.uint(10)
			w.uint(0)
			w.uint(1)
			w.bool(false)
			w.int(0)
			w.octets([]byte{1})
		},
		"template id": func(w *stateWriter) {
			w.uint(1)
			w.uint(10)
			w.uint(0)
			w.uint(1)
			w.bool(false)
			w.int(0)
			w.octets([]byte{0, 2, 0, 1, 0, 1, 0, 1})
			w.bool(false)
			w.uint(0)
		},
		"template of naught": func(w *stateWriter) {
			w.uint(1)
			w.uint(10)
			w.uint(0)
			w.uint(1)
			w.bool(false)
			w.int(0)
			w.octets([]byte{1, 2, 0, 1, 0, 1, 0, 0})
			w.bool(false)
			w.uint(0)
		},
		"octets left":  func(w *stateWriter) { w.uint(0); w.uint(0); w.uint(0) },
		"held set cut": func(w *stateWriter) { w.uint(0); w.uint(1); w.uint(300) },
		"held set without room in front": func(w *stateWriter) {
			w.uint(0)
			w.uint(1)
			w.held(&heldSet{template: 300, header: Header{Version: 10}, data: make([]byte, lead-1)})
		},
		"held set of no template": func(w *stateWriter) {
			w.uint(0)
			w.uint(1)
			w.held(&heldSet{template: 255, header: Header{Version: 10}, data: make([]byte, lead)})
		},
		"held set of another version": func(w *stateWriter) {
			w.uint(0)
			w.uint(1)
			w.held(&heldSet{template: 300, header: Header{Version: 5}, data: make([]byte, lead)})
		},
		"template with more behind it": func(w *stateWriter) {
			w.uint(1)
			w.uint(10)
			w.uint(0)
			w.uint(1)
			w.bool(false)
			w.int(0)
			w.octets([]byte{1, 2, 0, 1, 0, 1, 0, 4, 0})
			w.bool(false)
			w.uint(0)
		},
		"withdrawal": func(w *stateWriter) {
			w.uint(1)
			w.uint(10)
			w.uint(0)
			w.uint(1)
			w.bool(false)
			w.int(0)
			w.octets([]byte{1, 2, 0, 0})
			w.bool(false)
			w.uint(0)
		},
		"many domains": func(w *stateWriter) { w.uint(1 << 40) },
	} {
		b := beginState(nil, stateSession)
		w(b)
		if _, err := newTestSession(t, Config{}).RestoreState(b.end()); !errors.Is(err, ErrState) {
			t.Errorf("%s: got error %v", name, err)
		}
	}
	other := append([]byte(nil), s.AppendState(nil, ScopeLive)...)
	other[4]++ // the version; with the sum that it gives
	binary.BigEndian.PutUint32(other[len(other)-4:], crc32.Checksum(other[:len(other)-4], castagnoli))
	if _, err := newTestSession(t, Config{}).RestoreState(other); !errors.Is(err, ErrState) {
		t.Errorf("another version: got error %v", err)
	}
	b := beginState(nil, stateTables)
	b.uint(2)
	if _, err := NewTables(Config{}).RestoreState(b.end()); !errors.Is(err, ErrState) {
		t.Errorf("tables cut: got error %v", err)
	}
}

func TestChanges(t *testing.T) {
	s := newTestSession(t, Config{})
	msg := optionsMessage(t, VersionIPFIX, 7, 1, []hexField{u(234, 4, 2), text(236, 8, "A2")})
	decode(t, s, msg)
	was := s.Changes()
	decode(t, s, msg)
	if was == 0 || s.Changes() != was {
		t.Errorf("%d changes, %d after the same again", was, s.Changes())
	}
	decode(t, s, optionsMessage(t, VersionIPFIX, 7, 1, []hexField{u(234, 4, 2), text(236, 8, "B2")}))
	if s.Changes() == was {
		t.Error("a new name is no change")
	}
}

func TestDomains(t *testing.T) {
	s := stateSessionOf(t)
	n := 0
	for d := range s.Domains() {
		n++
		if d.Version == VersionIPFIX && d.ID == 7 && (d.Templates != 2 || d.Held != 1 || d.Messages != 4 || d.Records != 3) {
			t.Errorf("got %+v", d)
		}
	}
	templates := 0
	for range s.Templates() {
		templates++
	}
	if n != 4 || templates != s.tables.use.templates {
		t.Errorf("%d domains, %d templates", n, templates)
	}
}

// What a device told since the start of the process is newer than what was saved before.
func TestStateDoesNotReplaceWhatIsNewer(t *testing.T) {
	saved := stateSessionOf(t)
	now := newTestSession(t, Config{})
	decode(t, now, optionsMessage(t, VersionIPFIX, 7, 1, []hexField{u(149, 4, 7), u(160, 8, 1_699_999_000_000), u(34, 4, 99), u(36, 2, 30), u(37, 2, 3), a(130, "192.0.2.9")}),
		optionsMessage(t, VersionIPFIX, 7, 1, []hexField{u(234, 4, 2), text(236, 8, "new")}))
	want := tablesOf(now.Tables())[7]
	if _, err := now.Tables().RestoreState(saved.Tables().AppendState(nil)); err != nil {
		t.Fatal(err)
	}
	got := tablesOf(now.Tables())[7]
	if got.IngressVRFs[2] != want.IngressVRFs[2] || got.EgressVRFs[3].RD != 9 {
		t.Errorf("VRFs %+v, %+v", got.IngressVRFs, got.EgressVRFs)
	}
	if got.Default != want.Default || got.About != want.About || got.SystemInit != want.SystemInit || got.Exporter != want.Exporter ||
		got.ActiveTimeout != want.ActiveTimeout || got.IdleTimeout != want.IdleTimeout {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
}
