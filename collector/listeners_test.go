package collector

import (
	"net"
	"strings"
	"testing"
)

func TestListenAddrs(t *testing.T) {
	for _, c := range []struct{ text, want string }{
		{"[::]:4739", ""},
		{"[::]:4739, 0.0.0.0:2055", ""},
		{"127.0.0.1:0,127.0.0.1:0", ""},
		{"", `listen-ipfix "" is not address:port, for example [::]:4739`},
		{"[::]:4739,", `listen-ipfix "" is not address:port, for example [::]:4739`},
		{"[::]:4739,2055", `listen-ipfix "2055" is not address:port, for example [::]:4739`},
		{"[::]:4739,[::]:1790", "listen-ipfix and listen-bmp both have port 1790; choose another, or do without IPFIX over TCP (ipfix.tcp off)"},
		{"[::]:4739,0.0.0.0:4739", "listen-ipfix has port 4739 twice, [::] takes IPv4 as well"},
	} {
		cfg := Default()
		cfg.Slot, cfg.ListenIPFIX = 0, c.text
		err := cfg.Validate()
		if (err == nil) != (c.want == "") || err != nil && !strings.HasSuffix(err.Error(), c.want) {
			t.Errorf("%q: got %v, want %q", c.text, err, c.want)
		}
	}
}

// TestManyListeners sends to each of several sockets and sessions of a worker.
func TestManyListeners(t *testing.T) {
	r := startTest(t, func(c *Config) {
		c.ListenIPFIX += "," + freeAddr(t) + "," + freeAddr(t)
		c.ListenBMP += "," + freeAddr(t)
	})
	all := r.cfg
	for i, addr := range strings.Split(all.ListenIPFIX, ",") {
		r.cfg.ListenIPFIX = addr
		r.send(t, flows(t, uint32(10*i), 10))
	}
	bmps := strings.Split(all.ListenBMP, ",")
	for _, addr := range bmps {
		r.cfg.ListenBMP = addr
		defer r.announce(t).Close()
	}
	waitFor(t, "both sessions", func() bool { return r.metrics(t)["telcol_bmp_sessions{}"] == float64(len(bmps)) })
	r.stop(t)
	if n := len(r.stdout.lines()); n != 30 {
		t.Errorf("%d records, want 30", n)
	}
	for _, addr := range bmps {
		if c, err := net.Dial("tcp", addr); err == nil {
			c.Close()
			t.Errorf("%s still listens", addr)
		}
	}
}
