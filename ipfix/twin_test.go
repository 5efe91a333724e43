package ipfix

import (
	"bytes"
	"encoding/json"
	"math/rand/v2"
	"net/netip"
	"slices"
	"testing"
)

// slowFlow says what a record means for a Flow, by looking every element up in the record: the slow, obvious twin of a
// compiled plan, for fields of fixed length. Rates by the option tables are not its business.
type slowFlow struct {
	record []hexField
	from   int // fields before it are not looked at, for those marked inner
	first  bool
	back   [2]uint64 // what came back in a biflow: octets and packets
	family int
}

// occurrences gives the values of an element that have one of the lengths.
func (s *slowFlow) occurrences(id uint16, from int, ok func(n int) bool) [][]byte {
	var all [][]byte
	for i, f := range s.record {
		if f.id == id && f.pen == 0 && f.len != variableLength && i >= from && ok(len(f.value)) {
			all = append(all, f.value)
		}
	}
	return all
}

// pick gives the value that counts: of the first id that occurs, the first or the last.
func (s *slowFlow) pick(ok func(n int) bool, from int, ids ...uint16) []byte {
	for _, id := range ids {
		if all := s.occurrences(id, from, ok); len(all) > 0 {
			if s.first {
				return all[0]
			}
			return all[len(all)-1]
		}
	}
	return nil
}

func anyInt(n int) bool { return n >= 1 && n <= 8 }

func exactly(want int) func(int) bool { return func(n int) bool { return n == want } }

// num sets a number.
func num[T uint8 | uint16 | uint32 | uint64](f *Flow, field FieldSet, dst *T, v []byte) {
	if v == nil {
		return
	}
	var n uint64
	for _, b := range v {
		n = n<<8 | uint64(b)
	}
	*dst = T(n)
	f.Has |= field
}

// address sets an address, of two of different families the one that is not zero.
func (s *slowFlow) address(f *Flow, field FieldSet, dst *netip.Addr, v4, v6 []byte) {
	four, ok4 := netip.AddrFromSlice(v4)
	six, ok6 := netip.AddrFromSlice(v6)
	switch {
	case ok4 && (!ok6 || !four.IsUnspecified() || six.IsUnspecified()):
		*dst = four
	case ok6:
		*dst = six.Unmap()
	default:
		return
	}
	f.Has |= field
}

// addressFields gives the indices of an element pair's fields.
func addressFields(record []hexField, v4, v6 uint16) []int {
	var at []int
	for i, f := range record {
		if f.id == v4 && f.len == 4 || f.id == v6 && f.len == 16 {
			at = append(at, i)
		}
	}
	return at
}

// flow computes the Flow.
func flowOf(record []hexField) (f Flow, back [2]uint64) {
	srcs, dsts := addressFields(record, 8, 27), addressFields(record, 12, 28)
	var protos []int
	for i, f := range record {
		if f.id == 4 && anyInt(int(f.len)) {
			protos = append(protos, i)
		}
	}
	has := map[int]bool{}
	for _, i := range append(append([]int(nil), srcs...), dsts...) {
		has[len(record[i].value)] = true
	}
	s := slowFlow{record: record}
	switch {
	case len(srcs) > 1 && len(dsts) > 1 && len(protos) > 1:
		src, dst := srcs[len(srcs)-1], dsts[len(dsts)-1]
		inside := !zero(record[src].value) || !zero(record[dst].value)
		if !inside || !tunnels(number(record[protos[0]].value)) {
			s.first, s.family = true, familyOfLen(len(record[srcs[0]].value))
			f = s.flow()
			return f, s.back
		}
		s.from, s.family = min(src, dst), familyOfLen(len(record[src].value))
		f = s.flow()
		f.Has |= FieldTunnelSrc | FieldTunnelDst
		f.TunnelSrc, f.TunnelDst = must(record[srcs[0]].value), must(record[dsts[0]].value)
		num(&f, FieldTunnelProto, &f.TunnelProto, record[protos[0]].value)
		if all := s.occurrences(5, 0, anyInt); len(all) > 1 {
			num(&f, FieldTunnelTOS, &f.TunnelTOS, all[0])
		}
		if all := s.occurrences(31, 0, anyInt); len(all) > 1 {
			num(&f, FieldTunnelLabel, &f.TunnelLabel, all[0])
		}
		return f, s.back
	case has[4] && has[16]:
		s.family = s.oneFamily(srcs, dsts)
	case has[4]:
		s.family = 4
	case has[16]:
		s.family = 6
	}
	f = s.flow()
	return f, s.back
}

func zero(v []byte) bool { return len(bytes.Trim(v, "\x00")) == 0 }

func must(v []byte) netip.Addr { a, _ := netip.AddrFromSlice(v); return a.Unmap() }

func familyOfLen(n int) int { return map[int]int{4: 4, 16: 6}[n] }

// oneFamily says which family's addresses a record has.
func (s *slowFlow) oneFamily(srcs, dsts []int) int {
	if all := s.occurrences(60, 0, anyInt); len(all) > 0 {
		if n := number(all[len(all)-1]); n == 4 || n == 6 {
			return int(n)
		}
	}
	set, lead := map[int]bool{}, len(s.record)
	for _, i := range append(append([]int(nil), srcs...), dsts...) {
		lead = min(lead, i)
		if !zero(s.record[i].value) {
			set[familyOfLen(len(s.record[i].value))] = true
		}
	}
	switch {
	case set[familyOfLen(len(s.record[lead].value))]:
		return familyOfLen(len(s.record[lead].value))
	case set[4]:
		return 4
	}
	return 6
}

// reverse gives a counter of a biflow's other direction: of the first element that is there, the first or the last.
func (s *slowFlow) reverse(f *Flow, field FieldSet, ids ...uint16) (n uint64) {
	for _, id := range ids {
		var v []byte
		for _, h := range s.record {
			if h.pen == enterpriseReverse && h.id == id && anyInt(len(h.value)) && (v == nil || !s.first) {
				v = h.value
			}
		}
		if v != nil {
			num(f, field, &n, v)
			return n
		}
	}
	return 0
}

// flow reads the fields that one packet has.
func (s *slowFlow) flow() Flow {
	var f Flow
	in := func(family int, ids ...uint16) []uint16 {
		if s.family == 0 || s.family == family {
			return ids
		}
		return nil
	}
	if s.family != 6 {
		s.address(&f, FieldSrcAddr, &f.Src, s.pick(exactly(4), 0, 8), nil)
		s.address(&f, FieldDstAddr, &f.Dst, s.pick(exactly(4), 0, 12), nil)
	}
	if s.family != 4 {
		s.address(&f, FieldSrcAddr, &f.Src, nil, s.pick(exactly(16), 0, 27))
		s.address(&f, FieldDstAddr, &f.Dst, nil, s.pick(exactly(16), 0, 28))
	}
	s.address(&f, FieldNextHop, &f.NextHop, s.pick(exactly(4), 0, 15), s.pick(exactly(16), 0, 62))
	s.address(&f, FieldBGPNextHop, &f.BGPNextHop, s.pick(exactly(4), 0, 18), s.pick(exactly(16), 0, 63))
	s.address(&f, FieldNATSrc, &f.NATSrc, s.pick(exactly(4), 0, 225), s.pick(exactly(16), 0, 281))
	s.address(&f, FieldNATDst, &f.NATDst, s.pick(exactly(4), 0, 226), s.pick(exactly(16), 0, 282))
	p := func(ids ...uint16) []byte { return s.pick(anyInt, 0, ids...) }
	num(&f, FieldBytes, &f.Bytes, p(1, 85, 23, 352))
	num(&f, FieldPackets, &f.Packets, p(2, 86, 24))
	num(&f, FieldSrcPort, &f.SrcPort, p(7, 180, 182))
	num(&f, FieldDstPort, &f.DstPort, p(11, 181, 183))
	num(&f, FieldProto, &f.Proto, p(4))
	num(&f, FieldTOS, &f.TOS, p(5))
	num(&f, FieldTCPFlags, &f.TCPFlags, p(6))
	num(&f, FieldInIf, &f.InIf, p(10))
	num(&f, FieldOutIf, &f.OutIf, p(14))
	num(&f, FieldSrcAS, &f.SrcAS, p(16))
	num(&f, FieldDstAS, &f.DstAS, p(17))
	num(&f, FieldFlowLabel, &f.FlowLabel, p(in(6, 31)...))
	num(&f, FieldMPLSTopType, &f.MPLSTopType, p(46))
	num(&f, FieldSrcVLAN, &f.SrcVLAN, p(58, 243))
	num(&f, FieldDstVLAN, &f.DstVLAN, p(59, 254))
	num(&f, FieldDirection, &f.Direction, p(61))
	num(&f, FieldForwarding, &f.Forwarding, p(89))
	num(&f, FieldEndReason, &f.EndReason, p(136))
	num(&f, FieldNATSrcPort, &f.NATSrcPort, p(227))
	num(&f, FieldNATDstPort, &f.NATDstPort, p(228))
	num(&f, FieldNATEvent, &f.NATEvent, p(230))
	num(&f, FieldIngressVRF, &f.IngressVRF, p(234))
	num(&f, FieldEgressVRF, &f.EgressVRF, p(235))
	num(&f, FieldCoS, &f.CoS, p(244))
	num(&f, FieldRD, &f.RD, s.pick(exactly(8), 0, 90))
	num(&f, FieldEtherType, &f.EtherType, s.pick(exactly(2), 0, 256))
	num(&f, FieldIPVersion, &f.IPVersion, s.pick(anyInt, s.from, 60))
	num(&f, FieldTTL, &f.TTL, s.pick(anyInt, s.from, 192))
	num(&f, FieldSrcMask, &f.SrcMask, s.pick(anyInt, s.from, append(in(4, 9), in(6, 29)...)...))
	num(&f, FieldDstMask, &f.DstMask, s.pick(anyInt, s.from, append(in(4, 13), in(6, 30)...)...))
	if v := s.pick(exactly(6), 0, 56, 81); v != nil {
		f.SrcMAC, f.Has = [6]byte(v), f.Has|FieldSrcMAC
	}
	if v := s.pick(exactly(6), 0, 80, 57); v != nil {
		f.DstMAC, f.Has = [6]byte(v), f.Has|FieldDstMAC
	}
	s.back = [2]uint64{s.reverse(&f, FieldReverseBytes, 1, 85, 23, 352), s.reverse(&f, FieldReversePackets, 2, 86, 24)}
	s.labels(&f)
	s.icmp(&f, in)
	for _, t := range []struct {
		ids [2]uint16
		set func(int64)
	}{{[2]uint16{152, 323}, f.setStart}, {[2]uint16{153, 323}, f.setEnd}} {
		if v := p(t.ids[0], t.ids[1]); v != nil {
			t.set(fromMillis(number(v)))
		}
	}
	return f
}

// labels reads the label stack.
func (s *slowFlow) labels(f *Flow) {
	var stack []uint32
	for id := uint16(70); id < 80; id++ {
		if v := s.pick(exactly(3), 0, id); v != nil {
			stack = append(stack, uint32(number(v)))
		}
	}
	for i, entry := range stack {
		if i > 0 && entry>>4 == 0 {
			break
		}
		if entry == 0 && (len(stack) == 1 || stack[1]>>4 == 0) {
			break
		}
		f.MPLSLabels = append(f.MPLSLabels, entry>>4)
		if entry&1 != 0 {
			break
		}
	}
}

// icmp reads type and code.
func (s *slowFlow) icmp(f *Flow, in func(int, ...uint16) []uint16) {
	if f.Has&FieldProto != 0 && f.Proto != 1 && f.Proto != 58 {
		return
	}
	typ := s.pick(anyInt, 0, append(in(4, 176), in(6, 178)...)...)
	code := s.pick(anyInt, 0, append(in(4, 177), in(6, 179)...)...)
	num(f, FieldICMPType, &f.ICMPType, typ)
	num(f, FieldICMPCode, &f.ICMPCode, code)
	if both := s.pick(anyInt, 0, append(in(4, 32), in(6, 139)...)...); both != nil {
		if typ == nil {
			f.ICMPType, f.Has = uint8(number(both)>>8), f.Has|FieldICMPType
		}
		if code == nil {
			f.ICMPCode, f.Has = uint8(number(both)), f.Has|FieldICMPCode
		}
	}
}

// twinIDs are elements that the twin knows, and some that no Flow has.
var twinIDs = []uint16{
	1, 2, 4, 4, 5, 5, 6, 7, 8, 8, 9, 10, 11, 12, 12, 13, 14, 15, 16, 17, 18, 23, 24, 27, 27, 28, 28, 29, 30, 31, 31, 32, 46, 56, 57, 58, 59, 60, 61, 62, 63,
	70, 71, 72, 73, 79, 80, 81, 82, 85, 86, 89, 90, 136, 139, 152, 153, 176, 177, 178, 179, 180, 181, 182, 183, 192, 198, 210, 225, 226, 227, 228, 230,
	234, 235, 236, 243, 244, 254, 256, 281, 282, 323, 352, 371, 500,
}

// source gives numbers from a fuzzer's octets, zeros when they end.
type source struct{ b []byte }

func (s *source) next() int {
	if len(s.b) == 0 {
		return 0
	}
	n := s.b[0]
	s.b = s.b[1:]
	return int(n)
}

// draw makes up a template, its first record a list of fields, from octets.
func draw(src *source) []hexField {
	var record []hexField
	for range 1 + src.next()%40 {
		f := hexField{id: twinIDs[src.next()%len(twinIDs)]}
		f.len = naturalLen(f.id)
		switch how := src.next() % 16; {
		case f.id == 82 || f.id == 371 || f.id == 236:
			f.len = variableLength
		case how == 0:
			f.len = uint16(src.next() % 20)
		case how == 5 && slices.Contains([]uint16{1, 2, 6, 23, 24, 85, 86, 352}, f.id):
			f.pen = enterpriseReverse
		case how < 4 && f.len > 1 && f.len <= 8:
			f.len = 1 + uint16(src.next())%f.len
		}
		n := int(f.len)
		if f.len == variableLength {
			if n = src.next(); n > 250 {
				n *= 2
			}
		}
		f.value = make([]byte, n)
		if src.next()%3 > 0 { // else zeros
			for i := range f.value {
				f.value[i] = byte(src.next())
			}
		}
		if f.id == 4 && n > 0 {
			f.value[n-1] = []byte{4, 41, 143, 6, 17, 1, 58, 47}[src.next()%8]
		}
		record = append(record, f)
	}
	return record
}

// naturalLen is the length that exporters give an element.
func naturalLen(id uint16) uint16 {
	switch id {
	case 8, 12, 15, 18, 225, 226, 10, 14, 16, 17, 234, 235, 89:
		return 4
	case 27, 28, 62, 63, 281, 282:
		return 16
	case 56, 57, 80, 81:
		return 6
	case 70, 71, 72, 73, 79, 31:
		return 3
	case 1, 2, 85, 86, 23, 24, 152, 153, 323, 352, 90, 198:
		return 8
	case 6, 7, 11, 32, 139, 58, 59, 243, 254, 256, 180, 181, 182, 183, 227, 228:
		return 2
	}
	return 1
}

// checkTwin encodes two records of a made-up template, decodes them, and compares values with what was written, the Flow with
// its twin's, and the generic view with JSON.
func checkTwin(t *testing.T, src *source) {
	t.Helper()
	version := uint16(VersionIPFIX - src.next()%2)
	first := draw(src)
	if total := recordLen(first); total == 0 || total > 30000 {
		return
	}
	if version == VersionNetFlow9 { // which has no enterprises
		for i := range first {
			first[i].pen = 0
		}
	}
	second := make([]hexField, len(first)) // the same values in reverse, where lengths allow
	for i, f := range first {
		f.value = bytes.Clone(f.value)
		for a, b := 0, len(f.value)-1; a < b; a, b = a+1, b-1 {
			f.value[a], f.value[b] = f.value[b], f.value[a]
		}
		second[i] = f
	}
	msg := buildMessage(t, version, 0, func(b *Builder) {
		var f []Field
		for _, h := range first {
			f = append(f, Field{ID: h.id, PEN: h.pen, Len: h.len})
		}
		b.Template(300, f...)
		b.Set(300)
		writeRecord(b, first)
		writeRecord(b, second)
	})
	h := &twinHandler{t: t, want: [][]hexField{first, second}}
	if err := newTestSession(t, Config{}).Decode(msg, export, h); err != nil {
		t.Fatalf("%v: %x", err, msg)
	}
	if len(h.want) > 0 {
		t.Fatalf("%d records missing: %x", len(h.want), msg)
	}
}

// recordLen gives the octets of a record; a variable-length field has at least one.
func recordLen(record []hexField) int {
	n := 0
	for _, f := range record {
		n += len(f.value)
		if f.len == variableLength {
			n++
		}
	}
	return n
}

type twinHandler struct {
	t    *testing.T
	want [][]hexField
}

func (h *twinHandler) Flow(f *Flow) {
	h.t.Helper()
	if len(h.want) == 0 {
		// Zeros in the padding of a set, or none: a record too many is one too many.
		h.t.Fatal("a record too many")
	}
	record := h.want[0]
	h.want = h.want[1:]
	for i, w := range record {
		if got := f.Record.Value(i); !bytes.Equal(got, w.value) {
			h.t.Fatalf("field %d: got %x, want %x", i, got, w.value)
		}
	}
	if object := f.Record.AppendObject(nil, f.Record.All()); !json.Valid(object) {
		h.t.Fatalf("not JSON: %s", object)
	}
	want, back := flowOf(record)
	wantFlow(h.t, *f, want)
	if octets, packets := f.Reverse(); back != [2]uint64{octets, packets} {
		h.t.Fatalf("reverse %d and %d, want %d", octets, packets, back)
	}
}

func TestTwin(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	b := make([]byte, 1000)
	for range 1000 {
		for i := range b {
			b[i] = byte(rng.Uint32())
		}
		if checkTwin(t, &source{b}); t.Failed() {
			t.FailNow()
		}
	}
}
