package takeover

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"golang.org/x/sys/unix"
)

// ErrNobody says that no process listens on the socket.
var ErrNobody = errors.New("no process to take over from")

// Listener is the socket of a slot.
type Listener struct {
	ln   *net.UnixListener
	path string
	id   fs.FileInfo
}

// Listen makes the socket of a slot, in place of one that may be there: whoever owns the slot owns the name. Its folder is made, for
// this user alone.
func Listen(path string) (*Listener, error) {
	if err := makeFolder(filepath.Dir(path)); err != nil {
		return nil, err
	}
	fresh := path + "." + strconv.Itoa(os.Getpid())
	if err := os.Remove(fresh); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	var ln *net.UnixListener
	err := at(fresh, func(short string) (err error) {
		ln, err = net.ListenUnix("unix", &net.UnixAddr{Name: short, Net: "unix"})
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("socket %s: %w", path, err)
	}
	ln.SetUnlinkOnClose(false) // by the name it was made with; see Close
	l := &Listener{ln: ln, path: path}
	err = os.Chmod(fresh, 0o600)
	if err == nil {
		l.id, err = os.Lstat(fresh)
	}
	if err == nil {
		err = l.alone(func() error { return os.Rename(fresh, path) })
	}
	if err != nil {
		ln.Close()
		os.Remove(fresh)
		return nil, fmt.Errorf("socket %s: %w", path, err)
	}
	return l, nil
}

// alone does something to the name while no other process does. One that ends looks whose the name is before it removes it, and must not
// remove that of the one that has come in between.
func (l *Listener) alone(do func() error) error {
	dir, err := os.Open(filepath.Dir(l.path))
	if err != nil {
		return err
	}
	defer dir.Close() // and with it the lock
	for err = unix.EINTR; errors.Is(err, unix.EINTR); {
		err = unix.Flock(int(dir.Fd()), unix.LOCK_EX)
	}
	if err != nil {
		return os.NewSyscallError("flock", err)
	}
	return do()
}

// makeFolder makes the folders of a socket. One that others may write to would let them put a socket of theirs in place, which
// they could not answer on as this user, but which would be in the way.
func makeFolder(dir string) error {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	info, err := os.Stat(dir)
	if err != nil {
		return err
	}
	if info.Mode().Perm()&0o022 != 0 {
		return fmt.Errorf("folder %s of the takeover socket can be written to by others", dir)
	}
	return nil
}

// at gives do a name of the path that is short enough for a Unix socket, whose limit is 108 octets.
func at(path string, do func(short string) error) error {
	dir, err := os.OpenFile(filepath.Dir(path), unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer dir.Close()
	return do(fmt.Sprintf("/proc/self/fd/%d/%s", dir.Fd(), filepath.Base(path)))
}

// Accept waits for the next process of this user. A stranger gives ErrStranger, after which Accept may be called again; after Close the
// error is net.ErrClosed.
func (l *Listener) Accept() (*Conn, error) {
	c, err := l.ln.AcceptUnix()
	if err != nil {
		return nil, err
	}
	conn, err := newConn(c)
	if err != nil {
		c.Close()
		return nil, err
	}
	return conn, nil
}

// Close ends the socket and removes its name, unless another process has taken it.
func (l *Listener) Close() error {
	// The name first: while the socket is open no other file can have its inode.
	err := l.alone(func() error {
		if !l.Found() {
			return nil
		}
		return os.Remove(l.path)
	})
	return errors.Join(l.ln.Close(), err)
}

// Found reports whether the name still leads to this socket: somebody may have removed it, or taken it.
func (l *Listener) Found() bool {
	now, err := os.Lstat(l.path)
	return err == nil && os.SameFile(now, l.id)
}

// Dial connects to the process that holds a slot. The error is ErrNobody when there is none.
func Dial(ctx context.Context, path string) (*Conn, error) {
	var c net.Conn
	err := at(path, func(short string) (err error) {
		d := net.Dialer{Timeout: 5 * time.Second}
		c, err = d.DialContext(ctx, "unix", short)
		return err
	})
	switch {
	case errors.Is(err, fs.ErrNotExist), errors.Is(err, unix.ECONNREFUSED):
		return nil, ErrNobody
	case err != nil:
		return nil, fmt.Errorf("socket %s: %w", path, err)
	}
	conn, err := newConn(c.(*net.UnixConn))
	if err != nil {
		c.Close()
		return nil, err
	}
	return conn, nil
}
