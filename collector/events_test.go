package collector

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/telcol/telcol/bmp"
	"github.com/telcol/telcol/bmp/bgp"
	"github.com/telcol/telcol/deploy/freeport"
)

// event is what the tests look at of an event.
type event struct {
	Type    string `json:"type"`
	Event   string `json:"event"`
	Device  string `json:"device"`
	Name    string `json:"device_name"`
	Session uint64 `json:"session"`
	Seq     uint64 `json:"seq"`
	Action  string `json:"action"`
	Prefix  string `json:"prefix"`
	ASPath  []int  `json:"as_path"`
	Reason  string `json:"reason_text"`
	Lost    uint64 `json:"lost"`
	SeqFrom uint64 `json:"seq_from"`
	SeqTo   uint64 `json:"seq_to"`
	Open    int    `json:"open_sessions"`
	Error   string `json:"error"`
}

func parseEvents(t *testing.T, lines []string) (out []event) {
	t.Helper()
	for _, l := range lines {
		if l == "" {
			continue
		}
		var e event
		if err := json.Unmarshal([]byte(l), &e); err != nil {
			t.Fatalf("%v: %s", err, l)
		}
		if e.Type == "bmp" {
			out = append(out, e)
		}
	}
	return out
}

// short is an event in a few words.
func (e event) short() string {
	s := e.Event
	for _, more := range []string{e.Action, e.Prefix, e.Reason} {
		if more != "" {
			s += " " + more
		}
	}
	return s
}

func shorts(events []event) (out []string) {
	for _, e := range events {
		out = append(out, e.short())
	}
	return out
}

// dialBMP connects to the worker from an address of the loopback network.
func (r *running) dialBMP(t *testing.T, from string) net.Conn {
	t.Helper()
	d := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(from)}}
	_, port, _ := net.SplitHostPort(r.cfg.ListenBMP)
	c, err := d.Dial("tcp", "127.0.0.1:"+port)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

var eventPeer = &bmp.Peer{Type: bmp.PeerLocRIB, Addr: netip.IPv4Unspecified(), BGPID: netip.MustParseAddr("192.0.2.1")}

// routesMessage announces n /24s of 10.0.0.0/8, from a number on, with the same attributes.
func routesMessage(b []byte, from, n int) []byte {
	var list []bgp.NLRI
	for i := from; i < from+n; i++ {
		list = append(list, routeNumber(i))
	}
	attrs := &bgp.Attributes{HasOrigin: true, HasASPath: true, ASPath: []uint32{64500, 64501}, NextHop: netip.MustParseAddr("192.0.2.9")}
	return bmp.AppendRouteMonitoring(b, eventPeer, nil, list, attrs)
}

func routeNumber(i int) bgp.NLRI {
	return bgp.NLRI{Prefix: netip.PrefixFrom(netip.AddrFrom4([4]byte{10, byte(i >> 8), byte(i)}), 24), Family: bgp.IPv4Unicast}
}

// someSession is a session with one message of each kind that is told.
func someSession() []byte {
	b := bmp.AppendInitiation(nil, &bmp.Initiation{SysName: "pe1"})
	b = bmp.AppendPeerUp(b, &bmp.PeerUp{Peer: *eventPeer, LocalAddr: netip.IPv4Unspecified()})
	b = routesMessage(b, 0, 2)
	b = bmp.AppendEndOfRIB(b, eventPeer, bgp.IPv4Unicast)
	b = bmp.AppendRouteMonitoring(b, eventPeer, []bgp.NLRI{routeNumber(1)}, nil, nil)
	b = bmp.AppendStatistics(b, &bmp.Statistics{Peer: *eventPeer, Stats: []bmp.Statistic{{Type: 8, Value: 1}, {Type: 7, Value: 3}}})
	b = bmp.AppendRouteMirroring(b, &bmp.RouteMirroring{Peer: *eventPeer, Messages: [][]byte{{0xff}}, Errored: true})
	b = append(b, 3, 0, 0, 0, 7, 2, 0) // a Peer Down that cannot be decoded
	b = bmp.AppendPeerDown(b, &bmp.PeerDown{Peer: *eventPeer, Reason: bmp.DownDeconfigured})
	return append(b, 3, 0, 0, 0, 12, 5, 0, 1, 0, 2, 0, 0) // Termination
}

var someEvents = []string{
	"session_up", "init", "peer_up", "route_monitor update 10.0.0.0/24", "route_monitor update 10.0.1.0/24", "route_monitor end-of-rib",
	"route_monitor withdraw 10.0.1.0/24", "stats", "stats", "refused", "peer_down peer de-configured", "term administratively closed",
	"session_down termination",
}

func TestEventsByMode(t *testing.T) {
	var sessions []string
	for _, e := range someEvents {
		if kind, _, _ := strings.Cut(e, " "); !slices.Contains([]string{"route_monitor", "stats", "refused"}, kind) {
			sessions = append(sessions, e)
		}
	}
	mirrored := slices.Insert(slices.Clone(someEvents), slices.Index(someEvents, "refused"), "route_mirror")
	for _, c := range []struct {
		name, mode string
		mirror     bool
		want       []string
	}{
		{"auto", EventsAuto, true, nil},
		{"off", EventsOff, true, nil},
		{"sessions", EventsSessions, true, sessions},
		{"all", EventsAll, false, someEvents},
		{"all with mirrored messages", EventsAll, true, mirrored},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := startTest(t, func(cfg *Config) { cfg.BMP.Events, cfg.BMP.EventsMirror = c.mode, c.mirror })
			conn := r.dialBMP(t, "127.0.0.9")
			if _, err := conn.Write(someSession()); err != nil {
				t.Fatal(err)
			}
			waitFor(t, "the end of the session", func() bool {
				m := r.metrics(t)
				return m["telcol_bmp_sessions_total{}"] == 1 && m["telcol_bmp_sessions{}"] == 0 && told(m) >= float64(len(c.want))
			})
			m := r.metrics(t)
			r.stop(t)
			got := parseEvents(t, r.stdout.lines())
			if s := shorts(got); !slices.Equal(s, c.want) {
				t.Fatalf("got\n%q\nwant\n%q", s, c.want)
			}
			for i, e := range got {
				if e.Seq != uint64(i+1) || e.Session != got[0].Session || e.Device != "127.0.0.9" || (e.Name == "pe1") != (i > 0) {
					t.Errorf("%d: %+v", i, e)
				}
			}
			if c.want == nil {
				if n, there := m[`telcol_sink_accepted_total{,topic="telcol.bmp"}`]; there {
					t.Errorf("the topic is there, with %v events", n)
				}
				return
			}
			if told := told(m); told != float64(len(c.want)) {
				t.Errorf("%v events counted, want %d", told, len(c.want))
			}
		})
	}
}

// TestBrokenFraming has a device send a message that is longer than allowed, after more peers than are remembered: the session ends, with a line
// in the log, a counter, and an event that says why.
func TestBrokenFraming(t *testing.T) {
	r := startTest(t, func(cfg *Config) { cfg.BMP.Events, cfg.BMP.MaxMessage, cfg.BMP.MaxPeers = EventsSessions, 4096, 1 })
	stream := bmp.AppendPeerUp(nil, &bmp.PeerUp{Peer: *eventPeer, LocalAddr: netip.IPv4Unspecified()})
	stream = bmp.AppendPeerUp(stream, &bmp.PeerUp{Peer: bmp.Peer{Addr: netip.MustParseAddr("192.0.2.7"), BGPID: eventPeer.BGPID}, LocalAddr: eventPeer.Addr})
	stream = bmp.AppendInitiation(stream, &bmp.Initiation{SysName: "pe1", Strings: []string{strings.Repeat("x", 4096)}})
	if _, err := r.dialBMP(t, "127.0.0.9").Write(stream); err != nil {
		t.Fatal(err)
	}
	r.wait(t, `telcol_bmp_sessions_ended_total{reason="framing",}`, 1)
	r.wait(t, `telcol_bmp_events_total{event="session_down",}`, 1)
	if n := r.metrics(t)[`telcol_bmp_oddities_total{kind="peer-not-remembered",}`]; n != 1 {
		t.Errorf("%v peers are not remembered, want 1", n)
	}
	if log := r.log.String(); !strings.Contains(log, "bmp session ended") || !strings.Contains(log, "reason=framing") {
		t.Errorf("log %s", log)
	}
	r.stop(t)
	events := parseEvents(t, r.stdout.lines())
	if last := events[len(events)-1]; last.short() != "session_down error" || !strings.Contains(last.Error, "not within 6 and 4096") {
		t.Errorf("the last event is %+v", last)
	}
}

// TestSessionsOfADeviceAreBounded has a device open more sessions than it may have: the oldest one makes room, and other devices' stay.
func TestSessionsOfADeviceAreBounded(t *testing.T) {
	r := startTest(t, func(cfg *Config) { cfg.BMP.Events, cfg.BMP.MaxSessions = EventsSessions, 2 })
	open := func(n float64) func() bool {
		return func() bool { m := r.metrics(t); return m["telcol_bmp_sessions_total{}"] == n }
	}
	r.dialBMP(t, "127.0.0.8")
	waitFor(t, "another device's session", open(1))
	var conns []net.Conn
	for i := range 4 {
		conns = append(conns, r.dialBMP(t, "127.0.0.9"))
		waitFor(t, "the session", open(float64(2+i)))
	}
	for _, c := range conns[:2] {
		_ = c.SetReadDeadline(time.Now().Add(patience))
		if _, err := c.Read(make([]byte, 1)); err == nil || errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("an old session is open: %v", err)
		}
	}
	r.wait(t, `telcol_bmp_sessions_ended_total{reason="crowded",}`, 2)
	r.wait(t, "telcol_bmp_sessions{}", 3)
	conns[2].Close()
	r.wait(t, "telcol_bmp_sessions{}", 2)
	r.dialBMP(t, "127.0.0.9") // there is room again
	r.wait(t, "telcol_bmp_sessions{}", 3)
	if m := r.metrics(t); m[`telcol_bmp_sessions_ended_total{reason="crowded",}`] != 2 {
		t.Error("a session ended although there was room")
	}
	r.stop(t)
}

// TestSessionsOfADeviceAreCounted holds that a consumer can tell a second session of a device from one that follows another.
func TestSessionsOfADeviceAreCounted(t *testing.T) {
	r := startTest(t, func(cfg *Config) { cfg.BMP.Events = EventsSessions })
	up := 0
	dial := func(from string) net.Conn {
		c := r.dialBMP(t, from)
		up++
		waitFor(t, "the session", func() bool { return r.metrics(t)[`telcol_bmp_events_total{event="session_up",}`] == float64(up) })
		return c
	}
	down := func(conns ...net.Conn) {
		was := r.metrics(t)[`telcol_bmp_events_total{event="session_down",}`]
		for _, c := range conns {
			c.Close()
		}
		waitFor(t, "its end", func() bool {
			return r.metrics(t)[`telcol_bmp_events_total{event="session_down",}`] == was+float64(len(conns))
		})
	}
	one, two, other := dial("127.0.0.9"), dial("127.0.0.9"), dial("127.0.0.8")
	down(one)
	three := dial("127.0.0.9")
	down(two, three)
	down(dial("127.0.0.9"), other)
	r.stop(t)
	got := make(map[string][]int)
	for _, e := range parseEvents(t, r.stdout.lines()) {
		if e.Event == "session_up" {
			got[e.Device] = append(got[e.Device], e.Open)
		}
	}
	if want := map[string][]int{"127.0.0.9": {1, 2, 2, 1}, "127.0.0.8": {1}}; !reflect.DeepEqual(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

// told adds up the events that were numbered.
func told(m map[string]float64) (n float64) {
	for name, v := range m {
		if strings.HasPrefix(name, "telcol_bmp_events_total{") {
			n += v
		}
	}
	return n
}

// lostEvents adds up those that were not given to the sink.
func lostEvents(m map[string]float64) (n float64) {
	for name, v := range m {
		if strings.HasPrefix(name, "telcol_lost_total{") && strings.Contains(name, `stage="events"`) {
			n += v
		}
	}
	return n
}

// readEvents reads the event topic from its start, n events at least and then what comes within a moment.
func readEvents(t *testing.T, brokers []string, n int) []event {
	t.Helper()
	var lines []string
	for _, rec := range readTopic(t, brokers, "telcol.bmp", n) {
		lines = append(lines, string(rec.Value))
	}
	return parseEvents(t, lines)
}

func TestEventsThroughKafka(t *testing.T) {
	t.Run("kfake", func(t *testing.T) {
		cluster, err := kfake.NewCluster(kfake.NumBrokers(1))
		if err != nil {
			t.Fatal(err)
		}
		defer cluster.Close()
		testEventsThrough(t, cluster.ListenAddrs())
	})
	t.Run("real", func(t *testing.T) {
		addr := os.Getenv("TELCOL_TEST_KAFKA")
		if addr == "" && os.Getenv("TELCOL_REQUIRE_KAFKA") == "1" {
			t.Fatal("TELCOL_TEST_KAFKA is not set and TELCOL_REQUIRE_KAFKA=1 wants it (deploy/kafka-rig/rig.sh run go test ...)")
		} else if addr == "" {
			t.Skip("TELCOL_TEST_KAFKA is not set (deploy/kafka-rig/rig.sh run go test ...)")
		}
		testEventsThrough(t, strings.Split(addr, ","))
	})
}

// testEventsThrough plays three devices and reads their events back.
func testEventsThrough(t *testing.T, brokers []string) {
	topic := fmt.Sprintf("telcol.bmp.%d", time.Now().UnixNano())
	r := startTest(t, func(cfg *Config) {
		cfg.Sink, cfg.Kafka.Brokers, cfg.BMP.Events = SinkKafka, brokers, EventsAll
		cfg.Kafka.Partitions, cfg.Kafka.Replication = 3, 1
		cfg.Kafka.TopicBMP, cfg.Kafka.TopicFlow = topic, topic+".flow"
	})
	devices := []string{"127.0.0.5", "127.0.0.6", "127.0.0.7"}
	for _, d := range devices {
		if _, err := r.dialBMP(t, d).Write(someSession()); err != nil {
			t.Fatal(err)
		}
	}
	want := len(someEvents) * len(devices)
	waitFor(t, "all events", func() bool { return told(r.metrics(t)) == float64(want) })
	r.stop(t)
	recs := readTopic(t, brokers, topic, want)
	of := make(map[string][]string)
	for _, rec := range recs {
		of[string(rec.Key)] = append(of[string(rec.Key)], string(rec.Value))
		headers := make(map[string]string)
		for _, h := range rec.Headers {
			headers[h.Key] = string(h.Value)
		}
		if headers["schema"] != "1" || headers["content-type"] != "application/json" || headers["slot"] != "0" {
			t.Fatalf("headers %v", headers)
		}
	}
	for _, d := range devices {
		if got := shorts(parseEvents(t, of[d])); !slices.Equal(got, someEvents) {
			t.Errorf("%s\n%q", d, got)
		}
	}
	if len(recs) != want {
		t.Errorf("%d records, want %d", len(recs), want)
	}
}

// readTopic consumes a topic from its start until n records came, and then as long as more come at once.
func readTopic(t *testing.T, brokers []string, topic string, n int) (got []*kgo.Record) {
	t.Helper()
	cl, err := kgo.NewClient(kgo.SeedBrokers(brokers...), kgo.ConsumeTopics(topic), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()))
	if err != nil {
		t.Fatal(err)
	}
	defer cl.Close()
	waitFor(t, strconv.Itoa(n)+" records", func() bool {
		before := len(got)
		got = append(got, pollFor(t, cl)...)
		return len(got) >= n && len(got) == before
	})
	return got
}

const eventRoutes = 6000 // more than a buffer of 1 MiB holds

// dump writes an Initiation and the routes to a session, until the worker has taken them or the connection ends.
func dump(c io.Writer) error {
	b := bmp.AppendInitiation(nil, &bmp.Initiation{SysName: "pe1"})
	for i := 0; i < eventRoutes; i += 100 {
		b = routesMessage(b, i, 100)
	}
	_, err := c.Write(b)
	return err
}

// TestEventsOverflowDrop fills the queue of events while Kafka is away: nothing waits, the losses are counted, and once Kafka is there the
// topic says what is missing.
func TestEventsOverflowDrop(t *testing.T) {
	port := freeport.Get(t)
	r := startTest(t, func(cfg *Config) {
		cfg.Sink, cfg.Kafka.Brokers, cfg.BMP.Events = SinkKafka, []string{fmt.Sprintf("127.0.0.1:%d", port)}, EventsAll
		cfg.BMP.EventsBuffer = 1 << 20
	})
	loud, quiet := r.dialBMP(t, "127.0.0.5"), r.dialBMP(t, "127.0.0.6")
	if err := dump(loud); err != nil {
		t.Fatal(err)
	}
	waitFor(t, "all routes", func() bool { return r.metrics(t)["telcol_rib_routes{}"] == eventRoutes })
	// Another device is taken in full while the queue is full: routes and flows.
	quiet.Write(routesMessage(nil, 0, 10))
	r.send(t, flows(t, 0, 20))
	waitFor(t, "routes and flows of another device", func() bool {
		m := r.metrics(t)
		return m["telcol_rib_routes{}"] == eventRoutes+10 && m[`telcol_sink_accepted_total{,topic="telcol.flow"}`] == 20
	})
	gone := r.dialBMP(t, "127.0.0.7") // comes and goes unheard
	gone.Write(routesMessage(nil, 0, 1))
	waitFor(t, "its route", func() bool { return r.metrics(t)["telcol_rib_routes{}"] == eventRoutes+11 })
	gone.Close()
	var m map[string]float64
	waitFor(t, "its end", func() bool {
		m = r.metrics(t)
		return m["telcol_bmp_sessions{}"] == 2 && m["telcol_bmp_event_sessions_behind{}"] == 3
	})
	if lostEvents(m) < 1000 {
		t.Errorf("%v events lost", lostEvents(m))
	}

	brokers := startCluster(t, port)
	waitFor(t, "the gaps to be told", func() bool {
		m := r.metrics(t)
		return m["telcol_bmp_event_sessions_behind{}"] == 0 && m[`telcol_bmp_event_gaps_total{result="told",}`] == 3
	})
	loud.Write(bmp.AppendRouteMonitoring(nil, eventPeer, []bgp.NLRI{routeNumber(7)}, nil, nil))
	waitFor(t, "the withdrawal", func() bool { return r.metrics(t)["telcol_rib_routes{}"] == eventRoutes+10 })
	loud.Close()
	quiet.Close()
	waitFor(t, "the end of the sessions", func() bool {
		m = r.metrics(t)
		return m["telcol_bmp_sessions{}"] == 0 && m[`telcol_bmp_events_total{event="session_down",}`] == 3
	})
	r.stop(t)

	published := int(told(m) - lostEvents(m))
	got := readEvents(t, brokers, published)
	checkGaps(t, got, uint64(lostEvents(m)))
	if len(got) != published {
		t.Errorf("%d events on the topic, told %v, lost %v", len(got), told(m), lostEvents(m))
	}
	last := make(map[string]string)
	for _, e := range got {
		last[e.Device] += "; " + e.short()
	}
	for d, want := range map[string]string{
		"127.0.0.5": "; gap; route_monitor withdraw 10.0.7.0/24; session_down closed",
		"127.0.0.6": "; gap; session_down closed", "127.0.0.7": "; gap; session_down closed",
	} {
		if !strings.HasSuffix(last[d], want) {
			t.Errorf("%s ends with %s, want %s", d, last[d][max(0, len(last[d])-150):], want)
		}
	}
}

// checkGaps checks that the numbers of each device's events grow by one but for what gaps say, which is what was counted as lost.
func checkGaps(t *testing.T, events []event, lost uint64) {
	t.Helper()
	var missing uint64
	next := make(map[string]uint64)
	for _, e := range events {
		want := next[e.Device] + 1
		if e.Event == "gap" {
			if e.SeqFrom != want || e.SeqTo != e.SeqFrom+e.Lost-1 || e.Seq != e.SeqTo+1 || e.Lost == 0 {
				t.Errorf("%s: %+v, expected number %d", e.Device, e, want)
			}
			missing += e.Lost
			want = e.SeqTo + 1
		}
		if e.Seq != want {
			t.Fatalf("%s: number %d, want %d", e.Device, e.Seq, want)
		}
		next[e.Device] = e.Seq
	}
	if missing != lost {
		t.Errorf("gaps say that %d are missing, counted are %d", missing, lost)
	}
}

// TestEventsOverflowSlow fills the queue likewise: the device waits, its flows and other devices' do not, and nothing is lost.
func TestEventsOverflowSlow(t *testing.T) {
	port := freeport.Get(t)
	r := startTest(t, func(cfg *Config) {
		cfg.Sink, cfg.Kafka.Brokers, cfg.BMP.Events = SinkKafka, []string{fmt.Sprintf("127.0.0.1:%d", port)}, EventsAll
		cfg.BMP.EventsBuffer, cfg.BMP.EventsOverflow = 1<<20, OverflowSlow
	})
	quiet := r.dialBMP(t, "127.0.0.6")
	quiet.Write(routesMessage(nil, 0, 10))
	waitFor(t, "routes of the quiet device", func() bool { return r.metrics(t)["telcol_rib_routes{}"] == 10 })
	loud := r.dialBMP(t, "127.0.0.5")
	dumped := make(chan error, 1)
	go func() { dumped <- dump(loud) }()
	waitFor(t, "the device to wait", func() bool { return r.metrics(t)["telcol_bmp_event_waits_total{}"] > 0 })
	r.send(t, flows(t, 0, 20))
	waitFor(t, "flows of another device", func() bool {
		return r.metrics(t)[`telcol_sink_accepted_total{,topic="telcol.flow"}`] == 20
	})
	if m := r.metrics(t); m["telcol_rib_routes{}"] >= eventRoutes || lostEvents(m) != 0 {
		t.Errorf("%v routes taken, %v events lost", m["telcol_rib_routes{}"], lostEvents(m))
	}
	brokers := startCluster(t, port)
	waitFor(t, "all routes", func() bool { return r.metrics(t)["telcol_rib_routes{}"] == eventRoutes+10 })
	if err := <-dumped; err != nil {
		t.Fatal(err)
	}
	loud.Close()
	quiet.Close()
	waitFor(t, "the end of the sessions", func() bool { return r.metrics(t)["telcol_bmp_sessions{}"] == 0 })
	r.stop(t)
	got := readEvents(t, brokers, eventRoutes+10+2*2+1)
	checkGaps(t, got, 0)
	if len(got) != eventRoutes+10+2*2+1 {
		t.Errorf("%d events", len(got))
	}
}

// TestStopWhileWaiting stops a worker whose session waits for a Kafka that never comes.
func TestStopWhileWaiting(t *testing.T) {
	r := startTest(t, func(cfg *Config) {
		cfg.Sink, cfg.Kafka.Brokers, cfg.BMP.Events = SinkKafka, []string{fmt.Sprintf("127.0.0.1:%d", freeport.Get(t))}, EventsAll
		cfg.BMP.EventsBuffer, cfg.BMP.EventsOverflow, cfg.DrainAfter = 1<<20, OverflowSlow, 1
	})
	go dump(r.dialBMP(t, "127.0.0.5"))
	waitFor(t, "the device to wait", func() bool { return r.metrics(t)["telcol_bmp_event_waits_total{}"] > 0 })
	r.stop(t)
	if !strings.Contains(r.log.String(), "records lost at the stop") {
		t.Errorf("log says nothing of losses:\n%s", r.log)
	}
}

// TestWhatIsUntoldAtTheStopIsLost ends sessions while there is no room for their events, and then the worker: their ends are counted as
// lost, and their gaps as untold.
func TestWhatIsUntoldAtTheStopIsLost(t *testing.T) {
	cfg := Default()
	cfg.BMP.Events, cfg.BMP.EventsBuffer = EventsAll, 1
	out := &stuckWriter{stuck: make(chan struct{})}
	s, err := newSink(&Config{Sink: SinkStdout, Kafka: cfg.Kafka, BMP: cfg.BMP}, Env{Stdout: out}, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	defer close(out.stuck)
	ev := newEvents(&cfg, s)
	ctx, cancel := context.WithCancel(t.Context())
	for i := range 3 {
		from := netip.AddrPortFrom(netip.AddrFrom4([4]byte{192, 0, 2, byte(i)}), 1)
		told := ev.session(ctx, from)
		told.Message(&bmp.Initiation{SysName: "pe"}, nil)
		told.end(downClosed, "")
	}
	cancel()
	ev.run(ctx)
	const numbered = 3 * 3 // session up, initiation, session down
	var counted uint64
	for k := range numEventKinds {
		counted += ev.counted[k].Load()
	}
	accepted := s.Counters()[TopicBMP].Accepted
	lost := ev.lostFull.Load() + ev.lostStop.Load()
	if counted != numbered || accepted+lost != numbered || lost == 0 || ev.untold.Load() == 0 || ev.pending() != 0 {
		t.Errorf("%d events, %d accepted, %d lost, %d gaps untold, %d sessions behind", counted, accepted, lost, ev.untold.Load(), ev.pending())
	}
}

// stuckWriter takes nothing until its channel is closed.
type stuckWriter struct{ stuck chan struct{} }

func (w *stuckWriter) Write(p []byte) (int, error) { <-w.stuck; return len(p), nil }

// startCluster starts a broker on a port that was unused until now.
func startCluster(t *testing.T, port int) []string {
	t.Helper()
	c, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.Ports(port), kfake.SeedTopics(1, "telcol.flow", "telcol.bmp"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c.ListenAddrs()
}

// pollFor returns what a consumer has or gets within a moment.
func pollFor(t *testing.T, cl *kgo.Client) []*kgo.Record {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	return cl.PollFetches(ctx).Records()
}
