package main

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strconv"
	"strings"
)

// Of 1.7 KB, with four fields in it that the starter policy masks.
func customer() string {
	entries := make([]string, 0, 24)
	for i := range 24 {
		entries = append(entries, fmt.Sprintf(`{"id":%d,"booked":"2026-11-%02d","text":"standing order"}`, i, i+1))
	}
	return `{"id":1,"name":"Alice Archer","ssn":"900-11-1111","contact":{"email":"alice@secret.example","phone":"+15550000001"},` +
		`"dob":"1981-01-11","balance":90071992547409931.10,"entries":[` + strings.Join(entries, ",") + `]}`
}

func serveUpstream([]string) error {
	body := []byte(customer())
	length := strconv.Itoa(len(body))
	handler := http.HandlerFunc(func(answer http.ResponseWriter, asked *http.Request) {
		_, _ = io.Copy(io.Discard, asked.Body)
		answer.Header().Set("Content-Type", "application/json")
		answer.Header().Set("Content-Length", length)
		_, _ = answer.Write(body)
	})
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	printPort(listener)
	go http.Serve(listener, handler)
	untilStdinEnds()
	return nil
}

func printPort(listener net.Listener) {
	fmt.Println(listener.Addr().(*net.TCPAddr).Port)
}

func untilStdinEnds() {
	_, _ = io.Copy(io.Discard, os.Stdin)
}
