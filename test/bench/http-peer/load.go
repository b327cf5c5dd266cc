package main

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strconv"
	"sync"
	"sync/atomic"
	"time"
)

func load(args []string) error {
	if len(args) != 4 {
		return fmt.Errorf("load: expected PORT CONNECTIONS REQUESTS PATH")
	}
	connections, err := strconv.Atoi(args[1])
	if err != nil {
		return err
	}
	requests, err := strconv.ParseInt(args[2], 10, 64)
	if err != nil {
		return err
	}
	address := "127.0.0.1:" + args[0]
	request := []byte("GET " + args[3] + " HTTP/1.1\r\nHost: " + address + "\r\nAccept: application/json\r\nUser-Agent: bench\r\n" +
		"Authorization: Bearer " + os.Getenv("TOKEN") + "\r\n\r\n")
	left := atomic.Int64{}
	left.Store(requests)
	failures := make(chan error, connections)
	var all sync.WaitGroup
	started := time.Now()
	for range connections {
		all.Go(func() { failures <- client(address, request, &left) })
	}
	all.Wait()
	took := time.Since(started)
	for range connections {
		if err := <-failures; err != nil {
			return err
		}
	}
	fmt.Println(took.Seconds())
	return nil
}

// One connection, one request after the other, until none are left.
func client(address string, request []byte, left *atomic.Int64) error {
	connection, err := net.Dial("tcp", address)
	if err != nil {
		return err
	}
	defer connection.Close()
	reader := bufio.NewReaderSize(connection, 8192)
	for left.Add(-1) >= 0 {
		if _, err := connection.Write(request); err != nil {
			return err
		}
		answer, err := http.ReadResponse(reader, nil)
		if err != nil {
			return err
		}
		if answer.StatusCode != 200 {
			told, _ := io.ReadAll(answer.Body)
			return fmt.Errorf("%d %s", answer.StatusCode, told)
		}
		if _, err := io.Copy(io.Discard, answer.Body); err != nil {
			return err
		}
	}
	return nil
}
