package collector

import (
	"context"
	"net/netip"
	"slices"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/telcol/telcol/steering"
)

// movable is an ownership whose table the test changes; the kernel may know a newer one.
func movable(slot int) (o *ownership, known, kernel *atomic.Pointer[steering.Table]) {
	known, kernel = new(atomic.Pointer[steering.Table]), new(atomic.Pointer[steering.Table])
	four := steering.NewTable(steering.Key{}, 4)
	known.Store(four)
	kernel.Store(four)
	o = &ownership{
		place: func(a netip.Addr) int { return known.Load().Slot(a) }, table: known.Load, at: four, slot: slot, known: make(map[netip.Addr]bool),
		kernel: func(a netip.Addr) (int, error) { return kernel.Load().Slot(a), nil },
	}
	return o, known, kernel
}

// TestOwnershipFollowsTheTable moves devices and asks at every step who owns them.
func TestOwnershipFollowsTheTable(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		four, five := steering.NewTable(steering.Key{}, 4), steering.NewTable(steering.Key{}, 5)
		var goes, comes netip.Addr // from slot 1 to 4, as seen by both
		for i := range 5000 {
			a := netip.AddrFrom4([4]byte{10, 0, byte(i >> 8), byte(i)})
			if four.Slot(a) == 1 && five.Slot(a) == 4 {
				goes, comes = a, a
			}
		}
		old, oldKnown, oldKernel := movable(1)
		next, nextKnown, nextKernel := movable(4)
		if !old.check(goes) || next.check(comes) {
			t.Fatal("before the move")
		}
		next.round(time.Now().Add(time.Hour)) // forgets the foreign source
		oldKernel.Store(five)
		nextKernel.Store(five)
		if !old.check(goes) || !next.check(comes) {
			t.Error("the kernel knows, the workers do not yet")
		}
		if from := next.cameFrom(); from != 1 {
			t.Errorf("it came from slot %d, want 1", from)
		}
		if next.check(comes); next.cameFrom() != -1 {
			t.Error("it comes twice")
		}
		oldKnown.Store(five)
		nextKnown.Store(five)
		if !old.check(goes) || old.owns(goes) || !old.owned(goes) || !next.check(comes) {
			t.Error("what waits in the receive buffer is refused")
		}
		if gone := old.gone(time.Now()); gone == nil || gone(goes) {
			t.Error("the device is forgotten while its datagrams wait")
		}
		time.Sleep(moveGrace + time.Second)
		old.round(time.Now())
		if old.check(goes) || old.owned(goes) {
			t.Error("still owned after the grace")
		}
		if gone := old.gone(time.Now()); gone == nil || !gone(goes) {
			t.Error("the device is kept")
		}
		time.Sleep(settleTime + time.Second)
		if old.gone(time.Now()) != nil {
			t.Error("devices that have gone are looked for for ever")
		}
	})
}

// A slot that gets nothing any more, as one that was drained, notices all the same that its devices have gone.
func TestOwnershipOfADrainedSlot(t *testing.T) {
	old, known, kernel := movable(1)
	plan := steering.NewTable(steering.Key{}, 1) // slot 0 has everything
	device := netip.MustParseAddr("10.0.0.1")
	for ; known.Load().Slot(device) != 1; device = device.Next() {
	}
	if !old.check(device) || old.gone(time.Now()) != nil {
		t.Fatal("before")
	}
	known.Store(plan)
	kernel.Store(plan)
	now := time.Now()
	old.round(now)
	if gone := old.gone(now); gone == nil || gone(device) {
		t.Error("it is not looked for, or at once")
	}
	later := now.Add(moveGrace + time.Second)
	old.round(later)
	if gone := old.gone(later); gone == nil || !gone(device) {
		t.Error("it is not noticed")
	}
}

func TestOwnershipTellsSources(t *testing.T) {
	o, _, _ := movable(1)
	var want []netip.Addr
	for i := range 200 {
		a := netip.AddrFrom4([4]byte{10, 0, 0, byte(i)})
		if o.check(a) {
			want = append(want, a)
		}
		o.check(a)
	}
	now := time.Now()
	o.emptied = now
	if got := o.round(now); !slices.Equal(got, want) || len(want) == 0 {
		t.Errorf("told %d sources, want %d", len(got), len(want))
	}
	for _, a := range want {
		o.check(a)
	}
	if got := o.round(now); len(got) != 0 {
		t.Errorf("told %d again", len(got))
	}
	o.round(now.Add(sightEvery))
	for _, a := range want {
		o.check(a)
	}
	if got := o.round(now.Add(sightEvery + time.Second)); !slices.Equal(got, want) {
		t.Errorf("told %d of those that are still there, want %d", len(got), len(want))
	}
}

type closeCount struct{ at []time.Duration }

// TestMovedConnectionsCloseOverTime closes the connections of devices that have moved, evenly, and leaves the others alone.
func TestMovedConnectionsCloseOverTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var conns connections
		var count closeCount
		start := time.Now()
		var noted []*connection
		for i := range 20 {
			noted = append(noted, conns.add(netip.AddrFrom4([4]byte{10, 0, 0, byte(i)}), closer(func() { count.at = append(count.at, time.Since(start)) })))
		}
		back := netip.AddrFrom4([4]byte{10, 0, 0, 3})
		owns := func(a netip.Addr) bool {
			// 10 of them have moved; one comes back at once.
			return a.As4()[3]%2 == 0 || a == back && time.Since(start) > 0
		}
		if n := conns.closeMoved(t.Context(), 10*time.Second, owns); n != len(count.at) || n < 9 || n > 10 {
			t.Errorf("closed %d, %v", n, count.at)
		}
		if last := count.at[len(count.at)-1]; last < 8*time.Second || last > 10*time.Second {
			t.Errorf("closed at %v", count.at)
		}
		moved := 0
		for _, n := range noted {
			if gone, _ := conns.why(n); gone {
				moved++
			}
			conns.remove(n)
		}
		if moved != len(count.at) || len(conns.devices()) != 0 {
			t.Errorf("%d noted as moved, %d closed", moved, len(count.at))
		}
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		conns.add(netip.AddrFrom4([4]byte{10, 0, 0, 1}), closer(func() {}))
		conns.add(netip.AddrFrom4([4]byte{10, 0, 0, 5}), closer(func() {}))
		if n := conns.closeMoved(ctx, time.Hour, func(netip.Addr) bool { return false }); n > 1 {
			t.Errorf("closed %d after the stop", n)
		}
	})
}

// TestConnectionsTellWhyTheyWereClosed has one of each kind.
func TestConnectionsTellWhyTheyWereClosed(t *testing.T) {
	var conns connections
	closed := 0
	var noted []*connection
	for i := range 4 {
		noted = append(noted, conns.add(netip.AddrFrom4([4]byte{10, 0, 0, byte(i)}), closer(func() { closed++ })))
	}
	except := func(i int) func(netip.Addr) bool { return func(a netip.Addr) bool { return a != noted[i].from } }
	if n := conns.closeMoved(t.Context(), 0, except(1)); n != 1 {
		t.Errorf("%d moved", n)
	}
	for range 2 { // the second time there is nothing left to close
		conns.closeRefused(except(2))
	}
	if n := conns.closeFrom([]netip.Addr{noted[3].from}); n != 1 {
		t.Errorf("%d of an address", n)
	}
	for i, want := range [][2]bool{{false, false}, {true, false}, {false, true}, {true, false}} {
		if moved, refused := conns.why(noted[i]); moved != want[0] || refused != want[1] {
			t.Errorf("connection %d: moved %v, refused %v", i, moved, refused)
		}
	}
	if closed != 3 {
		t.Errorf("%d closed", closed)
	}
}

type closer func()

func (c closer) Close() error { c(); return nil }
