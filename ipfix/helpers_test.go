package ipfix

import (
	"net/netip"
	"reflect"
	"testing"
)

// export is the export time of messages in tests.
const export = int64(1_700_000_000e9)

func newTestSession(tb testing.TB, cfg Config) *Session {
	tb.Helper()
	m, err := NewModel()
	if err != nil {
		tb.Fatal(err)
	}
	return NewSession(m, cfg, nil)
}

// finish ends a message and fails the test if it cannot be.
func finish(tb testing.TB, b *Builder) []byte {
	tb.Helper()
	msg, err := b.Finish()
	if err != nil {
		tb.Fatal(err)
	}
	return msg
}

// message builds a message of the test's export time in domain 7.
func buildMessage(tb testing.TB, version uint16, seq uint32, build func(b *Builder)) []byte {
	tb.Helper()
	var b Builder
	b.Begin(nil, Header{Version: version, ExportTime: export, Domain: 7, Sequence: seq, Uptime: 1_000_000})
	build(&b)
	return finish(tb, &b)
}

// keepFlows keeps copies of the flows it is given.
type keepFlows struct{ flows []Flow }

func (k *keepFlows) Flow(f *Flow) {
	c := *f
	c.MPLSLabels = append([]uint32(nil), f.MPLSLabels...)
	c.SRv6Segments = append([]netip.Addr(nil), f.SRv6Segments...)
	k.flows = append(k.flows, c)
}

// decode decodes messages and returns the flows.
func decode(tb testing.TB, s *Session, msgs ...[]byte) []Flow {
	tb.Helper()
	var k keepFlows
	for i, m := range msgs {
		if err := s.Decode(m, export, &k); err != nil {
			tb.Fatalf("message %d: %v", i, err)
		}
	}
	return k.flows
}

// fields makes template fields of pairs of id and length.
func fields(pairs ...uint16) []Field {
	var f []Field
	for i := 0; i < len(pairs); i += 2 {
		f = append(f, Field{ID: pairs[i], Len: pairs[i+1]})
	}
	return f
}

// content is a flow without what its message and session say.
func content(f Flow) Flow {
	f.Version, f.TemplateID, f.Domain, f.Sequence, f.Position, f.ExportTime = 0, 0, 0, 0, 0, 0
	f.Record, f.Options = Record{}, nil
	if len(f.MPLSLabels) == 0 {
		f.MPLSLabels = nil
	}
	if len(f.SRv6Segments) == 0 {
		f.SRv6Segments = nil
	}
	return f
}

// wantFlow compares the content of a flow with what is wanted.
func wantFlow(tb testing.TB, got, want Flow) {
	tb.Helper()
	want.typeByFamily()
	if got = content(got); !reflect.DeepEqual(got, want) {
		tb.Errorf("got  %+v\nwant %+v", got, want)
	}
}

func addr(s string) netip.Addr { return netip.MustParseAddr(s) }

// hexField is a field with its value in a record.
type hexField struct {
	id, len uint16
	value   []byte
	pen     uint32
}

// u is a number field.
func u(id, octets uint16, n uint64) hexField {
	var b Builder
	b.Uint(n, int(octets))
	return hexField{id: id, len: octets, value: b.buf}
}

// a is an address field.
func a(id uint16, s string) hexField {
	var b Builder
	b.Addr(addr(s))
	return hexField{id: id, len: uint16(len(b.buf)), value: b.buf}
}

// o is a field of octets.
func o(id uint16, v ...byte) hexField { return hexField{id: id, len: uint16(len(v)), value: v} }

// vary is a field of variable length.
func vary(id uint16, v ...byte) hexField { return hexField{id: id, len: variableLength, value: v} }

// one builds a message with a template and one record of it.
func one(tb testing.TB, version uint16, record ...hexField) []byte {
	tb.Helper()
	return buildMessage(tb, version, 0, func(b *Builder) {
		var f []Field
		for _, h := range record {
			f = append(f, Field{ID: h.id, PEN: h.pen, Len: h.len})
		}
		b.Template(300, f...)
		b.Set(300)
		writeRecord(b, record)
	})
}

// writeRecord writes the values of a record.
func writeRecord(b *Builder, record []hexField) {
	for _, h := range record {
		if h.len == variableLength {
			b.Variable(h.value)
		} else {
			b.Octets(h.value)
		}
	}
}
