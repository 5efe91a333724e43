package record

import (
	"encoding/binary"
	"encoding/json"
	"reflect"
	"testing"

	"github.com/telcol/telcol/correlate"
	"github.com/telcol/telcol/ipfix"
)

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
			"observationPointId": []any{json.Number("3"), json.Number("4")}, "64999.7": "0xcafe",
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
