package sink

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"

	"github.com/telcol/telcol/deploy/freeport"
)

// offerer is what both sinks are for a topic with a limit.
type offerer interface {
	GetAll(items []*Item)
	Release(items []*Item)
	Offer(topic int, items []*Item) int
	HasRoom(topic int) bool
	Room(ctx context.Context, topic int) error
	Counters() []Counters
}

// offer offers numbered records of 100 octets from a number on until one is refused, which it releases, or until to.
func offer(s offerer, topic int, key string, from, to int) (next int) {
	for n := from; n < to; {
		items := make([]*Item, min(7, to-n))
		s.GetAll(items)
		for i, it := range items {
			it.Key = append(it.Key, key...)
			it.Value = fmt.Appendf(it.Value, "%-100d", n+i)
		}
		took := s.Offer(topic, items)
		n += took
		if took < len(items) {
			s.Release(items[took:])
			return n
		}
	}
	return to
}

// TestKafkaOfferBoundsItsTopic fills a topic with a limit while no broker is there: it takes none of the memory of the other topic, the
// caller learns what did not fit, and is told when there is room.
func TestKafkaOfferBoundsItsTopic(t *testing.T) {
	port := freeport.Get(t)
	s := newKafka(t, KafkaConfig{
		Brokers: []string{fmt.Sprintf("127.0.0.1:%d", port)}, BufferBytes: 256 << 10, Linger: time.Millisecond,
		Topics: []Topic{{Name: testTopic}, {Name: "telcol.limited", Limit: 128 << 10}},
	})
	// The other topic runs over and loses its oldest records; nothing of that touches the limited one.
	n := offer(s, 1, "a", 0, 1<<20)
	sendNumbered(s, 1, 0, 2000)
	c := s.Counters()
	checkSums(t, c)
	if n < 100 || c[1].Waiting != uint64(n) || c[1].TotalLost() != 0 || c[1].WaitingBytes > 128<<10 {
		t.Errorf("limited topic took %d: %+v", n, c[1])
	}
	if c[0].LostBy[BufferFull] == 0 || c[0].WaitingBytes > 256<<10 || c[0].WaitingBytes < 200<<10 {
		t.Errorf("other topic: %+v", c[0])
	}
	if s.HasRoom(1) {
		t.Error("there is room in a full topic")
	}
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer cancel()
	if err := s.Room(ctx, 1); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("room: %v", err)
	}
	told := make(chan error, 1)
	go func() { told <- s.Room(t.Context(), 1) }()
	addr := cluster(t, kfake.Ports(port), kfake.SeedTopics(3, testTopic, "telcol.limited")).ListenAddrs()
	select {
	case err := <-told:
		if err != nil {
			t.Fatal(err)
		}
	case <-time.After(patience):
		t.Fatalf("nobody told of room: %v %+v", s.Status(), s.Counters())
	}
	all := n + 500
	for n < all {
		if n = offer(s, 1, "a", n, all); n < all {
			if err := s.Room(t.Context(), 1); err != nil {
				t.Fatal(err)
			}
		}
	}
	flush(t, s)
	checkOrder(t, readTopic(t, addr, "telcol.limited", all), 1, all)
	if c := s.Counters()[1]; c.Delivered != uint64(all) || c.TotalLost() != 0 {
		t.Errorf("%+v", c)
	}
}

// TestKafkaOfferFromManyGoroutines keeps the order of each sender while all of them wait for room again and again.
func TestKafkaOfferFromManyGoroutines(t *testing.T) {
	c := cluster(t, kfake.SeedTopics(3, testTopic))
	s := newKafka(t, KafkaConfig{Brokers: c.ListenAddrs(), Linger: time.Millisecond, Topics: []Topic{{Name: testTopic, Limit: 64 << 10}}})
	const senders, per = 8, 1500
	var all sync.WaitGroup
	for k := range senders {
		all.Go(func() {
			for n := 0; n < per; {
				if n = offer(s, 0, strconv.Itoa(k), n, per); n < per {
					if err := s.Room(t.Context(), 0); err != nil {
						t.Error(err)
						return
					}
				}
			}
		})
	}
	all.Wait()
	flush(t, s)
	checkOrder(t, readTopic(t, c.ListenAddrs(), testTopic, senders*per), senders, per)
}

// TestCloseEndsWaitForRoom checks that nobody is left waiting, and that what is offered then is counted.
func TestCloseEndsWaitForRoom(t *testing.T) {
	kafka := newKafka(t, KafkaConfig{
		Brokers: []string{fmt.Sprintf("127.0.0.1:%d", freeport.Get(t))}, Topics: []Topic{{Name: testTopic, Limit: 4 << 10}},
	})
	r, w := io.Pipe()
	defer r.Close()
	stdout := NewStdout(w, StdoutConfig{Topics: []string{testTopic}, Limits: []int64{4 << 10}})
	for name, s := range map[string]interface {
		offerer
		Close()
	}{"kafka": kafka, "stdout": stdout} {
		n := offer(s, 0, "k", 0, 1<<20)
		told := make(chan error, 1)
		go func() { told <- s.Room(t.Context(), 0) }()
		go r.Close() // a stuck writer would hold Close up
		s.Close()
		if err := <-told; err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if n = offer(s, 0, "k", n, n+3); n < 3 {
			t.Errorf("%s: not taken after close", name)
		}
		c := s.Counters()[0]
		if c.Accepted != uint64(n) || c.TotalLost()+c.Delivered != uint64(n) || c.Waiting != 0 {
			t.Errorf("%s: %d offered, %+v", name, n, c)
		}
	}
}

// gate is a writer that waits until it is opened.
type gate struct {
	open chan struct{}
	buf  bytes.Buffer
}

func (g *gate) Write(p []byte) (int, error) {
	<-g.open
	return g.buf.Write(p)
}

func TestStdoutOfferBoundsItsTopic(t *testing.T) {
	g := &gate{open: make(chan struct{})}
	s := NewStdout(g, StdoutConfig{Topics: []string{"flow", "limited"}, BufferBytes: 10 << 10, Limits: []int64{0, 20 << 10}, FlushEvery: time.Millisecond})
	n := offer(s, 1, "k", 0, 1<<20)
	for range 200 {
		it := s.Get()
		it.Value = fmt.Appendf(it.Value, "%-100s", "flow")
		s.Send(0, it)
	}
	if c := s.Counters(); n < 150 || c[1].TotalLost() != 0 || c[0].LostBy[BufferFull] < 90 || c[0].Waiting < 90 {
		t.Errorf("limited took %d, counters %+v", n, c)
	}
	if s.HasRoom(1) {
		t.Error("there is room in a full topic")
	}
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer cancel()
	if err := s.Room(ctx, 1); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("room: %v", err)
	}
	close(g.open)
	if err := s.Room(t.Context(), 1); err != nil {
		t.Error(err)
	}
	if m := offer(s, 1, "k", n, n+10); m != n+10 {
		t.Errorf("took %d of 10 with room", m-n)
	}
	if err := s.Flush(t.Context()); err != nil {
		t.Error(err)
	}
	s.Close()
	c := s.Counters()
	if c[1].Delivered != uint64(n+10) || c[0].Delivered != 200-c[0].LostBy[BufferFull] {
		t.Errorf("counters %+v", c)
	}
	if lines := bytes.Count(g.buf.Bytes(), []byte("\n")); uint64(lines) != c[0].Delivered+c[1].Delivered {
		t.Errorf("%d lines", lines)
	}
}

func TestOfferAllocatesNothing(t *testing.T) {
	s := newKafka(t, KafkaConfig{
		Brokers: []string{fmt.Sprintf("127.0.0.1:%d", freeport.Get(t))}, Topics: []Topic{{Name: testTopic, Limit: 1 << 20}},
	})
	items := make([]*Item, 16)
	avg := testing.AllocsPerRun(1000, func() {
		s.GetAll(items)
		for _, it := range items {
			it.Key, it.Value = append(it.Key, "192.0.2.1"...), append(it.Value, "some text"...)
		}
		s.Offer(0, items)
		s.mu.Lock()
		for l := s.lanes[0]; l.line.n > 0; {
			it := l.line.pop()
			l.chargeLocked(-it.cost)
			l.LostBy[Failed]++
			s.free.put(it)
		}
		s.mu.Unlock()
	})
	if avg != 0 {
		t.Errorf("%v allocations for 16 records", avg)
	}
}
