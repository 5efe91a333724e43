package interop

import (
	"fmt"
	"net/netip"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/telcol/telcol/cmd/internal/daemons"
)

// vswitch is an Open vSwitch with a datapath in user space.
type vswitch struct{ dir, db string }

func startVswitch(t *testing.T) *vswitch {
	t.Helper()
	v := &vswitch{dir: daemons.Dir(t)}
	v.db = "unix:" + filepath.Join(v.dir, "db.sock")
	conf := filepath.Join(v.dir, "conf.db")
	t.Setenv("OVS_RUNDIR", v.dir)
	daemons.Run(t, "ovsdb-tool", "create", conf, "/usr/share/openvswitch/vswitch.ovsschema")
	db := daemons.Start(t, "ovsdb-server", conf, "--remote=p"+v.db)
	daemons.Eventually(t, "ovsdb-server", func() error {
		if err := db.Err(); err != nil {
			t.Fatal(err)
		}
		return exec.Command("ovs-vsctl", "--db="+v.db, "--no-wait", "init").Run()
	})
	daemons.Start(t, "ovs-vswitchd", v.db, "--pidfile="+filepath.Join(v.dir, "vswitchd.pid"), "--unixctl="+filepath.Join(v.dir, "ctl"))
	return v
}

// vsctl changes the configuration and waits until the switch has taken it up.
func (v *vswitch) vsctl(t *testing.T, args ...string) {
	t.Helper()
	daemons.Run(t, "ovs-vsctl", append([]string{"--db=" + v.db, "--timeout=120"}, args...)...)
}

// counted reads a number of the bridge's IPFIX statistics.
func (v *vswitch) counted(t *testing.T, name string) uint64 {
	t.Helper()
	out := daemons.Run(t, "ovs-ofctl", "-O", "OpenFlow13", "dump-ipfix-bridge", "unix:"+filepath.Join(v.dir, "br0.mgmt"))
	m := regexp.MustCompile(regexp.QuoteMeta(name) + `=(\d+)`).FindStringSubmatch(out)
	if m == nil {
		t.Fatalf("IPFIX statistics have no %s:\n%s", name, out)
	}
	return number(t, m[1])
}

// probe is what is sent until the switch sees it.
var probe = flow{key{netip.AddrPortFrom(hostA, 9), netip.AddrPortFrom(hostB, 9), unix.IPPROTO_UDP}, 1, 100}

// TestOpenVswitch compares with what was sent, with the switch's statistics and with nfcapd. The switch tells every packet
// once as it comes in and once for each port that it leaves by.
func TestOpenVswitch(t *testing.T) {
	daemons.Require(t, "ip", "ovsdb-tool", "ovsdb-server", "ovs-vswitchd", "ovs-vsctl", "ovs-ofctl", "nfcapd", "nfdump")
	if !daemons.InNamespace(t) {
		return
	}
	left, right := newWire(t, "left"), newWire(t, "right")
	telcol, second := startCollector(t), startNfcapd(t)
	v := startVswitch(t)
	v.vsctl(t, "add-br", "br0", "--", "set", "bridge", "br0", "datapath_type=netdev", "fail_mode=standalone",
		"--", "add-port", "br0", "left", "--", "add-port", "br0", "right",
		"--", "set", "Bridge", "br0", "ipfix=@i",
		"--", "--id=@i", "create", "IPFIX", fmt.Sprintf(`targets=["%s","%s"]`, telcol.addr, second.addr),
		"obs_domain_id=123", "obs_point_id=456", "sampling=1", "cache_active_timeout=2", "cache_max_flows=1000")
	for i, w := range []*wire{left, right} {
		daemons.Eventually(t, "the switch to see packets", func() error {
			before := v.counted(t, "sampled pkts")
			w.send(t, probe)
			if v.counted(t, "sampled pkts") == before {
				return fmt.Errorf("port %d: %d sampled", i, before)
			}
			return nil
		})
	}
	want := make(volumes)
	for flows := range slices.Chunk(someTraffic(), 4) {
		before := v.counted(t, "sampled pkts")
		sent := want.total().packets
		for _, f := range flows {
			w := left
			if f.src.Addr() == hostB {
				w = right
			}
			w.send(t, f)
			want[f.key] = w.sent[f.key]
		}
		// The ports have small buffers: the next packets have to wait until the switch has seen these, each at least twice.
		least := before + 2*(want.total().packets-sent)
		daemons.Eventually(t, "the switch to take packets", func() error {
			if n := v.counted(t, "sampled pkts"); n < least {
				return fmt.Errorf("%d of %d", n, least)
			}
			return nil
		})
	}
	daemons.Eventually(t, "all packets in records", func() error {
		got, sampled := sum(telcol.records(t)).total().packets, v.counted(t, "sampled pkts")
		if got != sampled || sampled < want.total().packets {
			return fmt.Errorf("records of %d packets, %d were sampled, %d sent", got, sampled, want.total().packets)
		}
		return nil
	})
	exported := v.counted(t, "bridge ipfix: flows")
	got := telcol.finish(t, exported)
	stored, n := second.finish(t)
	// The switch counts over its observation domains together, so that sequence numbers say nothing.
	if n != exported {
		t.Errorf("nfcapd stored %d records, the switch exported %d", n, exported)
	}
	all, in := sum(got), make(volumes)
	for _, r := range got {
		if r.Protocol != "ipfix" || r.Domain != 123 || r.Direction == nil {
			t.Errorf("protocol %q, domain %d, direction %v", r.Protocol, r.Domain, r.Direction)
		} else if *r.Direction == 0 && r.key() != probe.key {
			in.add(r.key(), volume{r.Bytes, r.Packets})
		}
	}
	in.check(t, "telcol, ingress, against the wire", want)
	// nfcapd reads the switch's running totals as if they were a record's own counters: only its flows can be compared.
	for k := range stored {
		if _, ok := all[k]; !ok {
			t.Errorf("nfcapd has a flow %v that telcol has not", k)
		}
	}
	if len(stored) != len(all) {
		t.Errorf("nfcapd has %d flows, telcol %d", len(stored), len(all))
	}
	t.Logf("Open vSwitch: %+v sent, %d records; telcol: %d records, ingress %+v, all %+v; nfcapd: %d records, %d flows",
		want.total(), exported, len(got), in.total(), all.total(), n, len(stored))
}
