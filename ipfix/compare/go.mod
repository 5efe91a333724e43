module github.com/telcol/telcol/ipfix/compare

go 1.26.0

require (
	github.com/netsampler/goflow2/v2 v2.2.6
	github.com/telcol/telcol v0.0.0
	github.com/vmware/go-ipfix v0.17.0
)

require (
	github.com/gaissmai/bart v0.30.0 // indirect
	github.com/osrg/gobgp/v3 v3.37.0 // indirect
	google.golang.org/protobuf v1.36.12 // indirect
)

replace github.com/telcol/telcol => ../..
