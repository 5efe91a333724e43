package sink

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"
)

// StdoutConfig says how Stdout buffers.
type StdoutConfig struct {
	Topics      []string      // names for the counters; Send names them by their index
	FlushEvery  time.Duration // a line waits no longer than this for others, default 100 ms
	BufferBytes int64         // memory for lines that the output does not take, default 64 MiB. Beyond it new records are lost and counted
	Limits      []int64       // memory of topics that have their own, as Topic.Limit; the index is the topic's
}

// limit is the memory that a topic has of its own, or 0.
func (c *StdoutConfig) limit(topic int) int64 {
	if topic < len(c.Limits) {
		return c.Limits[topic]
	}
	return 0
}

const (
	defaultFlush  = 100 * time.Millisecond
	defaultLines  = 64 << 20
	chunkSize     = 64 << 10 // written in one go
	keepChunkSize = 1 << 20
)

// Stdout writes records as lines to a writer: the value of each and a newline. Keys and timestamps are not written. A writer
// that is slow or stuck does not hold up Send. Methods may be called from any goroutine.
type Stdout struct {
	cfg  StdoutConfig
	w    io.Writer
	done chan struct{}
	wake chan struct{} // to the writing goroutine: there is a chunk's worth of lines, or someone flushes
	torn bool          // of the writing goroutine

	mu      sync.Mutex
	moved   sync.Cond // the writing goroutine has finished a piece of work
	lines   lines     // collected for the next write
	writing lines     // with the writer
	free    freeList
	topics  []Counters
	status  Status
	closed  bool
	since   time.Time // when the write under way began; zero when there is none
}

// ErrStuck says why records do not get out while no write has failed.
var ErrStuck = errors.New("the reader of the output takes nothing")

// lines are whole lines and of which topics they are.
type lines struct {
	text  []byte
	count []uint64 // by topic
	bytes []uint64 // by topic, without the newlines
	apart int64    // octets of text that are of topics with a limit
}

func newLines(topics int) lines {
	return lines{count: make([]uint64, topics), bytes: make([]uint64, topics)}
}

func (l *lines) reset() {
	if l.text = l.text[:0]; cap(l.text) > keepChunkSize {
		l.text = nil
	}
	clear(l.count)
	clear(l.bytes)
	l.apart = 0
}

// NewStdout makes a sink that writes to w, which is for it alone until Close.
func NewStdout(w io.Writer, cfg StdoutConfig) *Stdout {
	if cfg.FlushEvery <= 0 {
		cfg.FlushEvery = defaultFlush
	}
	if cfg.BufferBytes <= 0 {
		cfg.BufferBytes = defaultLines
	}
	s := &Stdout{
		cfg: cfg, w: w, done: make(chan struct{}), wake: make(chan struct{}, 1),
		lines: newLines(len(cfg.Topics)), writing: newLines(len(cfg.Topics)),
		status: Status{Up: true, Since: time.Now()},
	}
	s.moved.L = &s.mu
	for _, name := range cfg.Topics {
		s.topics = append(s.topics, Counters{Topic: name})
	}
	go s.write()
	return s
}

// Get returns an item to fill and to give to Send.
func (s *Stdout) Get() *Item {
	s.mu.Lock()
	defer s.mu.Unlock()
	if it := s.free.get(); it != nil {
		return it
	}
	return newItem(s.free.fresh())
}

// Send takes the record's line. It never waits.
func (s *Stdout) Send(topic int, it *Item) {
	s.mu.Lock()
	defer s.mu.Unlock()
	c := &s.topics[topic]
	c.took(it)
	switch {
	case s.closed:
		c.LostBy[Stopped]++
	case !s.fitsLocked(topic, it):
		c.LostBy[BufferFull]++
	default:
		s.takeLocked(topic, it)
	}
	s.putLocked(it)
}

// fitsLocked reports whether there is memory for an item's line.
func (s *Stdout) fitsLocked(topic int, it *Item) bool {
	if limit := s.cfg.limit(topic); limit > 0 {
		held := int64(s.lines.bytes[topic] + s.writing.bytes[topic])
		return held == 0 || held+int64(len(it.Key)+len(it.Value)) <= limit
	}
	shared := int64(len(s.lines.text)+len(s.writing.text)) - s.lines.apart - s.writing.apart
	return shared+int64(len(it.Value)) <= s.cfg.BufferBytes
}

// takeLocked adds an item's line to those to be written.
func (s *Stdout) takeLocked(topic int, it *Item) {
	s.lines.text = append(append(s.lines.text, it.Value...), '\n')
	s.lines.count[topic]++
	s.lines.bytes[topic] += uint64(len(it.Key) + len(it.Value))
	if s.cfg.limit(topic) > 0 {
		s.lines.apart += int64(len(it.Value) + 1)
	}
	s.topics[topic].Waiting++
	if len(s.lines.text) >= chunkSize {
		s.wakeWriter()
	}
}

func (s *Stdout) putLocked(it *Item) {
	s.free.saw(len(it.Value))
	it.charge()
	s.free.put(it)
}

func (s *Stdout) wakeWriter() {
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

// write writes what was collected, when it is enough or old enough, until Close.
func (s *Stdout) write() {
	defer close(s.done)
	tick := time.NewTicker(s.cfg.FlushEvery)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
		case <-s.wake:
		}
		s.mu.Lock()
		s.lines, s.writing = s.writing, s.lines
		closed := s.closed
		s.since = time.Now()
		s.mu.Unlock()

		err := s.writeLines()
		s.mu.Lock()
		s.since = time.Time{}
		s.settleLocked(err)
		s.moved.Broadcast()
		s.mu.Unlock()
		if closed {
			return
		}
	}
}

// writeLines writes what was swapped out. It is the only place that touches the writer.
func (s *Stdout) writeLines() error {
	if len(s.writing.text) == 0 {
		return nil
	}
	if s.torn { // the last write stopped within a line
		if _, err := s.w.Write([]byte{'\n'}); err != nil {
			return err
		}
		s.torn = false
	}
	n, err := s.w.Write(s.writing.text)
	s.torn = err != nil && n > 0 && s.writing.text[n-1] != '\n'
	return err
}

// settleLocked counts what was written. Of a write that failed nothing counts as delivered, though some lines may be out. What Close has
// counted as lost is not counted again.
func (s *Stdout) settleLocked(err error) {
	for i := range s.topics {
		c := &s.topics[i]
		n := min(s.writing.count[i], c.Waiting)
		c.Waiting -= n
		if err != nil {
			c.LostBy[WriteError] += n
			continue
		}
		c.Delivered += n
		c.DeliveredBytes += s.writing.bytes[i]
	}
	if len(s.writing.text) > 0 {
		now := time.Now()
		if err == nil {
			s.status.LastDelivery = now
		}
		if up := err == nil; up != s.status.Up {
			s.status.Up, s.status.Since = up, now
		}
		s.status.Err = err
	}
	s.writing.reset()
}

// Flush waits until what was sent is written or lost. When ctx ends first, it returns ErrUndelivered, and Close counts the rest as lost.
func (s *Stdout) Flush(ctx context.Context) error {
	stop := context.AfterFunc(ctx, func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.moved.Broadcast()
	})
	defer stop()
	s.mu.Lock()
	defer s.mu.Unlock()
	for !s.closed {
		n := s.waitingLocked()
		if n == 0 {
			return s.lostErrorLocked()
		}
		if ctx.Err() != nil {
			return fmt.Errorf("%w: %d records left", ErrUndelivered, n)
		}
		s.wakeWriter()
		s.moved.Wait()
	}
	return nil
}

// lostErrorLocked returns the error of the last write.
func (s *Stdout) lostErrorLocked() error {
	if s.status.Up {
		return nil
	}
	return fmt.Errorf("write records: %w", s.status.Err)
}

func (s *Stdout) waitingLocked() (n uint64) {
	for i := range s.topics {
		n += s.topics[i].Waiting
	}
	return n
}

// Close stops the sink. What was collected is written, unless the writer is stuck: then it is counted as lost after a second and the writing
// goroutine is left behind in its write. Close may be called more than once. It does not close the writer.
func (s *Stdout) Close() {
	s.mu.Lock()
	if s.closed {
		s.mu.Unlock()
		return
	}
	s.closed = true
	s.mu.Unlock()
	s.wakeWriter()
	select {
	case <-s.done:
	case <-time.After(time.Second):
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for i := range s.topics {
		s.topics[i].LostBy[Stopped] += s.topics[i].Waiting
		s.topics[i].Waiting = 0
	}
	s.moved.Broadcast()
}

// Status tells whether the last write worked, and whether the one under way takes too long.
func (s *Stdout) Status() Status {
	s.mu.Lock()
	defer s.mu.Unlock()
	st := s.status
	if !s.since.IsZero() && st.Up && time.Since(s.since) >= stallAfter {
		st.Up, st.Since, st.Err = false, s.since, ErrStuck
	}
	st.Waiting = s.waitingLocked()
	return st
}

// Counters returns the counters of each topic, as of one moment.
func (s *Stdout) Counters() []Counters {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := append([]Counters(nil), s.topics...)
	for i := range out {
		out[i].WaitingBytes = s.lines.bytes[i] + s.writing.bytes[i]
	}
	return out
}
