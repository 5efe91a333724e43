package sink

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// send gives s one record.
func send(s interface {
	Get() *Item
	Send(int, *Item)
}, topic int, key, value string,
) {
	it := s.Get()
	it.Key = append(it.Key, key...)
	it.Value = append(it.Value, value...)
	s.Send(topic, it)
}

// checkSums fails the test unless every record is accounted for and returns the sum over all topics.
func checkSums(t *testing.T, counters []Counters) (sum Counters) {
	t.Helper()
	for _, c := range counters {
		if c.Accepted != c.Delivered+c.Waiting+c.TotalLost() {
			t.Errorf("topic %s: accepted %d is not delivered %d + waiting %d + lost %v", c.Topic, c.Accepted, c.Delivered, c.Waiting, c.LostBy)
		}
		sum.Accepted += c.Accepted
		sum.Delivered += c.Delivered
		sum.Waiting += c.Waiting
		for r, n := range c.LostBy {
			sum.LostBy[r] += n
		}
	}
	return sum
}

func TestStdoutWritesLines(t *testing.T) {
	var out bytes.Buffer
	s := NewStdout(&out, StdoutConfig{Topics: []string{"a", "b"}})
	var want strings.Builder
	for i := range 1000 {
		line := fmt.Sprintf(`{"n":%d}`, i)
		send(s, i%2, "device", line)
		fmt.Fprintln(&want, line)
	}
	if err := s.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	c := s.Counters()
	s.Close()
	if out.String() != want.String() {
		t.Errorf("got %d octets, want %d", out.Len(), want.Len())
	}
	if checkSums(t, c); c[0].Delivered != 500 || c[1].Delivered != 500 {
		t.Errorf("delivered %d and %d, want 500 of each", c[0].Delivered, c[1].Delivered)
	}
}

func TestStdoutFlushesByTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, w := io.Pipe()
		s := NewStdout(w, StdoutConfig{Topics: []string{"a"}, FlushEvery: 100 * time.Millisecond})
		start := time.Now()
		send(s, 0, "", "one line")
		buf := make([]byte, 100)
		n, _ := r.Read(buf)
		if took := time.Since(start); took > 100*time.Millisecond || string(buf[:n]) != "one line\n" {
			t.Errorf("%q after %v", buf[:n], took)
		}
		s.Close()
	})
}

// stuckWriter blocks until it is released, then fails or not.
type stuckWriter struct {
	release chan struct{}
	err     error
	mu      sync.Mutex
	text    []byte
}

func (w *stuckWriter) Write(p []byte) (int, error) {
	<-w.release
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.err != nil {
		half := len(p) / 2
		w.text = append(w.text, p[:half]...)
		return half, w.err
	}
	w.text = append(w.text, p...)
	return len(p), nil
}

func TestStdoutStuckWriter(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &stuckWriter{release: make(chan struct{})}
		s := NewStdout(w, StdoutConfig{Topics: []string{"a"}, BufferBytes: 1000})
		line := strings.Repeat("x", 99)
		for range 15 {
			send(s, 0, "", line)
		}
		time.Sleep(time.Second) // the writer has got all of them by now
		for range 15 {
			send(s, 0, "", line)
		}
		c := checkSums(t, s.Counters())
		if c.LostBy[BufferFull] != 20 || c.Waiting != 10 {
			t.Errorf("lost %d, waiting %d, want 20 and 10", c.LostBy[BufferFull], c.Waiting)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := s.Flush(ctx); !errors.Is(err, ErrUndelivered) {
			t.Errorf("flush: %v", err)
		}
		s.Close()
		send(s, 0, "", line)
		c = checkSums(t, s.Counters())
		if c.LostBy[Stopped] != 11 || c.Waiting != 0 {
			t.Errorf("after close lost %v, waiting %d", c.LostBy, c.Waiting)
		}
		close(w.release)
		synctest.Wait()
		checkSums(t, s.Counters()) // what was written after all is not counted twice
	})
}

func TestStdoutWriteError(t *testing.T) {
	w := &stuckWriter{release: make(chan struct{}), err: io.ErrShortWrite}
	close(w.release)
	s := NewStdout(w, StdoutConfig{Topics: []string{"a"}})
	defer s.Close()
	send(s, 0, "", "lost line")
	if err := s.Flush(t.Context()); !errors.Is(err, io.ErrShortWrite) {
		t.Errorf("flush: %v", err)
	}
	st := s.Status()
	if st.Up || !errors.Is(st.Err, io.ErrShortWrite) {
		t.Errorf("status %+v", st)
	}
	w.mu.Lock()
	w.err = nil
	w.mu.Unlock()
	send(s, 0, "", "good line")
	if err := s.Flush(t.Context()); err != nil {
		t.Errorf("flush: %v", err)
	}
	if got, want := string(w.text), "lost \ngood line\n"; got != want {
		t.Errorf("written %q, want %q", got, want)
	}
	if c := checkSums(t, s.Counters()); c.LostBy[WriteError] != 1 || c.Delivered != 1 || !s.Status().Up {
		t.Errorf("counters %+v, status %v", c, s.Status())
	}
}

func TestStdoutStuckIsTold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &pipe{gate: make(chan struct{})}
		s := NewStdout(w, StdoutConfig{Topics: []string{"a"}})
		defer s.Close()
		send(s, 0, "", "line")
		time.Sleep(stallAfter / 2)
		if st := s.Status(); !st.Up {
			t.Errorf("after half of the time: %v", st)
		}
		time.Sleep(stallAfter)
		if st := s.Status(); st.Up || !errors.Is(st.Err, ErrStuck) || st.Waiting != 1 {
			t.Errorf("after all of it: %v", st)
		}
		close(w.gate)
		synctest.Wait()
		if st := s.Status(); !st.Up || st.Err != nil {
			t.Errorf("when it goes on: %v", st)
		}
	})
}

// pipe takes nothing until its gate is closed.
type pipe struct{ gate chan struct{} }

func (p *pipe) Write(b []byte) (int, error) {
	<-p.gate
	return len(b), nil
}
