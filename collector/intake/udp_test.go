package intake

import (
	"bytes"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"syscall"
	"testing"
	"time"

	"golang.org/x/net/ipv6"
	"golang.org/x/sys/unix"
)

// socket is what both kinds of sockets have in common.
type socket interface {
	syscall.Conn
	LocalAddr() net.Addr
	SetReadDeadline(time.Time) error
	Close() error
}

// listenTest opens a dual-stack socket on a free port.
func listenTest(t testing.TB) *net.UDPConn {
	t.Helper()
	c, err := ListenUDP(t.Context(), netip.MustParseAddrPort("[::]:0"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

// detachTest opens one that the poller does not know.
func detachTest(t testing.TB) *Socket {
	t.Helper()
	s, err := Detach(listenTest(t))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

// bothKinds runs a test with a socket of each kind.
func bothKinds(t *testing.T, test func(*testing.T, socket)) {
	t.Run("conn", func(t *testing.T) { test(t, listenTest(t)) })
	t.Run("socket", func(t *testing.T) { test(t, detachTest(t)) })
}

// dialTest opens a sender from one address of this host to the port of to.
func dialTest(t testing.TB, host string, to socket) *net.UDPConn {
	t.Helper()
	port := to.LocalAddr().(*net.UDPAddr).Port
	c, err := net.Dial("udp", net.JoinHostPort(host, fmt.Sprint(port)))
	if err != nil {
		t.Skipf("no address %s here: %v", host, err)
	}
	t.Cleanup(func() { c.Close() })
	return c.(*net.UDPConn)
}

func newTest(t testing.TB, c syscall.Conn, cfg UDPConfig) *UDP {
	t.Helper()
	u, err := NewUDP(c, cfg)
	if err != nil {
		t.Fatal(err)
	}
	return u
}

func TestReadBatchFamilies(t *testing.T) {
	for _, host := range []string{"127.0.0.1", "::1"} {
		t.Run(host, func(t *testing.T) {
			bothKinds(t, func(t *testing.T, in socket) {
				u := newTest(t, in, UDPConfig{})
				out := dialTest(t, host, in)
				sizes := []int{0, 1, 1400, 9216, 65000}
				for i, n := range sizes {
					if _, err := out.Write(bytes.Repeat([]byte{byte(i + 1)}, n)); err != nil {
						t.Fatal(err)
					}
				}
				b := NewBatchSize(4, MaxDatagram) // smaller than what waits: two reads
				var got int
				for got < len(sizes) {
					if err := u.ReadBatch(b); err != nil {
						t.Fatal(err)
					}
					for i := range b.Len() {
						want := bytes.Repeat([]byte{byte(got + 1)}, sizes[got])
						if !bytes.Equal(b.Payload(i), want) {
							t.Errorf("datagram %d: got %d octets, want %d", got, len(b.Payload(i)), len(want))
						}
						if b.Truncated(i) {
							t.Errorf("datagram %d is truncated", got)
						}
						if want := out.LocalAddr().(*net.UDPAddr).AddrPort(); b.Source(i) != want {
							t.Errorf("source %v, want %v", b.Source(i), want)
						}
						got++
					}
				}
			})
		})
	}
}

func TestReadBatchFlagsTruncated(t *testing.T) { bothKinds(t, testReadBatchFlagsTruncated) }

func testReadBatchFlagsTruncated(t *testing.T, in socket) {
	now := time.Unix(1700000000, 5)
	u := newTest(t, in, UDPConfig{Coalesce: 20 * time.Millisecond, Now: func() time.Time { return now }})
	out := dialTest(t, "127.0.0.1", in)
	for _, n := range []int{101, 100, 99} {
		out.Write(make([]byte, n))
	}
	b := NewBatchSize(8, 100)
	if err := u.ReadBatch(b); err != nil {
		t.Fatal(err)
	}
	if b.Len() != 3 {
		t.Fatalf("got %d datagrams, want 3", b.Len())
	}
	if !b.Received().Equal(now) {
		t.Errorf("received at %v, want %v", b.Received(), now)
	}
	for i, want := range []struct {
		n         int
		truncated bool
	}{{100, true}, {100, false}, {99, false}} {
		if len(b.Payload(i)) != want.n || b.Truncated(i) != want.truncated {
			t.Errorf("datagram %d: %d octets, truncated %v, want %+v", i, len(b.Payload(i)), b.Truncated(i), want)
		}
	}
}

func TestReadBatchCoalesces(t *testing.T) { bothKinds(t, testReadBatchCoalesces) }

func testReadBatchCoalesces(t *testing.T, in socket) {
	const coalesce = 500 * time.Millisecond
	u := newTest(t, in, UDPConfig{Coalesce: coalesce})
	out := dialTest(t, "127.0.0.1", in)
	b := NewBatch()
	for {
		sending := make(chan time.Duration, 1)
		go func() {
			start := time.Now()
			for i := range 5 {
				out.Write([]byte{byte(i)})
				time.Sleep(2 * time.Millisecond)
			}
			sending <- time.Since(start)
		}()
		if err := u.ReadBatch(b); err != nil {
			t.Fatal(err)
		}
		took := <-sending
		if b.Len() == 5 || took < coalesce {
			break
		}
		t.Logf("once more: sending took %v", took) // on a machine that let the sender wait
		in.SetReadDeadline(time.Unix(1, 0))
		for u.ReadBatch(b) == nil {
		}
		in.SetReadDeadline(time.Time{})
	}
	if b.Len() != 5 {
		t.Errorf("one read brought %d datagrams, want all 5", b.Len())
	}
	for i := range b.Len() {
		if p := b.Payload(i); len(p) != 1 || int(p[0]) != i {
			t.Errorf("datagram %d is %v", i, p)
		}
	}
}

// Reads of a steady stream are spaced, so that each brings several datagrams.
func TestReadBatchPaces(t *testing.T) { bothKinds(t, testReadBatchPaces) }

func testReadBatchPaces(t *testing.T, in socket) {
	const coalesce = 30 * time.Millisecond
	u := newTest(t, in, UDPConfig{Coalesce: coalesce, ReceiveBuffer: 1 << 20})
	out := dialTest(t, "127.0.0.1", in)
	const sent = 300
	go func() {
		for i := range sent {
			out.Write([]byte{byte(i)})
			time.Sleep(500 * time.Microsecond)
		}
	}()
	b := NewBatch()
	var got, reads int
	start := time.Now()
	for got < sent {
		if err := u.ReadBatch(b); err != nil {
			t.Fatal(err)
		}
		for i := range b.Len() {
			if p := b.Payload(i); int(p[0]) != got%256 {
				t.Fatalf("datagram %d is %d", got, p[0])
			}
			got++
		}
		reads++
	}
	took := time.Since(start)
	if most := int(took/coalesce) + sent/(b.Cap()/2) + 1; reads > most {
		t.Errorf("%d reads for %d datagrams in %v, want at most %d", reads, sent, took, most)
	}
}

// A deadline in the past ends the waiting; what the kernel has taken in is still handed over.
func TestReadBatchDrainsAfterDeadline(t *testing.T) { bothKinds(t, testReadBatchDrainsAfterDeadline) }

func testReadBatchDrainsAfterDeadline(t *testing.T, in socket) {
	u := newTest(t, in, UDPConfig{})
	out := dialTest(t, "127.0.0.1", in)
	for range 10 {
		out.Write([]byte("left over"))
	}
	in.SetReadDeadline(time.Unix(1, 0))
	b := NewBatchSize(4, MaxDatagram)
	for _, want := range []int{4, 4, 2} {
		if err := u.ReadBatch(b); err != nil || b.Len() != want {
			t.Fatalf("got %d datagrams and %v, want %d", b.Len(), err, want)
		}
	}
	if err := u.ReadBatch(b); !errors.Is(err, os.ErrDeadlineExceeded) || b.Len() != 0 {
		t.Fatalf("got %d datagrams and %v, want the deadline", b.Len(), err)
	}
	in.Close()
	if err := u.ReadBatch(b); !errors.Is(err, net.ErrClosed) {
		t.Fatalf("got %v, want net.ErrClosed", err)
	}
}

func TestDropsAreCounted(t *testing.T) { bothKinds(t, testDropsAreCounted) }

func testDropsAreCounted(t *testing.T, in socket) {
	u := newTest(t, in, UDPConfig{ReceiveBuffer: 8 << 10})
	out := dialTest(t, "127.0.0.1", in)
	if d, err := u.Drops(); d != 0 || err != nil {
		t.Fatalf("drops of a new socket: %d, %v", d, err)
	}
	const sent = 200
	for range sent {
		out.Write(make([]byte, 1000))
	}
	var read int
	in.SetReadDeadline(time.Unix(1, 0))
	for b := NewBatch(); u.ReadBatch(b) == nil; {
		read += b.Len()
	}
	drops, err := u.Drops()
	if err != nil {
		t.Fatal(err)
	}
	if read == sent || read+int(drops) != sent {
		t.Errorf("read %d and dropped %d of %d", read, drops, sent)
	}
}

func TestReceiveBufferIsReported(t *testing.T) { bothKinds(t, testReceiveBufferIsReported) }

func testReceiveBufferIsReported(t *testing.T, in socket) {
	const small = 64 << 10
	if got := newTest(t, in, UDPConfig{ReceiveBuffer: small}).ReceiveBuffer(); got != small {
		t.Errorf("got %d, want %d", got, small)
	}
	if got := newTest(t, in, UDPConfig{}).ReceiveBuffer(); got != small {
		t.Errorf("without asking it became %d, want %d as before", got, small)
	}
}

func TestReadBatchAllocatesNothing(t *testing.T) { bothKinds(t, testReadBatchAllocatesNothing) }

func testReadBatchAllocatesNothing(t *testing.T, in socket) {
	u := newTest(t, in, UDPConfig{})
	out := dialTest(t, "127.0.0.1", in)
	b := NewBatch()
	payload := make([]byte, 1200)
	var n int
	avg := testing.AllocsPerRun(100, func() {
		for range 8 {
			out.Write(payload)
		}
		if err := u.ReadBatch(b); err != nil {
			t.Fatal(err)
		}
		for i := range b.Len() {
			n += len(b.Payload(i)) + int(b.Source(i).Port())
		}
	})
	if avg != 0 {
		t.Errorf("%v allocations per batch", avg)
	}
}

func TestReadBatchIsWoken(t *testing.T) { bothKinds(t, testReadBatchIsWoken) }

// testReadBatchIsWoken has a reader that waits without a deadline, gives it one, and closes the socket under it.
func testReadBatchIsWoken(t *testing.T, in socket) {
	u := newTest(t, in, UDPConfig{})
	b := NewBatch()
	errs := make(chan error)
	read := func() { errs <- u.ReadBatch(b) }
	go read()
	in.SetReadDeadline(time.Now().Add(20 * time.Millisecond))
	if err := <-errs; !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("got %v, want the deadline", err)
	}
	in.SetReadDeadline(time.Time{})
	go read()
	time.Sleep(5 * time.Millisecond) // it should be waiting, but need not be for the test to hold
	in.Close()
	if err := <-errs; !errors.Is(err, net.ErrClosed) {
		t.Errorf("got %v, want net.ErrClosed", err)
	}
	if err := in.SetReadDeadline(time.Now()); !errors.Is(err, net.ErrClosed) {
		t.Errorf("deadline of a closed socket: %v", err)
	}
	if _, err := u.Drops(); !errors.Is(err, net.ErrClosed) {
		t.Errorf("drops of a closed socket: %v", err)
	}
	if err := in.Close(); !errors.Is(err, net.ErrClosed) {
		t.Errorf("second close: %v", err)
	}
}

// What was received before Detach is read after it.
func TestDetachKeepsTheSocket(t *testing.T) {
	conn := listenTest(t)
	out := dialTest(t, "127.0.0.1", conn)
	out.Write([]byte("early"))
	s, err := Detach(conn)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if _, err := conn.Write(nil); !errors.Is(err, net.ErrClosed) {
		t.Errorf("the connection is still open: %v", err)
	}
	out.Write([]byte("late"))
	b := NewBatch()
	if err := newTest(t, s, UDPConfig{}).ReadBatch(b); err != nil || b.Len() != 2 || string(b.Payload(0)) != "early" {
		t.Errorf("%v, %d datagrams", err, b.Len())
	}
	if _, err := Detach(conn); !errors.Is(err, net.ErrClosed) {
		t.Errorf("detach of a closed connection: %v", err)
	}
}

// The two benchmarks read the same load: 32 datagrams of 1200 octets are put into the socket, then taken out; only the taking is timed. The
// figures are told in UDP.receive.
func BenchmarkRead(b *testing.B) {
	in := listenTest(b)
	u := newTest(b, in, UDPConfig{})
	batch := NewBatch()
	benchmarkRead(b, in, func() (n int) {
		if err := u.ReadBatch(batch); err != nil {
			b.Fatal(err)
		}
		for i := range batch.Len() {
			if batch.Source(i).IsValid() && len(batch.Payload(i)) > 0 {
				n++
			}
		}
		return n
	})
}

func BenchmarkReadXNet(b *testing.B) {
	in := listenTest(b)
	pc := ipv6.NewPacketConn(in)
	msgs := make([]ipv6.Message, DefaultDatagrams)
	for i := range msgs {
		msgs[i].Buffers = [][]byte{make([]byte, MaxDatagram)}
	}
	benchmarkRead(b, in, func() (n int) {
		got, err := pc.ReadBatch(msgs, unix.MSG_DONTWAIT)
		if err != nil {
			b.Fatal(err)
		}
		for i := range got {
			if msgs[i].Addr.(*net.UDPAddr).AddrPort().Addr().Unmap().IsValid() && msgs[i].N > 0 {
				n++
			}
		}
		return n
	})
}

func benchmarkRead(b *testing.B, in *net.UDPConn, read func() int) {
	b.Helper()
	out := dialTest(b, "127.0.0.1", in)
	in.SetReadBuffer(4 << 20)
	payload := make([]byte, 1200)
	const load = 32
	b.ReportAllocs()
	var spent time.Duration
	var done int
	for b.Loop() {
		for range load {
			out.Write(payload)
		}
		start := time.Now()
		for n := 0; n < load; {
			n += read()
		}
		spent += time.Since(start)
		done += load
	}
	b.ReportMetric(float64(spent.Nanoseconds())/float64(done), "ns/datagram")
}
