package collector

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/telcol/telcol/bmp"
	"github.com/telcol/telcol/bmp/bgp"
	"github.com/telcol/telcol/collector/intake"
)

func TestBMPConfig(t *testing.T) {
	for _, tt := range []struct {
		want      string
		good, bad func(c *BMPConfig)
	}{
		{"bmp.max-message", func(c *BMPConfig) { c.MaxMessage = 4096 }, func(c *BMPConfig) { c.MaxMessage = 4095 }},
		{"bmp.max-message", func(c *BMPConfig) { c.MaxMessage = 64 << 20 }, func(c *BMPConfig) { c.MaxMessage = 64<<20 + 1 }},
		{"bmp.stale-timeout", func(c *BMPConfig) { c.StaleTimeout = 1 }, func(c *BMPConfig) { c.StaleTimeout = 0 }},
		{"bmp.quiet-period", func(c *BMPConfig) { c.QuietPeriod = 1 }, func(c *BMPConfig) { c.QuietPeriod = 0 }},
		{"bmp.max-routes", func(c *BMPConfig) { c.MaxRoutes = 0 }, func(c *BMPConfig) { c.MaxRoutes = -1 }},
		{"bmp.max-attribute-bytes", func(c *BMPConfig) { c.MaxAttributeBytes = 0 }, func(c *BMPConfig) { c.MaxAttributeBytes = -1 }},
		{"bmp.max-peers", func(c *BMPConfig) { c.MaxPeers = 1 }, func(c *BMPConfig) { c.MaxPeers = 0 }},
		{"bmp.max-sessions", func(c *BMPConfig) { c.MaxSessions = 1 }, func(c *BMPConfig) { c.MaxSessions = 0 }},
		{"bmp.keepalive", func(c *BMPConfig) { c.Keepalive = time.Second }, func(c *BMPConfig) { c.Keepalive = time.Second - 1 }},
		{"bmp.keepalive", func(c *BMPConfig) { c.Keepalive = 9 * time.Hour }, func(c *BMPConfig) { c.Keepalive = 10 * time.Hour }},
		{"bmp.idle-timeout", func(c *BMPConfig) { c.IdleTimeout = 0 }, func(c *BMPConfig) { c.IdleTimeout = -1 }},
		{"bmp.idle-timeout", func(c *BMPConfig) { c.IdleTimeout = time.Second }, func(c *BMPConfig) { c.IdleTimeout = 1 }},
		{"bmp.drift-reports", func(c *BMPConfig) { c.DriftReports = 0 }, func(c *BMPConfig) { c.DriftReports = -1 }},
		{"bmp.drift-routes", func(c *BMPConfig) { c.DriftRoutes = 1 }, func(c *BMPConfig) { c.DriftRoutes = 0 }},
	} {
		good, bad := Default(), Default()
		good.Slot, bad.Slot = 0, 0
		tt.good(&good.BMP)
		tt.bad(&bad.BMP)
		if err := good.Validate(); err != nil {
			t.Errorf("%s in order: %v", tt.want, err)
		}
		if err := bad.Validate(); !errors.Is(err, ErrConfig) || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s out of range: %v", tt.want, err)
		}
	}
}

// The kernel asks devices that have gone silent as the configuration says.
func TestKeepaliveOfBMPSessions(t *testing.T) {
	cfg := Default()
	cfg.BMP.Keepalive = 7 * time.Second
	w := &worker{cfg: cfg}
	ln, err := net.ListenTCP("tcp", &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	got := make(chan [4]int, 1)
	go intake.Serve(ctx, ln, w.serveConfig(), func(_ context.Context, conn *net.TCPConn, _ netip.AddrPort) {
		var v [4]int
		raw, err := conn.SyscallConn()
		if err != nil {
			t.Error(err)
		}
		raw.Control(func(fd uintptr) {
			v[0], _ = unix.GetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_KEEPALIVE)
			v[1], _ = unix.GetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_KEEPIDLE)
			v[2], _ = unix.GetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_KEEPINTVL)
			v[3], _ = unix.GetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_KEEPCNT)
		})
		got <- v
	})
	conn, err := net.Dial("tcp", ln.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if v := <-got; v != [4]int{1, 7, 15, 5} {
		t.Errorf("keepalive on, idle, interval, count: %v", v)
	}
}

// TestHalfOpenBMPSession has a device forget its connection without a word, as one does that loses power: TCP's keepalive finds it, and its routes
// answer as stale.
func TestHalfOpenBMPSession(t *testing.T) {
	r := startTest(t, func(c *Config) { c.BMP.Keepalive = time.Second })
	conn := r.announce(t).(*net.TCPConn)
	raw, err := conn.SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	var repair error
	if err := raw.Control(func(fd uintptr) { repair = unix.SetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_REPAIR, 1) }); err != nil {
		t.Fatal(err)
	}
	if repair != nil {
		conn.Close()
		if os.Geteuid() == 0 {
			t.Fatal(repair)
		}
		t.Skip("needs CAP_NET_ADMIN to close a connection without telling")
	}
	conn.Close()
	waitFor(t, "the end of the session", func() bool { return r.metrics(t)["telcol_bmp_sessions{}"] == 0 })
	m := r.metrics(t)
	if found := m[`telcol_bmp_sessions_ended_total{reason="reset",}`] + m[`telcol_bmp_sessions_ended_total{reason="lost",}`]; found != 1 || m["telcol_rib_routes{}"] != 1 {
		t.Errorf("%v sessions were found dead, %v routes; want 1 and 1, stale", found, m["telcol_rib_routes{}"])
	}
	r.stop(t)
}

// A device that counts more routes than we hold, because we hold no more than its quota, is told by log and metrics.
func TestDriftAndQuotaAreTold(t *testing.T) {
	r := startTest(t, func(c *Config) { c.BMP.MaxRoutes, c.BMP.DriftReports, c.BMP.DriftRoutes = 2, 2, 1 })
	c := r.announce(t)
	defer c.Close()
	peer := &bmp.Peer{Type: bmp.PeerLocRIB, Addr: netip.IPv4Unspecified(), BGPID: netip.MustParseAddr("192.0.2.1")}
	attrs := &bgp.Attributes{HasOrigin: true, HasASPath: true, ASPath: []uint32{64500}, NextHop: netip.MustParseAddr("192.0.2.9")}
	var stream []byte
	for _, p := range []string{"10.2.0.0/16", "10.3.0.0/16", "10.4.0.0/16"} {
		n := bgp.NLRI{Prefix: netip.MustParsePrefix(p), Family: bgp.IPv4Unicast}
		stream = bmp.AppendRouteMonitoring(stream, peer, nil, []bgp.NLRI{n}, attrs)
	}
	stream = bmp.AppendEndOfRIB(stream, &bmp.Peer{Type: 9, Addr: peer.Addr, BGPID: peer.BGPID}, bgp.IPv4Unicast)
	report := bmp.AppendStatistics(nil, &bmp.Statistics{Peer: *peer, Stats: []bmp.Statistic{
		{Type: bmp.StatLocRIBFamily, Family: bgp.IPv4Unicast, Value: 4},
	}})
	if _, err := c.Write(slices.Concat(stream, bmp.AppendEndOfRIB(nil, peer, bgp.IPv4Unicast), report, report)); err != nil {
		t.Fatal(err)
	}
	waitFor(t, "the drift", func() bool { return r.metrics(t)[`telcol_bmp_drift_devices{}`] == 1 })
	m := r.metrics(t)
	for name, want := range map[string]float64{
		`telcol_bmp_drift_routes{}`:                              2,
		`telcol_bmp_drift_tables{}`:                              1,
		`telcol_bmp_drifts_total{}`:                              1,
		`telcol_bmp_drift_comparisons_total{result="compared",}`: 2,
		`telcol_bmp_over_quota_devices{quota="routes",}`:         1,
		`telcol_bmp_routes_total{kind="announced",}`:             4,
		`telcol_bmp_routes_total{kind="quota",}`:                 2,
		`telcol_lost_total{reason="quota",,stage="rib"}`:         2,
		`telcol_rib_routes{}`:                                    2,
		`telcol_bmp_statistics_total{,value="number"}`:           2,
		`telcol_bmp_end_of_rib_total{}`:                          1,
		`telcol_bmp_no_peer_up_total{}`:                          6,
		`telcol_bmp_unknown_peer_types_total{}`:                  1,
		`telcol_bmp_attribute_sets_total{result="miss",}`:        2,
		`telcol_bmp_attribute_sets_total{result="hit",}`:         2,
	} {
		if got := m[name]; got != want {
			t.Errorf("%s is %v, want %v", name, got, want)
		}
	}
	for _, line := range []string{"routes differ from what the device counts", "device beyond its quota"} {
		if !strings.Contains(r.log.String(), line) {
			t.Errorf("no line %q in the log", line)
		}
	}
	r.stop(t)
}
