package glass

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/telcol/telcol/correlate"
)

// TestWrongQuestions holds that each is answered by a status and one sentence.
func TestWrongQuestions(t *testing.T) {
	x := newWorld(t)
	x.cfg.Place = func(a netip.Addr) int { return int(a.AsSlice()[0]) - 10 }
	x.play(t, "192.0.2.1", 1, pe1())
	forge := func(c cursor) string {
		b, err := json.Marshal(c)
		if err != nil {
			t.Fatal(err)
		}
		return base64.RawURLEncoding.EncodeToString(b)
	}
	const routes = "/devices/{device}/routes"
	for _, tt := range []struct {
		path   string
		status int
		want   string
	}{
		{"/devices/router1", 400, `"router1" is not the address of a device`},
		{"/devices/fe80::1%25eth0", 400, `"fe80::1%eth0" is not the address of a device`},
		{"/devices/13.0.0.1/peers", 404, "slot 3 has heard nothing of device 13.0.0.1"},
		{"/devices/15.0.0.1/routes", 404, "device 15.0.0.1 belongs to slot 5, this is slot 3"},
		{"/devices/9.0.0.1", 404, "device 9.0.0.1 belongs to no slot"},
		{"/devices?colour=red", 400, `unknown parameter "colour", this page takes limit, cursor, format`},
		{"/devices?limit=1&limit=2", 400, `parameter "limit" is there 2 times`},
		{"/devices?limit=10001", 400, `limit "10001" is not a number from 1 to 10000`},
		{"/devices?limit=0", 400, `limit "0" is not a number from 1 to 10000`},
		{"/devices?limit=99999999999999999999", 400, `limit "99999999999999999999" is not a number from 1 to 10000`},
		{"/devices?format=xml", 400, `format "xml" is unknown, want json or text`},
		{"/devices?limit=%zz", 400, `the query cannot be read (invalid URL escape "%zz")`},
		{"/devices?cursor=abc", 400, `cursor "abc" was not given by a page`},
		{"/devices?cursor=" + forge(cursor{Run: x.run - 1, Page: "/devices"}), 410, "the cursor is of an earlier run of the worker, start again without it"},
		{"/devices?cursor=" + forge(cursor{Run: x.run, Page: routes}), 400, "the cursor is of another page"},
		{"/devices?cursor=" + forge(cursor{Run: x.run, Page: "/devices", Last: "x"}), 400, "the cursor is damaged"},
		{"/devices/192.0.2.1/peers?cursor=" + forge(cursor{Run: x.run, Page: "/devices/{device}/peers", Device: "192.0.2.1", Last: "x"}), 400, "the cursor is damaged"},
		{"/devices/192.0.2.1/routes?prefix=10.0.0.0/8&cursor=" + forge(cursor{x.run, routes, "192.0.2.1", 1, "11.0.0.0/8"}), 400, "the cursor is damaged"},
		{"/devices/192.0.2.1/routes?prefix=10.0.0.0/8&match=longer&cursor=" + forge(cursor{x.run, routes, "192.0.2.1", 1, "0.0.0.0/0"}), 400, "the cursor is of another question"},
		{"/devices/192.0.2.1/routes?prefix=10.0.0.0/33", 400, `prefix "10.0.0.0/33" is neither a prefix (10.0.0.0/8) nor an address`},
		{"/devices/192.0.2.1/routes?prefix=::ffff:10.0.0.0/104", 400, `prefix "::ffff:10.0.0.0/104" is IPv4 written as IPv6, write it as IPv4`},
		{"/devices/192.0.2.1/routes?match=longer", 400, "match=longer needs a prefix"},
		{"/devices/192.0.2.1/routes?prefix=10.0.0.0/8&match=near", 400, `match "near" is unknown, want exact, longer or shorter`},
		{"/devices/192.0.2.1/routes?view=nice", 400, `view "nice" is unknown, want one of loc-rib, adj-rib-in-post, adj-rib-in-pre, adj-rib-out-pre, adj-rib-out-post`},
		{"/devices/192.0.2.1/routes?family=x", 400, `family "x" is unknown, want one of ipv4-labelled, ipv4-unicast, ipv4-vpn, ipv6-labelled, ipv6-unicast, ipv6-vpn`},
		{"/devices/192.0.2.1/routes?best=maybe", 400, `best "maybe" is neither true nor false`},
		{"/devices/192.0.2.1/routes?peer=you", 400, `peer "you" is no IP address`},
		{"/devices/192.0.2.1/routes?vrf=blue", 400, `vrf "blue" is neither a route distinguisher (type:admin:value, admin:value) nor a name this device has told`},
		{"/devices/192.0.2.1/lookup", 400, "say which address: address=192.0.2.1"},
		{"/devices/192.0.2.1/lookup?address=10.0.0.0/8", 400, `address "10.0.0.0/8" is no IP address`},
		{"/devices/192.0.2.1/lookup?address=10.0.0.1&vrf=9:9:9:9", 400, `vrf "9:9:9:9" is neither a route distinguisher (type:admin:value, admin:value) nor a name this device has told`},
	} {
		w := x.get(tt.path)
		var e struct{ Error string }
		if err := json.Unmarshal(w.Body.Bytes(), &e); err != nil || w.Code != tt.status || e.Error != tt.want {
			t.Errorf("%s:\ngot  %d %s\nwant %d %s", tt.path, w.Code, w.Body, tt.status, tt.want)
		}
		if text := x.get(tt.path, "Accept", "text/plain"); !strings.Contains(tt.path, "format") && text.Body.String() != tt.want+"\n" {
			t.Errorf("%s as text: got %q", tt.path, text.Body)
		}
	}
	if x.log.Len() > 0 {
		t.Errorf("wrong questions were logged: %s", x.log)
	}
	if n := x.Counters(); n.Answered != 0 || n.Failed == 0 {
		t.Errorf("got %+v", n)
	}
}

// TestTooManyRequests holds that requests beyond the bound are refused after a wait, and that an owner that does not answer costs a request
// and no more.
func TestTooManyRequests(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		stuck := func(ctx context.Context, _ func(*correlate.Correlator)) error {
			<-ctx.Done()
			return ctx.Err()
		}
		x := &world{mux: http.NewServeMux(), Glass: New(Config{Look: stuck, Log: slog.New(slog.DiscardHandler)})}
		x.Register(x.mux)
		codes, begin := make(chan string, maxRequests+3), time.Now()
		for range maxRequests + 3 {
			go func() {
				w := x.get("/devices?format=text")
				codes <- fmt.Sprint(w.Code, " after ", time.Since(begin), " ", w.Header().Get("Retry-After"), " ", w.Body)
			}()
		}
		got := map[string]int{}
		for range cap(codes) {
			got[<-codes]++
		}
		const busy, late = "503 after 2s 1 too many requests are under way, try again\n", "503 after 10s 1 the worker does not answer in time\n"
		if got[busy] != 3 || got[late] != maxRequests {
			t.Errorf("got %v", got)
		}
		if n := x.Counters(); n.Busy != 3 || n.Failed != maxRequests {
			t.Errorf("got %+v", n)
		}
	})
}

// TestOwnerRests holds that slices are followed by rests of restFactor times their length, whoever asks.
func TestOwnerRests(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const work = 5 * time.Millisecond
		busy := time.Duration(0)
		look := func(_ context.Context, f func(*correlate.Correlator)) error { f(nil); busy += work; return nil }
		g := New(Config{Look: look})
		begin, done := time.Now(), make(chan error)
		for range 3 {
			go func() {
				for range 20 {
					if err := g.slice(t.Context(), func(*correlate.Correlator) int { time.Sleep(work); return 1 }); err != nil {
						done <- err
						return
					}
				}
				done <- nil
			}()
		}
		for range 3 {
			if err := <-done; err != nil {
				t.Fatal(err)
			}
		}
		if took := time.Since(begin); took < 59*(1+restFactor)*work || busy != 60*work {
			t.Errorf("the owner worked %v of %v for readers, want a fifth", busy, took)
		}
	})
}

// FuzzQuery holds that no question fails the worker: each is answered or told in a sentence.
func FuzzQuery(f *testing.F) {
	for _, s := range []string{
		"routes?prefix=10.0.0.0/8&match=longer", "routes?vrf=64500:1&best=1", "lookup?address=::1&vrf=all", "peers?limit=1", "vrfs?vrf=global",
		"routes?prefix=0.0.0.0/0&match=shorter&cursor=AAAA", "lookup?address=10.1.1.1&vrf=4294967295:65535&next-hop=::ffff:1.2.3.4",
	} {
		f.Add(s)
	}
	x := newWorld(f)
	x.play(f, "192.0.2.1", 1, pe1())
	f.Fuzz(func(t *testing.T, s string) {
		u, err := url.Parse("/devices/192.0.2.1/" + s)
		if err != nil || strings.ContainsAny(u.RequestURI(), " \t\r\n") || !strings.HasPrefix(u.RequestURI(), "/") {
			return
		}
		if w := x.get(u.RequestURI()); w.Code >= 500 {
			t.Errorf("%s: status %d, %s", u.RequestURI(), w.Code, w.Body)
		}
	})
}

// TestWorkerEnds holds that who asks a worker at its end hears that another may be there by now.
func TestWorkerEnds(t *testing.T) {
	ended := func(context.Context, func(*correlate.Correlator)) error { return context.Canceled }
	x := &world{mux: http.NewServeMux(), Glass: New(Config{Look: ended, Log: slog.New(slog.DiscardHandler)})}
	x.Register(x.mux)
	w := x.get("/devices?format=text")
	if got, want := fmt.Sprint(w.Code, " ", w.Header().Get("Retry-After"), " ", w.Body),
		"503 0 the worker has ended; try again, another may have taken over\n"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}
