package steering

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// workerTask tells a child process what to be.
type workerTask struct {
	Group string
	Port  uint16
	Slot  int
	Probe bool // try what a worker must not be able to do, report, and exit
	Load  bool // create the group with CAP_BPF and CAP_PERFMON alone, report, and exit
}

// workerReport is the one line a child writes once it is ready or has failed.
type workerReport struct {
	PID     int
	CapEff  string
	Err     string
	Refused map[string]bool // of a probe: what was refused with ErrNotPermitted
}

// workerMain is the child process: a worker that answers every datagram and every
// connection with "slot pid". It ends when its standard input does.
func workerMain() int {
	var task workerTask
	report := workerReport{PID: os.Getpid(), CapEff: effectiveCapabilities()}
	err := json.Unmarshal([]byte(os.Getenv(envWorker)), &task)
	switch {
	case err != nil:
	case task.Probe:
		report.Refused = probe(task)
	case task.Load:
		err = load(task)
		report.CapEff = effectiveCapabilities()
	default:
		err = serve(task)
	}
	if err != nil {
		report.Err = err.Error()
	}
	if json.NewEncoder(os.Stdout).Encode(report) != nil || err != nil || task.Probe || task.Load {
		return 1
	}
	io.Copy(io.Discard, os.Stdin)
	return 0
}

func effectiveCapabilities() string {
	b, _ := os.ReadFile("/proc/self/status")
	for line := range strings.Lines(string(b)) {
		if v, ok := strings.CutPrefix(line, "CapEff:"); ok {
			return strings.TrimLeft(strings.TrimSpace(v), "0")
		}
	}
	return "unknown"
}

// load creates the group once it has become a process with two capabilities.
func load(task workerTask) error {
	const want = "c000000000"
	if have := effectiveCapabilities(); have != want {
		runtime.LockOSThread()
		for c := range unix.CAP_LAST_CAP + 1 {
			if c == unix.CAP_BPF || c == unix.CAP_PERFMON {
				continue
			}
			if err := unix.Prctl(unix.PR_CAPBSET_DROP, uintptr(c), 0, 0, 0); err != nil {
				return fmt.Errorf("drop capability %d: %w", c, err)
			}
		}
		return unix.Exec("/proc/self/exe", os.Args, os.Environ())
	}
	g, err := Init(bg, Options{Name: task.Group, Slots: 2, Listeners: []Listener{{UDP, task.Port}, {TCP, task.Port}}})
	if err != nil {
		return err
	}
	return g.Close()
}

func serve(task workerTask) error {
	g, err := Open("", task.Group)
	if err != nil {
		return err
	}
	udp, err := g.ListenUDP(bg, anyAddr(task.Port), task.Slot, ListenOptions{})
	if err != nil {
		return err
	}
	tcp, err := g.ListenTCP(bg, anyAddr(task.Port), task.Slot, ListenOptions{})
	if err != nil {
		return err
	}
	claim, err := g.Claim(bg, task.Slot, udp, tcp)
	if err != nil {
		return err
	}
	if _, err := claim.Refresh(bg); err != nil {
		return err
	}
	if err := g.Publish(task.Slot, Report{PID: uint32(os.Getpid()), Cookie: claim.Cookie()}); err != nil {
		return err
	}
	if err := g.Sight(task.Slot, []netip.Addr{deviceV4(task.Slot)}); err != nil {
		return err
	}
	answer := fmt.Appendf(nil, "%d %d", task.Slot, os.Getpid())
	go func() {
		buf := make([]byte, 2048)
		for {
			_, from, err := udp.ReadFromUDPAddrPort(buf)
			if err != nil {
				return
			}
			udp.WriteToUDPAddrPort(answer, from)
		}
	}()
	go func() {
		for {
			c, err := tcp.Accept()
			if err != nil {
				return
			}
			go func() {
				c.Write(answer)
				io.Copy(c, c) // stays until the device hangs up
				c.Close()
			}()
		}
	}()
	return nil
}

func probe(task workerTask) map[string]bool {
	refused := map[string]bool{}
	note := func(what string, err error) { refused[what] = errors.Is(err, ErrNotPermitted) }
	g, err := Open("", task.Group)
	note("open", err)
	if err == nil {
		defer g.Close()
		_, err = g.ListenUDP(bg, anyAddr(task.Port+1), task.Slot, ListenOptions{})
		note("listener", err)
		refused["listener"] = refused["listener"] && errors.Is(err, ErrNoListener)
		note("alias", g.SetAlias(bg, deviceV4(1), deviceV4(2)))
		_, err = g.Status()
		note("status", err)
		_, err = g.ChangePlan(bg, false, func(p *Plan) error { return p.SetDrained(0, true) })
		note("plan", err)
		_, err = g.ChangePlan(bg, true, func(p *Plan) error { return p.SetDrained(0, true) })
		note("dry run", err)
		note("allow", g.Allow(bg, netip.MustParsePrefix("10.0.0.0/8")))
		note("save", g.Save(bg, "/nowhere"))
		note("report", g.Publish(task.Slot, Report{}))
	}
	note("destroy", Destroy(bg, "", task.Group, DestroyOptions{EvenIfBusy: true}))
	_, err = Init(bg, Options{Name: "theirs", Slots: 1})
	note("init", err)
	return refused
}

// process is a child process of this test.
type process struct {
	cmd    *exec.Cmd
	stdin  io.Closer
	report workerReport
}

// start runs a child as user, or as we are, and waits for its report.
func start(t *testing.T, task workerTask, user *User) *process {
	t.Helper()
	b, err := json.Marshal(task)
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("/proc/self/exe")
	cmd.Env = append(os.Environ(), envWorker+"="+string(b))
	cmd.Stderr = os.Stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{}
	if user != nil {
		cmd.SysProcAttr.Credential = &syscall.Credential{Uid: uint32(user.UID), Gid: uint32(user.GID)}
	}
	stdin, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	p := &process{cmd: cmd, stdin: stdin}
	t.Cleanup(func() {
		stdin.Close()
		cmd.Wait()
	})
	line, err := bufio.NewReader(stdout).ReadBytes('\n')
	if err != nil {
		t.Fatalf("worker of slot %d said nothing: %v", task.Slot, err)
	}
	if err := json.Unmarshal(line, &p.report); err != nil {
		t.Fatal(err)
	}
	return p
}

// startWorker starts a worker that has to succeed.
func startWorker(t *testing.T, g *Group, port uint16, slot int, user *User) *process {
	t.Helper()
	p := start(t, workerTask{Group: g.Name(), Port: port, Slot: slot}, user)
	if p.report.Err != "" {
		t.Fatalf("worker of slot %d: %s", slot, p.report.Err)
	}
	return p
}

// kill ends the process as a crash would. Its sockets are gone when it is reaped.
func (p *process) kill(t *testing.T) {
	t.Helper()
	if err := p.cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	p.cmd.Wait()
}

// reply is who answered a device.
type reply struct{ slot, pid int }

var refusedReply = reply{-1, -1}

// askUDP sends a datagram from the device and returns who answers;
// refusedReply if the kernel dropped it, which on loopback comes back at once.
func askUDP(device netip.Addr, port uint16) (reply, error) {
	c, err := net.DialUDP("udp", net.UDPAddrFromAddrPort(netip.AddrPortFrom(device, 0)), net.UDPAddrFromAddrPort(target(device, port)))
	if err != nil {
		return reply{}, err
	}
	defer c.Close()
	if _, err := c.Write([]byte("flow")); err != nil {
		return reply{}, err
	}
	return readReply(c)
}

// askTCP connects from the device and returns who answers.
func askTCP(device netip.Addr, port uint16) (reply, error) {
	c, err := dial(device, port)
	if errors.Is(err, unix.ECONNREFUSED) {
		return refusedReply, nil
	}
	if err != nil {
		return reply{}, err
	}
	defer c.Close()
	return readReply(c)
}

func readReply(c net.Conn) (r reply, err error) {
	c.SetReadDeadline(time.Now().Add(patience))
	buf := make([]byte, 64)
	n, err := c.Read(buf)
	if errors.Is(err, unix.ECONNREFUSED) {
		return refusedReply, nil
	}
	if err != nil {
		return r, err
	}
	_, err = fmt.Sscan(string(buf[:n]), &r.slot, &r.pid)
	return r, err
}

// expectAnswers asks over both protocols for every device and wants the answer of
// its slot's process; nil in the list is an absent one.
func expectAnswers(t *testing.T, g *Group, port uint16, all []netip.Addr, workers []*process) {
	t.Helper()
	for _, d := range all {
		slot := g.Table().Slot(d)
		want := refusedReply
		if w := workers[slot]; w != nil {
			want = reply{slot, w.report.PID}
		}
		for _, ask := range []struct {
			name string
			do   func(netip.Addr, uint16) (reply, error)
		}{{"udp", askUDP}, {"tcp", askTCP}} {
			got, err := ask.do(d, port)
			if err != nil || got != want {
				t.Fatalf("device %s over %s: got %+v (%v), want %+v", d, ask.name, got, err, want)
			}
		}
	}
}

// Worker processes: both streams of each of 500 devices reach one process; a
// killed one loses its own share and nobody else's, and finds it again.
func TestWorkerProcesses(t *testing.T) {
	const slots = 4
	g, port := newGroup(t, slots)
	var workers []*process
	for slot := range slots {
		workers = append(workers, startWorker(t, g, port, slot, nil))
	}
	all := devices(500)
	expectAnswers(t, g, port, all, workers)

	const victim = 1
	workers[victim].kill(t)
	gone := workers[victim]
	workers[victim] = nil
	expectAnswers(t, g, port, all[:200], workers)
	st, err := g.Status()
	if err != nil {
		t.Fatal(err)
	}
	for slot, s := range st.Slots {
		if w := workers[slot]; s.Alive != (w != nil) || w != nil && s.PID != w.report.PID {
			t.Errorf("status of slot %d: %+v", slot, s)
		}
	}

	workers[victim] = startWorker(t, g, port, victim, nil)
	if workers[victim].report.PID == gone.report.PID {
		t.Fatal("the killed worker answers")
	}
	expectAnswers(t, g, port, all[:200], workers)
}

// A connection lives on whatever happens to other slots.
func TestConnectionsOutliveOthers(t *testing.T) {
	g, port := newGroup(t, 2)
	workers := []*process{startWorker(t, g, port, 0, nil), startWorker(t, g, port, 1, nil)}
	d := deviceOf(t, g, 0)
	c, err := dial(d, port)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if _, err := readReply(c); err != nil {
		t.Fatal(err)
	}
	workers[1].kill(t)
	if _, err := c.Write([]byte("0 7")); err != nil {
		t.Fatal(err)
	}
	if got, err := readReply(c); err != nil || got != (reply{0, 7}) {
		t.Errorf("got %+v, %v", got, err)
	}
}

// deviceOf returns a device of the slot.
func deviceOf(t *testing.T, g *Group, slot int) netip.Addr {
	t.Helper()
	for _, d := range devices(500) {
		if g.Table().Slot(d) == slot {
			return d
		}
	}
	t.Fatalf("no device in slot %d", slot)
	return netip.Addr{}
}

func TestSlotTakenByAnotherProcess(t *testing.T) {
	g, port := newGroup(t, 2)
	owner := startWorker(t, g, port, 1, nil)
	_, err := g.ListenUDP(t.Context(), anyAddr(port), 1, ListenOptions{})
	var taken *SlotTakenError
	if !errors.As(err, &taken) || taken.Owner.PID != owner.report.PID {
		t.Errorf("got %v, want the pid %d", err, owner.report.PID)
	}
	second := start(t, workerTask{Group: g.Name(), Port: port, Slot: 1}, nil)
	if want := fmt.Sprintf("taken by pid %d (", owner.report.PID); !strings.Contains(second.report.Err, want) {
		t.Errorf("got %q, want it to say %q", second.report.Err, want)
	}
}

// Workers of another user, with no capability at all, join the group that root
// made for them; what only the loader may do stays refused.
func TestWorkersWithoutCapabilities(t *testing.T) {
	needLive(t)
	user := &User{UID: 4711, GID: 4712}
	port := freePort()
	o := Options{Name: "uncapped", Slots: 2, User: user, Listeners: []Listener{{UDP, port}, {TCP, port}}}
	g, err := Init(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	defer g.Close()
	t.Cleanup(func() { Destroy(bg, "", o.Name, DestroyOptions{EvenIfBusy: true}) })

	workers := []*process{startWorker(t, g, port, 0, user), startWorker(t, g, port, 1, user)}
	for _, w := range workers {
		if w.report.CapEff != "" {
			t.Fatalf("worker has capabilities %s", w.report.CapEff)
		}
	}
	expectAnswers(t, g, port, devices(60), workers)
	workers[0].kill(t)
	workers[0] = startWorker(t, g, port, 0, user)
	expectAnswers(t, g, port, devices(60), workers)

	for _, c := range []struct {
		name string
		user *User
		want map[string]bool
	}{
		{"worker's user", user, map[string]bool{
			"open": false, "status": false, "dry run": false, "report": false,
			"listener": true, "alias": true, "plan": true, "allow": true, "save": true, "destroy": true, "init": true,
		}},
		{"group member", &User{UID: 4713, GID: user.GID}, map[string]bool{
			"open": false, "status": false, "dry run": false, "report": true,
			"listener": true, "alias": true, "plan": true, "allow": true, "save": true, "destroy": true, "init": true,
		}},
		{"stranger", &User{UID: 4713, GID: 4713}, map[string]bool{"open": true, "destroy": true, "init": true}},
	} {
		t.Run(c.name, func(t *testing.T) {
			p := start(t, workerTask{Group: o.Name, Port: port, Slot: 0, Probe: true}, c.user)
			for what, want := range c.want {
				if got := p.report.Refused[what]; got != want {
					t.Errorf("%s refused: %v, want %v", what, got, want)
				}
			}
		})
	}
	// Root's sockets may not share a port with the user's.
	if _, err := g.ListenUDP(t.Context(), anyAddr(port), 1, ListenOptions{}); !errors.Is(err, ErrSlotTaken) {
		t.Errorf("got %v, want slot taken", err)
	}
	workers[1].kill(t)
	_, err = g.ListenUDP(t.Context(), anyAddr(port), 1, ListenOptions{})
	if want := "of user 4711, and this process is of user 0"; !errors.Is(err, ErrPortInUse) || !errors.Is(err, ErrOtherUser) || !strings.HasSuffix(err.Error(), want) {
		t.Errorf("got %v, want port in use, %s", err, want)
	}
}

// Two capabilities make a group; a worker then runs in it.
func TestLoaderCapabilities(t *testing.T) {
	needLive(t)
	port := freePort()
	task := workerTask{Group: "two-capabilities", Port: port, Load: true}
	loader := start(t, task, nil)
	if loader.report.Err != "" || loader.report.CapEff != "c000000000" {
		t.Fatalf("loader with capabilities %s: %s", loader.report.CapEff, loader.report.Err)
	}
	t.Cleanup(func() { Destroy(bg, "", task.Group, DestroyOptions{EvenIfBusy: true}) })
	g, err := Open("", task.Group)
	if err != nil {
		t.Fatal(err)
	}
	defer g.Close()
	workers := []*process{startWorker(t, g, port, 0, nil), startWorker(t, g, port, 1, nil)}
	expectAnswers(t, g, port, devices(20), workers)
}

// Many workers starting at once for few slots: one each, the others are refused.
func TestSimultaneousStarts(t *testing.T) {
	const slots, tries = 4, 16
	g, port := newGroup(t, slots)
	type result struct {
		slot int
		err  error
	}
	results := make(chan result)
	ctx, cancel := context.WithCancel(bg)
	defer cancel()
	for i := range tries {
		go func() {
			slot := i % slots
			udp, err := g.ListenUDP(ctx, anyAddr(port), slot, ListenOptions{})
			if err != nil {
				results <- result{slot, err}
				return
			}
			t.Cleanup(func() { udp.Close() })
			tcp, err := g.ListenTCP(ctx, anyAddr(port), slot, ListenOptions{})
			if err != nil {
				results <- result{slot, err}
				return
			}
			t.Cleanup(func() { tcp.Close() })
			_, err = g.Claim(ctx, slot, udp, tcp)
			results <- result{slot, err}
		}()
	}
	won := make([]int, slots)
	for range tries {
		switch r := <-results; {
		case r.err == nil:
			won[r.slot]++
		case !errors.Is(r.err, ErrSlotTaken):
			t.Errorf("slot %d: %v", r.slot, r.err)
		}
	}
	for slot, n := range won {
		if n != 1 {
			t.Errorf("slot %d was claimed %d times", slot, n)
		}
	}
}
