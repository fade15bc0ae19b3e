//go:build versions

// Package prometheus is never built: its imports and go.mod pin promtool and the Prometheus that setup.sh of deploy/node builds.
// To change the version: edit the require line of github.com/prometheus/prometheus (v0.X.Y is Prometheus 3.X.Y), then `go mod tidy`.
package prometheus

import (
	_ "github.com/prometheus/prometheus/cmd/prometheus"
	_ "github.com/prometheus/prometheus/cmd/promtool"
)
