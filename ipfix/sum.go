package ipfix

// Add adds the counts of another session.
func (c *Counters) Add(o *Counters) {
	c.Messages += o.Messages
	c.MessagesIPFIX += o.MessagesIPFIX
	c.MessagesV9 += o.MessagesV9
	c.Sets += o.Sets
	c.SkippedSets += o.SkippedSets
	c.TemplatesLearnt += o.TemplatesLearnt
	c.TemplatesChanged += o.TemplatesChanged
	c.TemplatesRefreshed += o.TemplatesRefreshed
	c.TemplatesWithdrawn += o.TemplatesWithdrawn
	c.TemplatesExpired += o.TemplatesExpired
	c.TemplatesRefused += o.TemplatesRefused
	c.DomainsRefused += o.DomainsRefused
	c.DataRecords += o.DataRecords
	c.OptionsRecords += o.OptionsRecords
	c.UnknownSets += o.UnknownSets
	c.HeldSets += o.HeldSets
	c.ReleasedSets += o.ReleasedSets
	c.ExpiredSets += o.ExpiredSets
	c.DroppedSets += o.DroppedSets
	c.EndedSets += o.EndedSets
	c.StoppedSets += o.StoppedSets
	c.BadVersions += o.BadVersions
	c.BadMessages += o.BadMessages
	c.Trailing += o.Trailing
	c.BadSets += o.BadSets
	c.BadTemplates += o.BadTemplates
	c.BadRecords += o.BadRecords
	c.SequenceLost += o.SequenceLost
	c.SequenceLate += o.SequenceLate
	c.SequenceRestarts += o.SequenceRestarts
}
