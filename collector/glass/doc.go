// Package glass is the looking glass: HTTP pages about the devices of a worker, their BGP peers and routes, as JSON or text.
//
//	GET /devices                       the devices
//	GET /devices/{device}              one of them, with its counters
//	GET /devices/{device}/peers        BMP peers with state and routes by view and family
//	GET /devices/{device}/vrfs         VRFs with names and routes by view
//	GET /devices/{device}/routes       routes; prefix=P match=exact|longer|shorter, vrf=RD or name, view=, peer=, family=, best=, stale=
//	GET /devices/{device}/options      option tables: VRF ids, interfaces, sampling, the exporter; domain=, table=
//	GET /devices/{device}/templates    templates with fields and use; domain=
//	GET /devices/{device}/sequences    what sequence numbers tell, by observation domain; domain=
//	GET /devices/{device}/lookup       what the join answers; address=A, vrf=RD, name or all, next-hop=H
//	GET /devices/{device}/explain      why; src=A dst=B, vrf= or ingress-vrf= egress-vrf= domain=, next-hop=H, at=time or how long ago
//	GET /devices/{device}/quality      how its flows met its routes, and the prefixes most missed
//	GET /aliases                       further addresses of devices, and candidates for them
//
// Every list takes limit= and cursor=. A page ends with its limit, and with bounds on its size and on the routes looked at; "next" is
// then the cursor of what follows. JSON is the default, format=text or Accept: text/plain gives tables.
//
// # What a reader may cost
//
// All device state belongs to the worker's owner goroutine, which also joins flows. A page asks it for slices of bounded work (sliceSteps)
// and renders what it got in its own goroutine. Slices of all requests are taken one at a time, each followed by a rest of restFactor
// times its length, so that readers take at most a fifth of the owner's time together. No place in a table is held between two slices: a
// cursor is a key, and the walk goes on behind it whatever has changed.
//
// # Adding a page
//
// A page is an entry of the table in pages.go: a pattern, the parameters it takes, and a function from a request to an answer. An answer is
// a value that encoding/json renders and that can write itself as text.
package glass
