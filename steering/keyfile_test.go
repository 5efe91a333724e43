package steering

import (
	"bytes"
	"encoding/hex"
	"errors"
	"maps"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// host is a bpffs of its own, which a reboot empties, and a key file that outlives it.
type host struct {
	root, file string
	port       uint16
}

func newHost(t *testing.T) *host {
	t.Helper()
	needLive(t)
	h := &host{root: filepath.Join(t.TempDir(), "bpf"), file: filepath.Join(t.TempDir(), "key"), port: freePort()}
	t.Cleanup(func() { unix.Unmount(h.root, unix.MNT_DETACH) })
	return h
}

// init makes the group as the unit does at each boot, with slots in the settings.
func (h *host) init(t *testing.T, slots int) (*Group, error) {
	t.Helper()
	g, err := Init(t.Context(), Options{
		Root: h.root, Name: "booted", Slots: slots, Resize: true, File: h.file, Listeners: []Listener{{UDP, h.port}, {TCP, h.port}},
	})
	if g != nil {
		t.Cleanup(func() { g.Close() })
	}
	return g, err
}

func (h *host) boot(t *testing.T, slots int) *Group {
	t.Helper()
	g, err := h.init(t, slots)
	if err != nil {
		t.Fatalf("init: %v", err)
	}
	return g
}

// down does to bpffs what a reboot does.
func (h *host) down(t *testing.T) {
	t.Helper()
	if err := unix.Unmount(h.root, unix.MNT_DETACH); err != nil {
		t.Fatal(err)
	}
	if names, err := List(h.root); err != nil || len(names) != 0 {
		t.Fatalf("groups after the reboot: %v, %v", names, err)
	}
}

// reached runs a worker in each slot and returns which one a datagram and a connection of
// each device reached; devices that are not let in are not there.
func reached(t *testing.T, g *Group, port uint16, all []netip.Addr) map[netip.Addr]int {
	t.Helper()
	var workers []*place
	for slot := range g.Slots() {
		workers = append(workers, join(t, g, port, slot))
	}
	for _, d := range all {
		send(t, d, port, "flow")
		if c, err := dial(d, port); err == nil {
			c.Close()
		}
	}
	got := map[netip.Addr]int{}
	for slot, w := range workers {
		flows := w.received(t)
		for d := range flows {
			got[d] = slot
		}
		if sessions := w.accepted(t); !maps.Equal(flows, sessions) {
			t.Errorf("slot %d: flows of %d devices, connections of %d", slot, len(flows), len(sessions))
		}
		w.close()
	}
	return got
}

// say changes everything that an operator can change, for these devices.
func say(t *testing.T, g *Group, all []netip.Addr) {
	t.Helper()
	_, err := g.ChangePlan(t.Context(), false, func(p *Plan) error {
		return errors.Join(p.Resize(6), p.SetWeight(1, 3), p.SetWeight(5, 0.25), p.SetDrained(2, true),
			p.Pin(all[0], (g.Where(all[0]).Slot+1)%2), p.Pin(all[1], 5), p.Pin(all[4], 2))
	})
	alias := g.SetAlias(t.Context(), all[2], all[1])
	allow := g.Allow(t.Context(), netip.MustParsePrefix("127.9.0.0/24"), netip.MustParsePrefix("fd00::/43"))
	if err := errors.Join(err, alias, allow); err != nil {
		t.Fatal(err)
	}
}

func checkSaved(t *testing.T, g *Group, file string) {
	t.Helper()
	if got, saved, err := g.SavedIn(); got != file || !saved || err != nil {
		t.Errorf("saved in %q: %v (%v), want in %q", got, saved, err, file)
	}
	info, err := os.Stat(file)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("key file: %v, %v", info, err)
	}
	if left, _ := filepath.Glob(file + ".*"); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
}

// After a reboot every device reaches the slot of before, by pin, weight, alias or hash,
// and those that were kept out are kept out; and so it is on another host that has a copy
// of the file.
func TestRebootKeepsPlacement(t *testing.T) {
	all := devices(600)
	h := newHost(t)
	g := h.boot(t, 4)
	say(t, g, all)
	checkSaved(t, g, h.file)
	before, table := reached(t, g, h.port, all), g.Table()
	if n := len(before); n == 0 || n == len(all) {
		t.Fatalf("%d of %d devices are let in, the test shows nothing", n, len(all))
	}
	g.Close()
	h.down(t)

	g = h.boot(t, 4)
	if after := reached(t, g, h.port, all); !maps.Equal(after, before) {
		t.Errorf("%d devices reach other slots than before the reboot", differences(before, after))
	}
	checkSaved(t, g, h.file)
	checkAlike(t, g.Table(), table)

	text, err := os.ReadFile(h.file)
	if err != nil {
		t.Fatal(err)
	}
	other := newHost(t)
	if err := os.WriteFile(other.file, text, 0o600); err != nil {
		t.Fatal(err)
	}
	twin := other.boot(t, 0)
	if there := reached(t, twin, other.port, all); !maps.Equal(there, before) {
		t.Errorf("%d devices reach other slots on a host with the same file", differences(before, there))
	}
	checkAlike(t, twin.Table(), table)

	// The key alone places otherwise: the plan in the file is what did it.
	bare := NewTable(table.key, 6)
	if n := differences(before, mapped(all, bare.Slot)); n < 50 {
		t.Errorf("the plan makes a difference for %d devices only", n)
	}
	// What was said after the reboot is kept as well.
	if _, err := g.ChangePlan(t.Context(), false, func(p *Plan) error {
		p.Unpin(all[0])
		return errors.Join(p.SetDrained(2, false), p.SetWeight(1, 1))
	}); err != nil {
		t.Fatal(err)
	}
	if err := g.RemoveAlias(t.Context(), all[2]); err != nil {
		t.Fatal(err)
	}
	if _, err := g.Disallow(t.Context(), g.Table().Allowed()...); err != nil {
		t.Fatal(err)
	}
	table = g.Table()
	g.Close()
	h.down(t)
	g = h.boot(t, 4)
	checkAlike(t, g.Table(), table)
	if got := reached(t, g, h.port, all); !maps.Equal(got, mapped(all, table.Slot)) {
		t.Errorf("%d devices reach other slots than the table says", differences(got, mapped(all, table.Slot)))
	}
}

func mapped(all []netip.Addr, slot func(netip.Addr) int) map[netip.Addr]int {
	m := map[netip.Addr]int{}
	for _, d := range all {
		m[d] = slot(d)
	}
	return m
}

func differences(a, b map[netip.Addr]int) (n int) {
	for d, slot := range a {
		if other, ok := b[d]; !ok || other != slot {
			n++
		}
	}
	return n + max(0, len(b)-len(a))
}

// checkAlike compares all of two tables but their history.
func checkAlike(t *testing.T, got, want *Table) {
	t.Helper()
	rec := &fileRecord{}
	if a, b := got.toSave(rec).Append(nil), want.toSave(rec).Append(nil); !bytes.Equal(a, b) {
		t.Errorf("got\n%swant\n%s", a, b)
	}
	if !slices.Equal(got.buckets, want.buckets) {
		t.Error("buckets differ")
	}
}

// The number of slots that the settings tell counts when it has changed; else what resize
// has said does, at a reboot and without one.
func TestRebootSlots(t *testing.T) {
	h := newHost(t)
	for _, step := range []struct {
		told, resize, want int
		reboot             bool
	}{
		{told: 4, want: 4},
		{told: 4, want: 4, reboot: true},
		{resize: 5, told: 4, want: 5, reboot: true},
		{told: 4, want: 5},
		{told: 0, want: 5, reboot: true},
		{told: 6, want: 6, reboot: true},
		{told: 6, want: 6, reboot: true},
		{resize: 3, told: 6, want: 3},
		{told: 4, want: 4},
		{told: 0, want: 4, reboot: true},
	} {
		if step.resize != 0 {
			g, err := Open(h.root, "booted")
			if err != nil {
				t.Fatal(err)
			}
			if _, err := g.ChangePlan(t.Context(), false, func(p *Plan) error { return p.Resize(step.resize) }); err != nil {
				t.Fatal(err)
			}
			g.Close()
		}
		if step.reboot {
			h.down(t)
		}
		g := h.boot(t, step.told)
		if g.Slots() != step.want || !slices.Equal(g.Table().buckets, NewTable(Key{}, step.want).buckets) {
			t.Errorf("%+v: %d slots", step, g.Slots())
		}
		g.Close()
	}
	h.down(t)
	var mismatch *SlotsMismatchError
	if _, err := Init(t.Context(), Options{Root: h.root, Name: "booted", Slots: 5, File: h.file}); !errors.As(err, &mismatch) || mismatch.Have != 4 {
		t.Errorf("another number without resizing: %v", err)
	}
}

// A key file of before this format holds the key alone. It is read, left as it is while
// it says all there is to say, and then holds the plan.
func TestKeyFileOfBefore(t *testing.T) {
	h := newHost(t)
	key := Key{1, 2, 3}
	old := []byte(hex.EncodeToString(key[:]) + "\n")
	if err := os.WriteFile(h.file, old, 0o400); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		g := h.boot(t, 4)
		checkAlike(t, g.Table(), NewTable(key, 4))
		if file, saved, err := g.SavedIn(); file != h.file || !saved || err != nil {
			t.Errorf("saved in %q: %v, %v", file, saved, err)
		}
		if text, err := os.ReadFile(h.file); err != nil || !bytes.Equal(text, old) {
			t.Errorf("key file %q, %v", text, err)
		}
		g.Close()
		h.down(t)
	}
	if _, err := h.init(t, 0); !errors.Is(err, ErrSlotCount) {
		t.Errorf("without a number of slots: %v", err)
	}
	g := h.boot(t, 4)
	if _, err := g.ChangePlan(t.Context(), false, func(p *Plan) error { return p.SetDrained(1, true) }); err != nil {
		t.Fatal(err)
	}
	checkSaved(t, g, h.file)
	table := g.Table()
	h.down(t)
	checkAlike(t, h.boot(t, 0).Table(), table)
}

// A group that an older version made has no key file; its aliases count as set by
// somebody, since nothing says otherwise.
func TestGroupOfBefore(t *testing.T) {
	h := newHost(t)
	g, err := Init(t.Context(), Options{Root: h.root, Name: "booted", Slots: 3})
	if err != nil {
		t.Fatal(err)
	}
	defer g.Close()
	if err := g.TellAlias(t.Context(), deviceV4(1), deviceV4(2)); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(os.Remove(g.pins.file(pinSaved)), os.Remove(g.pins.file(pinTold))); err != nil {
		t.Fatal(err)
	}
	table := h.boot(t, 0).Table()
	checkAlike(t, table, NewTable(g.Table().key, 3).restored(&Saved{
		Key: g.Table().key, Plan: &Plan{Slots: 3}, Aliases: map[netip.Addr]netip.Addr{deviceV4(1): deviceV4(2)},
	}))
	h.down(t)
	checkAlike(t, h.boot(t, 0).Table(), table)
}

// A file that is damaged, or another's, is an error, makes no group and stays as it is.
func TestKeyFileRefused(t *testing.T) {
	h := newHost(t)
	g := h.boot(t, 4)
	say(t, g, devices(10))
	good, err := os.ReadFile(h.file)
	if err != nil {
		t.Fatal(err)
	}
	key := g.Table().key
	g.Close()
	h.down(t)
	for _, c := range []struct {
		name string
		text []byte
	}{
		{"empty", nil},
		{"cut short", good[:len(good)/2]},
		{"without its last octet", good[:len(good)-1]},
		{"altered", bytes.Replace(good, []byte("drained 2"), []byte("drained 3"), 1)},
		{"half a key", []byte(hex.EncodeToString(key[:8]))},
		{"too long", append(bytes.Clone(good), make([]byte, maxSavedSize)...)},
	} {
		t.Run(c.name, func(t *testing.T) {
			if err := os.WriteFile(h.file, c.text, 0o600); err != nil {
				t.Fatal(err)
			}
			if _, err := h.init(t, 4); !errors.Is(err, ErrKeyFile) || !strings.Contains(err.Error(), h.file) {
				t.Errorf("got %v", err)
			}
			if names, err := List(h.root); err != nil || len(names) != 0 {
				t.Errorf("there is a group: %v, %v", names, err)
			}
			if _, err := os.Stat(filepath.Join(h.root, "booted")); !errors.Is(err, os.ErrNotExist) {
				t.Errorf("its directory is left: %v", err)
			}
			if text, err := os.ReadFile(h.file); err != nil || !bytes.Equal(text, c.text) {
				t.Errorf("the file was touched: %v", err)
			}
		})
	}
	if err := os.WriteFile(h.file, good, 0o600); err != nil {
		t.Fatal(err)
	}
	other := key
	other[0]++
	if _, err := Init(t.Context(), Options{Root: h.root, Name: "booted", Slots: 4, Key: &other, File: h.file}); !errors.Is(err, ErrOtherKey) {
		t.Errorf("another key than the options': %v", err)
	}
	h.boot(t, 4)
}

// A change that cannot be saved is made all the same, and told; the next one saves both.
func TestNotSaved(t *testing.T) {
	h := newHost(t)
	dir := filepath.Dir(h.file)
	missing := func() {
		t.Helper()
		if err := os.RemoveAll(dir); err != nil {
			t.Fatal(err)
		}
	}
	there := func() {
		t.Helper()
		if err := os.Mkdir(dir, 0o700); err != nil {
			t.Fatal(err)
		}
	}
	notSaved := func(err error) {
		t.Helper()
		var e *NotSavedError
		if !errors.As(err, &e) || e.File != h.file || !errors.Is(err, os.ErrNotExist) {
			t.Errorf("got %v", err)
		}
	}
	missing()
	g, err := h.init(t, 4)
	notSaved(err)
	if g == nil {
		t.Fatal("no group")
	}
	d := deviceV4(1)
	m, err := g.ChangePlan(t.Context(), false, func(p *Plan) error { return p.Pin(d, (g.Where(d).Slot+1)%4) })
	notSaved(err)
	if slot, err := g.Lookup(d); err != nil || m == nil || slot != m.After.Slot(d) || slot == m.Before.Slot(d) {
		t.Errorf("the change is not in effect: slot %d, %v", slot, err)
	}
	notSaved(g.SetAlias(t.Context(), deviceV4(2), d))
	notSaved(g.Allow(t.Context(), netip.MustParsePrefix("127.0.0.0/8")))
	notSaved(g.Save(t.Context(), ""))
	if file, saved, err := g.SavedIn(); file != h.file || saved || err != nil {
		t.Errorf("saved in %q: %v, %v", file, saved, err)
	}
	// A worker tells an alias, and is not bothered with it.
	if err := g.TellAlias(t.Context(), deviceV4(3), d); err != nil {
		t.Errorf("a worker's alias: %v", err)
	}
	there()
	if _, err := g.ChangePlan(t.Context(), false, func(p *Plan) error { return p.SetWeight(1, 2) }); err != nil {
		t.Fatal(err)
	}
	checkSaved(t, g, h.file)
	missing()
	there() // the file was removed: it is written again
	if err := g.RemoveAlias(t.Context(), deviceV4(2)); err != nil {
		t.Fatal(err)
	}
	checkSaved(t, g, h.file)
	table := g.Table()
	h.down(t)
	again := h.boot(t, 4)
	checkAlike(t, again.Table(), table)
	if got := again.Aliases(); len(got) != 0 {
		t.Errorf("aliases %v: the worker's was saved", got)
	}
}

// What somebody else has put in the file is not overwritten, and taken when that is said.
func TestKeyFileFromElsewhere(t *testing.T) {
	h := newHost(t)
	g := h.boot(t, 4)
	put := func(do func(*Saved)) *Saved {
		t.Helper()
		s := &Saved{
			Key: g.Table().key, Asked: 3, Plan: &Plan{Slots: 5, Weights: map[int]float64{4: 2}, Pins: map[netip.Addr]int{deviceV4(1): 4}},
			Aliases: map[netip.Addr]netip.Addr{deviceV4(2): deviceV4(3)}, Allowed: []netip.Prefix{netip.MustParsePrefix("127.9.0.0/16")},
		}
		do(s)
		if err := os.WriteFile(h.file, s.Append(nil), 0o600); err != nil {
			t.Fatal(err)
		}
		return s
	}
	drain := func(slot int, drained bool) error {
		_, err := g.ChangePlan(t.Context(), false, func(p *Plan) error { return p.SetDrained(slot, drained) })
		return err
	}
	for from, to := range map[netip.Addr]netip.Addr{deviceV4(2): deviceV4(1), deviceV4(3): deviceV4(4), deviceV4(8): deviceV4(9)} {
		if err := g.TellAlias(t.Context(), from, to); err != nil {
			t.Fatal(err)
		}
	}
	if err := g.SetAlias(t.Context(), deviceV4(5), deviceV4(6)); err != nil {
		t.Fatal(err)
	}
	want := put(func(*Saved) {})
	if _, err := h.init(t, 4); !errors.Is(err, ErrOtherPlan) {
		t.Errorf("init: %v", err)
	}
	if err := drain(0, true); !errors.Is(err, ErrNotSaved) || !errors.Is(err, ErrOtherPlan) || !g.Table().Plan().Drained[0] {
		t.Errorf("drain: %v, %v", err, g.Table().Plan())
	}
	if m, err := g.Restore(t.Context(), h.file, true); err != nil || m.Buckets() == 0 || m.After.Slots() != 5 || g.Slots() != 4 {
		t.Errorf("dry run: %v", err)
	}
	if m, err := g.Restore(t.Context(), h.file, false); err != nil || m.After.Slot(deviceV4(1)) != 4 {
		t.Errorf("restore: %v", err)
	}
	checkSaved(t, g, h.file)
	made := NewTable(g.Table().key, 5).restored(want)
	checkAlike(t, g.Table(), made)
	// The workers' aliases that are none of the file's business are still there.
	if got, want := g.Aliases(), map[netip.Addr]netip.Addr{deviceV4(2): deviceV4(3), deviceV4(8): deviceV4(9)}; !maps.Equal(got, want) {
		t.Errorf("aliases %v, want %v", got, want)
	}
	for _, d := range devices(100) {
		if slot, err := g.Lookup(d); err != nil || slot != g.Table().Slot(d) || d != deviceV4(8) && slot != made.Slot(d) {
			t.Fatalf("device %s: slot %d, %v", d, slot, err)
		}
	}
	if err := drain(0, true); err != nil {
		t.Fatal(err)
	}
	// Save replaces it; a list and aliases that are there no more go with it.
	put(func(s *Saved) { s.Plan.Slots = 7 })
	if err := g.Save(t.Context(), ""); err != nil {
		t.Fatal(err)
	}
	checkSaved(t, g, h.file)
	put(func(s *Saved) { s.Aliases, s.Allowed = nil, nil })
	if _, err := g.Restore(t.Context(), h.file, false); err != nil || len(g.Table().Allowed()) != 0 || len(g.Aliases()) != 1 {
		t.Errorf("restore: %v, %v, %v", err, g.Table().Allowed(), g.Aliases())
	}
	// Another group's file, or what is none, is left alone whatever is said.
	foreign := put(func(s *Saved) { s.Key[0]++ }).Append(nil)
	for _, err := range []error{drain(1, true), g.Save(t.Context(), "")} {
		if !errors.Is(err, ErrNotSaved) || !errors.Is(err, ErrOtherKey) {
			t.Errorf("another group's: %v", err)
		}
	}
	if _, err := g.Restore(t.Context(), h.file, false); !errors.Is(err, ErrOtherKey) {
		t.Errorf("restore of another group's: %v", err)
	}
	if text, err := os.ReadFile(h.file); err != nil || !bytes.Equal(text, foreign) {
		t.Errorf("another group's file was written: %v", err)
	}
	if err := os.WriteFile(h.file, []byte("garbage\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, err := range []error{drain(3, true), g.Save(t.Context(), "")} {
		if !errors.Is(err, ErrNotSaved) || !errors.Is(err, ErrKeyFile) {
			t.Errorf("garbage: %v", err)
		}
	}
	if err := os.Remove(h.file); err != nil {
		t.Fatal(err)
	}
	if err := g.Save(t.Context(), ""); err != nil {
		t.Fatal(err)
	}
	checkSaved(t, g, h.file)
}

// A group without a key file gets one, and goes on in another, without changing.
func TestSaveElsewhere(t *testing.T) {
	g, _ := newGroup(t, 3)
	if err := g.Save(t.Context(), ""); !errors.Is(err, ErrNoKeyFile) {
		t.Errorf("got %v", err)
	}
	if file, saved, err := g.SavedIn(); file != "" || saved || err != nil {
		t.Errorf("saved in %q: %v, %v", file, saved, err)
	}
	generation, dir := g.Table().Generation(), t.TempDir()
	one, two, link := filepath.Join(dir, "one"), filepath.Join(dir, "two"), filepath.Join(dir, "link")
	if err := g.Save(t.Context(), one); err != nil {
		t.Fatal(err)
	}
	checkSaved(t, g, one)
	again, err := Init(t.Context(), Options{Name: g.Name(), File: two})
	if err != nil {
		t.Fatal(err)
	}
	defer again.Close()
	checkSaved(t, again, two)
	if g.Table().Generation() != generation {
		t.Error("saving changed the generation")
	}
	if err := os.Symlink("two", link); err != nil {
		t.Fatal(err)
	}
	if err := g.Save(t.Context(), link); err != nil {
		t.Fatal(err)
	}
	if _, err := g.ChangePlan(t.Context(), false, func(p *Plan) error { return p.SetDrained(1, true) }); err != nil {
		t.Fatal(err)
	}
	checkSaved(t, g, link)
	if to, err := os.Readlink(link); err != nil || to != "two" {
		t.Errorf("the link is gone: %v", err)
	}
	if text, err := os.ReadFile(two); err != nil || !strings.Contains(string(text), "drained 1\n") {
		t.Errorf("behind the link: %q, %v", text, err)
	}
	if text, err := os.ReadFile(one); err != nil || strings.Contains(string(text), "drained") {
		t.Errorf("the file of before: %q, %v", text, err)
	}
}
