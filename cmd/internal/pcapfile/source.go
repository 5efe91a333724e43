package pcapfile

import (
	"errors"
	"fmt"
	"io"

	"github.com/gopacket/gopacket"
	"github.com/gopacket/gopacket/layers"
	"github.com/gopacket/gopacket/pcapgo"
)

// linkTypes has the link types that can be read, with the one that gopacket knows them by.
var linkTypes = map[layers.LinkType]layers.LinkType{
	layers.LinkTypeNull:      layers.LinkTypeNull, // loopback of the BSDs
	layers.LinkTypeLoop:      layers.LinkTypeLoop,
	layers.LinkTypeEthernet:  layers.LinkTypeEthernet,
	layers.LinkTypeLinuxSLL:  layers.LinkTypeLinuxSLL,
	layers.LinkTypeLinuxSLL2: layers.LinkTypeLinuxSLL2,
	layers.LinkTypeRaw:       layers.LinkTypeRaw,
	layers.LinkTypeIPv4:      layers.LinkTypeRaw,
	layers.LinkTypeIPv6:      layers.LinkTypeRaw,
	12:                       layers.LinkTypeRaw, // as some systems wrote DLT_RAW
	14:                       layers.LinkTypeRaw,
}

// pcapSource reads pcap files, whose packets are all of one link.
type pcapSource struct {
	r    *pcapgo.Reader
	link layers.LinkType
}

func newPcap(r *pcapgo.Reader) (*Reader, error) {
	raw := r.LinkType() // 16 bits: what the upper half of the field says of frame check sequences is left out
	link, ok := linkTypes[raw]
	if !ok {
		return nil, fmt.Errorf("%w: %d (%v)", ErrLinkType, raw, raw)
	}
	return &Reader{src: &pcapSource{r: r, link: link}}, nil
}

func (s *pcapSource) next() ([]byte, gopacket.CaptureInfo, layers.LinkType, error) {
	data, info, err := s.r.ReadPacketData()
	if errors.Is(err, io.EOF) && info.CaptureLength > 0 {
		err = io.ErrUnexpectedEOF // the file ends between a packet's header and its octets
	}
	return data, info, s.link, err
}

// ngSource reads pcapng files.
type ngSource struct{ r *pcapgo.NgReader }

func newNg(r io.Reader) (*Reader, error) {
	ng, err := pcapgo.NewNgReader(r, pcapgo.NgReaderOptions{WantMixedLinkType: true, SkipUnknownVersion: true})
	if err != nil {
		return nil, fmt.Errorf("%w (%w)", ErrFormat, err)
	}
	return &Reader{src: &ngSource{r: ng}}, nil
}

func (s *ngSource) next() ([]byte, gopacket.CaptureInfo, layers.LinkType, error) {
	data, info, err := s.r.ReadPacketData()
	if err != nil {
		return nil, info, 0, err
	}
	link := unsupportedLink
	if len(info.AncillaryData) > 0 {
		if raw, ok := info.AncillaryData[0].(layers.LinkType); ok {
			if known, ok := linkTypes[raw]; ok {
				link = known
			}
		}
	}
	return data, info, link, nil
}

// unsupportedLink stands for every link type that is not in linkTypes.
const unsupportedLink = layers.LinkType(1<<16 - 1)
