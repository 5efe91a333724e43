package bgp

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"hash/maphash"
)

// Decoder decodes UPDATEs. It belongs to one goroutine.
type Decoder struct {
	Counters  Counters
	cache     *Cache
	skipOther bool
	last      *Attributes // of the previous lookup: dumps often repeat a set
	key       []byte
	update    Update
	// withdrawAll asks to withdraw what the message announces, whatever its attributes say.
	withdrawAll bool
	announced   [2]Announcement
	nlri        []NLRI
	withdrawn   []NLRI
	other       []OtherNLRI
	otherGone   []OtherNLRI
}

// NewDecoder makes a Decoder.
func NewDecoder(cfg Config) *Decoder {
	if cfg.Cache == nil {
		cfg.Cache = NewCache(CacheConfig{})
	}
	return &Decoder{cache: cfg.Cache, skipOther: cfg.SkipOther}
}

// fields are the parts of an UPDATE, none of them decoded.
type fields struct {
	withdrawn, attrs, nlri []byte
	mpReach, mpUnreach     []byte // values
	hasReach, hasUnreach   bool
	prefixSID              bool
}

// DecodeUpdate decodes the body of an UPDATE. The result is reused by the next call; the Attributes in it may be kept.
// An error wraps ErrUpdate and goes with OutcomeMalformed: no route of the message is used.
func (d *Decoder) DecodeUpdate(body []byte, p Params) (*Update, error) {
	d.Counters.Updates++
	d.reset()
	err := d.decode(body, &p)
	if err != nil {
		d.reset()
		d.update.Outcome = OutcomeMalformed
		err = fmt.Errorf("%w: %w", ErrUpdate, err)
	}
	d.Counters.Outcomes[d.update.Outcome]++
	return &d.update, err
}

func (d *Decoder) reset() {
	d.nlri, d.withdrawn, d.other, d.otherGone = d.nlri[:0], d.withdrawn[:0], d.other[:0], d.otherGone[:0]
	d.update = Update{Announced: d.announced[:0]}
}

func (d *Decoder) decode(body []byte, p *Params) error {
	f, outcome, err := d.split(body)
	if err != nil {
		return err
	}
	u := &d.update
	u.Outcome = outcome
	d.withdrawAll = outcome == OutcomeTreatWithdraw
	if d.withdrawn, err = appendNLRI(d.withdrawn, f.withdrawn, IPv4Unicast, p.addPath(IPv4Unicast), true, false); err != nil {
		return err
	}
	unreach, empty := d.unreach(&f, p)
	err = d.announce(&f, p)
	u.Withdrawn, u.OtherWithdrawn = d.withdrawn, d.otherGone
	if err != nil {
		return err
	}
	if u.Outcome == OutcomeOK && !f.hasReach && len(d.key) == 0 && len(f.withdrawn) == 0 && len(f.nlri) == 0 {
		switch {
		case !f.hasUnreach:
			u.EndOfRIB = IPv4Unicast
		case empty:
			u.EndOfRIB = unreach
		}
	}
	return nil
}

// raise keeps the worst outcome.
func (d *Decoder) raise(o Outcome) { d.update.Outcome = max(d.update.Outcome, o) }

// split finds the parts of an UPDATE and gathers the raw attributes that are not routes in d.key. An attribute that runs over the end hides those behind it: the routes found so far are withdrawn
// (RFC 7606 section 4).
func (d *Decoder) split(body []byte) (f fields, outcome Outcome, err error) {
	if len(body) < 4 {
		return f, 0, fmt.Errorf("body of %d octets: %w", len(body), ErrMessage)
	}
	size := int(binary.BigEndian.Uint16(body))
	if body = body[2:]; len(body) < size+2 {
		return f, 0, fmt.Errorf("withdrawn routes of %d octets, %d left: %w", size, len(body), ErrMessage)
	}
	f.withdrawn, body = body[:size], body[size:]
	size = int(binary.BigEndian.Uint16(body))
	if body = body[2:]; len(body) < size {
		return f, 0, fmt.Errorf("attributes of %d octets, %d left: %w", size, len(body), ErrMessage)
	}
	f.attrs, f.nlri = body[:size], body[size:]
	d.key = d.key[:0]
	outcome, err = d.walk(&f)
	return f, outcome, err
}

// walk finds the attributes that carry routes and copies the runs between them to d.key.
func (d *Decoder) walk(f *fields) (outcome Outcome, err error) {
	attrs, run := f.attrs, 0
	for at := 0; at < len(attrs); {
		header, size, ok := attrHeader(attrs[at:])
		if !ok {
			return OutcomeTreatWithdraw, nil
		}
		end := at + header + size
		switch attrs[at+1] {
		case attrMPReach:
			if f.hasReach {
				return 0, fmt.Errorf("two MP_REACH_NLRI: %w", ErrMessage)
			}
			f.mpReach, f.hasReach = attrs[at+header:end], true
			outcome = max(outcome, mpFlags(attrs[at]))
			d.key = append(d.key, attrs[run:at]...)
			run = end
		case attrMPUnreach:
			if f.hasUnreach {
				return 0, fmt.Errorf("two MP_UNREACH_NLRI: %w", ErrMessage)
			}
			f.mpUnreach, f.hasUnreach = attrs[at+header:end], true
			outcome = max(outcome, mpFlags(attrs[at]))
			d.key = append(d.key, attrs[run:at]...)
			run = end
		case attrPrefixSID:
			f.prefixSID = true
		}
		at = end
	}
	d.key = append(d.key, attrs[run:]...)
	return outcome, nil
}

// mpFlags checks the flags of the two attributes that carry routes: optional and not transitive.
func mpFlags(flags uint8) Outcome {
	if flags&(flagOptional|flagTransitive) != flagOptional {
		return OutcomeTreatWithdraw
	}
	return OutcomeOK
}

// unreach decodes MP_UNREACH_NLRI. It returns its family and whether it holds no route. When it is malformed its routes
// are lost, and the rest of the message is used.
func (d *Decoder) unreach(f *fields, p *Params) (fam Family, empty bool) {
	if !f.hasUnreach {
		return 0, false
	}
	v := f.mpUnreach
	if len(v) < 3 {
		d.raise(OutcomeFamilyError)
		return 0, false
	}
	fam, v = NewFamily(binary.BigEndian.Uint16(v), v[2]), v[3:]
	var err error
	if fam.IsPrefix() {
		d.withdrawn, err = appendNLRI(d.withdrawn, v, fam, p.addPath(fam), true, false)
	} else {
		d.otherGone, err = d.appendOther(d.otherGone, v, fam, p)
	}
	if err != nil {
		d.raise(OutcomeFamilyError)
	}
	return fam, len(v) == 0
}

func (d *Decoder) appendOther(dst []OtherNLRI, v []byte, fam Family, p *Params) ([]OtherNLRI, error) {
	if d.skipOther {
		d.Counters.OtherSkipped += uint64(len(v))
		return dst, nil
	}
	var panics uint8
	out, err := appendOther(dst, v, fam, p.addPath(fam), &panics)
	d.Counters.Panics += uint64(panics)
	d.Counters.OtherRoutes += uint64(len(out) - len(dst))
	if err != nil {
		d.Counters.OtherSkipped += uint64(len(v))
	}
	return out, err
}

// announce decodes MP_REACH_NLRI and the IPv4 routes at the end of the message.
func (d *Decoder) announce(f *fields, p *Params) error {
	if f.hasReach {
		d.reach(f, p)
	}
	if len(f.nlri) == 0 {
		return nil
	}
	start := len(d.nlri)
	var err error
	d.nlri, err = appendNLRI(d.nlri, f.nlri, IPv4Unicast, p.addPath(IPv4Unicast), false, false)
	if err != nil {
		return err
	}
	a := d.lookup(nil, p.ASWidth)
	d.add(d.nlri[start:], nil, a, p)
	return nil
}

// reach decodes MP_REACH_NLRI: AFI(2) SAFI(1) next hop length(1) next hop reserved(1) routes.
func (d *Decoder) reach(f *fields, p *Params) {
	v := f.mpReach
	if len(v) < 5 || len(v) < 5+int(v[3]) {
		d.raise(OutcomeFamilyError)
		return
	}
	fam, nextHop := NewFamily(binary.BigEndian.Uint16(v), v[2]), v[4:4+int(v[3])]
	v = v[5+len(nextHop):]
	if global, _ := parseNextHop(nextHop); !global.IsValid() && len(nextHop) > 0 && fam.IsPrefix() {
		d.withdrawAll = true
		d.raise(OutcomeTreatWithdraw)
	}
	if !fam.IsPrefix() {
		other, err := d.appendOther(d.other, v, fam, p)
		if err != nil {
			d.raise(OutcomeFamilyError)
			return
		}
		d.other = other
		d.add(nil, other, d.lookup(nextHop, p.ASWidth), p)
		return
	}
	nlri, err := appendNLRI(d.nlri, v, fam, p.addPath(fam), false, f.prefixSID)
	if err != nil {
		d.raise(OutcomeFamilyError)
		return
	}
	d.nlri = nlri
	d.add(nlri, nil, d.lookup(nextHop, p.ASWidth), p)
}

// add files routes as announced, or as withdrawn when the message or their attributes ask for it.
// A missing next hop is no reason: FRR sends none for routes that had a label.
func (d *Decoder) add(nlri []NLRI, other []OtherNLRI, a *Attributes, p *Params) {
	if len(nlri) == 0 && len(other) == 0 {
		return
	}
	outcome := a.outcomeIn(p)
	d.raise(outcome)
	if d.withdrawAll || outcome == OutcomeTreatWithdraw {
		d.raise(OutcomeTreatWithdraw)
		d.withdrawn = append(d.withdrawn, nlri...)
		d.otherGone = append(d.otherGone, other...)
		return
	}
	d.update.Announced = append(d.update.Announced, Announcement{NLRI: nlri, Other: other, Attrs: a})
}

// lookup gives the attributes that split gathered, with the next hop of MP_REACH_NLRI (nil for the IPv4 field). The key
// is: attributes, next hop, next hop length(1), AS width(1).
func (d *Decoder) lookup(nextHop []byte, width ASWidth) *Attributes {
	attrs := len(d.key)
	d.key = append(d.key, nextHop...)
	d.key = append(d.key, byte(len(nextHop)), byte(width))
	a := d.find(d.key)
	d.key = d.key[:attrs]
	return a
}

func (d *Decoder) find(key []byte) *Attributes {
	if d.last != nil && bytes.Equal(d.last.key, key) {
		d.Counters.CacheHits++
		return d.last
	}
	hash := maphash.Bytes(d.cache.seed, key)
	a := d.cache.get(hash, key)
	if a != nil {
		d.Counters.CacheHits++
	} else {
		d.Counters.CacheMisses++
		a = decodeAttributes(bytes.Clone(key))
		d.Counters.Panics += uint64(a.panics)
		if a.widthGuessed {
			d.Counters.WidthGuessed++
		}
		d.cache.put(hash, a)
	}
	d.last = a
	return a
}
