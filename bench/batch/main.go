// The parts of bench/batch.py that have to be fast: an object store with faults, the batch service as one would
// write it in Go, and clients with open-loop arrivals.
//
//	batch store [-delay 3ms] [-stall 0.01] [-cut 0.01] [-busy 200ms]
//	batch service -store URL [-fetches 256]
//	batch load -url URL [-rate 50] [-seconds 10] [-keys 100] [-timeout 1200] [-objects 1000000]
//
// Servers listen on a port that the kernel gives and print "listening ADDRESS"; the load prints one line of JSON.
package main

import (
	"fmt"
	"os"
)

func main() {
	roles := map[string]func([]string){"store": store, "service": service, "load": load}
	if len(os.Args) < 2 || roles[os.Args[1]] == nil {
		fmt.Fprintln(os.Stderr, "usage: batch store|service|load …")
		os.Exit(2)
	}
	roles[os.Args[1]](os.Args[2:])
}

func check(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, "batch:", err)
		os.Exit(1)
	}
}
