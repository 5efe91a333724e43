package ipfix

import (
	"errors"
	"net/netip"
	"reflect"
	"testing"
)

// fill sets every field that a walk is to keep to something of its own.
func fill(f *Flow) {
	v := reflect.ValueOf(f).Elem()
	for i := range v.NumField() {
		x := v.Field(i)
		switch name := v.Type().Field(i).Name; {
		case name == "Version", name == "TemplateID", name == "Domain", name == "Record", name == "Options":
		case x.CanUint():
			x.SetUint(uint64(i + 1))
		case x.CanInt():
			x.SetInt(int64(-i - 1))
		case x.Type() == reflect.TypeFor[netip.Addr]():
			x.Set(reflect.ValueOf(netip.AddrFrom4([4]byte{1, 2, 3, byte(i)})))
		}
	}
	f.SrcMAC, f.DstMAC = [6]byte{1, 2, 3, 4, 5, 6}, [6]byte{0xff}
	f.MPLSLabels, f.SRv6Segments = []uint32{3, 1 << 19}, []netip.Addr{netip.IPv6Loopback()}
	f.NATDst = netip.Addr{}
}

// keptFlows gives flows of two templates as a handler keeps them.
func keptFlows(tb testing.TB, s *Session) []*Flow {
	var kept []*Flow
	keep := handlerFunc(func(f *Flow) { kept = append(kept, f.Clone()) })
	for _, msg := range [][]byte{
		one(tb, VersionIPFIX, u(1, 4, 1), vary(371, 'x'), a(8, "192.0.2.1")),
		one(tb, VersionNetFlow9, u(1, 4, 77), u(2, 4, 5)),
		one(tb, VersionIPFIX, u(1, 4, 1), vary(371, 'x', 'y'), a(8, "192.0.2.1")),
		one(tb, VersionIPFIX, vary(371, 'x', 'y'), hexField{id: 1, len: 2, pen: enterpriseReverse, value: []byte{1, 0}}),
	} {
		if err := s.Decode(msg, export, keep); err != nil {
			tb.Fatal(err)
		}
	}
	for i, f := range kept {
		if i == 0 {
			fill(f)
		}
	}
	return kept
}

type handlerFunc func(*Flow)

func (h handlerFunc) Flow(f *Flow) { h(f) }

func TestFlowsAsOctets(t *testing.T) {
	kept := keptFlows(t, newTestSession(t, Config{}))
	var w FlowWriter
	var b []byte
	for _, f := range kept {
		b = w.Append(b, f)
	}
	s := newTestSession(t, Config{})
	var r FlowReader
	rest := b
	for i, want := range kept {
		var got *Flow
		var err error
		if got, rest, err = r.Next(s, rest); err != nil {
			t.Fatal(err)
		}
		record, was := got.Record, want.Record
		if g, w := string(record.AppendObject(nil, record.All())), string(was.AppendObject(nil, was.All())); g != w {
			t.Errorf("record %d: got %s, want %s", i, g, w)
		}
		if g, w := string(record.AppendObject(nil, record.Extra())), string(was.AppendObject(nil, was.Extra())); g != w {
			t.Errorf("extra of record %d: got %s, want %s", i, g, w)
		}
		octets, packets := got.Reverse()
		if wantOctets, wantPackets := want.Reverse(); octets != wantOctets || packets != wantPackets || i == 3 && octets != 256 {
			t.Errorf("flow %d: reverse %d and %d, want %d and %d", i, octets, packets, wantOctets, wantPackets)
		}
		g, w := *got, *want
		g.Record, w.Record, g.Options, w.Options = Record{}, Record{}, nil, nil
		if len(w.MPLSLabels) == 0 {
			w.MPLSLabels, w.SRv6Segments = nil, nil
		}
		if !reflect.DeepEqual(g, w) {
			t.Errorf("flow %d: got %+v\nwant %+v", i, g, w)
		}
		if got.Options == nil {
			t.Errorf("flow %d has no options", i)
		}
	}
	if len(rest) > 0 {
		t.Errorf("%d octets left", len(rest))
	}
	if len(r.templates) != 3 { // the third message told the template of the first again
		t.Errorf("%d templates", len(r.templates))
	}
	for i := range b {
		var r FlowReader
		rest, err := b[:i], error(nil)
		for err == nil {
			before := len(rest)
			if _, rest, err = r.Next(s, rest); err == nil && len(rest) >= before {
				t.Fatal("nothing was read")
			}
		}
		if !errors.Is(err, ErrState) {
			t.Fatalf("%d octets: error %v", i, err)
		}
	}
}

func FuzzFlowState(f *testing.F) {
	var w FlowWriter
	var b []byte
	for _, flow := range keptFlows(f, newTestSession(f, Config{})) {
		b = w.Append(b, flow)
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		s := newTestSession(t, Config{})
		var r FlowReader
		var w FlowWriter
		for {
			flow, rest, err := r.Next(s, b)
			if err != nil {
				return
			}
			flow.Record.AppendObject(nil, flow.Record.All())
			w.Append(nil, flow)
			b = rest
		}
	})
}
