package bmp

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
)

// Sizes of the headers (RFC 7854 sections 4.1 and 4.2), in octets.
const (
	HeaderSize     = 6
	PeerHeaderSize = 42
)

// DefaultMaxMessage is the largest message a Reader accepts unless told otherwise: 1 MiB. BGP messages end at 64 KiB;
// the rest is for statistics and mirroring.
const DefaultMaxMessage = 1 << 20

const (
	readerStart = 32 << 10  // first and resting size of the buffer
	readerKeep  = 256 << 10 // a larger buffer is given back once it is empty
)

// Reader cuts a byte stream into BMP messages. It belongs to one goroutine.
type Reader struct {
	src  io.Reader
	buf  []byte // buf[r:w] is read but not yet returned
	r, w int
	max  int
	err  error // sticky
}

// NewReader makes a Reader of src. Messages longer than maxMessage octets break the framing; zero means
// DefaultMaxMessage. What pending holds is read before src, so that a stream can be continued where another Reader
// stopped.
func NewReader(src io.Reader, maxMessage int, pending []byte) *Reader {
	if maxMessage <= 0 {
		maxMessage = DefaultMaxMessage
	}
	r := &Reader{src: src, max: maxMessage, buf: make([]byte, max(readerStart, len(pending)))}
	r.w = copy(r.buf, pending)
	return r
}

// Next returns the next message, headers included. It is valid until the next call. The error is io.EOF at the end of
// the stream, io.ErrUnexpectedEOF when that lies within a message, ErrFraming when the stream is not BMP, or the
// source's own. After an error of the source other than these Next may be called again: no octet is lost by a timeout.
func (r *Reader) Next() ([]byte, error) {
	if r.err != nil {
		return nil, r.err
	}
	if err := r.fill(HeaderSize); err != nil {
		return nil, err
	}
	size, err := r.check(r.buf[r.r:])
	if err != nil {
		r.err = err
		return nil, err
	}
	if err := r.fill(size); err != nil {
		return nil, err
	}
	msg := r.buf[r.r : r.r+size : r.r+size]
	r.r += size
	return msg, nil
}

// Buffered reports whether a whole message, or an error, is at hand, so that Next will not wait for the source.
func (r *Reader) Buffered() bool {
	if r.err != nil {
		return true
	}
	if r.w-r.r < HeaderSize {
		return false
	}
	size, err := r.check(r.buf[r.r:])
	return err != nil || r.w-r.r >= size
}

// Pending returns the octets read from the source that Next has not returned. They are valid until the next call.
func (r *Reader) Pending() []byte { return r.buf[r.r:r.w:r.w] }

// check reads a common header and returns the length of its message.
func (r *Reader) check(b []byte) (int, error) {
	if b[0] != Version3 && b[0] != Version4 {
		return 0, fmt.Errorf("version %d: %w", b[0], ErrFraming)
	}
	size := binary.BigEndian.Uint32(b[1:])
	if size < HeaderSize || uint64(size) > uint64(r.max) {
		return 0, fmt.Errorf("message length %d, not within %d and %d: %w", size, HeaderSize, r.max, ErrFraming)
	}
	return int(size), nil
}

// fill reads until n octets are buffered. The buffer doubles as data arrives, so a length alone costs no memory.
func (r *Reader) fill(n int) error {
	for r.w-r.r < n {
		r.makeRoom(n)
		got, err := r.src.Read(r.buf[r.w:])
		r.w += got
		if err == nil || got > 0 && r.w-r.r >= n {
			continue
		}
		if errors.Is(err, io.EOF) {
			r.err = io.EOF
			if r.w > r.r {
				r.err = io.ErrUnexpectedEOF
			}
			return r.err
		}
		return err
	}
	return nil
}

// makeRoom leaves at least one free octet behind w.
func (r *Reader) makeRoom(n int) {
	switch {
	case r.r == r.w && len(r.buf) > readerKeep:
		r.buf, r.r, r.w = make([]byte, readerStart), 0, 0
	case r.r == r.w:
		r.r, r.w = 0, 0
	case r.r+n > len(r.buf) && r.r > 0:
		r.w = copy(r.buf, r.buf[r.r:r.w])
		r.r = 0
	}
	if r.w == len(r.buf) {
		grown := make([]byte, 2*len(r.buf))
		copy(grown, r.buf[:r.w])
		r.buf = grown
	}
}
