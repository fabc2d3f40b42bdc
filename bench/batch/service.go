package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"time"
)

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

type fetcher struct {
	client *http.Client
	slots  chan struct{}
	origin string
}

// The same API with net/http: a bounded number of fetches, a context with the deadline, one more attempt.
func service(args []string) {
	flags := flag.NewFlagSet("service", flag.ExitOnError)
	origin := flags.String("store", "", "")
	fetches := flags.Int("fetches", 256, "")
	check(flags.Parse(args))
	transport := &http.Transport{MaxIdleConnsPerHost: *fetches, DisableCompression: true}
	f := &fetcher{&http.Client{Transport: transport}, make(chan struct{}, *fetches), *origin}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	check(err)
	fmt.Println("listening", listener.Addr())
	check(http.Serve(listener, f))
}

func (f *fetcher) ServeHTTP(w http.ResponseWriter, r *http.Request) {
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
	text, _ := json.Marshal(f.collect(ctx, ask.Keys))
	w.Header().Set("Content-Type", "application/json")
	w.Write(text)
}

type fetched struct {
	key string
	result
	err error
}

// All keys at once, each with a slot; what is there when the time is up.
func (f *fetcher) collect(ctx context.Context, keys []string) answer {
	done := make(chan fetched, len(keys))
	for _, key := range keys {
		go func(key string) { done <- f.fetch(ctx, key) }(key)
	}
	a := answer{Results: map[string]result{}, Missing: []string{}, Errors: map[string]string{}}
	for range keys {
		select {
		case one := <-done:
			if one.err == nil {
				a.Results[one.key] = one.result
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

func (f *fetcher) fetch(ctx context.Context, key string) fetched {
	select {
	case f.slots <- struct{}{}:
	case <-ctx.Done():
		return fetched{key: key, err: ctx.Err()}
	}
	defer func() { <-f.slots }()
	one := f.get(ctx, key)
	for again := 0; one.err != nil && ctx.Err() == nil && again < 2; again++ {
		select {
		case <-time.After(25 * time.Millisecond << again):
		case <-ctx.Done():
		}
		one = f.get(ctx, key)
	}
	return one
}

func (f *fetcher) get(ctx context.Context, key string) fetched {
	request, err := http.NewRequestWithContext(ctx, "GET", f.origin+"/"+key, nil)
	if err != nil {
		return fetched{key: key, err: err}
	}
	response, err := f.client.Do(request)
	if err != nil {
		return fetched{key: key, err: err}
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if response.StatusCode >= 500 {
		err = errors.New(response.Status)
	}
	h := response.Header
	return fetched{key, result{response.StatusCode, h.Get("Content-Type"), h.Get("ETag"), string(body)}, err}
}
