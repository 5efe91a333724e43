package glass

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"strings"
	"text/tabwriter"
	"time"
	"unicode"
)

// answer is a page's content. It is rendered by encoding/json or writes itself as text, its cells separated by tabs.
type answer interface {
	text(w io.Writer)
	more() string // cursor of what follows, "" at the end
}

// Next is the part of an answer that leads to the next page.
type Next struct {
	Next string `json:"next,omitempty"`
}

func (n Next) more() string { return n.Next }

// serve answers a request. Whatever is wrong with it becomes a status and one sentence.
func (g *Glass) serve(w http.ResponseWriter, r *http.Request, p *page) {
	asText := wantsText(r)
	ctx, cancel := context.WithTimeout(r.Context(), patience)
	defer cancel()
	a, err := g.answer(ctx, r, p)
	status := http.StatusOK
	if err == nil {
		g.count.answered.Add(1)
	} else {
		f := g.failureOf(r, err)
		status, a = f.status, &errorAnswer{Error: f.text}
		switch {
		case f == errEnded:
			w.Header().Set("Retry-After", "0")
		case status == http.StatusServiceUnavailable:
			w.Header().Set("Retry-After", "1")
		}
	}
	// The answer is whole in memory, and a reader that does not take it must not keep the connection.
	_ = http.NewResponseController(w).SetWriteDeadline(time.Now().Add(writeTimeout))
	if next := a.more(); next != "" {
		q := r.URL.Query()
		q.Set("cursor", next)
		w.Header().Set("Link", `<`+r.URL.EscapedPath()+"?"+q.Encode()+`>; rel="next"`)
	}
	if asText {
		writeText(w, status, a)
	} else {
		writeJSON(w, status, a)
	}
}

// answer computes an answer when there is room for another request.
func (g *Glass) answer(ctx context.Context, r *http.Request, p *page) (answer, error) {
	rq, err := g.newRequest(ctx, r, p)
	if err != nil {
		return nil, err
	}
	t := time.NewTimer(waitForRoom)
	defer t.Stop()
	select {
	case g.room <- struct{}{}:
		defer func() { <-g.room }()
		return p.answer(rq)
	case <-t.C:
		return nil, errBusy
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

var (
	errBusy  = &failure{http.StatusServiceUnavailable, "too many requests are under way, try again"}
	errEnded = &failure{http.StatusServiceUnavailable, "the worker has ended; try again, another may have taken over"}
)

// failureOf counts an error and makes it one for the reader.
func (g *Glass) failureOf(r *http.Request, err error) *failure {
	var f *failure
	switch {
	case errors.As(err, &f):
		if f == errBusy {
			g.count.busy.Add(1)
			return f
		}
	case errors.Is(err, context.Canceled) && r.Context().Err() == nil: // Look says so
		f = errEnded
	case late(err):
		f = &failure{http.StatusServiceUnavailable, "the worker does not answer in time"}
	default:
		g.cfg.Log.Error("looking glass", "page", r.URL.Path, "err", err)
		f = &failure{http.StatusInternalServerError, "the page failed, the worker's log says why"}
	}
	g.count.failed.Add(1)
	return f
}

// wantsText looks at format=, then at Accept: JSON unless text/plain comes first.
func wantsText(r *http.Request) bool {
	if f := r.URL.Query().Get("format"); f != "" {
		return f == "text"
	}
	for _, t := range strings.Split(r.Header.Get("Accept"), ",") {
		t, _, _ = strings.Cut(strings.TrimSpace(t), ";")
		switch t {
		case "text/plain":
			return true
		case "application/json":
			return false
		}
	}
	return false
}

func writeJSON(w http.ResponseWriter, status int, a answer) {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(a); err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	w.WriteHeader(status)
	_, _ = w.Write(b.Bytes())
}

// moreLine begins the last line of a text page that others follow.
const moreLine = "more: cursor="

func writeText(w http.ResponseWriter, status int, a answer) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	w.WriteHeader(status)
	var b bytes.Buffer
	t := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	a.text(t)
	_ = t.Flush() // into memory
	if next := a.more(); next != "" {
		b.WriteString(moreLine + next + "\n")
	}
	_, _ = w.Write(b.Bytes())
}

// errorAnswer is one sentence on what is wrong.
type errorAnswer struct {
	Error string `json:"error"`
	Next
}

func (e *errorAnswer) text(w io.Writer) { io.WriteString(w, e.Error+"\n") }

// plain makes a text of a device fit for a terminal and a table: what does not print becomes a question mark.
func plain(s string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsPrint(r) {
			return r
		}
		return '?'
	}, s)
}

// dash stands for an empty cell.
func dash(s string) string {
	if s == "" {
		return "-"
	}
	return s
}

// when gives a time as RFC 3339 in UTC, "" for none.
func when(ns int64) string {
	if ns == 0 {
		return ""
	}
	return time.Unix(0, ns).UTC().Format(time.RFC3339Nano)
}
