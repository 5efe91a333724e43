package glass

import (
	"flag"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/telcol/telcol/bmp"
)

var update = flag.Bool("update", false, "write the golden files anew")

// TestPages compares each page with the file that holds what readers rely on: names, types and order.
func TestPages(t *testing.T) {
	x := newWorld(t)
	x.play(t, "192.0.2.1", 1_800_000_000e9, pe1())
	x.play(t, "2001:db8::1", 1_800_000_001e9, bmp.AppendInitiation(nil, &bmp.Initiation{}))
	x.play(t, "192.0.2.2", 1_800_000_002e9, drifted())
	x.export(t, "192.0.2.1", 1_800_000_000e9)
	for name, path := range map[string]string{
		"index":              "/",
		"devices":            "/devices",
		"devices-second":     "/devices?limit=1",
		"device":             "/devices/192.0.2.1",
		"peers":              "/devices/192.0.2.1/peers",
		"peers-one":          "/devices/192.0.2.1/peers?peer=0.0.0.0",
		"peers-drift":        "/devices/192.0.2.2/peers",
		"vrfs":               "/devices/192.0.2.1/vrfs",
		"options":            "/devices/192.0.2.1/options",
		"options-vrfs":       "/devices/192.0.2.1/options?domain=7&table=ingress-vrf",
		"options-second":     "/devices/192.0.2.1/options?limit=2",
		"templates":          "/devices/192.0.2.1/templates",
		"templates-second":   "/devices/192.0.2.1/templates?limit=1&domain=7",
		"sequences":          "/devices/192.0.2.1/sequences",
		"sequences-second":   "/devices/192.0.2.1/sequences?limit=1",
		"routes":             "/devices/192.0.2.1/routes",
		"routes-exact":       "/devices/192.0.2.1/routes?prefix=10.1.0.0/16",
		"routes-longer":      "/devices/192.0.2.1/routes?prefix=10.0.0.0/8&match=longer&vrf=global",
		"routes-shorter":     "/devices/192.0.2.1/routes?prefix=10.1.2.3&view=loc-rib",
		"routes-vrf":         "/devices/192.0.2.1/routes?vrf=customer-a",
		"routes-rd":          "/devices/192.0.2.1/routes?vrf=64500:2&peer=10.0.0.2&family=ipv4-vpn",
		"lookup":             "/devices/192.0.2.1/lookup?address=10.1.2.3",
		"lookup-all":         "/devices/192.0.2.1/lookup?address=10.1.2.3&vrf=all&next-hop=10.0.0.3",
		"lookup-none":        "/devices/192.0.2.1/lookup?address=2001:db9::1",
		"explain":            "/devices/192.0.2.1/explain?src=10.1.2.3&dst=192.0.2.7&next-hop=10.0.0.2",
		"explain-vrf":        "/devices/192.0.2.1/explain?dst=10.1.2.3&vrf=64500:2",
		"explain-ids":        "/devices/192.0.2.1/explain?src=10.1.2.3&dst=224.0.0.1&ingress-vrf=7&domain=1",
		"quality":            "/devices/192.0.2.1/quality",
		"aliases":            "/aliases",
		"lookup-unknown-vrf": "/devices/192.0.2.1/lookup?address=10.1.2.3&vrf=0:1:1",
	} {
		for _, format := range []string{"json", "text"} {
			t.Run(name+"."+format, func(t *testing.T) {
				w := x.get(path + map[bool]string{true: "&", false: "?"}[strings.Contains(path, "?")] + "format=" + format)
				if w.Code != http.StatusOK {
					t.Fatalf("status %d: %s", w.Code, w.Body)
				}
				got := cursors.ReplaceAllString(w.Body.String(), "CURSOR")
				if format == "json" {
					got = indent(t, []byte(got))
				}
				got = strings.TrimRight(got, "\n") + "\n"
				file := filepath.Join("testdata", name+"."+format)
				if *update {
					if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
						t.Fatal(err)
					}
				}
				want, err := os.ReadFile(file)
				if err != nil {
					t.Fatal(err)
				}
				if got != string(want) {
					t.Errorf("got\n%s\nwant\n%s", got, want)
				}
			})
		}
	}
}

// TestFormats holds how JSON or text is chosen.
func TestFormats(t *testing.T) {
	x := newWorld(t)
	for _, tt := range []struct{ query, accept, want string }{
		{"", "", "application/json"},
		{"", "*/*", "application/json"},
		{"", "text/plain", "text/plain; charset=utf-8"},
		{"", "application/json, text/plain", "application/json"},
		{"", "text/html;q=0.9, text/plain;q=0.5", "text/plain; charset=utf-8"},
		{"?format=json", "text/plain", "application/json"},
		{"?format=text", "application/json", "text/plain; charset=utf-8"},
		{"/10.0.0.1?format=text", "", "text/plain; charset=utf-8"}, // errors too
	} {
		w := x.get("/devices"+tt.query, "Accept", tt.accept)
		if got := w.Header().Get("Content-Type"); got != tt.want {
			t.Errorf("%s with Accept %q: got %s, want %s", tt.query, tt.accept, got, tt.want)
		}
	}
}

// TestNamesDoNotReachTheTerminal holds that what a device calls itself cannot steer a terminal.
func TestNamesDoNotReachTheTerminal(t *testing.T) {
	x := newWorld(t)
	x.play(t, "192.0.2.1", 1, pe1())
	for _, path := range []string{"/devices", "/devices/192.0.2.1"} {
		if text := x.get(path + "?format=text").Body.String(); strings.Contains(text, "\x1b") || !strings.Contains(text, "pe1?[31m") {
			t.Errorf("%s: got %q", path, text)
		}
	}
}
