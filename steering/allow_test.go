package steering

import (
	"errors"
	"net/netip"
	"slices"
	"testing"

	"golang.org/x/sys/unix"
)

// What is not allowed is dropped before anything else and counted, on both
// protocols, for IPv4 and IPv6; without prefixes everything is let in.
func TestAllowList(t *testing.T) {
	g, port := newGroup(t, 1)
	p := join(t, g, port, 0)
	all := devices(20)
	prefix := netip.MustParsePrefix
	var refused uint64
	expect := func(step string) {
		t.Helper()
		want := 0
		for _, d := range all {
			send(t, d, port, "flow")
			c, err := dial(d, port)
			ok := g.Table().Allows(d)
			if ok {
				want++
			} else {
				refused++
			}
			if (err == nil) != ok || err != nil && !errors.Is(err, unix.ECONNREFUSED) {
				t.Errorf("%s: device %s: allowed %v, got %v", step, d, ok, err)
			}
			if err == nil {
				c.Close()
			}
		}
		got := p.received(t)
		if len(got) != want {
			t.Errorf("%s: datagrams of %d devices, want %d", step, len(got), want)
		}
		for d := range got {
			if !g.Table().Allows(d) {
				t.Errorf("%s: device %s got through", step, d)
			}
		}
		counters, err := g.Counters()
		if err != nil {
			t.Fatal(err)
		}
		for _, c := range counters {
			if c.Refused != refused {
				t.Errorf("%s: %s counted %d refused, want %d", step, c.Listener, c.Refused, refused)
			}
		}
	}
	change := func(what string, err error) {
		t.Helper()
		if err != nil {
			t.Fatalf("%s: %v", what, err)
		}
		expect(what)
	}
	expect("no list")
	one := netip.PrefixFrom(all[0], 32)
	change("one address", g.Allow(t.Context(), one))
	change("IPv6 too", g.Allow(t.Context(), netip.PrefixFrom(deviceV6(0), 64)))
	change("a mapped prefix", g.Allow(t.Context(), prefix("::ffff:127.9.0.0/124")))
	want := []netip.Prefix{prefix("127.9.0.0/28"), one, netip.PrefixFrom(deviceV6(0), 64).Masked()}
	if got := g.Table().Allowed(); !slices.Equal(got, want) {
		t.Errorf("list %v, want %v", got, want)
	}
	missing, err := g.Disallow(t.Context(), want[0], want[2], prefix("10.0.0.0/8"))
	if !slices.Equal(missing, []netip.Prefix{prefix("10.0.0.0/8")}) {
		t.Errorf("missing %v", missing)
	}
	change("one left", err)
	_, err = g.Disallow(t.Context(), one)
	change("none left", err)
	change("everything", g.Allow(t.Context(), prefix("::/0")))
	if _, err := Init(t.Context(), Options{Name: g.Name(), Allow: []netip.Prefix{one, prefix("::/0")}}); err != nil {
		t.Fatal(err)
	}
	if _, err := g.Reload(); err != nil || len(g.Table().Allowed()) != 2 {
		t.Errorf("init added to %v (%v)", g.Table().Allowed(), err)
	}
}

func TestAllows(t *testing.T) {
	table := NewTable(Key{}, 1)
	for _, c := range []struct {
		prefix, addr string
		want         bool
	}{
		{"192.0.2.0/25", "192.0.2.127", true},
		{"192.0.2.0/25", "192.0.2.128", false},
		{"192.0.2.0/25", "::ffff:192.0.2.1", true},
		{"0.0.0.0/0", "198.51.100.1", true},
		{"0.0.0.0/0", "2001:db8::1", false},
		{"::/0", "198.51.100.1", true},
		{"2001:db8::/33", "2001:db8:7fff::1", true},
		{"2001:db8::/33", "2001:db8:8000::1", false},
		{"2001:db8::1/128", "2001:db8::1%eth0", true},
	} {
		table.allowed = []netip.Prefix{netip.MustParsePrefix(c.prefix)}
		if got := table.Allows(netip.MustParseAddr(c.addr)); got != c.want {
			t.Errorf("%s allows %s: %v", c.prefix, c.addr, got)
		}
	}
}
