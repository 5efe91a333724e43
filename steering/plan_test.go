package steering

import (
	"errors"
	"maps"
	"net/netip"
	"slices"
	"testing"
)

func TestPlanEdits(t *testing.T) {
	a := netip.MustParseAddr("192.0.2.1")
	for _, c := range []struct {
		name string
		edit func(*Plan) error
		want error
	}{
		{"weight", func(p *Plan) error { return p.SetWeight(1, 0.5) }, nil},
		{"weight of no slot", func(p *Plan) error { return p.SetWeight(4, 1) }, ErrSlotRange},
		{"weight of a negative slot", func(p *Plan) error { return p.SetWeight(-1, 1) }, ErrSlotRange},
		{"weight 0", func(p *Plan) error { return p.SetWeight(1, 0) }, ErrPlan},
		{"weight too large", func(p *Plan) error { return p.SetWeight(1, 101) }, ErrPlan},
		{"drain of no slot", func(p *Plan) error { return p.SetDrained(9, true) }, ErrSlotRange},
		{"pin", func(p *Plan) error { return p.Pin(a, 3) }, nil},
		{"pin to no slot", func(p *Plan) error { return p.Pin(a, 4) }, ErrSlotRange},
		{"no slots", func(p *Plan) error { return p.Resize(0) }, ErrSlotCount},
		{"too many slots", func(p *Plan) error { return p.Resize(257) }, ErrSlotCount},
		{"all drained", func(p *Plan) error {
			for slot := range 4 {
				if err := p.SetDrained(slot, true); err != nil {
					return err
				}
			}
			return nil
		}, ErrNoSlotLeft},
	} {
		t.Run(c.name, func(t *testing.T) {
			if _, err := NewTable(Key{}, 4).replan(c.edit); !errors.Is(err, c.want) {
				t.Errorf("got %v, want %v", err, c.want)
			}
		})
	}
}

// Two pinned devices of one bucket cannot go to different slots.
func TestPinConflict(t *testing.T) {
	table := NewTable(Key{}, 4)
	first := deviceV4(0)
	i := 1
	for table.key.Bucket(deviceV4(i)) != table.key.Bucket(first) {
		i++
	}
	m, err := table.replan(func(p *Plan) error { return errors.Join(p.Pin(first, 1), p.Pin(deviceV4(i), 1)) })
	if err != nil || m.After.Slot(first) != 1 || m.After.Slot(deviceV4(i)) != 1 {
		t.Errorf("two pins that agree: %v", err)
	}
	if _, err := table.replan(func(p *Plan) error { return errors.Join(p.Pin(first, 1), p.Pin(deviceV4(i), 2)) }); !errors.Is(err, ErrPinConflict) {
		t.Errorf("got %v", err)
	}
}

// A change moves what it must and nothing else, and taking it back restores the
// table.
func TestMovesAreMinimal(t *testing.T) {
	table := NewTable(Key{3}, 4)
	all := devices(2000)
	edit := func(from *Table, do func(*Plan) error) *Move {
		t.Helper()
		m, err := from.replan(do)
		if err != nil {
			t.Fatal(err)
		}
		return m
	}
	onlyFrom := func(m *Move, slot int) {
		t.Helper()
		for b, was := range m.Before.buckets {
			if is := m.After.buckets[b]; is != was && int(was) != slot && int(is) != slot {
				t.Fatalf("bucket %d moved from %d to %d", b, was, is)
			}
		}
	}
	drain := edit(table, func(p *Plan) error { return p.SetDrained(2, true) })
	onlyFrom(drain, 2)
	if before, after := drain.Before.Load(all), drain.After.Load(all); after[2] != 0 || drain.Devices(all) != before[2] {
		t.Errorf("drain moves %d devices, from %v to %v", drain.Devices(all), before, after)
	}
	back := edit(drain.After, func(p *Plan) error { return p.SetDrained(2, false) })
	if !slices.Equal(back.After.buckets, table.buckets) || back.Buckets() != drain.Buckets() {
		t.Error("undrain does not restore the table")
	}
	heavy := edit(table, func(p *Plan) error { return p.SetWeight(1, 3) })
	onlyFrom(heavy, 1)
	if share := heavy.After.Share()[1]; share < Buckets*45/100 || share > Buckets*55/100 {
		t.Errorf("slot of weight 3 among three of 1 has %d buckets, want half", share)
	}
	d := all[7]
	slot := (table.Slot(d) + 1) % 4
	pin := edit(table, func(p *Plan) error { return p.Pin(d, slot) })
	if pin.Buckets() != 1 || pin.After.Slot(d) != slot {
		t.Errorf("pin moved %d buckets, device is in slot %d", pin.Buckets(), pin.After.Slot(d))
	}
	// A pin waits while its slot is drained or away.
	away := edit(pin.After, func(p *Plan) error { return p.SetDrained(slot, true) })
	if got := away.After.Slot(d); got == slot || got == Nobody {
		t.Errorf("pinned to a drained slot: slot %d", got)
	}
	if again := edit(away.After, func(p *Plan) error { return p.SetDrained(slot, false) }); again.After.Slot(d) != slot {
		t.Error("the pin is lost")
	}
	unpin := edit(pin.After, func(p *Plan) error {
		if !p.Unpin(netip.AddrFrom16(d.As16())) || p.Unpin(deviceV4(9999)) {
			t.Error("unpin found the wrong pins")
		}
		return nil
	})
	if !slices.Equal(unpin.After.buckets, table.buckets) {
		t.Error("unpin does not restore the table")
	}
	grown := edit(table, func(p *Plan) error { return p.Resize(5) })
	if n := grown.Buckets(); n < Buckets*18/100 || n > Buckets*22/100 {
		t.Errorf("one slot more moves %d buckets, want a fifth", n)
	}
}

// Plan, pins and weights are kept with the group and read back by whoever opens it.
func TestPlanSurvives(t *testing.T) {
	g, port := newGroup(t, 4)
	d := deviceV6(5)
	want := &Plan{Slots: 5, Weights: map[int]float64{1: 2.5, 3: 0.25}, Drained: map[int]bool{2: true}, Pins: map[netip.Addr]int{d: 4, deviceV4(1): 0}}
	m, err := g.ChangePlan(t.Context(), false, func(p *Plan) error {
		return errors.Join(p.Resize(5), p.SetWeight(1, 2.5), p.SetWeight(3, 0.25), p.SetWeight(0, 1), p.SetDrained(2, true),
			p.Pin(d, 4), p.Pin(netip.AddrFrom16(deviceV4(1).As16()), 0))
	})
	if err != nil {
		t.Fatal(err)
	}
	before := g.Table().Generation()
	dry, err := g.ChangePlan(t.Context(), true, func(p *Plan) error { return p.SetDrained(2, false) })
	if err != nil || dry.Buckets() == 0 || g.Table().Generation() != before {
		t.Errorf("dry run: %v, generation %d", err, g.Table().Generation())
	}
	again, err := Init(t.Context(), Options{Name: g.Name(), Listeners: []Listener{{UDP, port}}})
	if err != nil {
		t.Fatal(err)
	}
	defer again.Close()
	got := again.Table().Plan()
	if got.Slots != want.Slots || !maps.Equal(got.Weights, want.Weights) || !maps.Equal(got.Drained, want.Drained) || !maps.Equal(got.Pins, want.Pins) {
		t.Errorf("got %+v, want %+v", got, want)
	}
	if !slices.Equal(again.Table().buckets, m.After.buckets) {
		t.Error("the table in the kernel is not the plan's")
	}
	if _, err := g.ChangePlan(t.Context(), false, func(p *Plan) error { p.Unpin(d); return p.Resize(2) }); err != nil {
		t.Fatal(err)
	}
	if got := g.Table().Plan(); got.Slots != 2 || len(got.Weights) != 1 || len(got.Drained) != 0 || len(got.Pins) != 1 {
		t.Errorf("after the resize: %+v", got)
	}
}

// Init resizes when it may.
func TestInitResizes(t *testing.T) {
	g, port := newGroup(t, 2)
	join(t, g, port, 1)
	again, err := Init(t.Context(), Options{Name: g.Name(), Slots: 3, Resize: true})
	if err != nil {
		t.Fatal(err)
	}
	defer again.Close()
	if !slices.Equal(again.Table().buckets, NewTable(Key{}, 3).buckets) || again.Table().Generation() != 2 {
		t.Errorf("%d slots, generation %d", again.Slots(), again.Table().Generation())
	}
	join(t, again, port, 2)
	if _, err := Init(t.Context(), Options{Name: g.Name(), Slots: 300, Resize: true}); !errors.Is(err, ErrSlotCount) {
		t.Errorf("got %v", err)
	}
}

// Two groups of one key and number of slots place alike, whatever the host, and the
// kernel places as the published vectors say.
func TestKeyDecides(t *testing.T) {
	needLive(t)
	key := Key{1, 2, 3}
	port := freePort()
	o := Options{Name: "keyed", Slots: 5, Key: &key, Listeners: []Listener{{UDP, port}}}
	g, err := Init(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	defer g.Close()
	t.Cleanup(func() { Destroy(bg, "", o.Name, DestroyOptions{EvenIfBusy: true}) })
	if got := g.Table().key; got != key {
		t.Errorf("key %v", got)
	}
	other := NewTable(key, 5)
	for _, d := range devices(500) {
		if got, err := g.Lookup(d); err != nil || got != other.Slot(d) {
			t.Fatalf("device %s: slot %d here, %d there (%v)", d, got, other.Slot(d), err)
		}
	}
	if again, err := Init(t.Context(), o); err != nil {
		t.Errorf("the same key: %v", err)
	} else {
		again.Close()
	}
	o.Key = &Key{9}
	if _, err := Init(t.Context(), o); !errors.Is(err, ErrOtherKey) {
		t.Errorf("another key: %v", err)
	}
}
