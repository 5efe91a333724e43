package record

import (
	"encoding/binary"
	"encoding/json"
	"math"
	"reflect"
	"testing"

	"github.com/vmware/go-ipfix/pkg/entities"

	"github.com/telcol/telcol/correlate"
	"github.com/telcol/telcol/ipfix"
)

func TestElementTexts(t *testing.T) {
	float32bits := func(v float32) []byte { return binary.BigEndian.AppendUint32(nil, math.Float32bits(v)) }
	float64bits := func(v float64) []byte { return binary.BigEndian.AppendUint64(nil, math.Float64bits(v)) }
	eight := func(v uint64) []byte { return binary.BigEndian.AppendUint64(nil, v) }
	e := NewEncoder(0)
	for _, tc := range []struct {
		name  string
		typ   entities.IEDataType
		value []byte
		want  string
	}{
		{"unsigned", entities.Unsigned32, []byte{0, 1, 0, 0}, `65536`},
		{"unsigned, reduced", entities.Unsigned64, []byte{7}, `7`},
		{"unsigned, most", entities.Unsigned64, eight(math.MaxUint64), `18446744073709551615`},
		{"unsigned, nothing", entities.Unsigned8, nil, `""`},
		{"unsigned, nine octets", entities.Unsigned64, make([]byte, 9), `"000000000000000000"`},
		{"signed", entities.Signed32, []byte{0xff, 0xff, 0xff, 0xfe}, `-2`},
		{"signed, reduced", entities.Signed64, []byte{0x80}, `-128`},
		{"signed, least", entities.Signed64, eight(1 << 63), `-9223372036854775808`},
		{"float 32", entities.Float32, float32bits(0.1), `0.1`},
		{"float 64 in four octets", entities.Float64, float32bits(0.1), `0.1`},
		{"float 64", entities.Float64, float64bits(-1e300), `-1e+300`},
		{"no number", entities.Float32, float32bits(float32(math.NaN())), `"7fc00000"`},
		{"infinite", entities.Float64, float64bits(math.Inf(1)), `"7ff0000000000000"`},
		{"float of three octets", entities.Float32, []byte{1, 2, 3}, `"010203"`},
		{"true", entities.Boolean, []byte{1}, `true`},
		{"false", entities.Boolean, []byte{2}, `false`},
		{"neither", entities.Boolean, []byte{0}, `"00"`},
		{"mac", entities.MacAddress, []byte{0, 0x50, 0x56, 0x9a, 1, 2}, `"00:50:56:9a:01:02"`},
		{"short mac", entities.MacAddress, []byte{0, 0x50}, `"0050"`},
		{"ipv4", entities.Ipv4Address, []byte{192, 0, 2, 1}, `"192.0.2.1"`},
		{"ipv6", entities.Ipv6Address, append([]byte{0x20, 1, 0xd, 0xb8}, make([]byte, 12)...), `"2001:db8::"`},
		{"odd address", entities.Ipv4Address, []byte{192, 0, 2}, `"c00002"`},
		{"string, padded", entities.String, []byte("A\"2\x00\x00"), `"A\"2"`},
		{"seconds", entities.DateTimeSeconds, []byte{0x65, 0x53, 0xf1, 0}, `"2023-11-14T22:13:20.000000000Z"`},
		{"milliseconds", entities.DateTimeMilliseconds, eight(1_700_000_000_123), `"2023-11-14T22:13:20.123000000Z"`},
		{"milliseconds beyond", entities.DateTimeMilliseconds, eight(math.MaxUint64), `"ffffffffffffffff"`},
		{"microseconds", entities.DateTimeMicroseconds, eight((1_700_000_000+2_208_988_800)<<32 | 1<<31), `"2023-11-14T22:13:20.500000000Z"`},
		{"nanoseconds, 1900", entities.DateTimeNanoseconds, eight(0), `"1900-01-01T00:00:00.000000000Z"`},
		{"short time", entities.DateTimeNanoseconds, []byte{1}, `"01"`},
		{"octets", entities.OctetArray, []byte{0, 0xff}, `"00ff"`},
		{"list", entities.BasicList, []byte{0xff, 0, 1}, `"ff0001"`},
		{"invalid", entities.InvalidDataType, []byte{1}, `"01"`},
	} {
		t.Run(tc.name, func(t *testing.T) {
			got := string(e.appendElement([]byte("x"), tc.typ, tc.value))
			if got != "x"+tc.want {
				t.Errorf("got %s, want %s", got[1:], tc.want)
			}
		})
	}
}

// FuzzElement checks that any value of any type is one JSON value.
func FuzzElement(f *testing.F) {
	f.Add(uint8(entities.String), []byte("eth0\x00"))
	f.Add(uint8(entities.Float64), []byte{0x7f, 0xf8, 0, 0, 0, 0, 0, 1})
	f.Add(uint8(entities.DateTimeMilliseconds), []byte{0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff})
	e := NewEncoder(0)
	f.Fuzz(func(t *testing.T, typ uint8, value []byte) {
		if got := e.appendElement(nil, entities.IEDataType(typ), value); !json.Valid(got) {
			t.Errorf("type %d, value %x: %s", typ, value, got)
		}
	})
}

// extraMessage has a template of an element with a field of its own, one without, one twice, one of an unknown
// enterprise, padding, and a name of variable length; and one record.
func extraMessage() []byte {
	fields := [][4]uint16{ // element, length, enterprise number
		{1, 4}, {138, 2}, {138, 2}, {0x8000 | 7, 2, 0, 64999}, {210, 2}, {83, 65535},
	}
	var template, record []byte
	for _, f := range fields {
		template = binary.BigEndian.AppendUint16(template, f[0])
		template = binary.BigEndian.AppendUint16(template, f[1])
		if f[0]&0x8000 != 0 {
			template = binary.BigEndian.AppendUint32(template, uint32(f[2])<<16|uint32(f[3]))
		}
	}
	record = append(record, 0, 0, 0, 100, 0, 3, 0, 4, 0xca, 0xfe, 0, 0, 3, 'a', '"', 'b')
	set := func(b []byte, id uint16, body []byte) []byte {
		b = binary.BigEndian.AppendUint16(b, id)
		b = binary.BigEndian.AppendUint16(b, uint16(4+len(body)))
		return append(b, body...)
	}
	msg := []byte{0, 10, 0, 0, 0x65, 0x53, 0xf1, 0, 0, 0, 0, 1, 0, 0, 0, 7}
	msg = set(msg, 2, append([]byte{1, 0, 0, byte(len(fields))}, template...))
	msg = set(msg, 256, record)
	binary.BigEndian.PutUint16(msg[2:], uint16(len(msg)))
	return msg
}

// withExtraRecord calls with a record whose flow is that of extraMessage. It is valid during the call.
func withExtraRecord(t *testing.T, call func(*correlate.Record)) {
	t.Helper()
	model, err := ipfix.NewModel()
	if err != nil {
		t.Fatal(err)
	}
	s := ipfix.NewSession(model, ipfix.Config{}, ipfix.NewTables(ipfix.Config{}))
	called := 0
	err = s.Decode(extraMessage(), 0, flowFunc(func(f *ipfix.Flow) {
		called++
		rec := example()
		rec.Flow = f
		call(rec)
	}))
	if err != nil || called != 1 {
		t.Fatalf("got %d flows and error %v, want one flow", called, err)
	}
}

type flowFunc func(*ipfix.Flow)

func (fn flowFunc) Flow(f *ipfix.Flow) { fn(f) }

func TestExtra(t *testing.T) {
	withExtraRecord(t, func(rec *correlate.Record) {
		got := decode(t, NewEncoder(0, WithExtra()).AppendJSON(nil, rec))
		want := map[string]any{
			"observationPointId": json.Number("3"), "observationPointId_2": json.Number("4"), "64999.7": "cafe",
			"interfaceDescription": `a"b`,
		}
		if !reflect.DeepEqual(got["extra"], want) {
			t.Errorf("got %v, want %v", got["extra"], want)
		}
		if got["bytes"] != json.Number("100") {
			t.Errorf("bytes: got %v", got["bytes"])
		}
		if got := decode(t, NewEncoder(0).AppendJSON(nil, rec))["extra"]; got != nil {
			t.Errorf("not asked for, got %v", got)
		}
	})
	if got := decode(t, NewEncoder(0, WithExtra()).AppendJSON(nil, example()))["extra"]; got != nil {
		t.Errorf("a flow without a record: got %v", got)
	}
}
