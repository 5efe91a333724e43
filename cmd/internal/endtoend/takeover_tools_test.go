package endtoend

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/telcol/telcol/bmp/bgp"
	"github.com/telcol/telcol/cmd/internal/daemons"
	"github.com/telcol/telcol/collector/takeover"
	"github.com/telcol/telcol/steering"
)

// TestCommandsDuringTakeovers asks about a slot while it is handed over: within a takeover that stops halfway, which is given up in the
// end, and all through several that work. Each command tells what is so.
func TestCommandsDuringTakeovers(t *testing.T) {
	if testing.Short() {
		t.Skip("-short: takes 8 s")
	}
	if !inNamespace(t) {
		return
	}
	g := startReplaceable(t, "[::]", "--listen-ipfix", "[::]:4739", "--listen-bmp", "[::]:1790") // where the group expects workers
	g.ipfix, g.bmp = "127.0.0.1:4739", "127.0.0.1:1790"
	r := g.routerByHand(t, "127.1.0.1", "udp")
	r.openBMP(bgp.IPv4Unicast)
	r.route(r.peer, "10.0.0.0/8", 0, 8)
	r.route(at(r.peer, 30*time.Second), "10.1.0.0/16", 0, 9)
	r.endOfRIB(bgp.IPv4Unicast)
	r.templates()
	r.flow("10.1.2.3", 0, 0)
	r.waitRecords(g.out, 1)
	g.checkTold(t, g.workers[0].Cmd.Process.Pid)

	conn, began := g.holdTakeover(t), time.Now()
	ask := g.queries()
	var pending sync.WaitGroup
	for _, q := range ask {
		pending.Go(func() {
			if out, err := q.run(t); err != nil || !strings.Contains(out, q.want) {
				t.Errorf("%v in a takeover: %v\n%s", q.args, err, out)
			}
		})
	}
	// The worker tells all the while that it is well, however long it takes.
	daemons.Eventually(t, "reports in a takeover", func() error {
		if s := g.status(t); s.BeatAge > 1.9 || time.Since(began) < 2500*time.Millisecond {
			return fmt.Errorf("the last one is %v s old, %v after the beginning", s.BeatAge, time.Since(began))
		}
		return nil
	})
	g.checkTold(t, g.workers[0].Cmd.Process.Pid)
	if up, n := g.workers[0].Metric(t, "telcol_up"), g.workers[0].Metric(t, "telcol_rib_routes"); up != 1 || n != 2 {
		t.Errorf("in a takeover: telcol_up %v, %v routes", up, n)
	}
	conn.Close() // which is the end of it
	pending.Wait()
	g.checkTold(t, g.workers[0].Cmd.Process.Pid)

	over := make(chan struct{})
	answers := make([]int, len(ask))
	for i, q := range ask {
		pending.Go(func() {
			for {
				select {
				case <-over:
					return
				default:
				}
				out, err := q.run(t)
				if err != nil || !strings.Contains(out, q.want) {
					t.Errorf("%v beside takeovers: %v\n%s", q.args, err, out)
					return
				}
				answers[i]++
			}
		})
	}
	for range 4 {
		g.replace(t)
		g.checkTold(t, g.workers[0].Cmd.Process.Pid)
	}
	close(over)
	pending.Wait()
	for i, n := range answers {
		if n == 0 {
			t.Errorf("%v was never answered", ask[i].args)
		}
	}
	g.workers[0].Stop(t)
}

// holdTakeover begins a takeover and goes no further when everything has been told: the worker waits.
func (g *replaceable) holdTakeover(t *testing.T) *takeover.Conn {
	t.Helper()
	conn, err := takeover.Dial(t.Context(), g.socket())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	if err := conn.Hello(); err != nil {
		t.Fatal(err)
	}
	ns, err := os.Readlink("/proc/self/ns/net")
	if err != nil {
		t.Fatal(err)
	}
	text, err := json.Marshal(map[string]any{"group": g.name, "slot": 0, "steering": true, "namespace": ns})
	if err != nil {
		t.Fatal(err)
	}
	if err := conn.Send('a', text, nil); err != nil {
		t.Fatal(err)
	}
	for {
		m, err := conn.Receive()
		if err != nil {
			t.Fatal(err)
		}
		m.Close()
		if m.Kind == 'w' {
			return conn
		}
	}
}

// checkTold makes sure that the group knows of its slot that a process holds it and is well.
func (g *replaceable) checkTold(t *testing.T, pid int) {
	t.Helper()
	daemons.Eventually(t, "the status of the slot", func() error {
		s := g.status(t)
		if s.PID != pid || s.Report == nil || s.Report.Sessions != 1 {
			return fmt.Errorf("process %d, report %+v; want process %d", s.PID, s.Report, pid)
		}
		return nil
	})
	if out, want := daemons.Telcol(t, "steering", "where", "127.1.0.1", "--group", g.name), fmt.Sprintf("pid %d", pid); !strings.Contains(out, want) {
		t.Errorf("where says %s, want %s", out, want)
	}
}

// status is what is told of the slot, which is well.
func (g *replaceable) status(t *testing.T) steering.SlotStatus {
	t.Helper()
	var st steering.Status
	if err := json.Unmarshal([]byte(daemons.Telcol(t, "steering", "status", "--json", "--group", g.name)), &st); err != nil {
		t.Fatal(err)
	}
	if len(st.Slots) != 1 || !st.Slots[0].Alive || st.Slots[0].Stuck || len(st.Strangers) != 0 {
		t.Fatalf("slots %+v, strangers %+v", st.Slots, st.Strangers)
	}
	return st.Slots[0]
}

// query is a command that asks the worker about its devices.
type query struct {
	args []string
	want string
}

func (g *replaceable) queries() []query {
	http := []string{"--http", g.workers[0].HTTP}
	var all []query
	for _, q := range []query{
		{[]string{"devices"}, "127.1.0.1"},
		{[]string{"routes", "127.1.0.1"}, "10.1.0.0/16"},
		{[]string{"lookup", "127.1.0.1", "10.1.2.3"}, "64497 9"},
		{[]string{"templates", "127.1.0.1"}, "256"},
	} {
		all = append(all, query{append(append([]string{"rib"}, q.args...), http...), q.want})
	}
	return all
}

func (q query) run(t *testing.T) (string, error) {
	out, err := exec.CommandContext(t.Context(), daemons.Binary(t), q.args...).CombinedOutput()
	return string(out), err
}
