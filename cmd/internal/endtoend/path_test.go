package endtoend

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/telcol/telcol/cmd/internal/daemons"
	"github.com/telcol/telcol/cmd/internal/simrouter"
	"github.com/telcol/telcol/steering"
)

// fleet plays simulated routers against a group.
type fleet struct {
	simrouter.Fleet
	checker *simrouter.Checker
}

// startFleet starts routers and waits until the workers have all their routes.
func startFleet(t *testing.T, g *group, routers int, rate float64) *fleet {
	t.Helper()
	sg, err := steering.Open("", g.name)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { sg.Close() })
	f, err := simrouter.NewFleet(simrouter.FleetConfig{
		Routers: routers, Rate: rate,
		Each: simrouter.Config{
			Device: simrouter.DeviceConfig{Routes: 1000}, Churn: 1, Hold: true,
			IPFIX: netip.MustParseAddrPort(g.ipfix), BMP: netip.MustParseAddrPort(g.bmp),
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- f.Run(ctx) }()
	t.Cleanup(func() { cancel(); <-ended })
	daemons.Eventually(t, 30*time.Second, "all routes", func() error {
		// With churn going on, what was told and what is held are never compared at one moment.
		if n, want := g.sum(t, "telcol_rib_routes"), float64(f.Routes()); n < 0.99*want || f.Connected() != routers {
			return fmt.Errorf("%v of %v routes, %d of %d sessions", n, want, f.Connected(), routers)
		}
		return nil
	})
	return &fleet{f, simrouter.NewChecker(f.Devices(), sg.Table().Slot)}
}

// TestWholePathThroughKafka plays routers into four steered workers and reads every record back from a real Kafka: each is right
// in every field, on the slot that its device belongs to, and none is missing.
func TestWholePathThroughKafka(t *testing.T) {
	broker := kafkaBroker(t)
	requireBPF(t)
	topic := fmt.Sprintf("telcol.path.%d", time.Now().UnixNano())
	g := startGroup(t, 4, "--kafka-brokers", broker, "--kafka-topic-flow", topic, "--kafka-partitions", "4")
	f := startFleet(t, g, 24, 4000)
	f.StartFlows()
	time.Sleep(4 * time.Second) // the length of the test, not a wait for something
	f.StopFlows(t.Context())
	sent := f.Sent()
	waitTaken(t, g, float64(sent.Datagrams))
	if n := g.sum(t, "telcol_ipfix_records_total", "kind", "data"); n != float64(sent.Records) {
		t.Errorf("%v records decoded, %d sent", n, sent.Records)
	}
	g.stop(t)
	lines := filepath.Join(t.TempDir(), "records.json")
	consume(t, broker, topic, int(sent.Records), lines)
	f.check(t, sent.Records, lines)
}

// check judges all records of files of lines.
func (f *fleet) check(t *testing.T, want uint64, files ...string) {
	t.Helper()
	for _, name := range files {
		file, err := os.Open(name)
		if err != nil {
			t.Fatal(err)
		}
		s := bufio.NewScanner(file)
		s.Buffer(nil, 1<<20)
		for s.Scan() {
			if err := f.checker.Check(s.Bytes()); err != nil && !t.Failed() {
				t.Errorf("%v: %s", err, s.Bytes())
			}
		}
		file.Close()
	}
	if tally := f.checker.Tally(); tally.Records != want || tally.Bad() != 0 {
		t.Errorf("%d records sent, came out: %+v", want, tally)
	}
}

// TestKilledWorker kills one of four workers under load: the others go on and see nothing of its share, what it lost is what the
// kernel counts for its slot plus what it held, and its successor gets the same devices back.
func TestKilledWorker(t *testing.T) {
	if !inNamespace(t) {
		return
	}
	g := startGroup(t, 4, "--sink", "stdout")
	f := startFleet(t, g, 24, 2000)
	f.StartFlows()
	time.Sleep(time.Second)
	victim := g.workers[1]
	devices := victim.Metric(t, "telcol_devices")
	if devices == 0 {
		t.Fatal("the worker to kill has no devices")
	}
	victim.Kill()
	time.Sleep(time.Second)
	empty := g.workers[0].Metric(t, "telcol_steering_packets_total", "of_slot", "1", "result", "slot-empty")
	if empty == 0 {
		t.Error("the kernel counted nothing for the empty slot")
	}
	before := g.workers[0].Metric(t, "telcol_devices")
	successor := daemons.StartWorker(t, victim.Cmd.Args[2:]...)
	successor.WaitReady(t)
	g.workers[1] = successor
	daemons.Eventually(t, 30*time.Second, "the devices to come back", func() error {
		if n := successor.Metric(t, "telcol_devices"); n != devices {
			return fmt.Errorf("%v of %v devices", n, devices)
		}
		if f.Connected() != 24 {
			return fmt.Errorf("%d BMP sessions", f.Connected())
		}
		return nil
	})
	f.StopFlows(t.Context())
	if n := g.workers[0].Metric(t, "telcol_devices"); n != before {
		t.Errorf("another worker had %v devices and has %v", before, n)
	}
	if n := g.sum(t, "telcol_steering_foreign_total") + g.sum(t, "telcol_steering_foreign_sessions_total"); n != 0 {
		t.Errorf("%v foreign", n)
	}
	g.stop(t)
	for _, w := range append(g.workers, victim) {
		f.checkSlots(t, w.Stdout)
	}
}

// checkSlots looks at nothing but where records came out: while a BMP session is away its flows are not joined.
func (f *fleet) checkSlots(t *testing.T, name string) {
	t.Helper()
	b, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	before := f.checker.Tally().Misplaced
	for line := range bytes.Lines(b) {
		f.checker.Check(line)
	}
	if n := f.checker.Tally().Misplaced - before; n != 0 {
		t.Errorf("%d records on a slot that is not their device's", n)
	}
}
