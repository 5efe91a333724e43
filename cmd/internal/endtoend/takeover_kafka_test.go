package endtoend

import (
	"fmt"
	"path/filepath"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"
)

// TestTakeoversThroughKafka has workers replace each other that deliver to a real Kafka: each record is there once, those of a device in
// their order.
func TestTakeoversThroughKafka(t *testing.T) {
	broker := kafkaBroker(t)
	requireBPF(t)
	testTakeoversThrough(t, broker)
}

// TestTakeoversThroughFakeKafka is the same where there is no Kafka.
func TestTakeoversThroughFakeKafka(t *testing.T) {
	if testing.Short() {
		t.Skip("-short: takes 10 s")
	}
	if !inNamespace(t) {
		return
	}
	c, err := kfake.NewCluster(kfake.NumBrokers(1))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	testTakeoversThrough(t, c.ListenAddrs()[0])
}

func testTakeoversThrough(t *testing.T, broker string) {
	topic := fmt.Sprintf("telcol.takeover.%d", time.Now().UnixNano())
	g := startReplaceable(t, "[::]", "--sink", "kafka", "--kafka-brokers", broker, "--kafka-topic-flow", topic, "--kafka-partitions", "4",
		"--bmp-events", "off")
	const routers = 16
	f := startFleet(t, g.group, routers, 4000)
	f.StartFlows()
	settled := g.settled(t)
	for again := true; again; again = time.Since(settled) < 2*time.Second { // export times are whole seconds
		g.replace(t)
	}
	f.StopFlows(t.Context())
	if n := f.Sent().BMPSessions; n != routers {
		t.Errorf("%d BMP sessions of %d routers", n, routers)
	}
	g.allRead(t)
	g.workers[0].Stop(t)
	lines := filepath.Join(t.TempDir(), "records.json")
	consume(t, broker, topic, int(f.Sent().Records), lines)
	f.check(t, f.Sent().Records, lines)
	checkOrder(t, lines, settled)
}
