package endtoend

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/telcol/telcol/bmp"
	"github.com/telcol/telcol/bmp/bgp"
	"github.com/telcol/telcol/cmd/internal/daemons"
	"github.com/telcol/telcol/ipfix"
)

// TestAliasesMeet has routers whose flows come over IPv4 and whose routes come over IPv6. Each one's two streams reach one worker,
// which joins them.
func TestAliasesMeet(t *testing.T) {
	const devices = 12
	flowAddr := func(i int) string { return fmt.Sprintf("127.66.1.%d", i+1) }
	bmpAddr := func(i int) string { return fmt.Sprintf("fd66::%x", i+1) }
	var addrs, aliases []string
	for i := range devices {
		addrs = append(addrs, bmpAddr(i))
		aliases = append(aliases, bmpAddr(i)+"="+flowAddr(i))
	}
	if !inNamespace(t, addrs...) {
		return
	}
	g := startGroup(t, 4, "--sink", "stdout", "--aliases-addresses", strings.Join(aliases, ","))
	checkAliasesNotSaved(t, g, devices)
	_, port, err := net.SplitHostPort(g.bmp)
	if err != nil {
		t.Fatal(err)
	}
	for i := range devices {
		d := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(bmpAddr(i))}}
		conn, err := d.DialContext(t.Context(), "tcp", "[::1]:"+port)
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		if _, err := conn.Write(routesOf(uint32(64500 + i))); err != nil {
			t.Fatal(err)
		}
	}
	daemons.Eventually(t, "routes", func() error {
		if n := g.sum(t, "telcol_rib_routes"); n != devices {
			return fmt.Errorf("%v of %d routes", n, devices)
		}
		return nil
	})
	for i := range devices {
		d := net.Dialer{LocalAddr: &net.UDPAddr{IP: net.ParseIP(flowAddr(i))}}
		conn, err := d.DialContext(t.Context(), "udp", g.ipfix)
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		if _, err := conn.Write(flowOf(t, uint64(i))); err != nil {
			t.Fatal(err)
		}
	}
	waitTaken(t, g, devices)
	g.stop(t)
	seen, workers := 0, 0
	for _, w := range g.workers {
		lines := w.Lines(t)
		if len(lines) > 0 {
			workers++
		}
		for _, line := range lines {
			var r struct {
				Device   string `json:"device"`
				Join     string `json:"join_dst"`
				DstAS    int    `json:"dst_as"`
				Bytes    int    `json:"bytes"`
				RIB      string `json:"rib_state"`
				Exporter string `json:"exporter_addr"`
			}
			if err := json.NewDecoder(bytes.NewReader([]byte(line))).Decode(&r); err != nil {
				t.Fatal(err)
			}
			if want := flowAddr(r.Bytes); r.Device != want || r.Exporter != want || r.Join != "hit" || r.DstAS != 64500+r.Bytes || r.RIB != "synced" {
				t.Errorf("record %s", line)
			}
			seen++
		}
	}
	if seen != devices || workers < 2 {
		t.Errorf("%d records from %d workers, want %d from several", seen, workers, devices)
	}
}

// TestExportersBecomeAliases makes addresses aliases that have told their templates and tell them no more. Most of them move to another worker by
// that, which decodes what they send with what the one before has saved: half of them send at once, half when all workers know.
func TestExportersBecomeAliases(t *testing.T) {
	const devices = 12
	exporter := func(i int) string { return fmt.Sprintf("127.66.2.%d", i+1) }
	router := func(i int) string { return fmt.Sprintf("127.66.3.%d", i+1) }
	if !inNamespace(t) {
		return
	}
	dir := t.TempDir()
	g := startGroup(t, 4, "--sink", "stdout", "--state-dir", dir)
	conns := make([]net.Conn, devices)
	send := func(i int, msg []byte) {
		t.Helper()
		if _, err := conns[i].Write(msg); err != nil {
			t.Fatal(err)
		}
	}
	for i := range devices {
		for _, from := range []string{router(i), exporter(i)} {
			d := net.Dialer{LocalAddr: &net.UDPAddr{IP: net.ParseIP(from)}}
			conn, err := d.DialContext(t.Context(), "udp", g.ipfix)
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close()
			conns[i] = conn
			send(i, flowOf(t, uint64(i)))
		}
	}
	waitTaken(t, g, 2*devices)
	daemons.Eventually(t, "the state of all addresses to be saved", func() error {
		files, err := filepath.Glob(filepath.Join(dir, g.name, "*", "*.device"))
		if err == nil && len(files) != 2*devices {
			err = fmt.Errorf("%d files", len(files))
		}
		return err
	})
	moved := 0
	for i := range devices {
		if slotOf(t, g, exporter(i)) != slotOf(t, g, router(i)) {
			moved++
		}
		daemons.Telcol(t, "steering", "alias", "--group", g.name, exporter(i), router(i))
		if i%2 == 0 {
			send(i, dataOf(t, uint64(i)))
		}
	}
	if moved == 0 {
		t.Error("no address has moved to another slot")
	}
	daemons.Eventually(t, "the aliases to be known", func() error {
		for _, w := range g.workers {
			text, _, err := daemons.Get("http://" + w.HTTP + "/aliases?format=text")
			if err != nil {
				return err
			}
			if n := strings.Count(text, "127.66.2."); n != devices {
				return fmt.Errorf("%d aliases", n)
			}
		}
		return nil
	})
	for i := range devices {
		send(i, dataOf(t, uint64(i)))
	}
	waitTaken(t, g, 2*devices+devices/2+devices)
	g.stop(t)
	seen := make(map[string]int)
	for _, w := range g.workers {
		for _, line := range w.Lines(t) {
			var r struct {
				Device   string `json:"device"`
				Exporter string `json:"exporter_addr"`
			}
			if err := json.Unmarshal([]byte(line), &r); err != nil {
				t.Fatal(err)
			}
			seen[r.Device+" "+r.Exporter]++
		}
	}
	for i := range devices {
		// What waits when the address becomes an alias is the router's, and so is what comes when that is known.
		early := seen[exporter(i)+" "+exporter(i)]
		late := seen[router(i)+" "+exporter(i)]
		if want := 3 - i%2; late < 1 || early+late != want {
			t.Errorf("exporter %d: %d records of its own and %d of the router's, want %d in all", i, early, late, want)
		}
	}
}

// slotOf asks where an address goes.
func slotOf(t *testing.T, g *group, addr string) string {
	t.Helper()
	return strings.Fields(daemons.Telcol(t, "steering", "where", "--group", g.name, addr))[2]
}

// routesOf is the BMP stream of a router with one route to an AS.
func routesOf(as uint32) []byte {
	peer := &bmp.Peer{Type: bmp.PeerLocRIB, Addr: netip.IPv4Unspecified(), BGPID: netip.MustParseAddr("192.0.2.1")}
	route := bgp.NLRI{Prefix: netip.MustParsePrefix("10.1.0.0/16"), Family: bgp.NewFamily(1, bgp.SAFIUnicast)}
	attrs := &bgp.Attributes{HasOrigin: true, HasASPath: true, ASPath: []uint32{64499, as}, NextHop: netip.MustParseAddr("192.0.2.9")}
	b := bmp.AppendInitiation(nil, &bmp.Initiation{SysName: fmt.Sprint("pe", as)})
	b = bmp.AppendRouteMonitoring(b, peer, nil, []bgp.NLRI{route}, attrs)
	return bmp.AppendEndOfRIB(b, peer, route.Family)
}

// flowOf is a message with a template and one flow, whose bytes are a number.
func flowOf(t *testing.T, number uint64) []byte {
	t.Helper()
	return flowMessage(t, number, 0, true)
}

// dataOf is the flow of flowOf without the template, as the next message.
func dataOf(t *testing.T, number uint64) []byte {
	t.Helper()
	return flowMessage(t, number, 1, false)
}

func flowMessage(t *testing.T, number uint64, sequence uint32, template bool) []byte {
	t.Helper()
	var m ipfix.Builder
	m.Begin(nil, ipfix.Header{Version: ipfix.VersionIPFIX, ExportTime: time.Now().UnixNano(), Domain: 1, Sequence: sequence})
	if template {
		m.Template(256, ipfix.Field{ID: 1, Len: 4}, ipfix.Field{ID: 8, Len: 4}, ipfix.Field{ID: 12, Len: 4})
	}
	m.Set(256)
	m.Uint(number, 4)
	m.Addr(netip.MustParseAddr("10.1.2.3"))
	m.Addr(netip.MustParseAddr("10.1.3.4"))
	msg, err := m.Finish()
	if err != nil {
		t.Fatal(err)
	}
	return msg
}

// checkAliasesNotSaved holds that aliases of the workers' settings are in the kernel, and not in the key file: the settings keep them.
func checkAliasesNotSaved(t *testing.T, g *group, n int) {
	t.Helper()
	if listed := daemons.Telcol(t, "steering", "alias", "--group", g.name); strings.Count(listed, "\n") != n {
		t.Errorf("the kernel knows\n%swant %d aliases", listed, n)
	}
	file := filepath.Join(t.TempDir(), "key")
	daemons.Telcol(t, "steering", "save", "--group", g.name, file)
	text, err := os.ReadFile(file)
	if err != nil || !strings.Contains(string(text), "\nslots 4\n") || strings.Contains(string(text), "\nalias ") {
		t.Errorf("key file:\n%s%v", text, err)
	}
}
