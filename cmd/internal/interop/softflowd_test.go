package interop

import (
	"fmt"
	"path/filepath"
	"regexp"
	"testing"

	"github.com/telcol/telcol/cmd/internal/daemons"
)

// softflowd is one run of it.
type softflowd struct {
	*daemons.Process
	ctl string
}

// startSoftflowd starts softflowd on an interface.
func startSoftflowd(t *testing.T, link, targets string, args ...string) *softflowd {
	t.Helper()
	dir := daemons.Dir(t)
	s := &softflowd{ctl: filepath.Join(dir, "ctl")}
	s.Process = daemons.Start(t, "softflowd", append([]string{
		"-d", "-i", link, "-n", targets, "-p", filepath.Join(dir, "pid"), "-c", s.ctl,
	}, args...)...)
	daemons.Eventually(t, "softflowd to capture", func() error {
		if err := s.Err(); err != nil {
			t.Fatal(err)
		}
		_, err := filepath.EvalSymlinks(s.ctl)
		return err
	})
	return s
}

// counted reads a number of softflowctl statistics.
func (s *softflowd) counted(t *testing.T, pattern string) uint64 {
	t.Helper()
	out := daemons.Run(t, "softflowctl", "-c", s.ctl, "statistics")
	m := regexp.MustCompile(pattern).FindStringSubmatch(out)
	if m == nil {
		t.Fatalf("softflowctl statistics has no %q:\n%s", pattern, out)
	}
	return number(t, m[1])
}

// TestSoftflowd compares with what was sent, with softflowd's statistics and with nfcapd.
func TestSoftflowd(t *testing.T) {
	daemons.Require(t, "ip", "softflowd", "softflowctl", "nfcapd", "nfdump")
	if !daemons.InNamespace(t) {
		return
	}
	for _, tc := range []struct {
		name, protocol string
		args           []string
	}{
		{"v9", "netflow_v9", []string{"-v", "9"}},
		{"ipfix", "ipfix", []string{"-v", "10"}},
	} {
		t.Run(tc.name, func(t *testing.T) { testSoftflowd(t, "sf"+tc.name, tc.protocol, tc.args) })
	}
}

func testSoftflowd(t *testing.T, link, protocol string, args []string) {
	w := newWire(t, link)
	telcol, second := startCollector(t), startNfcapd(t)
	s := startSoftflowd(t, link, telcol.addr+","+second.addr, args...)
	flows := someTraffic()
	w.send(t, flows...)
	want := w.sent.total().packets
	// libpcap hands packets over in blocks of its ring, when they are full: further packets of one of the flows fill them.
	daemons.Eventually(t, "softflowd to see the packets", func() error {
		if n := s.counted(t, `Packets processed: (\d+)`); n < want {
			w.send(t, flow{flows[1].key, 50, 1400})
			return fmt.Errorf("%d of %d", n, want)
		}
		return nil
	})
	daemons.Run(t, "softflowctl", "-c", s.ctl, "expire-all")
	records := s.counted(t, `Flows exported: \d+ \((\d+) records\)`)
	processed := s.counted(t, `Packets processed: (\d+)`)
	got := telcol.finish(t, records)
	stored, n := second.finish(t)
	checkSequence(t, telcol, second)
	v := sum(got)
	v.check(t, "telcol against nfcapd", stored)
	if n != records {
		t.Errorf("nfcapd stored %d records, softflowd exported %d", n, records)
	}
	if v.total().packets != processed {
		t.Errorf("telcol: %d packets, softflowd processed %d", v.total().packets, processed)
	}
	t.Logf("softflowd: %d records of %d packets; telcol: %d records, %+v; nfcapd: %d records, %+v",
		records, processed, len(got), v.total(), n, stored.total())
	// Of the flow that filled the blocks nobody knows how much softflowd has seen.
	v[flows[1].key] = w.sent[flows[1].key]
	v.check(t, "telcol against the wire", w.sent)
	for _, r := range got {
		if r.Protocol != protocol {
			t.Errorf("flow_protocol %q, want %q", r.Protocol, protocol)
		}
	}
}
