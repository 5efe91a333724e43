package steering

import (
	"errors"
	"maps"
	"net"
	"net/netip"
	"os"
	"runtime"
	"slices"
	"testing"

	"golang.org/x/sys/unix"
)

// Both streams of 500 devices reach the worker that the table in Go names.
func TestBothStreamsReachTheSameSlot(t *testing.T) {
	const slots = 4
	g, port := newGroup(t, slots)
	var workers []*place
	for slot := range slots {
		workers = append(workers, join(t, g, port, slot))
	}
	all := devices(500)
	want := make([]map[netip.Addr]int, slots)
	for slot := range want {
		want[slot] = map[netip.Addr]int{}
	}
	for _, d := range all {
		send(t, d, port, "flow")
		c, err := dial(d, port)
		if err != nil {
			t.Fatalf("device %s: %v", d, err)
		}
		defer c.Close()
		want[g.Table().Slot(d)][d]++
	}
	for slot, w := range workers {
		if got := w.received(t); !maps.Equal(got, want[slot]) {
			t.Errorf("slot %d: datagrams from %d devices, want %d", slot, len(got), len(want[slot]))
		}
		if got := w.accepted(t); !maps.Equal(got, want[slot]) {
			t.Errorf("slot %d: connections from %d devices, want %d", slot, len(got), len(want[slot]))
		}
	}
	checkCounters(t, g, want)
}

// checkCounters expects one datagram and one connection per device, and no loss.
func checkCounters(t *testing.T, g *Group, want []map[netip.Addr]int) {
	t.Helper()
	counters, err := g.Counters()
	if err != nil {
		t.Fatal(err)
	}
	if len(counters) != 2 {
		t.Fatalf("counters of %d listeners, want 2", len(counters))
	}
	for _, c := range counters {
		if c.Unreadable != 0 || c.Nobody != 0 {
			t.Errorf("%s: %d unreadable, %d for nobody", c.Listener, c.Unreadable, c.Nobody)
		}
		for slot, s := range c.Slots {
			if w := (SlotCounters{Selected: uint64(len(want[slot]))}); s != w {
				t.Errorf("%s slot %d: got %+v, want %+v", c.Listener, slot, s, w)
			}
		}
	}
}

// Traffic of an absent worker is dropped and counted, not given to others, and
// its devices come back to it.
func TestAbsentSlotIsDropped(t *testing.T) {
	const slots = 4
	g, port := newGroup(t, slots)
	var workers []*place
	for slot := range slots {
		workers = append(workers, join(t, g, port, slot))
	}
	const gone = 2
	workers[gone].close()
	lost := 0
	all := devices(100)
	for _, d := range all {
		send(t, d, port, "flow")
		c, err := dial(d, port)
		if g.Table().Slot(d) != gone {
			if err != nil {
				t.Errorf("device %s of another slot: %v", d, err)
				continue
			}
			c.Close()
			continue
		}
		lost++
		if !errors.Is(err, unix.ECONNREFUSED) {
			t.Errorf("device %s of the absent slot: got %v, want connection refused", d, err)
		}
	}
	for slot, w := range workers {
		if slot == gone {
			continue
		}
		for d := range w.received(t) {
			if own := g.Table().Slot(d); own != slot {
				t.Errorf("slot %d got a datagram of device %s, slot %d", slot, d, own)
			}
		}
	}
	counters, err := g.Counters()
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range counters {
		if got := c.Slots[gone].Empty; got != uint64(lost) {
			t.Errorf("%s: %d dropped for the empty slot, want %d", c.Listener, got, lost)
		}
	}

	back := join(t, g, port, gone)
	for _, d := range all {
		send(t, d, port, "flow")
	}
	if got := len(back.received(t)); got != lost {
		t.Errorf("%d devices came back, want %d", got, lost)
	}
}

// A worker of another network namespace would have a slot and get nothing.
func TestClaimElsewhere(t *testing.T) {
	g, port := newGroup(t, 2)
	join(t, g, port, 0)
	elsewhere := make(chan error)
	go func() {
		elsewhere <- func() error {
			runtime.LockOSThread() // which ends with the goroutine, and the namespace with it
			if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
				return err
			}
			udp, err := g.ListenUDP(t.Context(), anyAddr(port), 1, ListenOptions{})
			if err != nil {
				return err
			}
			defer udp.Close()
			_, err = g.Claim(t.Context(), 1, udp)
			return err
		}()
	}()
	if err := <-elsewhere; !errors.Is(err, ErrNotHere) {
		t.Errorf("got %v", err)
	}
	if st, err := g.Status(); err != nil || st.Slots[1].Held {
		t.Errorf("slot 1 is held: %v", err)
	}
	join(t, g, port, 1)
}

func TestUnclaimedSocketsGetNothing(t *testing.T) {
	g, port := newGroup(t, 2)
	p := listen(t, g, port, 0)
	for _, d := range devices(20) {
		send(t, d, port, "flow")
		if _, err := dial(d, port); !errors.Is(err, unix.ECONNREFUSED) {
			t.Errorf("device %s: got %v, want connection refused", d, err)
		}
	}
	if got := p.received(t); len(got) != 0 {
		t.Errorf("received from %v before the claim", got)
	}
}

func TestClaimRefusesTakenSlot(t *testing.T) {
	g, port := newGroup(t, 2)
	first, second := listen(t, g, port, 1), listen(t, g, port, 1)
	if _, err := g.Claim(t.Context(), 1, first.udp, first.tcp); err != nil {
		t.Fatal(err)
	}
	check := func(what string, err error) {
		t.Helper()
		var taken *SlotTakenError
		if !errors.As(err, &taken) || !errors.Is(err, ErrSlotTaken) {
			t.Fatalf("%s: got %v, want SlotTakenError", what, err)
		}
		if taken.Slot != 1 || taken.Owner.PID != os.Getpid() || taken.Owner.UID != 0 {
			t.Errorf("%s: got %+v, want slot 1 and pid %d", what, taken, os.Getpid())
		}
	}
	_, err := g.Claim(t.Context(), 1, second.udp, second.tcp)
	check("claim", err)
	_, err = g.Claim(t.Context(), 1, second.tcp)
	check("claim of TCP alone", err)
	_, err = g.ListenUDP(t.Context(), anyAddr(port), 1, ListenOptions{})
	check("listen", err)
	if _, err := g.Claim(t.Context(), 1, first.udp, first.tcp); err != nil {
		t.Errorf("claiming what one has: %v", err)
	}
	// The refused sockets are still good for another slot.
	if _, err := g.Claim(t.Context(), 0, second.udp, second.tcp); err != nil {
		t.Errorf("claiming a free slot: %v", err)
	}
	if _, err := g.Claim(t.Context(), 1, second.udp); !errors.Is(err, ErrSlotTaken) {
		t.Errorf("moving to a taken slot: got %v", err)
	}
}

// A claim that fails at its second socket gives the first one back.
func TestClaimIsAllOrNothing(t *testing.T) {
	g, port := newGroup(t, 3)
	a, b := listen(t, g, port, 0), listen(t, g, port, 1)
	if _, err := g.Claim(t.Context(), 0, a.tcp); err != nil {
		t.Fatal(err)
	}
	if _, err := g.Claim(t.Context(), 1, b.udp, a.tcp); err == nil {
		t.Fatal("a socket is in two slots")
	}
	if _, err := g.Claim(t.Context(), 1, b.udp, b.tcp); err != nil {
		t.Errorf("slot 1 is not free: %v", err)
	}
}

func TestReleaseStopsAndKeepsQueued(t *testing.T) {
	g, port := newGroup(t, 1)
	p := join(t, g, port, 0)
	d := deviceV4(1)
	send(t, d, port, "before")
	if err := p.claim.Release(t.Context()); err != nil {
		t.Fatal(err)
	}
	send(t, d, port, "after")
	if got := p.received(t); got[d] != 1 {
		t.Errorf("got %d datagrams, want the one sent before", got[d])
	}
	if err := p.claim.Release(t.Context()); err != nil {
		t.Errorf("second release: %v", err)
	}
	join(t, g, port, 0)
}

func TestSlotRange(t *testing.T) {
	g, port := newGroup(t, 2)
	p := listen(t, g, port, 0)
	for _, slot := range []int{-1, 2, MaxSlots} {
		_, listenErr := g.ListenUDP(t.Context(), anyAddr(port), slot, ListenOptions{})
		_, claimErr := g.Claim(t.Context(), slot, p.udp)
		for _, err := range []error{listenErr, claimErr} {
			var r *SlotRangeError
			if !errors.As(err, &r) || !errors.Is(err, ErrSlotRange) || r.Slots != 2 {
				t.Errorf("slot %d: got %v, want SlotRangeError", slot, err)
			}
		}
	}
}

func TestPortInUse(t *testing.T) {
	g, port := newGroup(t, 1)
	udp, err := net.ListenUDP("udp", net.UDPAddrFromAddrPort(anyAddr(port)))
	if err != nil {
		t.Fatal(err)
	}
	defer udp.Close()
	tcp, err := net.Listen("tcp", anyAddr(port).String())
	if err != nil {
		t.Fatal(err)
	}
	defer tcp.Close()
	_, udpErr := g.ListenUDP(t.Context(), anyAddr(port), 0, ListenOptions{})
	_, tcpErr := g.ListenTCP(t.Context(), anyAddr(port), 0, ListenOptions{})
	for _, err := range []error{udpErr, tcpErr} {
		var used *PortInUseError
		if !errors.As(err, &used) || !errors.Is(err, ErrPortInUse) {
			t.Fatalf("got %v, want PortInUseError", err)
		}
		if len(used.Owners) != 1 || used.Owners[0].PID != os.Getpid() {
			t.Errorf("%v: got owners %v, want pid %d", err, used.Owners, os.Getpid())
		}
	}
}

func TestStatus(t *testing.T) {
	g, port := newGroup(t, 3)
	join(t, g, port, 1)
	udpOnly, err := g.ListenUDP(t.Context(), anyAddr(port), 2, ListenOptions{})
	if err != nil {
		t.Fatal(err)
	}
	defer udpOnly.Close()
	if _, err := g.Claim(t.Context(), 2, udpOnly); err != nil {
		t.Fatal(err)
	}
	st, err := g.Status()
	if err != nil {
		t.Fatal(err)
	}
	if st.Group != g.Name() || st.Root != DefaultRoot || st.Generation != 1 || len(st.Slots) != 3 || st.Unreadable() != 0 {
		t.Errorf("got %+v", st)
	}
	total := 0
	for slot, want := range []struct {
		alive bool
		pid   int
		owned []bool // UDP, TCP
	}{{false, 0, []bool{false, false}}, {true, os.Getpid(), []bool{true, true}}, {false, os.Getpid(), []bool{true, false}}} {
		s := st.Slots[slot]
		total += s.Buckets
		var owned []bool
		for _, l := range s.Listeners {
			owned = append(owned, l.Owner != nil)
		}
		if s.Slot != slot || s.Alive != want.alive || s.PID != want.pid || !slices.Equal(owned, want.owned) {
			t.Errorf("slot %d: got %+v", slot, s)
		}
	}
	if total != Buckets {
		t.Errorf("slots have %d buckets", total)
	}
}

// A listener that no worker uses, as init makes some by itself, keeps nobody from being alive.
func TestUnusedListener(t *testing.T) {
	g, port := newGroup(t, 2)
	alive := func() (all [2][2]bool, unused int) {
		t.Helper()
		for slot := range all {
			for i, s := range statusOf(t, g, slot) {
				all[i][slot] = s.Alive
				for _, l := range s.Listeners {
					if l.Unused {
						unused++
					}
				}
			}
		}
		return all, unused
	}
	udp, err := g.ListenUDP(t.Context(), anyAddr(port), 0, ListenOptions{})
	if err != nil {
		t.Fatal(err)
	}
	defer udp.Close()
	if all, unused := alive(); all != [2][2]bool{} || unused != 4 {
		t.Errorf("before any claim: %v, unused %d", all, unused)
	}
	if _, err := g.Claim(t.Context(), 0, udp); err != nil {
		t.Fatal(err)
	}
	if all, unused := alive(); all != [2][2]bool{{true, false}, {true, false}} || unused != 2 {
		t.Errorf("with a worker for UDP: %v, unused %d", all, unused)
	}
	join(t, g, port, 1)
	if all, unused := alive(); all != [2][2]bool{{false, true}, {false, true}} || unused != 0 {
		t.Errorf("with one for both: %v, unused %d", all, unused)
	}
}

// Groups may listen on one address alone; the program reads the source all the
// same.
func TestNarrowAddresses(t *testing.T) {
	for _, c := range []struct {
		name, addr string
		device     netip.Addr
	}{
		{"IPv4 address", "127.0.0.1", deviceV4(3)},
		{"IPv4 wildcard", "0.0.0.0", deviceV4(3)},
		{"IPv4-mapped address", "::ffff:127.0.0.1", deviceV4(3)},
		{"IPv6 address", deviceV6(3).String(), deviceV6(3)},
	} {
		t.Run(c.name, func(t *testing.T) {
			g, port := newGroup(t, 2)
			slot := g.Where(c.device).Slot
			addr := netip.AddrPortFrom(netip.MustParseAddr(c.addr), port)
			for s := range 2 {
				udp, err := g.ListenUDP(t.Context(), addr, s, ListenOptions{})
				if err != nil {
					t.Fatal(err)
				}
				defer udp.Close()
				tcp, err := g.ListenTCP(t.Context(), addr, s, ListenOptions{})
				if err != nil {
					t.Fatal(err)
				}
				defer tcp.Close()
				if s != slot {
					continue // the other one is in its group, but not in its slot
				}
				if _, err := g.Claim(t.Context(), s, udp, tcp); err != nil {
					t.Fatal(err)
				}
			}
			send(t, c.device, port, "flow")
			conn, err := dial(c.device, port)
			if err != nil {
				t.Fatal(err)
			}
			conn.Close()
			counters, err := g.Counters()
			if err != nil {
				t.Fatal(err)
			}
			for _, l := range counters {
				if got := l.Slots[slot].Selected; got != 1 {
					t.Errorf("%s: selected %d, want 1", l.Listener, got)
				}
			}
		})
	}
}

func BenchmarkCounters(b *testing.B) {
	if liveError != nil {
		b.Skip(liveError)
	}
	g, err := Init(b.Context(), Options{Name: "bench", Slots: 16, Listeners: []Listener{{UDP, 19999}, {TCP, 19999}}})
	if err != nil {
		b.Fatal(err)
	}
	defer Destroy(bg, "", "bench", DestroyOptions{})
	defer g.Close()
	for b.Loop() {
		if _, err := g.Counters(); err != nil {
			b.Fatal(err)
		}
	}
}
