package collector

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/telcol/telcol/collector/intake"
	"github.com/telcol/telcol/steering"
)

// sockets are the listeners of a worker and, with steering on, its place in the group.
type sockets struct {
	cfg   *Config
	log   *slog.Logger
	group *steering.Group    // nil when steering is off
	udp   []*udpSocket       // of listen-ipfix, in its order
	bmp   []*net.TCPListener // of listen-bmp, in its order
	flows []*net.TCPListener // the same for IPFIX over TCP

	given   *given // by another process; nil: nothing
	replace bool   // the slot may be taken, see steering.Group.Replace

	held     *steering.Claim
	claimed  atomic.Bool
	released sync.Once
}

// udpSocket is one socket for datagrams and its reader.
type udpSocket struct {
	*net.UDPConn
	in *intake.UDP
}

// lockPatience is how long to wait for other workers that start at the same time.
const lockPatience = 30 * time.Second

// openSockets opens the steering group, if there is to be one. open opens the listeners.
func openSockets(cfg *Config, log *slog.Logger) (*sockets, error) {
	s := &sockets{cfg: cfg, log: log}
	if !cfg.Steering {
		return s, nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), lockPatience)
	defer cancel()
	var err error
	if s.group, err = openGroup(ctx, cfg, log); err != nil {
		return nil, err
	}
	return s, nil
}

// open opens all listeners but those that another process gave. With steering on new ones receive nothing before claim.
func (s *sockets) open(given *given) error {
	ctx, cancel := context.WithTimeout(context.Background(), lockPatience)
	defer cancel()
	s.given = given
	if err := s.openUDP(ctx); err != nil {
		return err
	}
	addrs, err := s.cfg.BMPAddrs()
	if err != nil {
		return err
	}
	for _, a := range addrs {
		ln, err := s.listenTCP(ctx, listenBMP, a)
		if err != nil {
			return advise(err, "listen-bmp")
		}
		s.bmp = append(s.bmp, ln)
	}
	return s.openFlows(ctx)
}

// openFlows opens the listeners for IPFIX over TCP, at the ports that the datagrams have.
func (s *sockets) openFlows(ctx context.Context) error {
	if !s.cfg.IPFIX.TCP {
		return nil
	}
	addrs, err := s.cfg.IPFIXAddrs()
	if err != nil {
		return err
	}
	for i, a := range addrs {
		ln, err := s.listenStream(ctx, i, a)
		for try := 0; a.Port() == 0 && errors.Is(err, intake.ErrInUse) && try < 32; try++ {
			// The kernel chose the port for datagrams, and somebody has it for TCP: another one, then.
			u, uerr := s.openSocket(ctx, a)
			if uerr != nil {
				return advise(uerr, "listen-ipfix")
			}
			s.udp[i].Close()
			s.udp[i] = u
			ln, err = s.listenStream(ctx, i, a)
		}
		if err != nil {
			return fmt.Errorf("%w; or do without IPFIX over TCP (--ipfix-tcp off)", advise(err, "listen-ipfix"))
		}
		s.flows = append(s.flows, ln)
	}
	return nil
}

func (s *sockets) listenStream(ctx context.Context, i int, addr netip.AddrPort) (*net.TCPListener, error) {
	port := s.udp[i].LocalAddr().(*net.UDPAddr).AddrPort().Port() // as the kernel chose it, where it was to
	return s.listenTCP(ctx, listenFlows, netip.AddrPortFrom(addr.Addr(), port))
}

// openUDP opens the sockets of listen-ipfix and their readers.
func (s *sockets) openUDP(ctx context.Context) error {
	addrs, err := s.cfg.IPFIXAddrs()
	if err != nil {
		return err
	}
	for _, a := range addrs {
		u, err := s.openSocket(ctx, a)
		if err != nil {
			return advise(err, "listen-ipfix")
		}
		s.udp = append(s.udp, u)
	}
	return nil
}

func (s *sockets) openSocket(ctx context.Context, addr netip.AddrPort) (*udpSocket, error) {
	conn, dropped, err := s.listenUDP(ctx, addr)
	if err != nil {
		return nil, err
	}
	in, err := intake.NewUDP(conn, intake.UDPConfig{ReceiveBuffer: s.cfg.Intake.ReceiveBuffer, Coalesce: s.cfg.Intake.Coalesce, Dropped: dropped})
	if err != nil {
		conn.Close()
		return nil, fmt.Errorf("udp socket %s: %w", addr, err)
	}
	return &udpSocket{UDPConn: conn, in: in}, nil
}

// listenUDP also returns how many datagrams that the kernel dropped at the socket are counted already.
func (s *sockets) listenUDP(ctx context.Context, addr netip.AddrPort) (conn *net.UDPConn, dropped uint32, err error) {
	if conn, dropped, err = s.given.udp(addr); conn != nil || err != nil {
		return conn, dropped, err
	}
	if s.group == nil {
		conn, err = intake.ListenUDP(ctx, addr)
		return conn, 0, err
	}
	conn, err = s.group.ListenUDP(ctx, addr, s.cfg.Slot, steering.ListenOptions{ReadBuffer: s.cfg.Intake.ReceiveBuffer, Replace: s.replace})
	return conn, 0, err
}

func (s *sockets) listenTCP(ctx context.Context, kind listenerKind, addr netip.AddrPort) (*net.TCPListener, error) {
	if ln, err := s.given.tcp(kind, addr); ln != nil || err != nil {
		return ln, err
	}
	if s.group == nil {
		return intake.ListenTCP(ctx, addr)
	}
	return s.group.ListenTCP(ctx, addr, s.cfg.Slot, steering.ListenOptions{Replace: s.replace})
}

// all returns every socket, to claim the slot for.
func (s *sockets) all() []syscall.Conn {
	var all []syscall.Conn
	for _, u := range s.udp {
		all = append(all, u)
	}
	for _, ln := range append(slices.Clone(s.bmp), s.flows...) {
		all = append(all, ln)
	}
	return all
}

// drops is how many datagrams the kernel dropped because a receive buffer was full, over all sockets.
func (s *sockets) drops() (n uint64, err error) {
	for _, u := range s.udp {
		d, derr := u.in.Drops()
		n, err = n+d, errors.Join(err, derr)
	}
	return n, err
}

// addrsText names addresses for the log.
func addrsText[L interface{ Addr() net.Addr }](listeners []L) string {
	texts := make([]string, len(listeners))
	for i, l := range listeners {
		texts[i] = l.Addr().String()
	}
	return strings.Join(texts, ",")
}

// Addr returns where the socket is bound.
func (u *udpSocket) Addr() net.Addr { return u.LocalAddr() }

// openGroup opens the steering group. A worker that is told the number of slots creates a group that does not exist, if it may; to one of an
// older version it adds what is missing.
func openGroup(ctx context.Context, cfg *Config, log *slog.Logger) (*steering.Group, error) {
	g, err := steering.Open("", cfg.Group)
	if errors.Is(err, steering.ErrOutdated) {
		if g, err = steering.Init(ctx, steering.Options{Name: cfg.Group}); err == nil {
			log.Info("steering group of an older version brought up to date", "group", cfg.Group)
		} else if errors.Is(err, steering.ErrNotPermitted) {
			return nil, fmt.Errorf("steering group %q was %w: have root run telcol steering init --group %[1]s, which adds what is missing and changes nothing else",
				cfg.Group, steering.ErrOutdated)
		}
	}
	if errors.Is(err, steering.ErrNoGroup) && cfg.Slots > 0 {
		g, err = steering.Init(ctx, steering.Options{Name: cfg.Group, Slots: cfg.Slots})
		if err == nil {
			log.Info("steering group created", "group", cfg.Group, "slots", cfg.Slots)
		}
	}
	switch {
	case errors.Is(err, steering.ErrNoGroup):
		return nil, fmt.Errorf("%w: there is no steering group %q; create it with telcol steering init --group %s --slots N, or tell this worker --slots N",
			ErrConfig, cfg.Group, cfg.Group)
	case err != nil:
		return nil, advise(err, "steering")
	}
	return g, checkSlots(g, cfg, log)
}

// checkSlots compares with what the group has, which counts: it may have been resized since the settings were written, and a worker that
// comes back must not stay away for that.
func checkSlots(g *steering.Group, cfg *Config, log *slog.Logger) error {
	n := g.Slots()
	if cfg.Slot >= n {
		g.Close()
		return fmt.Errorf("%w: %w", ErrConfig, &steering.SlotRangeError{Group: cfg.Group, Slot: cfg.Slot, Slots: n})
	}
	if cfg.Slots != 0 && cfg.Slots != n {
		log.Warn("the group has another number of slots than the settings, and counts", "group", n, "settings", cfg.Slots)
	}
	return nil
}

// advise says what to do about an error of the sockets. flag is the setting it is about.
func advise(err error, flag string) error {
	switch {
	case errors.Is(err, steering.ErrSlotTaken):
		return fmt.Errorf("%w: stop that worker first, or choose another --slot, or --takeover replaces it", err)
	case errors.Is(err, steering.ErrNotHere):
		return fmt.Errorf("%w: start it there, or give the workers here a group of their own (--group)", err)
	case errors.Is(err, steering.ErrLocked):
		return fmt.Errorf("%w: end that process if it is stuck", err)
	case errors.Is(err, steering.ErrOtherUser):
		return fmt.Errorf("%w: run it as that user", err)
	case errors.Is(err, steering.ErrPortInUse), errors.Is(err, intake.ErrInUse):
		return fmt.Errorf("%w: stop what uses it or choose another address with --%s", err, flag)
	case errors.Is(err, steering.ErrNoListener):
		return fmt.Errorf("%w: have root run telcol steering init with this listener", err)
	case errors.Is(err, steering.ErrNotPermitted), errors.Is(err, os.ErrPermission):
		return fmt.Errorf("%w: run as root, or have root run telcol steering init for this user, or use --steering off (one worker, no group)", err)
	}
	return err
}

// claim takes the slot, from when on the listeners receive.
func (s *sockets) claim() error {
	if s.group != nil {
		ctx, cancel := context.WithTimeout(context.Background(), lockPatience)
		defer cancel()
		claim := s.group.Claim
		if s.replace {
			claim = s.group.Replace
		}
		var err error
		if s.held, err = claim(ctx, s.cfg.Slot, s.all()...); err != nil {
			return advise(err, "slot")
		}
	}
	s.claimed.Store(true)
	return nil
}

// reopen drops what was opened, for sockets that take the slot from others.
func (s *sockets) reopen() {
	s.closeListeners()
	s.udp, s.bmp, s.flows = nil, nil, nil
	s.replace = true
}

// receiving reports whether the slot is claimed and not yet given up.
func (s *sockets) receiving() bool { return s.claimed.Load() }

// release gives the slot up, so that nothing new arrives. Without a group the UDP sockets go on receiving until they are closed. Every
// reader calls it; when it returns, to whomever, the slot is given up.
func (s *sockets) release() { s.released.Do(s.giveUp) }

func (s *sockets) giveUp() {
	if !s.claimed.Swap(false) || s.held == nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	if err := s.held.Release(ctx); err != nil {
		s.log.Warn("slot not given up before the sockets close", "err", err)
	}
}

// slots is the number of workers of the group, 1 without one.
func (s *sockets) slots() int {
	if s.group == nil {
		return 1
	}
	return s.group.Slots()
}

func (s *sockets) close() {
	s.given.close()
	s.closeListeners()
	if s.group != nil {
		s.group.Close()
	}
}

func (s *sockets) closeListeners() {
	for _, u := range s.udp {
		u.Close()
	}
	for _, ln := range s.bmp {
		ln.Close()
	}
	for _, ln := range s.flows {
		ln.Close()
	}
}
