package intake

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"
)

// Handler serves one connection from addr, IPv4 as IPv4. The connection is closed when it returns. When ctx ends, a read deadline in the past
// is set on the connection; a handler that sets deadlines of its own has to look at ctx after it has set one.
type Handler func(ctx context.Context, conn *net.TCPConn, addr netip.AddrPort)

// ServeConfig bounds Serve.
type ServeConfig struct {
	// MaxConns bounds the connections at once, default 4096. A connection beyond it is closed at once and counted: left in the accept
	// queue it would look established to the device.
	MaxConns int
	// KeepAlive finds devices that are gone without a word. The default is to ask after 60 s of silence and to give up after 5
	// more questions, 15 s apart.
	KeepAlive net.KeepAliveConfig
	// Resume are connections that were accepted before and are served first, by this Serve's handler and beyond MaxConns if it
	// must be.
	Resume []*net.TCPConn
	// Stats is counted into when it is not nil.
	Stats *ServeStats
}

// ErrPause is the cause with which to end Serve's context when serving is to go on later, here or in another process: no connection is
// refused then, and a handler whose Paused(ctx) is true keeps a duplicate of its connection's descriptor.
var ErrPause = errors.New("serving pauses")

// Paused reports whether a context has ended with ErrPause.
func Paused(ctx context.Context) bool {
	return ctx.Err() != nil && errors.Is(context.Cause(ctx), ErrPause)
}

// ServeStats are the counters of Serve; any goroutine may read them.
type ServeStats struct {
	Accepted atomic.Uint64 // connections given to the handler
	Refused  atomic.Uint64 // connections closed because MaxConns were open or the end had begun
	Errors   atomic.Uint64 // errors of accept, after each of which it went on
	Open     atomic.Int64  // connections with a running handler
}

const (
	defaultMaxConns = 4096
	minAcceptPause  = 5 * time.Millisecond
	maxAcceptPause  = time.Second
)

// Serve accepts from ln until ctx ends and then returns nil, after every handler has returned. The listener stays open: what is in its
// queue belongs to whoever goes on with it. An error that will not pass, such as a closed listener, is returned, also after
// the handlers, whose context it ends.
func Serve(ctx context.Context, ln *net.TCPListener, cfg ServeConfig, handle Handler) error {
	s := newServer(cfg, handle)
	ctx, cancel := context.WithCancel(ctx)
	defer s.handlers.Wait()
	defer cancel()

	ln.SetDeadline(time.Time{}) // of an earlier Serve
	stop := WhenDone(ctx, func() { ln.SetDeadline(time.Unix(1, 0)) })
	defer stop()
	for _, conn := range cfg.Resume {
		s.start(ctx, conn)
	}
	pause := minAcceptPause
	for {
		conn, err := ln.AcceptTCP()
		switch {
		case err == nil:
			pause = minAcceptPause
			if Paused(ctx) {
				s.start(ctx, conn)
				return nil
			}
			if ctx.Err() != nil {
				// It was in hand before the deadline took hold, so it is refused like any other that comes too late.
				s.refuse(conn)
				return nil
			}
			if s.Open.Load() >= int64(s.MaxConns) {
				s.refuse(conn)
				continue
			}
			s.start(ctx, conn)
		case ctx.Err() != nil:
			return nil
		case !passes(err):
			return fmt.Errorf("accept on %s: %w", ln.Addr(), err)
		default:
			s.Errors.Add(1)
			select {
			case <-ctx.Done():
				return nil
			case <-time.After(pause):
			}
			pause = min(2*pause, maxAcceptPause)
		}
	}
}

// server is one Serve.
type server struct {
	ServeConfig
	*ServeStats
	handle   Handler
	handlers sync.WaitGroup
}

func newServer(cfg ServeConfig, handle Handler) *server {
	if cfg.MaxConns <= 0 {
		cfg.MaxConns = defaultMaxConns
	}
	if cfg.KeepAlive == (net.KeepAliveConfig{}) {
		cfg.KeepAlive = net.KeepAliveConfig{Enable: true, Idle: time.Minute, Interval: 15 * time.Second, Count: 5}
	}
	s := &server{ServeConfig: cfg, ServeStats: cfg.Stats, handle: handle}
	if s.ServeStats == nil {
		s.ServeStats = new(ServeStats)
	}
	return s
}

func (s *server) refuse(conn *net.TCPConn) {
	s.Refused.Add(1)
	conn.Close()
}

// start runs the handler of one connection in a goroutine of its own.
func (s *server) start(ctx context.Context, conn *net.TCPConn) {
	s.Accepted.Add(1)
	s.Open.Add(1)
	s.handlers.Go(func() {
		defer s.Open.Add(-1)
		defer conn.Close()
		// An error here means that the connection is gone already, which the handler's first read will say.
		_ = conn.SetKeepAliveConfig(s.KeepAlive)
		stop := WhenDone(ctx, func() { conn.SetReadDeadline(time.Unix(1, 0)) })
		defer stop()
		from := conn.RemoteAddr().(*net.TCPAddr).AddrPort()
		s.handle(ctx, conn, netip.AddrPortFrom(from.Addr().Unmap().WithZone(""), from.Port()))
	})
}

// passes reports whether an accept may work again later: accept(2) hands up errors of the connection that was not to be, and the process or the
// host can be out of descriptors or memory for a while.
func passes(err error) bool {
	for _, e := range []unix.Errno{
		unix.EMFILE, unix.ENFILE, unix.ENOBUFS, unix.ENOMEM, unix.ECONNABORTED, unix.EPROTO, unix.EPERM, unix.EINTR,
		unix.ENETDOWN, unix.ENOPROTOOPT, unix.EHOSTDOWN, unix.ENONET, unix.EHOSTUNREACH, unix.EOPNOTSUPP, unix.ENETUNREACH,
	} {
		if errors.Is(err, e) {
			return true
		}
	}
	return false
}

// WhenDone has f called when ctx ends, as context.AfterFunc does, unless stop is called before. Stop returns when a call that is under way
// has ended: what f does to a socket must not come after what the next reader of that socket does to it.
func WhenDone(ctx context.Context, f func()) (stop func()) {
	ended := make(chan struct{})
	unused := context.AfterFunc(ctx, func() {
		defer close(ended)
		f()
	})
	return func() {
		if !unused() {
			<-ended
		}
	}
}
