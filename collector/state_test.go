package collector

import (
	"errors"
	"io"
	"io/fs"
	"log/slog"
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

// An address that the configuration makes another device's alias at a restart has its templates still; what the device had saved itself is loaded
// first, whatever the order of the names.
func TestStateOfANewAlias(t *testing.T) {
	for _, pair := range [][2]string{{"127.0.0.2", "127.0.0.1"}, {"127.0.0.1", "127.0.0.2"}} {
		alias, device := pair[0], pair[1]
		dir := t.TempDir()
		r := startTest(t, func(c *Config) { c.StateDir = dir })
		r.sendFrom(t, alias, flows(t, 0, 1))
		r.sendFrom(t, device, flows(t, 0, 1))
		waitFor(t, "the records", func() bool { return r.metrics(t)[`telcol_ipfix_records_total{kind="data",}`] == 2 })
		r.stop(t)

		r = startTest(t, func(c *Config) { c.StateDir, c.Aliases.Addresses = dir, []string{alias + "=" + device} })
		r.sendFrom(t, alias, dataAlone(t, 1))
		r.sendFrom(t, device, dataAlone(t, 1))
		waitFor(t, "records by the templates of before", func() bool { return r.metrics(t)[`telcol_ipfix_records_total{kind="data",}`] == 2 })
		r.stop(t)
		for _, line := range r.stdout.lines() {
			if !strings.Contains(line, `"device":"`+device+`"`) {
				t.Errorf("record %s", line)
			}
		}
		if _, err := os.Stat(filepath.Join(dir, "default", "0", alias+stateSuffix)); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("file of the alias: %v, want none", err)
		}
	}
}

// A device whose address becomes an alias of another slot's device leaves its file for the worker there, which takes it up with the first datagram
// and makes it a part of the device that it knows.
func TestAnAliasMovesToAnotherSlot(t *testing.T) {
	cfg := Default()
	cfg.StateDir, cfg.Join.NewWait = t.TempDir(), 0
	alias, device := netip.MustParseAddr("192.0.2.2"), netip.MustParseAddr("192.0.2.1")
	aliases := map[netip.Addr]netip.Addr{alias: device}
	now := time.Now()
	start := func(slot int) *core {
		cfg := cfg
		cfg.Slot = slot
		w := newWorker(cfg, Env{Stdout: io.Discard, Log: slog.New(slog.DiscardHandler)})
		state, err := openState(&cfg, w.log)
		if err != nil {
			t.Fatal(err)
		}
		// The kernel has the alias in slot 1, the table that is known does not yet.
		owned := &ownership{
			place: func(a netip.Addr) int { return int(device.Compare(a)+1) % 2 }, kernel: func(netip.Addr) (int, error) { return 1, nil },
			slot: slot, known: make(map[netip.Addr]bool),
		}
		sink, err := newSink(&cfg, Env{Stdout: io.Discard, Log: w.log}, w.log)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(sink.Close)
		c, err := newCore(&w.cfg, sink, owned, state, w.warn)
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	flush := func(c *core) {
		c.state.finish(c.corr)
		c.state.run()
	}
	old, next := start(0), start(1)
	old.takeDatagram(netip.AddrPortFrom(alias, 5000), flows(t, 0, 1), false)
	old.state.round(old.corr, now)
	next.takeDatagram(netip.AddrPortFrom(device, 5000), flows(t, 0, 1), false)
	old.corr.SetAliases(aliases)
	flush(old)

	next.corr.SetAliases(aliases)
	next.takeDatagram(netip.AddrPortFrom(alias, 5000), dataAlone(t, 1), false)
	if n := next.corr.Counters().IPFIX.DataRecords; n != 2 || next.counted.adopted != 1 || next.counted.foreign != 0 {
		t.Errorf("%d records, %d taken over, %d foreign; want 2, 1, 0", n, next.counted.adopted, next.counted.foreign)
	}
	if n := next.corr.Totals(); n.Devices != 1 || n.Templates != 2 {
		t.Errorf("%d devices with %d templates, want one with 2", n.Devices, n.Templates)
	}
	flush(next)
}

// TestStateIsSavedWhenTheDiskIsBack fails all writes for a while: what could not be written must be when it can, though nothing has
// changed since.
func TestStateIsSavedWhenTheDiskIsBack(t *testing.T) {
	dir := t.TempDir()
	r := startTest(t, func(c *Config) { c.StateDir, c.ImageInterval = dir, 50*time.Millisecond })
	slot := filepath.Join(dir, "default", "0")
	if err := os.RemoveAll(slot); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(slot, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	conn := r.announce(t)
	defer conn.Close()
	r.send(t, flows(t, 0, 1))
	waitFor(t, "writes to fail", func() bool {
		m := r.metrics(t)
		return m[`telcol_state_files_total{result="failed",}`] > 0 && m[`telcol_state_images_total{result="failed",}`] > 2
	})
	if n := strings.Count(r.log.String(), "not saved"); n > 2 {
		t.Errorf("%d lines say so", n)
	}
	if err := os.Remove(slot); err != nil {
		t.Fatal(err)
	}
	r.stop(t)
	for _, file := range []string{"127.0.0.1" + stateSuffix, routesFile} {
		if _, err := os.Stat(filepath.Join(slot, file)); err != nil {
			t.Error(err)
		}
	}
	if left, _ := filepath.Glob(filepath.Join(slot, "*"+tempSuffix)); len(left) > 0 {
		t.Errorf("%v are left", left)
	}
}
