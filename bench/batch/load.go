package main

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"math/rand"
	"net/http"
	"os"
	"sort"
	"strings"
	"sync"
	"time"
)

type seen struct {
	took      float64 // milliseconds, from when the request was due
	delivered int     // keys
	failed    bool
}

var buffers = sync.Pool{New: func() interface{} { return new(bytes.Buffer) }}

// Requests begin when they are due, whatever became of those before, and their time counts from then (no
// coordinated omission).
func load(args []string) {
	flags := flag.NewFlagSet("load", flag.ExitOnError)
	url := flags.String("url", "", "")
	rate := flags.Float64("rate", 50, "requests a second")
	seconds := flags.Float64("seconds", 10, "")
	keys := flags.Int("keys", 100, "of a request")
	timeout := flags.Int("timeout", 1200, "milliseconds")
	objects := flags.Int("objects", 1_000_000, "different keys")
	stuck := flags.Bool("stuck", false, "one of the keys takes five seconds")
	check(flags.Parse(args))
	client := &http.Client{
		Transport: &http.Transport{MaxIdleConnsPerHost: 4096, DisableCompression: true, ReadBufferSize: 65536},
		Timeout:   time.Duration(*timeout+10_000) * time.Millisecond,
	}
	all := make([]seen, int(*rate**seconds))
	var pending sync.WaitGroup
	began := time.Now()
	for i := range all {
		body := request(*keys, *objects, *timeout, *stuck)
		due := began.Add(time.Duration(float64(i) / *rate * float64(time.Second)))
		time.Sleep(time.Until(due))
		pending.Add(1)
		go func(one *seen) {
			defer pending.Done()
			one.delivered, one.failed = ask(client, *url, body)
			one.took = float64(time.Since(due)) / 1e6
		}(&all[i])
	}
	pending.Wait()
	report(all, *keys, float64(*timeout))
}

func request(keys, objects, timeout int, stuck bool) string {
	names := make([]string, keys)
	first := rand.Intn(objects)
	for k := range names { // all different
		n := (first + k*7919) % objects
		names[k] = fmt.Sprintf("\"objects/%0*d\"", 1+n%9, n)
	}
	if stuck {
		names[0] = fmt.Sprintf("\"stuck/%d\"", rand.Int())
	}
	return fmt.Sprintf("{\"keys\":[%s],\"timeout_ms\":%d}", strings.Join(names, ","), timeout)
}

func ask(client *http.Client, url, body string) (delivered int, failed bool) {
	response, err := client.Post(url, "application/json", strings.NewReader(body))
	if err != nil {
		return 0, true
	}
	defer response.Body.Close()
	text := buffers.Get().(*bytes.Buffer)
	defer buffers.Put(text)
	text.Reset()
	if _, err = io.Copy(text, response.Body); err != nil || response.StatusCode != 200 {
		return 0, true
	}
	return bytes.Count(text.Bytes(), []byte(`"status":200`)), false
}

func report(all []seen, keys int, timeout float64) {
	const late = 1 // millisecond
	var took, over []float64
	delivered, onTime, failed := 0, 0, 0
	for _, one := range all {
		lateness := one.took - timeout
		if lateness < 0 {
			lateness = 0
		}
		took, over = append(took, one.took), append(over, lateness)
		delivered += one.delivered
		if one.failed {
			failed++
		} else if lateness <= late {
			onTime++
		}
	}
	sort.Float64s(took)
	sort.Float64s(over)
	at := func(list []float64, share float64) float64 { return list[int(share*float64(len(list)-1))] }
	check(json.NewEncoder(os.Stdout).Encode(map[string]interface{}{
		"requests": len(all), "failed": failed, "on_time": onTime, "delivered": delivered,
		"asked": len(all) * keys, "p50": at(took, 0.5), "p99": at(took, 0.99), "late_p99": at(over, 0.99), "late_max": at(over, 1),
	}))
}
