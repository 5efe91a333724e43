package settings

// description is what the help says of a key.
type description struct{ arg, help string }

const (
	// argSize marks keys that are a number of bytes and take units.
	argSize = "SIZE"
	// argAddrs marks keys whose text is a list of addresses.
	argAddrs = "ADDR,..."
)

// describe gives the help of a key. A test holds that every key has one and that no other is here.
func describe(path string) description { return descriptions()[path] }

func descriptions() map[string]description {
	return map[string]description{
		"slot":           {"N", "place of this worker in the group, 0 to slots-1"},
		"slots":          {"N", "number of workers intended; 0 takes the group's own"},
		"group":          {"NAME", "steering group"},
		"steering":       {"on|off", "off runs one worker alone, without a group"},
		"listen-ipfix":   {argAddrs, "addresses and ports for IPFIX and NetFlow v9 (UDP) and IPFIX over TCP"},
		"listen-bmp":     {argAddrs, "addresses and ports for BMP over TCP"},
		"http":           {"ADDR", "metrics, health and looking glass (default 127.0.0.1, port 8080 plus the slot); off for none"},
		"state-dir":      {"DIR", "keeps what outlives a restart; without it nothing does"},
		"run-dir":        {"DIR", "sockets by which a new process takes a slot over (default the state directory, else /run/telcol)"},
		"image-interval": {"DURATION", "routes of a device are saved this often to the state directory; 0 only at the stop"},
		"sink":           {"kafka|stdout", "where records go"},
		"log-level":      {"LEVEL", "debug, info, warn or error"},
		"log-format":     {"text|json", "form of the log on standard error"},
		"drain-timeout":  {"DURATION", "how long a stop may deliver what was taken"},

		"kafka.brokers":       {"LIST", "bootstrap brokers, host:port with commas between"},
		"kafka.topic-flow":    {"NAME", "topic of the flow records"},
		"kafka.topic-bmp":     {"NAME", "topic of the events of BMP sessions, see bmp.events"},
		"kafka.create-topics": {"on|off", "create a topic that is missing"},
		"kafka.partitions":    {"N", "partitions of a topic that telcol creates; -1 leaves it to the broker"},
		"kafka.replication":   {"N", "replicas of a topic that telcol creates; -1 leaves it to the broker"},
		"kafka.compression":   {"NAME", "none, snappy, lz4 or zstd"},
		"kafka.buffer-bytes":  {argSize, "records waiting for delivery; beyond it the oldest are dropped and counted"},
		"kafka.linger":        {"DURATION", "how long a batch waits for more records"},

		"kafka.tls":                {"on|off", "TLS to the brokers"},
		"kafka.tls-ca":             {"FILE", "certificates of the authorities to trust (PEM); empty trusts the system's"},
		"kafka.tls-cert":           {"FILE", "own certificate (PEM), for brokers that ask for one"},
		"kafka.tls-key":            {"FILE", "key of that certificate (PEM)"},
		"kafka.sasl":               {"NAME", "PLAIN, SCRAM-SHA-256 or SCRAM-SHA-512; empty is without"},
		"kafka.sasl-user":          {"NAME", "user of SASL"},
		"kafka.sasl-password-file": {"FILE", "file that holds the password of SASL"},

		"intake.receive-buffer": {argSize, "receive buffer asked of the kernel for the UDP socket"},
		"intake.coalesce":       {"DURATION", "a short batch waits this long for more datagrams; 0 reads at once"},
		"intake.max-sessions":   {"N", "BMP connections at once"},
		"intake.move-spread":    {"DURATION", "sessions of devices that move to another slot are closed over this long"},

		"bmp.max-message":         {argSize, "a longer BMP message ends its session"},
		"bmp.stale-timeout":       {"DURATION", "routes of a lost BMP session are kept this long"},
		"bmp.quiet-period":        {"DURATION", "a table without End-of-RIB counts as whole after this much silence"},
		"bmp.max-routes":          {"N", "routes per device; further ones are refused and counted"},
		"bmp.max-peers":           {"N", "BMP peers per device; what further ones tell is refused and counted"},
		"bmp.max-sessions":        {"N", "BMP sessions of a device at once; beyond it its oldest one ends"},
		"bmp.max-attribute-bytes": {argSize, "memory for path attributes per device; routes beyond it are refused and counted"},
		"bmp.keepalive":           {"DURATION", "silence after which TCP asks whether a BMP device is still there"},
		"bmp.idle-timeout":        {"DURATION", "a BMP session that sends nothing for so long ends; 0 is never"},
		"bmp.drift-reports":       {"N", "router statistics in a row that must differ from our routes to count as drift; 0 is off"},
		"bmp.drift-routes":        {"N", "by how many routes they must differ, or 1 % of a larger table"},

		"aliases.addresses": {"LIST", "further addresses of devices, OTHER=CANONICAL with commas between"},
		"aliases.learn":     {"on|off", "use addresses that seem to be one device, instead of only reporting them"},

		"join.rib-wait":         {"DURATION", "a flow waits this long for the end of its device's BMP dump"},
		"join.new-wait":         {"DURATION", "first flows of a device never met wait this long for a BMP session, if others have one and in the first minute; 0 not at all"},
		"join.history":          {"DURATION", "routes that ended answer this long for flows that ended before; 0 not at all"},
		"join.history-bytes":    {argSize, "such routes of a device; the oldest go first"},
		"join.clock-tolerance":  {"DURATION", "a device's clock may differ this much before its flows meet the routes of now"},
		"join.hold-bytes":       {argSize, "flows of a device that wait; beyond it the oldest are joined with what is known"},
		"join.hold-total-bytes": {argSize, "flows that wait, of all devices"},

		"bmp.events":          {"KIND", "events to publish: off, sessions (and peers), all; auto is sessions, and off with stdout"},
		"bmp.events-mirror":   {"on|off", "publish Route Mirroring messages too when bmp.events is all"},
		"bmp.events-overflow": {"NAME", "when events fill their memory: drop (new ones are lost, the topic says so) or slow (the device waits)"},
		"bmp.events-buffer":   {argSize, "memory for events that wait for delivery, beside kafka.buffer-bytes"},

		"ipfix.vrf-wait":             {"DURATION", "a flow waits this long for options data that say what its VRF id means"},
		"ipfix.elements":             {"LIST", "elements beyond IANA's registry, pen.id:name:type with commas between"},
		"ipfix.renormalize":          {"on|off", "multiply bytes and packets by the sampling rate where it is known"},
		"ipfix.port-in-template-key": {"on|off", "keep templates apart by UDP source port"},
		"ipfix.ignore-withdrawals":   {"on|off", "leave templates in place that a device withdraws over UDP"},
		"ipfix.template-lifetime":    {"DURATION", "a template not sent again for so long is dropped; 0 keeps it"},
		"ipfix.options-lifetime":     {"DURATION", "the same of entries of the option tables"},
		"ipfix.hold-bytes":           {argSize, "data sets per device kept until their template comes; the oldest make room"},
		"ipfix.hold-sets":            {"N", "the same in number; 0 keeps none"},
		"ipfix.hold-age":             {"DURATION", "how long they are kept"},
		"ipfix.max-domains":          {"N", "observation domains per device; messages of further ones are refused and counted"},
		"ipfix.max-templates":        {"N", "templates per device; further ones are refused and counted"},
		"ipfix.max-fields":           {"N", "fields per template; longer ones are refused and counted"},
		"ipfix.max-options":          {"N", "entries of option tables per device; further ones are refused and counted"},
		"ipfix.tcp":                  {"on|off", "take IPFIX over TCP too, at the address of listen-ipfix"},
		"ipfix.tcp-max-sessions":     {"N", "IPFIX connections at once"},
		"ipfix.tcp-max-device":       {"N", "IPFIX connections of one device at once"},
		"ipfix.tcp-idle-timeout":     {"DURATION", "an IPFIX connection without a message for so long is closed; 0 keeps it"},

		"record.extra": {"off|all", "elements of a data record that have no field of their own, as the object extra"},
	}
}
