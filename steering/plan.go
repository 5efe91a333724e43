package steering

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math"
	"net/netip"
	"slices"

	"github.com/cilium/ebpf"
)

// Plan is what a group's table is made from, beside the key. A table is a pure
// function of the two: whoever has them can make it again.
type Plan struct {
	// Slots is the number of workers intended.
	Slots int `json:"slots"`
	// Weights of slots, relative to each other, 0.01 to 100; a slot that is not in
	// here weighs 1.
	Weights map[int]float64 `json:"weights,omitempty"`
	// Drained slots own nothing.
	Drained map[int]bool `json:"drained,omitempty"`
	// Pins give the bucket of a device to a slot, whatever the weights say; with it
	// go the few other devices of that bucket. The pin of a slot that is drained, or
	// beyond Slots, waits until the slot is there again.
	Pins map[netip.Addr]int `json:"pins,omitempty"`
}

const (
	minWeight = 0.01
	maxWeight = 100
	maxPins   = 16384
)

// Errors of a plan.
var (
	// ErrPlan means a plan that cannot be: a weight, slot or pin out of range.
	ErrPlan = errors.New("not a possible plan")
	// ErrNoSlotLeft means a plan in which no slot owns anything.
	ErrNoSlotLeft = errors.New("no slot would be left to take the devices")
	// ErrPinConflict means two pins of one bucket to different slots.
	ErrPinConflict = errors.New("the bucket is pinned already")
	// ErrPinOfAlias means a pin of an address that is an alias: what comes from it
	// goes where the canonical address does, which can be pinned.
	ErrPinOfAlias = errors.New("an alias cannot be pinned")
)

func (p *Plan) clone() *Plan {
	return &Plan{Slots: p.Slots, Weights: maps.Clone(p.Weights), Drained: maps.Clone(p.Drained), Pins: maps.Clone(p.Pins)}
}

// SetWeight changes the weight of a slot.
func (p *Plan) SetWeight(slot int, weight float64) error {
	if err := p.has(slot); err != nil {
		return err
	}
	if !(weight >= minWeight && weight <= maxWeight) {
		return fmt.Errorf("%w: weight %g, want %g to %d; drain the slot to give it nothing", ErrPlan, weight, minWeight, maxWeight)
	}
	weight = roundWeight(weight)
	if p.Weights == nil {
		p.Weights = map[int]float64{}
	}
	p.Weights[slot] = weight
	if weight == 1 {
		delete(p.Weights, slot)
	}
	return nil
}

// SetDrained takes all devices from a slot, or gives them back.
func (p *Plan) SetDrained(slot int, drained bool) error {
	if err := p.has(slot); err != nil {
		return err
	}
	if p.Drained == nil {
		p.Drained = map[int]bool{}
	}
	p.Drained[slot] = drained
	if !drained {
		delete(p.Drained, slot)
	}
	return nil
}

// Pin gives the bucket of a device to a slot.
func (p *Plan) Pin(device netip.Addr, slot int) error {
	if err := p.has(slot); err != nil {
		return err
	}
	if len(p.Pins) >= maxPins {
		return fmt.Errorf("%w: more than %d pins", ErrPlan, maxPins)
	}
	if p.Pins == nil {
		p.Pins = map[netip.Addr]int{}
	}
	p.Pins[device.Unmap().WithZone("")] = slot
	return nil
}

// Unpin takes a pin away and reports whether there was one.
func (p *Plan) Unpin(device netip.Addr) bool {
	device = device.Unmap().WithZone("")
	_, ok := p.Pins[device]
	delete(p.Pins, device)
	return ok
}

// Resize changes the number of slots. What was said of slots that go is forgotten,
// but for pins, which wait.
func (p *Plan) Resize(slots int) error {
	if slots < 1 || slots > MaxSlots {
		return fmt.Errorf("%w, not %d", ErrSlotCount, slots)
	}
	p.Slots = slots
	maps.DeleteFunc(p.Weights, func(slot int, _ float64) bool { return slot >= slots })
	maps.DeleteFunc(p.Drained, func(slot int, _ bool) bool { return slot >= slots })
	return nil
}

func (p *Plan) has(slot int) error {
	if slot < 0 || slot >= p.Slots {
		return fmt.Errorf("%w: slot %d, the group has slots 0 to %d", ErrSlotRange, slot, p.Slots-1)
	}
	return nil
}

// Weight returns the weight of a slot, 0 if it is drained.
func (p *Plan) Weight(slot int) float64 {
	if p.Drained[slot] {
		return 0
	}
	if w, ok := p.Weights[slot]; ok {
		return w
	}
	return 1
}

// check reports what cannot be.
func (p *Plan) check(key Key) error {
	left := 0
	for slot := range p.Slots {
		if p.Weight(slot) > 0 {
			left++
		}
	}
	if left == 0 {
		return ErrNoSlotLeft
	}
	byBucket := map[int]netip.Addr{}
	for _, a := range p.pinned() {
		b := key.Bucket(a)
		if other, ok := byBucket[b]; ok && p.Pins[other] != p.Pins[a] {
			return fmt.Errorf("%w: %s shares its bucket with %s, which is pinned to slot %d", ErrPinConflict, a, other, p.Pins[other])
		}
		byBucket[b] = a
	}
	return nil
}

// pinned returns the pinned devices in order.
func (p *Plan) pinned() []netip.Addr { return slices.SortedFunc(maps.Keys(p.Pins), netip.Addr.Compare) }

// buckets makes the table.
func (p *Plan) buckets(key Key) []uint16 {
	weights := make([]float64, p.Slots)
	for slot := range weights {
		weights[slot] = p.Weight(slot)
	}
	buckets := rendezvous(weights)
	for a, slot := range p.Pins {
		if slot < p.Slots && weights[slot] > 0 {
			buckets[key.Bucket(a)] = uint16(slot)
		}
	}
	return buckets
}

// Move is a change of the table.
type Move struct {
	Before, After *Table
}

// Buckets returns how many buckets get another slot.
func (m *Move) Buckets() (n int) {
	for b, slot := range m.After.buckets {
		if m.Before.buckets[b] != slot {
			n++
		}
	}
	return n
}

// Devices returns how many of the devices get another slot.
func (m *Move) Devices(all []netip.Addr) (n int) {
	for _, a := range all {
		if m.Before.Slot(a) != m.After.Slot(a) {
			n++
		}
	}
	return n
}

// Load returns how many of the devices each slot of the table owns. Aliases of one
// device count once.
func (t *Table) Load(all []netip.Addr) []int {
	n := make([]int, t.slots)
	seen := map[netip.Addr]bool{}
	for _, a := range all {
		a = t.Canonical(a)
		if slot := t.Slot(a); !seen[a] && slot >= 0 && slot < len(n) {
			n[slot]++
		}
		seen[a] = true
	}
	return n
}

// ChangePlan lets edit alter the plan, makes the table and writes what differs: each
// bucket moves at once, and once. With dry it writes nothing. Connections that
// exist stay where they are until their worker, which sees the generation, closes
// them. An unchanged plan changes nothing. It needs to write the pins, as their
// creator may, unless dry.
func (g *Group) ChangePlan(ctx context.Context, dry bool, edit func(*Plan) error) (*Move, error) {
	if dry {
		t, err := g.Reload()
		if err != nil {
			return nil, err
		}
		return t.replan(edit)
	}
	var m *Move
	err := g.change(ctx, func(s *shared, set *steerSettings) error {
		before, err := s.readTable(*set)
		if err != nil {
			return err
		}
		if m, err = before.replan(edit); err != nil {
			return err
		}
		return s.applyPlan(m, set)
	})
	return m, err
}

// replan returns the table that an edited plan makes.
func (t *Table) replan(edit func(*Plan) error) (*Move, error) {
	plan := t.plan.clone()
	if err := edit(plan); err != nil {
		return nil, err
	}
	for _, a := range plan.pinned() {
		if to, ok := t.aliases[a]; ok {
			// One of before a version that refused them may still be there.
			if slot, old := t.plan.Pins[a]; !old || slot != plan.Pins[a] {
				return nil, fmt.Errorf("%w: %s is an address of %s; pin that", ErrPinOfAlias, a, to)
			}
		}
	}
	if err := plan.check(t.key); err != nil {
		return nil, err
	}
	after := *t
	after.plan, after.slots, after.buckets = plan, plan.Slots, plan.buckets(t.key)
	return &Move{Before: t, After: &after}, nil
}

// applyPlan writes the plan first: if the rest fails, the same change again
// completes it.
func (s *shared) applyPlan(m *Move, set *steerSettings) error {
	if err := s.writePlan(m.After.plan); err != nil {
		return err
	}
	set.Slots = uint32(m.After.plan.Slots)
	return s.writeBuckets(m.Before.buckets, m.After.buckets)
}

// slotPlan is what the plan says of a slot, as it is kept.
type slotPlan struct {
	Weight  uint32 // in 1/weightUnit; 0 is 1
	Drained uint32
}

const weightUnit = 1000

func planSpec() *ebpf.MapSpec {
	return &ebpf.MapSpec{Name: "plan", Type: ebpf.Array, KeySize: 4, ValueSize: 8, MaxEntries: MaxSlots}
}

func pinnedSpec() *ebpf.MapSpec {
	return &ebpf.MapSpec{Name: "pinned", Type: ebpf.Hash, KeySize: 16, ValueSize: 4, MaxEntries: maxPins, Flags: noPrealloc}
}

// noPrealloc is BPF_F_NO_PREALLOC: memory for what is there, not for what may be.
const noPrealloc = 1

func (s *shared) readPlan(set steerSettings) (*Plan, error) {
	p := &Plan{Slots: int(set.Slots), Weights: map[int]float64{}, Drained: map[int]bool{}, Pins: map[netip.Addr]int{}}
	for slot := range min(p.Slots, MaxSlots) {
		var v slotPlan
		if err := s.plan.Lookup(uint32(slot), &v); err != nil {
			return nil, fmt.Errorf("read plan: %w", kind(err))
		}
		if v.Weight != 0 {
			p.Weights[slot] = float64(v.Weight) / weightUnit
		}
		if v.Drained != 0 {
			p.Drained[slot] = true
		}
	}
	var addr steerAddress
	var slot uint32
	it := s.pinned.Iterate()
	for it.Next(&addr, &slot) {
		p.Pins[netip.AddrFrom16(addr.Bytes).Unmap()] = int(slot)
	}
	if err := it.Err(); err != nil {
		return nil, fmt.Errorf("read pins: %w", kind(err))
	}
	return p, nil
}

func (s *shared) writePlan(p *Plan) error {
	for slot := range MaxSlots {
		v := slotPlan{Weight: uint32(math.Round(p.Weights[slot] * weightUnit))}
		if p.Drained[slot] {
			v.Drained = 1
		}
		if err := s.plan.Update(uint32(slot), &v, ebpf.UpdateAny); err != nil {
			return fmt.Errorf("write plan: %w", kind(err))
		}
	}
	old, err := s.readPlan(steerSettings{})
	if err != nil {
		return err
	}
	for a := range old.Pins {
		if _, ok := p.Pins[a]; ok {
			continue
		}
		if err := s.pinned.Delete(&steerAddress{Bytes: a.As16()}); err != nil && !errors.Is(err, ebpf.ErrKeyNotExist) {
			return fmt.Errorf("unpin %s: %w", a, kind(err))
		}
	}
	for a, slot := range p.Pins {
		if err := s.pinned.Update(&steerAddress{Bytes: a.As16()}, uint32(slot), ebpf.UpdateAny); err != nil {
			return fmt.Errorf("pin %s: %w", a, kind(err))
		}
	}
	return nil
}
