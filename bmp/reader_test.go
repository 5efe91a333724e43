package bmp

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"os"
	"testing"
	"testing/iotest"
)

// message makes a message of size octets and a type.
func message(typ MessageType, size int) []byte {
	b := make([]byte, size)
	b[0], b[5] = Version3, byte(typ)
	binary.BigEndian.PutUint32(b[1:], uint32(size))
	for i := HeaderSize; i < size; i++ {
		b[i] = byte(i)
	}
	return b
}

func TestReader(t *testing.T) {
	var stream []byte
	var want [][]byte
	for _, size := range []int{HeaderSize, 100, 7, readerStart - 1, readerStart + 1, 400 << 10, 8, DefaultMaxMessage, 9} {
		want = append(want, message(TypeTermination, size))
		stream = append(stream, want[len(want)-1]...)
	}
	sources := map[string]func(io.Reader) io.Reader{
		"whole":     func(r io.Reader) io.Reader { return r },
		"halves":    iotest.HalfReader,
		"data, EOF": iotest.DataErrReader,
		"13 octets": func(io.Reader) io.Reader { return &chunkReader{stream, 13} },
	}
	for name, wrap := range sources {
		t.Run(name, func(t *testing.T) {
			r := NewReader(wrap(bytes.NewReader(stream)), 0, nil)
			for i, w := range want {
				got, err := r.Next()
				if err != nil || !bytes.Equal(got, w) {
					t.Fatalf("message %d: %d octets, %v; want %d", i, len(got), err, len(w))
				}
			}
			for range 2 {
				if _, err := r.Next(); !errors.Is(err, io.EOF) {
					t.Errorf("got %v, want EOF", err)
				}
			}
			if len(r.buf) > readerKeep {
				t.Errorf("a buffer of %d octets is kept", len(r.buf))
			}
		})
	}
}

func TestReaderErrors(t *testing.T) {
	tests := []struct {
		name   string
		stream []byte
		max    int
		want   error
	}{
		{"empty", nil, 0, io.EOF},
		{"header cut", []byte{3, 0, 0}, 0, io.ErrUnexpectedEOF},
		{"body cut", message(TypePeerUp, 100)[:99], 0, io.ErrUnexpectedEOF},
		{"version 2", []byte{2, 0, 0, 0, 6, 4}, 0, ErrFraming},
		{"length zero", []byte{3, 0, 0, 0, 0, 4}, 0, ErrFraming},
		{"length below the header's", []byte{3, 0, 0, 0, 5, 4}, 0, ErrFraming},
		{"longer than allowed", message(TypePeerUp, 101), 100, ErrFraming},
		{"longer than allowed by default", []byte{3, 0, 0x10, 0, 1, 4}, 0, ErrFraming},
		{"huge", []byte{3, 0xff, 0xff, 0xff, 0xff, 4}, 0, ErrFraming},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := NewReader(bytes.NewReader(tt.stream), tt.max, nil)
			for range 2 {
				if msg, err := r.Next(); !errors.Is(err, tt.want) || msg != nil {
					t.Errorf("got %x, %v; want %v", msg, err, tt.want)
				}
			}
		})
	}
}

// A header that promises 1 MiB must not cost 1 MiB before the octets come.
func TestReaderBufferFollowsData(t *testing.T) {
	r := NewReader(bytes.NewReader(message(TypePeerUp, 1<<20)[:1000]), 0, nil)
	if _, err := r.Next(); !errors.Is(err, io.ErrUnexpectedEOF) || len(r.buf) > readerStart {
		t.Errorf("%v with a buffer of %d octets", err, len(r.buf))
	}
}

func TestReaderTimeoutLosesNothing(t *testing.T) {
	want := message(TypePeerUp, 1000)
	src := io.MultiReader(bytes.NewReader(want[:500]), iotest.ErrReader(os.ErrDeadlineExceeded))
	r := NewReader(src, 0, nil)
	if _, err := r.Next(); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Fatalf("got %v", err)
	}
	if r.Buffered() {
		t.Error("half a message counts as a whole one")
	}
	next := NewReader(bytes.NewReader(want[500:]), 0, r.Pending())
	if got, err := next.Next(); err != nil || !bytes.Equal(got, want) {
		t.Errorf("got %d octets, %v", len(got), err)
	}
}

func TestReaderBuffered(t *testing.T) {
	stream := append(message(TypePeerUp, 50), message(TypePeerDown, 60)...)
	r := NewReader(bytes.NewReader(append(stream, 9, 9, 9, 9, 9, 9)), 0, nil)
	if r.Buffered() {
		t.Error("buffered before the first read")
	}
	for range 2 {
		if _, err := r.Next(); err != nil || !r.Buffered() {
			t.Errorf("buffered %v, %v", r.Buffered(), err)
		}
	}
	if _, err := r.Next(); !errors.Is(err, ErrFraming) || !r.Buffered() {
		t.Errorf("got %v", err)
	}
}

// FuzzReader checks that however a stream is cut into reads, the messages are the same, cover it without gaps, and end
// with an error.
func FuzzReader(f *testing.F) {
	f.Add(append(message(TypePeerUp, 50), message(TypePeerDown, 60)...), 7)
	f.Add([]byte{3, 0, 0, 0, 6, 4, 4, 0, 0, 0, 7, 4, 1, 2}, 1)
	f.Fuzz(func(t *testing.T, stream []byte, chunk int) {
		r := NewReader(&chunkReader{stream, max(1, chunk)}, 1000, nil)
		var seen []byte
		for {
			msg, err := r.Next()
			if err != nil {
				if errors.Is(err, io.EOF) && len(seen) != len(stream) {
					t.Fatalf("end of stream after %d of %d octets", len(seen), len(stream))
				}
				break
			}
			if len(msg) < HeaderSize || len(msg) > 1000 {
				t.Fatalf("message of %d octets", len(msg))
			}
			seen = append(seen, msg...)
		}
		if !bytes.HasPrefix(stream, seen) {
			t.Fatal("messages are not the stream")
		}
	})
}

type chunkReader struct {
	data []byte
	size int
}

func (c *chunkReader) Read(p []byte) (int, error) {
	if len(c.data) == 0 {
		return 0, io.EOF
	}
	n := copy(p, c.data[:min(c.size, len(c.data))])
	c.data = c.data[n:]
	return n, nil
}
