// The path lies below sigs.k8s.io/kind/pkg because Go lets nobody else import kind's own reader of its configuration.
module sigs.k8s.io/kind/pkg/config-check

go 1.24.0

require sigs.k8s.io/kind v0.33.0

require (
	github.com/pkg/errors v0.9.1 // indirect
	go.yaml.in/yaml/v3 v3.0.4 // indirect
)
