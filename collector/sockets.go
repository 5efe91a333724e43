package collector

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"sync/atomic"
	"time"

	"github.com/telcol/telcol/collector/intake"
	"github.com/telcol/telcol/steering"
)

// sockets are the listeners of a worker and, with steering on, its place in the group.
type sockets struct {
	cfg   *Config
	log   *slog.Logger
	group *steering.Group // nil when steering is off
	udp   *net.UDPConn
	tcp   *net.TCPListener

	held    *steering.Claim
	claimed atomic.Bool
}

// lockPatience is how long to wait for other workers that start at the same time.
const lockPatience = 30 * time.Second

// openSockets opens both listeners. With steering on they receive nothing before claim.
func openSockets(cfg *Config, log *slog.Logger) (_ *sockets, err error) {
	s := &sockets{cfg: cfg, log: log}
	defer func() {
		if err != nil {
			s.close()
		}
	}()
	ctx, cancel := context.WithTimeout(context.Background(), lockPatience)
	defer cancel()
	ipfixAddr, bmpAddr := netip.MustParseAddrPort(cfg.ListenIPFIX), netip.MustParseAddrPort(cfg.ListenBMP)
	if !cfg.Steering {
		return s, s.openPlain(ctx, ipfixAddr, bmpAddr)
	}
	if s.group, err = openGroup(ctx, cfg, log); err != nil {
		return nil, err
	}
	if s.udp, err = s.group.ListenUDP(ctx, ipfixAddr, cfg.Slot, steering.ListenOptions{ReadBuffer: cfg.Intake.ReceiveBuffer}); err != nil {
		return nil, advise(err, "listen-ipfix")
	}
	if s.tcp, err = s.group.ListenTCP(ctx, bmpAddr, cfg.Slot, steering.ListenOptions{}); err != nil {
		return nil, advise(err, "listen-bmp")
	}
	return s, nil
}

func (s *sockets) openPlain(ctx context.Context, ipfixAddr, bmpAddr netip.AddrPort) (err error) {
	if s.udp, err = intake.ListenUDP(ctx, ipfixAddr); err != nil {
		return advise(err, "listen-ipfix")
	}
	if s.tcp, err = intake.ListenTCP(ctx, bmpAddr); err != nil {
		return advise(err, "listen-bmp")
	}
	return nil
}

// openGroup opens the steering group. A worker that is told the number of slots creates a group that does not exist, if it may.
func openGroup(ctx context.Context, cfg *Config, log *slog.Logger) (*steering.Group, error) {
	g, err := steering.Open("", cfg.Group)
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
	return g, checkSlots(g, cfg)
}

func checkSlots(g *steering.Group, cfg *Config) error {
	n := g.Slots()
	switch {
	case cfg.Slots != 0 && cfg.Slots != n:
		err := &steering.SlotsMismatchError{Group: cfg.Group, Want: cfg.Slots, Have: n}
		g.Close()
		return fmt.Errorf("%w: %w; start the worker with --slots %d or without --slots", ErrConfig, err, n)
	case cfg.Slot >= n:
		g.Close()
		return fmt.Errorf("%w: %w", ErrConfig, &steering.SlotRangeError{Group: cfg.Group, Slot: cfg.Slot, Slots: n})
	}
	return nil
}

// advise says what to do about an error of the sockets. flag is the setting it is about.
func advise(err error, flag string) error {
	switch {
	case errors.Is(err, steering.ErrSlotTaken):
		return fmt.Errorf("%w: stop that worker first or choose another --slot", err)
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
		var err error
		if s.held, err = s.group.Claim(ctx, s.cfg.Slot, s.udp, s.tcp); err != nil {
			return advise(err, "slot")
		}
	}
	s.claimed.Store(true)
	return nil
}

// receiving reports whether the slot is claimed and not yet given up.
func (s *sockets) receiving() bool { return s.claimed.Load() }

// release gives the slot up, so that nothing new arrives. Without a group the UDP socket goes on receiving until it is closed.
func (s *sockets) release() {
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
	if s.udp != nil {
		s.udp.Close()
	}
	if s.tcp != nil {
		s.tcp.Close()
	}
	if s.group != nil {
		s.group.Close()
	}
}
