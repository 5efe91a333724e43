// Package daemons runs real programs for tests: telcol's own binary, and the routers, exporters and collectors of Debian
// packages that telcol is to understand. It is imported by tests only.
//
// A test says what it needs with Require, which installs missing packages when it may. It then goes on in a copy of its
// process with InNamespace, which has a network, mounts and process ids of its own: what it starts there disturbs nobody,
// cannot be disturbed, and ends with it, daemons that went to the background included.
//
//	func TestMain(m *testing.M) { os.Exit(daemons.Main(m)) }
//
//	func TestExporter(t *testing.T) {
//		daemons.Require(t, "softflowd")
//		if !daemons.InNamespace(t, "192.0.2.1") {
//			return
//		}
//		w := daemons.StartWorker(t, "--slot", "0", "--steering", "off", "--sink", "stdout", …)
//		w.WaitReady(t)
//		daemons.Start(t, "softflowd", "-d", "-i", "lo", …)
//		daemons.Eventually(t, "flows", func() error { … })
//		w.Stop(t)
//	}
package daemons
