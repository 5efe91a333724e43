package supervise

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"os/signal"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/telcol/telcol/cmd/internal/daemons"
	"github.com/telcol/telcol/cmd/internal/notify"
)

// Roles of this binary as a worker.
const (
	envRole = "SUPERVISE_TEST_ROLE"
	envOld  = "SUPERVISE_TEST_OLD" // process to take over from

	roleGood     = "good"     // ready, beats, ends when asked
	roleFails    = "fails"    // ends at once with 3
	roleMute     = "mute"     // ready, and then tells nothing
	roleStubborn = "stubborn" // does not end when asked
	roleHangs    = "hangs"    // is never ready
)

func TestMain(m *testing.M) {
	if role := os.Getenv(envRole); role != "" {
		work(role)
	}
	os.Exit(m.Run())
}

func work(role string) {
	fmt.Printf("started %s\n", os.Args[1])
	if os.Getenv(notify.EnvSupervisor) != strconv.Itoa(os.Getppid()) {
		fmt.Println("does not know its supervisor")
		os.Exit(4)
	}
	if role == roleFails {
		fmt.Fprintln(os.Stderr, "cannot")
		os.Exit(3)
	}
	if role == roleHangs {
		time.Sleep(time.Hour)
	}
	stop := make(chan os.Signal, 1)
	signal.Notify(stop, syscall.SIGTERM)
	n, err := notify.Open(os.Environ())
	if err != nil {
		panic(err)
	}
	if old, err := strconv.Atoi(os.Getenv(envOld)); err == nil {
		syscall.Kill(old, syscall.SIGTERM)
	}
	n.Send("READY=1")
	for tick := time.NewTicker(10 * time.Millisecond); ; {
		select {
		case <-stop:
			if role != roleStubborn {
				fmt.Printf("ended %s\n", os.Args[1])
				os.Exit(0)
			}
		case <-tick.C:
			if role != roleMute {
				n.Send("WATCHDOG=1")
			}
		}
	}
}

// supervised is a running supervisor.
type supervised struct {
	*daemons.Buffer
	restart chan struct{}
	ready   chan struct{}
	stop    func() error
}

// supervise runs a supervisor with a worker for each of the roles.
func supervise(t *testing.T, change func(*Config), roles ...string) *supervised {
	t.Helper()
	t.Parallel() // they wait most of the time
	s := &supervised{Buffer: new(daemons.Buffer), restart: make(chan struct{}), ready: make(chan struct{})}
	out := NewOutput(s)
	cfg := Config{
		Slots: len(roles), Stdout: out, Stderr: out, Log: slog.New(slog.NewTextHandler(out, nil)),
		Command: func(slot int) *exec.Cmd {
			cmd := exec.Command("/proc/self/exe", strconv.Itoa(slot))
			cmd.Env = append(os.Environ(), envRole+"="+roles[slot])
			return cmd
		},
		First: 10 * time.Millisecond, Most: 80 * time.Millisecond, Healthy: time.Hour,
		Patience: daemons.Patience, StartPatience: daemons.Patience,
		Restart: s.restart, Ready: func() { close(s.ready) },
		Restarting: func() { fmt.Fprintln(out, "restart begins") },
		Restarted:  func(err error) { fmt.Fprintln(out, "restart ends:", err) },
	}
	if change != nil {
		change(&cfg)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- Run(ctx, cfg) }()
	s.stop = sync.OnceValue(func() error { cancel(); return <-ended })
	t.Cleanup(func() {
		s.stop()
		for _, pid := range s.pids(t) {
			if err := syscall.Kill(pid, 0); err == nil {
				t.Errorf("process %d is left", pid)
			}
		}
		if t.Failed() {
			t.Log(s)
		}
	})
	return s
}

// notShort skips a test that takes seconds.
func notShort(t *testing.T) {
	t.Helper()
	if testing.Short() {
		t.Skip("-short: waits for seconds")
	}
}

var started = regexp.MustCompile(`msg="worker started" slot=(\d+) pid=(\d+)`)

// pids gives all processes there were of the slots, of all slots when none is named, in order.
func (s *supervised) pids(t *testing.T, slots ...int) (pids []int) {
	t.Helper()
	for _, m := range started.FindAllStringSubmatch(s.String(), -1) {
		pid, _ := strconv.Atoi(m[2])
		if len(slots) == 0 || m[1] == strconv.Itoa(slots[0]) {
			pids = append(pids, pid)
		}
	}
	return pids
}

// await waits until the output matches.
func (s *supervised) await(t *testing.T, pattern string) {
	t.Helper()
	re := regexp.MustCompile(pattern)
	for deadline := time.Now().Add(daemons.Patience); !re.MatchString(s.String()); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("no %s in\n%s", pattern, s)
		}
	}
}

func TestKilledWorkerComesBack(t *testing.T) {
	s := supervise(t, nil, roleGood, roleGood)
	<-s.ready
	first := s.pids(t, 1)
	syscall.Kill(first[0], syscall.SIGKILL)
	s.await(t, `msg="worker ended, is started again" slot=1 pid=\d+ end="signal: killed" lived=\S+ in=10ms`)
	s.await(t, `(?s)started again" slot=1.*msg="worker is ready" slot=1`)
	if n := len(s.pids(t, 0)); n != 1 {
		t.Errorf("the other worker was started %d times", n)
	}
	if err := s.stop(); err != nil {
		t.Errorf("stop: %v", err)
	}
	for _, line := range []string{"ended 0\n", "ended 1\n"} {
		if !strings.Contains(s.String(), line) {
			t.Errorf("no %q", line)
		}
	}
}

func TestFailingWorkerIsTriedMoreSeldom(t *testing.T) {
	s := supervise(t, nil, roleGood, roleFails)
	s.await(t, `(?s)in=10ms.*in=20ms.*in=40ms.*in=80ms.*in=80ms`)
	if n := len(s.pids(t, 0)); n != 1 {
		t.Errorf("the other worker was started %d times", n)
	}
	select {
	case <-s.ready:
		t.Error("ready without the failing worker")
	default:
	}
	if err := s.stop(); err != nil {
		t.Errorf("stop: %v", err)
	}
	for _, line := range []string{"\n[1] cannot\n", `end="exit status 3"`, "ended 0\n"} {
		if !strings.Contains(s.String(), line) {
			t.Errorf("no %q", line)
		}
	}
}

// A worker that is stuck is killed, after it has said what it was at.
func TestStuckWorkerIsKilled(t *testing.T) {
	notShort(t)
	s := supervise(t, func(cfg *Config) { cfg.Watchdog = 6 * time.Second }, roleGood, roleMute)
	s.await(t, `(?s)msg="worker is stuck, is killed" slot=1.*\[1\] SIGABRT: abort.*\[1\] goroutine .*"worker ended, is started again" slot=1`)
	if n := len(s.pids(t, 0)); n != 1 {
		t.Errorf("the other worker was started %d times", n)
	}
}

// So is one that does not even run.
func TestStoppedWorkerIsKilled(t *testing.T) {
	notShort(t)
	s := supervise(t, func(cfg *Config) { cfg.Watchdog = 6 * time.Second }, roleGood)
	<-s.ready
	syscall.Kill(s.pids(t)[0], syscall.SIGSTOP)
	s.await(t, `(?s)is stuck, is killed.*started again" slot=0 pid=\d+ end="signal: killed".*worker is ready`)
}

func TestRollingRestart(t *testing.T) {
	s := supervise(t, nil, roleGood, roleGood, roleGood)
	<-s.ready
	s.restart <- struct{}{}
	var order string
	for slot := range 3 {
		order += fmt.Sprintf(`.*restarted as asked" slot=%d.*\nended %[1]d\n.*worker is ready" slot=%[1]d`, slot)
	}
	s.await(t, "(?s)restart begins\n"+order+".*\nrestart ends: <nil>\n")
	if n := len(s.pids(t)); n != 6 {
		t.Errorf("%d processes, want 6", n)
	}
	if strings.Contains(s.String(), "level=WARN") {
		t.Error("a warning of what was asked for")
	}
}

func TestRollingTakeover(t *testing.T) {
	var s *supervised
	s = supervise(t, func(cfg *Config) {
		cfg.Watchdog = daemons.Patience
		cfg.Successor = func(slot int) *exec.Cmd {
			pids := s.pids(t, slot)
			cmd := cfg.Command(slot)
			cmd.Env = append(cmd.Env, fmt.Sprintf("%s=%d", envOld, pids[len(pids)-1]))
			return cmd
		}
	}, roleGood, roleGood)
	<-s.ready
	for round := range 3 {
		s.restart <- struct{}{}
		s.await(t, fmt.Sprintf(`(?s)(replaced as asked" slot=0.*handed over" slot=0 .*end="exit status 0".*is ready" slot=0.*replaced as asked" slot=1.*handed over" slot=1.*is ready" slot=1.*){%d}`, round+1))
	}
	if n := len(s.pids(t)); n != 8 {
		t.Errorf("%d processes, want 8", n)
	}
	if err := s.stop(); err != nil || strings.Contains(s.String(), "level=WARN") {
		t.Errorf("stop: %v", err)
	}
}

// One that cannot take over leaves the worker before it as it was.
func TestTakeoverFails(t *testing.T) {
	notShort(t)
	for _, c := range []struct{ name, role string }{
		{"ends", roleFails},
		{"hangs", roleHangs},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := supervise(t, func(cfg *Config) {
				cfg.StartPatience = 8 * time.Second
				cfg.Successor = func(slot int) *exec.Cmd {
					cmd := cfg.Command(slot)
					cmd.Env = append(cmd.Env, envRole+"="+c.role)
					return cmd
				}
			}, roleGood, roleGood)
			<-s.ready
			s.restart <- struct{}{}
			s.await(t, `msg="worker did not take over, the one before it goes on" slot=0`)
			s.await(t, `msg="rolling restart ends here`)
			if n := len(s.pids(t, 1)); n != 1 {
				t.Errorf("the worker after it was started %d times", n)
			}
			if err := s.stop(); err != nil || !strings.Contains(s.String(), "ended 0\n") {
				t.Errorf("the first worker did not stop in order: %v", err)
			}
		})
	}
}

// A new worker that does not come up ends the rolling restart.
func TestRollingRestartEnds(t *testing.T) {
	roles := []string{roleGood, roleGood}
	var mu sync.Mutex
	s := supervise(t, func(cfg *Config) {
		command := cfg.Command
		cfg.Command = func(slot int) *exec.Cmd {
			mu.Lock()
			defer mu.Unlock()
			cmd := command(slot)
			cmd.Env = append(cmd.Env, envRole+"="+roles[slot])
			return cmd
		}
	}, roles...)
	<-s.ready
	mu.Lock()
	roles[0] = roleFails
	mu.Unlock()
	s.restart <- struct{}{}
	s.await(t, `msg="rolling restart ends here, .*" slot=0 err="worker of slot 0 \(pid \d+\) ended with exit status 3"`)
	s.await(t, `\nrestart ends: worker of slot 0 `)
	if n := len(s.pids(t, 1)); n != 1 {
		t.Errorf("the worker after it was started %d times", n)
	}
}

func TestStubbornWorkerIsKilledAtTheStop(t *testing.T) {
	notShort(t)
	s := supervise(t, func(cfg *Config) { cfg.Patience = 6 * time.Second }, roleStubborn, roleGood)
	<-s.ready
	want := fmt.Sprintf("worker of slot 0 (pid %d) did not end within 6s and was killed", s.pids(t, 0)[0])
	if err := s.stop(); err == nil || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
}

func TestNoProgram(t *testing.T) {
	s := supervise(t, func(cfg *Config) {
		cfg.Command = func(int) *exec.Cmd { return exec.Command("/nowhere/telcol") }
	}, roleGood)
	s.await(t, `(?s)msg="worker cannot be started, is tried again" slot=0 in=10ms err=.*in=20ms`)
	if err := s.stop(); err != nil {
		t.Error(err)
	}
}
