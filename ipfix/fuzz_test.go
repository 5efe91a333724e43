package ipfix

import (
	"bytes"
	"testing"
)

// seeds are messages that a decoder went wrong on, and whole ones.
func seeds(tb testing.TB) [][]byte {
	tb.Helper()
	setup, data := benchMessages(tb, benchFields50(true))
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
		for _, msg := range [][]byte{first, second, first} {
			if len(msg) > 0xffff {
				return
			}
			given := bytes.Clone(msg)
			before := s.DataRecords + s.OptionsRecords
			h := &boundHandler{t, max(len(first), len(second))}
			_ = s.Decode(msg, export, h)
			if !bytes.Equal(msg, given) {
				t.Fatal("message changed")
			}
			if n := s.DataRecords + s.OptionsRecords - before; n > uint64(len(msg)+cfg.HoldBytes) {
				t.Fatalf("%d records of %d octets", n, len(msg))
			}
		}
		sets, octets := s.Held()
		if len(s.domains) > cfg.MaxDomains || s.templates > cfg.MaxTemplates || s.fields > cfg.MaxTotalFields ||
			sets > cfg.HoldSets || octets > cfg.HoldBytes || s.Tables().Len() > cfg.MaxOptions {
			t.Fatalf("beyond the quotas: %d templates, %d fields, %d sets of %d octets", s.templates, s.fields, sets, octets)
		}
		if s.UnknownSets != s.HeldSets+s.DroppedSets && s.UnknownSets > s.HeldSets+s.DroppedSets ||
			uint64(sets)+s.ReleasedSets > s.HeldSets {
			t.Fatalf("counters %+v, %d held", s.Counters, sets)
		}
		s.Expire(export + 1e18)
		if s.templates+s.fields != 0 || s.Tables().Len() != 0 {
			t.Fatalf("%d templates of %d fields, %d options left after all time", s.templates, s.fields, s.Tables().Len())
		}
	})
}
