package demo

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/telcol/telcol/steering"
)

// groupPrefix begins the names of the demo's groups; the process id follows.
const groupPrefix = "demo-"

// group is the demo's steering group; nil when there is no steering here.
type group struct{ open *steering.Group }

// startGroup creates the group. Where this process or kernel cannot, it gives no group and why.
func startGroup(ctx context.Context, workers int, p *ports) (g *group, why error, err error) {
	removeLeftovers(ctx)
	name := groupPrefix + strconv.Itoa(os.Getpid())
	open, err := steering.Init(ctx, steering.Options{
		Name: name, Slots: workers,
		Listeners: []steering.Listener{
			{Proto: steering.UDP, Port: p.ipfix.Port()}, {Proto: steering.TCP, Port: p.bmp.Port()}, {Proto: steering.TCP, Port: p.ipfix.Port()},
		},
	})
	switch {
	case errors.Is(err, steering.ErrNotPermitted), errors.Is(err, steering.ErrUnsupported), errors.Is(err, steering.ErrNotMounted):
		return nil, err, nil
	case err != nil:
		return nil, nil, fmt.Errorf("steering group of the demo: %w", err)
	}
	return &group{open: open}, nil, nil
}

// removeLeftovers removes groups of demos that were killed before they could.
func removeLeftovers(ctx context.Context) {
	names, err := steering.List("")
	if err != nil {
		return
	}
	for _, name := range names {
		text, ours := strings.CutPrefix(name, groupPrefix)
		pid, err := strconv.Atoi(text)
		if ours && err == nil && errors.Is(unix.Kill(pid, 0), unix.ESRCH) {
			_ = steering.Destroy(ctx, "", name, steering.DestroyOptions{}) // one whose workers still run stays
		}
	}
}

// slot gives the slot that owns an address.
func (g *group) slot(a netip.Addr) int { return g.open.Where(a).Slot }

// owner is how the checker asks; nil without steering.
func (g *group) owner() func(netip.Addr) int {
	if g == nil {
		return nil
	}
	return g.slot
}

// args are the flags of a worker that say where it belongs.
func (g *group) args() []string {
	if g == nil {
		return []string{"--steering", "off"}
	}
	return []string{"--group", g.open.Name(), "--slots", strconv.Itoa(g.open.Slots())}
}

// destroy removes the group. Its sockets may take a moment to go.
func (g *group) destroy() error {
	if g == nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	name := g.open.Name()
	_ = g.open.Close()
	if err := steering.Destroy(ctx, "", name, steering.DestroyOptions{EvenIfBusy: true}); err != nil {
		return fmt.Errorf("steering group of the demo: %w", err)
	}
	return nil
}
