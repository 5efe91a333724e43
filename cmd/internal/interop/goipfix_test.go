package interop

import (
	"encoding/json"
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/telcol/telcol/cmd/internal/daemons"
)

// exportedFlow is a flow for the exporter.
type exportedFlow struct {
	Src, Dst       netip.AddrPort
	Proto          uint8
	Bytes, Packets uint64
	Start, End     time.Time
	Pod            string
}

// buildExporter builds the command of the module ipfix/compare that exports with go-ipfix.
func buildExporter(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "export")
	cmd := exec.CommandContext(t.Context(), "go", "build", "-C", "../../../ipfix/compare", "-o", path, "./export")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		daemons.Skip(t, daemons.EnvRequire, fmt.Sprintf("the exporter cannot be built: %v\n%s", err, out))
	}
	return path
}

// TestGoIPFIX compares with what go-ipfix's exporting process was given, over both transports and, over UDP, with nfcapd.
func TestGoIPFIX(t *testing.T) {
	daemons.Require(t, "ip", "nfcapd", "nfdump")
	if os.Getenv(envExporter) == "" {
		t.Setenv(envExporter, buildExporter(t)) // here: in the namespace no module can be fetched
	}
	if !daemons.InNamespace(t) {
		return
	}
	var flows []exportedFlow
	want := make(volumes)
	start := time.Now().Add(-10 * time.Second).Truncate(time.Millisecond)
	for i, f := range someTraffic() {
		e := exportedFlow{
			Src: f.src, Dst: f.dst, Proto: f.proto, Packets: uint64(f.packets), Bytes: uint64(f.packets) * 1 << 33,
			Start: start, End: start.Add(time.Duration(i) * time.Millisecond), Pod: strings.Repeat("p", 5*i), // up to 295: both forms of length
		}
		flows = append(flows, e)
		want.add(f.key, volume{e.Bytes, e.Packets})
	}
	for _, protocol := range []string{"udp", "tcp"} {
		t.Run(protocol, func(t *testing.T) { testGoIPFIX(t, protocol, flows, want) })
	}
}

// envExporter says where the exporter is.
const envExporter = "INTEROP_EXPORTER"

func testGoIPFIX(t *testing.T, protocol string, flows []exportedFlow, want volumes) {
	telcol := startCollector(t)
	export(t, telcol.addr, protocol, flows)
	got := telcol.finish(t, uint64(len(flows)))
	sum(got).check(t, "telcol against what was given", want)
	if telcol.faults != 0 {
		t.Errorf("%v sequence numbers are wrong", telcol.faults)
	}
	ends := make(map[key]time.Time)
	for _, f := range flows {
		ends[key{f.Src, f.Dst, f.Proto}] = f.End
	}
	for _, r := range got {
		if r.Protocol != "ipfix" || r.Domain != 7 || !r.End.Equal(ends[r.key()]) {
			t.Errorf("%v: protocol %q, domain %d, end %v, want %v", r.key(), r.Protocol, r.Domain, r.End, ends[r.key()])
		}
	}
	t.Logf("go-ipfix over %s: %d records given, %+v; telcol: %d records, %+v", protocol, len(flows), want.total(), len(got), sum(got).total())
	if protocol != "udp" {
		return
	}
	second := startNfcapd(t)
	export(t, second.addr, protocol, flows)
	stored, n := second.finish(t)
	stored.check(t, "nfcapd against what was given", want)
	t.Logf("nfcapd: %d records, %+v", n, stored.total())
}

// export runs the exporter to its end.
func export(t *testing.T, to, protocol string, flows []exportedFlow) {
	t.Helper()
	var lines strings.Builder
	enc := json.NewEncoder(&lines)
	for _, f := range flows {
		if err := enc.Encode(f); err != nil {
			t.Fatal(err)
		}
	}
	cmd := exec.CommandContext(t.Context(), os.Getenv(envExporter), "-to", to, "-protocol", protocol, "-domain", "7")
	cmd.Stdin = strings.NewReader(lines.String())
	var stderr strings.Builder
	cmd.Stderr = &stderr
	if out, err := cmd.Output(); err != nil || string(out) != fmt.Sprintf("%d\n", len(flows)) {
		t.Fatalf("export: %v\n%s%s", err, out, &stderr)
	}
}
