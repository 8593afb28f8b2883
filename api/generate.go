package api

// The tools stand in a module of their own (tools/go.mod), so that what they need does not enter this one.
//go:generate go tool -modfile=../tools/go.mod oapi-codegen -config gen/config.yaml -o gen/gen.go openapi.yaml
//go:generate go tool -modfile=../tools/go.mod oapi-codegen -config client/config.yaml -o client/client.gen.go openapi.yaml
