package endtoend

import (
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/telcol/telcol/bmp"
	"github.com/telcol/telcol/cmd/internal/daemons"
	"github.com/telcol/telcol/ipfix"
	"github.com/telcol/telcol/steering"
)

// ecmpFlows is how many datagrams from different ports, and how many connections, a device sends in one round.
const ecmpFlows = 2

// round has all devices send, and returns the host of each: 0 of those whose streams were split.
func (a *arrivals) round(t *testing.T) map[netip.Addr]int {
	t.Helper()
	a.reset()
	all := ecmpAll()
	within(t, "devices", func() {
		for _, d := range all {
			for range ecmpFlows {
				sendFrom(t, d, ecmpPort, []byte("flow"))
				connectFrom(t, d, ecmpPort).Close()
			}
		}
	})
	daemons.Eventually(t, "everything to arrive", func() error {
		if n, want := a.count(), 2*ecmpFlows*len(all); n != want {
			return fmt.Errorf("%d of %d", n, want)
		}
		return nil
	})
	hosts := make(map[netip.Addr]int)
	for _, d := range all {
		hosts[d] = a.hostOf(d)
	}
	return hosts
}

// ecmpAll gives all devices.
func ecmpAll() (all []netip.Addr) {
	for i := range ecmpDevices {
		all = append(all, ecmpDevice(i, false), ecmpDevice(i, true))
	}
	return all
}

// sendFrom sends a datagram from a device; the thread is in its namespace.
func sendFrom(t *testing.T, device netip.Addr, port uint16, payload []byte) {
	t.Helper()
	c, err := net.DialUDP("udp", net.UDPAddrFromAddrPort(netip.AddrPortFrom(device, 0)), net.UDPAddrFromAddrPort(netip.AddrPortFrom(collectorOf(device), port)))
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if _, err := c.Write(payload); err != nil {
		t.Fatalf("device %s: %v", device, err)
	}
}

// connectFrom connects from a device; the thread is in its namespace.
func connectFrom(t *testing.T, device netip.Addr, port uint16) net.Conn {
	t.Helper()
	for {
		c, err := net.DialTCP("tcp", net.TCPAddrFromAddrPort(netip.AddrPortFrom(device, 0)), net.TCPAddrFromAddrPort(netip.AddrPortFrom(collectorOf(device), port)))
		if errors.Is(err, unix.EINTR) {
			continue
		}
		if err != nil {
			t.Fatalf("device %s: %v", device, err)
		}
		return c
	}
}

// split counts the devices of each family whose streams reached several hosts.
func split(hosts map[netip.Addr]int) (v4, v6 int) {
	for d, host := range hosts {
		switch {
		case host != 0:
		case d.Is4():
			v4++
		default:
			v6++
		}
	}
	return v4, v6
}

// TestSeveralHosts puts hosts with the same address behind a Linux router that is set up by the script of deploy/ecmp.
func TestSeveralHosts(t *testing.T) {
	if testing.Short() {
		t.Skip("-short: takes 10 s")
	}
	requireBPF(t)
	needResilient(t)
	if !inNamespace(t) {
		return
	}
	buildNetwork(t)
	a := &arrivals{}
	for host := 1; host <= ecmpHosts; host++ {
		a.listenOn(t, host)
	}
	hashes(t, a)
	leaving(t, a)
	alike(t)
}

// hashes compares what routers hash: the source alone keeps every device on one host, ports and flow labels do not.
func hashes(t *testing.T, a *arrivals) {
	for _, c := range []struct {
		name           string
		policy         string
		least4, least6 int // devices split
		most4, most6   int
	}{
		{"source address alone", "3", 0, 0, 0, 0},
		{"policy 0: addresses, and the flow label of IPv6", "0", 0, ecmpDevices / 2, 0, ecmpDevices},
		{"policy 1: addresses and ports", "1", ecmpDevices / 2, ecmpDevices / 2, ecmpDevices, ecmpDevices},
	} {
		router(t, "hash")
		setSysctl(t, "ipv4/fib_multipath_hash_policy", c.policy)
		setSysctl(t, "ipv6/fib_multipath_hash_policy", c.policy)
		hosts := a.round(t)
		v4, v6 := split(hosts)
		t.Logf("%s: of %d devices %d (IPv4) and %d (IPv6) are split", c.name, ecmpDevices, v4, v6)
		if v4 < c.least4 || v4 > c.most4 || v6 < c.least6 || v6 > c.most6 {
			t.Errorf("%s: %d and %d devices are split, want %d to %d and %d to %d", c.name, v4, v6, c.least4, c.most4, c.least6, c.most6)
		}
	}
	router(t, "hash")
}

// leaving takes the third of three hosts away: its devices move, and with the script's resilient group no others.
func leaving(t *testing.T, a *arrivals) {
	router(t, "group", "1", "2", "3")
	// The group is made anew: one that is in use gives its third host nothing before unbalanced_timer.
	batch(t, "", "nexthop flush")
	for i := 1; i <= ecmpHosts; i++ {
		router(t, "host", fmt.Sprint(i), fmt.Sprintf("h%d", i), fmt.Sprintf("10.0.%d.2", i), fmt.Sprintf("fd00:0:0:%d::2", i))
	}
	router(t, "group", "1", "2", "3")
	router(t, "route", collector4.String()+"/32", collector6.String()+"/128")
	if others := leave(t, a, "resilient group", func() { router(t, "group", "1", "2") }); others != 0 {
		t.Errorf("resilient group: %d devices of the hosts that stay moved", others)
	}
	plain := func(hosts ...int) {
		via4, via6 := "", ""
		for _, i := range hosts {
			via4 += fmt.Sprintf(" nexthop via 10.0.%d.2", i)
			via6 += fmt.Sprintf(" nexthop via fd00:0:0:%d::2", i)
		}
		batch(t, "", fmt.Sprintf("route replace %s/32%s", collector4, via4), fmt.Sprintf("route replace %s/128%s", collector6, via6))
	}
	plain(1, 2, 3)
	if others := leave(t, a, "ordinary multipath route", func() { plain(1, 2) }); others == 0 {
		t.Error("ordinary multipath route: only the devices of the host that left moved, so that this test shows nothing")
	}
	router(t, "route", collector4.String()+"/32", collector6.String()+"/128")
}

// leave returns how many devices of the first two hosts moved when the third left.
func leave(t *testing.T, a *arrivals, name string, change func()) (others int) {
	before := a.round(t)
	change()
	after := a.round(t)
	moved, share := 0, [ecmpHosts + 1]int{}
	for d, host := range before {
		share[host]++
		if host == 0 || after[d] == 0 {
			t.Errorf("%s: device %s is split", name, d)
		}
		switch {
		case after[d] == 3:
			t.Errorf("%s: device %s is still at the host that left", name, d)
		case host == 3:
			moved++
		case after[d] != host:
			others++
		}
	}
	t.Logf("%s: hosts had %v devices; the third left: its %d moved, and %d others", name, share[1:], moved, others)
	if share[1] == 0 || share[2] == 0 || share[3] == 0 {
		t.Errorf("%s: a host has no devices", name)
	}
	return others
}

// alike runs telcol on two hosts, with one key: a device has the same slot on both, and both its streams reach it on one host.
func alike(t *testing.T) {
	const slots = 2
	key := filepath.Join(t.TempDir(), "key")
	var workers []*daemons.Worker
	var groups []*steering.Group
	for host := 1; host <= 2; host++ {
		within(t, hostName(host), func() {
			daemons.Telcol(t, "steering", "init", "--group", hostName(host), "--slots", strconv.Itoa(slots), "--key-file", key)
			for slot := range slots {
				workers = append(workers, daemons.StartWorker(t, "--group", hostName(host), "--slot", strconv.Itoa(slot), "--sink", "stdout", "--http", "off", "--log-level", "warn"))
			}
		})
		g, err := steering.Open("", hostName(host))
		if err != nil {
			t.Fatal(err)
		}
		defer g.Close()
		groups = append(groups, g)
	}
	awaitTold(t, groups, "workers", func(*steering.SlotStatus) int { return 1 }, len(workers))
	all := ecmpAll()
	for _, d := range all {
		if one, two := groups[0].Where(d), groups[1].Where(d); one != two {
			t.Fatalf("device %s: %+v on one host, %+v on the other", d, one, two)
		}
	}
	conns := make([]net.Conn, 0, len(all))
	defer func() {
		for _, c := range conns {
			c.Close()
		}
	}()
	within(t, "devices", func() {
		for _, d := range all {
			c := connectFrom(t, d, 1790)
			conns = append(conns, c)
			if _, err := c.Write(bmp.AppendInitiation(nil, &bmp.Initiation{SysName: d.String()})); err != nil {
				t.Fatal(err)
			}
			sendFrom(t, d, 4739, oneFlow(t))
		}
	})
	awaitTold(t, groups, "sessions", func(s *steering.SlotStatus) int { return int(s.Report.Sessions) }, len(all))
	awaitTold(t, groups, "datagrams", func(s *steering.SlotStatus) int { return int(s.Report.Datagrams) }, len(all))
	awaitTold(t, groups, "foreign", func(s *steering.SlotStatus) int { return int(s.Report.Foreign + s.Report.ForeignConns) }, 0)
	for _, w := range workers {
		w.Stop(t)
	}
	records, perHost := 0, [2]int{}
	for i, w := range workers {
		for _, line := range w.Lines(t) {
			var r struct {
				Device netip.Addr `json:"device"`
				Slot   int        `json:"slot"`
				Name   string     `json:"device_name"` // told by BMP
			}
			if err := json.Unmarshal([]byte(line), &r); err != nil {
				t.Fatal(err)
			}
			if want := groups[0].Where(r.Device).Slot; r.Slot != i%slots || r.Slot != want || r.Name != r.Device.String() {
				t.Errorf("device %s, slot %d: record of slot %d at worker %d with the name %q", r.Device, want, r.Slot, i, r.Name)
			}
			records++
			perHost[i/slots]++
		}
	}
	if records != len(all) || perHost[0] == 0 || perHost[1] == 0 {
		t.Errorf("%d records of %d devices, %v on the hosts", records, len(all), perHost)
	}
	t.Logf("telcol on two hosts: %v devices, each with both streams in its slot", perHost)
}

// awaitTold waits until what the workers of all groups tell adds up.
func awaitTold(t *testing.T, groups []*steering.Group, what string, of func(*steering.SlotStatus) int, want int) {
	t.Helper()
	daemons.Eventually(t, what, func() error {
		sum := 0
		for _, g := range groups {
			all, err := g.Workers()
			if err != nil {
				return err
			}
			for i := range all {
				if !all[i].Alive || all[i].Report == nil {
					return fmt.Errorf("slot %d of %s is not there", i, g.Name())
				}
				sum += of(&all[i])
			}
		}
		if sum != want {
			return fmt.Errorf("%d, want %d", sum, want)
		}
		return nil
	})
}

// oneFlow gives a datagram with a template and one flow.
func oneFlow(t *testing.T) []byte {
	t.Helper()
	var b ipfix.Builder
	b.Begin(nil, ipfix.Header{Version: ipfix.VersionIPFIX, ExportTime: time.Now().UnixNano(), Domain: 1})
	b.Template(256, ipfix.Field{ID: 8, Len: 4}, ipfix.Field{ID: 12, Len: 4}, ipfix.Field{ID: 1, Len: 4})
	b.Set(256)
	b.Addr(netip.MustParseAddr("198.51.100.1"))
	b.Addr(netip.MustParseAddr("203.0.113.1"))
	b.Uint(100, 4)
	msg, err := b.Finish()
	if err != nil {
		t.Fatal(err)
	}
	return msg
}
