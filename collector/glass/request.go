package glass

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/telcol/telcol/correlate"
)

// request is a page that was asked for.
type request struct {
	glass  *Glass
	ctx    context.Context
	page   *page
	url    *url.URL
	params url.Values
	device netip.Addr // of the path, invalid when it names none
	limit  int
	cursor cursor
	now    time.Time // when it came
}

// failure is an error for the reader: a status and one sentence.
type failure struct {
	status int
	text   string
}

func (f *failure) Error() string { return f.text }

func badf(format string, args ...any) error {
	return &failure{http.StatusBadRequest, fmt.Sprintf(format, args...)}
}

// newRequest reads the path and the parameters that all pages have.
func (g *Glass) newRequest(ctx context.Context, r *http.Request, p *page) (*request, error) {
	params, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		return nil, badf("the query cannot be read (%v)", err)
	}
	rq := &request{glass: g, ctx: ctx, page: p, url: r.URL, params: params, limit: defaultLimit, now: g.cfg.Now()}
	for name, values := range params {
		switch {
		case name != "format" && !slices.Contains(p.params, name):
			return nil, badf("unknown parameter %q, this page takes %s", name, strings.Join(append(p.params, "format"), ", "))
		case len(values) > 1:
			return nil, badf("parameter %q is there %d times", name, len(values))
		}
	}
	if f := params.Get("format"); f != "" && f != "json" && f != "text" {
		return nil, badf("format %q is unknown, want json or text", f)
	}
	if text := r.PathValue("device"); text != "" {
		a, err := netip.ParseAddr(text)
		if err != nil || a.Zone() != "" {
			return nil, badf("%q is not the address of a device", text)
		}
		rq.device = a.Unmap()
	}
	if text := params.Get("limit"); text != "" {
		n, err := strconv.Atoi(text)
		if err != nil || n < 1 || n > maxLimit {
			return nil, badf("limit %q is not a number from 1 to %d", text, maxLimit)
		}
		rq.limit = n
	}
	return rq, rq.readCursor(params.Get("cursor"))
}

// addr reads an address parameter, the invalid one when it is not there.
func (rq *request) addr(name string) (netip.Addr, error) {
	text := rq.params.Get(name)
	if text == "" {
		return netip.Addr{}, nil
	}
	a, err := netip.ParseAddr(text)
	if err != nil || a.Zone() != "" {
		return netip.Addr{}, badf("%s %q is no IP address", name, text)
	}
	return a.Unmap(), nil
}

// flag reads a parameter that is true or false.
func (rq *request) flag(name string) (bool, error) {
	text := rq.params.Get(name)
	if text == "" {
		return false, nil
	}
	v, err := strconv.ParseBool(text)
	if err != nil {
		return false, badf("%s %q is neither true nor false", name, text)
	}
	return v, nil
}

// slice has the owner run f on the request's device. f returns the steps it took.
func (rq *request) slice(f func(*correlate.Device) int) error {
	var missing bool
	err := rq.glass.slice(rq.ctx, func(c *correlate.Correlator) int {
		d := c.Device(c.Canonical(rq.device))
		if missing = d == nil; missing {
			return 1
		}
		return f(d)
	})
	if err == nil && missing {
		err = rq.noDevice()
	}
	return err
}

func (rq *request) noDevice() error {
	g := rq.glass
	if g.cfg.Place != nil {
		switch slot := g.cfg.Place(rq.device); {
		case slot < 0:
			return &failure{http.StatusNotFound, fmt.Sprintf("device %s belongs to no slot", rq.device)}
		case slot != g.cfg.Slot:
			return &failure{http.StatusNotFound, fmt.Sprintf("device %s belongs to slot %d, this is slot %d", rq.device, slot, g.cfg.Slot)}
		}
	}
	return &failure{http.StatusNotFound, fmt.Sprintf("slot %d has heard nothing of device %s", g.cfg.Slot, rq.device)}
}

// each gives fn what the owner's sequence yields. The owner advances it by a slice at a time and rests in the middle of it in
// between, so the sequence must allow changes then, as one over a map does. fn runs in the owner's goroutine.
func each[T any](rq *request, seq func(*correlate.Device) iter.Seq[T], fn func(T)) error {
	return eachOf(rq.slice, seq, fn)
}

func eachOf[S, T any](slice func(func(S) int) error, seq func(S) iter.Seq[T], fn func(T)) (err error) {
	var next func() (T, bool)
	stop := func() {}
	defer func() { stop() }()
	for done := false; !done && err == nil; {
		err = slice(func(s S) int {
			if next == nil {
				next, stop = iter.Pull(seq(s))
			}
			for n := range sliceSteps {
				v, ok := next()
				if !ok {
					done = true
					return n
				}
				fn(v)
			}
			return sliceSteps
		})
	}
	return err
}

// late reports whether an error means that the request's time is over.
func late(err error) bool {
	return errors.Is(err, context.DeadlineExceeded) || errors.Is(err, context.Canceled)
}
