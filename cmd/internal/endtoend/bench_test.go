package endtoend

import (
	"bufio"
	be "encoding/binary"
	"fmt"
	"math/rand/v2"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
	"unsafe"

	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"
	"golang.org/x/sys/unix"

	"github.com/telcol/telcol/bmp"
	"github.com/telcol/telcol/bmp/bgp"
	"github.com/telcol/telcol/cmd/internal/daemons"
	"github.com/telcol/telcol/deploy/freeport"
	"github.com/telcol/telcol/ipfix"
)

const (
	benchRoutes  = 100_000
	benchPerMsg  = 20
	benchRate    = 100_000 // records a second; the cost of a record depends on it
	benchPool    = 8192    // prepared messages
	benchSource  = "127.66.0.1"
	benchPerAttr = 5 // routes an UPDATE
)

// BenchmarkWholePath measures the CPU time of one worker process from the UDP socket to a Kafka-protocol broker, uncompressed JSON, with
// the join: 25 fields a record, 20 records a datagram, both addresses drawn evenly from a table of 100 000 routes. The
// broker and the exporter are in this process and not counted. The worker has one core, as all daemons had with which it is compared:
// threads that wander between two, and fetch their memory anew each time, take about a tenth more. Run it with a fixed number of records:
//
//	go test -run '^$' -bench WholePath -benchtime 1000000x ./cmd/internal/endtoend
func BenchmarkWholePath(b *testing.B) {
	delivered, broker := countingBroker(b)
	w := startBenchWorker(b, true, "--kafka-brokers", broker)
	table, stream := benchTable()
	conn := dialBMP(b, w.bmp)
	if _, err := conn.Write(stream); err != nil {
		b.Fatal(err)
	}
	waitBench(b, func() bool { return w.value("telcol_rib_routes") == benchRoutes })
	msgs := benchMessages(b, table)
	exporter := dialUDP(b, w.ipfix)
	exporter.Write(benchTemplate(b))

	messages := (b.N + benchPerMsg - 1) / benchPerMsg
	allocs := w.value("go_memstats_mallocs_total")
	cpu := processCPU(b, w.pid)
	b.ResetTimer()
	start := time.Now()
	for i := range messages {
		msg := msgs[i%len(msgs)]
		be.BigEndian.PutUint32(msg[8:], uint32(i*benchPerMsg))
		exporter.Write(msg)
		if due := time.Duration(i) * benchPerMsg * time.Second / benchRate; due > time.Since(start)+time.Millisecond {
			time.Sleep(due - time.Since(start))
		}
	}
	records := float64(messages * benchPerMsg)
	waitBench(b, func() bool {
		return float64(delivered.Load())+benchPerMsg*w.value("telcol_intake_kernel_drops_total") >= records
	})
	b.StopTimer()
	if drops := w.value("telcol_intake_kernel_drops_total"); drops > 0 {
		b.Logf("%v datagrams dropped by the kernel: the worker did not get the CPU it needed", drops)
		records -= benchPerMsg * drops
	}
	b.ReportMetric((processCPU(b, w.pid)-cpu)/records/1e3, "cpu-µs/record")
	b.ReportMetric((w.value("go_memstats_mallocs_total")-allocs)/records, "allocs/record")
	if hits := w.value("telcol_join_total", `result="hit"`) + w.value("telcol_join_total", `result="hit-next-hop"`); hits < 2*records {
		b.Errorf("%v addresses joined of %v", hits, 2*records)
	}
}

// countingBroker acknowledges what is produced to it and keeps nothing.
func countingBroker(b *testing.B) (*atomic.Int64, string) {
	b.Helper()
	c, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.SeedTopics(4, "telcol.flow", "telcol.bmp"))
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(c.Close)
	var n atomic.Int64
	c.ControlKey(int16(kmsg.Produce), func(r kmsg.Request) (kmsg.Response, error, bool) {
		c.KeepControl()
		req := r.(*kmsg.ProduceRequest)
		resp := req.ResponseKind().(*kmsg.ProduceResponse)
		for _, t := range req.Topics {
			rt := kmsg.NewProduceResponseTopic()
			rt.Topic, rt.TopicID = t.Topic, t.TopicID
			for _, p := range t.Partitions {
				rp := kmsg.NewProduceResponseTopicPartition()
				rp.Partition = p.Partition
				count := int64(be.BigEndian.Uint32(p.Records[57:])) // of a record batch, version 2
				rp.BaseOffset = n.Add(count) - count
				rt.Partitions = append(rt.Partitions, rp)
			}
			resp.Topics = append(resp.Topics, rt)
		}
		return resp, nil, true
	})
	return &n, c.ListenAddrs()[0]
}

// onOneCore runs f with its thread bound to one core, which processes that f starts inherit.
func onOneCore(b *testing.B, f func()) {
	b.Helper()
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	var before, one unix.CPUSet
	if err := unix.SchedGetaffinity(0, &before); err != nil {
		b.Fatal(err)
	}
	for i := range 8 * int(unsafe.Sizeof(before)) {
		if before.IsSet(i) {
			one.Set(i)
			break
		}
	}
	if err := unix.SchedSetaffinity(0, &one); err != nil {
		b.Fatal(err)
	}
	defer unix.SchedSetaffinity(0, &before)
	f()
}

// benchWorker is a worker process without steering.
type benchWorker struct {
	pid              int
	ipfix, bmp, http string
}

func startBenchWorker(b *testing.B, oneCore bool, args ...string) *benchWorker {
	b.Helper()
	path := daemons.Binary(b)
	port := func() string { return fmt.Sprintf("127.0.0.1:%d", freeport.Get(b)) }
	w := &benchWorker{ipfix: port(), bmp: port(), http: port()}
	var p *os.Process
	var err error
	start := func() {
		p, err = os.StartProcess(path, append([]string{
			path, "worker", "--slot", "0", "--steering", "off", "--listen-ipfix", w.ipfix, "--listen-bmp", w.bmp, "--http", w.http, "--log-level", "error",
		}, args...), &os.ProcAttr{Files: []*os.File{nil, nil, os.Stderr}, Sys: &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}})
	}
	if oneCore {
		onOneCore(b, start)
	} else {
		start()
	}
	if err != nil {
		b.Fatal(err)
	}
	w.pid = p.Pid
	b.Cleanup(func() { p.Kill(); p.Wait() })
	waitBench(b, func() bool {
		_, code, err := daemons.Get("http://" + w.http + "/readyz")
		return err == nil && code == 200
	})
	return w
}

// value adds up the lines of a metric that contain a label.
func (w *benchWorker) value(name string, label ...string) (sum float64) {
	body, _, err := daemons.Get("http://" + w.http + "/metrics")
	if err != nil {
		return -1
	}
	s := bufio.NewScanner(strings.NewReader(body))
	for s.Scan() {
		full, v, _ := strings.Cut(s.Text(), "} ")
		if bare, value, ok := strings.Cut(s.Text(), " "); ok && bare == name {
			full, v = name+"{", value
		}
		if strings.HasPrefix(full, name+"{") && (len(label) == 0 || strings.Contains(full, label[0])) {
			f, _ := strconv.ParseFloat(v, 64)
			sum += f
		}
	}
	return sum
}

// processCPU is the time that all threads of a process ran, in nanoseconds, from the scheduler's own accounts.
func processCPU(b *testing.B, pid int) (sum float64) {
	b.Helper()
	tasks, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/schedstat", pid))
	if err != nil || len(tasks) == 0 {
		b.Fatalf("no tasks of process %d: %v", pid, err)
	}
	for _, t := range tasks {
		var ran float64
		if text, err := os.ReadFile(t); err == nil {
			fmt.Sscan(string(text), &ran)
		}
		sum += ran
	}
	return sum
}

// benchTable draws prefixes with lengths like the Internet's and gives them with the BMP stream that tells them.
func benchTable() ([]netip.Prefix, []byte) {
	r := rand.New(rand.NewPCG(1, 2))
	peer := &bmp.Peer{Type: bmp.PeerLocRIB, Addr: netip.IPv4Unspecified(), BGPID: netip.MustParseAddr("192.0.2.1"), Time: time.Now().UnixNano()}
	seen := make(map[netip.Prefix]bool, benchRoutes)
	var all []netip.Prefix
	stream := bmp.AppendInitiation(nil, &bmp.Initiation{SysName: "bench"})
	var batch []bgp.NLRI
	for len(all) < benchRoutes {
		bits := 24
		if r.IntN(10) >= 6 {
			bits = 16 + r.IntN(8)
		}
		p := netip.PrefixFrom(netip.AddrFrom4([4]byte{byte(1 + r.IntN(100)), byte(r.Uint32()), byte(r.Uint32()), 0}), bits).Masked()
		if seen[p] {
			continue
		}
		seen[p] = true
		all = append(all, p)
		batch = append(batch, bgp.NLRI{Prefix: p, Family: bgp.NewFamily(1, bgp.SAFIUnicast)})
		if len(batch) == benchPerAttr {
			stream = bmp.AppendRouteMonitoring(stream, peer, nil, batch, benchAttrs(r))
			batch = batch[:0]
		}
	}
	return all, bmp.AppendEndOfRIB(stream, peer, bgp.NewFamily(1, bgp.SAFIUnicast))
}

func benchAttrs(r *rand.Rand) *bgp.Attributes {
	a := &bgp.Attributes{
		HasOrigin: true, HasASPath: true, NextHop: netip.AddrFrom4([4]byte{192, 0, 2, byte(r.IntN(4))}), HasLocalPref: true, LocalPref: 100,
	}
	for range 3 + r.IntN(4) {
		a.ASPath = append(a.ASPath, uint32(1000+r.IntN(200_000)))
	}
	for i := range r.IntN(6) {
		a.Communities = append(a.Communities, 64500<<16|uint32(1000*i+r.IntN(1000)))
	}
	return a
}

// benchFields is a template of 25 fields, 69 octets.
var benchFields = [][2]uint16{
	{8, 4},
	{12, 4},
	{1, 4},
	{2, 4},
	{4, 1},
	{5, 1},
	{6, 1},
	{7, 2},
	{11, 2},
	{32, 2},
	{9, 1},
	{13, 1},
	{10, 4},
	{14, 4},
	{18, 4},
	{152, 8},
	{153, 8},
	{234, 4},
	{235, 4},
	{61, 1},
	{89, 1},
	{136, 1},
	{60, 1},
	{192, 1},
	{52, 1},
}

const benchTemplateID = 300

func benchHeader() ipfix.Header {
	return ipfix.Header{Version: ipfix.VersionIPFIX, ExportTime: time.Now().UnixNano(), Domain: 1}
}

func benchTemplate(b *testing.B) []byte {
	b.Helper()
	var m ipfix.Builder
	m.Begin(nil, benchHeader())
	fields := make([]ipfix.Field, len(benchFields))
	for i, f := range benchFields {
		fields[i] = ipfix.Field{ID: f[0], Len: f[1]}
	}
	m.Template(benchTemplateID, fields...)
	return built(b, &m)
}

func benchMessages(b *testing.B, table []netip.Prefix) [][]byte {
	b.Helper()
	r := rand.New(rand.NewPCG(3, 4))
	host := func() uint64 {
		p := table[r.IntN(len(table))]
		a := p.Addr().As4()
		return uint64(be.BigEndian.Uint32(a[:]) | r.Uint32()>>p.Bits())
	}
	msgs := make([][]byte, benchPool)
	for i := range msgs {
		var m ipfix.Builder
		m.Begin(nil, benchHeader())
		m.Set(benchTemplateID)
		for range benchPerMsg {
			for _, f := range benchFields {
				v := uint64(r.IntN(40))
				switch f[0] {
				case 8, 12:
					v = host()
				case 18:
					v = 0xc0000200 + uint64(r.IntN(4))
				case 4:
					v = []uint64{6, 6, 6, 17}[r.IntN(4)]
				case 60:
					v = 4
				case 7, 11:
					v = 1024 + r.Uint64N(60_000)
				case 152, 153:
					v = uint64(time.Now().UnixMilli())
				case 234, 235:
					v = 0
				}
				m.Uint(v, int(f[1]))
			}
		}
		msgs[i] = built(b, &m)
	}
	return msgs
}

func built(b *testing.B, m *ipfix.Builder) []byte {
	b.Helper()
	msg, err := m.Finish()
	if err != nil {
		b.Fatal(err)
	}
	return msg
}

func dialBMP(b *testing.B, to string) net.Conn {
	b.Helper()
	d := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(benchSource)}}
	c, err := d.Dial("tcp", to)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { c.Close() })
	return c
}

func dialUDP(b *testing.B, to string) net.Conn {
	b.Helper()
	d := net.Dialer{LocalAddr: &net.UDPAddr{IP: net.ParseIP(benchSource)}}
	c, err := d.Dial("udp", to)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { c.Close() })
	return c
}

func waitBench(b *testing.B, ok func() bool) {
	b.Helper()
	for end := time.Now().Add(60 * time.Second); !ok(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(end) {
			b.Fatal("waited 60 s")
		}
	}
}
