// Command fwd is the way into the node: it listens in the network namespace it is started in and connects in another one.
//
//	fwd /proc/PID/ns/net 127.0.0.1:16443=127.0.0.1:6443 ...
//
// The listeners are opened first; then the process becomes itself again through nsenter, keeping them, so that
// everything it dials lies over there. It prints only errors. A target that refuses shows as a reset connection.
package main

import (
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"time"
)

// firstListener is the file descriptor of the first listener after nsenter; the others follow it.
const firstListener = 100

// serving is set in the environment once the listeners are open and the namespace is the other one.
const serving = "CGP_FWD_SERVING=1"

func main() {
	if len(os.Args) < 3 {
		fail(fmt.Errorf("usage: fwd NETNS LISTEN=TARGET..."))
	}
	if os.Getenv("CGP_FWD_SERVING") == "" {
		fail(enter(os.Args[1], os.Args[2:]))
	}
	for i, pair := range os.Args[2:] {
		listener, err := net.FileListener(os.NewFile(uintptr(firstListener+i), pair))
		if err != nil {
			fail(err)
		}
		_, target, _ := strings.Cut(pair, "=")
		go serve(listener, target)
	}
	select {}
}

func fail(err error) {
	fmt.Fprintln(os.Stderr, "fwd:", err)
	os.Exit(1)
}

// enter opens the listeners and replaces this process by itself in the network namespace; it returns only an error.
func enter(namespace string, pairs []string) error {
	for i, pair := range pairs {
		address, _, ok := strings.Cut(pair, "=")
		if !ok {
			return fmt.Errorf("%q is not LISTEN=TARGET", pair)
		}
		listener, err := net.Listen("tcp", address)
		if err != nil {
			return err
		}
		file, err := listener.(*net.TCPListener).File()
		if err != nil {
			return err
		}
		if err := syscall.Dup3(int(file.Fd()), firstListener+i, 0); err != nil { // stays open over the exec
			return err
		}
	}
	nsenter, err := exec.LookPath("nsenter")
	if err != nil {
		return err
	}
	self, err := os.Executable()
	if err != nil {
		return err
	}
	arguments := append([]string{"nsenter", "--net=" + namespace, "--", self}, os.Args[1:]...)
	return syscall.Exec(nsenter, arguments, append(os.Environ(), serving))
}

func serve(listener net.Listener, target string) {
	for {
		client, err := listener.Accept()
		if err != nil { // out of file descriptors, or a client that left already
			fmt.Fprintln(os.Stderr, "fwd:", err)
			time.Sleep(50 * time.Millisecond)
			continue
		}
		go forward(client.(*net.TCPConn), target)
	}
}

func forward(client *net.TCPConn, target string) {
	defer client.Close()
	dialled, err := net.Dial("tcp", target)
	if err != nil {
		_ = client.SetLinger(0)
		return
	}
	server := dialled.(*net.TCPConn)
	defer server.Close()
	done := make(chan struct{})
	go func() {
		copyHalf(server, client)
		close(done)
	}()
	copyHalf(client, server)
	<-done
}

// copyHalf copies one direction (with splice, not through here) and closes it; a broken one closes both.
func copyHalf(to, from *net.TCPConn) {
	if _, err := io.Copy(to, from); err != nil {
		_ = to.Close()
		_ = from.Close()
		return
	}
	_ = to.CloseWrite()
}
