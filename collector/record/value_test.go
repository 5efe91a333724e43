package record

import (
	"encoding/json"
	"math"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/telcol/telcol/correlate/rib"
)

func TestAddr(t *testing.T) {
	for _, s := range []string{
		"0.0.0.0", "1.2.3.4", "10.20.99.100", "255.255.255.255", "203.0.113.90",
		"::", "::1", "1::", "1:2:3:4:5:6:7:8", "2001:db8::1", "2001:db8:0:0:1::", "2001:db8:0:1:1:1:1:1",
		"1:0:0:2:0:0:0:3", "1:0:0:2:3:0:0:4", "0:1::", "fe80::abcd:ef01:12:0", "::ffff:1.2.3.4", "::fffe:102:304",
		"0:0:0:1::", "1:0:2:0:3:0:4:0", "fe80::1%eth0", `fe80::1%e"0`,
	} {
		a := netip.MustParseAddr(s)
		want, _ := json.Marshal(a.String())
		if got := string(AppendAddr(nil, a)); got != string(want) {
			t.Errorf("got %s, want %s", got, want)
		}
	}
}

func TestRD(t *testing.T) {
	r := newRandom(4)
	k := textKey("rd")
	for range 2000 {
		rd := rib.RD(r.Uint64() >> r.IntN(64))
		if r.chance(80) {
			rd = rd<<16>>16 | rib.RD(r.IntN(4))<<48
		}
		if got, want := string(appendRD(nil, &k, rd)), `,"rd":"`+rd.String()+`"`; got != want {
			t.Fatalf("got %s, want %s", got, want)
		}
	}
}

// TestRoom writes every field of bounded length into slices with little room, none and none at all.
func TestRoom(t *testing.T) {
	long := newKey(strings.Repeat("k", maxKey))
	dates := newDateCache()
	a := netip.MustParseAddr("1111:2222:3333:4444:5555:6666:7777:8888")
	for capacity := range 2 * fieldRoom {
		for _, got := range [][]byte{
			appendUint(make([]byte, 0, capacity), &long, math.MaxUint64),
			appendAddr(make([]byte, 0, capacity), &long, a),
			appendAddr(make([]byte, 0, capacity), &long, netip.MustParseAddr("::ffff:255.255.255.255")),
			appendPrefix(make([]byte, 0, capacity), &long, netip.PrefixFrom(a, 128)),
			dates.append(make([]byte, 0, capacity), &long, math.MaxInt64),
			appendRD(make([]byte, 0, capacity), &long, math.MaxUint64),
			appendMAC(make([]byte, 0, capacity), &long, [6]byte{}),
			AppendAddr(append(make([]byte, 0, capacity+maxKey), long.append(nil)...), a),
		} {
			if len(got) <= maxKey || string(got[:maxKey]) != strings.Repeat("k", maxKey) {
				t.Fatalf("with room for %d: got %q", capacity, got)
			}
		}
	}
}

func FuzzAddr(f *testing.F) {
	for _, s := range []string{"::", "2001:db8::1:0:0:1", "::ffff:10.0.0.1", "1:2:3:4:5:6:7:8"} {
		b := netip.MustParseAddr(s).As16()
		f.Add(b[:])
	}
	f.Add([]byte{192, 0, 2, 1})
	f.Fuzz(func(t *testing.T, b []byte) {
		a, ok := netip.AddrFromSlice(b)
		if !ok {
			return
		}
		if got := string(AppendAddr(nil, a)); got != `"`+a.String()+`"` {
			t.Errorf("got %s, want %s", got, a)
		}
	})
}

func TestTime(t *testing.T) {
	dates, quote := newDateCache(), newKey(`"`)
	r := newRandom(1)
	times := []int64{0, 1, -1, nanosPerSecond, -nanosPerSecond, math.MaxInt64, math.MinInt64, 951_782_400 * nanosPerSecond}
	for range 2000 {
		times = append(times, r.time())
	}
	for range 2 { // once from the calendar, once from the cache
		for _, nanos := range times {
			got := string(dates.append(nil, &quote, nanos))
			want := time.Unix(0, nanos).UTC().Format(`"2006-01-02T15:04:05.000000000Z"`)
			if got != want {
				t.Fatalf("%d: got %s, want %s", nanos, got, want)
			}
			if back, err := time.Parse(`"`+time.RFC3339Nano+`"`, got); err != nil || back.UnixNano() != nanos {
				t.Fatalf("%d: read back as %v, %v", nanos, back, err)
			}
		}
	}
}

func TestString(t *testing.T) {
	for _, s := range []string{
		"", "plain", `"`, `\`, "tab\tline\nreturn\r", "\x00\x01\x1f\x7f", "é", "\u2028\u2029", "😀", "\xff", "a\xc3", "\xe2\x82",
		"\xed\xa0\x80", "a\xffb\xfec", "<&>", "\ufffd", "TenGigE0/0/0/1",
	} {
		got := AppendString([]byte("x"), s)
		var back string
		if err := json.Unmarshal(got[1:], &back); err != nil {
			t.Errorf("%q: %s: %v", s, got, err)
		} else if back != clean(s) {
			t.Errorf("%q: came back as %q, want %q", s, back, clean(s))
		}
	}
}

func FuzzString(f *testing.F) {
	f.Add("eth0 \"\\\x00\xff\u2028")
	f.Fuzz(func(t *testing.T, s string) {
		var back string
		if got := AppendString(nil, s); json.Unmarshal(got, &back) != nil || back != clean(s) {
			t.Errorf("%q: wrote %s", s, got)
		}
	})
}
