package endtoend

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/telcol/telcol/cmd/internal/daemons"
)

// capture is a recording of real routers with what a right collector makes of it.
type capture struct {
	name    string
	sources [][2]string // address in the recording, address in the expected file
	score   []string    // options of the scorer
	as      string      // what the run is called, if not as the capture
	worker  []string    // further arguments of the workers
}

var captures = []capture{
	{
		name: "100", sources: [][2]string{{"138.187.0.13", "172.21.1.101"}},
		score: []string{"--profile", "vpn"},
	},
	{
		name: "101", sources: [][2]string{{"138.187.57.55", "172.21.1.101"}},
		score: []string{"--profile", "vpn", "--drop", "mpls_vpn_rd"},
	},
	{
		name: "104", sources: [][2]string{{"2a02:a90:4007:700::54", "fd25::101"}},
		score: []string{"--profile", "vpn", "--drop", "mpls_vpn_rd", "--scale", "256"},
	},
	{
		name: "104", as: "104, renormalised", worker: []string{"--renormalize", "--record-extra", "all"},
		sources: [][2]string{{"2a02:a90:4007:700::54", "fd25::101"}},
		score:   []string{"--profile", "vpn", "--drop", "mpls_vpn_rd"},
	},
	{
		name: "106", sources: [][2]string{{"2001:db8:54::1", "fd25::101"}},
		score: []string{"--profile", "vpn"},
	},
	{
		name: "400", sources: [][2]string{{"203.0.113.90", "172.21.1.101"}, {"203.0.113.91", "172.21.1.102"}},
		score: []string{"--drop", "tunnel_flow_label"},
	},
}

// oracle is the folder of captures named by the environment.
func oracle(t *testing.T) string {
	t.Helper()
	dir := os.Getenv("TELCOL_ORACLE")
	if dir == "" {
		t.Skip("TELCOL_ORACLE names no folder of captures")
	}
	return dir
}

// TestOracleCaptures replays each capture into four steered workers and compares what they print with what is right.
func TestOracleCaptures(t *testing.T) {
	dir := oracle(t)
	if !inNamespace(t, "172.21.1.101", "172.21.1.102", "fd25::101") {
		return
	}
	for _, c := range captures {
		t.Run(cmp.Or(c.as, c.name), func(t *testing.T) {
			g := startGroup(t, 4, append([]string{"--sink", "stdout"}, c.worker...)...)
			replayCapture(t, dir, c, g, c.maps())
			scoreGroup(t, dir, c, g)
		})
	}
}

// TestOracleThroughKafka does the same with captures 106 and 400 and reads the records back from a real Kafka.
func TestOracleThroughKafka(t *testing.T) {
	dir := oracle(t)
	broker := kafkaBroker(t)
	requireBPF(t)
	for _, c := range captures {
		if c.name != "106" && c.name != "400" {
			continue
		}
		t.Run(c.name, func(t *testing.T) {
			topic := fmt.Sprintf("telcol.oracle.%d", time.Now().UnixNano())
			g := startGroup(t, 4, "--kafka-brokers", broker, "--kafka-topic-flow", topic)
			var maps, rename []string
			for i, s := range c.sources {
				local := fmt.Sprintf("127.77.0.%d", 1+i)
				if strings.Contains(s[0], ":") {
					local = "::1" // no other address of the loopback interface is given
				}
				maps = append(maps, "--map", s[0]+"="+local)
				rename = append(rename, "--exporter", local+"="+s[1])
			}
			replayCapture(t, dir, c, g, maps)
			want := int(g.sum(t, "telcol_ipfix_records_total", "kind", "data"))
			g.stop(t)
			ours := filepath.Join(t.TempDir(), "ours.json")
			consume(t, broker, topic, want, ours)
			score(t, dir, c, ours, rename)
		})
	}
}

// replayCapture plays all recordings of a capture, with a second between the routes and the flows of a router, and waits until
// the workers have taken all of it.
func replayCapture(t *testing.T, dir string, c capture, g *group, maps []string) {
	t.Helper()
	waitTaken(t, g, play(t, dir, c, g, append([]string{"--gap", "1s", "--hold", "1s"}, maps...)...))
	tell(t, g)
}

// tell logs what the workers decoded of a capture, held for a while and refused, and checks that nothing waits any more.
func tell(t *testing.T, g *group) {
	t.Helper()
	sum := func(name string, labels ...string) float64 { return g.sum(t, name, labels...) }
	t.Logf("messages %v, templates %v (sent again %v), options records %v, data records %v, sets held %v, refused: templates %v, options %v, messages %v",
		sum("telcol_ipfix_messages_total"), sum("telcol_ipfix_templates_total", "result", "learnt"),
		sum("telcol_ipfix_templates_total", "result", "refreshed"), sum("telcol_ipfix_records_total", "kind", "options"),
		sum("telcol_ipfix_records_total", "kind", "data"), sum("telcol_ipfix_held_sets_total", "result", "held"),
		sum("telcol_ipfix_templates_total", "result", "refused")+sum("telcol_ipfix_templates_total", "result", "bad"),
		sum("telcol_ipfix_options_total", "result", "refused"), sum("telcol_lost_total", "stage", "decode"))
	if n := sum("telcol_ipfix_held_sets"); n != 0 {
		t.Errorf("%v data sets still wait for their template", n)
	}
}

// play plays the recordings of a capture as fast as possible and returns the number of datagrams.
func play(t *testing.T, dir string, c capture, g *group, args ...string) float64 {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, "captures", c.name, "*.pcap"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no recordings of capture %s: %v", c.name, err)
	}
	args = append([]string{"replay", "--ipfix", g.ipfix, "--bmp", g.bmp, "--speed", "0"}, args...)
	said := daemons.Telcol(t, append(args, files...)...)
	t.Logf("replay: %s", said)
	m := datagramsSent.FindStringSubmatch(said)
	if m == nil {
		t.Fatal("replay does not say how many datagrams it sent")
	}
	sent, _ := strconv.ParseFloat(m[1], 64)
	return sent
}

// maps gives the arguments that play a capture from the addresses of its expected file.
func (c capture) maps() (args []string) {
	for _, s := range c.sources {
		args = append(args, "--map", s[0]+"="+s[1])
	}
	return args
}

var datagramsSent = regexp.MustCompile(`(\d+) datagrams`)

// waitTaken waits until the workers have read that many datagrams, and checks that none was lost or went astray.
func waitTaken(t *testing.T, g *group, datagrams float64) {
	t.Helper()
	daemons.Eventually(t, "datagrams to be read", func() error {
		if n := g.sum(t, "telcol_intake_datagrams_total"); n != datagrams {
			return fmt.Errorf("%v of %v", n, datagrams)
		}
		return nil
	})
	if n := g.sum(t, "telcol_lost_total"); n != 0 {
		t.Errorf("%v of something were lost", n)
	}
	if n := g.sum(t, "telcol_steering_foreign_total"); n != 0 {
		t.Errorf("%v datagrams of foreign devices", n)
	}
}

// scoreGroup ends the workers and compares what they printed, whose file it returns, with what is right.
func scoreGroup(t *testing.T, dir string, c capture, g *group) string {
	t.Helper()
	g.stop(t)
	ours := filepath.Join(t.TempDir(), "ours.json")
	joinFiles(t, g, ours)
	score(t, dir, c, ours, nil)
	return ours
}

func joinFiles(t *testing.T, g *group, path string) {
	t.Helper()
	var all []byte
	for _, w := range g.workers {
		b, err := os.ReadFile(w.Stdout)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, b...)
	}
	if err := os.WriteFile(path, all, 0o600); err != nil {
		t.Fatal(err)
	}
}

// score compares our records with the expected ones by the scorer that lies beside the captures.
func score(t *testing.T, dir string, c capture, ours string, further []string) {
	t.Helper()
	args := append([]string{
		filepath.Join(dir, "score.py"), filepath.Join(dir, "captures", c.name, "output-flow-00.json"), ours,
	}, c.score...)
	out, err := exec.CommandContext(t.Context(), "python3", append(args, further...)...).CombinedOutput()
	t.Logf("%s", out)
	if err != nil {
		t.Errorf("capture %s: not all groups match: %v", c.name, err)
	}
}

// kafkaBroker is the broker of the rig.
func kafkaBroker(t *testing.T) string {
	t.Helper()
	b := os.Getenv("TELCOL_TEST_KAFKA")
	if b == "" {
		if os.Getenv("TELCOL_REQUIRE_KAFKA") == "1" {
			t.Fatal("TELCOL_TEST_KAFKA names no broker, and TELCOL_REQUIRE_KAFKA=1 forbids to skip")
		}
		t.Skip("TELCOL_TEST_KAFKA names no broker (deploy/kafka-rig starts one)")
	}
	return b
}

// consume reads the values of a topic into a file of lines, want of them and not one more.
func consume(t *testing.T, broker, topic string, want int, path string) {
	t.Helper()
	cl, err := kgo.NewClient(kgo.SeedBrokers(broker), kgo.ConsumeTopics(topic), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()))
	if err != nil {
		t.Fatal(err)
	}
	defer cl.Close()
	var lines []byte
	n := 0
	for patience := daemons.Patience; ; {
		ctx, cancel := context.WithTimeout(t.Context(), patience)
		fetches := cl.PollFetches(ctx)
		cancel()
		if errors.Is(fetches.Err0(), context.DeadlineExceeded) {
			break
		}
		fetches.EachRecord(func(r *kgo.Record) {
			n++
			lines = append(append(lines, r.Value...), '\n')
		})
		if n >= want {
			patience = time.Second // for what should not come
		}
	}
	if n != want {
		t.Errorf("consumed %d records, want %d", n, want)
	}
	if err := os.WriteFile(path, lines, 0o600); err != nil {
		t.Fatal(err)
	}
}
