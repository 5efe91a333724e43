package intake

import (
	"errors"
	"fmt"
	"os"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// setReceiveBuffer asks for size bytes of receive buffer, beyond net.core.rmem_max where CAP_NET_ADMIN allows it, and returns what the socket has
// then. The kernel doubles the number for its own bookkeeping; the doubling is taken out again.
func setReceiveBuffer(raw syscall.RawConn, size int) (granted int, err error) {
	cerr := raw.Control(func(fd uintptr) {
		if size > 0 {
			err = unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_RCVBUFFORCE, size)
			if errors.Is(err, unix.EPERM) {
				err = unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_RCVBUF, size)
			}
		}
		if err == nil {
			granted, err = unix.GetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_RCVBUF)
			granted /= 2
		}
	})
	if err = errors.Join(cerr, err); err != nil {
		return 0, fmt.Errorf("receive buffer of %d bytes: %w", size, err)
	}
	return granted, nil
}

// socketDrops reads SK_MEMINFO_DROPS, the socket's own counter.
func socketDrops(raw syscall.RawConn) (uint32, error) {
	var info [unix.SK_MEMINFO_DROPS + 1]uint32
	var errno syscall.Errno
	size := uint32(unsafe.Sizeof(info))
	err := raw.Control(func(fd uintptr) {
		_, _, errno = unix.Syscall6(unix.SYS_GETSOCKOPT, fd, unix.SOL_SOCKET, unix.SO_MEMINFO,
			uintptr(unsafe.Pointer(&info)), uintptr(unsafe.Pointer(&size)), 0)
	})
	if err == nil && errno != 0 {
		err = os.NewSyscallError("getsockopt SO_MEMINFO", errno)
	}
	if err != nil {
		return 0, fmt.Errorf("drops of the udp socket: %w", err)
	}
	return info[unix.SK_MEMINFO_DROPS], nil
}

// Unread returns how many octets a connection has for its reader, 0 if that cannot be told.
func Unread(conn syscall.Conn) (n int) {
	raw, err := conn.SyscallConn()
	if err == nil {
		_ = raw.Control(func(fd uintptr) { n, _ = unix.IoctlGetInt(int(fd), unix.SIOCINQ) })
	}
	return n
}
