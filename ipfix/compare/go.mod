module github.com/telcol/telcol/ipfix/compare

go 1.26.0

require (
	github.com/netsampler/goflow2/v2 v2.2.6
	github.com/telcol/telcol v0.0.0
	github.com/vmware/go-ipfix v0.17.0
)

require (
	github.com/gaissmai/bart v0.30.0 // indirect
	github.com/go-logr/logr v1.4.3 // indirect
	github.com/osrg/gobgp/v3 v3.37.0 // indirect
	github.com/pion/dtls/v2 v2.2.12 // indirect
	github.com/pion/logging v0.2.2 // indirect
	github.com/pion/transport/v2 v2.2.10 // indirect
	golang.org/x/crypto v0.58.0 // indirect
	golang.org/x/net v0.62.0 // indirect
	golang.org/x/sys v0.49.0 // indirect
	google.golang.org/protobuf v1.36.12 // indirect
	k8s.io/klog/v2 v2.140.0 // indirect
)

replace github.com/telcol/telcol => ../..
