package correlate

import "math/bits"

// Quality says how well the flows of a device, or of all devices together, met its routes.
type Quality struct {
	Joins  [2][numJoinStatus]uint64 // addresses, by side (SideSrc, SideDst) and JoinStatus
	States [numRIBStates]uint64     // records, by RIBState
	AsOf   uint64                   // records joined with the routes of the time when the flow ended
	Ended  [numHoldEnds]uint64      // records that waited, by the end of the wait (HoldEndText gives its name)
	Ages   [2][AgeBuckets]uint64    // routes that answered, by side and by their age when they did (AgeBound)
	AgeSum [2]float64               // of those ages, in seconds
}

// AgeBuckets is the number of buckets of Quality.Ages. Each but the last goes to four times the age of the one before.
const AgeBuckets = 12

// AgeBound is the age in seconds up to which bucket i counts; the last bucket has no bound.
func AgeBound(i int) float64 { return float64(uint64(1) << (2 * i)) }

// ageBucket is the first bucket whose bound is not below the age, which is in seconds.
func ageBucket(age uint64) int {
	if age == 0 {
		return 0
	}
	return min((bits.Len64(age-1)+1)/2, AgeBuckets-1)
}

// AgeCount is how many routes Quality.Ages counts for a side.
func (q *Quality) AgeCount(side int) (n uint64) {
	for _, k := range q.Ages[side] {
		n += k
	}
	return n
}

// quality is what a device counts of its own joins.
type quality struct {
	Quality
	missed missed
}

// count notes a joined record. at is the time of the routes that it was joined with, in Unix nanoseconds.
func (q *quality) count(r *Record, p *vrfPlan, at int64) {
	q.States[r.RIB]++
	if r.AsOfFlowEnd {
		q.AsOf++
	}
	q.side(SideSrc, &r.Src, at)
	q.side(SideDst, &r.Dst, at)
	if r.Src.Join == JoinNoPrefix {
		q.missed.count(p.src.rd, r.Flow.Src)
	}
	if r.Dst.Join == JoinNoPrefix {
		q.missed.count(p.dst.rd, r.Flow.Dst)
	}
}

func (q *quality) side(i int, s *Side, at int64) {
	q.Joins[i][s.Join]++
	if !s.Join.Hit() {
		return
	}
	age := max(at-s.Match.Time, 0)
	q.Ages[i][ageBucket(uint64(age)/1e9)]++
	q.AgeSum[i] += float64(age) / 1e9
}

// numbers gives all counts, in an order that stays the same in one process and in those that understand each other.
func (q *Quality) numbers() []*uint64 {
	all := []*uint64{&q.AsOf}
	for _, list := range [...][]uint64{q.Joins[0][:], q.Joins[1][:], q.States[:], q.Ended[:], q.Ages[0][:], q.Ages[1][:]} {
		for i := range list {
			all = append(all, &list[i])
		}
	}
	return all
}

// add sums up.
func (q *Quality) add(o *Quality) { q.sum(o, 1) }

// take takes away what add will add. The counts may be below zero meanwhile, which is a large number.
func (q *Quality) take(o *Quality) { q.sum(o, -1) }

func (q *Quality) sum(o *Quality, times int) {
	other := o.numbers()
	for i, n := range q.numbers() {
		*n += uint64(times) * *other[i]
	}
	for side, sum := range o.AgeSum {
		q.AgeSum[side] += float64(times) * sum
	}
}
