// The hub as it is written in Go: gorilla/websocket, a goroutine that writes for each connection, a mutex for the
// list of subscribers, and one prepared message for all of them. Prints "listening ADDRESS".
package main

import (
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"sync"

	"github.com/gorilla/websocket"
)

const waiting = 1024 // messages for one subscriber; more close it

type channel struct {
	mutex       sync.RWMutex
	offset      uint64
	subscribers map[chan *websocket.PreparedMessage]struct{}
}

var (
	mutex    sync.Mutex
	channels = map[string]*channel{}
	upgrader = websocket.Upgrader{ReadBufferSize: 512, WriteBufferSize: 512, WriteBufferPool: &sync.Pool{}}
)

func find(name string) *channel {
	mutex.Lock()
	defer mutex.Unlock()
	if channels[name] == nil {
		channels[name] = &channel{subscribers: map[chan *websocket.PreparedMessage]struct{}{}}
	}
	return channels[name]
}

func (c *channel) publish(data []byte) uint64 {
	message, err := websocket.NewPreparedMessage(websocket.TextMessage, data)
	if err != nil {
		log.Fatal(err)
	}
	c.mutex.Lock()
	defer c.mutex.Unlock()
	c.offset++
	for subscriber := range c.subscribers {
		select {
		case subscriber <- message:
		default:
			delete(c.subscribers, subscriber)
			close(subscriber)
		}
	}
	return c.offset
}

func (c *channel) subscribe(connection *websocket.Conn) {
	messages := make(chan *websocket.PreparedMessage, waiting)
	c.mutex.Lock()
	c.subscribers[messages] = struct{}{}
	c.mutex.Unlock()
	go func() {
		defer connection.Close()
		for message := range messages {
			if connection.WritePreparedMessage(message) != nil {
				return
			}
		}
	}()
	for {
		if _, _, err := connection.NextReader(); err != nil {
			break
		}
	}
	c.mutex.Lock()
	defer c.mutex.Unlock()
	if _, there := c.subscribers[messages]; there {
		delete(c.subscribers, messages)
		close(messages)
	}
}

func serve(response http.ResponseWriter, request *http.Request) {
	c := find(request.URL.Path)
	if request.Method == http.MethodPost {
		data, err := io.ReadAll(io.LimitReader(request.Body, 64<<10))
		if err != nil {
			return
		}
		response.WriteHeader(http.StatusAccepted)
		fmt.Fprintf(response, "{\"offset\": %d}\n", c.publish(data))
		return
	}
	connection, err := upgrader.Upgrade(response, request, nil)
	if err != nil {
		return
	}
	c.subscribe(connection)
}

func main() {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println("listening", listener.Addr())
	log.Fatal(http.Serve(listener, http.HandlerFunc(serve)))
}
