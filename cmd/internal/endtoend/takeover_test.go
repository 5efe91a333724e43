package endtoend

import (
	"bufio"
	"encoding/json"
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/telcol/telcol/cmd/internal/daemons"
	"github.com/telcol/telcol/cmd/internal/simrouter"
	"github.com/telcol/telcol/deploy/freeport"
)

// number is a variable of the environment, for more load than the tests need:
// TAKEOVER_ROUTERS=200 TAKEOVER_ROUTES=5000 TAKEOVER_RATE=50000 go test -v -run 'TestTakeovers$' ./cmd/internal/endtoend
func number(t *testing.T, name string, usual int) int {
	t.Helper()
	text := os.Getenv(name)
	if text == "" {
		return usual
	}
	n, err := strconv.Atoi(text)
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	return n
}

// TestTakeovers replaces a worker again and again under load, on [::].
func TestTakeovers(t *testing.T) { testTakeovers(t, "[::]") }

// TestTakeoversIPv4 does it on sockets of IPv4.
func TestTakeoversIPv4(t *testing.T) { testTakeovers(t, "0.0.0.0") }

func testTakeovers(t *testing.T, addr string) {
	if testing.Short() {
		t.Skip("-short: takes 15 s")
	}
	if !inNamespace(t) {
		return
	}
	g := startReplaceable(t, addr)
	routers := number(t, "TAKEOVER_ROUTERS", 40)
	f := startFleet(t, g.group, routers, float64(number(t, "TAKEOVER_RATE", 8000)), func(cfg *simrouter.FleetConfig) {
		cfg.Each.Device.Routes = number(t, "TAKEOVER_ROUTES", 1000)
	})
	f.StartFlows()
	settled := g.settled(t)
	for range number(t, "TAKEOVER_COUNT", 20) {
		g.replace(t)
	}
	if g.spooled == 0 {
		t.Error("no datagram came during a takeover")
	}
	f.StopFlows(t.Context())
	if n := f.Sent().BMPSessions; n != uint64(routers) {
		t.Errorf("%d BMP sessions of %d routers", n, routers)
	}
	g.finish(t, f)
	checkOrder(t, g.out, settled)
}

// replaceable is a group of one slot whose workers replace each other, and write to one file.
type replaceable struct {
	*group
	out     string
	args    []string
	spooled int // datagrams that came during takeovers
}

func startReplaceable(t *testing.T, addr string, args ...string) *replaceable {
	t.Helper()
	g := replaceableGroup(t, addr, args...)
	g.workers = []*daemons.Worker{g.start(t)}
	g.workers[0].WaitReady(t)
	return g
}

// replaceableGroup makes one without a worker.
func replaceableGroup(t *testing.T, addr string, args ...string) *replaceable {
	t.Helper()
	g := &replaceable{group: &group{name: fmt.Sprintf("e2e-%d", os.Getpid()), state: daemons.Dir(t)}, out: filepath.Join(t.TempDir(), "records.json")}
	udp, tcp := freeport.Get(t), freeport.Get(t)
	g.ipfix, g.bmp = fmt.Sprintf("127.0.0.1:%d", udp), fmt.Sprintf("127.0.0.1:%d", tcp)
	daemons.Telcol(t, "steering", "init", "--group", g.name, "--slots", "1")
	t.Cleanup(func() { exec.Command(daemons.Binary(t), "steering", "destroy", "--force", "--group", g.name).Run() })
	g.args = append([]string{
		"worker", "--slot", "0", "--group", g.name, "--sink", "stdout", "--http", fmt.Sprintf("127.0.0.1:%d", freeport.Get(t)),
		"--listen-ipfix", fmt.Sprintf("%s:%d", addr, udp), "--listen-bmp", fmt.Sprintf("%s:%d", addr, tcp), "--run-dir", g.state, "--bmp-quiet-period", "1s",
	}, args...)
	return g
}

// settled waits until no more flows wait for routes: those come behind others of their device. It returns the time from when on all were
// exported in order.
func (g *group) settled(t *testing.T) time.Time {
	t.Helper()
	last := -1.0
	daemons.Eventually(t, "all tables to be whole", func() error {
		was := last
		if last = g.sum(t, "telcol_join_held_total"); last == was {
			return nil
		}
		time.Sleep(time.Second) // for more to come
		return fmt.Errorf("%v flows waited, then %v", was, last)
	})
	return time.Now()
}

// start starts a worker with further arguments.
func (g *replaceable) start(t *testing.T, args ...string) *daemons.Worker {
	t.Helper()
	out, err := os.OpenFile(g.out, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	defer out.Close()
	cmd := exec.Command(daemons.Binary(t), append(g.args[:len(g.args):len(g.args)], args...)...)
	cmd.Stdout = out
	w := &daemons.Worker{HTTP: g.args[7+1], Stdout: g.out}
	w.Process = daemons.StartCommand(t, cmd)
	return w
}

// replace starts a worker that takes over, and waits until it has and the one before has ended in order.
func (g *replaceable) replace(t *testing.T, args ...string) {
	t.Helper()
	next := g.start(t, append(args, "--takeover")...)
	g.workers[0].Wait(t)
	daemons.Eventually(t, "the slot to be taken over", func() error {
		if err := next.Err(); err != nil {
			t.Fatal(err)
		}
		if !strings.Contains(next.Output(), "worker runs") {
			return fmt.Errorf("%s", next.Output())
		}
		return nil
	})
	for line := range strings.Lines(next.Output()) {
		if !strings.Contains(line, "slot taken over") {
			continue
		}
		_, n, _ := strings.Cut(line, " spooled=")
		n, _, _ = strings.Cut(n, " ")
		spooled, err := strconv.Atoi(n)
		if err != nil {
			t.Fatalf("%v in %s", err, line)
		}
		g.spooled += spooled
		t.Log(strings.TrimSpace(line))
	}
	g.workers[0] = next
}

// finish stops the last worker and looks at every record: none is missing or wrong.
func (g *replaceable) finish(t *testing.T, f *fleet) {
	t.Helper()
	g.allRead(t)
	g.workers[0].Stop(t)
	f.check(t, f.Sent().Records, g.out)
}

// allRead waits until the workers have read all that was sent, of which they have lost nothing.
func (g *group) allRead(t *testing.T) {
	t.Helper()
	daemons.Eventually(t, "the last datagram to be read", func() error {
		read := g.sum(t, "telcol_intake_datagrams_total")
		time.Sleep(200 * time.Millisecond)
		if again := g.sum(t, "telcol_intake_datagrams_total"); again != read {
			return fmt.Errorf("%v, then %v", read, again)
		}
		return nil
	})
	if n := g.sum(t, "telcol_lost_total"); n != 0 {
		t.Errorf("%v of something were lost, %v of them by the kernel", n, g.sum(t, "telcol_lost_total", "stage", "kernel"))
	}
}

// checkOrder makes sure that the records of each device that were exported later than a time are in the order in which it sent them.
func checkOrder(t *testing.T, name string, after time.Time) {
	t.Helper()
	file, err := os.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	type place struct{ sequence, octet int }
	last, checked := make(map[netip.Addr]place), 0
	s := bufio.NewScanner(file)
	s.Buffer(nil, 1<<20)
	for s.Scan() {
		var r struct {
			Device netip.Addr `json:"device"`
			ID     string     `json:"record_id"`
		}
		if err := json.Unmarshal(s.Bytes(), &r); err != nil {
			t.Fatal(err)
		}
		var domain, exported, sequence, octet int
		if _, err := fmt.Sscanf(r.ID, "%d-%d-%d-%d", &domain, &exported, &sequence, &octet); err != nil {
			t.Fatal(err)
		}
		if int64(exported) <= after.Unix() {
			continue
		}
		checked++
		now := place{sequence, octet}
		if was := last[r.Device]; now.sequence < was.sequence || now.sequence == was.sequence && now.octet <= was.octet {
			t.Fatalf("%s: %+v behind %+v", r.Device, now, was)
		}
		last[r.Device] = now
	}
	if checked == 0 {
		t.Error("no records to look at")
	}
}
