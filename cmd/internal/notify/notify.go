// Package notify speaks the protocol by which a service tells its manager how it is, that of systemd's sd_notify: datagrams
// of lines like READY=1 to the Unix socket that NOTIFY_SOCKET names. telcol's workers send, telcol supervise receives; systemd may be
// on either side's place.
package notify

import (
	"errors"
	"fmt"
	"net"
	"os"
	"strings"

	"golang.org/x/sys/unix"
)

// Env is the variable that holds the address of the manager's socket; one that begins with @ is in the abstract namespace.
const Env = "NOTIFY_SOCKET"

// EnvSupervisor is the variable in which telcol supervise tells its workers its process id. It replaces them, nobody else.
const EnvSupervisor = "SUPERVISOR_PID"

// Sender tells a manager. A nil Sender, where there is no manager, tells nobody.
type Sender struct{ conn *net.UnixConn }

// Open connects to the manager that the environment names. It gives nil if it names none.
func Open(environ []string) (*Sender, error) {
	addr := ""
	for _, v := range environ {
		if a, ok := strings.CutPrefix(v, Env+"="); ok {
			addr = a
		}
	}
	if addr == "" {
		return nil, nil
	}
	conn, err := net.DialUnix("unixgram", nil, &net.UnixAddr{Name: addr, Net: "unixgram"})
	if err != nil {
		return nil, fmt.Errorf("%s: %w", Env, err)
	}
	return &Sender{conn}, nil
}

// Send tells a state, lines of the protocol. Nobody may be listening any more, which is the manager's affair: there is no error.
// RELOADING=1 is told with the time, by which systemd knows the answer to a request of its own.
func (s *Sender) Send(state string) {
	if s == nil {
		return
	}
	if strings.HasPrefix(state, "RELOADING=1") {
		var now unix.Timespec
		_ = unix.ClockGettime(unix.CLOCK_MONOTONIC, &now)
		state += fmt.Sprintf("\nMONOTONIC_USEC=%d", now.Nano()/1000)
	}
	_, _ = s.conn.Write([]byte(state))
}

// Receiver is a manager's socket.
type Receiver struct{ conn *net.UnixConn }

// Listen makes a socket, at an address of the abstract namespace that the kernel chooses.
func Listen() (*Receiver, error) {
	conn, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Net: "unixgram"})
	if err != nil {
		return nil, fmt.Errorf("socket for notifications: %w", err)
	}
	raw, err := conn.SyscallConn()
	if err == nil {
		cerr := raw.Control(func(fd uintptr) { err = unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_PASSCRED, 1) })
		err = errors.Join(err, cerr)
	}
	if err != nil {
		conn.Close()
		return nil, fmt.Errorf("socket for notifications: %w", err)
	}
	return &Receiver{conn}, nil
}

// Addr is what Env is to be set to.
func (r *Receiver) Addr() string { return r.conn.LocalAddr().String() }

// Close ends the socket, and a Receive under way.
func (r *Receiver) Close() error { return r.conn.Close() }

// Receive waits for the lines of the next datagram. Everybody in the network namespace can reach the socket, so that what
// comes from other users than our own and root is passed over. The error is that of a closed socket.
func (r *Receiver) Receive() ([]string, error) {
	buf, oob := make([]byte, 4096), make([]byte, unix.CmsgSpace(unix.SizeofUcred))
	for {
		n, oobn, _, _, err := r.conn.ReadMsgUnix(buf, oob)
		if err != nil {
			return nil, err
		}
		if uid, ok := sender(oob[:oobn]); ok && (uid == 0 || int(uid) == os.Geteuid()) {
			return strings.Split(strings.TrimSpace(string(buf[:n])), "\n"), nil
		}
	}
}

// sender is the user that the kernel says a datagram is of.
func sender(oob []byte) (uid uint32, ok bool) {
	msgs, err := unix.ParseSocketControlMessage(oob)
	if err != nil || len(msgs) != 1 {
		return 0, false
	}
	cred, err := unix.ParseUnixCredentials(&msgs[0])
	if err != nil {
		return 0, false
	}
	return cred.Uid, true
}
