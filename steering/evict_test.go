package steering

import (
	"errors"
	"fmt"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/cilium/ebpf"
)

// fallSilent makes the last report of a slot's worker as old as d.
func fallSilent(t *testing.T, g *Group, slot int, d time.Duration) {
	t.Helper()
	s, err := g.pins.openShared(false)
	if err != nil {
		t.Fatal(err)
	}
	defer s.close()
	r := new(Report)
	if err := s.workers.Lookup(uint32(slot), r); err != nil {
		t.Fatal(err)
	}
	r.Beat = uint64(bootTime() - d)
	if err := s.workers.Update(uint32(slot), r, ebpf.UpdateAny); err != nil {
		t.Fatal(err)
	}
}

// statusOf returns what both views of the group say of a slot.
func statusOf(t *testing.T, g *Group, slot int) [2]SlotStatus {
	t.Helper()
	st, err := g.Status()
	if err != nil {
		t.Fatal(err)
	}
	all, err := g.Workers()
	if err != nil {
		t.Fatal(err)
	}
	return [2]SlotStatus{st.Slots[slot], all[slot]}
}

// A stopped worker is seen, killed, and its slot goes to another; one that is well, or new, is left alone.
func TestEvictStoppedWorker(t *testing.T) {
	g, port := newGroup(t, 2)
	workers := []*process{startWorker(t, g, port, 0, nil), startWorker(t, g, port, 1, nil)}
	var well *NotStuckError
	if ev, err := g.Evict(t.Context(), 1, EvictOptions{}); !errors.As(err, &well) || well.Owner.PID != workers[1].report.PID || !well.Told {
		t.Fatalf("a worker that is well: %+v, %v", ev, err)
	}

	stopped := workers[1]
	if err := stopped.cmd.Process.Signal(syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	fallSilent(t, g, 1, StuckAfter+5*time.Second)
	for _, s := range statusOf(t, g, 1) {
		if ago := time.Since(s.StuckSince); s.Alive || !s.Held || !s.Stuck || ago < 15*time.Second || ago > time.Minute {
			t.Errorf("status of a stopped worker: %+v", s)
		}
	}
	for _, s := range statusOf(t, g, 0) {
		if !s.Alive || s.Stuck {
			t.Errorf("status of the other worker: %+v", s)
		}
	}

	ev, err := g.Evict(t.Context(), 1, EvictOptions{})
	if err != nil || !ev.Killed || ev.Owner.PID != stopped.report.PID || ev.Stuck < 15*time.Second {
		t.Fatalf("evict: %+v, %v", ev, err)
	}
	if stopped.cmd.Wait(); stopped.cmd.ProcessState.Sys().(syscall.WaitStatus).Signal() != syscall.SIGKILL {
		t.Errorf("the worker ended by %v", stopped.cmd.ProcessState)
	}
	if ev, err := g.Evict(t.Context(), 1, EvictOptions{}); ev != nil || err != nil {
		t.Errorf("an empty slot: %+v, %v", ev, err)
	}
	for _, s := range statusOf(t, g, 1) {
		if s.Held || s.Alive || s.Stuck || s.Report == nil {
			t.Errorf("status of an empty slot: %+v", s)
		}
	}
	// The report of the dead one is still there: it must not count against the next.
	fresh := join(t, g, port, 1)
	for _, s := range statusOf(t, g, 1) {
		if !s.Alive || s.Stuck {
			t.Errorf("status of a new worker: %+v", s)
		}
	}
	if _, err := g.Evict(t.Context(), 1, EvictOptions{}); !errors.Is(err, ErrNotStuck) || !strings.HasSuffix(err.Error(), "which has not told anything yet") {
		t.Errorf("a new worker: %v", err)
	}
	fresh.close()
	workers[1] = startWorker(t, g, port, 1, nil)
	expectAnswers(t, g, port, devices(100), workers)
}

// A process that is not killed loses its slot, gets nothing more, and finds out.
func TestEvictSpares(t *testing.T) {
	for _, c := range []struct {
		name  string
		spare bool
		want  string
	}{{"spared", true, ""}, {"not to be killed", false, "it is this process"}} {
		t.Run(c.name, func(t *testing.T) {
			g, port := newGroup(t, 1)
			p := join(t, g, port, 0)
			if lost, err := p.claim.Lost(); lost || err != nil {
				t.Fatalf("before: lost %v, %v", lost, err)
			}
			if err := g.Publish(0, Report{Cookie: p.claim.Cookie()}); err != nil {
				t.Fatal(err)
			}
			if _, err := g.Evict(t.Context(), 0, EvictOptions{Spare: c.spare}); !errors.Is(err, ErrNotStuck) {
				t.Fatalf("unforced: %v", err)
			}
			ev, err := g.Evict(t.Context(), 0, EvictOptions{Spare: c.spare, Force: true})
			if err != nil || ev.Killed || ev.Stuck != 0 || (ev.Err == nil) != (c.want == "") || ev.Err != nil && fmt.Sprint(ev.Err) != c.want {
				t.Fatalf("got %+v, %v", ev, err)
			}
			if lost, err := p.claim.Lost(); !lost || err != nil {
				t.Errorf("after: lost %v, %v", lost, err)
			}
			send(t, deviceV4(1), port, "flow")
			if got := p.received(t); len(got) != 0 {
				t.Errorf("received %v", got)
			}
			if got, err := askTCP(deviceV4(1), port); got != refusedReply || err != nil {
				t.Errorf("connect: %v, %v", got, err)
			}
			next := join(t, g, port, 0)
			send(t, deviceV4(1), port, "flow")
			if got := next.received(t); len(got) != 1 {
				t.Errorf("the next worker received %v", got)
			}
			if err := p.claim.Release(t.Context()); err != nil {
				t.Error(err)
			}
			if lost, err := next.claim.Lost(); lost || err != nil {
				t.Errorf("the release of the evicted one took the slot from the next: %v, %v", lost, err)
			}
		})
	}
}
