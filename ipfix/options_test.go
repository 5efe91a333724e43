package ipfix

import (
	"math"
	"reflect"
	"slices"
	"testing"
	"time"
)

// optionsMessage builds a message with an options template and records of it. The first scopes fields are the scope.
func optionsMessage(tb testing.TB, version uint16, domain uint32, scopes int, records ...[]hexField) []byte {
	tb.Helper()
	var b Builder
	b.Begin(nil, Header{Version: version, ExportTime: export, Domain: domain})
	var f []Field
	for i, h := range records[0] {
		f = append(f, Field{ID: h.id, Len: h.len, Scope: i < scopes})
	}
	b.OptionsTemplate(400, f...)
	b.Set(400)
	for _, r := range records {
		writeRecord(&b, r)
	}
	return finish(tb, &b)
}

// text is a string field of a fixed length.
func text(id, octets uint16, s string) hexField {
	var b Builder
	b.Text(s, int(octets))
	return hexField{id: id, len: octets, value: b.buf}
}

func TestVRFs(t *testing.T) {
	told := Told{Updated: export, Template: 400}
	s := newTestSession(t, Config{})
	// As IOS XR says it: the scope is ingressVRFID, which stands again among the options.
	decode(t, s, optionsMessage(t, VersionIPFIX, 7, 1,
		[]hexField{u(234, 4, 2), text(236, 32, "A2 "), u(234, 4, 99), u(235, 4, 3), u(90, 8, 0x0002fbf0000b000c)}))
	opts := s.Tables().Domain(7)
	want := VRF{Name: "A2", RD: 0x0002fbf0000b000c, HasRD: true, Told: told}
	if got := opts.IngressVRFs[2]; got != want {
		t.Errorf("ingress: got %+v, want %+v", got, want)
	}
	if got := opts.EgressVRFs[3]; got != want {
		t.Errorf("egress: got %+v, want %+v", got, want)
	}
	if len(opts.IngressVRFs) != 1 || len(opts.EgressVRFs) != 1 {
		t.Errorf("got %v, %v", opts.IngressVRFs, opts.EgressVRFs)
	}
	if got, ok := opts.EgressVRF(2); !ok || got != want {
		t.Errorf("egress id told as ingress: got %+v", got)
	}
	if _, ok := opts.IngressVRF(4); ok {
		t.Error("unknown id found")
	}
	// A new name takes the place of the old; what is not told again stays.
	decode(t, s, optionsMessage(t, VersionIPFIX, 7, 1, []hexField{u(234, 4, 2), vary(236, []byte("B2")...)}))
	if got, _ := opts.IngressVRF(2); got.Name != "B2" || got.RD != want.RD {
		t.Errorf("got %+v", got)
	}
	if s.Tables().Changed != 3 {
		t.Errorf("%d changes", s.Tables().Changed)
	}
}

// TestDistinguisher has VRFs as IOS XR tells them: a distinguisher of zero is the default table's, and that of VRFs without one.
func TestDistinguisher(t *testing.T) {
	vrf := func(id uint64, name string, rd uint64) []hexField {
		return []hexField{u(234, 4, id), text(236, 12, name), u(90, 8, rd)}
	}
	type answer struct {
		rd    uint64
		known bool
	}
	ask := func(s *Session, domain uint32) map[uint32]answer {
		got := make(map[uint32]answer)
		for id := range uint32(5) {
			o := s.Tables().Domain(domain)
			v, _ := o.IngressVRF(id)
			rd, known := o.Distinguisher(v)
			got[id] = answer{rd, known}
		}
		return got
	}
	s := newTestSession(t, Config{})
	decode(t, s, optionsMessage(t, VersionIPFIX, 7, 1, vrf(1, "MGMT-VRF", 0), vrf(2, "A2", 9)))
	if got := ask(s, 7); got[1] != (answer{0, true}) || got[2] != (answer{9, true}) || got[3] != (answer{}) {
		t.Errorf("without one named default: %v", got)
	}
	decode(t, s, optionsMessage(t, VersionIPFIX, 7, 1, vrf(3, "default", 0)))
	want := map[uint32]answer{0: {}, 1: {}, 2: {9, true}, 3: {0, true}, 4: {}}
	if got := ask(s, 7); !reflect.DeepEqual(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
	if got := ask(s, 8); got[1] != (answer{}) {
		t.Errorf("another domain: %v", got)
	}
	again := newTestSession(t, Config{})
	if _, err := again.Tables().RestoreState(s.Tables().AppendState(nil)); err != nil {
		t.Fatal(err)
	}
	if got := ask(again, 7); !reflect.DeepEqual(got, want) {
		t.Errorf("restored: got %v, want %v", got, want)
	}
	// What was told for the whole exporter counts in every domain; a name alone or a distinguisher alone makes no default table.
	s = newTestSession(t, Config{})
	decode(t, s, optionsMessage(t, VersionIPFIX, 7, 1, vrf(1, "MGMT-VRF", 0)), optionsMessage(t, VersionIPFIX, 0, 1, vrf(3, "default", 5)),
		optionsMessage(t, VersionIPFIX, 0, 1, []hexField{u(235, 4, 4), text(236, 12, "default")}))
	if got := ask(s, 7); got[1] != (answer{0, true}) {
		t.Errorf("without a default table: %v", got)
	}
	decode(t, s, optionsMessage(t, VersionIPFIX, 0, 1, []hexField{u(235, 4, 4), u(90, 8, 0)}))
	if got := ask(s, 7); got[1] != (answer{}) || got[4] != (answer{0, true}) {
		t.Errorf("with one for all domains: %v", got)
	}
}

func TestDomainZeroIsForAll(t *testing.T) {
	s := newTestSession(t, Config{})
	decode(t, s, optionsMessage(t, VersionIPFIX, 0, 1, []hexField{u(234, 4, 2), text(236, 8, "A2")}),
		optionsMessage(t, VersionIPFIX, 0, 1, []hexField{u(10, 4, 5), text(82, 8, "et0"), text(83, 8, "uplink")}))
	if v, ok := s.Tables().Domain(33).IngressVRF(2); !ok || v.Name != "A2" {
		t.Errorf("got %+v", v)
	}
	if i, ok := s.Tables().Domain(33).Interface(5); !ok || i.Name != "et0" || i.Description != "uplink" {
		t.Errorf("got %+v", i)
	}
	if _, ok := s.Tables().Domain(33).Interface(6); ok {
		t.Error("unknown interface found")
	}
	var none *Options
	if _, ok := none.IngressVRF(1); ok || none.ExporterAddr().IsValid() {
		t.Error("no tables, yet an answer")
	}
}

func TestInterfaces(t *testing.T) {
	s := newTestSession(t, Config{})
	decode(t, s,
		optionsMessage(t, VersionIPFIX, 7, 2, []hexField{u(10, 4, 5), u(14, 4, 6), text(83, 64, "Hu0/0/0/1"), text(82, 64, "Hu0_0_0_1")}),
		optionsMessage(t, VersionNetFlow9, 7, 1, []hexField{u(2, 2, 9), text(82, 16, "Gi0/9")})) // scope type 2
	opts := s.Tables().Domain(7)
	if got := opts.Interfaces[5].Told; got != (Told{Updated: export, Template: 400}) {
		t.Errorf("told %+v", got)
	}
	for index, want := range map[uint32]string{5: "Hu0_0_0_1", 6: "Hu0_0_0_1", 9: "Gi0/9"} {
		if got, _ := opts.Interface(index); got.Name != want {
			t.Errorf("interface %d: got %q, want %q", index, got.Name, want)
		}
	}
}

func TestExporterOptions(t *testing.T) {
	s := newTestSession(t, Config{})
	decode(t, s, optionsMessage(t, VersionIPFIX, 0, 1,
		[]hexField{u(149, 4, 12), u(160, 8, 1_699_999_000_000), a(130, "192.0.2.1"), a(131, "2001:db8::1"), u(36, 2, 60), u(37, 2, 15)}))
	o := s.Tables().Domain(12)
	if o.SystemInit != 1_699_999_000e9 || o.ExporterAddr() != addr("192.0.2.1") || o.ActiveTimeout != time.Minute || o.IdleTimeout != 15*time.Second {
		t.Errorf("got %+v", o)
	}
	if o.About.Updated != export || o.About.Template == 0 {
		t.Errorf("told %+v", o.About)
	}
	if s.Tables().Domain(0).SystemInit != 0 {
		t.Error("told of domain 12, taken for the whole exporter")
	}
}

// TestOddOptions has what must not be taken for something else.
func TestOddOptions(t *testing.T) {
	enterprise := u(234, 4, 5)
	enterprise.pen = 9999
	for _, tc := range []struct {
		name    string
		records [][]hexField // scope first
		want    Options      // of domain 7
	}{
		{"a domain that is no scope", [][]hexField{{u(144, 4, 1), u(149, 4, 12), u(36, 2, 60)}}, Options{ActiveTimeout: time.Minute}},
		{"a distinguisher of another length", [][]hexField{{u(234, 4, 5), text(236, 2, "A"), u(90, 4, 7)}}, Options{IngressVRFs: map[uint32]VRF{5: {Name: "A"}}}},
		{"an element of an enterprise", [][]hexField{{enterprise, text(236, 2, "A")}}, Options{}},
		{"a VRF without a name", [][]hexField{{u(234, 4, 5), u(36, 2, 0)}}, Options{}},
		{"a VRF id of no octets", [][]hexField{{{id: 234, len: variableLength}, text(236, 2, "A")}}, Options{}},
		{"an IPv6 address alone", [][]hexField{{u(144, 4, 1), a(131, "2001:db8::1")}}, Options{Exporter: addr("2001:db8::1")}},
		{"an IPv4 address behind one of IPv6", [][]hexField{{u(144, 4, 1), a(131, "2001:db8::1"), a(130, "192.0.2.1")}}, Options{Exporter: addr("192.0.2.1")}},
		{"addresses that are none", [][]hexField{{u(144, 4, 1), a(130, "0.0.0.0")}, {u(144, 4, 1), u(130, 2, 7)}}, Options{}},
		{"timeouts that are none", [][]hexField{{u(144, 4, 1), u(36, 4, 1<<20), u(37, 4, 1<<20)}}, Options{}},
		{"a description alone", [][]hexField{{u(10, 4, 5), text(83, 4, "up")}}, Options{Interfaces: map[uint32]Interface{5: {Description: "up"}}}},
		{
			"a name that stays, a description that comes",
			[][]hexField{{u(10, 4, 5), text(82, 4, "e5")}, {u(10, 4, 5), text(83, 4, "up")}},
			Options{Interfaces: map[uint32]Interface{5: {Name: "e5", Description: "up"}}},
		},
		{
			"names of samplers and selectors",
			[][]hexField{{u(48, 1, 3), u(50, 4, 10), u(49, 1, 2), text(84, 4, "s3")}, {u(302, 4, 5), u(304, 2, 3), u(309, 4, 1), u(310, 4, 9), text(335, 4, "s5")}},
			Options{
				Samplers:  map[uint64]Sampling{3: {Rate: 10, Algorithm: 2, Name: "s3"}},
				Selectors: map[uint64]Sampling{5: {Rate: 9, Algorithm: 3, Name: "s5"}},
			},
		},
		{"a rate of an interface that is no scope", [][]hexField{{u(144, 4, 1), u(10, 4, 5), u(34, 4, 10)}}, Options{Default: Sampling{Rate: 10}}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			s := newTestSession(t, Config{})
			for _, r := range tc.records {
				decode(t, s, buildMessage(t, VersionIPFIX, 0, func(b *Builder) {
					var f []Field
					for i, h := range r {
						f = append(f, Field{ID: h.id, PEN: h.pen, Len: h.len, Scope: i == 0})
					}
					b.OptionsTemplate(400, f...)
					b.Set(400)
					writeRecord(b, r)
				}))
			}
			got := tablesOf(s.Tables())[7]
			forgetTold(&got)
			if !reflect.DeepEqual(got, tc.want) {
				t.Errorf("got  %+v\nwant %+v", got, tc.want)
			}
			if len(s.Tables().domains) != 2 {
				t.Errorf("%d domains, want 0 and 7", len(s.Tables().domains))
			}
		})
	}
}

// forgetTold clears when and by which template entries were told.
func forgetTold(o *Options) {
	o.About, o.Default.Told = Told{}, Told{}
	for k, v := range o.IngressVRFs {
		v.Told = Told{}
		o.IngressVRFs[k] = v
	}
	for k, v := range o.Interfaces {
		v.Told = Told{}
		o.Interfaces[k] = v
	}
	for _, m := range []map[uint64]Sampling{o.Samplers, o.Selectors} {
		for k, v := range m {
			v.Told = Told{}
			m[k] = v
		}
	}
}

// The rate of a record does not stay for the next, whose template says nothing of it, and a rate told for the whole exporter counts at once.
func TestSamplingOfAnotherRecord(t *testing.T) {
	s := newTestSession(t, Config{})
	sampled := one(t, VersionIPFIX, u(34, 4, 10), u(48, 1, 3))
	plain := buildMessage(t, VersionIPFIX, 0, func(b *Builder) { b.Template(301, fields(1, 4)...); b.Set(301); b.Uint(1, 4) })
	for _, step := range []struct {
		name string
		msg  []byte
		want uint32
	}{
		{"in the record", sampled, 10},
		{"in none", plain, 0},
		{"told for all domains", optionsMessage(t, VersionIPFIX, 0, 1, []hexField{u(144, 4, 1), u(34, 4, 50)}), 0},
		{"by domain 0", plain, 50},
		{"told for the domain", optionsMessage(t, VersionIPFIX, 7, 1, []hexField{u(144, 4, 1), u(34, 4, 60)}), 0},
		{"by its domain", plain, 60},
		{"told for all domains anew", optionsMessage(t, VersionIPFIX, 0, 1, []hexField{u(144, 4, 1), u(34, 4, 51)}), 0},
		{"by its domain still", plain, 60},
	} {
		for _, f := range decode(t, s, step.msg) {
			if f.SamplingRate != step.want {
				t.Errorf("%s: got %d, want %d", step.name, f.SamplingRate, step.want)
			}
		}
	}
}

func TestSampling(t *testing.T) {
	prob := math.Float64bits(0.001)
	cases := []struct {
		name    string
		options [][]hexField // each one record of its own template, scope first
		record  []hexField
		want    uint32
	}{
		{"interval in the record", nil, []hexField{u(34, 4, 100)}, 100},
		{"count-based in the record", nil, []hexField{u(305, 4, 1), u(306, 4, 999)}, 1000},
		{"an interval without a space says nothing", nil, []hexField{u(305, 4, 1)}, 0},
		{"n of N in the record", nil, []hexField{u(309, 4, 2), u(310, 4, 512)}, 256},
		{"probability in the record", nil, []hexField{u(311, 8, prob)}, 1000},
		{"probability as float32", nil, []hexField{u(311, 4, uint64(math.Float32bits(0.5)))}, 2},
		{"probability that is none", nil, []hexField{u(311, 8, math.Float64bits(math.NaN()))}, 0},
		{"zero in the record: the tables", [][]hexField{{u(144, 4, 1), u(34, 4, 50)}}, []hexField{u(34, 4, 0)}, 50},
		{"unsampled", nil, []hexField{u(34, 4, 1)}, 1},
		{"selector", [][]hexField{{u(302, 4, 1), u(305, 4, 1), u(304, 2, 3), u(309, 4, 1), u(310, 4, 256)}}, []hexField{u(302, 4, 1)}, 256},
		{"selector of eight octets", [][]hexField{{u(302, 4, 1), u(309, 4, 1), u(310, 4, 256)}}, []hexField{u(302, 8, 1)}, 256},
		{"another selector", [][]hexField{{u(302, 4, 1), u(309, 4, 1), u(310, 4, 256)}}, []hexField{u(302, 4, 2)}, 0},
		{"the algorithm decides", [][]hexField{{u(302, 4, 1), u(304, 2, 1), u(309, 4, 1), u(310, 4, 9), u(305, 4, 10), u(306, 4, 90)}}, []hexField{u(302, 4, 1)}, 10},
		{"sampler", [][]hexField{{u(48, 1, 4), u(49, 1, 2), u(50, 4, 1000)}}, []hexField{u(48, 2, 4)}, 1000},
		{"interval of the exporter", [][]hexField{{u(144, 4, 1), u(34, 4, 2000), u(35, 1, 1)}}, []hexField{u(1, 4, 1)}, 2000},
		{"interface", [][]hexField{{u(10, 4, 5), u(34, 4, 30)}, {u(144, 4, 1), u(34, 4, 2000)}}, []hexField{u(10, 4, 5)}, 30},
		{"another interface", [][]hexField{{u(10, 4, 5), u(34, 4, 30)}, {u(144, 4, 1), u(34, 4, 2000)}}, []hexField{u(10, 4, 6)}, 2000},
		{"the only selector", [][]hexField{{u(302, 4, 1), u(309, 4, 1), u(310, 4, 256)}}, []hexField{u(1, 4, 1)}, 256},
		{"two selectors, none named", [][]hexField{{u(302, 4, 1), u(309, 4, 1), u(310, 4, 256)}, {u(302, 4, 2), u(309, 4, 1), u(310, 4, 9)}}, []hexField{u(1, 4, 1)}, 0},
		{"selection sequence: one selector behind the other", [][]hexField{
			{u(302, 4, 1), u(309, 4, 1), u(310, 4, 256)},
			{u(302, 4, 2), u(305, 4, 1), u(306, 4, 9)},
			{u(301, 8, 7), u(302, 4, 1), u(302, 4, 2)},
			{u(301, 8, 8), u(302, 4, 1)},
		}, []hexField{u(301, 8, 7)}, 2560},
		{"selection sequence with a selector that was not told", [][]hexField{
			{u(302, 4, 1), u(309, 4, 1), u(310, 4, 256)}, {u(301, 8, 7), u(302, 4, 1), u(302, 4, 2)},
		}, []hexField{u(301, 8, 7)}, 0},
		{"selection sequence that changes", [][]hexField{
			{u(302, 4, 1), u(309, 4, 1), u(310, 4, 256)},
			{u(302, 4, 2), u(305, 4, 1), u(306, 4, 9)},
			{u(301, 8, 7), u(302, 4, 1), u(302, 4, 2)},
			{u(301, 8, 7), u(302, 4, 2)},
		}, []hexField{u(301, 8, 7)}, 10},
		{"newer replaces older", [][]hexField{{u(302, 4, 1), u(309, 4, 1), u(310, 4, 256)}, {u(302, 4, 1), u(309, 4, 1), u(310, 4, 9)}}, []hexField{u(302, 4, 1)}, 9},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			s := newTestSession(t, Config{})
			for _, o := range c.options {
				decode(t, s, optionsMessage(t, VersionIPFIX, 7, 1, o))
				decode(t, s, one(t, VersionIPFIX, c.record...)) // fills the cache
			}
			f := decode(t, s, one(t, VersionIPFIX, c.record...))[0]
			if f.SamplingRate != c.want || f.Has&FieldSamplingRate != 0 != (c.want > 0) {
				t.Errorf("got %d, want %d", f.SamplingRate, c.want)
			}
		})
	}
}

// The rate of a selector that is not told any more is not known any more.
func TestSamplingAge(t *testing.T) {
	s := newTestSession(t, Config{OptionsAge: time.Hour})
	data := one(t, VersionIPFIX, u(302, 4, 1))
	decode(t, s, optionsMessage(t, VersionIPFIX, 7, 1, []hexField{u(302, 4, 1), u(309, 4, 1), u(310, 4, 256)}))
	if got := decode(t, s, data)[0].SamplingRate; got != 256 {
		t.Errorf("got %d", got)
	}
	s.Expire(export + int64(2*time.Hour))
	if got := decode(t, s, data)[0].SamplingRate; got != 0 {
		t.Errorf("got %d of a selector that has expired", got)
	}
}

// Domains that options name come from the wire. Those beyond the quota are not kept, and what was told of them is nobody's.
func TestOptionsOfTooManyDomains(t *testing.T) {
	s := newTestSession(t, Config{MaxDomains: 3})
	for d := range uint64(10) {
		decode(t, s, optionsMessage(t, VersionIPFIX, 7, 1, []hexField{u(149, 4, 100+d), u(36, 2, 60)}))
	}
	if n, refused := len(s.Tables().domains), s.Tables().Refused; n != 4 || refused == 0 {
		t.Errorf("%d domains beside that for all, %d refused", n-1, refused)
	}
}

func TestOptionsAge(t *testing.T) {
	s := newTestSession(t, Config{OptionsAge: time.Hour})
	decode(t, s, optionsMessage(t, VersionIPFIX, 7, 1, []hexField{u(234, 4, 2), text(236, 8, "A2")}, []hexField{u(234, 4, 3), text(236, 8, "A3")}))
	s.Expire(export + int64(time.Hour))
	if s.Tables().Len() != 2 {
		t.Errorf("%d entries at their age", s.Tables().Len())
	}
	s.Expire(export + int64(time.Hour+2*time.Minute))
	if s.Tables().Len() != 0 || s.Tables().Expired != 2 {
		t.Errorf("%d entries, %d expired", s.Tables().Len(), s.Tables().Expired)
	}
}

// TestOptionsAgeByOurClock has a device whose clock is of another year.
func TestOptionsAgeByOurClock(t *testing.T) {
	s := newTestSession(t, Config{OptionsAge: time.Hour})
	const year = int64(365 * 24 * time.Hour)
	msg := optionsMessage(t, VersionIPFIX, 7, 1, []hexField{u(234, 4, 2), text(236, 8, "A2")})
	for _, now := range []int64{export + year, export + 3*year} {
		if err := s.Decode(msg, now, &keepFlows{}); err != nil {
			t.Fatal(err)
		}
		if s.Expire(now + int64(time.Minute)); s.Tables().Len() != 1 {
			t.Errorf("%d entries after a minute", s.Tables().Len())
		}
		if s.Expire(now + int64(2*time.Hour)); s.Tables().Len() != 0 {
			t.Errorf("%d entries after two hours", s.Tables().Len())
		}
	}
}

func TestTrimText(t *testing.T) {
	long := make([]byte, 400)
	for i := range long {
		long[i] = 'x'
	}
	copy(long[254:], "é")
	for in, want := range map[string]string{
		"a\x00\x00": "a", "a b  ": "a b", " \x00": "", "": "", "a\x00b": "a", "  a": "a", string(long): string(long[:254]),
	} {
		if got := string(trimText([]byte(in))); got != want {
			t.Errorf("%q: got %q, want %q", in, got, want)
		}
	}
	var s string
	if !setText(&s, []byte("a\xff")) || s != "a\uFFFD" || setText(&s, []byte("a\xff")) || setText(&s, nil) {
		t.Errorf("got %q", s)
	}
}

// TestOptionsChangesAreCounted holds that what is to be saved anew counts as a change, and what is told again does not.
func TestOptionsChangesAreCounted(t *testing.T) {
	for name, record := range map[string][]hexField{
		"start of the system": {u(149, 4, 12), u(160, 8, 1_699_999_000_000)},
		"address":             {u(149, 4, 12), a(130, "192.0.2.1")},
		"timeouts":            {u(149, 4, 12), u(36, 2, 60), u(37, 2, 15)},
		"sampling of all":     {u(149, 4, 12), u(34, 4, 100)},
		"selection sequence":  {u(301, 8, 12), u(302, 4, 1), u(302, 4, 2)},
		"sampler":             {u(149, 4, 12), u(48, 1, 3), u(50, 4, 100)},
		"interface":           {u(10, 4, 12), o(82, 'e', '9'), o(83, 'u', 'p')},
		"VRF":                 {u(234, 4, 12), o(236, 'A', '2'), u(90, 8, 64500)},
		"VRF by egress":       {u(235, 4, 12), o(236, 'A', '2'), u(90, 8, 64500)},
		"selector":            {u(302, 4, 12), u(304, 2, 3), u(309, 4, 1), u(310, 4, 100), o(335, 's', '1')},
	} {
		s := newTestSession(t, Config{})
		msg := optionsMessage(t, VersionIPFIX, 0, 1, record)
		decode(t, s, msg)
		if s.Tables().Changed != 1 {
			t.Errorf("%s: %d changes", name, s.Tables().Changed)
		}
		decode(t, s, msg)
		if s.Tables().Changed != 1 {
			t.Errorf("%s, told again: %d changes", name, s.Tables().Changed)
		}
		for i := range record {
			if i == 0 || record[i].id == 302 || record[i].id == 48 {
				continue
			}
			other := slices.Clone(record)
			other[i].value = slices.Clone(other[i].value)
			other[i].value[len(other[i].value)-1]++
			was := s.Tables().Changed
			decode(t, s, optionsMessage(t, VersionIPFIX, 0, 1, other))
			if s.Tables().Changed != was+1 {
				t.Errorf("%s, another %d: %d changes, want one", name, record[i].id, s.Tables().Changed-was)
			}
			decode(t, s, msg)
		}
	}
}
