package interop

import (
	"encoding/json"
	"fmt"
	"net/netip"
	"os"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/telcol/telcol/cmd/internal/daemons"
	"github.com/telcol/telcol/deploy/freeport"
)

// collector is a worker of telcol whose records are read.
type collector struct {
	*daemons.Worker
	addr   string
	faults float64 // after finish: sequence numbers that do not follow each other
}

func startCollector(t *testing.T) *collector {
	t.Helper()
	addr := fmt.Sprintf("127.0.0.1:%d", freeport.Get(t))
	w := daemons.StartWorker(t, "--slot", "0", "--steering", "off", "--sink", "stdout",
		"--listen-ipfix", addr, "--listen-bmp", fmt.Sprintf("127.0.0.1:%d", freeport.Get(t)))
	w.WaitReady(t)
	return &collector{Worker: w, addr: addr}
}

// flowRecord is what the tests look at in a record.
type flowRecord struct {
	Protocol  string     `json:"flow_protocol"`
	Domain    uint32     `json:"observation_domain_id"`
	Template  uint16     `json:"template_id"`
	Src       netip.Addr `json:"src_addr"`
	Dst       netip.Addr `json:"dst_addr"`
	SrcPort   uint16     `json:"src_port"`
	DstPort   uint16     `json:"dst_port"`
	Proto     uint8      `json:"proto"`
	Bytes     uint64     `json:"bytes"`
	Packets   uint64     `json:"packets"`
	Start     time.Time  `json:"time_flow_start"`
	End       time.Time  `json:"time_flow_end"`
	Direction *uint8     `json:"flow_direction"`
}

func (r *flowRecord) key() key {
	return key{netip.AddrPortFrom(r.Src, r.SrcPort), netip.AddrPortFrom(r.Dst, r.DstPort), r.Proto}
}

// records reads all records that the worker has printed.
func (c *collector) records(t *testing.T) []flowRecord {
	t.Helper()
	var all []flowRecord
	for _, line := range c.Lines(t) {
		var r flowRecord
		if err := json.Unmarshal([]byte(line), &r); err != nil {
			t.Fatalf("%v: %s", err, line)
		}
		all = append(all, r)
	}
	return all
}

// finish waits until the worker has decoded so many data records, ends it, checks that it counts no loss, and returns the records.
func (c *collector) finish(t *testing.T, records uint64) []flowRecord {
	t.Helper()
	daemons.Eventually(t, "data records", func() error {
		if n := c.Metric(t, "telcol_ipfix_records_total", "kind", "data"); n < float64(records) {
			return fmt.Errorf("%v of %d", n, records)
		}
		return nil
	})
	if n := c.Metric(t, "telcol_lost_total"); n != 0 {
		t.Errorf("%v of something were lost", n)
	}
	c.faults = c.Metric(t, "telcol_ipfix_sequence_total")
	c.Stop(t)
	all := c.records(t)
	if uint64(len(all)) != records {
		t.Errorf("telcol gave %d records, want %d", len(all), records)
	}
	now := time.Now()
	for _, r := range all {
		if r.Start.IsZero() || r.End.Before(r.Start) || now.Sub(r.Start) > 5*daemons.Patience || r.End.After(now.Add(time.Second)) {
			t.Errorf("flow of %v lasts from %v to %v, now is %v", r.key(), r.Start, r.End, now)
			break
		}
	}
	return all
}

// sum adds the records up by flow.
func sum(all []flowRecord) volumes {
	v := make(volumes)
	for _, r := range all {
		v.add(r.key(), volume{r.Bytes, r.Packets})
	}
	return v
}

// nfcapd is the second collector.
type nfcapd struct {
	*daemons.Process
	port      int
	addr, dir string
	faults    uint64 // after finish: sequence numbers that do not follow each other
}

func startNfcapd(t *testing.T) *nfcapd {
	t.Helper()
	port := freeport.Get(t)
	n := &nfcapd{port: port, addr: fmt.Sprintf("127.0.0.1:%d", port), dir: daemons.Dir(t)}
	n.Process = daemons.Start(t, "nfcapd", "-w", n.dir, "-b", "127.0.0.1", "-p", strconv.Itoa(port))
	daemons.Eventually(t, "nfcapd to listen", func() error {
		if err := n.Err(); err != nil {
			t.Fatal(err)
		}
		_, err := n.unread()
		return err
	})
	return n
}

// unread is how much its socket holds.
func (n *nfcapd) unread() (octets uint64, err error) {
	b, err := os.ReadFile("/proc/net/udp")
	if err != nil {
		return 0, err
	}
	for line := range strings.Lines(string(b)) {
		f := strings.Fields(line)
		if strings.HasSuffix(f[1], fmt.Sprintf(":%04X", n.port)) {
			_, queue, _ := strings.Cut(f[4], ":")
			return strconv.ParseUint(queue, 16, 64)
		}
	}
	return 0, fmt.Errorf("port %d is not bound", n.port)
}

// idle waits until it has stored what came: it forgets what it is at when it is told to end.
func (n *nfcapd) idle(t *testing.T) {
	t.Helper()
	daemons.Eventually(t, "nfcapd to have read all", func() error {
		if octets, err := n.unread(); octets != 0 || err != nil {
			return fmt.Errorf("%d octets are unread, %s", octets, fmt.Sprint(err))
		}
		b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", n.Cmd.Process.Pid))
		if err != nil {
			return err
		}
		if _, state, _ := strings.Cut(string(b), ") "); !strings.HasPrefix(state, "S") { // it sleeps where it waits for more
			return fmt.Errorf("it is at work: %s", state)
		}
		return nil
	})
}

// finish ends nfcapd and reads with nfdump what it stored: flows and the number of their records.
func (n *nfcapd) finish(t *testing.T) (volumes, uint64) {
	t.Helper()
	n.idle(t)
	n.Stop(t)
	for _, m := range sequenceErrors.FindAllStringSubmatch(n.Output(), -1) {
		n.faults += number(t, m[1])
	}
	out := daemons.Run(t, "nfdump", "-R", n.dir, "-q", "-N", "-6", "-o", "fmt:%sa,%sp,%da,%dp,%pr,%pkt,%byt")
	v := make(volumes)
	var records uint64
	for line := range strings.Lines(out) {
		f := strings.Split(strings.TrimSpace(line), ",")
		if len(f) != 7 {
			continue
		}
		for i := range f {
			f[i] = strings.TrimSpace(f[i])
		}
		src, err1 := netip.ParseAddr(f[0])
		dst, err2 := netip.ParseAddr(f[2])
		if err1 != nil || err2 != nil {
			t.Fatalf("nfdump: %q", line)
		}
		v.add(key{
			netip.AddrPortFrom(src, uint16(number(t, f[1]))), netip.AddrPortFrom(dst, uint16(number(t, f[3]))), uint8(number(t, f[4])),
		}, volume{number(t, f[6]), number(t, f[5])})
		records++
	}
	return v, records
}

var sequenceErrors = regexp.MustCompile(`Sequence Errors: (\d+), Bad Packets`)

// checkSequence compares what both collectors think of the sequence numbers: some exporters count wrongly.
func checkSequence(t *testing.T, c *collector, n *nfcapd) {
	t.Helper()
	if (c.faults > 0) != (n.faults > 0) {
		t.Errorf("telcol says that %v sequence numbers are wrong, nfcapd says %d", c.faults, n.faults)
	}
}

// number reads a number of a program's output.
func number(t testing.TB, text string) uint64 {
	t.Helper()
	n, err := strconv.ParseUint(text, 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	return n
}
