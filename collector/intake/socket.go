package intake

import (
	"errors"
	"fmt"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// Socket is a UDP socket that Go's network poller does not know. The poller is told of each datagram of a socket it knows and wakes a
// thread for it, whether a goroutine waits or not, which makes most of the cost of receiving at moderate rates. A reader that comes
// by every few milliseconds does without. Only the waiting for the next datagram after a silence needs the kernel's poll.
//
// It can be given to everything that takes a syscall.Conn, such as NewUDP and the claim of a steering slot. Methods may be called from any
// goroutine.
type Socket struct {
	local net.Addr

	// mu is held for reading while a descriptor is used, for writing to close them.
	mu     sync.RWMutex
	fd     int
	event  int // eventfd: a deadline was set, or the socket is being closed
	closed atomic.Bool

	deadline atomic.Int64 // Unix nanoseconds, 0 is none
}

var _ syscall.Conn = (*Socket)(nil)

// Detach takes the socket out of the poller. conn is closed, also when there is an error; the socket and what it has received live on
// in the Socket, and so does its place in a steering group.
func Detach(conn *net.UDPConn) (*Socket, error) {
	defer conn.Close()
	raw, err := conn.SyscallConn()
	if err != nil {
		return nil, fmt.Errorf("descriptor of the udp socket: %w", err)
	}
	s := &Socket{local: conn.LocalAddr(), fd: -1}
	cerr := raw.Control(func(fd uintptr) { s.fd, err = unix.FcntlInt(fd, unix.F_DUPFD_CLOEXEC, 0) })
	if err = errors.Join(cerr, os.NewSyscallError("fcntl F_DUPFD_CLOEXEC", err)); err != nil {
		return nil, fmt.Errorf("second descriptor of the udp socket: %w", err)
	}
	if s.event, err = unix.Eventfd(0, unix.EFD_CLOEXEC|unix.EFD_NONBLOCK); err != nil {
		unix.Close(s.fd)
		return nil, os.NewSyscallError("eventfd", err)
	}
	return s, nil
}

// LocalAddr returns the address that the socket is bound to.
func (s *Socket) LocalAddr() net.Addr { return s.local }

// SetReadDeadline ends the waiting for datagrams at t; the zero time is never.
func (s *Socket) SetReadDeadline(t time.Time) error {
	var ns int64
	if !t.IsZero() {
		ns = max(t.UnixNano(), 1)
	}
	s.deadline.Store(ns)
	return s.kick()
}

// kick wakes whoever waits, so that it looks at the deadline and at closed.
func (s *Socket) kick() error {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if s.fd < 0 {
		return net.ErrClosed
	}
	// The counter is full after 2^64-2 calls; the waiting end at the first all the same.
	_, err := unix.Write(s.event, []byte{1, 0, 0, 0, 0, 0, 0, 0})
	return os.NewSyscallError("write eventfd", err)
}

// Close closes the socket after whoever waits has been told. Closing again gives net.ErrClosed.
func (s *Socket) Close() error {
	if s.closed.Swap(true) {
		return net.ErrClosed
	}
	kicked := s.kick()
	s.mu.Lock()
	defer s.mu.Unlock()
	err := errors.Join(kicked, unix.Close(s.fd), unix.Close(s.event))
	s.fd = -1
	return err
}

// SyscallConn gives access to the descriptor.
func (s *Socket) SyscallConn() (syscall.RawConn, error) { return (*rawSocket)(s), nil }

// rawSocket is Socket as package syscall wants it.
type rawSocket Socket

// Control calls f with the descriptor.
func (r *rawSocket) Control(f func(fd uintptr)) error {
	s := (*Socket)(r)
	s.mu.RLock()
	defer s.mu.RUnlock()
	if s.closed.Load() {
		return net.ErrClosed
	}
	f(uintptr(s.fd))
	return nil
}

// Read calls f until it reports true, and waits for datagrams before it does so again. It ends with os.ErrDeadlineExceeded at the read
// deadline and with net.ErrClosed when the socket is closed.
func (r *rawSocket) Read(f func(fd uintptr) bool) error {
	s := (*Socket)(r)
	for {
		done, err := s.try(f)
		if done || err != nil {
			return err
		}
		if err := s.await(); err != nil {
			return err
		}
	}
}

func (s *Socket) try(f func(fd uintptr) bool) (done bool, err error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if s.closed.Load() {
		return false, net.ErrClosed
	}
	return f(uintptr(s.fd)), nil
}

// Write is not for this type: nothing is sent to devices.
func (r *rawSocket) Write(func(fd uintptr) bool) error { return errors.ErrUnsupported }

// await waits for a datagram, the deadline or Close.
func (s *Socket) await() error {
	s.mu.RLock()
	defer s.mu.RUnlock()
	for {
		if s.closed.Load() {
			return net.ErrClosed
		}
		var timeout *unix.Timespec
		if at := s.deadline.Load(); at != 0 {
			left := at - time.Now().UnixNano()
			if left <= 0 {
				return os.ErrDeadlineExceeded
			}
			ts := unix.NsecToTimespec(left)
			timeout = &ts
		}
		fds := [...]unix.PollFd{{Fd: int32(s.fd), Events: unix.POLLIN}, {Fd: int32(s.event), Events: unix.POLLIN}}
		_, err := unix.Ppoll(fds[:], timeout, nil)
		if err != nil && !errors.Is(err, unix.EINTR) {
			return os.NewSyscallError("ppoll", err)
		}
		if fds[0].Revents != 0 { // also an error of the socket, which the read will tell
			return nil
		}
		if fds[1].Revents != 0 {
			var count [8]byte
			_, _ = unix.Read(s.event, count[:]) // nobody else's to wait for: the loop looks at all that it may mean
		}
	}
}
