// Command export sends flows with go-ipfix's exporting process, for the tests of telcol: it reads flows as JSON objects from
// standard input, exports them, prints how many there were and, after a line more or the end of input, closes.
//
//	export -to 127.0.0.1:4739 -protocol tcp -domain 7 < flows.json
//
// It is in this module because go-ipfix's exporter needs libraries that telcol does not.
package main

import (
	"bufio"
	"encoding/json"
	"flag"
	"fmt"
	"net"
	"net/netip"
	"os"
	"time"

	"github.com/vmware/go-ipfix/pkg/entities"
	"github.com/vmware/go-ipfix/pkg/exporter"
	"github.com/vmware/go-ipfix/pkg/registry"
)

// flow is one flow of standard input.
type flow struct {
	Src, Dst       netip.AddrPort
	Proto          uint8
	Bytes, Packets uint64
	Start, End     time.Time
	Pod            string // goes into an enterprise element of variable length
}

// The elements of a template, by name: those of IANA, and one of Antrea's.
var elements = []string{
	"flowStartMilliseconds", "flowEndMilliseconds", "sourceIPv4Address", "destinationIPv4Address", "sourceTransportPort",
	"destinationTransportPort", "protocolIdentifier", "packetDeltaCount", "octetDeltaCount", "sourcePodName",
}

func main() {
	to := flag.String("to", "127.0.0.1:4739", "collector")
	protocol := flag.String("protocol", "udp", "udp or tcp")
	domain := flag.Uint("domain", 1, "observation domain id")
	flag.Parse()
	if err := run(*to, *protocol, uint32(*domain)); err != nil {
		fmt.Fprintln(os.Stderr, "export:", err)
		os.Exit(1)
	}
}

func run(to, protocol string, domain uint32) error {
	registry.LoadRegistry()
	process, err := exporter.InitExportingProcess(exporter.ExporterInput{
		CollectorAddress: to, CollectorProtocol: protocol, ObservationDomainID: domain, TempRefTimeout: 1, CheckConnInterval: time.Second,
	})
	if err != nil {
		return err
	}
	defer process.CloseConnToCollector()
	out := exporter.NewBufferedIPFIXExporter(process)
	var templates [2]uint16 // of IPv4 and IPv6
	for i := range templates {
		templates[i] = process.NewTemplateID()
		values, err := describe(&flow{}, i == 1)
		if err != nil {
			return err
		}
		record := entities.NewTemplateRecordFromElements(templates[i], values)
		if err := record.PrepareRecord(); err != nil {
			return err
		}
		if err := out.AddRecord(record); err != nil {
			return err
		}
	}
	in := bufio.NewScanner(os.Stdin)
	n := 0
	for ; in.Scan() && len(in.Bytes()) > 0; n++ { // an empty line ends the flows
		var f flow
		if err := json.Unmarshal(in.Bytes(), &f); err != nil {
			return err
		}
		six := f.Src.Addr().Is6()
		values, err := describe(&f, six)
		if err != nil {
			return err
		}
		template := templates[0]
		if six {
			template = templates[1]
		}
		if err := out.AddRecord(entities.NewDataRecordFromElements(template, values)); err != nil {
			return err
		}
	}
	if err := out.Flush(); err != nil {
		return err
	}
	fmt.Println(n)
	in.Scan()
	return in.Err()
}

// describe gives a flow as elements with values.
func describe(f *flow, six bool) ([]entities.InfoElementWithValue, error) {
	var values []entities.InfoElementWithValue
	for _, name := range elements {
		pen := registry.IANAEnterpriseID
		switch {
		case name == "sourcePodName":
			pen = registry.AntreaEnterpriseID
		case six && name == "sourceIPv4Address":
			name = "sourceIPv6Address"
		case six && name == "destinationIPv4Address":
			name = "destinationIPv6Address"
		}
		e, err := registry.GetInfoElement(name, pen)
		if err != nil {
			return nil, err
		}
		values = append(values, valueOf(e, f))
	}
	return values, nil
}

// valueOf gives an element the value that a flow has for it.
func valueOf(e *entities.InfoElement, f *flow) entities.InfoElementWithValue {
	switch e.Name {
	case "flowStartMilliseconds":
		return entities.NewDateTimeMillisecondsInfoElement(e, uint64(f.Start.UnixMilli()))
	case "flowEndMilliseconds":
		return entities.NewDateTimeMillisecondsInfoElement(e, uint64(f.End.UnixMilli()))
	case "sourceTransportPort":
		return entities.NewUnsigned16InfoElement(e, f.Src.Port())
	case "destinationTransportPort":
		return entities.NewUnsigned16InfoElement(e, f.Dst.Port())
	case "protocolIdentifier":
		return entities.NewUnsigned8InfoElement(e, f.Proto)
	case "packetDeltaCount":
		return entities.NewUnsigned64InfoElement(e, f.Packets)
	case "octetDeltaCount":
		return entities.NewUnsigned64InfoElement(e, f.Bytes)
	case "sourcePodName":
		return entities.NewStringInfoElement(e, f.Pod)
	case "sourceIPv4Address", "sourceIPv6Address":
		return entities.NewIPAddressInfoElement(e, net.IP(f.Src.Addr().AsSlice()))
	default:
		return entities.NewIPAddressInfoElement(e, net.IP(f.Dst.Addr().AsSlice()))
	}
}
