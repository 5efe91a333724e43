package steering

import (
	"context"
	"errors"
	"maps"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// An alias takes the place of its canonical address in the kernel and in Go, and
// leaves it when removed.
func TestAliases(t *testing.T) {
	g, port := newGroup(t, 2)
	workers := []*place{join(t, g, port, 0), join(t, g, port, 1)}
	from, to := deviceOf(t, g, 0), deviceOf(t, g, 1)
	expect := func(slot int) {
		t.Helper()
		send(t, from, port, "flow")
		if got := g.Where(from).Slot; got != slot {
			t.Errorf("in Go the slot is %d, want %d", got, slot)
		}
		for s, w := range workers {
			if got := w.received(t)[from]; (got == 1) != (s == slot) {
				t.Errorf("slot %d received %d", s, got)
			}
		}
	}
	expect(0)
	if err := g.SetAlias(t.Context(), from, to); err != nil {
		t.Fatal(err)
	}
	expect(1)
	want := map[netip.Addr]netip.Addr{from: to}
	if got := g.Aliases(); !maps.Equal(got, want) {
		t.Errorf("aliases %v, want %v", got, want)
	}
	if got := g.Where(from); got.Canonical != to || got.Addr != from {
		t.Errorf("got %+v", got)
	}
	if err := g.RemoveAlias(t.Context(), from); err != nil {
		t.Fatal(err)
	}
	expect(0)
	if set, err := g.maps.settings(); err != nil || set.Flags != 0 || set.Generation != 3 {
		t.Errorf("settings %+v, %v", set, err)
	}
}

func TestAliasRules(t *testing.T) {
	g, _ := newGroup(t, 2)
	a, b, c := deviceV4(1), deviceV6(1), deviceV4(2)
	if err := g.SetAlias(t.Context(), a, b); err != nil {
		t.Fatal(err)
	}
	for _, tc := range []struct {
		name     string
		from, to netip.Addr
		want     error // nil: any error
	}{
		{"to an alias", c, a, ErrAliasChain},
		{"from a canonical address", b, c, ErrAliasChain},
		{"of itself", c, c, nil},
		{"of itself, mapped", c, netip.AddrFrom16(c.As16()), nil},
		{"of nothing", c, netip.Addr{}, nil},
	} {
		t.Run(tc.name, func(t *testing.T) {
			err := g.SetAlias(t.Context(), tc.from, tc.to)
			if err == nil || tc.want != nil && !errors.Is(err, tc.want) {
				t.Errorf("got %v, want %v", err, tc.want)
			}
		})
	}
	if err := g.SetAlias(t.Context(), a, c); err != nil {
		t.Errorf("changing an alias: %v", err)
	}
	if err := g.RemoveAlias(t.Context(), b); err != nil {
		t.Errorf("removing none: %v", err)
	}
	if got := g.Aliases(); len(got) != 1 || got[a] != c {
		t.Errorf("got %v", got)
	}
}

// What is an alias cannot be pinned, nor what is pinned be an alias: such a pin would move a bucket that the address does not have.
func TestAliasesAndPins(t *testing.T) {
	g, _ := newGroup(t, 2)
	alias, canonical, pinned := deviceV4(1), deviceV6(1), deviceV4(2)
	if err := g.SetAlias(t.Context(), alias, canonical); err != nil {
		t.Fatal(err)
	}
	pin := func(a netip.Addr, dry bool) error {
		_, err := g.ChangePlan(t.Context(), dry, func(p *Plan) error { return p.Pin(a, 1) })
		return err
	}
	for _, dry := range []bool{true, false} {
		if err := pin(netip.AddrFrom16(alias.As16()), dry); !errors.Is(err, ErrPinOfAlias) || !strings.HasSuffix(err.Error(), "pin that") {
			t.Errorf("pin of an alias, dry %v: %v", dry, err)
		}
	}
	for _, a := range []netip.Addr{canonical, pinned} {
		if err := pin(a, false); err != nil {
			t.Fatal(err)
		}
	}
	if got := g.Where(alias).Slot; got != 1 {
		t.Errorf("slot %d, want that of the pin", got)
	}
	if err := g.SetAlias(t.Context(), pinned, canonical); !errors.Is(err, ErrPinOfAlias) || !strings.Contains(err.Error(), "unpin it") {
		t.Errorf("alias of what is pinned: %v", err)
	}
	if err := g.SetAlias(t.Context(), alias, canonical); err != nil {
		t.Errorf("the same alias again: %v", err)
	}
	if err := g.TellAlias(t.Context(), pinned, canonical); err != nil {
		t.Errorf("a worker's alias of what is pinned: %v", err)
	}
	if got := len(g.Table().Plan().Pins); got != 2 || len(g.Aliases()) != 2 {
		t.Errorf("%d pins, aliases %v", got, g.Aliases())
	}
}

// A worker that watches sees a change that another process made, and the end.
func TestWatch(t *testing.T) {
	loader, _ := newGroup(t, 2)
	link := filepath.Join(t.TempDir(), "groups")
	relink := func(to string) {
		t.Helper()
		if err := errors.Join(os.Symlink(to, link+".next"), os.Rename(link+".next", link)); err != nil {
			t.Fatal(err)
		}
	}
	relink(DefaultRoot)
	worker, err := Open(link, loader.Name())
	if err != nil {
		t.Fatal(err)
	}
	defer worker.Close()
	synctest.Test(t, func(t *testing.T) {
		seen := make(chan *Table, 1)
		done := make(chan error, 1)
		go func() {
			done <- worker.Watch(bg, time.Second, func(t *Table) { seen <- t })
		}()
		time.Sleep(10 * time.Second)
		select {
		case table := <-seen:
			t.Fatalf("generation %d came unasked", table.Generation())
		default:
		}
		if err := loader.SetAlias(bg, deviceV4(1), deviceV4(2)); err != nil {
			t.Fatal(err)
		}
		if table := <-seen; table.Generation() != 2 || table.Canonical(deviceV4(1)) != deviceV4(2) {
			t.Errorf("generation %d", table.Generation())
		}
		// What cannot be read for a while is read later.
		relink(link)
		if err := loader.RemoveAlias(bg, deviceV4(1)); err != nil {
			t.Fatal(err)
		}
		time.Sleep((watchTries-2)*time.Second + 500*time.Millisecond)
		select {
		case table := <-seen:
			t.Fatalf("generation %d came from nowhere", table.Generation())
		case err := <-done:
			t.Fatalf("watch ended with %v", err)
		default:
		}
		relink(DefaultRoot)
		if table := <-seen; table.Generation() != 3 {
			t.Errorf("generation %d", table.Generation())
		}
		if err := Destroy(bg, "", loader.Name(), DestroyOptions{}); err != nil {
			t.Fatal(err)
		}
		if err := <-done; !errors.Is(err, ErrNoGroup) {
			t.Errorf("watch ended with %v", err)
		}
		ctx, cancel := context.WithTimeout(bg, time.Minute)
		defer cancel()
		if err := worker.Watch(ctx, 2*time.Minute, nil); err != nil {
			t.Errorf("watch ended with %v", err)
		}
	})
}
