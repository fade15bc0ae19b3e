// Reads each file that is named as kind itself would and says what kind would say: unknown fields, wrong types, what cannot be.
// It asks no container engine, and creates nothing.
package main

import (
	"fmt"
	"os"

	"sigs.k8s.io/kind/pkg/internal/apis/config/encoding"
)

func main() {
	if len(os.Args) < 2 {
		fmt.Fprintln(os.Stderr, "usage: config-check FILE...")
		os.Exit(2)
	}
	for _, path := range os.Args[1:] {
		cluster, err := encoding.Load(path)
		if err == nil {
			err = cluster.Validate()
		}
		if err != nil {
			fmt.Fprintf(os.Stderr, "%s: %v\n", path, err)
			os.Exit(1)
		}
		fmt.Printf("%s: cluster %s, %d node(s), image %s\n", path, cluster.Name, len(cluster.Nodes), cluster.Nodes[0].Image)
	}
}
