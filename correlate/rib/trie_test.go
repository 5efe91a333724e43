package rib

import (
	"encoding/binary"
	"math/rand/v2"
	"net/netip"
	"slices"
	"testing"

	"github.com/gaissmai/bart"
)

// oracle is a table of one route a prefix beside an independent trie.
type oracle struct {
	t     *testing.T
	table table
	want  bart.Table[uint32]
}

func newOracle(t *testing.T, width int) *oracle {
	o := &oracle{t: t}
	o.table.arena.width = width
	o.table.trie = newTrie(&o.table.arena)
	return o
}

func (o *oracle) set(p netip.Prefix) {
	o.table.modify(p, func(head uint32) (uint32, uint32) {
		if head == none {
			head = o.table.arena.add(entry{attr: 1, next: none, meta: packMeta(0, p.Bits(), false)}, p)
		}
		o.want.Insert(p, head)
		return head, 0
	})
}

func (o *oracle) unset(p netip.Prefix) {
	gone := none
	o.table.modify(p, func(head uint32) (uint32, uint32) {
		gone = head
		return none, 0
	})
	if gone != none {
		o.table.arena.remove(gone)
	}
	if _, ok := o.want.Get(p); ok != (gone != none) {
		o.t.Fatalf("%v: there %v, found %v", p, ok, gone != none)
	}
	o.want.Delete(p)
}

// lookup compares all ways to find an address.
func (o *oracle) lookup(a netip.Addr) {
	c, _ := o.table.trie.lookup(keyOf(a))
	want, ok := o.want.Lookup(a)
	if (c != 0) != ok || ok && c.head() != want {
		o.t.Fatalf("%v: got %v, want %d %v", a, c, want, ok)
	}
	for bits := range a.BitLen() + 1 {
		c := o.table.trie.lookupUpTo(keyOf(a), bits)
		want, ok := o.want.LookupPrefix(netip.PrefixFrom(a, bits))
		if (c != 0) != ok || ok && c.head() != want {
			o.t.Fatalf("%v up to %d: got %v, want %d %v", a, bits, c, want, ok)
		}
	}
}

func (o *oracle) within(p netip.Prefix) {
	p = p.Masked()
	var got, want, up, wantUp []netip.Prefix
	o.table.trie.within(keyOf(p.Addr()), p.Bits(), func(c chain) bool {
		got = append(got, o.table.arena.prefix(c.head()))
		return true
	})
	for q := range o.want.Subnets(p) {
		want = append(want, q)
	}
	o.table.trie.covering(keyOf(p.Addr()), p.Bits(), func(c chain) bool {
		up = append(up, o.table.arena.prefix(c.head()))
		return true
	})
	for q := range o.want.Supernets(p) {
		wantUp = append(wantUp, q)
	}
	if !slices.Equal(got, want) || !slices.Equal(up, wantUp) {
		o.t.Fatalf("%v: within\n got %v\nwant %v\ncovering\n got %v\nwant %v", p, got, want, up, wantUp)
	}
}

// check compares all of it and the bookkeeping.
func (o *oracle) check() {
	t := &o.table.trie
	if t.size != o.want.Size() {
		o.t.Fatalf("size %d, want %d", t.size, o.want.Size())
	}
	var got, want []netip.Prefix
	for c := range t.all {
		got = append(got, o.table.arena.prefix(c.head()))
	}
	for p := range o.want.AllSorted() {
		want = append(want, p)
	}
	if !slices.Equal(got, want) {
		o.t.Fatalf("got %v\nwant %v", got, want)
	}
	caps, nodes := 0, 0
	for _, c := range t.chunks {
		for i := range c {
			caps += 8 * cap(c[i].slots)
			if len(c[i].slots) > 0 {
				nodes++
			}
		}
	}
	if caps != t.caps || nodes != t.used {
		o.t.Fatalf("%d octets of slots, counted %d; %d nodes, counted %d", t.caps, caps, t.used, nodes)
	}
}

// TestTrie makes random changes to tries that live in a small part of the addresses, dense and sparse, small and large, and
// compares them with another trie.
func TestTrie(t *testing.T) {
	for _, c := range []struct {
		name  string
		width int
		bits  []int // of addresses that vary
		n     int
	}{
		{"small IPv4", 4, []int{6, 7, 8, 9, 15, 16, 17, 23, 24, 31}, 4000},
		{"large IPv4", 4, []int{1, 3, 5, 6, 7, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 27}, 120_000},
		{"small IPv6", 16, []int{3, 8, 9, 20, 31, 32, 33, 47, 48, 63, 64, 65, 127}, 4000},
		{"large IPv6", 16, []int{7, 15, 16, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31, 33, 34, 35, 38, 45, 46, 47, 127}, 120_000},
	} {
		t.Run(c.name, func(t *testing.T) {
			if c.n > 100_000 && testing.Short() {
				t.Skip("takes several seconds")
			}
			rnd := rand.New(rand.NewPCG(1, uint64(c.n+c.width)))
			o := newOracle(t, c.width)
			addr := func() netip.Addr {
				var b [16]byte
				for _, i := range c.bits {
					b[i/8] |= byte(rnd.IntN(2)) << (7 - i%8)
				}
				if c.width == 4 {
					return netip.AddrFrom4([4]byte(b[:4]))
				}
				return netip.AddrFrom16(b)
			}
			prefix := func() netip.Prefix {
				a := addr()
				bits := rnd.IntN(a.BitLen() + 1)
				if rnd.IntN(3) > 0 {
					bits = c.bits[rnd.IntN(len(c.bits))] + 1
				}
				return netip.PrefixFrom(a, bits).Masked()
			}
			jumped := false
			for phase, adds := range []int{3, 2, 1, 3, 0} { // of 4 changes
				for i := range c.n {
					if p := prefix(); rnd.IntN(4) < adds || adds == 0 && i < c.n/2 && rnd.IntN(4) == 0 {
						o.set(p)
					} else {
						o.unset(p)
					}
					if i%max(20, c.n/400) == 0 {
						o.lookup(addr())
						if p := prefix(); c.n < 100_000 || p.Bits() > 14 && p.Addr().Is4() || p.Bits() > 28 {
							o.within(p)
						}
					}
				}
				o.check()
				jumped = jumped || o.table.trie.jump.on()
				if phase == 2 {
					o.settle()
				}
			}
			if jumped != (c.n > 100_000) {
				t.Errorf("jump: %v", jumped)
			}
			var rest []netip.Prefix
			for p := range o.want.All() {
				rest = append(rest, p)
			}
			for _, p := range rest {
				o.unset(p)
			}
			o.check()
			if o.table.trie.used != 0 || o.table.trie.jump.on() {
				t.Errorf("%d nodes are left", o.table.trie.used)
			}
		})
	}
}

// settle moves nodes as the clean-up does, as if all chunks were nearly empty.
func (o *oracle) settle() {
	t := &o.table.trie
	for i := range t.maps {
		t.maps[i].leave = t.maps[i].n > 0
	}
	for p := range o.want.All() {
		t.settle(keyOf(p.Addr()), p.Bits())
	}
	for i := range t.maps {
		t.maps[i].leave = false
	}
	o.check()
}

func TestKeyShares(t *testing.T) {
	rnd := rand.New(rand.NewPCG(1, 1))
	for range 2000 {
		var b [16]byte
		binary.BigEndian.PutUint64(b[:], rnd.Uint64())
		binary.BigEndian.PutUint64(b[8:], rnd.Uint64())
		c, bit := b, rnd.IntN(128)
		c[bit/8] ^= 1 << (7 - bit%8)
		x, y := netip.AddrFrom16(b), netip.AddrFrom16(c)
		bits := rnd.IntN(129)
		if got, want := keyOf(x).shares(keyOf(y), bits), netip.PrefixFrom(x, bits).Contains(y); got != want {
			t.Fatalf("%v and %v share %d bits: %v", x, y, bits, got)
		}
	}
}
