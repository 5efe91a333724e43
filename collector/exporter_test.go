package collector

import (
	"encoding/json"
	"fmt"
	"net"
	"testing"

	"github.com/vmware/go-ipfix/pkg/entities"
	"github.com/vmware/go-ipfix/pkg/exporter"
	"github.com/vmware/go-ipfix/pkg/registry"
)

// exporterElements are what the exporter of go-ipfix is made to send; a name has variable length there.
var exporterElements = []string{
	"sourceIPv4Address", "destinationIPv4Address", "sourceTransportPort", "destinationTransportPort", "protocolIdentifier",
	"octetDeltaCount", "packetDeltaCount", "flowStartMilliseconds", "interfaceName",
}

// exportRecords sends n records of a template by go-ipfix's exporting process.
func exportRecords(t *testing.T, network, to string, n int) {
	t.Helper()
	ep, err := exporter.InitExportingProcess(exporter.ExporterInput{
		CollectorAddress: to, CollectorProtocol: network, ObservationDomainID: 9, TempRefTimeout: 1,
	})
	if err != nil {
		t.Fatal(err)
	}
	defer ep.CloseConnToCollector()
	id := ep.NewTemplateID()
	template := entities.NewSet(false)
	if err := template.PrepareSet(entities.Template, id); err != nil {
		t.Fatal(err)
	}
	var elements []entities.InfoElementWithValue
	for _, name := range exporterElements {
		ie, err := registry.GetInfoElement(name, registry.IANAEnterpriseID)
		if err != nil {
			t.Fatal(err)
		}
		e, err := entities.DecodeAndCreateInfoElementWithValue(ie, nil)
		if err != nil {
			t.Fatal(err)
		}
		elements = append(elements, e)
	}
	if err := template.AddRecord(elements, id); err != nil {
		t.Fatal(err)
	}
	if _, err := ep.SendSet(template); err != nil {
		t.Fatal(err)
	}
	for i := range n {
		data := entities.NewSet(false)
		if err := data.PrepareSet(entities.Data, id); err != nil {
			t.Fatal(err)
		}
		elements[0].SetIPAddressValue(net.IPv4(10, 1, 0, 1).To4())
		elements[1].SetIPAddressValue(net.IPv4(10, 1, byte(i>>8), byte(i)).To4())
		elements[2].SetUnsigned16Value(uint16(1000 + i))
		elements[3].SetUnsigned16Value(443)
		elements[4].SetUnsigned8Value(6)
		elements[5].SetUnsigned64Value(uint64(100 * i))
		elements[6].SetUnsigned64Value(uint64(i))
		elements[7].SetUnsigned64Value(1_700_000_000_123)
		elements[8].SetStringValue(fmt.Sprintf("eth%d", i))
		if err := data.AddRecord(elements, id); err != nil {
			t.Fatal(err)
		}
		if _, err := ep.SendSet(data); err != nil {
			t.Fatal(err)
		}
	}
}

// TestExporterOfGoIPFIX takes what go-ipfix's exporting process sends, over UDP and over TCP, and finds every value in the records.
func TestExporterOfGoIPFIX(t *testing.T) {
	registry.LoadRegistry() // before any worker reads its maps, which have no lock
	for _, network := range []string{"udp", "tcp"} {
		t.Run(network, func(t *testing.T) {
			const n = 50
			r := startTest(t, func(c *Config) { c.Record.Extra = ExtraAll })
			exportRecords(t, network, r.cfg.ListenIPFIX, n)
			waitFor(t, "all records to be taken", func() bool {
				return r.metrics(t)[`telcol_ipfix_records_total{kind="data",}`] == n
			})
			m := r.metrics(t)
			if m[`telcol_ipfix_sequence_total{result="lost",}`] != 0 || m[`telcol_ipfix_held_sets_total{result="held",}`] != 0 {
				t.Errorf("sequence or templates went wrong: %v", m)
			}
			r.stop(t)
			lines := r.stdout.lines()
			if len(lines) != n {
				t.Fatalf("got %d records, want %d", len(lines), n)
			}
			for i, line := range lines {
				checkExported(t, i, line)
			}
		})
	}
}

// checkExported compares record i with what exportRecords sent.
func checkExported(t *testing.T, i int, line string) {
	t.Helper()
	var got struct {
		Src     string            `json:"src_addr"`
		Dst     string            `json:"dst_addr"`
		SrcPort int               `json:"src_port"`
		DstPort int               `json:"dst_port"`
		Proto   int               `json:"proto"`
		Bytes   int               `json:"bytes"`
		Packets int               `json:"packets"`
		Start   string            `json:"time_flow_start"`
		Domain  int               `json:"observation_domain_id"`
		Extra   map[string]string `json:"extra"`
	}
	if err := json.Unmarshal([]byte(line), &got); err != nil {
		t.Fatal(err)
	}
	if got.Src != "10.1.0.1" || got.Dst != fmt.Sprintf("10.1.%d.%d", i>>8, i&255) || got.SrcPort != 1000+i || got.DstPort != 443 ||
		got.Proto != 6 || got.Bytes != 100*i || got.Packets != i || got.Start != "2023-11-14T22:13:20.123000000Z" || got.Domain != 9 ||
		got.Extra["interfaceName"] != fmt.Sprintf("eth%d", i) {
		t.Errorf("record %d: %s", i, line)
	}
}
