package takeover

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// Version is that of the messages. Processes of different versions do not hand anything over.
const Version = 5

const hello = "telcol takeover "

// Errors of a connection.
var (
	ErrVersion  = errors.New("the other process speaks another version")
	ErrStranger = errors.New("the other process runs as another user")
	ErrFrame    = errors.New("not a message of a takeover")
	ErrTooLong  = errors.New("message is too long")
)

const (
	frameHeader = 1 + 1 + 4
	maxFrame    = 1 << 20

	flagMore = 1 << 0
	flagFile = 1 << 1

	// MaxMessage bounds what Receive takes for one message, in octets.
	MaxMessage = 256 << 20
)

// Kind says what a message is about.
type Kind byte

// Message is what Receive returns.
type Message struct {
	Kind    Kind
	Payload []byte   // valid until the next Receive
	File    *os.File // a descriptor that came along, the receiver's to close; nil without one
}

// Close closes the descriptor, if there is one.
func (m *Message) Close() {
	if m.File != nil {
		m.File.Close()
	}
}

// Conn is a connection between two processes of one user. Send and Receive are for one goroutine each.
type Conn struct {
	conn *net.UnixConn
	pid  int
	oob  []byte
	in   bytes.Buffer
	file *os.File // came with the frames of the message at hand

	patience time.Duration // see SetPatience; 0 without
	deadline time.Time
}

func newConn(c *net.UnixConn) (*Conn, error) {
	raw, err := c.SyscallConn()
	if err != nil {
		return nil, err
	}
	var cred *unix.Ucred
	if cerr := raw.Control(func(fd uintptr) { cred, err = unix.GetsockoptUcred(int(fd), unix.SOL_SOCKET, unix.SO_PEERCRED) }); cerr != nil {
		return nil, cerr
	}
	if err != nil {
		return nil, fmt.Errorf("SO_PEERCRED: %w", err)
	}
	// Even root is refused: sockets of a steering group belong to one user.
	if int(cred.Uid) != os.Geteuid() {
		return nil, fmt.Errorf("%w: process %d, user %d", ErrStranger, cred.Pid, cred.Uid)
	}
	return &Conn{conn: c, pid: int(cred.Pid), oob: make([]byte, unix.CmsgSpace(4))}, nil
}

// PID returns the process at the other end; 0 when it is in another PID namespace.
func (c *Conn) PID() int { return c.pid }

// Close closes the connection. The other side then reads its end.
func (c *Conn) Close() error { return c.conn.Close() }

// SetDeadline bounds all that follows, the zero Time not at all.
func (c *Conn) SetDeadline(t time.Time) error {
	c.patience = 0
	return c.conn.SetDeadline(t)
}

// SetPatience bounds each frame that is sent or received from now on, and all of them by a deadline: a process that gets on may take long, one
// that does not is found soon. It is for the time in which one goroutine does both, in turn.
func (c *Conn) SetPatience(each time.Duration, all time.Time) { c.patience, c.deadline = each, all }

// begin gives the next frame its time.
func (c *Conn) begin() {
	if c.patience == 0 {
		return
	}
	until := time.Now().Add(c.patience)
	if until.After(c.deadline) {
		until = c.deadline
	}
	_ = c.conn.SetDeadline(until) // of a closed connection, as the next call says
}

// Hello tells the own version and reads that of the other process. The error is ErrVersion when it is another one, or when the other
// does not know this hello at all, and ErrNobody when the other process has ended without a word.
func (c *Conn) Hello() error { return c.hello(Version) }

func (c *Conn) hello(version byte) error {
	if _, err := c.conn.Write(append([]byte(hello), version)); err != nil {
		return helloError(err)
	}
	theirs := make([]byte, len(hello)+1)
	if _, err := io.ReadFull(c.conn, theirs); err != nil {
		return helloError(err)
	}
	if string(theirs[:len(hello)]) != hello {
		return fmt.Errorf("%w: no hello", ErrVersion)
	}
	if v := theirs[len(hello)]; v != version {
		return fmt.Errorf("%w: %d, this is %d", ErrVersion, v, version)
	}
	return nil
}

// helloError tells a process that ended before it said anything from one that cannot be understood.
func helloError(err error) error {
	if errors.Is(err, io.EOF) || errors.Is(err, unix.ECONNRESET) || errors.Is(err, unix.EPIPE) {
		err = fmt.Errorf("%w: %w", ErrNobody, err)
	}
	return fmt.Errorf("hello: %w", err)
}

// Send sends a message, and with it the descriptor of a socket when file is not nil.
func (c *Conn) Send(kind Kind, payload []byte, file syscall.Conn) error {
	for first := true; first || len(payload) > 0; first = false {
		c.begin()
		part := payload[:min(len(payload), maxFrame)]
		payload = payload[len(part):]
		header := make([]byte, frameHeader, frameHeader+len(part))
		header[0] = byte(kind)
		binary.BigEndian.PutUint32(header[2:], uint32(len(part)))
		if len(payload) > 0 {
			header[1] |= flagMore
		}
		var err error
		if first && file != nil {
			header[1] |= flagFile
			err = c.sendFile(header, file)
			header = header[:0]
		}
		if err == nil {
			_, err = c.conn.Write(append(header, part...))
		}
		if err != nil {
			return fmt.Errorf("send: %w", err)
		}
	}
	return nil
}

// sendFile sends a header with a descriptor. The descriptor is not made a File of on the way, which would make the socket, which both
// processes have, a blocking one.
func (c *Conn) sendFile(header []byte, file syscall.Conn) error {
	raw, err := file.SyscallConn()
	if err != nil {
		return err
	}
	var serr error
	err = raw.Control(func(fd uintptr) {
		_, _, serr = c.conn.WriteMsgUnix(header, unix.UnixRights(int(fd)), nil)
	})
	return errors.Join(err, serr)
}

// Receive reads the next message. The error is io.EOF when the other side has closed the connection between two messages.
func (c *Conn) Receive() (Message, error) {
	c.in.Reset()
	kind, err := readMessage(c, &c.in)
	file := c.file
	c.file = nil
	if err != nil {
		if file != nil {
			file.Close()
		}
		return Message{}, err
	}
	return Message{Kind: kind, Payload: c.in.Bytes(), File: file}, nil
}

// source is where frames come from.
type source interface {
	io.Reader
	// header reads a frame's header, and keeps the descriptor that comes with it.
	header(b []byte) (file bool, err error)
}

// readMessage puts the frames of a message together. Memory grows with what has come, not with what a header says.
func readMessage(from source, into *bytes.Buffer) (kind Kind, err error) {
	for first := true; ; first = false {
		var h [frameHeader]byte
		file, err := from.header(h[:])
		if err != nil {
			if !first && errors.Is(err, io.EOF) {
				err = io.ErrUnexpectedEOF
			}
			return 0, err
		}
		size := binary.BigEndian.Uint32(h[2:])
		switch {
		case h[1]&^(flagMore|flagFile) != 0 || size > maxFrame || !first && Kind(h[0]) != kind, file != (h[1]&flagFile != 0), file && !first:
			return 0, ErrFrame
		case into.Len()+int(size) > MaxMessage:
			return 0, ErrTooLong
		}
		kind = Kind(h[0])
		if _, err := io.CopyN(into, from, int64(size)); err != nil {
			if errors.Is(err, io.EOF) {
				err = io.ErrUnexpectedEOF
			}
			return 0, err
		}
		if h[1]&flagMore == 0 {
			return kind, nil
		}
	}
}

func (c *Conn) Read(p []byte) (int, error) { return c.conn.Read(p) }

// header reads with room for one descriptor; the kernel closes those that would be too many.
func (c *Conn) header(b []byte) (file bool, err error) {
	c.begin()
	n, oobn, _, _, err := c.conn.ReadMsgUnix(b, c.oob)
	if err == nil && n == 0 {
		err = io.EOF
	}
	if err != nil {
		return false, err
	}
	if oobn > 0 {
		if file, err = c.takeFile(c.oob[:oobn]); err != nil {
			return false, err
		}
	}
	if n < len(b) {
		if _, err := io.ReadFull(c.conn, b[n:]); err != nil {
			return file, io.ErrUnexpectedEOF
		}
	}
	return file, nil
}

func (c *Conn) takeFile(oob []byte) (bool, error) {
	msgs, err := unix.ParseSocketControlMessage(oob)
	if err != nil {
		return false, fmt.Errorf("%w: %w", ErrFrame, err)
	}
	for i := range msgs {
		fds, err := unix.ParseUnixRights(&msgs[i])
		if err != nil {
			continue // not descriptors
		}
		for _, fd := range fds {
			f := os.NewFile(uintptr(fd), "takeover")
			if c.file != nil {
				f.Close()
				return false, ErrFrame
			}
			c.file = f
		}
	}
	return c.file != nil, nil
}
