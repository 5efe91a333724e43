package endtoend

import (
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"syscall"
	"testing"
	"time"

	"github.com/telcol/telcol/cmd/internal/daemons"
	"github.com/telcol/telcol/deploy/freeport"
)

func TestMain(m *testing.M) { os.Exit(daemons.Main(m)) }

// requireBPF skips a test that needs to load BPF programs, unless skips are forbidden.
func requireBPF(t *testing.T) {
	t.Helper()
	daemons.RequireRoot(t, "TELCOL_REQUIRE_BPF", "needs root to load the steering program")
}

// inNamespace runs the rest of the test in a copy of the process in a namespace, where it returns true.
func inNamespace(t *testing.T, addrs ...string) bool {
	t.Helper()
	requireBPF(t)
	return daemons.InNamespace(t, addrs...)
}

// group is a steering group with its workers.
type group struct {
	name    string
	ipfix   string // listening addresses to send to
	bmp     string
	state   string // directory, of groups that have one
	workers []*daemons.Worker
}

// startGroup creates a steering group on free ports and starts its workers with these further arguments.
func startGroup(t *testing.T, slots int, args ...string) *group {
	t.Helper()
	return startGroupOn(t, "[::]", slots, args...)
}

// startGroupOn is startGroup for workers that listen on one address.
func startGroupOn(t *testing.T, host string, slots int, args ...string) *group {
	t.Helper()
	g := &group{name: fmt.Sprintf("e2e-%d-%d", os.Getpid(), time.Now().UnixNano()%1e6)}
	udp, tcp := freeport.Get(t), freeport.Get(t)
	g.ipfix, g.bmp = fmt.Sprintf("127.0.0.1:%d", udp), fmt.Sprintf("127.0.0.1:%d", tcp)
	daemons.Telcol(t, "steering", "init", "--group", g.name, "--slots", strconv.Itoa(slots))
	t.Cleanup(func() { exec.Command(daemons.Binary(t), "steering", "destroy", "--group", g.name).Run() })
	for slot := range slots {
		all := append([]string{
			"--slot", strconv.Itoa(slot), "--group", g.name,
			"--listen-ipfix", fmt.Sprintf("%s:%d", host, udp), "--listen-bmp", fmt.Sprintf("%s:%d", host, tcp),
		}, args...)
		g.workers = append(g.workers, daemons.StartWorker(t, all...))
	}
	for _, w := range g.workers {
		w.WaitReady(t)
	}
	return g
}

// sum adds up a metric over the workers.
func (g *group) sum(t *testing.T, name string, labels ...string) float64 {
	t.Helper()
	var n float64
	for _, w := range g.workers {
		n += w.Metric(t, name, labels...)
	}
	return n
}

// stop ends all workers by SIGTERM; each must deliver and exit with 0.
func (g *group) stop(t *testing.T) {
	t.Helper()
	for _, w := range g.workers {
		w.Signal(syscall.SIGTERM)
	}
	for _, w := range g.workers {
		w.Wait(t)
	}
}
