package endtoend

import (
	"bytes"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/telcol/telcol/cmd/internal/daemons"
)

// The order of a start-up is not the order of a capture: flows come before the routes that they need, or after the session that told them
// was lost. Either way the records must say the same.

// TestOracleFlowsBeforeRoutes plays the flows of capture 400 and only three seconds later the BMP sessions of its routers.
func TestOracleFlowsBeforeRoutes(t *testing.T) {
	dir := oracle(t)
	if testing.Short() {
		t.Skip("takes 10 s")
	}
	if !daemons.InNamespace(t, "172.21.1.101", "172.21.1.102") {
		return
	}
	c := captures[len(captures)-1]
	g := startGroup(t, 4, "--sink", "stdout", "--join-new-wait", "1m") // a slow machine takes more than the usual 6 s to come to the routes
	began := time.Now()
	datagrams := playPart(t, dir, c, g, "ipfix", "0s")
	daemons.Eventually(t, "flows to be held", func() error {
		if n := g.sum(t, "telcol_join_waiting_flows"); n == 0 {
			return fmt.Errorf("%v flows wait", n)
		}
		return nil
	})
	time.Sleep(time.Until(began.Add(3 * time.Second)))
	// The sessions stay open until all flows are out: a lost session would show as stale.
	playPart(t, dir, c, g, "bmp", "3s")
	waitTaken(t, g, datagrams)
	if n := g.sum(t, "telcol_join_released_total", "end", "timeout"); n != 0 {
		t.Errorf("%v flows waited in vain", n)
	}
	scoreGroup(t, dir, c, g)
}

// TestOracleLostSession plays the flows of capture 400 after the BMP sessions have ended.
func TestOracleLostSession(t *testing.T) {
	dir := oracle(t)
	if testing.Short() {
		t.Skip("takes 5 s")
	}
	if !daemons.InNamespace(t, "172.21.1.101", "172.21.1.102") {
		return
	}
	c := captures[len(captures)-1]
	g := startGroup(t, 4, "--sink", "stdout")
	playPart(t, dir, c, g, "bmp", "0s")
	daemons.Eventually(t, "sessions to end", func() error {
		opened, open := g.sum(t, "telcol_bmp_sessions_total"), g.sum(t, "telcol_bmp_sessions")
		if opened != 2 || open != 0 {
			return fmt.Errorf("%v sessions opened, %v open", opened, open)
		}
		return nil
	})
	waitTaken(t, g, playPart(t, dir, c, g, "ipfix", "0s"))
	ours := scoreGroup(t, dir, c, g)
	text, err := os.ReadFile(ours)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Contains(text, []byte(`"rib_state":"stale"`)) || bytes.Contains(text, []byte(`"rib_state":"synced"`)) {
		t.Error("the records do not say that their routes are stale")
	}
}

// playPart plays one protocol of a capture and leaves the sockets open for a while.
func playPart(t *testing.T, dir string, c capture, g *group, only, hold string) float64 {
	t.Helper()
	return play(t, dir, c, g, append([]string{"--gap", "0s", "--hold", hold, "--only", only}, c.maps()...)...)
}

// TestGroupMadeAnew removes the group under its worker, which goes on, until there is another group of that name: it ends then, and whoever
// starts it again has it in the new one.
func TestGroupMadeAnew(t *testing.T) {
	if !inNamespace(t) {
		return
	}
	g := startGroup(t, 1, "--sink", "stdout")
	w := g.workers[0]
	daemons.Telcol(t, "steering", "destroy", "--group", g.name, "--force")
	daemons.Eventually(t, "the worker to see that", func() error {
		if n := w.Metric(t, "telcol_steering_readable"); n != 0 || !strings.Contains(w.Output(), "steering group is gone") {
			return fmt.Errorf("readable %v", n)
		}
		return w.Err()
	})
	daemons.Telcol(t, "steering", "init", "--group", g.name, "--slots", "1")
	daemons.Eventually(t, "the worker to end", func() error {
		if err := w.Err(); err == nil || !strings.Contains(err.Error(), "was made anew, and this worker is not in it: start it again") {
			return fmt.Errorf("not yet: %s", fmt.Sprint(err))
		}
		return nil
	})
	daemons.StartWorker(t, withoutHTTP(w.Cmd.Args[2:])...).WaitReady(t)
}
