package endtoend

import (
	"bufio"
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
func startFleet(t *testing.T, g *group, routers int, rate float64, change ...func(*simrouter.FleetConfig)) *fleet {
	t.Helper()
	sg, err := steering.Open("", g.name)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { sg.Close() })
	cfg := simrouter.FleetConfig{
		Routers: routers, Rate: rate,
		Each: simrouter.Config{
			Device: simrouter.DeviceConfig{Routes: 1000}, Churn: 1, Hold: true,
			IPFIX: netip.MustParseAddrPort(g.ipfix), BMP: netip.MustParseAddrPort(g.bmp),
		},
	}
	for _, do := range change {
		do(&cfg)
	}
	f, err := simrouter.NewFleet(cfg)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- f.Run(ctx) }()
	t.Cleanup(func() { cancel(); <-ended })
	daemons.Eventually(t, "all routes", func() error {
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
