// The parts of bench/batch.py that have to be fast: an object store that can be slow, the batch service as one
// would write it in Go, and a load generator with open-loop arrivals.
//
//	batch store -listen ADDRESS [-delay 3ms] [-stall 0.01]
//	batch twin -listen ADDRESS -store URL [-fetches 256]
//	batch load -url URL -rate 50 -seconds 10 [-keys 100] [-timeout 1200] [-objects 100000]
package main

import (
	"bytes"
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"math/rand"
	"net"
	"net/http"
	"os"
	"sort"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

func main() {
	roles := map[string]func([]string){"store": store, "twin": twin, "load": load}
	if len(os.Args) < 2 || roles[os.Args[1]] == nil {
		fmt.Fprintln(os.Stderr, "usage: batch store|twin|load …")
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

func serve(address string, handler http.Handler) {
	listener, err := net.Listen("tcp", address)
	check(err)
	fmt.Println("listening", listener.Addr())
	check(http.Serve(listener, handler))
}

// ---------------------------------------------------------------- the store

// Objects of 1 to 8 KB, after -delay; a share of them stops for five seconds after the head.
func store(args []string) {
	flags := flag.NewFlagSet("store", flag.ExitOnError)
	listen := flags.String("listen", "127.0.0.1:0", "")
	delay := flags.Duration("delay", 3*time.Millisecond, "")
	stall := flags.Float64("stall", 0, "")
	check(flags.Parse(args))
	text := []byte(strings.Repeat("Lorem ipsum dolor sit amet. ", 300))
	serve(*listen, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		size := 1024 + len(r.URL.Path)*7919%7169
		w.Header().Set("Content-Type", "text/plain")
		w.Header().Set("ETag", `"a"`)
		w.Header().Set("Content-Length", fmt.Sprint(size))
		time.Sleep(*delay)
		if rand.Float64() < *stall {
			w.(http.Flusher).Flush()
			select {
			case <-time.After(5 * time.Second):
			case <-r.Context().Done():
			}
		}
		w.Write(text[:size])
	}))
}

// ---------------------------------------------------------------- the service in Go

type result struct {
	Status      int    `json:"status"`
	ContentType string `json:"content_type,omitempty"`
	ETag        string `json:"etag,omitempty"`
	Body        string `json:"body,omitempty"`
}

type answer struct {
	Complete bool              `json:"complete"`
	Results  map[string]result `json:"results"`
	Missing  []string          `json:"missing"`
	Errors   map[string]string `json:"errors"`
}

func twin(args []string) {
	flags := flag.NewFlagSet("twin", flag.ExitOnError)
	listen := flags.String("listen", "127.0.0.1:0", "")
	origin := flags.String("store", "", "")
	fetches := flags.Int("fetches", 256, "")
	check(flags.Parse(args))
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: *fetches, DisableCompression: true}}
	slots := make(chan struct{}, *fetches)
	serve(*listen, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		began := time.Now()
		var ask struct {
			Keys    []string `json:"keys"`
			Timeout int      `json:"timeout_ms"`
		}
		if err := json.NewDecoder(r.Body).Decode(&ask); err != nil {
			http.Error(w, err.Error(), 400)
			return
		}
		ctx, cancel := context.WithDeadline(r.Context(), began.Add(time.Duration(ask.Timeout)*time.Millisecond))
		defer cancel()
		a := collect(ctx, client, slots, *origin, ask.Keys)
		w.Header().Set("Content-Type", "application/json")
		json.NewEncoder(w).Encode(a)
	}))
}

// All keys at once, each with a slot; what is there when the time is up.
func collect(ctx context.Context, client *http.Client, slots chan struct{}, origin string, keys []string) answer {
	type one struct {
		key string
		result
		err error
	}
	done := make(chan one, len(keys))
	for _, key := range keys {
		go func(key string) {
			select {
			case slots <- struct{}{}:
			case <-ctx.Done():
				done <- one{key: key, err: ctx.Err()}
				return
			}
			defer func() { <-slots }()
			request, _ := http.NewRequestWithContext(ctx, "GET", origin+"/"+key, nil)
			response, err := client.Do(request)
			if err != nil {
				done <- one{key: key, err: err}
				return
			}
			body, err := io.ReadAll(response.Body)
			response.Body.Close()
			h := response.Header
			done <- one{key, result{response.StatusCode, h.Get("Content-Type"), h.Get("ETag"), string(body)}, err}
		}(key)
	}
	a := answer{Results: map[string]result{}, Missing: []string{}, Errors: map[string]string{}}
	for range keys {
		select {
		case o := <-done:
			if o.err == nil {
				a.Results[o.key] = o.result
			}
			continue
		case <-ctx.Done():
		}
		break
	}
	for _, key := range keys {
		if _, found := a.Results[key]; !found {
			a.Missing = append(a.Missing, key)
			a.Errors[key] = "timeout"
		}
	}
	a.Complete = len(a.Missing) == 0
	return a
}

// ---------------------------------------------------------------- load

// Requests begin when their time has come, whatever became of those before (no coordinated omission). Prints
// one line of JSON.
func load(args []string) {
	flags := flag.NewFlagSet("load", flag.ExitOnError)
	url := flags.String("url", "", "")
	rate := flags.Float64("rate", 50, "requests a second")
	seconds := flags.Float64("seconds", 10, "")
	keys := flags.Int("keys", 100, "of a request")
	timeout := flags.Int("timeout", 1200, "milliseconds")
	objects := flags.Int("objects", 1_000_000, "different keys")
	check(flags.Parse(args))
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 4096, DisableCompression: true},
		Timeout: time.Duration(*timeout+30_000) * time.Millisecond}
	count := int(*rate * *seconds)
	over := make([]float64, count) // milliseconds beyond the deadline
	took := make([]float64, count)
	var delivered, failed int64
	var all sync.WaitGroup
	began := time.Now()
	for i := 0; i < count; i++ {
		due := began.Add(time.Duration(float64(i) / *rate * float64(time.Second)))
		time.Sleep(time.Until(due))
		all.Add(1)
		go func(i int) {
			defer all.Done()
			names := make([]string, *keys)
			for k := range names {
				n := rand.Intn(*objects)
				names[k] = fmt.Sprintf("objects/%0*d", 1+n%9, n)
			}
			body, _ := json.Marshal(map[string]interface{}{"keys": names, "timeout_ms": *timeout})
			sent := time.Now()
			response, err := client.Post(*url, "application/json", bytes.NewReader(body))
			var text []byte
			if err == nil {
				text, err = io.ReadAll(response.Body)
				response.Body.Close()
			}
			took[i] = float64(time.Since(sent)) / 1e6
			over[i] = took[i] - float64(*timeout)
			if err != nil || response.StatusCode != 200 {
				atomic.AddInt64(&failed, 1)
				over[i] = 1e9
				return
			}
			atomic.AddInt64(&delivered, int64(bytes.Count(text, []byte(`"status":200`))))
		}(i)
	}
	all.Wait()
	late := 0
	for _, ms := range over {
		if ms > 1 {
			late++
		}
	}
	sort.Float64s(over)
	sort.Float64s(took)
	at := func(list []float64, share float64) float64 { return list[int(share*float64(len(list)-1))] }
	json.NewEncoder(os.Stdout).Encode(map[string]interface{}{
		"requests": count, "failed": failed, "on_time": 1 - float64(late)/float64(count),
		"delivered": float64(delivered) / float64(count**keys), "median_ms": at(took, 0.5),
		"over_p99_ms": at(over, 0.99), "over_max_ms": at(over, 1),
	})
}
