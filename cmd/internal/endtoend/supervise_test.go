package endtoend

import (
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/telcol/telcol/cmd/internal/daemons"
)

// supervisor is a running telcol supervise.
type supervisor struct{ *daemons.Process }

// await waits for a line of its log.
func (s *supervisor) await(t *testing.T, pattern string) {
	t.Helper()
	re := regexp.MustCompile(pattern)
	daemons.Eventually(t, pattern, func() error {
		if err := s.Err(); err != nil {
			return err
		}
		if !re.MatchString(s.Output()) {
			return fmt.Errorf("not in the log")
		}
		return nil
	})
}

var workerStarted = regexp.MustCompile(`msg="worker started" slot=(\d+) pid=(\d+)`)

// pids gives the processes there were of a slot, in order.
func (s *supervisor) pids(slot int) (pids []int) {
	for _, m := range workerStarted.FindAllStringSubmatch(s.Output(), -1) {
		if m[1] == strconv.Itoa(slot) {
			pid, _ := strconv.Atoi(m[2])
			pids = append(pids, pid)
		}
	}
	return pids
}

// awaitReady waits until a slot's worker answers that it is ready.
func awaitReady(t *testing.T, slot int) {
	t.Helper()
	daemons.Eventually(t, "worker to be ready", func() error {
		body, code, err := daemons.Get(fmt.Sprintf("http://127.0.0.1:%d/readyz", supervisedHTTP+slot))
		if err == nil && code != http.StatusOK {
			err = fmt.Errorf("status %d: %s", code, body)
		}
		return err
	})
}

const supervisedHTTP = 9100

// TestSupervise has telcol supervise make a group of four, whose third worker cannot start, kills and stops workers, restarts them
// all and ends.
func TestSupervise(t *testing.T) {
	if testing.Short() {
		t.Skip("-short: takes 12 s")
	}
	if !inNamespace(t) {
		return
	}
	taken, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", supervisedHTTP+2))
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	heedHangups(t)
	s := &supervisor{daemons.Start(t, daemons.Binary(t), "supervise", "--slots", "4", "--group", "sup", "--sink", "stdout",
		"--http", fmt.Sprintf("127.0.0.1:%d", supervisedHTTP), "--watchdog", "6s")}
	for _, slot := range []int{0, 1, 3} {
		awaitReady(t, slot)
	}
	s.await(t, `\[2\] telcol: http address 127.0.0.1:9102 cannot be used .*`)
	s.await(t, `(?s)is started again" slot=2 .*end="exit status 1" .* in=1s.*is started again" slot=2 .* in=2s`)
	taken.Close()

	syscall.Kill(s.pids(1)[0], syscall.SIGKILL)
	syscall.Kill(s.pids(3)[0], syscall.SIGSTOP)
	s.await(t, `is started again" slot=1 .*end="signal: killed" .* in=1s`)
	s.await(t, `worker is stuck, is killed" slot=3`)
	s.await(t, `all workers are ready`)
	s.await(t, `(?s)stuck, is killed" slot=3.*worker is ready" slot=3`)
	if n := len(s.pids(0)); n != 1 {
		t.Errorf("the worker of slot 0 was started %d times", n)
	}
	status := daemons.Telcol(t, "steering", "status", "--group", "sup")
	for slot := range 4 {
		awaitReady(t, slot)
		pids := s.pids(slot)
		if !strings.Contains(status, fmt.Sprintf("pid %d (telcol)", pids[len(pids)-1])) {
			t.Errorf("slot %d: no worker with pid %d in\n%s", slot, pids[len(pids)-1], status)
		}
	}

	session, err := net.Dial("tcp", "127.0.0.1:1790")
	if err != nil {
		t.Fatal(err)
	}
	defer session.Close()
	s.Signal(syscall.SIGHUP)
	order := "(?s)"
	for slot := range 4 {
		order += fmt.Sprintf(`.*replaced as asked" slot=%d.*handed over" slot=%[1]d .*end="exit status 0".*is ready" slot=%[1]d`, slot)
	}
	s.await(t, order)
	session.SetReadDeadline(time.Now().Add(200 * time.Millisecond))
	if _, err := session.Read(make([]byte, 1)); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("a BMP session over the replacements of all workers: %v", err)
	}
	s.Stop(t)
	if !strings.Contains(s.Output(), "all workers have stopped") {
		t.Error("no word of the end")
	}
	for slot := range 4 {
		for _, pid := range s.pids(slot) {
			if syscall.Kill(pid, 0) == nil {
				t.Errorf("worker %d of slot %d is left", pid, slot)
			}
		}
	}
}
