// pod is what the lab's pods run: with an address as its argument a web server that tells its host's name, else the
// process that holds a pod's namespaces until it is told to end.
package main

import (
	"fmt"
	"net/http"
	"os"
	"os/signal"
	"syscall"
)

func main() {
	if len(os.Args) > 1 {
		name, _ := os.Hostname()
		http.HandleFunc("/", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, name) })
		go func() {
			fmt.Fprintln(os.Stderr, http.ListenAndServe(os.Args[1], nil))
			os.Exit(1)
		}()
	}
	end := make(chan os.Signal, 1)
	signal.Notify(end, syscall.SIGTERM, syscall.SIGINT)
	<-end
}
