package bgp

import (
	"encoding/binary"
	"math/rand/v2"
	"reflect"
	"sync"
	"testing"
)

// body gives an UPDATE whose attributes differ with n.
func bodyOf(t testing.TB, n uint32) []byte {
	attrs := binary.BigEndian.AppendUint32(append(unhex(t, baseAttrs), flagOptional, attrMED, 4), n)
	return updateBody(nil, attrs, unhex(t, prefix10))
}

func TestCacheBounds(t *testing.T) {
	tests := []struct {
		name string
		cfg  CacheConfig
	}{
		{"entries", CacheConfig{MaxEntries: 320}},
		{"bytes", CacheConfig{MaxBytes: 320 * 700}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c := NewCache(tt.cfg)
			d := NewDecoder(Config{Cache: c})
			for n := range uint32(5000) {
				u := mustDecode(t, d, bodyOf(t, n), Params{})
				if u.Announced[0].Attrs.MED != n {
					t.Fatalf("got %d, want %d", u.Announced[0].Attrs.MED, n)
				}
				entries, size := c.Len()
				if entries > 360 || tt.cfg.MaxBytes > 0 && size > tt.cfg.MaxBytes {
					t.Fatalf("%d entries, %d octets", entries, size)
				}
			}
			if d.Counters.CacheMisses != 5000 {
				t.Errorf("counters %+v", d.Counters)
			}
			c.Clear()
			if entries, size := c.Len(); entries != 0 || size != 0 {
				t.Errorf("%d entries, %d octets after Clear", entries, size)
			}
		})
	}
}

func TestCacheKeepsWhatIsUsed(t *testing.T) {
	d := NewDecoder(Config{Cache: NewCache(CacheConfig{MaxEntries: 640})})
	first := mustDecode(t, d, bodyOf(t, 1<<20), Params{}).Announced[0].Attrs
	for n := range uint32(5000) {
		mustDecode(t, d, bodyOf(t, n), Params{})
		if n%4 == 0 && mustDecode(t, d, bodyOf(t, 1<<20), Params{}).Announced[0].Attrs != first {
			t.Fatalf("a set in use was dropped after %d others", n)
		}
	}
}

func TestCacheTellsWidthAndNextHopApart(t *testing.T) {
	d := NewDecoder(Config{})
	both := unhex(t, "400101 00 40020a 0202 0001 0002 0201 0003 400304 c0000201")
	four := mustDecode(t, d, updateBody(nil, both, unhex(t, prefix10)), Params{ASWidth: AS4}).Announced[0].Attrs
	two := mustDecode(t, d, updateBody(nil, both, unhex(t, prefix10)), Params{ASWidth: AS2}).Announced[0].Attrs
	if len(four.ASPath) != 2 || len(two.ASPath) != 3 {
		t.Errorf("got %v and %v", four.ASPath, two.ASPath)
	}
	again := mustDecode(t, d, updateBody(nil, both, unhex(t, prefix10)), Params{ASWidth: AS4}).Announced[0].Attrs
	if again != four || string(four.Key()) == string(two.Key()) {
		t.Errorf("the cache mixes widths")
	}
}

func TestAttributesDoNotAliasTheMessage(t *testing.T) {
	r := rand.New(rand.NewPCG(5, 6))
	d := NewDecoder(Config{})
	for range 200 {
		want := randomAttributes(r, false)
		msg, _, _ := AppendUpdate(nil, nil, []NLRI{randomNLRI(r, IPv4Unicast, false)}, want, AS4)
		got := mustDecode(t, d, msg[HeaderSize:], Params{}).Announced[0].Attrs
		for i := range msg {
			msg[i] = 0xee
		}
		if !reflect.DeepEqual(plain(got), plain(want)) {
			t.Fatalf("attributes changed with the buffer")
		}
	}
}

func TestCacheShared(t *testing.T) {
	c := NewCache(CacheConfig{MaxEntries: 64})
	var wg sync.WaitGroup
	for w := range uint64(4) {
		wg.Go(func() {
			r := rand.New(rand.NewPCG(w, 1))
			d := NewDecoder(Config{Cache: c})
			for range 3000 {
				n := r.Uint32N(200)
				u, err := d.DecodeUpdate(bodyOf(t, n), Params{})
				if err != nil || u.Announced[0].Attrs.MED != n {
					t.Errorf("got %+v, %v", u, err)
					return
				}
			}
		})
	}
	wg.Wait()
}

// A set that is larger than the cache may be is not kept, and does not push others out.
func TestCacheLeavesOutWhatIsTooLarge(t *testing.T) {
	c := NewCache(CacheConfig{MaxBytes: 2 * cacheShards * 2 * attributesSize})
	small := &Attributes{key: []byte("small")}
	c.put(1, small)
	for range 3 {
		c.put(1+cacheShards, &Attributes{key: make([]byte, 4*attributesSize)})
	}
	if entries, size := c.Len(); entries != 1 || size != small.size() || c.get(1, small.key) != small {
		t.Errorf("%d entries of %d octets", entries, size)
	}
}
