package replay

import (
	"fmt"
	"net/netip"
	"os"
	"slices"

	"github.com/telcol/telcol/cmd/internal/pcapfile"
	"github.com/telcol/telcol/ipfix"
)

// input gives the packets of a file in the order of their time: as they come from a file that has them in order, which
// may be of any size, else from memory.
type input struct {
	file   *os.File
	reader *pcapfile.Reader
	only   Only
	flows  map[[2]netip.AddrPort]bool // the file's TCP streams, whether they carry IPFIX; if only one protocol is wanted

	sorted []pcapfile.Packet // those to come, if the file was not in order
	err    error             // behind the last of them
}

// openInput opens a file, finds out whether its packets are in order, and sorts them if they are not.
func openInput(name string, only Only) (input, error) {
	in := input{only: only}
	if err := in.open(name); err != nil {
		return in, err
	}
	if only != Everything {
		in.classify()
		if err := in.open(name); err != nil {
			return in, err
		}
	}
	ordered := in.ordered()
	if err := in.open(name); err != nil { // again from its beginning
		return in, err
	}
	if !ordered {
		in.sort()
	}
	return in, nil
}

func (in *input) open(name string) (err error) {
	in.close()
	if in.file, err = os.Open(name); err != nil {
		return err
	}
	if in.reader, err = pcapfile.NewReader(in.file); err != nil {
		in.close()
		return fmt.Errorf("%s: %w", name, err)
	}
	return nil
}

// classify reads the file and notes what its TCP streams carry. What is wrong with the file comes again when it is played.
func (in *input) classify() {
	in.flows = make(map[[2]netip.AddrPort]bool)
	for p, err := in.reader.Next(); err == nil; p, err = in.reader.Next() {
		key := [2]netip.AddrPort{p.Src, p.Dst}
		if _, known := in.flows[key]; !known && p.Proto == pcapfile.TCP && len(p.Payload) > 0 {
			in.flows[key] = carriesIPFIX(p.Payload)
		}
	}
}

// carriesIPFIX tells by its first octets whether a TCP stream carries IPFIX; all others are taken for BMP.
func carriesIPFIX(first []byte) bool {
	_, err := ipfix.MessageLength(first)
	return err == nil
}

// wanted reports whether a packet is to be played.
func (in *input) wanted(p *pcapfile.Packet) bool {
	switch {
	case in.only == Everything:
		return true
	case p.Proto == pcapfile.TCP:
		return in.flows[[2]netip.AddrPort{p.Src, p.Dst}] == (in.only == IPFIX)
	}
	return in.only == IPFIX
}

// ordered reads the file and compares the times. What is wrong with the file comes again when it is played.
func (in *input) ordered() bool {
	last, err := in.next()
	for err == nil {
		var p pcapfile.Packet
		if p, err = in.next(); err == nil && p.Time.Before(last.Time) {
			return false
		}
		last = p
	}
	return true
}

func (in *input) sort() {
	var p pcapfile.Packet
	var packets []pcapfile.Packet
	for p, in.err = in.next(); in.err == nil; p, in.err = in.next() {
		packets = append(packets, p)
	}
	slices.SortStableFunc(packets, func(a, b pcapfile.Packet) int { return a.Time.Compare(b.Time) })
	in.sorted = packets
}

// next returns the next packet that is to be played.
func (in *input) next() (pcapfile.Packet, error) {
	if in.err != nil {
		if len(in.sorted) == 0 {
			return pcapfile.Packet{}, in.err
		}
		p := in.sorted[0]
		in.sorted[0] = pcapfile.Packet{} // its payload is not needed any more
		in.sorted = in.sorted[1:]
		return p, nil
	}
	for {
		p, err := in.reader.Next()
		if err != nil {
			return p, err
		}
		if in.wanted(&p) {
			return p, nil
		}
	}
}

func (in *input) skipped() pcapfile.Skipped { return in.reader.Skipped() }

func (in *input) close() {
	if in.file != nil {
		_ = in.file.Close() // it was only read
		in.file = nil
	}
}
