package collector

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/http/pprof"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// httpServer serves metrics, health, profiles and the looking glass of one worker. A nil server (HTTP is off) does nothing.
type httpServer struct {
	log  *slog.Logger
	ln   net.Listener
	srv  *http.Server
	left atomic.Bool
	done sync.WaitGroup
}

// listenHTTP binds the address now, so that a port in use stops the worker before it claims its slot.
// Another process may have given its listener of the address.
func listenHTTP(cfg *Config, w *worker, given *given) (*httpServer, error) {
	addr := cfg.HTTPAddr()
	if addr == "" {
		return nil, nil
	}
	ln, err := given.http(addr)
	if ln == nil && err == nil {
		ln, err = net.Listen("tcp", addr)
	}
	if err != nil {
		return nil, fmt.Errorf("http address %s cannot be used (%w): choose another with --http", addr, err)
	}
	reg := prometheus.NewRegistry()
	reg.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}), &metrics{w: w})
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", promhttp.HandlerFor(reg, promhttp.HandlerOpts{}))
	mux.HandleFunc("GET /healthz", w.healthz)
	mux.HandleFunc("GET /readyz", w.readyz)
	w.glass.Register(mux)
	mux.HandleFunc("GET /debug/pprof/", pprof.Index)
	mux.HandleFunc("GET /debug/pprof/profile", pprof.Profile)
	mux.HandleFunc("GET /debug/pprof/symbol", pprof.Symbol)
	mux.HandleFunc("GET /debug/pprof/trace", pprof.Trace)
	return &httpServer{log: w.log, ln: ln, srv: &http.Server{Handler: mux, ReadHeaderTimeout: 5 * time.Second, MaxHeaderBytes: 64 << 10}}, nil
}

func (s *httpServer) addr() string {
	if s == nil {
		return "off"
	}
	return s.ln.Addr().String()
}

func (s *httpServer) serve() {
	if s == nil {
		return
	}
	s.done.Go(func() {
		if err := s.srv.Serve(s.ln); err != nil && !errors.Is(err, http.ErrServerClosed) && !s.left.Load() {
			s.log.Error("http server ended", "err", err)
		}
	})
}

// leave takes no more connections: what comes waits for the process that has the listener too. Requests that have begun are answered.
func (s *httpServer) leave() {
	if s != nil {
		s.left.Store(true)
		s.ln.Close()
	}
}

func (s *httpServer) close() {
	if s == nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	if err := s.srv.Shutdown(ctx); err != nil {
		s.srv.Close()
	}
	s.ln.Close() // Shutdown closes it only once served
	s.done.Wait()
}

// healthz answers 200 as long as the owner goroutine does its rounds.
func (w *worker) healthz(rw http.ResponseWriter, r *http.Request) {
	if _, ok := w.core.snapshot(r.Context()); !ok {
		http.Error(rw, "the worker does not answer", http.StatusServiceUnavailable)
		return
	}
	fmt.Fprintln(rw, "ok")
}

// readyz answers 200 when the slot is claimed and the listeners receive. A broker that is away shows in the text alone: flows are
// still taken and kept.
func (w *worker) readyz(rw http.ResponseWriter, r *http.Request) {
	ready := w.sockets.receiving()
	if !ready {
		rw.WriteHeader(http.StatusServiceUnavailable)
	}
	fmt.Fprintf(rw, "slot %d: claimed and receiving: %v\n", w.cfg.Slot, ready)
	fmt.Fprintf(rw, "sink: %s\n", w.sink.Status())
}
