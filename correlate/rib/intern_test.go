package rib

import (
	"encoding/binary"
	"math/rand/v2"
	"net/netip"
	"reflect"
	"testing"
)

func TestInternSharesAndReleases(t *testing.T) {
	in := NewIntern()
	key := []byte("key")
	path := []uint32{64496, 64497}
	a := in.Acquire(key, func() Attrs { return Attrs{ASPath: path, Communities: []uint32{}} })
	copy(key, "xxx")
	path[0] = 0
	if b := in.Acquire([]byte("key"), func() Attrs { t.Error("decoded twice"); return Attrs{} }); b != a {
		t.Errorf("got id %d, want %d", b, a)
	}
	in.Retain(a, 1)
	attrs := in.Attrs(a)
	if want := (Attrs{ASPath: []uint32{64496, 64497}}); !reflect.DeepEqual(*attrs, want) {
		t.Errorf("got %+v, want %+v", *attrs, want)
	}
	for left := 2; left >= 0; left-- {
		in.Release(a)
		if got := in.Find([]byte("key")) != 0; got != (left > 0) {
			t.Errorf("%d references left: found %v", left, got)
		}
	}
	if in.Len() != 0 || in.Bytes() != 0 {
		t.Errorf("got %d sets, %d bytes, want none", in.Len(), in.Bytes())
	}
	if attrs.ASPath[1] != 64497 {
		t.Error("attributes that were handed out have changed")
	}
	in.Release(0)
	in.Retain(0, 1)
	if in.Attrs(0) != nil {
		t.Error("id 0 has attributes")
	}
}

func TestInternKeepsPartsApart(t *testing.T) {
	in := NewIntern()
	want := Attrs{
		NextHop: netip.MustParseAddr("192.0.2.1"), ASPath: []uint32{1, 2}, ASSet: []uint32{3}, Communities: []uint32{4, 5},
		ExtCommunities: []uint64{6}, LargeCommunities: [][3]uint32{{7, 8, 9}},
	}
	got := in.Attrs(in.Acquire([]byte{1}, func() Attrs { return want }))
	if !reflect.DeepEqual(*got, want) {
		t.Errorf("got %+v, want %+v", *got, want)
	}
	if cap(got.ASPath) != 2 || cap(got.ASSet) != 1 {
		t.Error("a part can grow into the next one")
	}
}

// TestInternTwin compares the table with a map while it grows and shrinks.
func TestInternTwin(t *testing.T) {
	in := NewIntern()
	type ref struct {
		id AttrID
		n  int
	}
	twin := map[uint32]*ref{}
	rnd := rand.New(rand.NewPCG(1, 2))
	key := make([]byte, 4)
	for n := range 200_000 {
		i := uint32(rnd.IntN(20_000))
		binary.BigEndian.PutUint32(key, i)
		grow := n/40_000%2 == 0
		switch r := twin[i]; {
		case r == nil && (grow || rnd.IntN(8) == 0):
			twin[i] = &ref{in.Acquire(key, func() Attrs { return Attrs{MED: i} }), 1}
		case r == nil:
			if id := in.Find(key); id != 0 {
				t.Fatalf("found %d, which is gone", i)
			}
		case grow:
			if id := in.Acquire(key, nil); id != r.id {
				t.Fatalf("got id %d, want %d", id, r.id)
			}
			r.n++
		default:
			in.Release(r.id)
			if r.n--; r.n == 0 {
				delete(twin, i)
			}
		}
		if n%10_000 == 0 {
			if in.Len() != len(twin) {
				t.Fatalf("got %d sets, want %d", in.Len(), len(twin))
			}
			for i, r := range twin {
				binary.BigEndian.PutUint32(key, i)
				if in.Find(key) != r.id || in.Attrs(r.id).MED != i {
					t.Fatalf("set %d is not in its place", i)
				}
			}
		}
	}
	for _, r := range twin {
		for range r.n {
			in.Release(r.id)
		}
	}
	if in.Len() != 0 || in.Bytes() != 0 {
		t.Errorf("got %d sets, %d bytes, want none", in.Len(), in.Bytes())
	}
}

func TestSlots(t *testing.T) {
	var s slots
	used := map[uint32]bool{}
	rnd := rand.New(rand.NewPCG(1, 2))
	for n := range 30_000 {
		if rnd.IntN(3) > 0 == (n/6000%2 == 0) {
			i := s.alloc()
			if used[i] {
				t.Fatalf("%d handed out twice", i)
			}
			used[i] = true
			continue
		}
		for i := range used {
			delete(used, i)
			empty := s.free(i)
			if got := s.maps[i>>chunkShift].n == 0; got != empty {
				t.Fatalf("chunk empty: got %v, want %v", empty, got)
			}
			if rnd.IntN(4) == 0 {
				s.evacuate(i)
			}
			break
		}
	}
	n := 0
	for i := s.next(0); i != none; i = s.next(i + 1) {
		if !used[i] {
			t.Fatalf("%d is not in use", i)
		}
		n++
	}
	if n != len(used) || s.used != n {
		t.Errorf("got %d in use, counted %d, want %d", n, s.used, len(used))
	}
}
