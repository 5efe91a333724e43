package ipfix

// Numbers of the elements that decoding knows by meaning; names as in the IANA registry.
const (
	idProtocol            = 4
	idTOS                 = 5
	idSrcV4               = 8
	idIngressInterface    = 10
	idDstV4               = 12
	idEgressInterface     = 14
	idSrcV6               = 27
	idDstV6               = 28
	idFlowLabel           = 31
	idSamplingInterval    = 34
	idSamplingAlgorithm   = 35
	idActiveTimeout       = 36
	idIdleTimeout         = 37
	idSamplerID           = 48
	idSamplerMode         = 49
	idSamplerInterval     = 50
	idIPVersion           = 60
	idInterfaceName       = 82
	idInterfaceDesc       = 83
	idSamplerName         = 84
	idRD                  = 90
	idExporterV4          = 130
	idExporterV6          = 131
	idLineCard            = 141
	idTemplate            = 145
	idDomain              = 149
	idSystemInit          = 160
	idPadding             = 210
	idIngressVRF          = 234
	idEgressVRF           = 235
	idVRFName             = 236
	idSelectionSequence   = 301
	idSelector            = 302
	idSelectorAlgorithm   = 304
	idPacketInterval      = 305
	idPacketSpace         = 306
	idSamplingSize        = 309
	idSamplingPopulation  = 310
	idSamplingProbability = 311
	idSelectorName        = 335
	idSegment             = 494
)

// Selection algorithms (selectorAlgorithm, RFC 5477 section 8.2.1) that say which elements hold their parameters.
const (
	selectSystematicCount = 1
	selectRandomNofN      = 3
	selectUniform         = 4
)
