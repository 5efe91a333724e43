// Package deploy has no code: its folder holds what telcol is run with (compose stack, systemd units, example settings, the
// Kafka test rig), and its tests hold what no single package can promise: who imports whom, what lies at the top of the
// repository, and that units and examples are true. Packages freeport and leaks below it help the tests of all.
package deploy
