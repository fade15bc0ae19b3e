// Reads each file that is named as kind itself would and says what kind would say: unknown fields, wrong types, what cannot be.
// Then it writes the kubeadm configuration of each node as kind does, with the file's patches in it, and prints how many pods the kubelet allows.
// It asks no container engine, and creates nothing.
package main

import (
	"fmt"
	"os"
	"regexp"
	"strings"

	"sigs.k8s.io/kind/pkg/cluster/internal/kubeadm"
	"sigs.k8s.io/kind/pkg/internal/apis/config"
	"sigs.k8s.io/kind/pkg/internal/apis/config/encoding"
	"sigs.k8s.io/kind/pkg/internal/patch"
)

// The kubelet's own, where its configuration does not set maxPods.
const defaultMaxPods = "110"

var (
	kubelet = regexp.MustCompile(`(?m)^kind: KubeletConfiguration$`)
	maxPods = regexp.MustCompile(`(?m)^maxPods: (\S+)$`)
)

func main() {
	if len(os.Args) < 2 {
		fmt.Fprintln(os.Stderr, "usage: config-check FILE...")
		os.Exit(2)
	}
	for _, path := range os.Args[1:] {
		if err := check(path); err != nil {
			fmt.Fprintf(os.Stderr, "%s: %v\n", path, err)
			os.Exit(1)
		}
	}
}

func check(path string) error {
	cluster, err := encoding.Load(path)
	if err != nil {
		return err
	}
	if err := cluster.Validate(); err != nil {
		return err
	}
	for i, node := range cluster.Nodes {
		pods, err := podsOf(cluster, node)
		if err != nil {
			return fmt.Errorf("nodes[%d]: %w", i, err)
		}
		fmt.Printf("%s: cluster %s, nodes[%d]: %s, maxPods %s, image %s\n", path, cluster.Name, i, node.Role, pods, node.Image)
	}
	return nil
}

// podsOf returns maxPods of the kubelet's configuration that kind gives to kubeadm on this node.
func podsOf(cluster *config.Cluster, node config.Node) (string, error) {
	image, _, _ := strings.Cut(node.Image, "@")
	_, version, _ := strings.Cut(image, ":")
	generated, err := kubeadm.Config(kubeadm.ConfigData{
		ClusterName:          cluster.Name,
		KubernetesVersion:    version,
		ControlPlaneEndpoint: "10.0.0.1:6443", // addresses are the engine's: these stand for them
		NodeAddress:          "10.0.0.1",
		NodeName:             "node",
		APIBindPort:          6443,
		APIServerAddress:     cluster.Networking.APIServerAddress,
		Token:                kubeadm.Token,
		PodSubnet:            cluster.Networking.PodSubnet,
		ServiceSubnet:        cluster.Networking.ServiceSubnet,
		KubeProxyMode:        string(cluster.Networking.KubeProxyMode),
		IPFamily:             cluster.Networking.IPFamily,
		ControlPlane:         node.Role == config.ControlPlaneRole,
	})
	if err != nil {
		return "", err
	}
	generated, err = patch.KubeYAML(generated, cluster.KubeadmConfigPatches, cluster.KubeadmConfigPatchesJSON6902)
	if err != nil {
		return "", err
	}
	generated, err = patch.KubeYAML(generated, node.KubeadmConfigPatches, node.KubeadmConfigPatchesJSON6902)
	if err != nil {
		return "", err
	}
	for document := range strings.SplitSeq(generated, "\n---\n") {
		if kubelet.MatchString(document) {
			if found := maxPods.FindStringSubmatch(document); found != nil {
				return found[1], nil
			}
			return defaultMaxPods, nil
		}
	}
	return "", fmt.Errorf("kind writes no KubeletConfiguration: has the form of its template changed?")
}
