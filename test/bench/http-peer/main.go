// What the HTTP bench measures the gateway against, in one program: an API, the clients, and Envoy's usual authorizer.
//
//	upstream                             an API that answers every path with one customer; prints its port
//	load PORT CONNECTIONS REQUESTS PATH  clients that keep their connections; the token comes in TOKEN; prints seconds
//	authz POLICY                         ext_authz over gRPC, decided by OPA's Go library; prints its port
package main

import (
	"fmt"
	"os"
)

func main() {
	commands := map[string]func([]string) error{"upstream": serveUpstream, "load": load, "authz": serveAuthz}
	if len(os.Args) < 2 || commands[os.Args[1]] == nil {
		fmt.Fprintln(os.Stderr, "usage: http-peer upstream | load PORT CONNECTIONS REQUESTS PATH | authz POLICY")
		os.Exit(64)
	}
	if err := commands[os.Args[1]](os.Args[2:]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
