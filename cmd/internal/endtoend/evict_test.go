package endtoend

import (
	"fmt"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/telcol/telcol/cmd/internal/daemons"
)

// TestEvict stops two of three workers by SIGSTOP. Any other worker and the status tell of it. One is killed by its successor; the
// other one loses its slot but lives, and ends when it finds out.
func TestEvict(t *testing.T) {
	if testing.Short() {
		t.Skip("-short: takes 20 s")
	}
	if !inNamespace(t) {
		return
	}
	g := startGroup(t, 3, "--sink", "stdout")
	f := startFleet(t, g, 24, 500)
	f.StartFlows()
	telling, killed, spared := g.workers[0], g.workers[1], g.workers[2]
	stuck := func(slot int) float64 {
		return telling.Metric(t, "telcol_steering_slot_stuck", "of_slot", strconv.Itoa(slot))
	}
	evict := func(args ...string) string {
		return daemons.Telcol(t, append([]string{"steering", "evict", "--group", g.name}, args...)...)
	}
	if n := stuck(0) + stuck(1) + stuck(2); n != 0 {
		t.Fatalf("%v workers stuck at the start", n)
	}
	refused := daemons.Start(t, killed.Cmd.Path, append(killed.Cmd.Args[1:len(killed.Cmd.Args):len(killed.Cmd.Args)], "--http", "off", "--evict")...)
	daemons.Eventually(t, "a worker that is well to be left alone", func() error {
		if err := refused.Err(); err == nil || !strings.Contains(err.Error(), "that it is well: stop it, or use telcol steering evict --force") {
			return fmt.Errorf("not refused: %s", fmt.Sprint(err))
		}
		return nil
	})

	killed.Signal(syscall.SIGSTOP)
	spared.Signal(syscall.SIGSTOP)
	daemons.Eventually(t, "the stopped workers to be seen", func() error {
		if stuck(0) != 0 || stuck(1) != 1 || stuck(2) != 1 {
			return fmt.Errorf("stuck: %v, %v and %v", stuck(0), stuck(1), stuck(2))
		}
		return nil
	})
	status := daemons.Telcol(t, "steering", "status", "--group", g.name)
	if n := strings.Count(status, "no, stuck since "); n != 2 {
		t.Errorf("%d stuck workers in\n%s", n, status)
	}

	next := daemons.StartWorker(t, append(withoutHTTP(killed.Cmd.Args[2:]), "--evict")...)
	next.WaitReady(t)
	if err := killed.Err(); err == nil || !strings.Contains(err.Error(), "signal: killed") {
		t.Errorf("the stopped worker: %v", err)
	}
	if want := fmt.Sprintf("of=\"pid %d (telcol), stuck for ", killed.Cmd.Process.Pid); !strings.Contains(next.Output(), want) {
		t.Errorf("no %s in %s", want, next.Output())
	}

	if out := evict("2", "--spare"); !strings.Contains(out, "has lost it") {
		t.Errorf("evict says %s", out)
	}
	last := daemons.StartWorker(t, withoutHTTP(spared.Cmd.Args[2:])...)
	last.WaitReady(t)
	spared.Signal(syscall.SIGCONT)
	daemons.Eventually(t, "the worker that lost its slot to end", func() error {
		err := spared.Err()
		if err == nil {
			return fmt.Errorf("it runs")
		}
		if want := "telcol: slot 2 was taken away from this worker, which others saw stuck"; !strings.Contains(err.Error(), want) {
			t.Errorf("it ended by %v", err)
		}
		return nil
	})
	g.workers[1], g.workers[2] = next, last
	daemons.Eventually(t, "all sessions to be back", func() error {
		if n := g.sum(t, "telcol_bmp_sessions"); n != 24 || f.Connected() != 24 {
			return fmt.Errorf("%v sessions, %d connected", n, f.Connected())
		}
		return nil
	})
	f.StopFlows(t.Context())
	if n := g.sum(t, "telcol_steering_foreign_total") + g.sum(t, "telcol_steering_foreign_sessions_total"); n != 0 {
		t.Errorf("%v foreign", n)
	}
	if n := stuck(0) + stuck(1) + stuck(2); n != 0 {
		t.Errorf("%v workers stuck at the end", n)
	}
	g.stop(t)
}

// TestStopOfAReplacedWorker takes the slot away from a worker as one does that replaces it, and then asks it to stop: it ends in order.
func TestStopOfAReplacedWorker(t *testing.T) {
	if !inNamespace(t) {
		return
	}
	g := startGroup(t, 1, "--sink", "stdout")
	w := g.workers[0]
	daemons.Telcol(t, "steering", "evict", "0", "--group", g.name, "--spare", "--force")
	daemons.Eventually(t, "the worker to see that", func() error {
		if !strings.Contains(w.Output(), "the slot is not this worker's any more") {
			return fmt.Errorf("it does not say so")
		}
		return w.Err()
	})
	w.Stop(t)
}

// withoutHTTP leaves out the address of another worker's HTTP.
func withoutHTTP(args []string) (kept []string) {
	for i := 0; i < len(args); i++ {
		if args[i] == "--http" {
			i++
			continue
		}
		kept = append(kept, args[i])
	}
	return kept
}
