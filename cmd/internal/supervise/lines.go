package supervise

import (
	"bytes"
	"io"
	"sync"
)

// Output is where several processes write lines, each of which stays whole.
type Output struct {
	mu sync.Mutex
	w  io.Writer
}

// NewOutput gives the output behind which w is.
func NewOutput(w io.Writer) *Output { return &Output{w: w} }

// Write writes whole lines.
func (o *Output) Write(b []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.w.Write(b)
}

// lines hands the lines of one process to an output. It is used by one goroutine.
type lines struct {
	out    *Output
	prefix string // of each line but those that are JSON, which stay so
	fails  bool   // Write tells when the output cannot be written, and the process loses its reader: of records, which it counts as written
	rest   []byte // of a line that has no end yet
}

// maxLine is how long a line may grow before it is passed on in pieces.
const maxLine = 1 << 20

// Write takes whatever the process has written. For a log it never fails, since a process must not end for what becomes of that.
func (l *lines) Write(b []byte) (int, error) {
	l.rest = append(l.rest, b...)
	end := bytes.LastIndexByte(l.rest, '\n') + 1
	if end == 0 && len(l.rest) >= maxLine {
		end = len(l.rest)
	}
	if end > 0 {
		if err := l.put(l.rest[:end]); err != nil && l.fails {
			return 0, err
		}
		l.rest = append(l.rest[:0], l.rest[end:]...)
	}
	return len(b), nil
}

// flush passes on what is left when the process has ended.
func (l *lines) flush() {
	if len(l.rest) > 0 {
		_ = l.put(append(l.rest, '\n'))
		l.rest = nil
	}
}

func (l *lines) put(text []byte) error {
	if l.prefix == "" {
		_, err := l.out.Write(text)
		return err
	}
	var marked []byte
	for line := range bytes.Lines(text) {
		if line[0] != '{' {
			marked = append(marked, l.prefix...)
		}
		marked = append(marked, line...)
	}
	_, err := l.out.Write(marked)
	return err
}
