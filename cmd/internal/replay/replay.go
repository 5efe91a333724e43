package replay

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/telcol/telcol/cmd/internal/pcapfile"
)

// Run plays the files of the options until their end, plus the time to hold connections, or until ctx ends. Its result
// says what was sent, also when there is an error. A source address that cannot be used or a collector that is not
// there ends it at once; a connection that the collector closes, a stream with a gap and a file that stops short are
// told when everything else was sent.
func Run(ctx context.Context, o Options) (Result, error) {
	if err := o.Validate(); err != nil {
		return Result{}, err
	}
	files, err := openCaptures(&o)
	if err != nil {
		return Result{}, err
	}
	defer files.close()
	p := newPlayer(ctx, &o)
	defer p.close()
	err = p.play(files)
	skipped, fileErr := files.end()
	p.result.Skipped = skipped
	if err != nil {
		return p.result, err
	}
	err = errors.Join(append(p.lost, p.gaps(), p.refused(), fileErr)...)
	if err == nil && p.result.Sources == 0 {
		err = fmt.Errorf("%s: %w (%d packets passed over)", strings.Join(o.Files, ", "), ErrNothing, skipped)
	}
	return p.result, err
}

// play sends all packets and holds the connections.
func (p *player) play(files *captures) error {
	for f := files.next(); f != nil; f = files.next() {
		if p.o.Speed > 0 {
			if err := p.waitUntil(p.begun.Add(time.Duration(float64(f.at) / p.o.Speed))); err != nil {
				return err
			}
		}
		if err := p.packet(f.index, f.next); err != nil {
			return err
		}
		f.advance()
	}
	if p.result.Sources == 0 {
		return nil
	}
	return p.waitUntil(time.Now().Add(p.o.Hold))
}

// packet sends what a packet brings.
func (p *player) packet(file int, pkt pcapfile.Packet) error {
	if err := p.ctx.Err(); err != nil {
		return err
	}
	src := pkt.Src.Addr()
	if to, ok := p.o.Map[src]; ok {
		src = to
	}
	if pkt.Proto == pcapfile.TCP {
		return p.segment(file, src, pkt)
	}
	return p.datagram(src, pkt.Payload)
}

// waitUntil sleeps until a time, if that is not over, and ends early with ctx.
func (p *player) waitUntil(t time.Time) error {
	d := time.Until(t)
	if d <= 0 {
		return p.ctx.Err()
	}
	p.burst = 0
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-p.ctx.Done():
		return p.ctx.Err()
	}
}
