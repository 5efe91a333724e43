package demo

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"os/signal"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
)

// envWorker makes the test binary a worker of that kind.
const envWorker = "DEMO_TEST_WORKER"

func TestMain(m *testing.M) {
	if kind := os.Getenv(envWorker); kind != "" {
		fakeWorker(kind)
	}
	os.Exit(m.Run())
}

// fakeWorker serves /readyz at its --http and ends as its kind says.
func fakeWorker(kind string) {
	for _, v := range os.Environ() {
		if strings.HasPrefix(v, "TELCOL_") {
			fmt.Fprintln(os.Stderr, "the worker got", v)
			os.Exit(3)
		}
	}
	stop := make(chan os.Signal, 1)
	signal.Notify(stop, syscall.SIGTERM)
	if kind == "fails" {
		fmt.Fprintln(os.Stderr, "port in use")
		os.Exit(1)
	}
	addr := os.Args[slices.Index(os.Args, "--http")+1]
	go http.ListenAndServe(addr, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprintln(w, "telcol_ipfix_records_total{kind=\"data\"} 5")
	}))
	<-stop
	if kind == "stubborn" {
		select {}
	}
	os.Exit(0)
}

func startFake(t *testing.T, kind string) *worker {
	t.Helper()
	t.Setenv("TELCOL_GROUP", "of the surroundings")
	p, err := findPorts(1)
	if err != nil {
		t.Fatal(err)
	}
	e := &Env{Worker: func(args ...string) *exec.Cmd {
		cmd := exec.Command(os.Args[0], args...)
		cmd.Env = append(os.Environ(), envWorker+"="+kind)
		return cmd
	}}
	w, err := startWorker(e, 3, []string{"--steering", "off"}, p.http[0].String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { syscall.Kill(w.pid, syscall.SIGKILL) })
	return w
}

func TestWorkerProcess(t *testing.T) {
	w := startFake(t, "good")
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	if err := w.waitReady(ctx); err != nil {
		t.Fatal(err)
	}
	if err := lookAll(ctx, []*worker{w}); err != nil {
		t.Fatal(err)
	}
	if got := total([]*worker{w, w}, "telcol_ipfix_records_total"); got != 10 {
		t.Errorf("got %v records", got)
	}
	if err := w.stop(2 * time.Minute); err != nil {
		t.Error(err)
	}
	if err := lookAll(ctx, []*worker{w}); err == nil {
		t.Error("a worker that is gone has metrics")
	}
}

func TestWorkerThatFails(t *testing.T) {
	w := startFake(t, "fails")
	err := w.waitReady(t.Context())
	if err == nil || !strings.Contains(err.Error(), "worker of slot 3 (pid ") || !strings.Contains(err.Error(), "ended: exit status 1, its log ends:\n  port in use") {
		t.Errorf("got %v", err)
	}
}

func TestWorkerThatDoesNotEnd(t *testing.T) {
	w := startFake(t, "stubborn")
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	if err := w.waitReady(ctx); err != nil {
		t.Fatal(err)
	}
	if err := w.stop(100 * time.Millisecond); err == nil || !strings.Contains(err.Error(), "was killed") {
		t.Errorf("got %v", err)
	}
	if err := syscall.Kill(w.pid, 0); err == nil {
		t.Error("the process is still there")
	}
}

func TestWorkerThatCannotStart(t *testing.T) {
	e := &Env{Worker: func(...string) *exec.Cmd { return exec.Command("/nowhere/telcol") }}
	if _, err := startWorker(e, 0, nil, "127.0.0.1:1"); err == nil {
		t.Error("no error")
	}
}

func TestTail(t *testing.T) {
	var l tail
	if got := l.text(); got != "" {
		t.Errorf("got %q", got)
	}
	for i := range 3000 {
		fmt.Fprintf(&l, "line %d\n", i)
	}
	if got, want := l.text(), ", its log ends:\n  line 2995\n  line 2996\n  line 2997\n  line 2998\n  line 2999"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	if len(l.end) > tailBytes {
		t.Errorf("%d bytes are kept", len(l.end))
	}
}
