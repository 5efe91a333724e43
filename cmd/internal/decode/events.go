package decode

import (
	"encoding/json"
	"net/netip"
	"time"
)

// What is shown, as it stands in JSON. Each has its kind first.

// messageEvent is a message's header with its sets.
type messageEvent struct {
	Kind      string         `json:"kind"`
	Time      time.Time      `json:"time"` // of the capture
	Device    netip.Addr     `json:"device"`
	From      netip.AddrPort `json:"from"`
	To        netip.AddrPort `json:"to"`
	Transport string         `json:"transport"`
	Protocol  string         `json:"protocol"`
	Domain    uint32         `json:"domain"`
	Sequence  uint32         `json:"sequence"`
	Exported  time.Time      `json:"exported"`
	Uptime    uint32         `json:"uptime_ms,omitempty"` // NetFlow v9
	Octets    int            `json:"octets"`
	Sets      []setEvent     `json:"sets"`
}

// setEvent is where a set lies in its message, header included.
type setEvent struct {
	ID     uint16 `json:"id"`
	Offset int    `json:"offset"`
	Octets int    `json:"octets"`
}

// templateEvent is a template that was told, told anew or withdrawn.
type templateEvent struct {
	Kind     string       `json:"kind"`
	Device   netip.Addr   `json:"device"`
	Domain   uint32       `json:"domain"`
	Template uint16       `json:"template"`
	Change   string       `json:"change"`
	Options  bool         `json:"options,omitempty"`
	Fields   []fieldEvent `json:"fields,omitempty"`
}

// fieldEvent is a field of a template.
type fieldEvent struct {
	Name   string `json:"name"`
	ID     uint16 `json:"id"`
	PEN    uint32 `json:"pen,omitempty"`
	Octets any    `json:"octets"` // a number, or "variable"
	Type   string `json:"type,omitempty"`
	Scope  bool   `json:"scope,omitempty"`
}

// recordEvent is a data or options record.
type recordEvent struct {
	Kind     string          `json:"kind"`
	Device   netip.Addr      `json:"device"`
	Domain   uint32          `json:"domain"`
	Sequence uint32          `json:"sequence"`
	Template uint16          `json:"template"`
	Offset   *uint32         `json:"offset,omitempty"` // octet of the message at which a data record begins
	Held     bool            `json:"held,omitempty"`   // came before its template, in an earlier message
	Fields   json.RawMessage `json:"fields"`           // in JSON; a repeated element is an array
	Record   json.RawMessage `json:"record,omitempty"` // as a worker would publish it, without routes

	texts []fieldText // for people
}

// fieldText is one field of a record for people.
type fieldText struct{ name, value string }

// unknownEvent is a data set without a template.
type unknownEvent struct {
	Kind     string     `json:"kind"`
	Device   netip.Addr `json:"device"`
	Domain   uint32     `json:"domain"`
	Template uint16     `json:"template"`
	Octets   int        `json:"octets"`
}

// malformedEvent is a message or a part of one that could not be read.
type malformedEvent struct {
	Kind   string         `json:"kind"`
	Time   time.Time      `json:"time"`
	Device netip.Addr     `json:"device"`
	From   netip.AddrPort `json:"from"`
	To     netip.AddrPort `json:"to"`
	Octets int            `json:"octets"` // of the message, as far as it is known
	Reason string         `json:"reason"`
	Begin  string         `json:"begin"` // its first octets, in hexadecimal
}

// tablesEvent is the option tables of an observation domain at the end.
type tablesEvent struct {
	Kind   string       `json:"kind"`
	Device netip.Addr   `json:"device"`
	Domain uint32       `json:"domain"`
	Rows   []tableEvent `json:"rows"`
}

// tableEvent is one row of an option table.
type tableEvent struct {
	Table    string    `json:"table"`
	Key      *uint64   `json:"key,omitempty"`
	Value    string    `json:"value"`
	Template uint16    `json:"template,omitempty"`
	Updated  time.Time `json:"updated,omitzero"`
}

// bmpEvent is a BMP message.
type bmpEvent struct {
	Kind    string         `json:"kind"`
	Time    time.Time      `json:"time"` // of the capture
	Device  netip.Addr     `json:"device"`
	From    netip.AddrPort `json:"from"`
	To      netip.AddrPort `json:"to"`
	Version uint8          `json:"version"`
	Type    string         `json:"type"`
	Octets  int            `json:"octets"`
}

// publishedEvent is an event of a BMP message.
type publishedEvent struct {
	Kind   string          `json:"kind"`
	Device netip.Addr      `json:"device"`
	Event  json.RawMessage `json:"event"` // as a worker would publish it

	texts []string // for people
}

// peersEvent is the peers of a BMP session at the end.
type peersEvent struct {
	Kind   string         `json:"kind"`
	Device netip.Addr     `json:"device"`
	From   netip.AddrPort `json:"from"`
	Name   string         `json:"name,omitempty"` // sysName
	Rows   []peerEvent    `json:"rows"`
	Beyond int            `json:"messages_of_more_peers,omitempty"` // than are counted
}

// peerEvent is one view of a peer.
type peerEvent struct {
	Peer          netip.Addr `json:"peer"`
	Distinguisher string     `json:"distinguisher,omitempty"`
	AS            uint32     `json:"as"`
	RIB           string     `json:"rib"`
	Table         string     `json:"table_name,omitempty"`
	Up            bool       `json:"up"` // the peer, by Peer Up and Peer Down
	Announced     int        `json:"routes_announced"`
	Withdrawn     int        `json:"routes_withdrawn"`
	EndOfRIB      []string   `json:"end_of_rib,omitempty"` // families
}
