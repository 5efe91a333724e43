package collector

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/telcol/telcol/bmp"
	"github.com/telcol/telcol/bmp/bgp"
	"github.com/telcol/telcol/deploy/freeport"
	"github.com/telcol/telcol/ipfix"
)

// running is a worker of this process without steering, on free ports.
type running struct {
	cfg    Config
	stdout *safeBuffer
	log    *safeBuffer
	ended  chan error
	cancel context.CancelFunc
}

func startTest(t *testing.T, change func(*Config)) *running {
	t.Helper()
	cfg := Default()
	cfg.Slot, cfg.Steering, cfg.Sink = 0, false, SinkStdout
	cfg.ListenIPFIX, cfg.ListenBMP, cfg.HTTP = freeAddr(t), freeAddr(t), freeAddr(t)
	cfg.Join.NewWait = 0 // most tests are about flows alone
	return startWith(t, cfg, change, false)
}

// startWith starts a worker, which may have to take over from one that runs.
func startWith(t *testing.T, cfg Config, change func(*Config), takeover bool) *running {
	t.Helper()
	if change != nil {
		change(&cfg)
	}
	r := &running{cfg: cfg, stdout: new(safeBuffer), log: new(safeBuffer), ended: make(chan error, 1)}
	ctx, cancel := context.WithCancel(t.Context())
	r.cancel = cancel
	go func() {
		r.ended <- Run(ctx, cfg, Env{Stdout: r.stdout, Log: slog.New(slog.NewTextHandler(r.log, nil)), Takeover: takeover})
	}()
	waitFor(t, "worker to be ready", func() bool {
		resp, err := http.Get("http://" + cfg.HTTP + "/readyz")
		if err != nil {
			select {
			case err := <-r.ended:
				t.Fatal(err)
			default:
			}
			return false
		}
		resp.Body.Close()
		return resp.StatusCode == http.StatusOK
	})
	return r
}

// stop ends the worker as SIGTERM does.
func (r *running) stop(t *testing.T) {
	t.Helper()
	r.cancel()
	select {
	case err := <-r.ended:
		if err != nil {
			t.Fatal(err)
		}
	case <-time.After(patience):
		t.Fatalf("the worker did not end in %v", patience)
	}
}

func (r *running) metrics(t *testing.T) map[string]float64 {
	t.Helper()
	resp, err := http.Get("http://" + r.cfg.HTTP + "/metrics")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	values := make(map[string]float64)
	s := bufio.NewScanner(resp.Body)
	for s.Scan() {
		var v float64
		if i := strings.LastIndexByte(s.Text(), ' '); i > 0 && s.Text()[0] != '#' {
			fmt.Sscan(s.Text()[i+1:], &v)
			values[strings.ReplaceAll(s.Text()[:i], `slot="0"`, "")] = v
		}
	}
	return values
}

// flows is a message with a template and that many records from 10.1.0.0/16 to 10.1.0.0/16.
func flows(t *testing.T, sequence uint32, n int) []byte {
	t.Helper()
	var b ipfix.Builder
	b.Begin(nil, ipfix.Header{Version: ipfix.VersionIPFIX, ExportTime: time.Now().UnixNano(), Domain: 1, Sequence: sequence})
	b.Template(256, ipfix.Field{ID: 8, Len: 4}, ipfix.Field{ID: 12, Len: 4}, ipfix.Field{ID: 1, Len: 4})
	b.Set(256)
	for i := range n {
		b.Addr(netip.AddrFrom4([4]byte{10, 1, 0, byte(i)}))
		b.Addr(netip.AddrFrom4([4]byte{10, 1, 1, byte(i)}))
		b.Uint(uint64(100+i), 4)
	}
	msg, err := b.Finish()
	if err != nil {
		t.Fatal(err)
	}
	return msg
}

func (r *running) send(t *testing.T, msgs ...[]byte) {
	t.Helper()
	_, port, _ := net.SplitHostPort(r.cfg.ListenIPFIX)
	c, err := net.Dial("udp", "127.0.0.1:"+port)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	for _, m := range msgs {
		if _, err := c.Write(m); err != nil {
			t.Fatal(err)
		}
	}
}

// announce opens a BMP session that tells one route and returns it open.
func (r *running) announce(t *testing.T) net.Conn {
	t.Helper()
	return r.announceFrom(t, "127.0.0.1", 1)
}

// announceFrom is announce from an address of the loopback network, after which the worker has so many routes.
func (r *running) announceFrom(t *testing.T, from string, routes float64) net.Conn {
	t.Helper()
	_, port, _ := net.SplitHostPort(r.cfg.ListenBMP)
	d := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(from)}}
	c, err := d.DialContext(t.Context(), "tcp", "127.0.0.1:"+port)
	if err != nil {
		t.Fatal(err)
	}
	peer := &bmp.Peer{Type: bmp.PeerLocRIB, Addr: netip.IPv4Unspecified(), BGPID: netip.MustParseAddr("192.0.2.1")}
	route := bgp.NLRI{Prefix: netip.MustParsePrefix("10.1.0.0/16"), Family: bgp.NewFamily(1, bgp.SAFIUnicast)}
	attrs := &bgp.Attributes{HasOrigin: true, HasASPath: true, ASPath: []uint32{64500, 64501}, NextHop: netip.MustParseAddr("192.0.2.9")}
	b := bmp.AppendInitiation(nil, &bmp.Initiation{SysName: "pe1"})
	b = bmp.AppendRouteMonitoring(b, peer, nil, []bgp.NLRI{route}, attrs)
	if _, err := c.Write(b); err != nil {
		t.Fatal(err)
	}
	waitFor(t, "the route", func() bool { return r.metrics(t)[`telcol_rib_routes{}`] == routes })
	return c
}

func TestWorkerDeliversEverythingTaken(t *testing.T) {
	r := startTest(t, nil)
	defer r.announce(t).Close()
	const messages, records = 200, 20
	for i := range messages {
		r.send(t, flows(t, uint32(i*records), records))
	}
	r.stop(t) // what is in the receive buffer was taken
	lines := r.stdout.lines()
	if len(lines) != messages*records {
		t.Fatalf("%d records, want %d\n%s", len(lines), messages*records, r.log)
	}
	for _, l := range lines {
		var rec struct {
			Type    string `json:"type"`
			JoinSrc string `json:"join_src"`
			DstAS   int    `json:"dst_as"`
			Name    string `json:"device_name"`
		}
		if err := json.Unmarshal([]byte(l), &rec); err != nil {
			t.Fatal(err)
		}
		if rec.Type != "flow" || rec.JoinSrc != "hit" || rec.DstAS != 64501 || rec.Name != "pe1" {
			t.Fatalf("record %s", l)
		}
	}
}

// TestInputIsOutputAndLosses sends good and bad input of every kind and adds up the counters.
func TestInputIsOutputAndLosses(t *testing.T) {
	r := startTest(t, nil)
	good := flows(t, 0, 10)
	inputs := [][]byte{
		good, flows(t, 10, 5),
		good[:10], good[:40],
		{0},
		{0, 5, 0, 1},
		{0, 9, 0, 1},
		append([]byte{0, 10, 0, 22, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1}, 1, 0, 0, 60, 0, 0),
	}
	r.send(t, inputs...)
	waitFor(t, "all datagrams", func() bool { return r.metrics(t)["telcol_intake_datagrams_total{}"] == float64(len(inputs)) })
	m := r.metrics(t)
	messages := m[`telcol_ipfix_messages_total{protocol="ipfix",}`] + m[`telcol_ipfix_messages_total{protocol="netflow_v9",}`]
	var refused float64
	for _, reason := range []string{"short", "version", "device-quota", "domain-quota"} {
		refused += m[fmt.Sprintf(`telcol_lost_total{reason=%q,,stage="decode"}`, reason)]
	}
	for _, reason := range []string{"truncated", "foreign"} {
		refused += m[fmt.Sprintf(`telcol_lost_total{reason=%q,,stage="intake"}`, reason)]
	}
	if messages+refused != float64(len(inputs)) {
		t.Errorf("%v messages and %v refused of %d datagrams\n%v", messages, refused, len(inputs), m)
	}
	records := m[`telcol_ipfix_records_total{kind="data",}`]
	accepted := m[`telcol_sink_accepted_total{,topic="telcol.flow"}`]
	if records < 15 || records != accepted {
		t.Errorf("%v records decoded, %v given to the sink", records, accepted)
	}
	r.stop(t)
	if n := len(r.stdout.lines()); float64(n) != accepted {
		t.Errorf("%d records out, %v accepted", n, accepted)
	}
}

// TestInputIsOutputAndLossesAtTheStop ends an owner that holds data for templates which have not come: of datagrams, and of a connection
// that ended before. Sets in are sets decoded and sets lost, and who asks for the metrics afterwards is told.
func TestInputIsOutputAndLossesAtTheStop(t *testing.T) {
	cfg := Default()
	cfg.Slot, cfg.Steering, cfg.Sink, cfg.HTTP, cfg.Join.NewWait, cfg.StateDir = 0, false, SinkStdout, "off", 0, t.TempDir()
	cfg.ListenIPFIX, cfg.ListenBMP = freeAddr(t), freeAddr(t)
	out := new(safeBuffer)
	w := newWorker(cfg, Env{Stdout: out, Log: slog.New(slog.DiscardHandler)})
	if err := w.start(t.Context()); err != nil {
		t.Fatal(err)
	}
	defer w.abandon()
	ctx, cancel := context.WithCancel(t.Context())
	var parts sync.WaitGroup
	parts.Go(func() { w.core.run(ctx) })
	parts.Go(w.state.run)
	parts.Go(w.core.images.run)
	src := netip.MustParseAddrPort("192.0.2.1:5000")
	if err := w.core.ask(ctx, func() {
		w.core.takeDatagram(src, flows(t, 0, 1), false)
		for id := range uint16(3) {
			w.core.takeDatagram(src, untold(t, 300+id), false)
		}
		b := &streamBatch{device: src.Addr(), conn: 1, data: untold(t, 400), last: true, home: make(chan *streamBatch, 1)}
		b.ends = []int{len(b.data)}
		w.core.takeStream(b)
	}); err != nil {
		t.Fatal(err)
	}
	cancel()
	parts.Wait()
	if err := w.deliver(); err != nil {
		t.Fatal(err)
	}
	reg := prometheus.NewPedanticRegistry()
	reg.MustRegister(&metrics{w: w})
	m := gather(t, reg)
	const sets = 5
	decoded, stopped, ended := m["telcol_ipfix_records_total data"], m["telcol_lost_total stop template"], m["telcol_lost_total session-end template"]
	if decoded != 1 || stopped != 3 || ended != 1 || decoded+stopped+ended != sets || m["telcol_up"] != 1 || m["telcol_ipfix_held_sets"] != 0 {
		t.Errorf("%v decoded, %v and %v lost of %d sets\n%v", decoded, stopped, ended, sets, m)
	}
	if n := len(out.lines()); n != 1 {
		t.Errorf("%d records out, want 1", n)
	}
	// The templates were saved all the same.
	if state, err := os.ReadFile(filepath.Join(cfg.StateDir, cfg.Group, "0", "192.0.2.1"+stateSuffix)); err != nil || len(state) == 0 {
		t.Errorf("state of the device: %d octets, %v", len(state), err)
	}
}

// untold is a message with a data set of a template that nobody has told.
func untold(t *testing.T, template uint16) []byte {
	t.Helper()
	var b ipfix.Builder
	b.Begin(nil, ipfix.Header{Version: ipfix.VersionIPFIX, ExportTime: time.Now().UnixNano(), Domain: 1})
	b.Set(template)
	b.Uint(1, 4)
	msg, err := b.Finish()
	if err != nil {
		t.Fatal(err)
	}
	return msg
}

// gather reads metrics by name and label values in their order, but for the slot.
func gather(t *testing.T, reg prometheus.Gatherer) map[string]float64 {
	t.Helper()
	families, err := reg.Gather()
	if err != nil {
		t.Fatal(err)
	}
	values := make(map[string]float64)
	for _, f := range families {
		for _, m := range f.Metric {
			name := f.GetName()
			for _, l := range m.Label {
				if l.GetName() != "slot" {
					name += " " + l.GetValue()
				}
			}
			values[name] = m.GetCounter().GetValue() + m.GetGauge().GetValue()
		}
	}
	return values
}

func TestKafkaDelivery(t *testing.T) {
	cluster, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.Ports(0))
	if err != nil {
		t.Fatal(err)
	}
	defer cluster.Close()
	r := startTest(t, func(c *Config) { c.Sink, c.Kafka.Brokers = SinkKafka, cluster.ListenAddrs() })
	r.send(t, flows(t, 0, 30))
	waitFor(t, "delivery", func() bool {
		return r.metrics(t)[`telcol_sink_records_total{result="delivered",,topic="telcol.flow"}`] == 30
	})
	r.stop(t)
	cl, err := kgo.NewClient(kgo.SeedBrokers(cluster.ListenAddrs()...), kgo.ConsumeTopics("telcol.flow"), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()))
	if err != nil {
		t.Fatal(err)
	}
	defer cl.Close()
	for n := 0; n < 30; {
		ctx, cancel := context.WithTimeout(t.Context(), patience)
		f := cl.PollFetches(ctx)
		cancel()
		if err := f.Err0(); err != nil {
			t.Fatal(err)
		}
		f.EachRecord(func(rec *kgo.Record) {
			n++
			headers := make(map[string]string)
			for _, h := range rec.Headers {
				headers[h.Key] = string(h.Value)
			}
			if string(rec.Key) != "127.0.0.1" || headers["schema"] != "1" || headers["content-type"] != "application/json" || headers["slot"] != "0" {
				t.Fatalf("key %q headers %v", rec.Key, headers)
			}
		})
	}
}

// TestAbsentBroker shows that a worker without a broker is ready, says so, keeps what it took, and counts it as lost when it has to end.
func TestAbsentBroker(t *testing.T) {
	r := startTest(t, func(c *Config) {
		c.Sink, c.Kafka.Brokers, c.DrainAfter = SinkKafka, []string{freeAddr(t)}, 500*time.Millisecond
	})
	r.send(t, flows(t, 0, 7))
	waitFor(t, "records to wait", func() bool {
		return r.metrics(t)[`telcol_sink_waiting_records{,topic="telcol.flow"}`] == 7
	})
	if m := r.metrics(t); m["telcol_sink_up{}"] != 0 {
		t.Error("the sink calls itself up")
	}
	waitFor(t, "readyz to tell", func() bool {
		resp, err := http.Get("http://" + r.cfg.HTTP + "/readyz")
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		body, _ := io.ReadAll(resp.Body)
		return resp.StatusCode == http.StatusOK && bytes.Contains(body, []byte("does not deliver"))
	})
	r.stop(t)
	if !strings.Contains(r.log.String(), "records=7") {
		t.Errorf("the loss is not told:\n%s", r.log)
	}
}

// TestLossesAreToldAtTheStop loses records while the worker runs: its last words must not be that all were delivered.
func TestLossesAreToldAtTheStop(t *testing.T) {
	r := startTest(t, nil)
	r.stdout.fails.Store(&io.ErrShortWrite)
	r.send(t, flows(t, 0, 7))
	waitFor(t, "the loss", func() bool {
		return r.metrics(t)[`telcol_lost_total{reason="write-error",,stage="sink"}`] == 7
	})
	r.stdout.fails.Store(nil)
	r.send(t, flows(t, 7, 1))
	waitFor(t, "a delivery", func() bool {
		return r.metrics(t)[`telcol_sink_records_total{result="delivered",,topic="telcol.flow"}`] == 1
	})
	r.stop(t)
	if log := r.log.String(); strings.Contains(log, "all records were delivered") || !strings.Contains(log, "records were lost\" slot=0 records=7") {
		t.Errorf("the loss is not told:\n%s", log)
	}
}

// TestStdoutLosesItsReader ends a worker whose records nobody takes any more.
func TestStdoutLosesItsReader(t *testing.T) {
	r := startTest(t, nil)
	var err error = &os.PathError{Op: "write", Path: "/dev/stdout", Err: syscall.EPIPE}
	r.stdout.fails.Store(&err)
	r.send(t, flows(t, 0, 7))
	select {
	case err := <-r.ended:
		if !errors.Is(err, errNoReader) {
			t.Errorf("ended with %v", err)
		}
	case <-t.Context().Done():
	}
	if log := r.log.String(); !strings.Contains(log, "lost=7") {
		t.Errorf("the loss is not told:\n%s", log)
	}
}

func TestBMPSessionOutlivesBadMessages(t *testing.T) {
	r := startTest(t, nil)
	c := r.announce(t)
	defer c.Close()
	c.Write([]byte{3, 0, 0, 0, 8, 0, 1, 2}) // route monitoring that is too short
	waitFor(t, "the refusal", func() bool { return r.metrics(t)["telcol_bmp_refused_total{}"] == 1 })
	if n := r.metrics(t)["telcol_bmp_sessions{}"]; n != 1 {
		t.Errorf("%v sessions open", n)
	}
	c.Write([]byte("GET / HTTP/1.0\r\n\r\n"))
	c.SetReadDeadline(time.Now().Add(patience))
	if _, err := c.Read(make([]byte, 1)); !errors.Is(err, io.EOF) && !strings.Contains(err.Error(), "reset") {
		t.Errorf("a session without framing goes on: %v", err)
	}
	waitFor(t, "the end of the session", func() bool { return r.metrics(t)["telcol_bmp_sessions{}"] == 0 })
	m := r.metrics(t)
	if n := m["telcol_rib_routes{}"]; n != 1 {
		t.Errorf("%v routes after the loss of the session, want 1, stale", n)
	}
	for name, want := range map[string]float64{
		`telcol_bmp_sessions_total{}`:                               1,
		`telcol_bmp_sessions_ended_total{reason="framing",}`:        1,
		`telcol_lost_total{reason="short",,stage="bmp"}`:            1,
		`telcol_bmp_messages_total{,type="initiation"}`:             1,
		`telcol_bmp_messages_total{,type="route-monitoring"}`:       2,
		`telcol_bmp_updates_total{outcome="ok",}`:                   1,
		`telcol_bmp_routes_total{kind="announced",}`:                1,
		`telcol_bmp_peer_downs_total{reason="peer de-configured",}`: 0,
		`telcol_bmp_mirrored_total{kind="lost-by-router",}`:         0,
		`telcol_bmp_over_quota_devices{quota="routes",}`:            0,
		`telcol_bmp_drift_comparisons_total{result="compared",}`:    0,
	} {
		if got, ok := m[name]; !ok || got != want {
			t.Errorf("%s is %v, %v; want %v", name, got, ok, want)
		}
	}
	r.stop(t)
}

// A session that says nothing ends when it is told how long that may take, and the worker goes on.
func TestIdleBMPSession(t *testing.T) {
	r := startTest(t, func(c *Config) { c.BMP.IdleTimeout = time.Second })
	defer r.announce(t).Close()
	waitFor(t, "the end of the session", func() bool { return r.metrics(t)[`telcol_bmp_sessions_ended_total{reason="idle",}`] == 1 })
	if m := r.metrics(t); m["telcol_bmp_sessions{}"] != 0 || m["telcol_rib_routes{}"] != 1 {
		t.Errorf("%v sessions, %v routes; want none and 1, stale", m["telcol_bmp_sessions{}"], m["telcol_rib_routes{}"])
	}
	r.stop(t)
}

// The stop of the worker ends sessions that have a read deadline of their own.
func TestStopEndsBMPSessions(t *testing.T) {
	r := startTest(t, func(c *Config) { c.BMP.IdleTimeout = time.Hour })
	defer r.announce(t).Close()
	r.stop(t)
	if log := r.log.String(); !strings.Contains(log, "bmp session closed by the stop of the worker") {
		t.Errorf("log %s", log)
	}
}

func TestStartFailures(t *testing.T) {
	r := startTest(t, nil)
	for _, tt := range []struct {
		name   string
		change func(*Config)
		want   string
	}{
		{"udp port in use", func(c *Config) { c.ListenIPFIX = r.cfg.ListenIPFIX }, "--listen-ipfix"},
		{"tcp port in use", func(c *Config) { c.ListenBMP = r.cfg.ListenBMP }, "--listen-bmp"},
		{"http port in use", func(c *Config) { c.HTTP = r.cfg.HTTP }, "--http"},
		{"no slot", func(c *Config) { c.Slot = -1 }, "--slot"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			cfg := Default()
			cfg.Slot, cfg.Steering, cfg.Sink = 0, false, SinkStdout
			cfg.ListenIPFIX, cfg.ListenBMP, cfg.HTTP = freeAddr(t), freeAddr(t), freeAddr(t)
			tt.change(&cfg)
			err := Run(t.Context(), cfg, Env{Stdout: io.Discard, Log: slog.New(slog.DiscardHandler)})
			if err == nil || !strings.Contains(err.Error(), tt.want) || strings.Contains(err.Error(), "\n") {
				t.Errorf("got %v, want a sentence that names %s", err, tt.want)
			}
		})
	}
	r.stop(t)
}

// startOwner starts a worker that reads no sockets: its owner goroutine alone runs.
func startOwner(t *testing.T, change func(*Config)) *worker {
	t.Helper()
	cfg := Default()
	cfg.Slot, cfg.Steering, cfg.Sink = 3, false, SinkStdout
	cfg.ListenIPFIX, cfg.ListenBMP, cfg.HTTP = freeAddr(t), freeAddr(t), "off"
	if change != nil {
		change(&cfg)
	}
	w := newWorker(cfg, Env{Stdout: io.Discard, Log: slog.New(slog.DiscardHandler)})
	if err := w.start(t.Context()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(w.abandon)
	ctx, cancel := context.WithCancel(context.Background())
	var owner sync.WaitGroup
	owner.Go(func() { w.core.run(ctx) })
	t.Cleanup(func() { cancel(); owner.Wait() })
	return w
}

func TestMetricsAreWellFormed(t *testing.T) {
	w := startOwner(t, nil)
	reg := prometheus.NewRegistry()
	reg.MustRegister(&metrics{w: w})
	problems, err := testutil.GatherAndLint(reg)
	if err != nil || len(problems) > 0 {
		t.Errorf("%v %v", problems, err)
	}
}

// TestForeignDevice shows the guard behind the steering: a device of another slot is counted and not joined.
func TestForeignDevice(t *testing.T) {
	w := newWorker(Default(), Env{Stdout: io.Discard, Log: slog.New(slog.DiscardHandler)})
	owned := &ownership{place: func(a netip.Addr) int { return int(a.As4()[3]) % 2 }, slot: 0, known: make(map[netip.Addr]bool)}
	c, err := newCore(&w.cfg, nil, owned, nil, w.warn)
	if err != nil {
		t.Fatal(err)
	}
	for i := range 4 {
		c.takeDatagram(netip.AddrPortFrom(netip.AddrFrom4([4]byte{192, 0, 2, byte(i)}), 5000), []byte{0, 10}, false)
	}
	if c.counted.foreign != 2 || c.corr.Totals().Devices != 2 {
		t.Errorf("%d foreign, %d devices, want 2 and 2", c.counted.foreign, c.corr.Totals().Devices)
	}
	c.takeDatagram(netip.AddrPortFrom(netip.AddrFrom4([4]byte{192, 0, 2, 0}), 5000), []byte{0, 10}, true)
	if c.counted.truncated != 1 {
		t.Error("a truncated datagram is not counted")
	}
}

// TestPanicCostsOneMessage shows that a fault in the decoding of a message is counted and the worker goes on.
func TestPanicCostsOneMessage(t *testing.T) {
	w := newWorker(Default(), Env{Stdout: io.Discard, Log: slog.New(slog.DiscardHandler)})
	w.cfg.Join.NewWait = 0
	c, err := newCore(&w.cfg, nil, nil, nil, w.warn) // without a sink, each record panics
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		c.takeDatagram(netip.MustParseAddrPort("192.0.2.1:5000"), flows(t, 0, 1), false)
	}
	if c.counted.panics != 2 || c.counted.datagrams != 2 {
		t.Errorf("%d panics, %d datagrams, want 2 and 2", c.counted.panics, c.counted.datagrams)
	}
}

func TestSampledLog(t *testing.T) {
	var b safeBuffer
	now := time.Unix(0, 0)
	s := newSampled(slog.New(slog.NewTextHandler(&b, nil)))
	s.now = func() time.Time { return now }
	for range 100 {
		s.warn("one")
	}
	s.warn("two")
	now = now.Add(time.Minute)
	s.warn("one")
	if n := len(b.lines()); n != 3 || !strings.Contains(b.String(), "more_since=99") {
		t.Errorf("%d lines:\n%s", n, &b)
	}
}

// patience is how long these tests wait for anything: a machine may be busy, and one that passes waits for none of it.
const patience = 2 * time.Minute

func waitFor(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(patience); time.Now().Before(end); time.Sleep(10 * time.Millisecond) {
		if ok() {
			return
		}
	}
	t.Fatalf("waited %v for %s", patience, what)
}

// freeAddr gives an address with a port that is free for UDP and for TCP.
func freeAddr(t *testing.T) string {
	t.Helper()
	return fmt.Sprintf("127.0.0.1:%d", freeport.Get(t))
}

type safeBuffer struct {
	fails atomic.Pointer[error]

	mu sync.Mutex
	b  bytes.Buffer
}

func (s *safeBuffer) Write(p []byte) (int, error) {
	if err := s.fails.Load(); err != nil {
		return 0, *err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.Write(p)
}

func (s *safeBuffer) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.String()
}

func (s *safeBuffer) lines() []string {
	return strings.Split(strings.TrimSuffix(s.String(), "\n"), "\n")
}
