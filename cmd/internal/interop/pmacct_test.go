package interop

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/telcol/telcol/cmd/internal/daemons"
)

const pmacctdConfig = `
daemonize: false
pcap_interface: %s
plugins: nfprobe[a], nfprobe[b]
nfprobe_receiver[a]: %s
nfprobe_receiver[b]: %s
nfprobe_version: %d
nfprobe_engine: 77
nfprobe_timeouts: tcp=1:udp=1:general=1:maxlife=2:expint=1
aggregate: src_host, dst_host, src_port, dst_port, proto, tos, vlan, src_mac, dst_mac
`

// TestPmacctd compares with what was sent and with nfcapd, which gets the same from a second nfprobe.
func TestPmacctd(t *testing.T) {
	daemons.Require(t, "ip", "pmacctd", "nfcapd", "nfdump")
	if !daemons.InNamespace(t) {
		return
	}
	for version, protocol := range map[int]string{9: "netflow_v9", 10: "ipfix"} {
		t.Run(protocol, func(t *testing.T) { testPmacctd(t, version, protocol) })
	}
}

func testPmacctd(t *testing.T, version int, protocol string) {
	link := fmt.Sprintf("pm%d", version)
	w := newWire(t, link)
	telcol, second := startCollector(t), startNfcapd(t)
	conf := filepath.Join(t.TempDir(), "pmacctd.conf")
	text := fmt.Sprintf(pmacctdConfig, link, telcol.addr, second.addr, version)
	if err := os.WriteFile(conf, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	p := daemons.Start(t, "pmacctd", "-f", conf)
	daemons.Eventually(t, "pmacctd to capture", func() error {
		if err := p.Err(); err != nil {
			t.Fatal(err)
		}
		out := p.Output()
		if strings.Count(out, "Exporting flows to") < 2 || !strings.Contains(out, "link type is") {
			return errors.New("it does not say so")
		}
		return nil
	})
	w.send(t, someTraffic()...)
	daemons.Eventually(t, "all packets in records", func() error {
		if got := sum(telcol.records(t)).total(); got != w.sent.total() {
			return fmt.Errorf("%+v of %+v", got, w.sent.total())
		}
		return nil
	})
	p.Stop(t)
	got := telcol.finish(t, uint64(len(telcol.records(t))))
	stored, n := second.finish(t)
	checkSequence(t, telcol, second)
	v := sum(got)
	v.check(t, "telcol against the wire", w.sent)
	stored.check(t, "nfcapd against the wire", w.sent)
	if n != uint64(len(got)) {
		t.Errorf("telcol gave %d records, nfcapd stored %d", len(got), n)
	}
	for _, r := range got {
		if r.Protocol != protocol {
			t.Errorf("flow_protocol %q, want %q", r.Protocol, protocol)
		}
	}
	t.Logf("pmacctd: %+v sent; telcol: %d records, %+v; nfcapd: %d records, %+v", w.sent.total(), len(got), v.total(), n, stored.total())
}
