package ipfix

// Counters says what a Session saw and did, counted from its start. Counts only rise.
type Counters struct {
	Messages      uint64 // decoded, whole or in part
	MessagesIPFIX uint64 // of these, version 10
	MessagesV9    uint64 // of these, version 9
	Sets          uint64 // sets of any kind
	SkippedSets   uint64 // sets with a reserved id, passed over

	TemplatesLearnt    uint64 // templates that were not known
	TemplatesChanged   uint64 // templates whose definition changed under the same id
	TemplatesRefreshed uint64 // templates sent again as they were
	TemplatesWithdrawn uint64 // templates that the device took back
	TemplatesExpired   uint64 // templates not sent again within Config.TemplateAge
	TemplatesRefused   uint64 // templates over a quota
	DomainsRefused     uint64 // messages of a domain over Config.MaxDomains

	DataRecords    uint64 // records given to the handler
	OptionsRecords uint64 // records read into the option tables

	UnknownSets  uint64 // data sets whose template was not known
	HeldSets     uint64 // of these, kept for their template
	ReleasedSets uint64 // of the kept, decoded when it came
	ExpiredSets  uint64 // of the kept, dropped after Config.HoldAge
	DroppedSets  uint64 // unknown sets dropped for room, at once or to make room for newer ones
	EndedSets    uint64 // of the kept, dropped because their transport session ended
	StoppedSets  uint64 // of the kept, dropped by Session.Stop

	BadVersions  uint64 // messages of another version
	BadMessages  uint64 // messages shorter than their header or their length
	Trailing     uint64 // messages with octets behind their length, which were not read
	BadSets      uint64 // messages cut short by a set with a bad length
	BadTemplates uint64 // template sets cut short, or templates that describe nothing
	BadRecords   uint64 // data sets cut short by a record that does not fit

	SequenceLost     uint64 // records (IPFIX) or messages (NetFlow v9) missing by sequence number
	SequenceLate     uint64 // of these, came later: records (IPFIX) or messages (NetFlow v9)
	SequenceRestarts uint64 // times a domain began to count anew
}

// Lost gives the sum of messages and sets that could not be decoded and will not be.
func (c *Counters) Lost() uint64 {
	return c.BadVersions + c.BadMessages + c.BadSets + c.BadRecords + c.DomainsRefused + c.ExpiredSets + c.DroppedSets +
		c.EndedSets + c.StoppedSets
}
