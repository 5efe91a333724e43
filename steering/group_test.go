package steering

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
	"golang.org/x/sys/unix"
)

func TestInitIsIdempotent(t *testing.T) {
	g, port := newGroup(t, 4)
	p := join(t, g, port, 0)
	d := deviceOf(t, g, 0)
	send(t, d, port, "flow")
	for range 2 {
		again, err := Init(t.Context(), Options{Name: g.Name(), Slots: 4, Listeners: []Listener{{UDP, port}, {TCP, port}}})
		if err != nil {
			t.Fatal(err)
		}
		defer again.Close()
		if again.Table().key != g.Table().key || again.Table().Generation() != g.Table().Generation() {
			t.Error("key or generation changed")
		}
		if !slices.Equal(again.Table().buckets, g.Table().buckets) {
			t.Error("buckets changed")
		}
	}
	send(t, d, port, "flow")
	if got := p.received(t)[d]; got != 2 {
		t.Errorf("received %d datagrams, want 2", got)
	}
	counters, err := g.Counters()
	if err != nil {
		t.Fatal(err)
	}
	if got := counters[0].Slots[0].Selected; got != 2 {
		t.Errorf("counter is %d, want 2", got)
	}
}

func TestInitRefuses(t *testing.T) {
	g, port := newGroup(t, 4)
	for _, c := range []struct {
		name string
		o    Options
		want error
	}{
		{"other number of slots", Options{Name: g.Name(), Slots: 5}, ErrSlotsMismatch},
		{"too many slots", Options{Name: "new", Slots: MaxSlots + 1}, ErrSlotCount},
		{"negative slots", Options{Name: "new", Slots: -1}, ErrSlotCount},
		{"new without slots", Options{Name: "new"}, ErrSlotCount},
		{"no name", Options{Slots: 1}, ErrName},
		{"name that is a path", Options{Name: "../x", Slots: 1}, ErrName},
	} {
		t.Run(c.name, func(t *testing.T) {
			if _, err := Init(t.Context(), c.o); !errors.Is(err, c.want) {
				t.Errorf("got %v, want %v", err, c.want)
			}
		})
	}
	_, err := Init(t.Context(), Options{Name: g.Name(), Slots: 5, Listeners: []Listener{{UDP, port + 1}}})
	var mismatch *SlotsMismatchError
	if !errors.As(err, &mismatch) || mismatch.Want != 5 || mismatch.Have != 4 {
		t.Errorf("got %v, want a mismatch of 5 and 4", err)
	}
	if ls, err := g.Listeners(); err != nil || len(ls) != 2 {
		t.Errorf("a refused init left listeners %v (%v)", ls, err)
	}
	if _, err := os.Stat(filepath.Join(DefaultRoot, "new")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a refused init left its directory: %v", err)
	}
	// 0 means: as it is.
	again, err := Init(t.Context(), Options{Name: g.Name()})
	if err != nil || again.Slots() != 4 {
		t.Fatalf("init without a number: %v", err)
	}
	again.Close()
}

// An interrupted creation leaves pins without config; Init starts over.
func TestInitAfterInterruption(t *testing.T) {
	g, port := newGroup(t, 2)
	key := g.Table().key
	if err := os.Remove(g.pins.file(pinConfig)); err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(g.pins.listenerFile(Listener{UDP, port}, pinProg)); err != nil {
		t.Fatal(err)
	}
	if _, err := Open("", g.Name()); !errors.Is(err, ErrNoGroup) {
		t.Errorf("half a group opens: %v", err)
	}
	again, err := Init(t.Context(), Options{Name: g.Name(), Slots: 3, Listeners: []Listener{{UDP, port}}})
	if err != nil {
		t.Fatal(err)
	}
	defer again.Close()
	if again.Slots() != 3 || again.Table().key == key {
		t.Errorf("got %d slots", again.Slots())
	}
	join(t, again, port, 2)
}

// A group of an older version lacks maps: whoever opens it is told, and Init adds them.
func TestInitCompletesOutdated(t *testing.T) {
	g, port := newGroup(t, 2)
	before := g.Table()
	for _, pin := range []string{pinPlan, pinTold} {
		if err := os.Remove(g.pins.file(pin)); err != nil {
			t.Fatal(err)
		}
		if _, err := Open("", g.Name()); !errors.Is(err, ErrOutdated) || errors.Is(err, ErrNoGroup) {
			t.Errorf("without %s: %v", pin, err)
		}
	}
	again, err := Init(t.Context(), Options{Name: g.Name(), Listeners: []Listener{{UDP, port}}})
	if err != nil {
		t.Fatal(err)
	}
	defer again.Close()
	if after := again.Table(); after.key != before.key || !slices.Equal(after.buckets, before.buckets) {
		t.Error("devices have moved")
	}
	join(t, again, port, 1)
	if err := os.Remove(g.pins.file(pinBuckets)); err != nil {
		t.Fatal(err)
	}
	if _, err := Open("", g.Name()); !errors.Is(err, ErrNoGroup) {
		t.Errorf("without what every group has: %v", err)
	}
}

func TestIncompatiblePins(t *testing.T) {
	t.Run("map", func(t *testing.T) {
		g, _ := newGroup(t, 1)
		m, err := ebpf.NewMap(&ebpf.MapSpec{Type: ebpf.Array, KeySize: 4, ValueSize: 8, MaxEntries: 1})
		if err != nil {
			t.Fatal(err)
		}
		defer m.Close()
		if err := pinNew(m, g.pins.file(pinConfig)); err != nil {
			t.Fatal(err)
		}
		if _, err := Open("", g.Name()); !errors.Is(err, ErrIncompatible) {
			t.Errorf("got %v", err)
		}
	})
	t.Run("layout", func(t *testing.T) {
		g, _ := newGroup(t, 1)
		s, err := g.pins.openShared(false)
		if err != nil {
			t.Fatal(err)
		}
		defer s.close()
		set, err := s.settings()
		if err != nil {
			t.Fatal(err)
		}
		set.Layout++
		if err := s.writeSettings(set); err != nil {
			t.Fatal(err)
		}
		if _, err := Init(t.Context(), Options{Name: g.Name(), Slots: 1}); !errors.Is(err, ErrIncompatible) {
			t.Errorf("got %v", err)
		}
	})
}

// Init replaces the program of another version and keeps maps and placement.
func TestInitReplacesForeignProgram(t *testing.T) {
	g, port := newGroup(t, 1)
	old, err := ebpf.NewProgram(&ebpf.ProgramSpec{
		Type: ebpf.SkReuseport, AttachType: ebpf.AttachSkReuseportSelectOrMigrate, License: "Apache-2.0",
		Instructions: asm.Instructions{asm.Mov.Imm(asm.R0, 0), asm.Return()},
	})
	if err != nil {
		t.Fatal(err)
	}
	defer old.Close()
	l := Listener{UDP, port}
	if err := pinNew(old, g.pins.listenerFile(l, pinProg)); err != nil {
		t.Fatal(err)
	}
	again, err := Init(t.Context(), Options{Name: g.Name(), Listeners: []Listener{l}})
	if err != nil {
		t.Fatal(err)
	}
	defer again.Close()
	p := join(t, again, port, 0)
	send(t, deviceV4(1), port, "flow")
	if got := p.received(t); len(got) != 1 {
		t.Errorf("the old program is still there: %v", got)
	}
}

func TestOpenAndListAndDestroy(t *testing.T) {
	g, port := newGroup(t, 2)
	if names, err := List(""); err != nil || !slices.Contains(names, g.Name()) {
		t.Errorf("list: %v, %v", names, err)
	}
	if names, err := List(systemBPFFS + "/nothing"); err != nil || names != nil {
		t.Errorf("list of nothing: %v, %v", names, err)
	}
	if _, err := Open("", "unknown"); !errors.Is(err, ErrNoGroup) {
		t.Errorf("open: %v", err)
	}
	if err := Destroy(t.Context(), "", "unknown", DestroyOptions{}); !errors.Is(err, ErrNoGroup) {
		t.Errorf("destroy: %v", err)
	}

	p := join(t, g, port, 1)
	err := Destroy(t.Context(), "", g.Name(), DestroyOptions{})
	var busy *BusyError
	if !errors.As(err, &busy) || !slices.Equal(busy.Slots, []int{1}) {
		t.Errorf("destroy of a busy group: %v", err)
	}
	p.close()
	if err := Destroy(t.Context(), "", g.Name(), DestroyOptions{}); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(g.pins.dir()); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("directory: %v", err)
	}
	if _, err := g.Reload(); !errors.Is(err, ErrNoGroup) {
		t.Errorf("reload: %v", err)
	}

	// A new group of the same name is another one to whoever has the old open.
	again, err := Init(t.Context(), Options{Name: g.Name(), Slots: 2})
	if err != nil {
		t.Fatal(err)
	}
	defer again.Close()
	if _, err := g.ListenUDP(t.Context(), anyAddr(port), 0, ListenOptions{}); !errors.Is(err, ErrNoGroup) {
		t.Errorf("listen in the old group: %v", err)
	}
}

// A port the group was not made for is added by a worker that may.
func TestListenAddsListener(t *testing.T) {
	g, port := newGroup(t, 1)
	extra := freePort()
	udp, err := g.ListenUDP(t.Context(), anyAddr(extra), 0, ListenOptions{})
	if err != nil {
		t.Fatal(err)
	}
	defer udp.Close()
	if _, err := g.Claim(t.Context(), 0, udp); err != nil {
		t.Fatal(err)
	}
	send(t, deviceV4(1), extra, "flow")
	p := &place{udp: udp}
	if got := p.received(t); len(got) != 1 {
		t.Errorf("received %v", got)
	}
	ls, err := g.Listeners()
	if want := []Listener{{UDP, port}, {UDP, extra}, {TCP, port}}; err != nil || !slices.Equal(ls, want) {
		t.Errorf("listeners %v (%v), want %v", ls, err, want)
	}
}

// Two groups of one user must not fight for a port.
func TestPortOfAnotherGroup(t *testing.T) {
	a, port := newGroup(t, 1)
	b, _ := newGroup(t, 1)
	p := join(t, a, port, 0)
	_, err := b.ListenUDP(t.Context(), anyAddr(port), 0, ListenOptions{})
	var used *PortInUseError
	if !errors.As(err, &used) || used.Group != a.Name() || len(used.Owners) == 0 || used.Owners[0].PID != os.Getpid() {
		t.Errorf("got %v, want port in use by group %s", err, a.Name())
	}
	send(t, deviceV4(1), port, "flow")
	if got := p.received(t); len(got) != 1 {
		t.Errorf("the first group lost its traffic: %v", got)
	}
}

func TestStrangersInStatus(t *testing.T) {
	g, port := newGroup(t, 1)
	join(t, g, port, 0)
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(fd)
	if err := share(fd); err != nil {
		t.Fatal(err)
	}
	if err := unix.Bind(fd, &unix.SockaddrInet4{Port: int(port)}); err != nil {
		t.Fatal(err)
	}
	st, err := g.Status()
	if err != nil {
		t.Fatal(err)
	}
	if len(st.Strangers) != 1 || st.Strangers[0].Listener != (Listener{UDP, port}) || st.Strangers[0].Owner.PID != os.Getpid() {
		t.Errorf("strangers: %+v", st.Strangers)
	}
}

// The lock is waited for, but not beyond the context.
func TestLock(t *testing.T) {
	g, port := newGroup(t, 1)
	lock, err := g.pins.lock(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	_, err = g.ListenUDP(ctx, anyAddr(port), 0, ListenOptions{})
	if !errors.Is(err, ErrLocked) || !errors.Is(err, context.DeadlineExceeded) || !strings.Contains(err.Error(), fmt.Sprintf("locked by pid %d (", os.Getpid())) {
		t.Errorf("got %v", err)
	}
	done := make(chan error)
	go func() {
		conn, err := g.ListenUDP(t.Context(), anyAddr(port), 0, ListenOptions{})
		if err == nil {
			conn.Close()
		}
		done <- err
	}()
	lock.unlock()
	if err := <-done; err != nil {
		t.Error(err)
	}
}

// Init mounts bpffs where there is none, for a root of one's own.
func TestInitMounts(t *testing.T) {
	needLive(t)
	root := filepath.Join(t.TempDir(), "bpf")
	t.Cleanup(func() { unix.Unmount(root, 0) })
	if names, err := List(root); err != nil || names != nil {
		t.Errorf("list before: %v, %v", names, err)
	}
	g, err := Init(t.Context(), Options{Root: root, Name: "mounted", Slots: 1})
	if err != nil {
		t.Fatal(err)
	}
	g.Close()
	again, err := Init(t.Context(), Options{Root: root, Name: "mounted", Slots: 1})
	if err != nil {
		t.Fatal(err)
	}
	again.Close()
	if err := Destroy(t.Context(), root, "mounted", DestroyOptions{}); err != nil {
		t.Error(err)
	}
	if names, err := List(root); err != nil || len(names) != 0 {
		t.Errorf("list after: %v, %v", names, err)
	}
}

func TestListenerNames(t *testing.T) {
	for _, c := range []struct {
		in string
		ok bool
	}{
		{"udp/4739", true},
		{"tcp/1790", true},
		{"sctp/4739", false},
		{"udp/0", false},
		{"udp/65536", false},
		{"udp", false},
		{"udp/", false},
		{"", false},
	} {
		t.Run(c.in, func(t *testing.T) {
			l, err := ParseListener(c.in)
			if (err == nil) != c.ok {
				t.Fatalf("got %v, %v", l, err)
			}
			if !c.ok {
				return
			}
			if l.String() != c.in {
				t.Errorf("got %s", l)
			}
			if back, ok := listenerOfDir(l.dir()); !ok || back != l {
				t.Errorf("directory %s is %v", l.dir(), back)
			}
		})
	}
	for _, dir := range []string{"config", "udp-04739", "udp-4739-1", "udp/4739"} {
		if l, ok := listenerOfDir(dir); ok {
			t.Errorf("%s is %v", dir, l)
		}
	}
}

func TestGroupNames(t *testing.T) {
	for name, want := range map[string]bool{
		"telcol": true, "A-1_b": true, strings.Repeat("x", 64): true,
		"": false, "a.b": false, "a/b": false, "..": false, strings.Repeat("x", 65): false, "é": false,
	} {
		if got := ValidName(name); got != want {
			t.Errorf("%q: got %v", name, got)
		}
	}
}
