package bgp

import (
	"math/rand/v2"
	"reflect"
	"slices"
	"testing"
)

// readAll decodes messages that AppendUpdate has written.
func readAll(t *testing.T, d *Decoder, msgs []byte, p Params) (withdrawn, announced []NLRI, attrs []*Attributes) {
	t.Helper()
	for len(msgs) > 0 {
		typ, body, rest, err := SplitMessage(msgs)
		if err != nil || typ != TypeUpdate {
			t.Fatalf("type %d: %v", typ, err)
		}
		if n := len(msgs) - len(rest); n > MaxMessage {
			t.Fatalf("message of %d octets", n)
		}
		u := mustDecode(t, d, body, p)
		if u.Outcome != OutcomeOK {
			t.Fatalf("outcome %v", u.Outcome)
		}
		withdrawn = append(withdrawn, u.Withdrawn...)
		for _, a := range u.Announced {
			announced = append(announced, a.NLRI...)
			attrs = append(attrs, a.Attrs)
		}
		msgs = rest
	}
	return withdrawn, announced, attrs
}

func TestUpdateRoundTrip(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	d := NewDecoder(Config{})
	for i := range 400 {
		f := allFamilies[i%len(allFamilies)]
		addPath, width := r.IntN(2) == 0, ASWidth(r.IntN(2))
		var params Params
		if params.ASWidth = width; addPath {
			params.AddPath = []Family{f}
		}
		attrs := randomAttributes(r, f.AFI() == AFIIPv6)
		var withdrawn, announced []NLRI
		for range r.IntN(300) {
			announced = append(announced, randomNLRI(r, f, addPath))
		}
		for range r.IntN(600) {
			n := randomNLRI(r, f, addPath)
			n.Label, n.HasLabel = 0, false
			withdrawn = append(withdrawn, n)
		}
		var msgs []byte
		for w, a := withdrawn, announced; len(w)+len(a) > 0; {
			var nw, na int
			msgs, nw, na = AppendUpdate(msgs, w, a, attrs, width)
			w, a = w[nw:], a[na:]
		}
		gotW, gotA, gotAttrs := readAll(t, d, msgs, params)
		if !slices.Equal(gotW, withdrawn) || !slices.Equal(gotA, announced) {
			t.Fatalf("%v: routes differ", f)
		}
		for _, g := range gotAttrs {
			if !reflect.DeepEqual(plain(g), plain(attrs)) {
				t.Fatalf("%v width %d:\ngot  %+v\nwant %+v", f, width, plain(g), plain(attrs))
			}
		}
	}
	if d.Counters.Panics != 0 {
		t.Errorf("%d panics", d.Counters.Panics)
	}
}

func TestAppendUpdateSplits(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	routes := []NLRI{randomNLRI(r, IPv4Unicast, false), randomNLRI(r, IPv6Unicast, false)}
	if _, nw, _ := AppendUpdate(nil, routes, nil, nil, AS4); nw != 1 {
		t.Errorf("%d withdrawals of two families in one message", nw)
	}
	big := &Attributes{HasOrigin: true, HasASPath: true, NextHop: randomNLRI(r, IPv4Unicast, false).Prefix.Addr()}
	for i := range uint32(2000) {
		big.Communities = append(big.Communities, i)
	}
	out, _, na := AppendUpdate(nil, nil, []NLRI{routes[0], routes[0]}, big, AS4)
	if na != 1 || len(out) < MaxMessage {
		t.Errorf("%d routes in %d octets: one route must go out however long it is", na, len(out))
	}
}

func TestAppendEndOfRIB(t *testing.T) {
	for _, f := range append([]Family{NewFamily(25, 70)}, allFamilies...) {
		_, body, rest, err := SplitMessage(AppendEndOfRIB(nil, f))
		if err != nil || len(rest) != 0 {
			t.Fatal(err)
		}
		if u := mustDecode(t, NewDecoder(Config{}), body, Params{}); u.EndOfRIB != f {
			t.Errorf("got %v, want %v", u.EndOfRIB, f)
		}
	}
}
