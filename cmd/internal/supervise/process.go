package supervise

import (
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/telcol/telcol/cmd/internal/notify"
)

// process is one run of a worker.
type process struct {
	pid   int
	began time.Time
	ready chan struct{} // closed when it has told that it receives
	beats chan struct{} // of its watchdog
	ended chan struct{} // closed when it is gone
	err   error         // of its end, valid once ended
}

// startProcess starts a worker. If this process dies, however, the kernel asks the worker to end.
func startProcess(cmd *exec.Cmd, stdout, stderr *lines) (*process, error) {
	in, err := notify.Listen()
	if err != nil {
		return nil, err
	}
	cmd.Stdout, cmd.Stderr = stdout, stderr
	cmd.Env = append(withoutManager(cmd.Environ()), notify.Env+"="+in.Addr(), notify.EnvSupervisor+"="+strconv.Itoa(os.Getpid()))
	// A group of its own: Ctrl-C is for the supervisor, which ends the workers in order.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGTERM}
	cmd.WaitDelay = 2 * time.Second
	p := &process{began: time.Now(), ready: make(chan struct{}), beats: make(chan struct{}, 1), ended: make(chan struct{})}
	started := make(chan error)
	go p.run(cmd, in, started)
	if err := <-started; err != nil {
		return nil, err
	}
	return p, nil
}

// withoutManager leaves out what belongs to the supervisor's own manager.
func withoutManager(environ []string) (kept []string) {
	for _, v := range environ {
		if !strings.HasPrefix(v, notify.Env+"=") && !strings.HasPrefix(v, "WATCHDOG_") {
			kept = append(kept, v)
		}
	}
	return kept
}

// run starts the process and waits for its end on one thread: the kernel sends the signal of Pdeathsig when the thread that started
// the process ends.
func (p *process) run(cmd *exec.Cmd, in *notify.Receiver, started chan<- error) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	err := cmd.Start()
	if err == nil {
		p.pid = cmd.Process.Pid
	}
	started <- err
	if err != nil {
		in.Close()
		return
	}
	var listening sync.WaitGroup
	listening.Go(func() { p.listen(in) })
	p.err = cmd.Wait()
	in.Close()
	listening.Wait()
	cmd.Stdout.(*lines).flush()
	cmd.Stderr.(*lines).flush()
	close(p.ended)
}

// listen takes what the process tells until the socket is closed.
func (p *process) listen(in *notify.Receiver) {
	ready := sync.OnceFunc(func() { close(p.ready) })
	for {
		states, err := in.Receive()
		if err != nil {
			return
		}
		for _, s := range states {
			switch s {
			case "READY=1":
				ready()
			case "WATCHDOG=1":
				select {
				case p.beats <- struct{}{}:
				default:
				}
			}
		}
	}
}

// signal sends a signal to a process that has not been waited for. The number cannot be another's by then, but for the moment
// between its end and ours hearing of it.
func (p *process) signal(s syscall.Signal) {
	select {
	case <-p.ended:
	default:
		_ = syscall.Kill(p.pid, s)
	}
}

// stop asks the process to end, and kills it when it does not. The error is nil when it ended in order.
func (p *process) stop(patience time.Duration) error {
	p.signal(syscall.SIGTERM)
	if !p.awaitEnd(patience) {
		p.signal(syscall.SIGKILL)
		<-p.ended
		return fmt.Errorf("did not end within %v and was killed", patience)
	}
	if p.err != nil {
		return fmt.Errorf("ended with %s", p.end())
	}
	return nil
}

// kill ends a process that is stuck. A program in Go answers SIGABRT with what its goroutines are at, for the log.
func (p *process) kill() {
	p.signal(syscall.SIGABRT)
	if !p.awaitEnd(abortPatience) {
		p.signal(syscall.SIGKILL)
	}
	<-p.ended
}

const abortPatience = 2 * time.Second

func (p *process) awaitEnd(patience time.Duration) bool {
	select {
	case <-p.ended:
		return true
	case <-time.After(patience):
		return false
	}
}

// end says how the process ended.
func (p *process) end() string {
	if p.err == nil {
		return "exit status 0"
	}
	return p.err.Error()
}

// prefix begins the lines of a slot's log.
func prefix(slot int) string { return "[" + strconv.Itoa(slot) + "] " }
