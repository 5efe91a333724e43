package steering

import (
	"math"
	"net/netip"
)

const (
	// MaxSlots is the largest number of slots of a group: the size of the socket
	// arrays, which cannot grow.
	MaxSlots = 256
	// Nobody stands for no slot at all.
	Nobody = -1

	nobody = 0xffff // in the kernel's table
)

// Table is a group's placement at one moment. It never changes, so any number of
// goroutines may ask it without a lock; [Group.Table] returns the newest known.
type Table struct {
	key        Key
	generation uint32
	slots      int
	buckets    []uint16 // len Buckets
	aliases    map[netip.Addr]netip.Addr
	told       map[netip.Addr]bool // aliases that are not saved
	plan       *Plan               // what buckets were made from
	allowed    []netip.Prefix
	program    uint32 // number of the program's replacements
}

// NewTable returns the placement of a group with that key and number of slots,
// all weighing the same, and no aliases. It needs no kernel.
func NewTable(key Key, slots int) *Table {
	return &Table{key: key, slots: slots, buckets: rendezvous(equalWeights(slots)), plan: &Plan{Slots: slots}}
}

// Slot returns the slot that gets a device's traffic, [Nobody] if none does. An
// IPv4-mapped address is the IPv4 address.
func (t *Table) Slot(addr netip.Addr) int {
	return t.SlotOfBucket(t.key.Bucket(t.Canonical(addr)))
}

// SlotOfBucket returns the slot that owns a bucket, [Nobody] if none does.
func (t *Table) SlotOfBucket(bucket int) int {
	if s := t.buckets[bucket]; s < MaxSlots {
		return int(s)
	}
	return Nobody
}

// Canonical returns the device's canonical address: what addr is an alias of,
// else addr itself, unmapped and without zone.
func (t *Table) Canonical(addr netip.Addr) netip.Addr {
	addr = addr.Unmap().WithZone("")
	if to, ok := t.aliases[addr]; ok {
		return to
	}
	return addr
}

// Place returns everything the table knows about an address.
func (t *Table) Place(addr netip.Addr) Placement {
	p := Placement{Addr: addr.Unmap(), Canonical: t.Canonical(addr)}
	p.Bucket = t.key.Bucket(p.Canonical)
	p.Slot = t.SlotOfBucket(p.Bucket)
	return p
}

// Slots returns the number of slots intended.
func (t *Table) Slots() int { return t.slots }

// Generation returns the number of the change that made the table.
func (t *Table) Generation() uint32 { return t.generation }

// Plan returns what the table was made from. The plan is the caller's.
func (t *Table) Plan() *Plan { return t.plan.clone() }

// Share returns how many buckets each slot owns.
func (t *Table) Share() []int {
	n := make([]int, t.slots)
	for _, s := range t.buckets {
		if int(s) < len(n) {
			n[s]++
		}
	}
	return n
}

// Placement says where a device's traffic goes.
type Placement struct {
	Addr      netip.Addr `json:"addr"`
	Canonical netip.Addr `json:"canonical"` // Addr unless it is an alias
	Bucket    int        `json:"bucket"`
	Slot      int        `json:"slot"` // [Nobody] if the bucket has no owner
}

// equalWeights returns the weights of slots 0 to n-1, all 1.
func equalWeights(n int) []float64 {
	w := make([]float64, n)
	for i := range w {
		w[i] = 1
	}
	return w
}

// rendezvous gives each bucket to the slot that scores highest for it. Weights
// are indexed by slot; a slot of weight 0 owns nothing. The outcome depends on
// nothing but the weights, and changing one of them moves only the buckets that
// go to, or come from, that slot.
func rendezvous(weights []float64) []uint16 {
	buckets := make([]uint16, Buckets)
	for b := range buckets {
		best, slot := math.Inf(-1), uint16(nobody)
		for s, w := range weights {
			if w <= 0 {
				continue
			}
			if score := w / -logUniform(mix(b, s)); score > best {
				best, slot = score, uint16(s)
			}
		}
		buckets[b] = slot
	}
	return buckets
}

// logUniform returns the logarithm of a number between 0 and 1, both excluded,
// made from the upper 52 bits of h.
func logUniform(h uint64) float64 {
	return math.Log((float64(h>>12) + 0.5) / (1 << 52))
}

// mixSeed is the best of the first 6000 seeds for the balance of up to 64 slots:
// the fullest slot has 1.4 % more buckets than the mean of 4 slots, 4.6 % of 16,
// 9 % of 64. With any seed it would be about 2, 6 and 15 %.
const mixSeed = 282 << 48

// mix is a hash of bucket and slot: the finalizer of SplitMix64, twice, since
// neighbouring inputs must have independent scores.
func mix(bucket, slot int) uint64 {
	h := mixSeed ^ (uint64(bucket)<<32 | uint64(slot))
	for range 2 {
		h += 0x9e3779b97f4a7c15
		h = (h ^ h>>30) * 0xbf58476d1ce4e5b9
		h = (h ^ h>>27) * 0x94d049bb133111eb
		h ^= h >> 31
	}
	return h
}
