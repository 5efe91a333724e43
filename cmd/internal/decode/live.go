package decode

import (
	"bufio"
	"context"
	"io"
)

// live reads a capture that may still be written, by tcpdump at the other end of a pipe: what was decoded is shown before it waits for
// more, and the wait ends with ctx. Then the read that is under way is left behind.
type live struct {
	ctx  context.Context
	in   io.Reader
	out  *bufio.Writer
	text []byte // read and not yet taken
	buf  []byte
	err  error // behind it
}

// Read reads what there is.
func (l *live) Read(p []byte) (int, error) {
	if len(l.text) == 0 && l.err == nil {
		if l.err = l.out.Flush(); l.err == nil {
			l.fill(len(p))
		}
	}
	n := copy(p, l.text)
	if l.text = l.text[n:]; n > 0 {
		return n, nil
	}
	return 0, l.err
}

// fill waits for more.
func (l *live) fill(size int) {
	if l.err = l.ctx.Err(); l.err != nil {
		return
	}
	if cap(l.buf) < size {
		l.buf = make([]byte, size)
	}
	type result struct {
		n   int
		err error
	}
	done, buf, in := make(chan result, 1), l.buf[:size], l.in
	go func() {
		n, err := in.Read(buf)
		done <- result{n, err}
	}()
	select {
	case r := <-done:
		l.text, l.err = buf[:r.n], r.err
	case <-l.ctx.Done():
		l.err = l.ctx.Err()
	}
}
