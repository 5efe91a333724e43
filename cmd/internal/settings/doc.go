// Package settings reads the settings of a worker from the command line, the environment and a YAML file.
//
// There is one table of keys, made from the fields of [collector.Config]; a key has the same name everywhere:
//
//	YAML          kafka: {brokers: [a:9092, b:9092]}
//	flag          --kafka-brokers a:9092,b:9092
//	environment   TELCOL_KAFKA_BROKERS=a:9092,b:9092
//
// Flags win over the environment, the environment over the file, the file over the defaults. All three speak the same text:
// sizes like 64MiB, durations like 10s, on and off for switches. A key that does not exist is an error that names it. What a
// value may be beyond its type is the business of [collector.Config.Validate].
package settings
