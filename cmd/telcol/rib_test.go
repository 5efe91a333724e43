package main

import (
	"context"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/telcol/telcol/collector/glass"
	"github.com/telcol/telcol/correlate"
)

// lookingGlass serves the pages of a worker that knows three devices, and gives its address.
func lookingGlass(t *testing.T) string {
	t.Helper()
	corr, err := correlate.New(correlate.Config{}, func(*correlate.Record) {})
	if err != nil {
		t.Fatal(err)
	}
	for _, a := range []string{"192.0.2.1", "192.0.2.2", "2001:db8::1"} {
		corr.Message(netip.MustParseAddr(a), []byte{0, 10}, 1e18)
	}
	look := func(_ context.Context, f func(*correlate.Correlator)) error { f(corr); return nil }
	mux := http.NewServeMux()
	glass.New(glass.Config{Slot: 0, Look: look, Log: slog.New(slog.DiscardHandler)}).Register(mux)
	srv := httptest.NewServer(mux)
	t.Cleanup(srv.Close)
	return strings.TrimPrefix(srv.URL, "http://")
}

func TestRIB(t *testing.T) {
	addr := lookingGlass(t)
	plain := httptest.NewServer(http.NotFoundHandler())
	t.Cleanup(plain.Close)
	const seen = "2001-09-09T01:46:40Z"
	head := "DEVICE       NAME  SESSIONS  PEERS  VRFS  ROUTES  RIB     LAST SEEN             MARKS\n"
	for _, c := range []struct {
		args           string
		code           int
		stdout, stderr string // stdout: what it begins with
	}{
		{args: "rib devices", stdout: head + "192.0.2.1    -     0         0      0     0       absent  " + seen + "  -\n192.0.2.2"},
		{args: "rib devices --json", stdout: `{"slot":0,"devices":[{"device":"192.0.2.1","sessions":0,`},
		{args: "rib device 192.0.2.2", stdout: "DEVICE     NAME  SESSIONS"},
		{args: "rib peers 2001:db8:0::1", stdout: "PEER  CLASS"},
		{args: "rib vrfs ::ffff:192.0.2.1", stdout: "RD  NAMES"},
		{args: "rib routes 192.0.2.1 10.0.0.0/8 --longer --best --view loc-rib", stdout: "  RD  VIEW"},
		{args: "rib lookup 192.0.2.1 10.1.2.3", stdout: "JOIN    RIB     NAMES    RD     VIEW"},
		{args: "rib explain 192.0.2.1 --src 10.1.2.3 --vrf 64500:1 --at 90s", stdout: "device  192.0.2.1"},
		{args: "rib explain --device 192.0.2.1 --src 10.1.2.3 --dst 10.1.2.4", stdout: "device  192.0.2.1"},
		{args: "rib quality --device 192.0.2.1", stdout: "JOIN"},
		{args: "rib aliases", stdout: "ADDRESS"},
		{args: "rib explain 192.0.2.1", code: 2, stderr: "telcol: say which flow: src, dst or both"},
		{args: "rib explain 192.0.2.1 --src 10.1.2.3 --at yesterday", code: 2, stderr: `telcol: at "yesterday" is neither a time like 2026-01-02T15:04:05Z nor how long ago, like 90s`},
		{args: "rib explain --src 10.1.2.3", code: 2, stderr: "telcol: use it as telcol rib explain ADDR"},
		{args: "rib options 192.0.2.1 --domain 7 --table interface", stdout: "DOMAIN  TABLE  ID"},
		{args: "rib templates 192.0.2.1", stdout: "SESSION  PROTOCOL  DOMAIN  ID  KIND"},
		{args: "rib sequences 192.0.2.1 --json", stdout: `{"device":"192.0.2.1","sequences":[`},
		{args: "rib options 192.0.2.1 --table vrf", code: 2, stderr: `telcol: table "vrf" is unknown, want one of exporter, sampling, ingress-vrf, egress-vrf, interface, selector, sampler, selection-sequence, interface-sampling`},
		{args: "rib sequences 192.0.2.1 --domain x", code: 2, stderr: `telcol: domain "x" is not the number of an observation domain`},
		{args: "rib", code: 2, stderr: "telcol: telcol rib needs a command: aliases, device, devices, explain, lookup, options, peers, quality, routes, sequences, templates, vrfs"},
		{args: "rib route", code: 2, stderr: `telcol: telcol rib has no command "route", did you mean routes?`},
		{args: "rib route --best", code: 2, stderr: `telcol: telcol rib has no command "route", did you mean routes?`},
		{args: "rib --best", code: 2, stderr: "telcol: telcol rib has no flag --best, see telcol rib --help"},
		{args: "rib routes 192.0.2.1 --longer", code: 2, stderr: "telcol: --longer needs a PREFIX"},
		{args: "rib routes 192.0.2.1 10.0.0.0/8 --longer --shorter", code: 2, stderr: "telcol: --longer and --shorter exclude each other"},
		{args: "rib lookup 192.0.2.1 pe1", code: 2, stderr: `telcol: address "pe1" is no IP address`},
		{args: "rib peers", code: 2, stderr: "telcol: use it as telcol rib peers ADDR"},
		{args: "rib lookup 192.0.2.1", code: 2, stderr: "telcol: use it as telcol rib lookup ADDR ADDRESS"},
		{args: "rib peers pe1", code: 2, stderr: `telcol: "pe1" is not the address of a device`},
		{args: "rib peers 192.0.2.9", code: 1, stderr: "telcol: slot 0 has heard nothing of device 192.0.2.9"},
		{args: "rib routes 192.0.2.1 10/8", code: 2, stderr: `telcol: prefix "10/8" is neither a prefix (10.0.0.0/8) nor an address`},
		{args: "rib routes 192.0.2.1 --view best --json", code: 2, stderr: `telcol: view "best" is unknown, want one of loc-rib, adj-rib-in-post, adj-rib-in-pre, adj-rib-out-pre, adj-rib-out-post`},
		{args: "rib devices --limit 0 --cursor x", code: 2, stderr: `telcol: cursor "x" was not given by a page`},
		{args: "rib devices --http off", code: 2, stderr: "telcol: http is off: the worker has no looking glass"},
		{args: "rib devices --http 127.0.0.1:1", code: 1, stderr: "telcol: no worker answers at 127.0.0.1:1 (dial tcp 127.0.0.1:1: connect: connection refused): say which with --slot or --http"},
		{args: "rib devices --http " + strings.TrimPrefix(plain.URL, "http://"), code: 1, stderr: "telcol: what answers at " + strings.TrimPrefix(plain.URL, "http://") + " is no worker with a looking glass"},
	} {
		args := strings.Fields(c.args)
		if !strings.Contains(c.args, "--http") && len(args) > 1 && args[1] != "route" && args[1] != "--best" {
			args = append(args, "--http", addr)
		}
		got := telcol(t, env{}, args...)
		if got.code != c.code || !strings.HasPrefix(got.stdout, c.stdout) || c.stdout == "" && got.stdout != "" {
			t.Errorf("%s: got %+v", c.args, got)
		}
		if first, _, _ := strings.Cut(got.stderr, "\n"); first != c.stderr && !strings.Contains(got.stderr, c.stderr+"\n") {
			t.Errorf("%s:\ngot  %s\nwant %s", c.args, got.stderr, c.stderr)
		}
	}
}

// TestRIBPages holds that a page leads to the next one, by hand and with --all.
func TestRIBPages(t *testing.T) {
	addr := lookingGlass(t)
	one := telcol(t, env{}, "rib", "devices", "--http", addr, "--limit", "2")
	_, cursor, more := strings.Cut(strings.TrimSpace(one.stdout), "more: cursor=")
	if !more || strings.Contains(one.stdout, "2001:db8::1") {
		t.Fatalf("got %q", one.stdout)
	}
	two := telcol(t, env{}, "rib", "devices", "--http", addr, "--limit", "2", "--cursor", cursor)
	if !strings.Contains(two.stdout, "2001:db8::1") || strings.Contains(two.stdout, "192.0.2.2") || strings.Contains(two.stdout, "more:") {
		t.Errorf("got %q", two.stdout)
	}
	all := telcol(t, env{}, "rib", "devices", "--http", addr, "--limit", "1", "--all")
	if strings.Count(all.stdout, "DEVICE") != 3 || strings.Contains(all.stdout, "more:") || !strings.Contains(all.stdout, "2001:db8::1") {
		t.Errorf("got %q", all.stdout)
	}
	if js := telcol(t, env{}, "rib", "devices", "--http", addr, "--limit", "1", "--all", "--json"); strings.Count(js.stdout, "\n") != 3 {
		t.Errorf("got %q", js.stdout)
	}
}

// TestRibAsksTheSuccessor has the worker end over a request, in each way there is, and another answer.
func TestRibAsksTheSuccessor(t *testing.T) {
	for _, ends := range []int{0, 1, 2, 3} {
		var requests atomic.Int64
		srv := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			switch asked := int(requests.Add(1)); {
			case asked > ends:
				_, _ = io.WriteString(w, "a page\n")
			case asked == 1:
				w.Header().Set("Retry-After", "0")
				http.Error(w, "the worker has ended", http.StatusServiceUnavailable)
			default:
				panic(http.ErrAbortHandler)
			}
		}))
		srv.Config.SetKeepAlivesEnabled(false) // else the client may try again by itself
		srv.Start()
		r := telcol(t, env{}, "rib", "devices", "--http", srv.Listener.Addr().String())
		srv.Close()
		asked := int(requests.Load())
		if ok := r.code == 0 && r.stdout == "a page\n"; ok != (ends <= ribAgain) || asked != min(ends, ribAgain)+1 {
			t.Errorf("%d ends: asked %d times, %+v", ends, asked, r)
		}
	}
}
