package steering

import (
	"encoding/hex"
	"encoding/json"
	"flag"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"os"
	"slices"
	"testing"
)

var update = flag.Bool("update", false, "rewrite testdata/vectors.json")

// vector is one published example of the whole function, for whoever builds it
// again: a table of N slots of equal weight and no aliases.
type vector struct {
	Key    string     `json:"key"`
	Addr   netip.Addr `json:"address"`
	Slots  int        `json:"slots"`
	Bucket int        `json:"bucket"`
	Slot   int        `json:"slot"`
}

// place computes what the vector should say. Tables do not depend on the key and
// are kept in tables, by number of slots.
func (v vector) place(t *testing.T, tables map[int]*Table) Placement {
	t.Helper()
	table, ok := tables[v.Slots]
	if !ok {
		table = NewTable(Key{}, v.Slots)
		tables[v.Slots] = table
	}
	if n, err := hex.Decode(table.key[:], []byte(v.Key)); err != nil || n != len(Key{}) {
		t.Fatalf("key %q: %v", v.Key, err)
	}
	return table.Place(v.Addr)
}

func TestVectors(t *testing.T) {
	const file = "testdata/vectors.json"
	if *update {
		writeVectors(t, file)
	}
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var vectors []vector
	if err := json.Unmarshal(b, &vectors); err != nil {
		t.Fatal(err)
	}
	if len(vectors) == 0 {
		t.Fatal("no vectors")
	}
	tables := map[int]*Table{}
	for _, v := range vectors {
		got := v.place(t, tables)
		want := Placement{Addr: v.Addr, Canonical: v.Addr, Bucket: v.Bucket, Slot: v.Slot}
		if got != want {
			t.Errorf("key %s, %d slots: got %+v, want %+v", v.Key, v.Slots, got, want)
		}
	}
}

func writeVectors(t *testing.T, file string) {
	t.Helper()
	addrs := []string{
		"0.0.0.0", "127.0.0.1", "192.0.2.1", "192.0.2.2", "198.51.100.77", "255.255.255.255",
		"::", "::1", "2001:db8::1", "2001:db8:1::1", "fe80::1", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff",
	}
	var vectors []vector
	tables := map[int]*Table{}
	for _, key := range []string{"00000000000000000000000000000000", "000102030405060708090a0b0c0d0e0f"} {
		for _, slots := range []int{1, 4, 5, 16, 256} {
			for _, a := range addrs {
				v := vector{Key: key, Addr: netip.MustParseAddr(a), Slots: slots}
				p := v.place(t, tables)
				v.Bucket, v.Slot = p.Bucket, p.Slot
				vectors = append(vectors, v)
			}
		}
	}
	out := []byte("[\n")
	for i, v := range vectors {
		line, err := json.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		if i > 0 {
			out = append(out, ",\n"...)
		}
		out = append(append(out, "  "...), line...)
	}
	if err := os.WriteFile(file, append(out, "\n]\n"...), 0o644); err != nil {
		t.Fatal(err)
	}
}

func TestTableBalance(t *testing.T) {
	for _, c := range []struct {
		slots int
		most  float64 // of the mean
	}{{1, 1}, {2, 1.01}, {4, 1.02}, {16, 1.05}, {64, 1.1}} {
		t.Run(fmt.Sprintf("slots=%d", c.slots), func(t *testing.T) {
			share := NewTable(Key{}, c.slots).Share()
			if got := float64(slices.Max(share)) * float64(c.slots) / Buckets; got > c.most {
				t.Errorf("fullest slot has %.3f of the mean, want at most %.3f", got, c.most)
			}
		})
	}
}

// One slot more takes its share from the others; nothing else moves.
func TestTableGrowsMinimally(t *testing.T) {
	for _, n := range []int{1, 2, 4, 8, 32} {
		t.Run(fmt.Sprintf("slots=%d", n), func(t *testing.T) {
			before, after := rendezvous(equalWeights(n)), rendezvous(equalWeights(n+1))
			moved := 0
			for b := range before {
				if before[b] == after[b] {
					continue
				}
				moved++
				if int(after[b]) != n {
					t.Fatalf("bucket %d moved from %d to %d", b, before[b], after[b])
				}
			}
			want := float64(Buckets) / float64(n+1)
			if float64(moved) < 0.9*want || float64(moved) > 1.1*want {
				t.Errorf("%d buckets moved, want about %.0f", moved, want)
			}
		})
	}
}

func TestTableWeights(t *testing.T) {
	share := (&Table{slots: 4, buckets: rendezvous([]float64{1, 2, 0, 1})}).Share()
	for slot, want := range []float64{0.25, 0.5, 0, 0.25} {
		if got := float64(share[slot]) / Buckets; got < want-0.02 || got > want+0.02 {
			t.Errorf("slot %d has %.3f of the buckets, want %.2f", slot, got, want)
		}
	}
}

func TestTableWithoutSlots(t *testing.T) {
	table := &Table{slots: 2, buckets: rendezvous([]float64{0, 0})}
	if got := table.Slot(netip.MustParseAddr("192.0.2.1")); got != Nobody {
		t.Errorf("got slot %d, want Nobody", got)
	}
}

func TestTableCanonical(t *testing.T) {
	a := netip.MustParseAddr
	table := NewTable(Key{7}, 8)
	table.aliases = map[netip.Addr]netip.Addr{a("192.0.2.9"): a("2001:db8::9")}
	for _, c := range []struct{ name, addr, want string }{
		{"alias", "192.0.2.9", "2001:db8::9"},
		{"mapped alias", "::ffff:192.0.2.9", "2001:db8::9"},
		{"its canonical address", "2001:db8::9", "2001:db8::9"},
		{"mapped", "::ffff:192.0.2.1", "192.0.2.1"},
		{"zone", "fe80::1%lo", "fe80::1"},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := table.Canonical(a(c.addr)); got != a(c.want) {
				t.Errorf("got %s, want %s", got, c.want)
			}
			if got, want := table.Slot(a(c.addr)), table.Slot(a(c.want)); got != want {
				t.Errorf("slot %d, canonical address has %d", got, want)
			}
		})
	}
}

// The hash spreads devices whose addresses follow a plan, in which only a few
// bits vary, and two words at once.
func TestDevicesSpread(t *testing.T) {
	key := Key{}
	rng := rand.New(rand.NewPCG(1, 2))
	for i := range key {
		key[i] = byte(rng.Uint32())
	}
	table := NewTable(key, 16)
	for _, c := range []struct {
		name string
		addr func(i int) netip.Addr
	}{
		{"sequential", func(i int) netip.Addr { return netip.AddrFrom4([4]byte{10, 0, byte(i >> 8), byte(i)}) }},
		{"one per /24", func(i int) netip.Addr { return netip.AddrFrom4([4]byte{10, byte(i >> 8), byte(i), 1}) }},
		{"site and router", func(i int) netip.Addr {
			return netip.AddrFrom16([16]byte{0: 0x20, 1: 1, 5: byte(i / 64), 15: byte(i % 64)})
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			const devices = 8000
			load := make([]int, 16)
			for i := range devices {
				load[table.Slot(c.addr(i))]++
			}
			if most := slices.Max(load); most > devices/16*5/4 {
				t.Errorf("fullest slot has %d of %d devices", most, devices)
			}
		})
	}
}

func BenchmarkTableSlot(b *testing.B) {
	table, addr := NewTable(Key{1}, 16), netip.MustParseAddr("192.0.2.1")
	for b.Loop() {
		table.Slot(addr)
	}
}

func BenchmarkNewTable(b *testing.B) {
	for _, n := range []int{4, 64, 256} {
		b.Run(fmt.Sprintf("slots=%d", n), func(b *testing.B) {
			for b.Loop() {
				NewTable(Key{1}, n)
			}
		})
	}
}
