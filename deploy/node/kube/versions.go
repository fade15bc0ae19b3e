//go:build versions

// Package kube is never built: its imports and go.mod pin the Kubernetes programs that setup.sh builds.
// To change the version: edit the require line of k8s.io/kubernetes and the replace lines (v1.X.Y, v0.X.Y), then `go mod tidy`.
package kube

import (
	_ "k8s.io/kubernetes/cmd/kube-apiserver"
	_ "k8s.io/kubernetes/cmd/kube-controller-manager"
	_ "k8s.io/kubernetes/cmd/kube-proxy"
	_ "k8s.io/kubernetes/cmd/kube-scheduler"
	_ "k8s.io/kubernetes/cmd/kubectl"
	_ "k8s.io/kubernetes/cmd/kubelet"
)
