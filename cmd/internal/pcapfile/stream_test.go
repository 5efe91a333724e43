package pcapfile

import (
	"bytes"
	"math/rand/v2"
	"strings"
	"testing"
)

// seg is a segment in a test: what it begins with is where its text lies in the alphabet, unless said otherwise.
type seg struct {
	seq  int
	text string
	syn  bool
	fin  bool
}

func TestStream(t *testing.T) {
	for _, tc := range []struct {
		name    string
		segs    []seg
		want    string
		missing bool
	}{
		{"in order", []seg{{0, "abc", false, false}, {3, "def", false, false}}, "abcdef", false},
		{"bare SYN that counts", []seg{{99, "", true, false}, {100, "abc", false, false}, {103, "d", false, false}}, "abcd", false},
		{"bare SYN that does not count", []seg{{100, "", true, false}, {100, "abc", false, false}, {103, "d", false, false}}, "abcd", false},
		{"data on a SYN that counts", []seg{{99, "abc", true, false}, {103, "def", false, false}}, "abcdef", false},
		{"data on a SYN that does not", []seg{{100, "abc", true, false}, {103, "def", false, false}}, "abcdef", false},
		{"repeated SYN with data", []seg{{100, "abc", true, false}, {100, "abc", true, false}, {103, "def", false, false}}, "abcdef", false},
		{"repeated", []seg{{0, "abc", false, false}, {0, "abc", false, false}, {3, "def", false, false}, {0, "abc", false, false}}, "abcdef", false},
		{"overlapping", []seg{{0, "abcd", false, false}, {2, "cdef", false, false}}, "abcdef", false},
		{"swapped", []seg{{0, "ab", false, false}, {4, "ef", false, false}, {2, "cd", false, false}}, "abcdef", false},
		{"swapped behind a SYN", []seg{{99, "", true, false}, {103, "def", false, false}, {100, "abc", false, false}}, "abcdef", false},
		{"late twice", []seg{{0, "a", false, false}, {2, "c", false, false}, {2, "cd", false, false}, {1, "b", false, false}, {4, "e", false, false}}, "abcde", false},
		{"captured half-way", []seg{{5000, "mid", false, false}, {5003, "dle", false, false}}, "middle", false},
		{"acknowledgements between", []seg{{0, "ab", false, false}, {2, "", false, false}, {2, "cd", false, false}}, "abcd", false},
		{"gap", []seg{{0, "ab", false, false}, {3, "def", false, false}}, "ab", true},
		{"around the end of the numbers", []seg{{1<<32 - 2, "ab", false, false}, {2, "ef", false, false}, {0, "cd", false, false}}, "abcdef", false},
		{"half of the numbers away", []seg{{0, "ab", false, false}, {2 + 1<<31, "cd", false, false}, {2, "ef", false, false}}, "abef", false},
		{"FIN with data", []seg{{0, "ab", false, false}, {2, "cd", false, true}}, "abcd", false},
		{"nothing", []seg{{0, "", false, true}}, "", false},
	} {
		t.Run(tc.name, func(t *testing.T) {
			var s Stream
			var got strings.Builder
			for _, g := range tc.segs {
				p := Packet{Proto: TCP, Seq: uint32(g.seq), Payload: []byte(g.text), SYN: g.syn, FIN: g.fin}
				if err := s.Push(p, func(b []byte) error { got.Write(b); return nil }); err != nil {
					t.Fatal(err)
				}
			}
			if got.String() != tc.want || s.Missing() != tc.missing {
				t.Errorf("got %q and missing %v, want %q and %v", got.String(), s.Missing(), tc.want, tc.missing)
			}
			if last := tc.segs[len(tc.segs)-1]; s.closed != last.fin {
				t.Errorf("closed %v, want %v", s.closed, last.fin)
			}
		})
	}
}

func TestStreamIsBounded(t *testing.T) {
	for name, size := range map[string]int{"many": 1, "large": 1 << 20} {
		t.Run(name, func(t *testing.T) {
			var s Stream
			send := func([]byte) error { return nil }
			payload := make([]byte, size)
			_ = s.Push(Packet{Seq: 0, Payload: []byte{0}}, send)
			for i := range 2 * maxEarly {
				if err := s.Push(Packet{Seq: uint32(2 + i*size), Payload: payload}, send); err != nil {
					t.Fatal(err)
				}
				if len(s.early) > maxEarly || s.earlyBytes > maxEarlyBytes {
					t.Fatalf("holds %d segments, %d octets", len(s.early), s.earlyBytes)
				}
			}
			if !s.broken || !s.Missing() {
				t.Error("the stream does not say that it misses something")
			}
		})
	}
}

// FuzzStream delivers a text in pieces that are repeated, overlap and come out of order, and wants the text.
func FuzzStream(f *testing.F) {
	f.Add([]byte("initiation, peer up, route monitoring"), uint64(1), uint32(1<<32-10))
	f.Add(bytes.Repeat([]byte("0123456789"), 50), uint64(2), uint32(0))
	f.Fuzz(func(t *testing.T, text []byte, seed uint64, isn uint32) {
		if len(text) > 1<<16 {
			return
		}
		r := rand.New(rand.NewPCG(seed, 1))
		var pieces []Packet
		for at := 0; at < len(text); {
			n := 1 + r.IntN(min(40, len(text)-at))
			back := r.IntN(min(at, 5) + 1)
			pieces = append(pieces, Packet{Seq: isn + uint32(at-back), Payload: text[at-back : at+n]})
			if r.IntN(5) == 0 {
				pieces = append(pieces, pieces[r.IntN(len(pieces))])
			}
			at += n
		}
		for i := 1; i < len(pieces); i++ { // the first stays: without it nobody knows where the stream begins
			if j := i + r.IntN(4); j < len(pieces) {
				pieces[i], pieces[j] = pieces[j], pieces[i]
			}
		}
		var s Stream
		var got []byte
		for _, p := range pieces {
			if err := s.Push(p, func(b []byte) error { got = append(got, b...); return nil }); err != nil {
				t.Fatal(err)
			}
		}
		if !bytes.Equal(got, text) || s.Missing() {
			t.Errorf("got %q, want %q; missing %v", got, text, s.Missing())
		}
	})
}
