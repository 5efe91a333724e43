package ipfix

import (
	"encoding/binary"
	"syscall"
	"testing"

	"github.com/vmware/go-ipfix/pkg/entities"
)

// benchFields is a template as routers send them: counters and addresses first, VRFs and interfaces, some elements
// that a Flow has no field for.
func benchFields(v6 bool) []Field {
	f := []Field{
		{ID: 2, Len: 8},
		{ID: 1, Len: 8},
		{ID: 8, Len: 4},
		{ID: 12, Len: 4},
		{ID: 10, Len: 4},
		{ID: 14, Len: 4},
		{ID: 22, Len: 4},
		{ID: 21, Len: 4},
		{ID: 7, Len: 2},
		{ID: 11, Len: 2},
		{ID: 16, Len: 4},
		{ID: 17, Len: 4},
		{ID: 18, Len: 4},
		{ID: 13, Len: 1},
		{ID: 9, Len: 1},
		{ID: 4, Len: 1},
		{ID: 6, Len: 2},
		{ID: 5, Len: 1},
		{ID: 61, Len: 1},
		{ID: 89, Len: 4},
		{ID: 302, Len: 4},
		{ID: 234, Len: 4},
		{ID: 235, Len: 4},
		{ID: 198, Len: 8},
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
func benchFields50(v6, variable bool) []Field {
	f := append(benchFields(v6), []Field{
		{ID: 56, Len: 6},
		{ID: 80, Len: 6},
		{ID: 256, Len: 2},
		{ID: 243, Len: 2},
		{ID: 245, Len: 2},
		{ID: 244, Len: 1},
		{ID: 70, Len: 3},
		{ID: 71, Len: 3},
		{ID: 72, Len: 3},
		{ID: 47, Len: 4},
		{ID: 15, Len: 4},
		{ID: 32, Len: 2},
		{ID: 58, Len: 2},
		{ID: 59, Len: 2},
		{ID: 60, Len: 1},
		{ID: 136, Len: 1},
		{ID: 53, Len: 1},
		{ID: 54, Len: 4},
		{ID: 46, Len: 1},
		{ID: 48, Len: 4},
		{ID: 64, Len: 4},
		{ID: 210, Len: 2},
		{ID: 192, Len: 1},
		{ID: 225, Len: 4},
		{ID: 226, Len: 4},
	}...)
	if variable {
		f[3], f[23] = f[23], f[3] // an address behind them
		f[2] = Field{ID: 82, Len: variableLength}
		f[30] = Field{ID: 371, Len: variableLength}
	}
	return f
}

// benchFields25Variable is benchFields with two fields of variable length, the second of which has addresses behind it.
func benchFields25Variable(v6 bool) []Field {
	f := benchFields(v6)
	f[23], f[24] = f[2], f[3]
	f[2], f[15] = Field{ID: 82, Len: variableLength}, Field{ID: 371, Len: variableLength}
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

// processCPU gives the CPU time of the process in nanoseconds, which on a shared machine says more than the time on the wall.
func processCPU(b *testing.B) int64 {
	b.Helper()
	var r syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &r); err != nil {
		b.Fatal(err)
	}
	return r.Utime.Nano() + r.Stime.Nano()
}

// reportRecord reports the time of one record of so many in each round, on the wall and of the CPU since start.
func reportRecord(b *testing.B, start int64, records int) {
	b.Helper()
	n := float64(b.N) * float64(records)
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/n, "ns/record")
	b.ReportMetric(float64(processCPU(b)-start)/n, "cpu-ns/record")
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
		{"fields=25/v4/variable=2", benchFields25Variable(false)},
		{"fields=25/v6/variable=2", benchFields25Variable(true)},
		{"fields=50/v4", benchFields50(false, false)},
		{"fields=50/v6", benchFields50(true, false)},
		{"fields=50/v4/variable=2", benchFields50(false, true)},
		{"fields=50/v6/variable=2", benchFields50(true, true)},
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
			start := processCPU(b)
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
			reportRecord(b, start, 20)
		})
	}
}

// BenchmarkPerField is what go-ipfix does for a record: an element with a value for every field, found by name. The ratio
// to BenchmarkDecode is what plans are for. Fields have their types' own lengths, or go-ipfix would crash.
func BenchmarkPerField(b *testing.B) {
	fields := benchFields(false)
	setup, data := benchMessages(b, fields)
	s := newTestSession(b, Config{})
	var k keepFlows
	for _, m := range [][]byte{setup, data} {
		if err := s.Decode(m, 1, &k); err != nil {
			b.Fatal(err)
		}
	}
	m, _ := NewModel()
	elements := make([]*entities.InfoElement, len(fields))
	for i, f := range fields {
		e := *m.Lookup(0, f.ID)
		elements[i] = &e
	}
	records := make([]perField, len(k.flows))
	for i := range k.flows {
		r := &k.flows[i].Record
		for j := range elements {
			records[i].values = append(records[i].values, naturalValue(elements[j].DataType, r.Value(j)))
		}
	}
	b.ReportAllocs()
	sum := uint64(0)
	start := processCPU(b)
	for b.Loop() {
		for i := range records {
			sum += records[i].decode(b, elements)
		}
	}
	if sum == 0 {
		b.Fatal("nothing decoded")
	}
	reportRecord(b, start, len(records))
}

// perField is a record as octets by field.
type perField struct{ values [][]byte }

// decode decodes every field and picks nine by name.
func (p *perField) decode(tb testing.TB, elements []*entities.InfoElement) (sum uint64) {
	for i, e := range elements {
		v, err := entities.DecodeAndCreateInfoElementWithValue(e, p.values[i])
		if err != nil {
			tb.Fatal(err)
		}
		switch v.GetName() {
		case "octetDeltaCount", "packetDeltaCount":
			sum += v.GetUnsigned64Value()
		case "sourceIPv4Address", "destinationIPv4Address":
			sum += uint64(v.GetIPAddressValue()[3])
		case "sourceTransportPort", "destinationTransportPort":
			sum += uint64(v.GetUnsigned16Value())
		case "ingressInterface", "egressInterface":
			sum += uint64(v.GetUnsigned32Value())
		case "protocolIdentifier":
			sum += uint64(v.GetUnsigned8Value())
		}
	}
	return sum
}

// BenchmarkExtra appends the elements without a field of their own as JSON.
func BenchmarkExtra(b *testing.B) {
	setup, data := benchMessages(b, benchFields50(false, true))
	s := newTestSession(b, Config{})
	h := &extraHandler{}
	if err := s.Decode(setup, 1, h); err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	start := processCPU(b)
	for b.Loop() {
		if err := s.Decode(data, 1, h); err != nil {
			b.Fatal(err)
		}
	}
	reportRecord(b, start, 20)
}

type extraHandler struct{ buf []byte }

func (h *extraHandler) Flow(f *Flow) { h.buf = f.Record.AppendObject(h.buf[:0], f.Record.Extra()) }

// BenchmarkLearn compiles a template of 50 fields.
func BenchmarkLearn(b *testing.B) {
	s := newTestSession(b, Config{})
	msgs := [2][]byte{}
	for i := range msgs {
		f := benchFields50(false, true)
		f[0].Len -= uint16(i) // changed every time
		msgs[i] = buildMessage(b, VersionIPFIX, 0, func(b *Builder) { b.Template(256, f...) })
	}
	b.ReportAllocs()
	i := 0
	for b.Loop() {
		if err := s.Decode(msgs[i&1], 1, &countFlows{}); err != nil {
			b.Fatal(err)
		}
		i++
	}
}
