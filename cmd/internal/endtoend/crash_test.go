package endtoend

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"slices"
	"strconv"
	"syscall"
	"testing"
	"time"

	"github.com/telcol/telcol/cmd/internal/daemons"
	"github.com/telcol/telcol/cmd/internal/simrouter"
	"github.com/telcol/telcol/steering"
)

// inProcess is how many datagrams a worker can have read and not yet published when it dies: those of its batches.
const inProcess = 16 * 64

// TestKilledWorker kills one of four workers under load. The others deliver every datagram of their devices and see nothing of the
// dead one's; its devices come back to its successor; and each datagram that was lost is accounted for: the kernel dropped it
// because the slot was empty, or it was in the dead process.
//
// The workers listen on an IPv4 address: when a socket on [::] closes, whoever's it is, the kernel loses a datagram of any slot
// in one of some hundred closes, which this test would see.
func TestKilledWorker(t *testing.T) {
	if testing.Short() {
		t.Skip("-short: takes 15 s")
	}
	if !inNamespace(t) {
		return
	}
	const routers = 24
	g := startGroupOn(t, "127.0.0.1", 4, "--sink", "stdout", "--state-dir", t.TempDir())
	f := startFleet(t, g, routers, 10_000, func(c *simrouter.FleetConfig) { c.Each.Refresh = time.Hour }) // one message of templates a device
	sg, err := steering.Open("", g.name)
	if err != nil {
		t.Fatal(err)
	}
	defer sg.Close()
	victim, devices := 0, 0.0 // the key is random: one of the slots may have no devices
	for slot, w := range g.workers {
		if n := w.Metric(t, "telcol_devices"); n > devices {
			victim, devices = slot, n
		}
	}
	dead, other := g.workers[victim], g.workers[(victim+1)%len(g.workers)]
	others := other.Metric(t, "telcol_devices")
	awaitSaved(t, dead, devices) // the names that BMP told
	f.StartFlows()
	awaitSaved(t, dead, 2*devices) // the templates
	dead.Signal(syscall.SIGSTOP)   // what comes now stays in its socket
	awaitStopped(t, dead.Cmd.Process.Pid)
	stopped := udpCounters(t, sg, victim)
	time.Sleep(300 * time.Millisecond)
	daemons.Eventually(t, "datagrams for the stopped worker", func() error {
		if udpCounters(t, sg, victim).Selected == stopped.Selected {
			return errors.New("none came")
		}
		return nil
	})
	dead.Kill()
	killed := udpCounters(t, sg, victim)
	queued := killed.Selected - stopped.Selected
	time.Sleep(time.Second) // with the slot empty
	daemons.Eventually(t, "datagrams for the empty slot", func() error {
		if udpCounters(t, sg, victim).Empty == 0 {
			return errors.New("none came")
		}
		return nil
	})
	for _, name := range []string{"telcol_steering_slot_devices", "telcol_steering_slot_sessions"} {
		if n := other.Metric(t, name, "of_slot", strconv.Itoa(victim)); n != 0 {
			t.Errorf("%s of the empty slot is %v", name, n)
		}
	}

	successor := daemons.StartWorker(t, withoutHTTP(dead.Cmd.Args[2:])...)
	successor.WaitReady(t)
	g.workers[victim] = successor
	daemons.Eventually(t, "the devices to come back", func() error {
		if n := successor.Metric(t, "telcol_devices"); n != devices {
			return fmt.Errorf("%v of %v devices", n, devices)
		}
		if n := successor.Metric(t, "telcol_bmp_sessions"); n != devices || f.Connected() != routers {
			return fmt.Errorf("%v BMP sessions, %d in all", n, f.Connected())
		}
		// The devices send alike: this is some of each.
		if n := successor.Metric(t, "telcol_intake_datagrams_total"); n < 20*devices {
			return fmt.Errorf("%v datagrams", n)
		}
		return nil
	})
	f.StopFlows(t.Context())
	if n := other.Metric(t, "telcol_devices"); n != others {
		t.Errorf("another worker had %v devices and has %v", others, n)
	}
	if n := g.sum(t, "telcol_steering_foreign_total") + g.sum(t, "telcol_steering_foreign_sessions_total"); n != 0 {
		t.Errorf("%v foreign", n)
	}
	if n := g.sum(t, "telcol_intake_kernel_drops_total"); n != 0 {
		t.Errorf("%v datagrams did not fit into receive buffers", n)
	}
	end := udpCounters(t, sg, victim)
	g.stop(t)

	c := &crash{fleet: f, victim: victim, slot: sg.Table().Slot, came: make(map[netip.Addr]map[uint32]int)}
	for _, w := range append(g.workers, dead) {
		c.read(t, w.Stdout)
	}
	sent, published := c.account(t)
	if sent != end.Selected+end.Empty {
		t.Errorf("the kernel counts %d datagrams for the slot and %d dropped for want of one, of %d sent", end.Selected, end.Empty, sent)
	}
	if end.Empty == 0 || queued == 0 {
		t.Errorf("%d datagrams dropped, %d in the dead socket: this test shows nothing", end.Empty, queued)
	}
	held := end.Selected - published // in the dead process
	if held < queued || held > queued+inProcess {
		t.Errorf("%d datagrams reached the slot and were not published, want %d that were in the socket and at most %d more", held, queued, inProcess)
	}
	t.Logf("the slot's devices sent %d datagrams: %d published, %d dropped by the kernel, %d lost in the dead socket and %d in the dead process",
		sent, published, end.Empty, queued, held-queued)
}

// awaitSaved waits until so many files of devices' state were written.
func awaitSaved(t *testing.T, w *daemons.Worker, files float64) {
	t.Helper()
	daemons.Eventually(t, "state to be saved", func() error {
		if n := w.Metric(t, "telcol_state_files_total", "result", "written"); n < files {
			return fmt.Errorf("%v of %v files", n, files)
		}
		return nil
	})
}

// awaitStopped waits until all threads of a process are stopped.
func awaitStopped(t *testing.T, pid int) {
	t.Helper()
	daemons.Eventually(t, "the process to be stopped", func() error {
		tasks, err := os.ReadDir(fmt.Sprintf("/proc/%d/task", pid))
		if err != nil {
			return err
		}
		for _, task := range tasks {
			b, err := os.ReadFile(fmt.Sprintf("/proc/%d/task/%s/stat", pid, task.Name()))
			if err != nil {
				return err
			}
			if i := slices.Index(b, ')'); b[i+2] != 'T' {
				return fmt.Errorf("thread %s is in state %c", task.Name(), b[i+2])
			}
		}
		return nil
	})
}

// udpCounters reads what the kernel counted of the datagrams of a slot's devices.
func udpCounters(t *testing.T, g *steering.Group, slot int) steering.SlotCounters {
	t.Helper()
	all, err := g.Counters()
	if err != nil {
		t.Fatal(err)
	}
	var sum steering.SlotCounters
	for _, c := range all {
		if c.Listener.Proto == steering.UDP {
			sum.Selected += c.Slots[slot].Selected
			sum.Empty += c.Slots[slot].Empty
		}
	}
	return sum
}

// crash compares what came out with what was sent.
type crash struct {
	*fleet
	victim int
	slot   func(netip.Addr) int
	came   map[netip.Addr]map[uint32]int // by device and sequence number of its message: how many records
}

// read reads the records of one worker. A line without an end is what a worker was at when it was killed.
func (c *crash) read(t *testing.T, name string) {
	t.Helper()
	file, err := os.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	for r := bufio.NewReader(file); ; {
		line, err := r.ReadBytes('\n')
		if err != nil {
			return
		}
		var rec struct {
			Device   netip.Addr `json:"device"`
			Slot     int        `json:"slot"`
			Sequence uint32     `json:"sequence_num"`
		}
		if err := json.Unmarshal(line, &rec); err != nil {
			t.Fatal(err)
		}
		if own := c.slot(rec.Device); rec.Slot != own {
			t.Errorf("record of %s, slot %d, from slot %d", rec.Device, own, rec.Slot)
		}
		// What is in the records is looked at in some. While the victim's sessions are away its flows are not joined.
		if rec.Slot != c.victim && rec.Sequence%16 == 0 {
			if err := c.checker.Check(line); err != nil && !t.Failed() {
				t.Errorf("%v: %s", err, line)
			}
		}
		if c.came[rec.Device] == nil {
			c.came[rec.Device] = make(map[uint32]int)
		}
		c.came[rec.Device][rec.Sequence]++
	}
}

// account goes through the devices: those of other slots have lost nothing, those of the victim one run of messages each. It returns how
// many datagrams the victim's sent, and how many of them came out.
func (c *crash) account(t *testing.T) (sent, published uint64) {
	t.Helper()
	for _, r := range c.Fleet {
		addr, s := r.Device().Addr(), r.Sent()
		if s.Errors != 0 {
			t.Errorf("device %s: %d datagrams were not sent", addr, s.Errors)
		}
		gaps, missing := c.gaps(addr)
		var got uint64
		for _, n := range c.came[addr] {
			got += uint64(n)
		}
		if got+missing != s.Records {
			t.Errorf("device %s: %d records came and %d are missing of %d", addr, got, missing, s.Records)
		}
		if c.slot(addr) != c.victim {
			if gaps != 0 {
				t.Errorf("device %s of another slot: %d records are missing", addr, missing)
			}
			continue
		}
		if gaps != 1 {
			t.Errorf("device %s of the killed worker: its records are missing in %d places", addr, gaps)
		}
		sent += s.Datagrams
		published += 1 + uint64(len(c.came[addr])) // the templates came, as there are records
	}
	return sent, published
}

// gaps counts where numbers are missing between a device's messages, and how many. A message whose records came twice is such a place,
// too, and its number beyond all bounds.
func (c *crash) gaps(device netip.Addr) (gaps int, missing uint64) {
	var sequences []uint32
	for s := range c.came[device] {
		sequences = append(sequences, s)
	}
	slices.Sort(sequences)
	for i, s := range sequences[:max(len(sequences)-1, 0)] {
		if n := sequences[i+1] - s - uint32(c.came[device][s]); n != 0 {
			gaps++
			missing += uint64(n)
		}
	}
	return gaps, missing
}
