package takeover

import (
	"bytes"
	"errors"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// pair connects two ends over a socket whose path is longer than a Unix socket's name may be.
func pair(t testing.TB) (from, to *Conn) {
	t.Helper()
	path := filepath.Join(t.TempDir(), strings.Repeat("long", 30), "3.sock")
	l, err := Listen(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	accepted := make(chan *Conn, 1)
	go func() {
		c, err := l.Accept()
		if err != nil {
			t.Error(err)
		}
		accepted <- c
	}()
	to, err = Dial(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	from = <-accepted
	t.Cleanup(func() { from.Close(); to.Close() })
	return from, to
}

func TestMessages(t *testing.T) {
	from, to := pair(t)
	if from.PID() != os.Getpid() || to.PID() != os.Getpid() {
		t.Errorf("process %d and %d, want %d", from.PID(), to.PID(), os.Getpid())
	}
	udp, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	defer udp.Close()
	long := bytes.Repeat([]byte("abcde"), maxFrame/2)
	for _, c := range []struct {
		name    string
		payload []byte
		file    syscall.Conn
	}{
		{"empty", nil, nil},
		{"short", []byte("x"), nil},
		{"socket", nil, udp},
		{"socket and text", []byte("text"), udp},
		{"many frames", long, nil},
		{"many frames and a socket", long, udp},
		{"one frame", long[:maxFrame], nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			sent := make(chan error, 1)
			go func() { sent <- from.Send('k', c.payload, c.file) }()
			m, err := to.Receive()
			if err != nil {
				t.Fatal(err)
			}
			defer m.Close()
			if err := <-sent; err != nil {
				t.Fatal(err)
			}
			if m.Kind != 'k' || !bytes.Equal(m.Payload, c.payload) || (m.File != nil) != (c.file != nil) {
				t.Errorf("got kind %c, %d octets, file %v", m.Kind, len(m.Payload), m.File)
			}
			if m.File == nil {
				return
			}
			pc, err := net.FilePacketConn(m.File)
			if err != nil {
				t.Fatal(err)
			}
			defer pc.Close()
			if pc.LocalAddr().String() != udp.LocalAddr().String() {
				t.Errorf("got socket %s, want %s", pc.LocalAddr(), udp.LocalAddr())
			}
		})
	}
	from.Close()
	if _, err := to.Receive(); !errors.Is(err, io.EOF) {
		t.Errorf("got error %v, want EOF", err)
	}
}

// TestPatience has one step or all of them take too long. The next step has its own time.
func TestPatience(t *testing.T) {
	from, to := pair(t)
	soon, late := time.Now().Add(-time.Second), time.Now().Add(time.Hour)
	steps := map[string]func() error{
		"receive": func() error { _, err := to.Receive(); return err },
		"send":    func() error { return to.Send('k', bytes.Repeat([]byte{1}, 4<<20), nil) }, // more than fits in between
	}
	for name, step := range steps {
		for what, set := range map[string]func(){
			"a step":    func() { to.SetPatience(time.Millisecond, late) },
			"all":       func() { to.SetPatience(time.Hour, soon) },
			"all again": func() { to.SetPatience(time.Hour, late); to.SetDeadline(soon) },
		} {
			set()
			if err := step(); !errors.Is(err, os.ErrDeadlineExceeded) {
				t.Errorf("%s, %s too long: got error %v", name, what, err)
			}
		}
	}
	to.SetPatience(time.Hour, late)
	go from.Send('k', nil, nil)
	if _, err := to.Receive(); err != nil {
		t.Errorf("in time: %v", err)
	}
}

func TestHello(t *testing.T) {
	for _, c := range []struct {
		name         string
		theirs, ours byte
		want         error
	}{{"same", 1, 1, nil}, {"newer", 2, 1, ErrVersion}, {"older", 1, 2, ErrVersion}} {
		t.Run(c.name, func(t *testing.T) {
			from, to := pair(t)
			other := make(chan error, 1)
			go func() { other <- from.hello(c.theirs) }()
			if err := to.hello(c.ours); !errors.Is(err, c.want) {
				t.Errorf("got error %v, want %v", err, c.want)
			}
			if err := <-other; !errors.Is(err, c.want) {
				t.Errorf("the other side: got error %v, want %v", err, c.want)
			}
		})
	}
	from, to := pair(t)
	if _, err := from.conn.Write([]byte("GET / HTTP/1.1\r\n\r\n")); err != nil {
		t.Fatal(err)
	}
	if err := to.Hello(); !errors.Is(err, ErrVersion) {
		t.Errorf("got error %v for another protocol", err)
	}
}

func TestListen(t *testing.T) {
	path := filepath.Join(t.TempDir(), "slots", "3.sock")
	if _, err := Dial(t.Context(), path); !errors.Is(err, ErrNobody) {
		t.Errorf("without a folder: got error %v, want %v", err, ErrNobody)
	}
	first, err := Listen(path)
	if err != nil {
		t.Fatal(err)
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("socket has mode %v, %v", info.Mode(), err)
	}
	second, err := Listen(path)
	if err != nil {
		t.Fatal(err)
	}
	first.Close()
	if _, err := os.Stat(path); err != nil {
		t.Errorf("the first one took the second one's name along: %v", err)
	}
	if files, _ := filepath.Glob(filepath.Dir(path) + "/*"); len(files) != 1 {
		t.Errorf("files left: %v", files)
	}
	// As after a crash: the name is there and nobody behind it.
	second.ln.Close()
	if _, err := Dial(t.Context(), path); !errors.Is(err, ErrNobody) {
		t.Errorf("behind a dead socket: got error %v, want %v", err, ErrNobody)
	}
	second.Close()
	if _, err := os.Stat(path); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("socket stays: %v", err)
	}
	open := filepath.Join(t.TempDir(), "open")
	if err := os.Mkdir(open, 0o777); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(open, 0o777); err != nil {
		t.Fatal(err)
	}
	if l, err := Listen(filepath.Join(open, "0.sock")); err == nil {
		l.Close()
		t.Error("a socket in a folder that everybody may write to")
	}
}

// TestSuccession has each listener end while the next one begins: the name is the next one's whoever is first.
func TestSuccession(t *testing.T) {
	path := filepath.Join(t.TempDir(), "3.sock")
	var last *Listener
	for i := range 2000 {
		ended := make(chan struct{})
		go func(last *Listener) {
			defer close(ended)
			if last != nil {
				last.Close()
			}
		}(last)
		next, err := Listen(path)
		if err != nil {
			t.Fatal(err)
		}
		<-ended
		if now, err := os.Lstat(path); err != nil || !os.SameFile(now, next.id) {
			t.Fatalf("round %d: the name is gone: %v", i, err)
		}
		last = next
	}
	last.Close()
}

// TestManyFiles sends more descriptors than one, which are refused and do not stay open.
func TestManyFiles(t *testing.T) {
	from, to := pair(t)
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	fd := int(w.Fd())
	if _, _, err := from.conn.WriteMsgUnix([]byte{'k', 0, 0, 0, 0, 0}, unix.UnixRights(fd, fd, fd), nil); err != nil {
		t.Fatal(err)
	}
	if _, err := to.Receive(); !errors.Is(err, ErrFrame) {
		t.Errorf("got error %v, want %v", err, ErrFrame)
	}
	w.Close()
	from.Close()
	to.Close()
	if _, err := r.Read(make([]byte, 1)); !errors.Is(err, io.EOF) {
		t.Errorf("somebody still has the pipe: %v", err)
	}
}

// octets is a source without descriptors.
type octets struct{ *bytes.Reader }

func (o octets) header(b []byte) (bool, error) {
	_, err := io.ReadFull(o, b)
	return false, err
}

func FuzzMessage(f *testing.F) {
	f.Add([]byte{'k', 0, 0, 0, 0, 1, 'x'})
	f.Add([]byte{'k', flagMore, 0, 0, 0, 1, 'x', 'k', 0, 0, 0, 0, 1, 'y'})
	f.Add([]byte{'k', 0, 0xff, 0xff, 0xff, 0xff})
	f.Add([]byte{'k', flagFile, 0, 0, 0, 0})
	f.Fuzz(func(t *testing.T, b []byte) {
		var into bytes.Buffer
		from := octets{bytes.NewReader(b)}
		for {
			into.Reset()
			_, err := readMessage(from, &into)
			if into.Len() > len(b) {
				t.Fatalf("%d octets out of %d", into.Len(), len(b))
			}
			if err != nil {
				return
			}
		}
	})
}
