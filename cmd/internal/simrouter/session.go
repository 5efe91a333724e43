package simrouter

import (
	"context"
	"io"
	"net"
	"net/netip"
	"time"
)

// The back-off of RFC 7854 section 3.2 in small, so that a test need not wait for minutes.
const (
	firstRetry = 100 * time.Millisecond
	lastRetry  = 5 * time.Second
)

// monitor keeps a BMP session up until ctx ends.
func (r *Router) monitor(ctx context.Context) {
	wait := firstRetry
	for ctx.Err() == nil {
		if r.session(ctx) {
			wait = firstRetry
		}
		r.connected.Store(false)
		select {
		case <-time.After(wait):
		case <-ctx.Done():
		}
		wait = min(2*wait, lastRetry)
	}
}

// session plays one BMP session to its end. It reports whether the dump was written.
func (r *Router) session(ctx context.Context) bool {
	d := net.Dialer{LocalAddr: net.TCPAddrFromAddrPort(netip.AddrPortFrom(r.dev.Addr(), 0)), Timeout: 5 * time.Second}
	d.SetMultipathTCP(false)
	conn, err := d.DialContext(ctx, "tcp", r.cfg.BMP.String())
	if err != nil {
		return false
	}
	r.bmpSessions.Add(1)
	lost := make(chan struct{})
	go func() { // ends with the connection
		defer close(lost)
		_, _ = io.Copy(io.Discard, conn)
	}()
	stop := context.AfterFunc(ctx, func() { _ = conn.SetWriteDeadline(time.Now().Add(time.Second)) })
	defer func() {
		stop()
		conn.Close()
		<-lost
	}()
	write := func(b []byte) error {
		n, err := conn.Write(b)
		r.bmpBytes.Add(uint64(n))
		return err
	}
	if r.dev.Dump(time.Now(), write) != nil {
		return false
	}
	r.connected.Store(true)
	r.churn(ctx, lost, write)
	_ = write(r.dev.AppendTermination(nil)) // the session ends either way
	return true
}

// churn changes routes at the configured rate until the session is lost or ctx ends.
func (r *Router) churn(ctx context.Context, lost <-chan struct{}, write func([]byte) error) {
	var tick <-chan time.Time
	var buf []byte
	released := r.released
	for {
		select {
		case <-released:
			released = nil
			if r.cfg.Churn > 0 {
				t := time.NewTicker(time.Duration(float64(time.Second) / r.cfg.Churn))
				defer t.Stop()
				tick = t.C
			}
		case now := <-tick:
			if buf = r.dev.AppendChange(buf[:0], now); write(buf) != nil {
				return
			}
		case <-lost:
			return
		case <-ctx.Done():
			return
		}
	}
}
