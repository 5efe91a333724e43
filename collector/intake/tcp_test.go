package intake

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/telcol/telcol/deploy/leaks"
)

// patience is how long these tests wait for anything: a machine may be busy, and one that passes waits for none of it.
const patience = 2 * time.Minute

func TestMain(m *testing.M) { os.Exit(leaks.Main(m)) }

func TestListenRefusesPortInUse(t *testing.T) {
	u := listenTest(t)
	at := u.LocalAddr().(*net.UDPAddr).AddrPort()
	if c, err := ListenUDP(t.Context(), at); !errors.Is(err, ErrInUse) || !errors.Is(err, unix.EADDRINUSE) {
		t.Errorf("second udp socket: %v, %v", c, err)
	}
	l := listenTCPTest(t)
	if c, err := ListenTCP(t.Context(), l.Addr().(*net.TCPAddr).AddrPort()); !errors.Is(err, ErrInUse) {
		t.Errorf("second tcp listener: %v, %v", c, err)
	}
	if _, err := ListenTCP(t.Context(), netip.MustParseAddrPort("192.0.2.1:0")); !errors.Is(err, ErrNotHere) {
		t.Errorf("address of another host: %v", err)
	}
}

func TestListenFamilies(t *testing.T) {
	for _, at := range []string{"127.0.0.1:0", "0.0.0.0:0", "[::]:0"} {
		l, err := ListenTCP(t.Context(), netip.MustParseAddrPort(at))
		if err != nil {
			t.Fatal(err)
		}
		raw, _ := l.SyscallConn()
		var domain, proto int
		raw.Control(func(fd uintptr) {
			domain, _ = unix.GetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_DOMAIN)
			proto, _ = unix.GetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_PROTOCOL)
		})
		want := unix.AF_INET
		if at[0] == '[' {
			want = unix.AF_INET6
		}
		if domain != want || proto != unix.IPPROTO_TCP {
			t.Errorf("%s: domain %d protocol %d, want domain %d and plain TCP", at, domain, proto, want)
		}
		l.Close()
	}
}

func listenTCPTest(t testing.TB) *net.TCPListener {
	t.Helper()
	l, err := ListenTCP(t.Context(), netip.MustParseAddrPort("[::]:0"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	return l
}

func dialTCP(t testing.TB, host string, l *net.TCPListener) net.Conn {
	t.Helper()
	c, err := net.Dial("tcp", net.JoinHostPort(host, fmt.Sprint(l.Addr().(*net.TCPAddr).Port)))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

// serveTest serves until the returned stop is called, which gives what Serve returned.
func serveTest(t testing.TB, max int, l *net.TCPListener, h Handler) (s *ServeStats, stop func() error) {
	t.Helper()
	s = new(ServeStats)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- Serve(ctx, l, ServeConfig{MaxConns: max, Stats: s}, h) }()
	stopped := false
	stop = func() error {
		if stopped {
			return nil
		}
		stopped = true
		cancel()
		return <-done
	}
	t.Cleanup(func() { stop() })
	return s, stop
}

func echo(_ context.Context, c *net.TCPConn, from netip.AddrPort) {
	fmt.Fprintln(c, from)
	io.Copy(c, c)
}

func TestServeFamilies(t *testing.T) {
	l := listenTCPTest(t)
	s, stop := serveTest(t, 0, l, echo)
	for _, host := range []string{"127.0.0.1", "::1"} {
		c := dialTCP(t, host, l)
		line, err := bufio.NewReader(c).ReadString('\n')
		if want := c.LocalAddr().String() + "\n"; line != want || err != nil {
			t.Errorf("%s: seen as %q (%v), want %q", host, line, err, want)
		}
	}
	if err := stop(); err != nil { // with both handlers still reading
		t.Error(err)
	}
	if a, o := s.Accepted.Load(), s.Open.Load(); a != 2 || o != 0 {
		t.Errorf("accepted %d, open %d, want 2 and 0", a, o)
	}
}

func TestServeBoundsConnections(t *testing.T) {
	l := listenTCPTest(t)
	s, _ := serveTest(t, 2, l, echo)
	var conns []net.Conn
	for range 2 {
		c := dialTCP(t, "127.0.0.1", l)
		if _, err := bufio.NewReader(c).ReadString('\n'); err != nil {
			t.Fatal(err)
		}
		conns = append(conns, c)
	}
	c := dialTCP(t, "127.0.0.1", l)
	if n, err := c.Read(make([]byte, 1)); n != 0 || err == nil {
		t.Fatalf("a connection beyond the bound got %d octets and %v", n, err)
	}
	if s.Refused.Load() != 1 {
		t.Errorf("refused %d, want 1", s.Refused.Load())
	}
	conns[0].Close()
	for deadline := time.Now().Add(patience); s.Open.Load() > 1; {
		if time.Now().After(deadline) {
			t.Fatal("handler did not end")
		}
		time.Sleep(time.Millisecond)
	}
	if _, err := bufio.NewReader(dialTCP(t, "127.0.0.1", l)).ReadString('\n'); err != nil {
		t.Errorf("a place became free, but: %v", err)
	}
}

func TestServeEndsWithListener(t *testing.T) {
	l := listenTCPTest(t)
	var ended atomic.Bool
	started := make(chan struct{})
	done := make(chan error, 1)
	go func() {
		done <- Serve(t.Context(), l, ServeConfig{}, func(ctx context.Context, c *net.TCPConn, _ netip.AddrPort) {
			close(started)
			c.Read(make([]byte, 1)) // ends by the deadline, since nothing is sent
			ended.Store(ctx.Err() != nil)
		})
	}()
	dialTCP(t, "127.0.0.1", l)
	<-started
	l.Close()
	if err := <-done; !errors.Is(err, net.ErrClosed) || !ended.Load() {
		t.Errorf("got %v, handler ended %v; want net.ErrClosed after the handler", err, ended.Load())
	}
}

// TestServeAgain serves, pauses while a connection comes, and serves on, again and again: what ended one Serve must not end the next one.
func TestServeAgain(t *testing.T) {
	l := listenTCPTest(t)
	for round := range 3000 {
		ctx, pause := context.WithCancelCause(t.Context())
		done := make(chan error, 1)
		go func() {
			done <- Serve(ctx, l, ServeConfig{}, func(context.Context, *net.TCPConn, netip.AddrPort) {})
		}()
		c := dialTCP(t, "127.0.0.1", l).(*net.TCPConn)
		pause(ErrPause)
		if err := <-done; err != nil {
			t.Fatalf("round %d: %v", round, err)
		}
		c.SetLinger(0) // no port waits for this connection
		c.Close()
	}
}

// TestWhenDone stops what has begun: it has ended then.
func TestWhenDone(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	begun, ended := make(chan struct{}), false
	stop := WhenDone(ctx, func() {
		close(begun)
		time.Sleep(5 * time.Millisecond)
		ended = true
	})
	cancel()
	<-begun
	stop()
	if !ended {
		t.Error("stop did not wait")
	}
	stop()
	WhenDone(t.Context(), func() { t.Error("called although it was stopped") })()
}

func TestServeOutlivesLackOfDescriptors(t *testing.T) {
	l := listenTCPTest(t)
	s, _ := serveTest(t, 0, l, echo)
	var old unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &old); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { unix.Setrlimit(unix.RLIMIT_NOFILE, &old) })

	// The client's descriptor is the last that may be had, so accept finds none.
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(fd)
	if err := unix.Setrlimit(unix.RLIMIT_NOFILE, &unix.Rlimit{Cur: 3, Max: old.Max}); err != nil {
		t.Fatal(err)
	}
	to := &unix.SockaddrInet4{Port: l.Addr().(*net.TCPAddr).Port, Addr: [4]byte{127, 0, 0, 1}}
	for err = unix.Connect(fd, to); errors.Is(err, unix.EINTR); err = unix.Connect(fd, to) {
	}
	for deadline := time.Now().Add(patience); s.Errors.Load() == 0; {
		if time.Now().After(deadline) {
			t.Fatal("accept did not run out of descriptors")
		}
		time.Sleep(time.Millisecond)
	}
	unix.Setrlimit(unix.RLIMIT_NOFILE, &old)
	for deadline := time.Now().Add(patience); s.Accepted.Load() == 0; {
		if time.Now().After(deadline) {
			t.Fatal("accept did not go on")
		}
		time.Sleep(time.Millisecond)
	}
}
