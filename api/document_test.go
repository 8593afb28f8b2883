package api_test

import (
	"bytes"
	"context"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"
)

// loadDocument reads the document from its file.
func loadDocument(t testing.TB) *openapi3.T {
	t.Helper()
	doc, err := openapi3.NewLoader().LoadFromFile("openapi.yaml")
	if err != nil {
		t.Fatalf("loading openapi.yaml: %v", err)
	}
	return doc
}

// operation is one operation of the document.
type operation struct {
	method, path string
	who          string // x-who
	*openapi3.Operation
}

func (o operation) String() string { return o.method + " " + o.path }

// operations lists the document's operations, in the order of paths.
func operations(t testing.TB, doc *openapi3.T) []operation {
	t.Helper()
	var out []operation
	for _, path := range doc.Paths.InMatchingOrder() {
		for method, op := range doc.Paths.Value(path).Operations() {
			who, _ := op.Extensions["x-who"].(string)
			out = append(out, operation{method, path, who, op})
		}
	}
	slices.SortFunc(out, func(a, b operation) int { return strings.Compare(a.path+a.method, b.path+b.method) })
	return out
}

func TestDocumentIsValid(t *testing.T) {
	doc := loadDocument(t)
	if err := doc.Validate(context.Background(), openapi3.EnableExamplesValidation()); err != nil {
		t.Fatalf("openapi.yaml: %v, want a valid document whose examples fit their schemas", err)
	}
}

// Every operation says what it is for, who may call it, how a good answer looks and which errors there are.
func TestDocumentIsComplete(t *testing.T) {
	whos := []string{"anyone", "user", "self", "own", "reader", "member", "developer", "maintainer", "project-admin", "admin"}
	for _, op := range operations(t, loadDocument(t)) {
		t.Run(op.String(), func(t *testing.T) {
			if op.Summary == "" || strings.HasSuffix(op.Summary, ".") {
				t.Errorf("summary = %q, want a line without a full stop", op.Summary)
			}
			if !slices.Contains(whos, op.who) {
				t.Errorf("x-who = %q, want one of %q", op.who, whos)
			}
			if len(op.Tags) != 1 {
				t.Errorf("tags = %q, want one", op.Tags)
			}
			wantExamples(t, op)
			wantErrors(t, op)
		})
	}
}

func wantExamples(t *testing.T, op operation) {
	t.Helper()
	for status, resp := range op.Responses.Map() {
		for media, content := range resp.Value.Content {
			if content.Example == nil && (content.Schema == nil || content.Schema.Value.Example == nil) {
				t.Errorf("response %s %s has no example, want one", status, media)
			}
		}
	}
	if op.RequestBody != nil && op.RequestBody.Value.Content.Get("application/json").Example == nil {
		t.Errorf("request body has no example, want one")
	}
}

func wantErrors(t *testing.T, op operation) {
	t.Helper()
	want := []string{"401"}                                                // for a wrong credential
	changes := op.method != http.MethodGet && op.method != http.MethodHead // and needs the session's token
	if op.who != "anyone" && op.who != "user" || changes {
		want = append(want, "403")
	}
	if strings.Contains(op.path, "{") {
		want = append(want, "404")
	}
	if op.RequestBody != nil {
		want = append(want, "400")
	}
	for _, status := range want {
		if op.Responses.Value(status) == nil {
			t.Errorf("there is no response %s, want one: the caller has to know it", status)
		}
	}
}

// The generated code is what the tool makes of the document as it is now.
func TestGeneratedCodeIsCurrent(t *testing.T) {
	if testing.Short() {
		t.Skip("building the generator takes half a minute: run without -short")
	}
	for config, file := range map[string]string{"gen/config.yaml": "gen/gen.go", "client/config.yaml": "client/client.gen.go"} {
		made := filepath.Join(t.TempDir(), "made.go")
		cmd := exec.CommandContext(t.Context(), "go", "tool", "-modfile=../tools/go.mod", "oapi-codegen", "-config", config, "-o", made, "openapi.yaml")
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("oapi-codegen: %v\n%s", err, out)
		}
		if !bytes.Equal(read(t, made), read(t, file)) {
			t.Errorf("%s is not what openapi.yaml makes, want it to be: run go generate ./api", file)
		}
	}
}

func read(t *testing.T, file string) []byte {
	t.Helper()
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// Every route that is served stands in the document, and the other way round; what can be got has a HEAD besides.
func TestRoutesAreTheDocument(t *testing.T) {
	var want []string
	param := regexp.MustCompile(`\{([^}]*)\}`)
	for _, op := range operations(t, loadDocument(t)) {
		path := param.ReplaceAllString(op.path, ":$1")
		for _, path := range []string{path, strings.TrimSuffix(path, "/")} { // Harbor serves a path with a slash at its end without it, too
			want = append(want, op.method+" "+path)
			if op.method == http.MethodGet {
				want = append(want, http.MethodHead+" "+path)
			}
		}
	}
	got := newWorld(t).routes()
	slices.Sort(got)
	slices.Sort(want)
	want = slices.Compact(want) // most have no slash, and one path has a HEAD of its own
	if !slices.Equal(got, want) {
		t.Errorf("routes = %q, want those of the document: %q", got, want)
	}
}
