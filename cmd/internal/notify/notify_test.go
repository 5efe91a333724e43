package notify

import (
	"errors"
	"net"
	"path/filepath"
	"reflect"
	"regexp"
	"testing"
)

func TestSendAndReceive(t *testing.T) {
	r, err := Listen()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	s, err := Open([]string{Env + "=", "OTHER=1", Env + "=" + r.Addr()})
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		send string
		want []string
	}{
		{"READY=1", []string{"READY=1"}},
		{"STOPPING=1\nSTATUS=delivering\n", []string{"STOPPING=1", "STATUS=delivering"}},
	} {
		s.Send(c.send)
		if got, err := r.Receive(); err != nil || !reflect.DeepEqual(got, c.want) {
			t.Errorf("%q: got %q, %v", c.send, got, err)
		}
	}
	s.Send("RELOADING=1\nSTATUS=")
	if got, err := r.Receive(); err != nil || len(got) != 3 || got[0] != "RELOADING=1" || !regexp.MustCompile(`^MONOTONIC_USEC=[1-9]\d+$`).MatchString(got[2]) {
		t.Errorf("got %q, %v, want the time with it", got, err)
	}
	r.Close()
	s.Send("WATCHDOG=1") // nobody listens
	if _, err := r.Receive(); !errors.Is(err, net.ErrClosed) {
		t.Errorf("after Close: %v", err)
	}
}

// TestFileSocket sends to a socket in the file system, as systemd's is.
func TestFileSocket(t *testing.T) {
	path := filepath.Join(t.TempDir(), "notify")
	conn, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	s, err := Open([]string{Env + "=" + path})
	if err != nil {
		t.Fatal(err)
	}
	s.Send("READY=1")
	b := make([]byte, 16)
	if n, err := conn.Read(b); err != nil || string(b[:n]) != "READY=1" {
		t.Errorf("got %q, %v", b[:n], err)
	}
}

func TestNoManager(t *testing.T) {
	s, err := Open([]string{"HOME=/"})
	if s != nil || err != nil {
		t.Errorf("got %v, %v", s, err)
	}
	s.Send("READY=1")
	if _, err := Open([]string{Env + "=" + filepath.Join(t.TempDir(), "nobody")}); err == nil {
		t.Error("no error for a socket that is not there")
	}
}
