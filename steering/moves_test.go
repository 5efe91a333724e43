package steering

import (
	"encoding/binary"
	"errors"
	"net/netip"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
	"golang.org/x/sys/unix"
)

// ledger notes which slot got which datagram of which device.
type ledger struct {
	mu  sync.Mutex
	got map[netip.Addr]map[uint32]int // device, sequence: slot
	dup int
	n   atomic.Int64 // datagrams noted
}

// read drains a worker's socket until stop, and then what is left.
func (l *ledger) read(p *place, slot int, stop <-chan struct{}) error {
	buf := make([]byte, 64)
	for last := false; ; {
		select {
		case <-stop:
			last = true
		default:
		}
		err := onSocket(p.udp, func(fd int) error {
			for {
				n, sa, err := unix.Recvfrom(fd, buf, unix.MSG_DONTWAIT)
				switch {
				case errors.Is(err, unix.EAGAIN):
					return nil
				case errors.Is(err, unix.EINTR):
					continue
				case err != nil:
					return err
				}
				l.note(netip.AddrFrom16(sa.(*unix.SockaddrInet6).Addr).Unmap(), binary.BigEndian.Uint32(buf[:n]), slot)
			}
		})
		if err != nil || last {
			return err
		}
	}
}

func (l *ledger) note(d netip.Addr, sequence uint32, slot int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.got[d] == nil {
		l.got[d] = map[uint32]int{}
	}
	if _, twice := l.got[d][sequence]; twice {
		l.dup++
	}
	l.got[d][sequence] = slot
	l.n.Add(1)
}

// path returns the slots that a device's datagrams went to, in order of sequence,
// repetitions left out, and how many datagrams there were.
func (l *ledger) path(d netip.Addr) (slots []int, n int) {
	for ; ; n++ {
		slot, ok := l.got[d][uint32(n)]
		if !ok {
			return slots, n
		}
		if len(slots) == 0 || slots[len(slots)-1] != slot {
			slots = append(slots, slot)
		}
	}
}

// withSequencedFlood runs do while all devices send numbered datagrams to workers
// in all slots, and returns who got what; nothing may be missing or double.
func withSequencedFlood(t *testing.T, g *Group, port uint16, slots int, all []netip.Addr, do func([]*place)) *ledger {
	t.Helper()
	l := &ledger{got: map[netip.Addr]map[uint32]int{}}
	stopReading, stopSending := make(chan struct{}), make(chan struct{})
	var readers, sender sync.WaitGroup
	var places []*place
	for slot := range slots {
		p := join(t, g, port, slot)
		places = append(places, p)
		readers.Go(func() {
			if err := l.read(p, slot, stopReading); err != nil {
				t.Errorf("slot %d: %v", slot, err)
			}
		})
	}
	var sent uint32
	fds := make([]int, len(all))
	for i, d := range all {
		fds[i] = floodSocket(t, d)
		defer unix.Close(fds[i])
	}
	started := make(chan struct{})
	sender.Go(func() {
		for ; ; sent++ {
			if sent == 5 {
				close(started)
			}
			for waiting := true; waiting; waiting = int(sent)*len(all) > int(l.n.Load())+maxUnread {
				select {
				case <-stopSending:
					return
				default:
					runtime.Gosched()
				}
			}
			for i, d := range all {
				if err := unix.Sendto(fds[i], binary.BigEndian.AppendUint32(nil, sent), 0, sockaddr(target(d, port))); err != nil {
					t.Errorf("device %s: %v", d, err)
				}
			}
		}
	})
	<-started
	do(places)
	close(stopSending)
	sender.Wait()
	close(stopReading)
	readers.Wait()
	for _, d := range all {
		if _, n := l.path(d); n != int(sent) || len(l.got[d]) != n {
			t.Errorf("device %s: %d of %d datagrams in a row, %d in all", d, n, sent, len(l.got[d]))
		}
	}
	if l.dup > 0 {
		t.Errorf("%d datagrams came twice", l.dup)
	}
	t.Logf("%d devices sent %d datagrams each", len(all), sent)
	return l
}

// Changes of the table under load lose nothing, and each device goes exactly the
// way that the tables say, moving once a change at most.
func TestMovesUnderLoad(t *testing.T) {
	const slots = 4
	g, port := newGroup(t, 3)
	if _, err := g.ChangePlan(t.Context(), false, func(p *Plan) error { return errors.Join(p.Resize(slots), p.SetDrained(3, true)) }); err != nil {
		t.Fatal(err)
	}
	all := devices(60)
	tables := []*Table{g.Table()}
	l := withSequencedFlood(t, g, port, slots, all, func([]*place) {
		for _, edit := range []func(*Plan) error{
			func(p *Plan) error { return p.SetDrained(3, false) },
			func(p *Plan) error { return p.SetWeight(0, 4) },
			func(p *Plan) error { return p.Pin(all[0], (g.Table().Slot(all[0])+1)%slots) },
			func(p *Plan) error { return p.SetDrained(1, true) },
			func(p *Plan) error { return errors.Join(p.SetDrained(1, false), p.SetWeight(0, 1)) },
			func(p *Plan) error { p.Unpin(all[0]); return p.Resize(2) },
			func(p *Plan) error { return p.Resize(slots) },
		} {
			m, err := g.ChangePlan(t.Context(), false, edit)
			if err != nil {
				t.Fatal(err)
			}
			tables = append(tables, m.After)
		}
		if err := g.SetAlias(t.Context(), all[1], all[2]); err != nil {
			t.Fatal(err)
		}
		tables = append(tables, g.Table())
	})
	moved := 0
	for _, d := range all {
		var want []int
		for _, table := range tables {
			if slot := table.Slot(d); len(want) == 0 || want[len(want)-1] != slot {
				want = append(want, slot)
			}
		}
		got, _ := l.path(d)
		// Two changes may be over before a device sends once.
		if !subsequence(got, want) || got[len(got)-1] != want[len(want)-1] && len(got) == len(want) {
			t.Errorf("device %s went to slots %v, the tables say %v", d, got, want)
		}
		moved += len(got) - 1
	}
	if moved == 0 {
		t.Error("nothing moved")
	}
	checkNoDrops(t, g)
}

// subsequence reports whether got is want with some left out.
func subsequence(got, want []int) bool {
	for _, slot := range want {
		if len(got) > 0 && got[0] == slot {
			got = got[1:]
		}
	}
	return len(got) == 0
}

// checkNoDrops expects that the program dropped nothing.
func checkNoDrops(t *testing.T, g *Group) {
	t.Helper()
	counters, err := g.Counters()
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range counters {
		dropped := c.Unreadable + c.Nobody + c.Refused
		for _, s := range c.Slots {
			dropped += s.Empty
		}
		if dropped > 0 {
			t.Errorf("%s: %d dropped: %+v", c.Listener, dropped, c)
		}
	}
}

// Another version of the program takes the place of the pinned one under load:
// key, table, slots and counters stay, nothing is lost, and workers that run use it
// once they have refreshed their claim.
func TestProgramUpgradeUnderLoad(t *testing.T) {
	g, port := newGroup(t, 2)
	udp := Listener{UDP, port}
	older := pinVariant(t, g, udp)
	before := g.Table()
	all := devices(20)
	counting, err := ebpf.EnableStats(unix.BPF_STATS_RUN_TIME)
	if err != nil {
		t.Fatal(err)
	}
	defer counting.Close()
	l := withSequencedFlood(t, g, port, 2, all, func(places []*place) {
		if n := runs(t, older); n == 0 {
			t.Error("the older program does not run")
		}
		again, err := Init(t.Context(), Options{Name: g.Name()})
		if err != nil {
			t.Fatal(err)
		}
		defer again.Close()
		after := again.Table()
		if after.key != before.key || !slices.Equal(after.buckets, before.buckets) || after.program != before.program+1 || after.generation != before.generation+1 {
			t.Errorf("generation %d, program %d", after.generation, after.program)
		}
		for _, p := range places {
			if rev, err := p.claim.Refresh(t.Context()); err != nil || rev != after.program {
				t.Errorf("refresh: %d, %v", rev, err)
			}
		}
		idle := runs(t, older)
		for start := selected(t, g); selected(t, g) < start+100; {
		}
		if n := runs(t, older); n > idle+1 { // one may have been under way
			t.Errorf("the older program still runs: %d, %d", idle, n)
		}
	})
	for _, d := range all {
		if got, _ := l.path(d); len(got) != 1 || got[0] != before.Slot(d) {
			t.Errorf("device %s went to slots %v, want %d alone", d, got, before.Slot(d))
		}
	}
	checkNoDrops(t, g)
}

// pinVariant pins a program that does the same as ours and is another one.
func pinVariant(t *testing.T, g *Group, l Listener) *ebpf.Program {
	t.Helper()
	spec, err := loadSteer()
	if err != nil {
		t.Fatal(err)
	}
	s, err := g.pins.openShared(false)
	if err != nil {
		t.Fatal(err)
	}
	defer s.close()
	e, err := g.endpoint(l)
	if err != nil {
		t.Fatal(err)
	}
	steer := spec.Programs[steerProgSteer]
	symbol := steer.Instructions[0].Metadata
	extra := asm.Mov.Imm(asm.R0, 0)
	extra.Metadata = symbol
	steer.Instructions[0].Metadata = asm.Metadata{}
	steer.Instructions = append(asm.Instructions{extra}, steer.Instructions...)
	prog, err := loadProgram(spec, s, e)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { prog.Close() })
	if err := pinNew(prog, g.pins.listenerFile(l, pinProg)); err != nil {
		t.Fatal(err)
	}
	return prog
}

func runs(t *testing.T, p *ebpf.Program) uint64 {
	t.Helper()
	stats, err := p.Stats()
	if err != nil {
		t.Fatal(err)
	}
	return stats.RunCount
}

// selected is how many datagrams the program has let through.
func selected(t *testing.T, g *Group) (n uint64) {
	t.Helper()
	counters, err := g.Counters()
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range counters[0].Slots {
		n += s.Selected
	}
	return n
}
