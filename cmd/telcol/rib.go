package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"github.com/telcol/telcol/collector"
)

// ribCommand is the client of a worker's looking glass.
func ribCommand(e *env) *cobra.Command {
	cmd := group(&cobra.Command{
		Use:   "rib",
		Short: "Look at the devices of a worker, their BGP peers and routes",
		Long: `Look at what a worker knows: its devices, their BMP peers, VRFs and routes, what the join would answer for
an address, and the templates, option tables and sequence numbers of their flows. ADDR is the address that a
device sends from. The commands ask the worker's HTTP address: that of --slot on this host unless --http says
another. telcol steering where ADDR tells the slot of a device.`,
	})
	cmd.AddCommand(
		ribPage(e, "devices", "The devices of the worker", nil, nil, nil),
		ribPage(e, "device ADDR", "A device with its counters", []string{"device"}, nil, nil),
		ribPage(e, "peers ADDR", "BMP peers, by view and family", []string{"device"}, []ribFlag{ribPeer}, nil),
		ribPage(e, "vrfs ADDR", "VRFs with routes", []string{"device"}, []ribFlag{ribVRF}, nil),
		ribPage(e, "routes ADDR [PREFIX]", "Routes: all, those of a prefix, or those that cover an address", []string{"device", "prefix"},
			[]ribFlag{ribVRF, ribView, ribPeer, ribFamily}, []string{"longer", "shorter", "best", "stale"}),
		ribPage(e, "lookup ADDR ADDRESS", "What the join answers for an address", []string{"device", "address"}, []ribFlag{ribVRF, ribNextHop}, nil),
		ribPage(e, "explain ADDR", "Why the join says what it says of a flow", []string{"device"},
			[]ribFlag{ribSrc, ribDst, ribVRF, ribNextHop, ribAt, ribIngress, ribEgress, ribDomain}, nil),
		ribPage(e, "quality ADDR", "How the flows of a device met its routes", []string{"device"}, nil, nil),
		ribPage(e, "aliases", "Further addresses of devices, and candidates for them", nil, nil, nil),
		ribPage(e, "options ADDR", "What a device tells of VRFs, interfaces, sampling and itself", []string{"device"}, []ribFlag{ribDomain, ribTable}, nil),
		ribPage(e, "templates ADDR", "Templates of its flows", []string{"device"}, []ribFlag{ribDomain}, nil),
		ribPage(e, "sequences ADDR", "What its sequence numbers tell: lost, late, restarts", []string{"device"}, []ribFlag{ribDomain}, nil),
	)
	return cmd
}

// ribFlag is a flag that becomes a parameter of the page.
type ribFlag struct{ name, word, help string }

var (
	ribVRF     = ribFlag{"vrf", "VRF", "route distinguisher (0:64500:1, 64500:1), name, global, or all"}
	ribView    = ribFlag{"view", "VIEW", "loc-rib, adj-rib-in-post, adj-rib-in-pre, adj-rib-out-post or adj-rib-out-pre"}
	ribPeer    = ribFlag{"peer", "ADDR", "address of the BGP peer"}
	ribFamily  = ribFlag{"family", "FAMILY", "ipv4- or ipv6-, and unicast, labelled or vpn"}
	ribSrc     = ribFlag{"src", "ADDR", "source address of the flow"}
	ribDst     = ribFlag{"dst", "ADDR", "destination address of the flow"}
	ribAt      = ribFlag{"at", "TIME", "when the flow ended: RFC 3339, or how long ago (90s)"}
	ribIngress = ribFlag{"ingress-vrf", "ID", "ingress VRF id that the flow names"}
	ribEgress  = ribFlag{"egress-vrf", "ID", "egress VRF id that the flow names"}
	ribDomain  = ribFlag{"domain", "N", "observation domain"}
	ribTable   = ribFlag{"table", "TABLE", "exporter, sampling, ingress-vrf, egress-vrf, interface, selector, sampler, selection-sequence or interface-sampling"}
	ribNextHop = ribFlag{"next-hop", "ADDR", "the next hop that a flow names"}
)

// ribSwitches are the flags without a value and the parameter that each becomes.
var ribSwitches = map[string]struct{ param, value, help string }{
	"longer":  {"match", "longer", "the longer prefixes in PREFIX as well"},
	"shorter": {"match", "shorter", "the shorter prefixes that cover PREFIX as well"},
	"best":    {"best", "true", "best paths only"},
	"stale":   {"stale", "true", "stale routes only"},
}

// ribExamples are those of the commands that are more than their arguments.
var ribExamples = map[string]string{
	"devices": "  telcol rib devices --slot 3 --all --json",
	"peers":   "  telcol rib peers 192.0.2.1 --peer 198.51.100.7",
	"routes": `  telcol rib routes 192.0.2.1 10.1.2.3
  telcol rib routes 192.0.2.1 10.0.0.0/8 --longer --best --vrf 64500:1`,
	"lookup":  "  telcol rib lookup 192.0.2.1 10.1.2.3 --vrf customer-a --next-hop 203.0.113.9",
	"explain": "  telcol rib explain 192.0.2.1 --src 10.1.2.3 --dst 10.4.5.6 --ingress-vrf 7 --at 90s",
}

// textValue is a flag's text.
type textValue struct {
	text string
	word string
}

func (v *textValue) Set(text string) error { v.text = text; return nil }
func (v *textValue) String() string        { return v.text }
func (v *textValue) Type() string          { return v.word }

// ribPage makes the command of a page. args names what its arguments are: device, then prefix (may be left away) or address.
func ribPage(e *env, use, short string, args []string, texts []ribFlag, switches []string) *cobra.Command {
	var device string // by flag, in place of the first argument
	all := func(given []string) []string {
		if device != "" {
			return append([]string{device}, given...)
		}
		return given
	}
	cmd := &cobra.Command{Use: use, Short: short, Args: func(cmd *cobra.Command, given []string) error {
		given = all(given)
		least := len(args)
		if least > 0 && args[least-1] == "prefix" {
			least--
		}
		if len(given) < least || len(given) > len(args) {
			return usagef("use it as telcol rib %s", use)
		}
		return nil
	}}
	cmd.Example = ribExamples[cmd.Name()]
	flags := addSettings(cmd, "slot", "http")
	cmd.Flags().Lookup("slot").Usage = "slot of the worker to ask, on this host"
	cmd.Flags().Lookup("http").Usage = "address of the worker to ask (default 127.0.0.1, port 8080 plus the slot)"
	if slices.Contains(args, "device") {
		cmd.Flags().StringVar(&device, "device", "", "address of the device, in place of the first argument")
	}
	values := make(map[string]*textValue)
	for _, f := range texts {
		values[f.name] = &textValue{word: f.word}
		cmd.Flags().Var(values[f.name], f.name, f.help)
	}
	on := make(map[string]*bool)
	for _, name := range switches {
		on[name] = cmd.Flags().Bool(name, false, ribSwitches[name].help)
	}
	q := ribQuery{}
	cmd.Flags().IntVar(&q.limit, "limit", 0, "lines of a page, at most 10000 (default 1000)")
	cmd.Flags().StringVar(&q.cursor, "cursor", "", "go on behind an earlier page")
	cmd.Flags().BoolVar(&q.all, "all", false, "all pages")
	cmd.Flags().BoolVar(&q.json, "json", false, "as JSON, one object a page")
	cmd.RunE = func(cmd *cobra.Command, given []string) error {
		s, err := flags.load(e)
		if err != nil {
			return err
		}
		cfg := s.Config
		if cfg.Slot >= collector.MaxSlots {
			return usagef("slot %d is out of range, want 0 to %d", cfg.Slot, collector.MaxSlots-1)
		}
		cfg.Slot = max(cfg.Slot, 0)
		if q.address = cfg.HTTPAddr(); q.address == "" {
			return usagef("http is off: the worker has no looking glass")
		}
		q.params = url.Values{}
		for name, v := range values {
			if v.text != "" {
				q.params.Set(name, v.text)
			}
		}
		for name, v := range on {
			if *v {
				q.params.Set(ribSwitches[name].param, ribSwitches[name].value)
			}
		}
		if err := checkMatch(on, len(all(given)) == len(args)); err != nil {
			return err
		}
		if err := q.aim(cmd.Name(), args, all(given)); err != nil {
			return err
		}
		return q.run(cmd.Context(), e.stdout)
	}
	return cmd
}

// checkMatch checks the flags that say which prefixes beside PREFIX are meant.
func checkMatch(on map[string]*bool, prefix bool) error {
	if on["longer"] == nil {
		return nil
	}
	switch longer, shorter := *on["longer"], *on["shorter"]; {
	case longer && shorter:
		return usagef("--longer and --shorter exclude each other")
	case longer && !prefix:
		return usagef("--longer needs a PREFIX")
	case shorter && !prefix:
		return usagef("--shorter needs a PREFIX")
	}
	return nil
}

// ribQuery is a question to a looking glass.
type ribQuery struct {
	address string
	path    string
	params  url.Values
	limit   int
	cursor  string
	all     bool
	json    bool
}

// aim turns the arguments into path and parameters.
func (q *ribQuery) aim(name string, args, given []string) error {
	q.path = "/devices"
	if name == "aliases" {
		q.path = "/aliases"
	}
	for i, text := range given {
		if args[i] != "device" {
			q.params.Set(args[i], text)
			continue
		}
		a, err := netip.ParseAddr(text)
		if err != nil {
			return usagef("%q is not the address of a device", text)
		}
		q.path += "/" + a.Unmap().String()
	}
	if name != "devices" && name != "device" && name != "aliases" {
		q.path += "/" + name
	}
	if q.limit != 0 {
		q.params.Set("limit", strconv.Itoa(q.limit))
	}
	if q.cursor != "" {
		q.params.Set("cursor", q.cursor)
	}
	return nil
}

const (
	ribPatience = 30 * time.Second // for a page; the worker gives up earlier
	ribAgain    = 2                // more tries when the worker goes away before it answers
	ribMaxPage  = 256 << 20        // octets of a page; the worker's own bound is far below
)

// run prints the page, or all from it on.
func (q *ribQuery) run(ctx context.Context, w io.Writer) error {
	u := "http://" + q.address + q.path + "?" + q.params.Encode()
	for {
		next, err := q.page(ctx, w, u)
		if err != nil || next == "" || !q.all {
			return err
		}
		u = "http://" + q.address + next
	}
}

// page prints a page and gives the path of the next one.
func (q *ribQuery) page(ctx context.Context, w io.Writer, u string) (next string, err error) {
	ctx, cancel := context.WithTimeout(ctx, ribPatience)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, u, nil)
	if err != nil {
		return "", err
	}
	req.Header.Set("Accept", "text/plain")
	if q.json {
		req.Header.Set("Accept", "application/json")
	}
	resp, err := http.DefaultClient.Do(req)
	for range ribAgain {
		if !hasEnded(resp, err) {
			break
		}
		if err == nil {
			resp.Body.Close()
		}
		resp, err = http.DefaultClient.Do(req)
	}
	if err != nil {
		var ue *url.Error
		if errors.As(err, &ue) {
			err = ue.Err
		}
		return "", fmt.Errorf("no worker answers at %s (%w): say which with --slot or --http", q.address, err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, ribMaxPage))
	if err != nil {
		return "", fmt.Errorf("worker at %s: %w", q.address, err)
	}
	if resp.StatusCode != http.StatusOK {
		return "", q.refused(resp.StatusCode, string(body))
	}
	link, _, _ := strings.Cut(resp.Header.Get("Link"), ">")
	next = strings.TrimPrefix(link, "<")
	if next != "" && q.all && !q.json {
		body = withoutMore(body)
	}
	_, err = w.Write(body)
	return next, err
}

// hasEnded reports whether the worker went away over the request. One that has taken over may be there.
func hasEnded(resp *http.Response, err error) bool {
	if err != nil {
		return errors.Is(err, io.EOF) || errors.Is(err, syscall.ECONNRESET)
	}
	return resp.StatusCode == http.StatusServiceUnavailable && resp.Header.Get("Retry-After") == "0"
}

// withoutMore cuts the line that says how to go on.
func withoutMore(body []byte) []byte {
	text := strings.TrimSuffix(string(body), "\n")
	if at := strings.LastIndexByte(text, '\n'); at >= 0 && strings.HasPrefix(text[at+1:], "more: ") {
		return body[:at+1]
	}
	return body
}

// refused is the sentence of the worker. What is wrong with the question is wrong use.
func (q *ribQuery) refused(status int, body string) error {
	sentence := strings.TrimSpace(body)
	var e struct{ Error string }
	if json.Unmarshal([]byte(body), &e) == nil && e.Error != "" {
		sentence = e.Error
	}
	switch status {
	case http.StatusBadRequest:
		return usageError(sentence)
	case http.StatusNotFound:
		if !strings.Contains(sentence, "device") {
			return fmt.Errorf("what answers at %s is no worker with a looking glass", q.address)
		}
	}
	return errors.New(sentence)
}
