package steering

import (
	"errors"
	"net/netip"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/cilium/ebpf"
	"golang.org/x/sys/unix"
)

// maxUnread is how many datagrams a flood may be ahead of a reader that must get all of them. A receive buffer holds four times
// as many: on a machine that lets the reader wait the flood waits as well, and does not overflow it.
const maxUnread = 20_000

// flood sends from all devices, round and round, until the test ends or stop is
// called. The sockets are not connected: drops do not come back as errors.
type flood struct {
	stop func()
	sent []atomic.Uint64 // by device
	read atomic.Uint64   // told by a reader that must get all
}

// startFlood starts a flood, paced by what is told to have been read or not.
func startFlood(t *testing.T, all []netip.Addr, port uint16, paced bool) *flood {
	t.Helper()
	fds := make([]int, len(all))
	to := make([]unix.Sockaddr, len(all))
	for i, d := range all {
		fds[i], to[i] = floodSocket(t, d), sockaddr(target(d, port))
	}
	f := &flood{sent: make([]atomic.Uint64, len(all))}
	stop, done := make(chan struct{}), make(chan struct{})
	f.stop = sync.OnceFunc(func() {
		close(stop)
		<-done
		for _, fd := range fds {
			unix.Close(fd)
		}
	})
	t.Cleanup(f.stop)
	go func() {
		defer close(done)
		payload := []byte("flow")
		for total := uint64(0); ; {
			select {
			case <-stop:
				return
			default:
			}
			if paced && total > f.read.Load()+maxUnread {
				runtime.Gosched()
				continue
			}
			for i, fd := range fds {
				if unix.Sendto(fd, payload, 0, to[i]) == nil {
					f.sent[i].Add(1)
					total++
				}
			}
		}
	}()
	return f
}

func floodSocket(t testing.TB, device netip.Addr) int {
	t.Helper()
	family := unix.AF_INET6
	if device.Is4() {
		family = unix.AF_INET
	}
	fd, err := unix.Socket(family, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	if err := unix.Bind(fd, sockaddr(netip.AddrPortFrom(device, 0))); err != nil {
		t.Fatalf("device %s: %v", device, err)
	}
	return fd
}

func sockaddr(a netip.AddrPort) unix.Sockaddr {
	if a.Addr().Is4() {
		return &unix.SockaddrInet4{Port: int(a.Port()), Addr: a.Addr().As4()}
	}
	return &unix.SockaddrInet6{Port: int(a.Port()), Addr: a.Addr().As16()}
}

// Under a flood from devices of all slots, a worker that starts sees its own and
// no other: as the first of the group, and as one that joins it.
func TestStartUnderFlood(t *testing.T) {
	for _, c := range []struct {
		name   string
		others bool
		starts int
	}{{"first", false, 300}, {"joiner", true, 150}} {
		t.Run(c.name, func(t *testing.T) {
			const slots = 4
			g, port := newGroup(t, slots)
			if c.others {
				join(t, g, port, 0)
			}
			startFlood(t, devices(32), port, false)
			own := 0
			for i := range c.starts {
				slot := 1 + i%(slots-1)
				p := join(t, g, port, slot)
				for start := time.Now(); time.Since(start) < time.Millisecond; {
					for d, n := range p.received(t) {
						if s := g.Table().Slot(d); s != slot {
							t.Fatalf("start %d: slot %d got %d datagrams of %s, slot %d", i, slot, n, d, s)
						}
						own += n
					}
				}
				p.close()
			}
			if own == 0 {
				t.Error("no datagram arrived at all")
			}
			t.Logf("%d starts, %d own datagrams, 0 foreign", c.starts, own)
		})
	}
}

// Workers that leave cost a steady one nothing, although they are older: the
// kernel finds the oldest socket first and asks its group. A datagram or two may
// fall into the moment in which the kernel has found a socket that retires just
// then (one in 3000 departures); without retiring, 200 departures cost 6.
func TestOthersLeaveWithoutLoss(t *testing.T) {
	const leavers = 200
	g, port := newGroup(t, 2)
	var old []*place
	for range leavers {
		old = append(old, listen(t, g, port, 1))
	}
	steady := join(t, g, port, 0)
	all := slices.DeleteFunc(devices(32), func(d netip.Addr) bool { return g.Table().Slot(d) != 0 })
	f := startFlood(t, all, port, true)
	got := make(map[netip.Addr]int)
	read := func() {
		for d, n := range steady.received(t) {
			got[d] += n
			f.read.Add(uint64(n))
		}
	}
	for _, p := range old {
		claim, err := g.Claim(t.Context(), 1, p.udp, p.tcp)
		if err != nil {
			t.Fatal(err)
		}
		if err := claim.Release(t.Context()); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Millisecond) // the grace that Release asks for
		p.close()
		read()
	}
	f.stop()
	read()
	total, lost := 0, 0
	for i, d := range all {
		lost += int(f.sent[i].Load()) - got[d]
		total += got[d]
	}
	if lost > 2 {
		t.Errorf("%d of %d datagrams were lost", lost, lost+total)
	}
	t.Logf("%d datagrams while %d workers left, %d lost", total, leavers, lost)
}

// Connections waiting to be accepted move to whoever took the slot over, and to
// nobody else, when their listener closes.
func TestQueuedConnectionsMigrate(t *testing.T) {
	g, port := newGroup(t, 2)
	other := join(t, g, port, 1)
	old := join(t, g, port, 0)
	var own []netip.Addr
	for _, d := range devices(100) {
		if g.Table().Slot(d) != 0 {
			continue
		}
		own = append(own, d)
		c, err := dial(d, port)
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
	}
	next := replaceTCP(t, g, port, 0)
	old.tcp.Close()
	if got := next.accepted(t); len(got) != len(own) {
		t.Errorf("%d of %d connections moved", len(got), len(own))
	}
	if got := other.accepted(t); len(got) != 0 {
		t.Errorf("%d connections moved to the wrong slot", len(got))
	}
	counters, err := g.Counters()
	if err != nil {
		t.Fatal(err)
	}
	if got := counters[1].Migrated; got != uint64(len(own)) {
		t.Errorf("counted %d migrations, want %d", got, len(own))
	}
}

// replaceTCP listens and takes the slot from the listener that has it.
func replaceTCP(t *testing.T, g *Group, port uint16, slot int) *place {
	t.Helper()
	prog, err := g.pins.openProgram(Listener{TCP, port})
	if err != nil {
		t.Fatal(err)
	}
	defer prog.Close()
	ln, err := listenTCP(t.Context(), anyAddr(port), prog.FD())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { ln.Close() })
	e, err := g.endpoint(Listener{TCP, port})
	if err != nil {
		t.Fatal(err)
	}
	err = onSocket(ln, func(fd int) error {
		return e.slots.Update(uint32(slot), uint64(fd), ebpf.UpdateExist)
	})
	if err != nil {
		t.Fatal(err)
	}
	return &place{tcp: ln}
}

// Buckets that belong to nobody are dropped and counted as such.
func TestNobodysBuckets(t *testing.T) {
	g, port := newGroup(t, 1)
	p := join(t, g, port, 0)
	err := g.change(t.Context(), func(s *shared, _ *steerSettings) error {
		return s.writeBuckets(nil, rendezvous([]float64{0}))
	})
	if err != nil {
		t.Fatal(err)
	}
	d := deviceV4(1)
	send(t, d, port, "flow")
	if _, err := dial(d, port); !errors.Is(err, unix.ECONNREFUSED) {
		t.Errorf("got %v, want connection refused", err)
	}
	if got := p.received(t); len(got) != 0 {
		t.Errorf("received from %v", got)
	}
	if got := g.Where(d).Slot; got != Nobody {
		t.Errorf("slot %d, want Nobody", got)
	}
	counters, err := g.Counters()
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range counters {
		if c.Nobody != 1 {
			t.Errorf("%s: counted %d, want 1", c.Listener, c.Nobody)
		}
	}
}
