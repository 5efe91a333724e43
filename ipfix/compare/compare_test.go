package compare

import (
	"bytes"
	"encoding/binary"
	"net/netip"
	"syscall"
	"testing"
	"time"

	"github.com/netsampler/goflow2/v2/decoders/netflow"
	"github.com/netsampler/goflow2/v2/producer"
	protoproducer "github.com/netsampler/goflow2/v2/producer/proto"
	"github.com/vmware/go-ipfix/pkg/entities"

	"github.com/telcol/telcol/collector/record"
	"github.com/telcol/telcol/correlate"
	"github.com/telcol/telcol/ipfix"
)

// BenchmarkRecord decodes and, where it says so, writes the same records with each library; cpu-ns/record
// and the allocations of a round, which is a message of 20 records, are to be compared.
func BenchmarkRecord(b *testing.B) {
	for _, c := range []struct {
		name   string
		fields []ipfix.Field
	}{{"fields=25", fields25}, {"fields=50", fields50}} {
		b.Run(c.name+"/telcol/decode", func(b *testing.B) { benchTelcol(b, c.fields, &counting{}) })
		b.Run(c.name+"/telcol/decode+json", func(b *testing.B) { benchTelcol(b, c.fields, newEncoding()) })
		b.Run(c.name+"/go-ipfix/values", func(b *testing.B) { benchGoIPFIX(b, c.fields) })
		b.Run(c.name+"/goflow2/decode", func(b *testing.B) { benchGoFlow2(b, c.fields, nil) })
		b.Run(c.name+"/goflow2/decode+produce", func(b *testing.B) {
			benchGoFlow2(b, c.fields, func(*protoproducer.ProtoProducerMessage) error { return nil })
		})
		b.Run(c.name+"/goflow2/decode+produce+protobuf", func(b *testing.B) {
			benchGoFlow2(b, c.fields, func(m *protoproducer.ProtoProducerMessage) error { _, err := m.MarshalBinary(); return err })
		})
		b.Run(c.name+"/goflow2/decode+produce+json", func(b *testing.B) {
			benchGoFlow2(b, c.fields, func(m *protoproducer.ProtoProducerMessage) error { _, err := m.MarshalJSON(); return err })
		})
	}
}

// cpu gives the CPU time of the process so far in nanoseconds: garbage collection is in it, and other processes are not.
func cpu(b *testing.B) int64 {
	b.Helper()
	var r syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &r); err != nil {
		b.Fatal(err)
	}
	return r.Utime.Nano() + r.Stime.Nano()
}

// perRecord reports the CPU time of a record since start.
func perRecord(b *testing.B, start int64) {
	b.Helper()
	b.ReportMetric(float64(cpu(b)-start)/float64(b.N*records), "cpu-ns/record")
}

// counting takes flows and does next to nothing with them.
type counting struct{ packets uint64 }

func (c *counting) Flow(f *ipfix.Flow) { c.packets += f.Packets }

// encoding writes flows as telcol's record, without routes.
type encoding struct {
	enc *record.Encoder
	rec correlate.Record
	buf []byte
}

func newEncoding() *encoding {
	router := netip.MustParseAddr("192.0.2.1")
	return &encoding{
		enc: record.NewEncoder(0), rec: correlate.Record{Device: router, Exporter: router, Received: 1_700_000_000e9},
	}
}

func (e *encoding) Flow(f *ipfix.Flow) {
	e.rec.Flow = f
	e.buf = e.enc.AppendJSON(e.buf[:0], &e.rec)
}

func benchTelcol(b *testing.B, fields []ipfix.Field, h ipfix.Handler) {
	template, data := messages(b, fields)
	model, err := ipfix.NewModel()
	if err != nil {
		b.Fatal(err)
	}
	s := ipfix.NewSession(model, ipfix.Config{}, nil)
	if err := s.Decode(template, 1, h); err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	sequence := uint32(0)
	start := cpu(b)
	for b.Loop() {
		binary.BigEndian.PutUint32(data[8:], sequence)
		sequence += records
		if err := s.Decode(data, 1, h); err != nil {
			b.Fatal(err)
		}
	}
	if s.DataRecords != uint64(b.N)*records || s.SequenceLost != 0 {
		b.Fatalf("%+v", s.Counters)
	}
	perRecord(b, start)
}

// benchGoFlow2 decodes with goflow2 and, unless write is nil, produces its messages and writes them.
func benchGoFlow2(b *testing.B, fields []ipfix.Field, write func(*protoproducer.ProtoProducerMessage) error) {
	template, data := messages(b, fields)
	templates := netflow.CreateTemplateSystem()
	var standard *protoproducer.ProducerConfig // as goflow2 runs without a mapping file
	cfg, err := standard.Compile()
	if err != nil {
		b.Fatal(err)
	}
	produce, err := protoproducer.CreateProtoProducer(cfg, protoproducer.CreateSamplingSystem)
	if err != nil {
		b.Fatal(err)
	}
	args := &producer.ProduceArgs{
		Src: netip.MustParseAddrPort("192.0.2.1:5000"), SamplerAddress: netip.MustParseAddr("192.0.2.1"), TimeReceived: time.Unix(1_700_000_000, 0),
	}
	var v9 netflow.NFv9Packet
	var ipfixPacket netflow.IPFIXPacket
	if err := netflow.DecodeMessageVersion(bytes.NewBuffer(template), templates, &v9, &ipfixPacket); err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	start := cpu(b)
	for b.Loop() {
		var packet netflow.IPFIXPacket
		if err := netflow.DecodeMessageVersion(bytes.NewBuffer(data), templates, &v9, &packet); err != nil {
			b.Fatal(err)
		}
		if write == nil {
			continue
		}
		msgs, err := produce.Produce(&packet, args)
		if err != nil || len(msgs) != records {
			b.Fatalf("%d messages, %v", len(msgs), err)
		}
		for _, m := range msgs {
			if err := write(m.(*protoproducer.ProtoProducerMessage)); err != nil {
				b.Fatal(err)
			}
		}
		produce.Commit(msgs)
	}
	perRecord(b, start)
}

// benchGoIPFIX makes go-ipfix's element of every field. Its own reading of a message takes two orders of magnitude more and
// stops at fields of another length than their type's; this is the part that it cannot do without.
func benchGoIPFIX(b *testing.B, fields []ipfix.Field) {
	template, data := messages(b, fields)
	model, err := ipfix.NewModel()
	if err != nil {
		b.Fatal(err)
	}
	s := ipfix.NewSession(model, ipfix.Config{}, nil)
	var keep keeping
	for _, msg := range [][]byte{template, data} {
		if err := s.Decode(msg, 1, &keep); err != nil {
			b.Fatal(err)
		}
	}
	elements := make([]*entities.InfoElement, len(fields))
	for i, f := range fields {
		elements[i] = model.Lookup(f.PEN, f.ID)
	}
	b.ReportAllocs()
	start := cpu(b)
	for b.Loop() {
		for _, values := range keep.records {
			for i, e := range elements {
				if _, err := entities.DecodeAndCreateInfoElementWithValue(e, values[i]); err != nil {
					b.Fatal(err)
				}
			}
		}
	}
	perRecord(b, start)
}

// keeping keeps the octets of records by field, in their types' own lengths.
type keeping struct{ records [][][]byte }

func (k *keeping) Flow(f *ipfix.Flow) {
	var values [][]byte
	for i := range f.Record.Len() {
		v := bytes.Clone(f.Record.Value(i))
		natural := entities.InfoElementLength[f.Record.Field(i).Type]
		if natural != entities.VariableLength {
			for len(v) < int(natural) {
				v = append([]byte{0}, v...)
			}
		}
		values = append(values, v)
	}
	k.records = append(k.records, values)
}
