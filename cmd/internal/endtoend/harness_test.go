package endtoend

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"
)

// binary builds telcol once for all tests of this process.
var binary = sync.OnceValues(func() (string, error) {
	if path := os.Getenv(envBinary); path != "" {
		return path, nil
	}
	dir, err := os.MkdirTemp("", "telcol-endtoend-")
	if err != nil {
		return "", err
	}
	path := filepath.Join(dir, "telcol")
	cmd := exec.Command("go", "build", "-o", path, "github.com/telcol/telcol/cmd/telcol")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("go build: %w\n%s", err, out)
	}
	return path, nil
})

// Variables from a test to its copy of itself in a namespace. They do not begin with TELCOL_, which the workers would refuse.
const (
	envBinary    = "ENDTOEND_BINARY"
	envNamespace = "ENDTOEND_NAMESPACE"
)

func TestMain(m *testing.M) {
	code := m.Run()
	if os.Getenv(envBinary) == "" {
		if path, err := binary(); err == nil {
			os.RemoveAll(filepath.Dir(path))
		}
	}
	os.Exit(code)
}

// requireBPF skips a test that needs to load BPF programs, unless skips are forbidden.
func requireBPF(t *testing.T) {
	t.Helper()
	if os.Geteuid() == 0 {
		return
	}
	if os.Getenv("TELCOL_REQUIRE_BPF") == "1" {
		t.Fatal("not root, and TELCOL_REQUIRE_BPF=1 forbids to skip")
	}
	t.Skip("needs root to load the steering program")
}

// inNamespace runs the rest of the test in a copy of the test process that has its own network and mount namespaces, with
// bpffs mounted and the addresses on the loopback interface. It returns true in the copy.
func inNamespace(t *testing.T, addrs ...string) bool {
	t.Helper()
	requireBPF(t)
	if os.Getenv(envNamespace) == t.Name() {
		setUpNamespace(t, addrs)
		return true
	}
	path, err := binary()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), "/proc/self/exe", "-test.run=^"+t.Name()+"$", "-test.v", "-test.timeout=5m")
	cmd.Env = append(os.Environ(), envNamespace+"="+t.Name(), envBinary+"="+path)
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNET | syscall.CLONE_NEWNS}
	out, err := cmd.CombinedOutput()
	t.Logf("in its own namespace:\n%s", out)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Contains(out, []byte("--- PASS: "+t.Name())) {
		t.Fatal("the test did not run in its namespace")
	}
	return false
}

func setUpNamespace(t *testing.T, addrs []string) {
	t.Helper()
	if err := syscall.Mount("", "/", "", syscall.MS_REC|syscall.MS_PRIVATE, ""); err != nil {
		t.Fatal("mount / private: ", err)
	}
	if err := syscall.Mount("bpf", "/sys/fs/bpf", "bpf", 0, ""); err != nil {
		t.Fatal("mount bpffs: ", err)
	}
	run(t, "ip", "link", "set", "lo", "up")
	for _, a := range addrs {
		if strings.Contains(a, ":") {
			run(t, "ip", "-6", "addr", "add", a+"/128", "dev", "lo", "nodad")
		} else {
			run(t, "ip", "addr", "add", a+"/32", "dev", "lo")
		}
	}
}

// run runs a command to its end and returns what it printed.
func run(t *testing.T, name string, args ...string) string {
	t.Helper()
	var stderr bytes.Buffer
	cmd := exec.CommandContext(t.Context(), name, args...)
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%s %s: %v\n%s%s", name, strings.Join(args, " "), err, out, stderr.Bytes())
	}
	return string(out)
}

// telcol runs a command of the binary to its end.
func telcol(t *testing.T, args ...string) string {
	t.Helper()
	path, err := binary()
	if err != nil {
		t.Fatal(err)
	}
	return run(t, path, args...)
}

// group is a steering group with its workers.
type group struct {
	name    string
	ipfix   string // listening addresses to send to
	bmp     string
	workers []*worker
}

// startGroup creates a steering group on free ports and starts its workers with these further arguments.
func startGroup(t *testing.T, slots int, args ...string) *group {
	t.Helper()
	g := &group{name: fmt.Sprintf("e2e-%d-%d", os.Getpid(), time.Now().UnixNano()%1e6)}
	udp, tcp := freePort(t, "udp"), freePort(t, "tcp")
	g.ipfix, g.bmp = fmt.Sprintf("127.0.0.1:%d", udp), fmt.Sprintf("127.0.0.1:%d", tcp)
	telcol(t, "steering", "init", "--group", g.name, "--slots", strconv.Itoa(slots))
	t.Cleanup(func() { exec.Command(must(binary()), "steering", "destroy", "--group", g.name).Run() })
	for slot := range slots {
		all := append([]string{
			"worker", "--slot", strconv.Itoa(slot), "--group", g.name,
			"--listen-ipfix", fmt.Sprintf("[::]:%d", udp), "--listen-bmp", fmt.Sprintf("[::]:%d", tcp),
			"--http", fmt.Sprintf("127.0.0.1:%d", freePort(t, "tcp")),
		}, args...)
		g.workers = append(g.workers, startWorker(t, all...))
	}
	for _, w := range g.workers {
		w.waitReady(t)
	}
	return g
}

// sum adds up a metric over the workers.
func (g *group) sum(t *testing.T, name string, labels ...string) float64 {
	t.Helper()
	var n float64
	for _, w := range g.workers {
		n += w.metric(t, name, labels...)
	}
	return n
}

// stop ends all workers by SIGTERM; each must deliver and exit with 0 in 10 s.
func (g *group) stop(t *testing.T) {
	t.Helper()
	for _, w := range g.workers {
		w.cmd.Process.Signal(syscall.SIGTERM)
	}
	for _, w := range g.workers {
		w.wait(t, 10*time.Second)
	}
}

// worker is one worker process.
type worker struct {
	cmd    *exec.Cmd
	http   string
	stdout string // file
	stderr *lockedBuffer
	done   chan error
}

func startWorker(t *testing.T, args ...string) *worker {
	t.Helper()
	path, err := binary()
	if err != nil {
		t.Fatal(err)
	}
	w := &worker{stderr: new(lockedBuffer), done: make(chan error, 1)}
	for i, a := range args {
		if a == "--http" {
			w.http = args[i+1]
		}
	}
	out, err := os.CreateTemp(t.TempDir(), "stdout-*.json")
	if err != nil {
		t.Fatal(err)
	}
	defer out.Close()
	w.stdout = out.Name()
	w.cmd = exec.Command(path, args...)
	w.cmd.Stdout, w.cmd.Stderr = out, w.stderr
	w.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := w.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() { w.done <- w.cmd.Wait() }()
	t.Cleanup(func() {
		w.cmd.Process.Kill()
		if t.Failed() {
			t.Logf("worker %v:\n%s", args, w.stderr)
		}
	})
	return w
}

// waitReady waits until /readyz says so.
func (w *worker) waitReady(t *testing.T) {
	t.Helper()
	eventually(t, 15*time.Second, "worker to be ready", func() error {
		select {
		case err := <-w.done:
			t.Fatalf("worker ended: %v\n%s", err, w.stderr)
		default:
		}
		body, code, err := get("http://" + w.http + "/readyz")
		if err == nil && code != http.StatusOK {
			err = fmt.Errorf("status %d: %s", code, body)
		}
		return err
	})
}

// wait waits for the end of the process, which must be a good one.
func (w *worker) wait(t *testing.T, patience time.Duration) {
	t.Helper()
	select {
	case err := <-w.done:
		if err != nil {
			t.Errorf("worker ended badly: %v\n%s", err, w.stderr)
		}
	case <-time.After(patience):
		t.Errorf("worker did not end within %v\n%s", patience, w.stderr)
	}
}

// metric reads one metric; those that differ in labels not named are added up.
func (w *worker) metric(t *testing.T, name string, labels ...string) float64 {
	t.Helper()
	body, _, err := get("http://" + w.http + "/metrics")
	if err != nil {
		t.Fatal(err)
	}
	parser := expfmt.NewTextParser(model.LegacyValidation)
	families, err := parser.TextToMetricFamilies(strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	var sum float64
	for _, m := range families[name].GetMetric() {
		has := make(map[string]string)
		for _, l := range m.GetLabel() {
			has[l.GetName()] = l.GetValue()
		}
		ok := true
		for i := 0; i+1 < len(labels); i += 2 {
			ok = ok && has[labels[i]] == labels[i+1]
		}
		if ok {
			sum += m.GetCounter().GetValue() + m.GetGauge().GetValue()
		}
	}
	return sum
}

func get(url string) (body string, code int, err error) {
	c := http.Client{Timeout: 5 * time.Second}
	resp, err := c.Get(url)
	if err != nil {
		return "", 0, err
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	return string(b), resp.StatusCode, err
}

// eventually polls until f returns nil.
func eventually(t *testing.T, patience time.Duration, what string, f func() error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	var err error
	for {
		if err = f(); err == nil {
			return
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			t.Fatalf("waited %v for %s: %v", patience, what, err)
		}
	}
}

// freePort finds a port that nobody uses on any local address.
func freePort(t testing.TB, network string) int {
	t.Helper()
	if network == "udp" {
		c, err := net.ListenUDP("udp", &net.UDPAddr{})
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		return c.LocalAddr().(*net.UDPAddr).Port
	}
	l, err := net.Listen("tcp", ":0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port
}

func must(s string, err error) string {
	if err != nil {
		panic(err)
	}
	return s
}

type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}
