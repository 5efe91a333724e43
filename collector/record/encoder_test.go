package record

import (
	"bytes"
	"encoding/json"
	"flag"
	"net/netip"
	"os"
	"path/filepath"
	"reflect"
	"runtime"
	"strings"
	"testing"

	"github.com/telcol/telcol/correlate"
	"github.com/telcol/telcol/correlate/rib"
	"github.com/telcol/telcol/ipfix"
)

var update = flag.Bool("update", false, "rewrite the golden files")

// differences lists the fields on which two decoded records disagree.
func differences(got, want map[string]any) (out []string) {
	for name := range got {
		if _, ok := want[name]; !ok {
			out = append(out, name+": unexpected")
		}
	}
	for name, w := range want {
		if g, ok := got[name]; !ok {
			out = append(out, name+": missing")
		} else if !reflect.DeepEqual(g, w) {
			g, _ := json.Marshal(g)
			w, _ := json.Marshal(w)
			out = append(out, name+": got "+string(g)+", want "+string(w))
		}
	}
	return out
}

func TestJSONAgreesWithTwin(t *testing.T) {
	for _, tc := range []struct {
		name string
		opts []Option
	}{
		{"default cache", nil},
		{"no cache", []Option{WithRouteCache(0)}},
		{"colliding cache", []Option{WithRouteCache(8)}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			r := newRandom(7)
			pool := r.pool(40)
			e := NewEncoder(3, tc.opts...)
			var buf []byte
			for i := range 1000 {
				rec := r.record(pool)
				buf = e.AppendJSON(append(buf[:0], "head"...), rec)
				line, ok := bytes.CutPrefix(buf, []byte("head"))
				if !ok {
					t.Fatal("what was in dst is gone")
				}
				if !bytes.HasPrefix(line, []byte(`{"type":"flow","schema":1,`)) {
					t.Fatalf("does not start with its type: %.40s", line)
				}
				if diff := differences(decode(t, line), twinOf(3, rec)); diff != nil {
					t.Fatalf("record %d: %s\n%s", i, strings.Join(diff, "\n"), line)
				}
			}
		})
	}
}

// TestNoFieldTwice matters since encoding/json takes the last of two equal names without a word.
func TestNoFieldTwice(t *testing.T) {
	r := newRandom(9)
	pool := r.pool(4)
	for range 200 {
		line := NewEncoder(0).AppendJSON(nil, r.record(pool))
		dec := json.NewDecoder(bytes.NewReader(line))
		seen := map[string]bool{}
		depth, key := 0, true
		for {
			tok, err := dec.Token()
			if err != nil {
				break
			}
			switch v := tok.(type) {
			case json.Delim:
				if v == '[' || v == '{' {
					depth++
				} else {
					depth--
				}
				key = depth == 1
				continue
			case string:
				if depth == 1 && key {
					if seen[v] {
						t.Fatalf("%s is there twice: %s", v, line)
					}
					seen[v] = true
					key = false
					continue
				}
			}
			if depth == 1 {
				key = true
			}
		}
	}
}

// TestCachedTextsFollowEveryPart changes all that the cached parts of a record depend on, one by one.
func TestCachedTextsFollowEveryPart(t *testing.T) {
	e := NewEncoder(1)
	base := example()
	e.AppendJSON(nil, base)
	for name, change := range map[string]func(*correlate.Record){
		"device":      func(r *correlate.Record) { r.Device = netip.MustParseAddr("192.0.2.99") },
		"device name": func(r *correlate.Record) { r.DeviceName = "other" },
		"exporter":    func(r *correlate.Record) { r.Exporter = netip.MustParseAddr("192.0.2.98") },
		"received":    func(r *correlate.Record) { r.Received++ },
		"export time": func(r *correlate.Record) { r.Flow.ExportTime += nanosPerSecond },
		"domain":      func(r *correlate.Record) { r.Flow.Domain++ },
		"sequence":    func(r *correlate.Record) { r.Flow.Sequence++ },
		"position":    func(r *correlate.Record) { r.Flow.Position++ },
		"template":    func(r *correlate.Record) { r.Flow.TemplateID++ },
		"version":     func(r *correlate.Record) { r.Flow.Version = ipfix.VersionNetFlow9 },

		"in interface":       func(r *correlate.Record) { r.Flow.InIf += interfaceFragments },
		"out interface":      func(r *correlate.Record) { r.Flow.OutIf += interfaceFragments },
		"no in interface":    func(r *correlate.Record) { r.Flow.Has &^= ipfix.FieldInIf },
		"no out interface":   func(r *correlate.Record) { r.Flow.Has &^= ipfix.FieldOutIf },
		"in interface name":  func(r *correlate.Record) { r.InIfName = "x" },
		"out interface name": func(r *correlate.Record) { r.OutIfName = "" },
		"long name":          func(r *correlate.Record) { r.OutIfName = strings.Repeat("x", maxFragment) },
		"ingress VRF":        func(r *correlate.Record) { r.Flow.IngressVRF += vrfFragments },
		"egress VRF":         func(r *correlate.Record) { r.Flow.EgressVRF += vrfFragments },
		"no ingress VRF":     func(r *correlate.Record) { r.Flow.Has &^= ipfix.FieldIngressVRF },
		"no egress VRF":      func(r *correlate.Record) { r.Flow.Has &^= ipfix.FieldEgressVRF },
		"ingress VRF name":   func(r *correlate.Record) { r.IngressVRFName = "x" },
		"egress VRF name":    func(r *correlate.Record) { r.EgressVRFName = "x" },
		"VRF name":           func(r *correlate.Record) { r.VRFName = "x" },
		"RD":                 func(r *correlate.Record) { r.RD++ },
		"no RD":              func(r *correlate.Record) { r.HasRD = false },
		"nothing of these": func(r *correlate.Record) {
			r.Flow.Has &^= interfaceFields | vrfFields
			r.InIfName, r.OutIfName, r.IngressVRFName, r.EgressVRFName, r.VRFName, r.HasRD = "", "", "", "", "", false
		},
	} {
		t.Run(name, func(t *testing.T) {
			rec := example()
			change(rec)
			if diff := differences(decode(t, e.AppendJSON(nil, rec)), twinOf(1, rec)); diff != nil {
				t.Error(strings.Join(diff, "\n"))
			}
			if got, want := e.AppendJSON(nil, base), NewEncoder(1).AppendJSON(nil, base); !bytes.Equal(got, want) {
				t.Errorf("back at the first record: got %s, want %s", got, want)
			}
		})
	}
}

// TestCacheIsNotFooledByReusedIDs changes the attributes behind an id, as an intern table does after a withdrawal.
func TestCacheIsNotFooledByReusedIDs(t *testing.T) {
	e := NewEncoder(0, WithRouteCache(2))
	r := newRandom(11)
	rec := example()
	for range 500 {
		rec.Src.Match.Attrs, rec.Dst.Match.Attrs = r.attrs(), r.attrs()
		rec.Src.Match.Attr, rec.Dst.Match.Attr = 1, 1
		if r.chance(10) {
			runtime.GC() // frees attributes that nothing but the table held
		}
		if diff := differences(decode(t, e.AppendJSON(nil, rec)), twinOf(0, rec)); diff != nil {
			t.Fatal(strings.Join(diff, "\n"))
		}
	}
}

func TestRouteCacheBounds(t *testing.T) {
	for _, tc := range []struct{ ask, want int }{{-1, 0}, {0, 0}, {1, 1}, {2, 2}, {3, 4}, {8192, 8192}, {8193, 16384}} {
		c := newRouteCache(tc.ask)
		if got := len(c); got != tc.want {
			t.Errorf("%d entries asked: got %d, want %d", tc.ask, got, tc.want)
		}
	}
	text := func(name, value string, n int) []byte {
		return []byte(strings.Repeat(`,"src_`+name+`":`+value, n))
	}
	src, dst := newSide("src_", nil), newSide("dst_", nil)
	for _, tc := range []struct {
		name string
		text []byte
		kept bool
	}{
		{"nothing", nil, true},
		{"longest", text("as", strings.Repeat("7", maxText), 1), true},
		{"too long", text("as", strings.Repeat("7", maxText+1), 1), false},
		{"longest in two", append(text("as", "1", 1), text("med", strings.Repeat("7", maxText-1), 1)...), true},
		{"too long in two", append(text("as", "1", 1), text("med", strings.Repeat("7", maxText), 1)...), false},
		{"most names", text("as_path", "[1]", numAttrKeys), true},
		{"too many names", text("as_path", "[1]", numAttrKeys+1), false},
		{"unknown name", text("as_pats", "[1]", 1), false},
	} {
		t.Run(tc.name, func(t *testing.T) {
			c := newRouteCache(4)
			m := &rib.Match{Attr: 77, Attrs: &rib.Attrs{}}
			c.store(&rib.Match{Attr: 77, Attrs: &rib.Attrs{MED: 2}}, text("med", "2", 1), &src.attrs)
			c.store(m, tc.text, &src.attrs)
			for name, keys := range map[string]*attrKeys{"src_": &src.attrs, "dst_": &dst.attrs} {
				got, ok := c.append(nil, m, keys)
				if ok != tc.kept {
					t.Fatalf("kept %v, want %v", ok, tc.kept)
				}
				if want := bytes.ReplaceAll(tc.text, []byte("src_"), []byte(name)); ok && !bytes.Equal(got, want) {
					t.Errorf("got %q, want %q", got, want)
				}
			}
			for _, a := range []rib.Attrs{{MED: 1}, {MED: 2}} {
				if _, ok := c.append(nil, &rib.Match{Attr: 77, Attrs: &a}, &src.attrs); ok {
					t.Error("other attributes of that id have the text")
				}
			}
		})
	}
}

func TestGolden(t *testing.T) {
	bare := &correlate.Record{
		Device: netip.MustParseAddr("2001:db8::1"), Exporter: netip.MustParseAddr("2001:db8::1"),
		Received: 1_700_000_000 * nanosPerSecond,
		Flow:     &ipfix.Flow{Version: ipfix.VersionNetFlow9, TemplateID: 256, ExportTime: 1_699_999_999 * nanosPerSecond},
	}
	unjoined := example()
	unjoined.Src, unjoined.Dst = correlate.Side{Join: correlate.JoinNoPrefix}, correlate.Side{Join: correlate.JoinUnknownVRF}
	unjoined.RIB, unjoined.AsOfFlowEnd = correlate.RIBStale, false
	for name, rec := range map[string]*correlate.Record{
		"joined": example(), "unjoined": unjoined, "bare": bare, "complete": complete(),
	} {
		t.Run(name, func(t *testing.T) {
			var got bytes.Buffer
			if err := json.Indent(&got, NewEncoder(3).AppendJSON(nil, rec), "", "  "); err != nil {
				t.Fatal(err)
			}
			got.WriteByte('\n')
			path := filepath.Join("testdata", name+".json")
			if *update {
				if err := os.WriteFile(path, got.Bytes(), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(got.Bytes(), want) {
				t.Errorf("differs from %s (-update rewrites it):\n%s", path, got.Bytes())
			}
		})
	}
}

func FuzzNames(f *testing.F) {
	f.Add("core1", "HundredGigE0/0/0/1", "A2", "eth0", uint64(1))
	f.Add("\"", "\\", "\x00\xff", "%", uint64(1<<63))
	f.Fuzz(func(t *testing.T, device, iface, vrf, zone string, seed uint64) {
		r := newRandom(seed)
		rec := r.record(r.pool(3))
		rec.DeviceName, rec.InIfName, rec.OutIfName = device, iface, iface
		rec.VRFName, rec.IngressVRFName, rec.EgressVRFName = vrf, vrf, vrf
		rec.Exporter = netip.MustParseAddr("fe80::1").WithZone(zone)
		e := NewEncoder(0)
		line := e.AppendJSON(nil, rec)
		if bytes.ContainsAny(line, "\n\r") {
			t.Errorf("more than one line: %q", line)
		}
		if diff := differences(decode(t, line), twinOf(0, rec)); diff != nil {
			t.Error(strings.Join(diff, "\n"))
		}
	})
}
