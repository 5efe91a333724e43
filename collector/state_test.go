package collector

import (
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/telcol/telcol/ipfix"
)

func TestTemplatesSurviveARestart(t *testing.T) {
	dir := t.TempDir()
	r := startTest(t, func(c *Config) { c.StateDir = dir })
	r.send(t, flows(t, 0, 1))
	waitFor(t, "the record", func() bool { return r.metrics(t)[`telcol_ipfix_records_total{kind="data",}`] == 1 })
	r.stop(t)

	r = startTest(t, func(c *Config) { c.StateDir = dir })
	var b ipfix.Builder // data alone
	b.Begin(nil, ipfix.Header{Version: ipfix.VersionIPFIX, ExportTime: time.Now().UnixNano(), Domain: 1, Sequence: 1})
	b.Set(256)
	b.Addr(netip.MustParseAddr("10.1.0.1"))
	b.Addr(netip.MustParseAddr("10.1.0.2"))
	b.Uint(42, 4)
	msg, err := b.Finish()
	if err != nil {
		t.Fatal(err)
	}
	r.send(t, msg)
	waitFor(t, "the record", func() bool { return r.metrics(t)[`telcol_ipfix_records_total{kind="data",}`] == 1 })
	r.stop(t)
	if lines := r.stdout.lines(); !strings.Contains(lines[0], `"bytes":42`) {
		t.Errorf("record %s", lines[0])
	}

	file := filepath.Join(dir, "default", "0", "127.0.0.1.device")
	state, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, state[:len(state)/2], 0o600); err != nil {
		t.Fatal(err)
	}
	r = startTest(t, func(c *Config) { c.StateDir = dir })
	r.stop(t)
	if _, err := os.Stat(file + badSuffix); err != nil || !strings.Contains(r.log.String(), "set aside") {
		t.Errorf("a cut file is not set aside: %v\n%s", err, r.log)
	}
}

func TestUnusableStateDirectory(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	cfg := Default()
	cfg.Slot, cfg.StateDir = 0, file
	if _, err := openState(&cfg, nil); err == nil || !strings.Contains(err.Error(), "--state-dir") {
		t.Errorf("got %v", err)
	}
}
