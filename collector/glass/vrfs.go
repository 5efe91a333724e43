package glass

import (
	"cmp"
	"fmt"
	"io"
	"iter"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"github.com/telcol/telcol/correlate"
	"github.com/telcol/telcol/correlate/rib"
)

// VRF is a line of /devices/{device}/vrfs.
type VRF struct {
	RD     string     `json:"rd"` // 0:0:0 is the global table
	Names  []string   `json:"names"`
	Routes int        `json:"routes"`
	Tables []VRFTable `json:"tables"`
}

// VRFTable is a view and IP version of a VRF.
type VRFTable struct {
	View      string `json:"view"`
	IPVersion int    `json:"ip_version"`
	Routes    int    `json:"routes"`
	Prefixes  int    `json:"prefixes"`
}

// VRFs is /devices/{device}/vrfs.
type VRFs struct {
	Device string `json:"device"`
	VRFs   []VRF  `json:"vrfs"`
	Next
}

func vrfsPage(rq *request) (answer, error) {
	part, names, more, err := rq.vrfPage(rq.params.Get("vrf"))
	if err != nil {
		return nil, err
	}
	out := &VRFs{Device: rq.device.String(), VRFs: []VRF{}}
	if more {
		out.Next.Next = rq.cursorAt(0, part[len(part)-1].String())
	}
	for i := 0; i < len(part); {
		if err := rq.slice(func(d *correlate.Device) (steps int) {
			for ; i < len(part) && steps < sliceSteps; i++ {
				steps += lineSteps * out.add(d, part[i], names[part[i]])
			}
			return steps
		}); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// add describes a VRF and returns the number of lines it took.
func (x *VRFs) add(d *correlate.Device, rd rib.RD, names []string) int {
	tables := d.RIB().VRFTables(rd)
	if len(tables) == 0 {
		return 1
	}
	v := VRF{RD: rd.String(), Names: append([]string{}, names...), Tables: make([]VRFTable, len(tables))}
	for i, t := range tables {
		v.Tables[i] = VRFTable{View: t.View.String(), IPVersion: 4, Routes: t.Routes, Prefixes: t.Prefixes}
		if t.IPv6 {
			v.Tables[i].IPVersion = 6
		}
		v.Routes += t.Routes
	}
	x.VRFs = append(x.VRFs, v)
	return 1 + len(tables)
}

func (x *VRFs) text(w io.Writer) {
	fmt.Fprintln(w, "RD\tNAMES\tVIEW\tIP\tROUTES\tPREFIXES")
	for _, v := range x.VRFs {
		for _, t := range v.Tables {
			fmt.Fprintf(w, "%s\t%s\t%s\t%d\t%d\t%d\n", v.RD, dash(plain(joined(v.Names))), t.View, t.IPVersion, t.Routes, t.Prefixes)
		}
	}
}

func joined(list []string) string { return strings.Join(list, ",") }

// vrfPage gives the VRFs with routes of this page, all or those that a parameter names, with the names of all VRFs.
func (rq *request) vrfPage(which string) (part []rib.RD, names map[rib.RD][]string, more bool, err error) {
	var after *rib.RD
	if rq.cursor.Last != "" {
		rd, err := rib.ParseRD(rq.cursor.Last)
		if err != nil {
			return nil, nil, false, badf("the cursor is damaged")
		}
		after = &rd
	}
	names, err = rq.vrfNames()
	if err != nil {
		return nil, nil, false, err
	}
	wanted, err := chooseVRFs(which, names)
	if err != nil {
		return nil, nil, false, err
	}
	var all []rib.RD
	vrfs := func(d *correlate.Device) iter.Seq[rib.RD] { return d.RIB().VRFs() }
	if err := each(rq, vrfs, func(rd rib.RD) {
		if wanted == nil || wanted[rd] {
			all = append(all, rd)
		}
	}); err != nil {
		return nil, nil, false, err
	}
	part, more = pageOf(all, cmp.Compare[rib.RD], after, rq.limit)
	return part, names, more, nil
}

// globalName names the VRF zero, beside what the device may call it.
const globalName = "global"

// vrfNames gathers what the VRFs of the device are called.
func (rq *request) vrfNames() (map[rib.RD][]string, error) {
	type named struct {
		name string
		rd   rib.RD
	}
	names := make(map[rib.RD][]string)
	seq := func(d *correlate.Device) iter.Seq[named] {
		return func(yield func(named) bool) {
			for name, rd := range d.VRFNames() {
				if !yield(named{name, rd}) {
					return
				}
			}
		}
	}
	err := each(rq, seq, func(v named) {
		if v.name != "" && !slices.Contains(names[v.rd], v.name) {
			names[v.rd] = append(names[v.rd], v.name)
		}
	})
	for _, list := range names {
		slices.Sort(list)
	}
	return names, err
}

// chooseVRFs turns a parameter into the VRFs it names, nil for all: a route distinguisher, a name (which may stand for several), or
// "global".
func chooseVRFs(text string, names map[rib.RD][]string) (map[rib.RD]bool, error) {
	if text == "" || text == "all" {
		return nil, nil
	}
	wanted := make(map[rib.RD]bool)
	if text == globalName {
		wanted[0] = true
		return wanted, nil
	}
	for rd, list := range names {
		if slices.Contains(list, text) {
			wanted[rd] = true
		}
	}
	if rd, ok := parseRD(text); ok {
		wanted[rd] = true
	}
	if len(wanted) == 0 {
		return nil, badf("vrf %q is neither a route distinguisher (type:admin:value, admin:value) nor a name this device has told", text)
	}
	return wanted, nil
}

// parseRD reads type:admin:value, and admin:value as routers show it: an address is of type 1, an AS number of type 0 if it fits, else 2.
func parseRD(text string) (rib.RD, bool) {
	if strings.Count(text, ":") == 1 {
		admin, _, _ := strings.Cut(text, ":")
		typ := "0:"
		if _, err := netip.ParseAddr(admin); err == nil {
			typ = "1:"
		} else if n, err := strconv.ParseUint(admin, 10, 32); err == nil && n > 1<<16-1 {
			typ = "2:"
		}
		text = typ + text
	}
	rd, err := rib.ParseRD(text)
	return rd, err == nil
}
