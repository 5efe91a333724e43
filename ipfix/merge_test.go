package ipfix

import (
	"reflect"
	"testing"
)

// A session that becomes another device's goes on: with its templates, its sequence numbers and what waits, and with the tables of that one.
func TestMoveTo(t *testing.T) {
	s, into := stateSessionOf(t), NewTables(Config{})
	decode(t, NewSession(s.model, Config{}, into), optionsMessage(t, VersionIPFIX, 7, 1, []hexField{u(302, 4, 5), u(305, 4, 1), u(306, 4, 6)}))
	from, templates := s.Tables(), templatesOf(s)
	others, _, _ := into.Kept()
	own, _, octets := from.Kept()
	s.MoveTo(into)
	if got := templatesOf(s); !reflect.DeepEqual(got, templates) {
		t.Errorf("templates: got %v, want %v", got, templates)
	}
	if n, sets, left := from.Kept(); n+sets+left != 0 {
		t.Errorf("the old tables count %d templates, %d sets of %d octets", n, sets, left)
	}
	if n, sets, held := into.Kept(); n != others+own || sets != 1 || held != octets {
		t.Errorf("the new tables count %d templates, %d sets of %d octets, want %d, 1, %d", n, sets, held, others+own, octets)
	}
	flows := decode(t, s, buildMessage(t, VersionIPFIX, 80, func(b *Builder) { b.Template(999, fields(1, 4)...) }))
	if len(flows) != 1 || flows[0].Bytes != 5 || flows[0].SamplingRate != 7 || flows[0].Options != into.Domain(7) {
		t.Errorf("what waited: got %+v", flows)
	}
	lost := s.SequenceLost
	decode(t, s, buildMessage(t, VersionIPFIX, 90, func(*Builder) {}))
	if s.SequenceLost != lost+10 || s.DroppedSets+s.TemplatesRefused != 0 {
		t.Errorf("counters %+v", s.Counters)
	}
	s.MoveTo(into)
	if n, _, _ := into.Kept(); n != others+own+1 {
		t.Errorf("a move to where it is: %d templates, want %d", n, others+own+1)
	}
}

func TestMoveToWithinQuotas(t *testing.T) {
	s, into := stateSessionOf(t), NewTables(Config{MaxTemplates: 2, HoldSets: -1})
	own, _, _ := s.Tables().Kept()
	s.cfg = into.cfg // one Config is all devices'
	s.MoveTo(into)
	if n, sets, octets := into.Kept(); n != 2 || sets != 0 || octets != 0 {
		t.Errorf("%d templates, %d sets of %d octets", n, sets, octets)
	}
	if s.TemplatesRefused != uint64(own-2) || s.DroppedSets != 1 {
		t.Errorf("%d templates refused, want %d; %d sets dropped", s.TemplatesRefused, own-2, s.DroppedSets)
	}
	n := 0
	for range s.Templates() {
		n++
	}
	if n != 2 {
		t.Errorf("%d templates, want 2", n)
	}
	s.End()
	if n, _, _ := into.Kept(); n != 0 {
		t.Errorf("%d templates counted at the end", n)
	}
}

func TestMerge(t *testing.T) {
	from := stateSessionOf(t).Tables()
	empty := NewTables(Config{})
	empty.Merge(from)
	for id, want := range tablesOf(from) {
		if got := tablesOf(empty)[id]; !reflect.DeepEqual(got, want) {
			t.Errorf("domain %d: got %+v, want %+v", id, got, want)
		}
	}
	if empty.Len() != from.Len() || empty.Changes() != uint64(from.Len()) {
		t.Errorf("%d entries, %d changes, want %d of each", empty.Len(), empty.Changes(), from.Len())
	}

	s := newTestSession(t, Config{})
	decode(t, s,
		optionsMessage(t, VersionIPFIX, 7, 1, []hexField{u(234, 4, 2), text(236, 8, "B2")}),
		optionsMessage(t, VersionNetFlow9, 3, 1, []hexField{u(1, 4, 0), u(34, 4, 9)}),
		optionsMessage(t, VersionIPFIX, 7, 1, []hexField{u(149, 4, 7), u(36, 2, 90)}),
	)
	into := s.Tables()
	before := tablesOf(into)
	into.Merge(from)
	o := into.Known(7)
	if v, _ := o.IngressVRF(2); v.Name != "B2" {
		t.Errorf("an entry of its own has become %+v", v)
	}
	if v, ok := o.EgressVRF(3); !ok || v.RD != 9 {
		t.Errorf("an entry that it lacked is %+v", v)
	}
	if o.ActiveTimeout != before[7].ActiveTimeout || o.IdleTimeout == 0 || o.SystemInit == 0 || o.About != before[7].About {
		t.Errorf("of the exporter: %+v", o)
	}
	if got, want := into.Known(3).Default, before[3].Default; got != want {
		t.Errorf("sampling of the whole domain: got %+v, want %+v", got, want)
	}

	small := NewTables(Config{MaxOptions: 2, MaxDomains: 1})
	small.Merge(from)
	if small.Len() > 2 || small.Refused == 0 {
		t.Errorf("%d entries, %d refused", small.Len(), small.Refused)
	}
	for id, o := range small.All() {
		if got, want := o.Len(), from.Known(id).Len(); got > want {
			t.Errorf("domain %d has %d entries, which had %d", id, got, want)
		}
	}
}
