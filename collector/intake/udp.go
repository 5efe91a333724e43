package intake

import (
	"errors"
	"fmt"
	"os"
	"runtime"
	"sync"
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// UDPConfig says how a socket is read.
type UDPConfig struct {
	// ReceiveBuffer is asked of the kernel in bytes; 0 leaves the socket's buffer as it is. See UDP.ReceiveBuffer for what was granted.
	ReceiveBuffer int
	// Coalesce is how long a short batch waits for more datagrams; 0 reads at once. It is the latency that is paid for waking up
	// less often: reads come no closer than this unless batches are at least half full. CPU time per 1400-octet datagram on a
	// busy machine, of which about 1 us is the reading itself:
	//
	//	datagrams/s   0, net.UDPConn   1 ms     5 ms    1 ms, Socket   5 ms, Socket
	//	5000          48 to 61 us      34-44    21-29   20-23          8-10
	//	1500          75 to 85 us               41-56                  19-25
	Coalesce time.Duration
	// Dropped is what the kernel's counter of the socket stood at when another reader stopped counting it, see UDP.Dropped.
	Dropped uint32
	// Now is the clock of Batch.Received, default time.Now.
	Now func() time.Time
}

// UDP reads datagrams from a socket in batches, without allocating. The socket stays the caller's to close. ReadBatch is for one
// goroutine; the other methods may be called from any.
type UDP struct {
	raw      syscall.RawConn
	coalesce time.Duration
	now      func() time.Time
	granted  int

	// Of the goroutine in ReadBatch. The two functions are made once, since a closure per read would be an allocation per read.
	batch *Batch
	errno syscall.Errno
	next  time.Time // after a short batch: when the next read is worth its while
	wait  func(fd uintptr) bool
	poll  func(fd uintptr)

	mu        sync.Mutex
	lastDrops uint32
	drops     uint64
}

// NewUDP prepares conn, a *Socket or a *net.UDPConn, for ReadBatch.
func NewUDP(conn syscall.Conn, cfg UDPConfig) (*UDP, error) {
	raw, err := conn.SyscallConn()
	if err != nil {
		return nil, fmt.Errorf("descriptor of the udp socket: %w", err)
	}
	u := &UDP{raw: raw, coalesce: cfg.Coalesce, now: cfg.Now, lastDrops: cfg.Dropped}
	if u.now == nil {
		u.now = time.Now
	}
	u.wait = func(fd uintptr) bool { return u.receive(fd) }
	u.poll = func(fd uintptr) { u.receive(fd) }
	if u.granted, err = setReceiveBuffer(raw, cfg.ReceiveBuffer); err != nil {
		return nil, err
	}
	return u, nil
}

// ReadBatch waits for datagrams and fills b, replacing what it held. It returns nil with at least one datagram, or an error with none. A read
// deadline of the socket ends the waiting, not the reading: only an empty receive buffer gives os.ErrDeadlineExceeded. A closed socket
// gives net.ErrClosed.
func (u *UDP) ReadBatch(b *Batch) error {
	err := u.read(b)
	b.at = u.now()
	return err
}

func (u *UDP) read(b *Batch) error {
	u.batch, b.n = b, 0
	if !u.next.IsZero() {
		// While datagrams keep coming this finds some, and nobody has to be woken for the first of them.
		time.Sleep(time.Until(u.next))
		if u.more() == nil && b.n > 0 {
			u.pace()
			return nil
		}
	}
	err := u.raw.Read(u.wait)
	if err != nil {
		if !errors.Is(err, os.ErrDeadlineExceeded) || u.more() != nil || b.n == 0 {
			return err
		}
		return nil
	}
	if u.errno != 0 {
		return os.NewSyscallError("recvmmsg", u.errno)
	}
	if u.coalesce > 0 && u.short() {
		time.Sleep(u.coalesce)
		// What is wrong now will be wrong at the next read too; the datagrams that are here go first.
		_ = u.more()
	}
	u.pace()
	return nil
}

// short reports whether there is not much more to come than what is in the batch.
func (u *UDP) short() bool { return u.batch.n < len(u.batch.msgs)/2 }

// pace says when to read next.
func (u *UDP) pace() {
	switch {
	case u.coalesce == 0:
	case u.short():
		u.next = time.Now().Add(u.coalesce)
	default:
		u.next = time.Time{}
	}
}

// more adds to the batch what has arrived by now, without waiting.
func (u *UDP) more() error {
	if err := u.raw.Control(u.poll); err != nil {
		return err
	}
	if u.errno != 0 {
		return u.errno
	}
	return nil
}

// receive fills the rest of the batch with what the socket holds. It reports false when that is nothing, which is when the
// caller should wait.
//
// It calls recvmmsg itself because ipv6.PacketConn.ReadBatch of golang.org/x/net makes two allocations for each source: 0.92 to 1.16 us
// per 1200-octet datagram against 1.20 to 1.31 us, without its garbage (BenchmarkRead and BenchmarkReadXNet, 32 datagrams a read, loopback).
func (u *UDP) receive(fd uintptr) bool {
	b := u.batch
	u.errno = 0
	rest := b.msgs[b.n:]
	for i := range rest {
		rest[i].hdr.Namelen = unix.SizeofSockaddrInet6 // the kernel wrote the source's length here
	}
	for {
		n, _, errno := unix.Syscall6(unix.SYS_RECVMMSG, fd, uintptr(unsafe.Pointer(unsafe.SliceData(rest))), uintptr(len(rest)),
			unix.MSG_DONTWAIT, 0, 0)
		switch errno {
		case 0:
			b.n += int(n)
			runtime.KeepAlive(b)
			return true
		case unix.EINTR:
			continue
		case unix.EAGAIN:
			return false
		}
		u.errno = errno
		return true
	}
}

// ReceiveBuffer returns the size in bytes that the kernel granted, comparable with what was asked.
func (u *UDP) ReceiveBuffer() int { return u.granted }

// Drops returns how many datagrams the kernel has dropped at this socket because its receive buffer was full (or a checksum was
// wrong) since the socket was made, or since another reader stopped counting. The kernel's counter has 32 bits; calls more often than it wraps
// give the true sum.
func (u *UDP) Drops() (uint64, error) {
	u.mu.Lock()
	defer u.mu.Unlock()
	now, err := socketDrops(u.raw)
	if err != nil {
		return u.drops, err
	}
	u.drops += uint64(now - u.lastDrops)
	u.lastDrops = now
	return u.drops, nil
}

// Dropped returns what Drops has counted up to, for the reader that goes on with the socket in another process. What the kernel drops
// from then on is that reader's to count.
func (u *UDP) Dropped() uint32 {
	_, _ = u.Drops() // what cannot be read now is the other's
	u.mu.Lock()
	defer u.mu.Unlock()
	return u.lastDrops
}
