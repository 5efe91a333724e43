package endtoend

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/telcol/telcol/cmd/internal/daemons"
	"github.com/telcol/telcol/deploy/freeport"
	"github.com/telcol/telcol/steering"
)

// TestTableChangesUnderLoad drains, fills, resizes and pins under load, with workers that have no capability: nothing is lost, no worker
// sees a foreign device, sessions follow their devices, templates are taken over, and what workers tell adds up.
func TestTableChangesUnderLoad(t *testing.T) {
	if testing.Short() {
		t.Skip("takes 20 s")
	}
	if !inNamespace(t) {
		return
	}
	g := startUncapped(t, 4)
	steer := func(args ...string) string {
		t.Helper()
		return daemons.Telcol(t, append([]string{"steering", args[0], "--group", g.name}, args[1:]...)...)
	}
	const routers = 24
	f := startFleet(t, g, routers, 2000)
	f.StartFlows()
	settled := func(what string, slot int, empty bool) {
		t.Helper()
		daemons.Eventually(t, what, func() error {
			n := g.workers[slot].Metric(t, "telcol_bmp_sessions")
			all := g.sum(t, "telcol_bmp_sessions")
			if all != routers || f.Connected() != routers || (n == 0) != empty {
				return fmt.Errorf("%v sessions in all, %d connected, %v in slot %d", all, f.Connected(), n, slot)
			}
			return nil
		})
	}
	for slot := range 4 {
		settled("sessions of the start", slot, false)
	}
	expectProbes(t, g, 4)
	waitSaved(t, g, routers)

	daemons.Eventually(t, "the devices to be known", func() error {
		if said := steer("drain", "2", "--dry-run"); !strings.Contains(said, " of "+strconv.Itoa(routers)+" known devices would move") {
			return errors.New(said)
		}
		return nil
	})
	steer("drain", "2")
	settled("slot 2 to be empty", 2, true)
	steer("undrain", "2")
	settled("slot 2 to have its devices back", 2, false)
	steer("resize", "5", "--drained")
	g.workers = append(g.workers, startUncappedWorker(t, g, 4))
	g.workers[4].WaitReady(t)
	steer("weight", "4", "2")
	steer("undrain", "4")
	settled("slot 4 to have devices", 4, false)
	steer("pin", f.Devices()[0].Addr().String(), "3")
	settled("the pinned session", 3, false)
	expectProbes(t, g, 5)
	f.StopFlows(t.Context())

	sent := f.Sent()
	waitTaken(t, g, float64(sent.Datagrams))
	if n := g.sum(t, "telcol_steering_foreign_sessions_total"); n != 0 {
		t.Errorf("%v sessions of foreign devices", n)
	}
	if n := g.sum(t, "telcol_steering_moved_sessions_total"); n == 0 {
		t.Error("no session moved")
	}
	if n := g.sum(t, "telcol_steering_adopted_devices_total"); n == 0 {
		t.Error("no device's templates were taken over")
	}
	checkStatus(t, g, sent.Datagrams, routers)
	g.stop(t)
	// A device that comes back before its routes do may have a flow or two joined with nothing, or with what was known before, which the
	// record says.
	var stale uint64
	for _, w := range g.workers {
		for _, line := range w.Lines(t) {
			wrong := f.checker.Tally().Wrong
			switch err := f.checker.Check([]byte(line)); {
			case f.checker.Tally().Wrong == wrong:
			case strings.Contains(line, `"rib_state":"stale"`):
				stale++
			default:
				t.Errorf("%v: %s", err, line)
			}
		}
	}
	tally := f.checker.Tally()
	t.Logf("%d records: %+v, wrong by stale routes: %d", sent.Records, tally, stale)
	if tally.Records != sent.Records || tally.Duplicates != 0 || tally.Unjoined+stale > sent.Records/100 {
		t.Errorf("%d records sent, came out: %+v", sent.Records, tally)
	}
}

// waitSaved waits until the workers have saved all that they know of the devices: they save one that goes on changing every 5 s.
func waitSaved(t *testing.T, g *group, devices int) {
	t.Helper()
	daemons.Eventually(t, "the state of devices to be saved", func() error {
		files, err := filepath.Glob(filepath.Join(g.state, g.name, "*", "*.device"))
		if err != nil || len(files) != devices {
			return fmt.Errorf("%d files, %s", len(files), fmt.Sprint(err))
		}
		for _, name := range files {
			if info, err := os.Stat(name); err != nil || time.Since(info.ModTime()) < 7*time.Second {
				return fmt.Errorf("%s was written a moment ago (%s)", name, fmt.Sprint(err))
			}
		}
		return nil
	})
}

// unprivileged runs workers.
var unprivileged = &syscall.Credential{Uid: 65534, Gid: 65534}

func startUncapped(t *testing.T, slots int) *group {
	t.Helper()
	if err := os.Chmod(filepath.Dir(daemons.Binary(t)), 0o755); err != nil {
		t.Fatal(err)
	}
	g := &group{name: fmt.Sprintf("e2e-%d", os.Getpid()), state: daemons.Dir(t)}
	g.ipfix = fmt.Sprintf("127.0.0.1:%d", freeport.Get(t))
	g.bmp = fmt.Sprintf("127.0.0.1:%d", freeport.Get(t))
	key := filepath.Join(t.TempDir(), "key") // one that gives devices to each slot
	if err := os.WriteFile(key, []byte("000102030405060708090a0b0c0d0e0f"), 0o600); err != nil {
		t.Fatal(err)
	}
	daemons.Telcol(t, "steering", "init", "--group", g.name, "--slots", strconv.Itoa(slots), "--user", "65534:65534", "--key-file", key,
		"--listen-ipfix", g.ipfix+",127.0.0.1:2055", "--listen-bmp", g.bmp+",127.0.0.1:11019")
	t.Cleanup(func() { exec.Command(daemons.Binary(t), "steering", "destroy", "--force", "--group", g.name).Run() })
	for slot := range slots {
		g.workers = append(g.workers, startUncappedWorker(t, g, slot))
	}
	for _, w := range g.workers {
		w.WaitReady(t)
		checkUncapped(t, w.Cmd.Process.Pid)
	}
	return g
}

func startUncappedWorker(t *testing.T, g *group, slot int) *daemons.Worker {
	t.Helper()
	w := &daemons.Worker{HTTP: fmt.Sprintf("127.0.0.1:%d", freeport.Get(t))}
	out, err := os.CreateTemp(t.TempDir(), "stdout-*.json")
	if err != nil {
		t.Fatal(err)
	}
	defer out.Close()
	w.Stdout = out.Name()
	cmd := exec.Command(daemons.Binary(t), "worker", "--slot", strconv.Itoa(slot), "--group", g.name, "--http", w.HTTP, "--sink", "stdout",
		"--listen-ipfix", g.ipfix+",127.0.0.1:2055", "--listen-bmp", g.bmp+",127.0.0.1:11019", "--intake-move-spread", "1s",
		"--state-dir", g.state)
	cmd.Stdout = out
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: unprivileged}
	w.Process = daemons.StartCommand(t, cmd)
	return w
}

// checkUncapped makes sure that a process has no capability and is not root.
func checkUncapped(t *testing.T, pid int) {
	t.Helper()
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"CapEff:\t0000000000000000\n", "CapPrm:\t0000000000000000\n", "Uid:\t65534\t65534\t65534\t65534\n"} {
		if !strings.Contains(string(b), want) {
			t.Errorf("the worker is not without privileges, want %q:\n%s", want, b)
		}
	}
}

// expectProbes runs the self-test: each slot's worker answers on each of the six listeners.
func expectProbes(t *testing.T, g *group, slots int) {
	t.Helper()
	said := daemons.Telcol(t, "steering", "selftest", "--group", g.name, "--per-slot", "3", "--timeout", "1m")
	want := fmt.Sprintf("%d probes, %[1]d answered by the worker of their slot, 0 dropped as they should, 0 wrong", listeners*3*slots)
	if !strings.Contains(said, want) {
		t.Errorf("self-test: %s, want %s", said, want)
	}
}

// listeners are two for each of datagrams, IPFIX over TCP and BMP.
const listeners = 6

// probes are those of two self-tests, one with four and one with five workers.
const probes = listeners * 3 * (4 + 5)

// checkStatus compares what the workers tell with what was sent.
func checkStatus(t *testing.T, g *group, datagrams uint64, sessions int) {
	t.Helper()
	daemons.Eventually(t, "reports of the workers", func() error {
		var st steering.Status
		if err := json.Unmarshal([]byte(daemons.Telcol(t, "steering", "status", "--json", "--group", g.name)), &st); err != nil {
			return err
		}
		var sum steering.Report
		for i, s := range st.Slots {
			if s.Report == nil || !s.Alive || s.PID != g.workers[i].Cmd.Process.Pid || s.BeatAge > 10 {
				return fmt.Errorf("slot %d: %+v", i, s)
			}
			sum.Datagrams += s.Report.Datagrams
			sum.Probes += s.Report.Probes
			sum.Sessions += s.Report.Sessions
			sum.Foreign += s.Report.Foreign + s.Report.ForeignConns
			sum.ReceiveDrops += s.Report.ReceiveDrops
		}
		if sum.Datagrams != datagrams || sum.Sessions != uint64(sessions) || sum.Foreign != 0 || sum.ReceiveDrops != 0 || sum.Probes != probes {
			return fmt.Errorf("the workers tell of %+v, %d datagrams were sent", sum, datagrams)
		}
		return nil
	})
}
