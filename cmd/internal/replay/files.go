package replay

import (
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/telcol/telcol/cmd/internal/pcapfile"
)

// capture is one file being played: its next packet is read, those behind are not.
type capture struct {
	name  string
	index int
	input input
	first time.Time // of the file's first packet that is played
	begun bool

	next pcapfile.Packet
	at   time.Duration // of next, since first
	err  error         // why there is no next; nil at the end of the file
	done bool
}

// captures gives the packets of all files in the order of their time since the beginning of their file.
type captures struct{ list []*capture }

// openCaptures opens all files and reads their first packets, so that a wrong file is found before anything is sent.
func openCaptures(o *Options) (*captures, error) {
	c := &captures{}
	for i, name := range o.Files {
		in, err := openInput(name, o.Only)
		if err != nil {
			c.close()
			return nil, err
		}
		f := &capture{name: name, index: i, input: in}
		c.list = append(c.list, f)
		f.advance()
	}
	return c, nil
}

// next returns the file whose packet is the next to be sent, nil at the end of all.
func (c *captures) next() *capture {
	var earliest *capture
	for _, f := range c.list {
		if !f.done && (earliest == nil || f.at < earliest.at) {
			earliest = f
		}
	}
	return earliest
}

// advance reads the next packet that is to be sent.
func (f *capture) advance() {
	p, err := f.input.next()
	if err != nil {
		f.done = true
		if !errors.Is(err, io.EOF) {
			f.err = fmt.Errorf("%s: %w", f.name, err)
		}
		return
	}
	if !f.begun {
		f.begun, f.first = true, p.Time
	}
	f.next, f.at = p, p.Time.Sub(f.first)
}

// end gives the counts and errors of all files.
func (c *captures) end() (skipped int, err error) {
	for _, f := range c.list {
		s := f.input.skipped()
		skipped += s.Cut + s.Fragments + s.Link + s.Other
		err = errors.Join(err, f.err)
	}
	return skipped, err
}

func (c *captures) close() {
	for _, f := range c.list {
		f.input.close()
	}
}
