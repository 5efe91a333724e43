package collector

import (
	"bytes"
	"errors"
	"io"
	"maps"
	"net"
	"net/netip"
	"strings"
	"testing"

	"github.com/telcol/telcol/bmp"
	"github.com/telcol/telcol/correlate"
)

// sendFrom sends a datagram from an address of the loopback network.
func (r *running) sendFrom(t *testing.T, from string, msg []byte) {
	t.Helper()
	_, port, _ := net.SplitHostPort(r.cfg.ListenIPFIX)
	d := net.Dialer{LocalAddr: &net.UDPAddr{IP: net.ParseIP(from)}}
	c, err := d.DialContext(t.Context(), "udp", "127.0.0.1:"+port)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if _, err := c.Write(msg); err != nil {
		t.Fatal(err)
	}
}

func TestConfiguredAliases(t *testing.T) {
	r := startTest(t, func(c *Config) { c.Aliases.Addresses = []string{"127.0.0.2 = 127.0.0.1"} })
	defer r.announce(t).Close()
	r.sendFrom(t, "127.0.0.2", flows(t, 0, 1))
	waitFor(t, "the record", func() bool { return r.metrics(t)[`telcol_ipfix_records_total{kind="data",}`] == 1 })
	r.stop(t)
	line := r.stdout.lines()[0]
	for _, want := range []string{`"device":"127.0.0.1"`, `"exporter_addr":"127.0.0.2"`, `"join_dst":"hit"`} {
		if !strings.Contains(line, want) {
			t.Errorf("record without %s: %s", want, line)
		}
	}
}

func TestAliasesAreChecked(t *testing.T) {
	for text, want := range map[string]string{
		"192.0.2.1":                        "OTHER=CANONICAL",
		"192.0.2.1=pe1":                    "OTHER=CANONICAL",
		"192.0.2.1=192.0.2.1":              "OTHER=CANONICAL",
		"192.0.2.1=10.0.0.1,192.0.2.1=::1": "twice",
		"192.0.2.1=10.0.0.1,10.0.0.1=::1":  "say 192.0.2.1=::1",
	} {
		cfg := Default()
		cfg.Slot, cfg.Aliases.Addresses = 0, strings.Split(text, ",")
		if err := cfg.Validate(); !errors.Is(err, ErrConfig) || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %v", text, err)
		}
	}
}

// Two addresses that told one sysName are reported, and one device from then on when the configuration says so.
func TestLearntAliases(t *testing.T) {
	for _, learn := range []bool{false, true} {
		w := startOwner(t, func(c *Config) { c.Aliases.Learn = learn })
		for _, from := range []string{"127.0.0.1", "127.0.0.2"} {
			stream := bmp.AppendInitiation(nil, &bmp.Initiation{SysName: "pe1"})
			feed := correlate.NewFeed(netip.MustParseAddr(from), correlate.FeedConfig{Session: 1}, w.core.routes)
			if err := feed.Run(bytes.NewReader(stream)); !errors.Is(err, io.EOF) {
				t.Fatal(err)
			}
		}
		waitFor(t, "both names", func() bool {
			n := 0
			w.core.ask(t.Context(), func() { n = w.core.corr.Totals().Devices })
			return n == 2
		})
		w.aliases.look(t.Context())
		if n := w.aliases.candidates.Load(); n != 1 {
			t.Errorf("%d candidates, want one", n)
		}
		want := "127.0.0.2"
		if learn {
			want = "127.0.0.1"
		}
		if got := w.aliases.canonical(netip.MustParseAddr("127.0.0.2")); got != netip.MustParseAddr(want) {
			t.Errorf("learning %v: 127.0.0.2 is device %v, want %s", learn, got, want)
		}
		devices := 0
		if err := w.core.ask(t.Context(), func() { devices = w.core.corr.Totals().Devices }); err != nil {
			t.Fatal(err)
		}
		if want := map[bool]int{false: 2, true: 1}[learn]; devices != want {
			t.Errorf("learning %v: %d devices, want %d", learn, devices, want)
		}
	}
}

func TestChainedAliases(t *testing.T) {
	a, b, c, d := netip.MustParseAddr("192.0.2.1"), netip.MustParseAddr("192.0.2.2"), netip.MustParseAddr("192.0.2.3"), netip.MustParseAddr("192.0.2.4")
	for _, tc := range []struct{ all, want map[netip.Addr]netip.Addr }{
		{map[netip.Addr]netip.Addr{}, map[netip.Addr]netip.Addr{}},
		{map[netip.Addr]netip.Addr{a: b, c: b}, map[netip.Addr]netip.Addr{a: b, c: b}},
		{map[netip.Addr]netip.Addr{a: b, b: c, c: d}, map[netip.Addr]netip.Addr{a: d, b: d, c: d}},
		{map[netip.Addr]netip.Addr{a: b, b: a, c: a}, map[netip.Addr]netip.Addr{}},
	} {
		if got := unchained(tc.all); !maps.Equal(got, tc.want) {
			t.Errorf("%v: got %v, want %v", tc.all, got, tc.want)
		}
	}
}

// What was learnt of a device that the configuration makes another's is that one's.
func TestLearntAliasOfAnAlias(t *testing.T) {
	w := startOwner(t, func(c *Config) { c.Aliases.Addresses = []string{"192.0.2.2=192.0.2.3"} })
	w.aliases.learnt[netip.MustParseAddr("192.0.2.1")] = netip.MustParseAddr("192.0.2.2")
	w.aliases.refresh(t.Context())
	if got := w.aliases.canonical(netip.MustParseAddr("192.0.2.1")); got != netip.MustParseAddr("192.0.2.3") {
		t.Errorf("got %v", got)
	}
}
