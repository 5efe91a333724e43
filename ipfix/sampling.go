package ipfix

import "math"

// samplingParams are the parameters of sampling that one record, of flows or of options, carries.
type samplingParams struct {
	has   uint16                        // bit per entry of value
	value [len(samplingElements)]uint64 // in the order of samplingElements
	prob  float64                       // samplingProbability

	selector, sampler, sequence          uint64 // selectorId, samplerId, selectionSequenceId
	hasSelector, hasSampler, hasSequence bool
}

// Indices of samplingElements.
const (
	paramInterval = iota
	paramSamplerInterval
	paramAlgorithm
	paramPacketInterval
	paramPacketSpace
	paramSize
	paramPopulation
	paramProbability
)

// set stores parameter i, read from so many octets.
func (s *samplingParams) set(i uint8, n uint64, octets int) {
	s.has |= 1 << i
	s.value[i] = n
	if i == paramProbability {
		s.prob = float(n, octets)
	}
}

// got reports whether parameter i was set.
func (s *samplingParams) got(i int) bool { return s.has&(1<<i) != 0 }

// get returns parameter i, 0 when it was not set.
func (s *samplingParams) get(i int) uint64 {
	if !s.got(i) {
		return 0
	}
	return s.value[i]
}

// clear forgets all parameters. Values stay: has says what counts.
func (s *samplingParams) clear() {
	s.has, s.hasSelector, s.hasSampler, s.hasSequence = 0, false, false, false
}

// rate computes one out of how many packets is selected, 0 when the parameters do not say. The algorithm, where
// given, decides which of them count.
func (s *samplingParams) rate() uint32 {
	if s.has == 0 {
		return 0
	}
	if s.got(paramAlgorithm) {
		var r uint32
		switch s.get(paramAlgorithm) {
		case selectSystematicCount:
			r = s.systematic()
		case selectRandomNofN:
			r = s.nOfN()
		case selectUniform:
			r = s.uniform()
		}
		if r > 0 {
			return r
		}
	}
	for _, r := range [...]uint32{s.nOfN(), s.systematic(), s.uniform()} {
		if r > 0 {
			return r
		}
	}
	if n := s.get(paramInterval); n > 0 {
		return clampRate(float64(n))
	}
	return clampRate(float64(s.get(paramSamplerInterval)))
}

// systematic is interval packets taken, then space packets passed over. An interval without a space says nothing.
func (s *samplingParams) systematic() uint32 {
	take, space := s.get(paramPacketInterval), s.get(paramPacketSpace)
	if take == 0 || !s.got(paramPacketSpace) {
		return 0
	}
	return clampRate((float64(take) + float64(space)) / float64(take))
}

// nOfN is size packets out of a population.
func (s *samplingParams) nOfN() uint32 {
	size, population := s.get(paramSize), s.get(paramPopulation)
	if size == 0 {
		return 0
	}
	return clampRate(float64(population) / float64(size))
}

// uniform is a probability for each packet.
func (s *samplingParams) uniform() uint32 {
	if !s.got(paramProbability) || s.prob <= 0 || s.prob > 1 {
		return 0
	}
	return clampRate(1 / s.prob)
}

// clampRate rounds a rate to the nearest number that a Flow can hold; less than one is none.
func clampRate(r float64) uint32 {
	switch r = math.Round(r); {
	case r < 1:
		return 0
	case r > math.MaxUint32:
		return math.MaxUint32
	}
	return uint32(r)
}

// rateCache remembers the answer of the option tables for the selector of the last record: neighbours share it.
type rateCache struct {
	params  samplerKey
	changes uint32
	rate    uint32
	valid   bool
}

// samplerKey is what a record says of who sampled it.
type samplerKey struct {
	selector, sampler, sequence          uint64
	hasSelector, hasSampler, hasSequence bool
	inIf                                 uint32 // 0 unless interfaces have rates of their own
}

// rateOf gives the sampling rate of a record: what it says itself, else what options data said of its selector or
// sampler, of its interface, or of all; 0 when nothing did.
func (o *Options) rateOf(p *samplingParams, inIf uint32, cache *rateCache) uint32 {
	if r := p.rate(); r > 0 {
		return r
	}
	key := samplerKey{hasSelector: p.hasSelector, hasSampler: p.hasSampler, hasSequence: p.hasSequence}
	if p.hasSelector {
		key.selector = p.selector
	}
	if p.hasSampler {
		key.sampler = p.sampler
	}
	if p.hasSequence {
		key.sequence = p.sequence
	}
	changes := o.changes
	for t := o; t != nil; t = t.general {
		changes += t.changes
		if len(t.PerIf) > 0 {
			key.inIf = inIf
		}
	}
	if !cache.valid || cache.params != key || cache.changes != changes {
		*cache = rateCache{params: key, changes: changes, rate: o.lookupRate(&key), valid: true}
	}
	return cache.rate
}

// lookupRate asks the tables of the domain, then those of domain 0.
func (o *Options) lookupRate(k *samplerKey) uint32 {
	for ; o != nil; o = o.general {
		if r := o.ownRate(k); r > 0 {
			return r
		}
	}
	return 0
}

// ownRate asks the tables of one domain. A record that names neither selector nor sampler was sampled by the only one, where
// there is only one.
func (o *Options) ownRate(k *samplerKey) uint32 {
	if k.hasSelector {
		if r := o.Selectors[k.selector].Rate; r > 0 {
			return r
		}
	}
	if k.hasSampler {
		if r := o.Samplers[k.sampler].Rate; r > 0 {
			return r
		}
	}
	if k.hasSequence {
		if r := o.sequenceRate(k.sequence); r > 0 {
			return r
		}
	}
	if r := o.PerIf[k.inIf].Rate; r > 0 {
		return r
	}
	if o.Default.Rate > 0 || k.hasSelector || k.hasSampler || k.hasSequence || len(o.Selectors)+len(o.Samplers) != 1 {
		return o.Default.Rate
	}
	for _, s := range o.Selectors {
		return s.Rate
	}
	for _, s := range o.Samplers {
		return s.Rate
	}
	return 0
}

// sequenceRate is the product of the rates of a selection sequence's selectors, which select one behind the other; 0 when one is
// not known.
func (o *Options) sequenceRate(id uint64) uint32 {
	rate := 1.0
	selectors := o.Sequences[id].Selectors
	for _, s := range selectors {
		rate *= float64(o.Selectors[s].Rate)
	}
	if len(selectors) == 0 {
		return 0
	}
	return clampRate(rate)
}
