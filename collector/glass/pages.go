package glass

import (
	"fmt"
	"io"
)

// page is one kind of question.
type page struct {
	pattern string   // of the path, as net/http has them
	params  []string // beside format
	about   string
	answer  func(*request) (answer, error)
}

// pages are all pages but the index.
var pages = []page{
	{"/devices", []string{"limit", "cursor"}, "the devices of this worker", devicesPage},
	{"/devices/{device}", nil, "a device with its counters", devicePage},
	{"/devices/{device}/peers", []string{"peer", "limit", "cursor"}, "its BMP peers, by view and family", peersPage},
	{"/devices/{device}/vrfs", []string{"vrf", "limit", "cursor"}, "its VRFs", vrfsPage},
	{
		"/devices/{device}/routes",
		[]string{"prefix", "match", "vrf", "view", "peer", "family", "best", "stale", "limit", "cursor"},
		"its routes", routesPage,
	},
	{
		"/devices/{device}/lookup",
		[]string{"address", "vrf", "next-hop", "limit", "cursor"},
		"what the join answers for an address", lookupPage,
	},
	{
		"/devices/{device}/explain",
		[]string{"src", "dst", "vrf", "next-hop", "domain", "ingress-vrf", "egress-vrf", "at"},
		"why the join says what it says of a flow", explainPage,
	},
	{"/devices/{device}/quality", nil, "how its flows met its routes", qualityPage},
	{"/aliases", nil, "further addresses of devices, and candidates for them", aliasesPage},
	{"/devices/{device}/options", []string{"domain", "table", "limit", "cursor"}, "what it tells of VRFs, interfaces, sampling and itself", optionsPage},
	{"/devices/{device}/templates", []string{"domain", "limit", "cursor"}, "its templates", templatesPage},
	{"/devices/{device}/sequences", []string{"domain", "limit", "cursor"}, "what its sequence numbers tell, by observation domain", sequencesPage},
}

// indexPage lists the pages. It is not one of them, for it reads their table.
var indexPage = page{pattern: "/", answer: func(rq *request) (answer, error) {
	return &index{Slot: rq.glass.cfg.Slot, Pages: describePages()}, nil
}}

type index struct {
	Slot  int         `json:"slot"`
	Pages []pageAbout `json:"pages"`
	Next
}

type pageAbout struct {
	Path       string   `json:"path"`
	Parameters []string `json:"parameters"`
	About      string   `json:"about"`
}

func describePages() []pageAbout {
	list := make([]pageAbout, len(pages))
	for i, p := range pages {
		list[i] = pageAbout{p.pattern, append(p.params[:len(p.params):len(p.params)], "format"), p.about}
	}
	return list
}

func (x *index) text(w io.Writer) {
	for _, p := range x.Pages {
		fmt.Fprintf(w, "%s\t%s\n", p.Path, p.About)
	}
}
