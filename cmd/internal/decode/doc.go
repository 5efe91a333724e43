// Package decode shows what routers sent, from a capture file and without a collector: it is what telcol decode runs.
//
// It finds the IPFIX and NetFlow v9 messages in the packets of a capture (datagrams, and TCP streams put in order), decodes
// them with package ipfix as a worker does, one session for each device's datagrams and each connection, and writes what
// the decoder tells: messages with their sets, templates and withdrawals, options records, data records with every field
// and with what they become in a published record, data that waits for its template, and what is malformed and where.
//
// BMP is found in TCP streams too and decoded with package bmp, one session for each connection: messages, the peers and
// routes in them, and the events that they become.
//
// At the end come the option tables, the BGP peers and a summary.
//
// Output is text for people or JSON, one object a line with a "kind". Lines of one message follow its "message" line.
package decode
