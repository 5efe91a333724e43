package steering

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// Owner is the process behind a socket, as far as it can be seen from here: a
// socket of another network namespace shows its cookie alone, a process of
// another user or pid namespace no pid.
type Owner struct {
	PID     int    `json:"pid,omitempty"`
	Command string `json:"command,omitempty"`
	UID     int    `json:"uid"`              // of the socket, -1 if unknown
	Cookie  uint64 `json:"cookie,omitempty"` // the kernel's name for the socket
}

// String names the owner for a message.
func (o Owner) String() string {
	switch {
	case o.PID != 0:
		return fmt.Sprintf("pid %d (%s)", o.PID, o.Command)
	case o.UID >= 0:
		return fmt.Sprintf("a process of uid %d that cannot be seen from here", o.UID)
	}
	return "a process that cannot be seen from here"
}

// ownerOf finds the process that holds the socket with that cookie.
func ownerOf(l Listener, cookie uint64) Owner {
	socks, _ := sockets(l) // not to be seen is not to be named
	return owners([]uint64{cookie}, socks)[cookie]
}

// ownersOfPort finds the processes that have sockets on the listener's port.
func ownersOfPort(l Listener) []Owner {
	socks, _ := sockets(l)
	return ownersOf(socks)
}

// ownersOf names the owners of sockets, in their order.
func ownersOf(socks []socketInfo) []Owner {
	cookies := make([]uint64, len(socks))
	for i, s := range socks {
		cookies[i] = s.cookie
	}
	byCookie := owners(cookies, socks)
	found := make([]Owner, len(socks))
	for i, c := range cookies {
		found[i] = byCookie[c]
	}
	return found
}

// owners names the owners of sockets, with one walk over all processes.
func owners(cookies []uint64, socks []socketInfo) map[uint64]Owner {
	byCookie := map[uint64]Owner{}
	byInode := map[uint32]uint64{}
	for _, c := range cookies {
		byCookie[c] = Owner{Cookie: c, UID: -1}
	}
	for _, s := range socks {
		if o, ok := byCookie[s.cookie]; ok {
			o.UID = int(s.uid)
			byCookie[s.cookie] = o
			byInode[s.inode] = s.cookie
		}
	}
	for inode, pid := range processes(byInode) {
		o := byCookie[byInode[inode]]
		o.PID, o.Command = pid, command(pid)
		byCookie[byInode[inode]] = o
	}
	return byCookie
}

// processes finds, for each socket inode wanted, a process that has it open.
func processes(wanted map[uint32]uint64) map[uint32]int {
	found := map[uint32]int{}
	if len(wanted) == 0 {
		return found
	}
	procs, err := os.ReadDir("/proc")
	if err != nil {
		return found
	}
	for _, p := range procs {
		pid, err := strconv.Atoi(p.Name())
		if err != nil {
			continue
		}
		for _, inode := range socketInodes(p.Name()) {
			if _, ok := wanted[inode]; ok && found[inode] == 0 {
				found[inode] = pid
			}
		}
		if len(found) == len(wanted) {
			break
		}
	}
	return found
}

// socketInodes returns the inodes of a process's sockets. A process that has
// gone, or belongs to someone else, has none.
func socketInodes(pid string) []uint32 {
	dir := filepath.Join("/proc", pid, "fd")
	d, err := os.Open(dir)
	if err != nil {
		return nil
	}
	defer d.Close()
	names, _ := d.Readdirnames(-1)
	var inodes []uint32
	for _, name := range names {
		target, err := os.Readlink(filepath.Join(dir, name))
		if err != nil {
			continue
		}
		number, ok := strings.CutPrefix(target, "socket:[")
		if !ok {
			continue
		}
		if n, err := strconv.ParseUint(strings.TrimSuffix(number, "]"), 10, 32); err == nil {
			inodes = append(inodes, uint32(n))
		}
	}
	return inodes
}

func command(pid int) string {
	b, _ := os.ReadFile(fmt.Sprintf("/proc/%d/comm", pid))
	return strings.TrimSpace(string(b))
}

// socketInfo is what the kernel tells about a bound or listening socket.
type socketInfo struct {
	cookie uint64
	inode  uint32
	uid    uint32
	local  netip.Addr // that the socket is bound to
}

const (
	sockDiagByFamily = 20 // SOCK_DIAG_BY_FAMILY
	diagReqSize      = 56 // struct inet_diag_req_v2
	diagMsgSize      = 72 // struct inet_diag_msg
	tcpListening     = 1 << 10
	anyState         = ^uint32(0)
)

// sockets lists the sockets on a listener's port in this network namespace, for
// TCP those that listen. Everyone may ask.
func sockets(l Listener) ([]socketInfo, error) {
	fd, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW|unix.SOCK_CLOEXEC, unix.NETLINK_SOCK_DIAG)
	if err != nil {
		return nil, fmt.Errorf("socket diagnosis: %w", err)
	}
	defer unix.Close(fd)
	var found []socketInfo
	for _, family := range []byte{unix.AF_INET6, unix.AF_INET} {
		if err := unix.Sendto(fd, diagRequest(family, l), 0, &unix.SockaddrNetlink{Family: unix.AF_NETLINK}); err != nil {
			return found, fmt.Errorf("socket diagnosis: %w", err)
		}
		if found, err = diagReplies(fd, found); err != nil {
			return found, fmt.Errorf("socket diagnosis: %w", err)
		}
	}
	return found, nil
}

// diagRequest asks for a dump of the sockets of one family on the port.
func diagRequest(family byte, l Listener) []byte {
	states := anyState
	if l.Proto == TCP {
		states = tcpListening
	}
	b := make([]byte, unix.NLMSG_HDRLEN+diagReqSize)
	binary.NativeEndian.PutUint32(b[0:], uint32(len(b)))
	binary.NativeEndian.PutUint16(b[4:], sockDiagByFamily)
	binary.NativeEndian.PutUint16(b[6:], unix.NLM_F_REQUEST|unix.NLM_F_DUMP)
	req := b[unix.NLMSG_HDRLEN:]
	req[0] = family
	req[1] = byte(l.Proto.number())
	binary.NativeEndian.PutUint32(req[4:], states)
	binary.BigEndian.PutUint16(req[8:], l.Port)
	return b
}

// diagReplies appends the sockets of one dump to found.
func diagReplies(fd int, found []socketInfo) ([]socketInfo, error) {
	buf := make([]byte, 32<<10)
	for {
		n, _, err := unix.Recvfrom(fd, buf, 0)
		if errors.Is(err, unix.EINTR) {
			continue
		}
		if err != nil {
			return found, err
		}
		msgs, err := syscall.ParseNetlinkMessage(buf[:n])
		if err != nil {
			return found, err
		}
		for _, m := range msgs {
			switch m.Header.Type {
			case unix.NLMSG_DONE:
				return found, nil
			case unix.NLMSG_ERROR:
				return found, netlinkError(m.Data)
			case sockDiagByFamily:
				if len(m.Data) >= diagMsgSize {
					found = append(found, diagSocket(m.Data))
				}
			}
		}
	}
}

func netlinkError(data []byte) error {
	if len(data) < 4 {
		return unix.EBADMSG
	}
	return unix.Errno(-int32(binary.NativeEndian.Uint32(data)))
}

// diagSocket reads a struct inet_diag_msg: the cookie is two words, low one first.
func diagSocket(b []byte) socketInfo {
	local := netip.AddrFrom16([16]byte(b[8:24]))
	if b[0] == unix.AF_INET {
		local = netip.AddrFrom4([4]byte(b[8:12]))
	}
	return socketInfo{
		local:  local.Unmap(),
		cookie: uint64(binary.NativeEndian.Uint32(b[44:])) | uint64(binary.NativeEndian.Uint32(b[48:]))<<32,
		uid:    binary.NativeEndian.Uint32(b[64:]),
		inode:  binary.NativeEndian.Uint32(b[68:]),
	}
}
