package ipfix

import (
	"encoding/json"
	"math"
	"strings"
	"testing"

	"github.com/vmware/go-ipfix/pkg/entities"
)

func TestValues(t *testing.T) {
	cases := []struct {
		name string
		typ  entities.IEDataType
		v    []byte
		want string
	}{
		{"unsigned8", entities.Unsigned8, []byte{7}, "7"},
		{"unsigned64", entities.Unsigned64, []byte{255, 255, 255, 255, 255, 255, 255, 255}, "18446744073709551615"},
		{"unsigned64 in three octets", entities.Unsigned64, []byte{1, 0, 0}, "65536"},
		{"unsigned of no octets", entities.Unsigned32, nil, `""`},
		{"unsigned of nine octets", entities.Unsigned64, make([]byte, 9), `"0x000000000000000000"`},
		{"unsigned256 in eight octets", unsigned256, []byte{0, 0, 0, 0, 0, 0, 1, 0}, "256"},
		{"unsigned256", unsigned256, append(make([]byte, 31), 5), `"0x` + strings.Repeat("00", 31) + `05"`},
		{"signed8", entities.Signed8, []byte{0xff}, "-1"},
		{"signed64 in two octets", entities.Signed64, []byte{0xff, 0xfe}, "-2"},
		{"signed32 in three octets", entities.Signed32, []byte{0, 1, 0}, "256"},
		{"float32", entities.Float32, []byte{0x3f, 0x80, 0, 0}, "1"},
		{"float64 as float32", entities.Float64, []byte{0x3f, 0, 0, 0}, "0.5"},
		{"float64", entities.Float64, []byte{0x3f, 0xb9, 0x99, 0x99, 0x99, 0x99, 0x99, 0x9a}, "0.1"},
		{"no number", entities.Float32, []byte{0x7f, 0xc0, 0, 0}, `"NaN"`},
		{"true", entities.Boolean, []byte{1}, "true"},
		{"false", entities.Boolean, []byte{2}, "false"},
		{"neither", entities.Boolean, []byte{0}, `"0x00"`},
		{"mac", entities.MacAddress, []byte{2, 0, 0, 0, 0xab, 1}, `"02:00:00:00:ab:01"`},
		{"short mac", entities.MacAddress, []byte{2, 0}, `"0x0200"`},
		{"ipv4", entities.Ipv4Address, []byte{192, 0, 2, 1}, `"192.0.2.1"`},
		{"ipv6", entities.Ipv6Address, []byte{0x20, 1, 0x0d, 0xb8, 15: 1}, `"2001:db8::1"`},
		{"ipv4 of a wrong length", entities.Ipv4Address, []byte{192, 0, 2}, `"0xc00002"`},
		{"ipv6 in four octets", entities.Ipv6Address, []byte{192, 0, 2, 1}, `"0xc0000201"`},
		{"string", entities.String, []byte("a\"b\\\n\x00\x00"), `"a\"b\\\u000a"`},
		{"string that is no UTF-8", entities.String, []byte("a\xffb\xe9"), "\"a\uFFFDb\uFFFD\""},
		{"seconds", entities.DateTimeSeconds, []byte{0x65, 0x53, 0xf1, 0}, `"2023-11-14T22:13:20Z"`},
		{"milliseconds", entities.DateTimeMilliseconds, []byte{0, 0, 0x01, 0x8b, 0xcf, 0xe5, 0x68, 0x01}, `"2023-11-14T22:13:20.001Z"`},
		{"microseconds", entities.DateTimeMicroseconds, []byte{0xe8, 0xfe, 0x6f, 0x80, 0x80, 0, 7, 0xff}, `"2023-11-14T22:13:20.5Z"`},
		{"nanoseconds", entities.DateTimeNanoseconds, []byte{0xe8, 0xfe, 0x6f, 0x80, 0, 0, 0, 0x05}, `"2023-11-14T22:13:20.000000001Z"`},
		{"nanoseconds of a wrong length", entities.DateTimeNanoseconds, []byte{1, 2, 3, 4}, `"0x01020304"`},
		{"no time", entities.DateTimeMilliseconds, make([]byte, 8), "null"},
		{"time out of range", entities.DateTimeMilliseconds, []byte{255, 0, 0, 0, 0, 0, 0, 0}, `"0xff00000000000000"`},
		{"octets", entities.OctetArray, []byte{0xde, 0xad}, `"0xdead"`},
		{"no octets", entities.OctetArray, nil, `""`},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			got := string((&Record{}).appendTyped(nil, c.typ, c.v, 0))
			if got != c.want {
				t.Errorf("got %s, want %s", got, c.want)
			}
			if !json.Valid([]byte(got)) {
				t.Errorf("not JSON: %s", got)
			}
		})
	}
}

func TestLists(t *testing.T) {
	s := newTestSession(t, Config{})
	decode(t, s, buildMessage(t, VersionIPFIX, 0, func(b *Builder) {
		b.Template(300, Field{ID: 7, Len: 2}, Field{ID: 82, Len: variableLength}, Field{ID: 210, Len: 1})
	}))
	r := &Record{domain: s.domains[domainKey{VersionIPFIX, 7}]}
	cases := []struct {
		name string
		typ  entities.IEDataType
		v    []byte
		want string
	}{
		{"basic list", entities.BasicList, []byte{3, 0, 7, 0, 2, 0, 80, 1, 187}, `{"semantic":"allOf","element":"sourceTransportPort","values":[80,443]}`},
		{"basic list of variable length", entities.BasicList, []byte{255, 0, 82, 255, 255, 1, 'a', 255, 0, 2, 'b', 'c'}, `{"semantic":"undefined","element":"interfaceName","values":["a","bc"]}`},
		{"basic list of an enterprise", entities.BasicList, []byte{4, 0x80, 1, 0, 1, 0, 0, 7, 0xdb, 9}, `{"semantic":"ordered","element":"2011.1","values":["0x09"]}`},
		{"empty basic list", entities.BasicList, []byte{9, 0, 7, 0, 2}, `{"semantic":9,"element":"sourceTransportPort","values":[]}`},
		{"values of no octets", entities.BasicList, []byte{3, 0, 7, 0, 0, 1}, `"0x030007000001"`},
		{"basic list cut", entities.BasicList, []byte{3, 0, 7, 0, 2, 1}, `"0x030007000201"`},
		{"no list", entities.BasicList, nil, `""`},
		{"sub-template list", entities.SubTemplateList, []byte{3, 1, 44, 0, 80, 1, 'a', 9, 1, 187, 0, 9}, `{"semantic":"allOf","template":300,"records":[{"sourceTransportPort":80,"interfaceName":"a"},{"sourceTransportPort":443,"interfaceName":""}]}`},
		{"sub-template list of an unknown template", entities.SubTemplateList, []byte{3, 1, 45, 1, 2}, `{"semantic":"allOf","template":301,"records":"0x0102"}`},
		{"sub-template list cut", entities.SubTemplateList, []byte{3, 1, 44, 0, 80, 9, 'a'}, `"0x03012c00500961"`},
		{"multi list", entities.SubTemplateMultiList, []byte{0, 1, 44, 0, 8, 0, 80, 0, 9, 1, 45, 0, 5, 7}, `{"semantic":"noneOf","lists":[{"template":300,"records":[{"sourceTransportPort":80,"interfaceName":""}]},{"template":301,"records":"0x07"}]}`},
		{"multi list cut", entities.SubTemplateMultiList, []byte{0, 1, 44, 0, 9, 0}, `"0x00012c000900"`},
		{"multi list of no length", entities.SubTemplateMultiList, []byte{0, 1, 44, 0, 0, 0}, `"0x00012c000000"`},
		{"basic list of three octets", entities.BasicList, []byte{3, 0, 7}, `"0x030007"`},
		{"enterprise of a basic list cut", entities.BasicList, []byte{3, 0x80, 1, 0, 1, 0, 0}, `"0x03800100010000"`},
		{"long form in a basic list cut", entities.BasicList, []byte{3, 0, 82, 255, 255, 255, 1}, `"0x030052ffffff01"`},
		{"sub-template list of two octets", entities.SubTemplateList, []byte{3, 1}, `"0x0301"`},
		{"multi list of three octets", entities.SubTemplateMultiList, []byte{0, 1, 44, 0}, `"0x00012c00"`},
		{"empty multi list", entities.SubTemplateMultiList, []byte{0}, `{"semantic":"noneOf","lists":[]}`},
		{"records of a multi list cut", entities.SubTemplateMultiList, []byte{0, 1, 44, 0, 8, 0, 80, 9, 9}, `"0x00012c000800500909"`},
		{"list in lists", entities.BasicList, []byte{3, 1, 35, 0, 5, 3, 0, 7, 0, 2}, `{"semantic":"allOf","element":"basicList","values":[{"semantic":"allOf","element":"sourceTransportPort","values":[]}]}`},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			got := string(r.appendTyped(nil, c.typ, c.v, 0))
			if got != c.want {
				t.Errorf("got  %s\nwant %s", got, c.want)
			}
			if !json.Valid([]byte(got)) {
				t.Errorf("not JSON: %s", got)
			}
		})
	}
	deep := []byte{3, 0, 7, 0, 2}
	for range 9 {
		deep = append([]byte{3, 1, 35, 255, 255, byte(len(deep))}, deep...)
	}
	if got := string(r.appendTyped(nil, entities.BasicList, deep, 0)); strings.Count(got, "basicList") != maxListDepth || !json.Valid([]byte(got)) {
		t.Errorf("got %s", got)
	}
}

// TestElementAsGoIPFIX compares the generic view with go-ipfix's own decoding of values of natural length.
func TestElementAsGoIPFIX(t *testing.T) {
	record := []hexField{
		u(1, 8, 1<<40), u(7, 2, 443), u(4, 1, 6), u(10, 4, 77), a(8, "192.0.2.1"), a(27, "2001:db8::1"), u(152, 8, 1_700_000_000_000),
		u(150, 4, 1_700_000_000), o(56, 2, 0, 0, 0, 0, 1), vary(82, []byte("et0")...), u(311, 8, math.Float64bits(0.25)), u(276, 1, 1), o(90, 0, 2, 3),
	}
	f := decode(t, newTestSession(t, Config{}), one(t, VersionIPFIX, record...))[0]
	m, _ := NewModel()
	for i := range f.Record.Len() {
		field := f.Record.Field(i)
		got, err := f.Record.Element(i)
		if err != nil {
			t.Fatalf("%s: %v", field.Name, err)
		}
		ie := *m.Lookup(0, field.ID)
		ie.Len = field.Len
		want, err := entities.DecodeAndCreateInfoElementWithValue(&ie, f.Record.Value(i))
		if err != nil {
			t.Fatalf("%s: %v", field.Name, err)
		}
		if got.GetName() != want.GetName() || got.GetDataType() != want.GetDataType() || goValue(got) != goValue(want) {
			t.Errorf("%s: got %v, want %v", field.Name, goValue(got), goValue(want))
		}
	}
}

// goValue gives the value of a go-ipfix element.
func goValue(e entities.InfoElementWithValue) any {
	switch e.GetDataType() {
	case entities.Unsigned8:
		return e.GetUnsigned8Value()
	case entities.Unsigned16:
		return e.GetUnsigned16Value()
	case entities.Unsigned32, entities.DateTimeSeconds:
		return e.GetUnsigned32Value()
	case entities.Unsigned64, entities.DateTimeMilliseconds:
		return e.GetUnsigned64Value()
	case entities.Signed32:
		return e.GetSigned32Value()
	case entities.Float64:
		return e.GetFloat64Value()
	case entities.Boolean:
		return e.GetBooleanValue()
	case entities.MacAddress:
		return e.GetMacAddressValue().String()
	case entities.Ipv4Address, entities.Ipv6Address:
		return e.GetIPAddressValue().String()
	case entities.String:
		return e.GetStringValue()
	}
	return string(e.GetOctetArrayValue())
}

// TestElementOfReducedSize has what go-ipfix alone would crash on or get wrong.
func TestElementOfReducedSize(t *testing.T) {
	record := []hexField{u(1, 4, 77), o(434, 0xff, 0xfe), text(82, 8, "et0"), u(311, 4, uint64(math.Float32bits(0.5))), o(8, 1, 2), o(154, 1, 2, 3, 4, 5, 6, 7, 8), o(4)}
	f := decode(t, newTestSession(t, Config{}), one(t, VersionIPFIX, record...))[0]
	want := []any{uint64(77), int32(-2), "et0", string(record[3].value), "\x01\x02", string(record[5].value), ""}
	for i := range f.Record.Len() {
		e, err := f.Record.Element(i)
		if err != nil {
			t.Errorf("%s: %v", f.Record.Field(i).Name, err)
			continue
		}
		if got := goValue(e); got != want[i] {
			t.Errorf("%s: got %v, want %v", f.Record.Field(i).Name, got, want[i])
		}
	}
}

func TestExtra(t *testing.T) {
	m, err := NewModel(Element{232, 2011, "hwThing", entities.Unsigned16})
	if err != nil {
		t.Fatal(err)
	}
	s := NewSession(m, Config{}, nil)
	f := decode(t, s, buildMessage(t, VersionIPFIX, 0, func(b *Builder) {
		b.Template(256, Field{ID: 8, Len: 4}, Field{ID: 7, Len: 2}, Field{ID: 7, Len: 2}, Field{ID: 232, PEN: 2011, Len: 2}, Field{ID: 233, PEN: 2011, Len: 2},
			Field{ID: 210, Len: 3}, Field{ID: 371, Len: variableLength}, Field{ID: 198, Len: 4}, Field{ID: 198, Len: 4}, Field{ID: 302, Len: 1}, Field{ID: 52, Len: 0})
		b.Set(256)
		b.Addr(addr("192.0.2.1"))
		b.Uint(1, 2)
		b.Uint(2, 2)
		b.Uint(3, 2)
		b.Uint(4, 2)
		b.Pad(3)
		b.Variable([]byte("me"))
		b.Uint(5, 4)
		b.Uint(6, 4)
		b.Uint(7, 1)
	}))[0]
	r := &f.Record
	want := `{"sourceTransportPort":1,"hwThing":3,"2011.233":"0x0004","userName":"me","octetDeltaSumOfSquares":[5,6],"selectorId":7}`
	if got := string(r.AppendObject(nil, r.Extra())); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	want = `{"sourceIPv4Address":"192.0.2.1","sourceTransportPort":[1,2],"hwThing":3,"2011.233":"0x0004","userName":"me","octetDeltaSumOfSquares":[5,6],"selectorId":7}`
	if got := string(r.AppendObject(nil, r.All())); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	if got := string(r.AppendText(nil, 0)) + " " + string(r.AppendText(nil, 1)); got != "192.0.2.1 1" {
		t.Errorf("got %s", got)
	}
	buf := make([]byte, 0, 512)
	if n := testing.AllocsPerRun(10, func() { buf = r.AppendObject(buf[:0], r.Extra()) }); n > 0 {
		t.Errorf("%v allocations", n)
	}
	var none Record
	if none.Len() != 0 || none.Extra() != nil || none.All() != nil {
		t.Error("a record of nothing has something")
	}
}
