package ipfix

import (
	"encoding/binary"
	"testing"
)

// benchFields is a template as routers send them: counters and addresses first, VRFs and interfaces, some elements
// that a Flow has no field for.
func benchFields(v6 bool) []Field {
	f := []Field{
		{ID: 2, Len: 8}, {ID: 1, Len: 8}, {ID: 8, Len: 4}, {ID: 12, Len: 4}, {ID: 10, Len: 4}, {ID: 14, Len: 4},
		{ID: 22, Len: 4}, {ID: 21, Len: 4}, {ID: 7, Len: 2}, {ID: 11, Len: 2}, {ID: 16, Len: 4}, {ID: 17, Len: 4},
		{ID: 18, Len: 4}, {ID: 13, Len: 1}, {ID: 9, Len: 1}, {ID: 4, Len: 1}, {ID: 6, Len: 2}, {ID: 5, Len: 1},
		{ID: 61, Len: 1}, {ID: 89, Len: 4}, {ID: 302, Len: 4}, {ID: 234, Len: 4}, {ID: 235, Len: 4}, {ID: 198, Len: 8},
		{ID: 52, Len: 1},
	}
	if v6 {
		for i := range f {
			switch f[i].ID {
			case 8:
				f[i] = Field{ID: 27, Len: 16}
			case 12:
				f[i] = Field{ID: 28, Len: 16}
			case 18:
				f[i] = Field{ID: 63, Len: 16}
			case 9:
				f[i] = Field{ID: 29, Len: 1}
			case 13:
				f[i] = Field{ID: 30, Len: 1}
			}
		}
	}
	return f
}

// benchFields50 has 25 more, of which two are of variable length if asked for.
func benchFields50(variable bool) []Field {
	f := append(benchFields(false), []Field{
		{ID: 56, Len: 6}, {ID: 80, Len: 6}, {ID: 256, Len: 2}, {ID: 243, Len: 2}, {ID: 245, Len: 2}, {ID: 244, Len: 1},
		{ID: 70, Len: 3}, {ID: 71, Len: 3}, {ID: 72, Len: 3}, {ID: 47, Len: 4}, {ID: 15, Len: 4}, {ID: 32, Len: 2},
		{ID: 58, Len: 2}, {ID: 59, Len: 2}, {ID: 60, Len: 1}, {ID: 136, Len: 1}, {ID: 53, Len: 1}, {ID: 54, Len: 4},
		{ID: 46, Len: 1}, {ID: 48, Len: 4}, {ID: 64, Len: 4}, {ID: 210, Len: 2}, {ID: 192, Len: 1}, {ID: 225, Len: 4},
		{ID: 226, Len: 4},
	}...)
	if variable {
		f[3], f[23] = f[23], f[3] // an address behind them
		f[2] = Field{ID: 82, Len: variableLength}
		f[30] = Field{ID: 371, Len: variableLength}
	}
	return f
}

// fillRecord writes a record of plausible values.
func fillRecord(b *Builder, fields []Field, i int) {
	for _, f := range fields {
		switch {
		case f.Len == variableLength:
			b.Variable([]byte("TenGigE0/0/0/12"))
		case f.ID == 8 || f.ID == 12:
			b.Uint(0x0a000000|uint64(i*int(f.ID)), 4)
		case f.ID == 4:
			b.Uint(6, int(f.Len))
		case f.ID == 21 || f.ID == 22:
			b.Uint(123_456_789, 4)
		case f.ID == 302:
			b.Uint(1, int(f.Len))
		case f.Len == 16:
			b.Octets([]byte{0x20, 1, 0x0d, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, byte(i)})
		default:
			b.Uint(uint64(i)+uint64(f.ID), int(f.Len))
		}
	}
}

// benchMessages returns a message with templates and options and one with 20 records.
func benchMessages(tb testing.TB, fields []Field) (setup, data []byte) {
	tb.Helper()
	var b Builder
	b.Begin(nil, Header{Version: VersionIPFIX, ExportTime: 1_700_000_000e9, Domain: 1})
	b.Template(256, fields...)
	b.OptionsTemplate(257, Field{ID: 302, Len: 4, Scope: true}, Field{ID: 304, Len: 2}, Field{ID: 309, Len: 4}, Field{ID: 310, Len: 4})
	b.Set(257)
	b.Uint(1, 4)
	b.Uint(3, 2)
	b.Uint(1, 4)
	b.Uint(1000, 4)
	b.OptionsTemplate(258, Field{ID: 149, Len: 4, Scope: true}, Field{ID: 160, Len: 8})
	b.Set(258)
	b.Uint(1, 4)
	b.Uint(1_699_000_000_000, 8)
	setup = finish(tb, &b)
	b.Begin(nil, Header{Version: VersionIPFIX, ExportTime: 1_700_000_000e9, Domain: 1})
	b.Set(256)
	for i := range 20 {
		fillRecord(&b, fields, i)
	}
	return setup, finish(tb, &b)
}

type countFlows struct{ n uint64 }

func (c *countFlows) Flow(f *Flow) { c.n += f.Packets }

func BenchmarkDecode(b *testing.B) {
	cases := []struct {
		name   string
		fields []Field
	}{
		{"fields=25/v4", benchFields(false)},
		{"fields=25/v6", benchFields(true)},
		{"fields=50/v4", benchFields50(false)},
		{"fields=50/v4/variable=2", benchFields50(true)},
	}
	for _, c := range cases {
		b.Run(c.name, func(b *testing.B) {
			setup, data := benchMessages(b, c.fields)
			s, h := newTestSession(b, Config{}), &countFlows{}
			if err := s.Decode(setup, 1, h); err != nil {
				b.Fatal(err)
			}
			b.SetBytes(int64(len(data)))
			b.ReportAllocs()
			seq := uint32(2)
			for b.Loop() {
				binary.BigEndian.PutUint32(data[8:], seq)
				if err := s.Decode(data, 1, h); err != nil {
					b.Fatal(err)
				}
				seq += 20
			}
			if s.SequenceLost+s.BadRecords > 0 || s.DataRecords == 0 {
				b.Fatalf("counters: %+v", s.Counters)
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/20, "ns/record")
		})
	}
}
