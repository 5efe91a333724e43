package endtoend

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/telcol/telcol/cmd/internal/daemons"
)

var bmpCaptures = []capture{
	{name: "200", sources: [][2]string{{"192.0.2.61", "172.21.1.101"}}},
	{name: "201", sources: [][2]string{{"192.0.2.55", "172.21.1.101"}}},
	{name: "204", sources: [][2]string{{"2001:db8:90::1", "fd25::101"}}},
	{name: "205", sources: [][2]string{{"203.0.113.58", "172.21.1.101"}}},
	{name: "400", sources: [][2]string{{"203.0.113.90", "172.21.1.101"}, {"203.0.113.91", "172.21.1.102"}}},
}

// TestOracleEvents replays each capture of BMP into four steered workers and compares their events with what pmacct logs of the same:
// every peer up and down, update, withdrawal, End-of-RIB and statistic, in every field that both have. theirs and ours below say where
// they differ on purpose.
func TestOracleEvents(t *testing.T) {
	dir := oracle(t)
	if !inNamespace(t, "172.21.1.101", "172.21.1.102", "fd25::101") {
		return
	}
	mapping := readMapping(t)
	for _, c := range bmpCaptures {
		t.Run(c.name, func(t *testing.T) {
			g := startGroup(t, 4, "--sink", "stdout", "--bmp-events", "all")
			var maps []string
			for _, s := range c.sources {
				maps = append(maps, "--map", s[0]+"="+s[1])
			}
			replayCapture(t, dir, c, g, maps)
			daemons.Eventually(t, "the sessions to end", func() error {
				if n := g.sum(t, "telcol_bmp_events_total", "event", "session_down"); n != float64(len(c.sources)) {
					return fmt.Errorf("%v of %d", n, len(c.sources))
				}
				return nil
			})
			if n := g.sum(t, "telcol_bmp_refused_total"); n != 0 {
				t.Errorf("%v messages refused", n)
			}
			g.stop(t)
			all := filepath.Join(t.TempDir(), "all.json")
			joinFiles(t, g, all)
			scoreEvents(t, dir, c, mapping, readRows(t, all))
		})
	}
}

// row is a line of JSON, numbers kept as they are written.
type row map[string]any

// text gives a field as text, "" when it is not there.
func (r row) text(name string) string {
	if r[name] == nil {
		return ""
	}
	return fmt.Sprint(r[name])
}

func readRows(t *testing.T, paths ...string) (rows []row) {
	t.Helper()
	for _, p := range paths {
		b, err := os.ReadFile(p)
		if err != nil {
			t.Fatal(err)
		}
		rows = append(rows, parseRows(t, p, b)...)
	}
	return rows
}

func parseRows(t *testing.T, name string, text []byte) (rows []row) {
	t.Helper()
	s := bufio.NewScanner(bytes.NewReader(text))
	s.Buffer(nil, 1<<20)
	for s.Scan() {
		dec := json.NewDecoder(bytes.NewReader(s.Bytes()))
		dec.UseNumber()
		r := make(row)
		if err := dec.Decode(&r); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		rows = append(rows, r)
	}
	return rows
}

// readMapping reads which field of ours answers each of pmacct's. The scorer takes the file as it is; here values are translated too.
func readMapping(t *testing.T) map[string]string {
	t.Helper()
	b, err := os.ReadFile("testdata/bmp-mapping.json")
	if err != nil {
		t.Fatal(err)
	}
	var m map[string]string
	if err := json.Unmarshal(b, &m); err != nil {
		t.Fatal(err)
	}
	return m
}

// pmacctValues are pmacct's words for ours.
var pmacctValues = map[string]map[string]string{
	"bmp_rib_type": {
		"loc-rib": "Loc-Rib", "adj-rib-in-pre": "Adj-Rib-In Pre-Policy", "adj-rib-in-post": "Adj-Rib-In Post-Policy",
		"adj-rib-out-pre": "Adj-Rib-Out Pre-Policy", "adj-rib-out-post": "Adj-Rib-Out Post-Policy",
	},
	"origin": {"igp": "i", "egp": "e", "incomplete": "u"},
}

// ours translates events to pmacct's names and words. Left out are the events that pmacct does not have, and withdrawals of routes
// that were not told before, which it does not log.
func ours(events []row, mapping map[string]string) (out []row) {
	known := make(map[string]map[string]bool) // routes by peer
	for _, e := range events {
		peer := e.text("device") + e.text("bgp_peer") + e.text("bgp_peer_distinguisher")
		switch e.text("event") {
		case "", "session_up", "session_down":
			continue
		case "peer_down":
			delete(known, peer)
		case "route_monitor":
			if !keepRoute(known, peer, e) {
				continue
			}
		}
		out = append(out, translate(e, mapping))
	}
	return out
}

// keepRoute follows the routes of a peer and reports whether pmacct logs this event.
func keepRoute(known map[string]map[string]bool, peer string, e row) bool {
	id := strings.Join([]string{e.text("rib"), e.text("afi"), e.text("safi"), e.text("rd"), e.text("prefix"), e.text("path_id")}, " ")
	if known[peer] == nil {
		known[peer] = make(map[string]bool)
	}
	switch e.text("action") {
	case "update":
		known[peer][id] = true
	case "withdraw":
		was := known[peer][id]
		delete(known[peer], id)
		return was
	}
	return true
}

func translate(e row, mapping map[string]string) row {
	r := make(row)
	for theirs, name := range mapping {
		v, ok := e[name]
		if word, is := v.(string); is && pmacctValues[theirs] != nil {
			v = pmacctValues[theirs][word]
		}
		if ok {
			r[theirs] = v
		}
	}
	return normal(r)
}

// theirs are the rows of pmacct that tell of messages: not those of connections, nor the "delete" for each route that ended with its peer
// or session, which follows from those.
func theirs(t *testing.T, dir, capture string) (out []row) {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, "captures", capture, "output-bmp-*.json"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no expected events of capture %s: %v", capture, err)
	}
	for _, r := range readRows(t, files...) {
		if r["event_type"] != "log" || r["bmp_msg_type"] == "internal" {
			continue
		}
		// FRR writes this path of its own with numbers of two octets, though BMP promises four; read as such it is empty.
		if capture == "205" && r["log_type"] == "update" && r["ip_prefix"] == "192.0.2.19/32" && r["peer_ip"] == "0.0.0.0" {
			if path, _ := r["as_path"].([]any); len(path) == 0 {
				r["as_path"] = []any{"65000"}
			}
		}
		out = append(out, normal(r))
	}
	return out
}

// normal takes away what is only another way to say the same, or what pmacct does not say.
func normal(r row) row {
	// A next hop that is not there, as FRR sends its IPv4 routes, is 0.0.0.0 for pmacct. That of IPv6 routes over IPv4 is mapped into
	// IPv6 there and plain here.
	if hop := strings.TrimPrefix(r.text("bgp_nexthop"), "::ffff:"); hop == "0.0.0.0" {
		delete(r, "bgp_nexthop")
	} else if r["bgp_nexthop"] != nil {
		r["bgp_nexthop"] = hop
	}
	// pmacct leaves the distinguisher of the peer out for labelled routes.
	if r.text("safi") == "4" {
		delete(r, "rd")
	}
	// It logs the attributes of the route that a withdrawal removes. BGP sends none.
	if r["log_type"] == "withdraw" {
		for _, name := range []string{
			"bgp_nexthop", "as_path", "comms", "ecomms", "lcomms", "origin", "local_pref", "med", "aigp", "psid_li", "otc", "mpls_label",
		} {
			delete(r, name)
		}
	}
	// It has the type of the peer in other events only.
	if r["bmp_msg_type"] == "route_monitor" {
		delete(r, "peer_type")
	}
	return r
}

// scoreEvents compares by the scorer that lies beside the captures. Neither looks at the AS of the peer: pmacct takes it from the Peer Up,
// where FRR has 0 for its Loc-RIB.
func scoreEvents(t *testing.T, dir string, c capture, mapping map[string]string, events []row) {
	t.Helper()
	want, got := theirs(t, dir, c.name), ours(events, mapping)
	tmp := t.TempDir()
	wantFile, gotFile := filepath.Join(tmp, "theirs.json"), filepath.Join(tmp, "ours.json")
	writeRows(t, wantFile, want)
	writeRows(t, gotFile, got)
	out, err := exec.CommandContext(t.Context(), "python3", filepath.Join(dir, "score.py"), "--kind", "bmp", "--identity",
		"--fields", strings.Join(slices.Sorted(maps.Keys(mapping)), ","), wantFile, gotFile).CombinedOutput()
	t.Logf("%s", out)
	if err != nil {
		t.Errorf("capture %s: not all events match: %v", c.name, err)
	}
	for _, kind := range []string{"peer_up", "route_monitor"} {
		if !slices.ContainsFunc(got, func(r row) bool { return r["bmp_msg_type"] == kind }) {
			t.Errorf("capture %s: no %s at all", c.name, kind)
		}
	}
}

func writeRows(t *testing.T, path string, rows []row) {
	t.Helper()
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	for _, r := range rows {
		if err := enc.Encode(r); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(path, b.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
}
