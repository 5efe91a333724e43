package ipfix

import (
	"errors"
	"fmt"
	"io"
)

// Reader frames the messages of a byte stream, RFC 7011 section 10.4: each says its length. It belongs to one goroutine.
type Reader struct {
	r          io.Reader
	buf        []byte
	start, end int // of what was read and not yet given
	err        error
}

// readerRoom is the room that a Reader begins with. It grows by what has come, up to that of the longest message, never by a length
// that a message says it has.
const readerRoom = 4096

// NewReader returns a Reader of r.
func NewReader(r io.Reader) *Reader { return &Reader{r: r, buf: make([]byte, readerRoom)} }

// Next returns the next whole message, which is valid until the call after. The error is io.EOF when the stream ends between two
// messages, io.ErrUnexpectedEOF when it ends within one, and wraps ErrVersion or ErrShort when what follows is no IPFIX message:
// then the framing is lost and every later call says so. An error of the stream itself, such as a timeout, is returned as
// it is, and a later call goes on where it happened.
func (r *Reader) Next() ([]byte, error) {
	for {
		msg, err := r.cut()
		if msg != nil || err != nil {
			return msg, err
		}
		if err := r.fill(); err != nil {
			return nil, err
		}
	}
}

// Buffered reports whether Next will return without reading from the stream.
func (r *Reader) Buffered() bool {
	if r.err != nil {
		return true
	}
	n, err := MessageLength(r.buf[r.start:r.end])
	return err == nil && r.end-r.start >= n || r.framing(err) != nil
}

// Partial reports whether a message has begun to come that is not whole.
func (r *Reader) Partial() bool { return r.end > r.start && !r.Buffered() }

// Pending returns the octets that were read from the stream and not returned by Next. They are valid until the next call.
func (r *Reader) Pending() []byte { return r.buf[r.start:r.end:r.end] }

// cut takes a whole message from the buffer, nil if there is none.
func (r *Reader) cut() ([]byte, error) {
	if r.err != nil {
		return nil, r.err
	}
	have := r.buf[r.start:r.end]
	n, err := MessageLength(have)
	switch {
	case err != nil:
		r.err = r.framing(err)
		return nil, r.err // nil as long as only the header is not whole
	case len(have) < n:
		return nil, nil
	}
	r.start += n
	return have[:n:n], nil
}

// framing says what is wrong with the octets that should begin a message, nil if they are just too few.
func (r *Reader) framing(err error) error {
	switch have := r.buf[r.start:r.end]; {
	case len(have) >= 2 && Version(have) != VersionIPFIX:
		err = ErrVersion
	case err == nil, len(have) < 4:
		return nil
	}
	return fmt.Errorf("stream of messages: %w", err)
}

// fill reads more, after making room for it.
func (r *Reader) fill() error {
	if r.start > 0 {
		r.end = copy(r.buf, r.buf[r.start:r.end])
		r.start = 0
	}
	if r.end == len(r.buf) { // all of it is one message that goes on
		grown := make([]byte, min(2*len(r.buf), maxMessage))
		copy(grown, r.buf)
		r.buf = grown
	}
	n, err := r.r.Read(r.buf[r.end:])
	r.end += n
	switch {
	case n > 0:
		return nil // an error comes again with the next read
	case errors.Is(err, io.EOF) && r.end > 0:
		return io.ErrUnexpectedEOF
	case err == nil:
		return io.ErrNoProgress
	}
	return err
}
