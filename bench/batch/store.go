package main

import (
	"bufio"
	"bytes"
	"flag"
	"fmt"
	"math/rand"
	"net"
	"strings"
	"time"
)

type faults struct {
	delay, busy time.Duration
	stall, cut  float64
}

var lorem = strings.Repeat("Lorem ipsum dolor sit amet. ", 300)

// Objects of 1 to 8 KB, after -delay. A share of them (-stall), and all of "stuck/", stop for five seconds after the
// head; others are reset in the middle of the body (-cut); for the first -busy of every second it says 503. Without net/http, so that the
// store is not what is measured.
func store(args []string) {
	flags := flag.NewFlagSet("store", flag.ExitOnError)
	var f faults
	flags.DurationVar(&f.delay, "delay", 3*time.Millisecond, "")
	flags.DurationVar(&f.busy, "busy", 0, "")
	flags.Float64Var(&f.stall, "stall", 0, "")
	flags.Float64Var(&f.cut, "cut", 0, "")
	check(flags.Parse(args))
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	check(err)
	fmt.Println("listening", listener.Addr())
	for {
		connection, err := listener.Accept()
		check(err)
		go f.serve(connection.(*net.TCPConn))
	}
}

func (f *faults) serve(connection *net.TCPConn) {
	defer connection.Close()
	input := bufio.NewReader(connection)
	var output bytes.Buffer
	for {
		line, err := input.ReadString('\n')
		if err != nil {
			return
		}
		path := strings.Fields(line)[1]
		for line != "\r\n" {
			if line, err = input.ReadString('\n'); err != nil {
				return
			}
		}
		if !f.answer(connection, path, &output) {
			return
		}
	}
}

// False when the connection is at its end.
func (f *faults) answer(connection *net.TCPConn, path string, output *bytes.Buffer) bool {
	time.Sleep(f.delay)
	output.Reset()
	if time.Duration(time.Now().Nanosecond()) < f.busy {
		output.WriteString("HTTP/1.1 503 Slow Down\r\nContent-Length: 0\r\n\r\n")
		_, err := connection.Write(output.Bytes())
		return err == nil
	}
	size := 1024 + len(path)*7919%7169
	fmt.Fprintf(output, "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nETag: \"a\"\r\nContent-Length: %d\r\n\r\n", size)
	luck := rand.Float64()
	if luck < f.stall || strings.Contains(path, "/stuck/") {
		connection.Write(output.Bytes())
		output.Reset()
		time.Sleep(5 * time.Second)
	} else if luck < f.stall+f.cut {
		output.WriteString(lorem[:size/2])
		connection.Write(output.Bytes())
		connection.SetLinger(0)
		return false
	}
	output.WriteString(lorem[:size])
	_, err := connection.Write(output.Bytes())
	return err == nil
}
