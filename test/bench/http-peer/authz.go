package main

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net"
	"os"
	"strings"

	auth "github.com/envoyproxy/go-control-plane/envoy/service/auth/v3"
	"github.com/open-policy-agent/opa/v1/rego"
	"google.golang.org/genproto/googleapis/rpc/status"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
)

type authorizer struct {
	auth.UnimplementedAuthorizationServer
	query rego.PreparedEvalQuery
}

// Decides by method, path and the token's claims. It verifies no signature and keeps no record: less than the gateway does.
func (a *authorizer) Check(ctx context.Context, asked *auth.CheckRequest) (*auth.CheckResponse, error) {
	request := asked.GetAttributes().GetRequest().GetHttp()
	headers := make(map[string]any, len(request.GetHeaders()))
	for name, value := range request.GetHeaders() {
		headers[name] = value
	}
	path, _, _ := strings.Cut(request.GetPath(), "?")
	segments := []any{}
	for segment := range strings.SplitSeq(strings.TrimPrefix(path, "/"), "/") {
		segments = append(segments, segment)
	}
	input := map[string]any{
		"claims":      claims(request.GetHeaders()["authorization"]),
		"parsed_path": segments,
		"attributes": map[string]any{"request": map[string]any{"http": map[string]any{
			"method": request.GetMethod(), "path": request.GetPath(), "host": request.GetHost(), "headers": headers,
		}}},
	}
	found, err := a.query.Eval(ctx, rego.EvalInput(input))
	code := codes.PermissionDenied
	if err == nil && found.Allowed() {
		code = codes.OK
	}
	return &auth.CheckResponse{Status: &status.Status{Code: int32(code)}}, nil
}

func claims(authorization string) map[string]any {
	parts := strings.Split(strings.TrimPrefix(authorization, "Bearer "), ".")
	found := map[string]any{}
	if len(parts) == 3 {
		if text, err := base64.RawURLEncoding.DecodeString(parts[1]); err == nil {
			_ = json.Unmarshal(text, &found)
		}
	}
	return found
}

func serveAuthz(args []string) error {
	if len(args) != 1 {
		return fmt.Errorf("authz: expected POLICY")
	}
	policy, err := os.ReadFile(args[0])
	if err != nil {
		return err
	}
	query, err := rego.New(rego.Query("data.bench.allow"), rego.Module("authz.rego", string(policy))).PrepareForEval(context.Background())
	if err != nil {
		return err
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	server := grpc.NewServer()
	auth.RegisterAuthorizationServer(server, &authorizer{query: query})
	printPort(listener)
	go server.Serve(listener)
	untilStdinEnds()
	return nil
}
