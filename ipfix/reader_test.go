package ipfix

import (
	"bytes"
	"errors"
	"io"
	"os"
	"testing"
	"testing/iotest"
)

// readAll gives the messages of a stream and why it ended.
func readAll(r *Reader) (msgs [][]byte, err error) {
	for {
		msg, err := r.Next()
		if err != nil {
			return msgs, err
		}
		msgs = append(msgs, bytes.Clone(msg))
	}
}

func TestReader(t *testing.T) {
	short := buildMessage(t, VersionIPFIX, 1, func(b *Builder) { b.Template(256, fields(1, 4)...) })
	long := buildMessage(t, VersionIPFIX, 2, func(b *Builder) { b.Set(300); b.Pad(maxMessage - 20) })
	empty := buildMessage(t, VersionIPFIX, 3, func(*Builder) {})
	join := func(m ...[]byte) []byte { return bytes.Join(m, nil) }
	for _, c := range []struct {
		name   string
		stream []byte
		want   [][]byte
		err    error
	}{
		{"nothing", nil, nil, io.EOF},
		{"messages of all lengths", join(short, long, empty, long, short), [][]byte{short, long, empty, long, short}, io.EOF},
		{"cut within a message", join(short, long[:5000]), [][]byte{short}, io.ErrUnexpectedEOF},
		{"cut within a header", join(short, short[:3]), [][]byte{short}, io.ErrUnexpectedEOF},
		{"another version", join(short, []byte{0, 9, 0, 1}), [][]byte{short}, ErrVersion},
		{"another version, two octets", []byte("GE"), nil, ErrVersion},
		{"length less than a header's", []byte{0, 10, 0, 15, 1, 2}, nil, ErrShort},
		{"length zero", []byte{0, 10, 0, 0}, nil, ErrShort},
	} {
		t.Run(c.name, func(t *testing.T) {
			for how, r := range map[string]io.Reader{
				"whole":    bytes.NewReader(c.stream),
				"by octet": iotest.OneByteReader(bytes.NewReader(c.stream)),
				"by half":  iotest.HalfReader(iotest.DataErrReader(bytes.NewReader(c.stream))),
			} {
				reader := NewReader(r)
				got, err := readAll(reader)
				if !errors.Is(err, c.err) {
					t.Errorf("%s: got error %v, want %v", how, err, c.err)
				}
				if len(got) != len(c.want) {
					t.Fatalf("%s: got %d messages, want %d", how, len(got), len(c.want))
				}
				for i := range got {
					if !bytes.Equal(got[i], c.want[i]) {
						t.Errorf("%s: message %d differs", how, i)
					}
				}
				if _, again := reader.Next(); !errors.Is(again, c.err) {
					t.Errorf("%s: the next call says %v", how, again)
				}
			}
		})
	}
}

// TestReaderGoesOn has a timeout in the middle of a message.
func TestReaderGoesOn(t *testing.T) {
	msg := buildMessage(t, VersionIPFIX, 1, func(b *Builder) { b.Set(300); b.Pad(100) })
	in, out := io.Pipe()
	steps := make(chan struct{})
	go func() {
		for _, part := range [][]byte{msg[:1], msg[1:50], append(bytes.Clone(msg[50:]), msg...)} {
			<-steps
			out.Write(part)
		}
	}()
	late := false
	r := NewReader(readFunc(func(b []byte) (int, error) {
		if late = !late; late {
			return 0, os.ErrDeadlineExceeded
		}
		steps <- struct{}{}
		return in.Read(b)
	}))
	timeouts := 0
	for {
		got, err := r.Next()
		if err == nil {
			if !bytes.Equal(got, msg) {
				t.Error("the message differs")
			}
			break
		}
		if timeouts++; !errors.Is(err, os.ErrDeadlineExceeded) || r.Partial() != (timeouts > 1) || r.Buffered() {
			t.Fatalf("%v; partial %v", err, r.Partial())
		}
	}
	if timeouts != 3 || !r.Buffered() || r.Partial() {
		t.Errorf("%d timeouts, buffered %v, partial %v", timeouts, r.Buffered(), r.Partial())
	}
}

type readFunc func([]byte) (int, error)

func (f readFunc) Read(b []byte) (int, error) { return f(b) }

// FuzzReader holds that messages are cut the same however the stream comes, that they are the stream, and that the buffer is no larger
// than twice what came.
func FuzzReader(f *testing.F) {
	for _, msg := range seeds(f) {
		f.Add(msg, uint8(3))
		f.Add(append(bytes.Clone(msg), msg...), uint8(200))
	}
	f.Add([]byte{0, 10, 0xff, 0xff, 0}, uint8(1))
	f.Fuzz(func(t *testing.T, stream []byte, step uint8) {
		whole := NewReader(bytes.NewReader(stream))
		want, wantErr := readAll(whole)
		parts := NewReader(&stepReader{stream, int(step) + 1})
		got, gotErr := readAll(parts)
		if len(got) != len(want) || gotErr.Error() != wantErr.Error() {
			t.Fatalf("%d messages and %v in steps, %d and %v at once", len(got), gotErr, len(want), wantErr)
		}
		at := 0
		for i, msg := range got {
			n, err := MessageLength(msg)
			if err != nil || n != len(msg) || !bytes.Equal(msg, want[i]) || !bytes.Equal(msg, stream[at:at+n]) {
				t.Fatalf("message %d of %d octets, %v", i, len(msg), err)
			}
			at += n
		}
		if errors.Is(gotErr, io.EOF) != (at == len(stream)) {
			t.Fatalf("%d of %d octets are messages, then %v", at, len(stream), gotErr)
		}
		for _, r := range []*Reader{whole, parts} {
			if len(r.buf) > max(readerRoom, min(2*len(stream), maxMessage)) {
				t.Fatalf("buffer of %d octets for a stream of %d", len(r.buf), len(stream))
			}
		}
	})
}

// stepReader gives so many octets at a time.
type stepReader struct {
	left []byte
	step int
}

func (r *stepReader) Read(b []byte) (int, error) {
	if len(r.left) == 0 {
		return 0, io.EOF
	}
	n := copy(b, r.left[:min(r.step, len(r.left))])
	r.left = r.left[n:]
	return n, nil
}
