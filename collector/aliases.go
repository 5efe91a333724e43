package collector

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net/netip"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/telcol/telcol/correlate"
	"github.com/telcol/telcol/steering"
)

// AliasConfig says which addresses are further ones of a device.
type AliasConfig struct {
	// Addresses are pairs of another address and the canonical one, such as 2001:db8::1=192.0.2.1. The worker gives them to the steering
	// group, if it may, so that both are steered alike, and joins what comes from either as one device's.
	Addresses []string `yaml:"addresses"`
	// Learn uses what seems to be an alias like one that was configured; default false: it is only reported.
	Learn bool `yaml:"learn"`
}

// AliasMap reads Aliases.Addresses: other address to canonical address.
func (c *Config) AliasMap() (map[netip.Addr]netip.Addr, error) {
	all := make(map[netip.Addr]netip.Addr, len(c.Aliases.Addresses))
	for _, text := range c.Aliases.Addresses {
		a, b, ok := strings.Cut(text, "=")
		from, err1 := netip.ParseAddr(strings.TrimSpace(a))
		to, err2 := netip.ParseAddr(strings.TrimSpace(b))
		from, to = from.Unmap(), to.Unmap()
		if !ok || err1 != nil || err2 != nil || from == to {
			return nil, fmt.Errorf("%w: aliases.addresses %q is not OTHER=CANONICAL, for example 2001:db8::1=192.0.2.1", ErrConfig, text)
		}
		if _, twice := all[from]; twice {
			return nil, fmt.Errorf("%w: aliases.addresses: %s is there twice", ErrConfig, from)
		}
		all[from] = to
	}
	for from, to := range all {
		if next, chained := all[to]; chained {
			return nil, fmt.Errorf("%w: aliases.addresses: %s stands for %s, which stands for %s; say %s=%s", ErrConfig, from, to, next, from, next)
		}
	}
	return all, nil
}

// aliases keeps a worker, its steering group and the correlator of one mind about the addresses of devices: what the configuration says, what
// the group has been told by anybody, and what was learnt.
type aliases struct {
	w          *worker
	configured map[netip.Addr]netip.Addr
	candidates atomic.Int64
	refused    atomic.Bool // the group's pins are not ours to write; said once
	inEffect   atomic.Pointer[map[netip.Addr]netip.Addr]

	mu      sync.Mutex // one refresh at a time
	learnt  map[netip.Addr]netip.Addr
	noticed map[correlate.AliasCandidate]bool // candidates that were logged
}

const (
	learnEvery    = 10 * time.Second // how often candidates are looked for
	maxCandidates = 1000             // that are remembered as logged
)

func newAliases(w *worker) (*aliases, error) {
	configured, err := w.cfg.AliasMap()
	if err != nil {
		return nil, err
	}
	return &aliases{w: w, configured: configured, learnt: make(map[netip.Addr]netip.Addr), noticed: make(map[correlate.AliasCandidate]bool)}, nil
}

// start tells the group and the correlator before anything comes in.
func (a *aliases) start(c *correlate.Correlator) error {
	for from, to := range a.configured {
		if err := a.tellGroup(from, to); err != nil {
			return err
		}
	}
	a.putInEffect(c)
	return nil
}

// putInEffect gives the correlator what is known and returns the addresses that mean another device now.
func (a *aliases) putInEffect(c *correlate.Correlator) (changed []netip.Addr) {
	all := a.all()
	a.inEffect.Store(&all)
	return c.SetAliases(all)
}

// takeUp is refresh at the end of a takeover, before the worker reads: the devices are told by what was in effect in the worker before,
// which may have had another configuration. Records that a change makes are made here alone, since the worker before has ended.
func (a *aliases) takeUp(c *correlate.Correlator) {
	changed := a.putInEffect(c)
	if len(changed) > 0 {
		a.w.log.Info("aliases are others than those of the worker before", "addresses", len(changed), "sessions closed", a.w.parked.move(changed))
	}
}

// tellGroup gives the kernel an alias. A worker that may not write the group's pins says what to do, once.
func (a *aliases) tellGroup(from, to netip.Addr) error {
	g := a.w.sockets.group
	if g == nil || g.Table().Canonical(from) == to {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), lockPatience)
	defer cancel()
	err := g.TellAlias(ctx, from, to)
	if errors.Is(err, steering.ErrNotPermitted) {
		if !a.refused.Swap(true) {
			a.w.log.Warn("aliases not given to the steering group, whose other address may reach another worker",
				"do", fmt.Sprintf("have root run telcol steering alias --group %s %s %s", a.w.cfg.Group, from, to))
		}
		return nil
	}
	return err
}

// all merges what is known; the group has the last word, since the kernel goes by it. Where what one says makes a chain with what
// another says, all of it is the last one's.
func (a *aliases) all() map[netip.Addr]netip.Addr {
	all := maps.Clone(a.learnt)
	maps.Copy(all, a.configured)
	if g := a.w.sockets.group; g != nil {
		maps.Copy(all, g.Aliases())
	}
	return unchained(all)
}

// unchained gives each address the last of the addresses that it stands for. Addresses that stand for each other in a circle are no
// aliases.
func unchained(all map[netip.Addr]netip.Addr) map[netip.Addr]netip.Addr {
	flat := make(map[netip.Addr]netip.Addr, len(all))
	for from, to := range all {
		for range all {
			next, chained := all[to]
			if !chained {
				flat[from] = to
				break
			}
			to = next
		}
	}
	return flat
}

// known returns what was learnt.
func (a *aliases) known() map[netip.Addr]netip.Addr {
	a.mu.Lock()
	defer a.mu.Unlock()
	return maps.Clone(a.learnt)
}

// canonical gives the device of an address. Any goroutine may call it.
func (a *aliases) canonical(addr netip.Addr) netip.Addr {
	if to, ok := (*a.inEffect.Load())[addr]; ok {
		return to
	}
	return addr
}

// refresh has the owner take up what has changed, and closes the sessions of addresses that mean another device now: they begin
// anew as its.
func (a *aliases) refresh(ctx context.Context) {
	a.mu.Lock()
	defer a.mu.Unlock()
	all := a.all()
	if maps.Equal(all, *a.inEffect.Load()) {
		return
	}
	a.inEffect.Store(&all)
	var changed []netip.Addr
	if err := a.w.core.ask(ctx, func() { changed = a.w.core.corr.SetAliases(all) }); err != nil {
		return // the worker ends
	}
	closed := a.w.conns.closeFrom(changed)
	a.w.log.Info("aliases have changed", "aliases", len(all), "addresses", len(changed), "sessions closed", closed)
}

// learn looks for candidates until ctx ends. New ones are logged, and used when the configuration says so.
func (a *aliases) learn(ctx context.Context) {
	tick := time.NewTicker(learnEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			a.look(ctx)
		}
	}
}

func (a *aliases) look(ctx context.Context) {
	var found []correlate.AliasCandidate
	if err := a.w.core.ask(ctx, func() { found = a.w.core.corr.AliasCandidates() }); err != nil {
		return
	}
	a.candidates.Store(int64(len(found)))
	for _, c := range found {
		if !a.noticed[c] && len(a.noticed) < maxCandidates {
			a.noticed[c] = true
			a.w.log.Info("two addresses seem to be one device", slog.String("address", c.From.String()), slog.String("device", c.To.String()),
				slog.String("why", c.Why), slog.Bool("used", a.w.cfg.Aliases.Learn))
		}
		if !a.w.cfg.Aliases.Learn {
			continue
		}
		if err := a.tellGroup(c.From, c.To); err != nil {
			a.w.warn.warn("alias not learnt", slog.String("address", c.From.String()), slog.Any("err", err))
			continue
		}
		a.mu.Lock()
		a.learnt[c.From] = c.To
		a.mu.Unlock()
	}
	if len(found) > 0 && a.w.cfg.Aliases.Learn {
		a.refresh(ctx)
	}
}
