// Command probe is what test.sh runs in pods: :8080 is open to the cluster, 127.0.0.1:8081 to the pod alone.
//
//	/             the pod's name
//	/get?url=U    fetches U from in here
//	/kafka?at=A   asks the broker at A which requests it knows and says how many
//	/alloc?mb=N   takes N MiB and keeps them
package main

import (
	"encoding/binary"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"os"
	"strconv"
	"time"
)

var held [][]byte

func main() {
	name, _ := os.Hostname()
	http.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		log.Println("asked for", r.URL)
		fmt.Fprintln(w, name)
	})
	http.HandleFunc("/get", func(w http.ResponseWriter, r *http.Request) {
		// a connection of its own each time: a Service chooses per connection
		client := http.Client{Timeout: 5 * time.Second, Transport: &http.Transport{DisableKeepAlives: true}}
		answer, err := client.Get(r.FormValue("url"))
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadGateway)
			return
		}
		defer answer.Body.Close()
		_, _ = io.Copy(w, answer.Body)
	})
	http.HandleFunc("/kafka", func(w http.ResponseWriter, r *http.Request) {
		count, err := apiVersions(r.FormValue("at"))
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadGateway)
			return
		}
		fmt.Fprintln(w, "requests known:", count)
	})
	http.HandleFunc("/alloc", func(_ http.ResponseWriter, r *http.Request) {
		megabytes, _ := strconv.Atoi(r.FormValue("mb"))
		for range megabytes {
			block := make([]byte, 1<<20)
			for i := 0; i < len(block); i += 4096 {
				block[i] = 1
			}
			held = append(held, block)
		}
	})
	go func() { log.Fatal(http.ListenAndServe("127.0.0.1:8081", nil)) }()
	log.Println("probe is up")
	log.Fatal(http.ListenAndServe(":8080", nil))
}

// apiVersions sends ApiVersions version 0 (https://kafka.apache.org/protocol) and returns how many request types the answer lists.
func apiVersions(broker string) (int, error) {
	connection, err := net.DialTimeout("tcp", broker, 5*time.Second)
	if err != nil {
		return 0, err
	}
	defer connection.Close()
	_ = connection.SetDeadline(time.Now().Add(5 * time.Second))
	request := []byte{0, 0, 0, 10 /* length */, 0, 18 /* ApiVersions */, 0, 0 /* version */, 0, 0, 0, 7 /* correlation */, 0xff, 0xff /* no client id */}
	if _, err := connection.Write(request); err != nil {
		return 0, err
	}
	answer := make([]byte, 14) // length, correlation, error code, count
	if _, err := io.ReadFull(connection, answer); err != nil {
		return 0, err
	}
	if correlation, code := binary.BigEndian.Uint32(answer[4:]), binary.BigEndian.Uint16(answer[8:]); correlation != 7 || code != 0 {
		return 0, fmt.Errorf("correlation %d instead of 7, error code %d", correlation, code)
	}
	return int(binary.BigEndian.Uint32(answer[10:])), nil
}
