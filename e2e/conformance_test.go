package e2e_test

import (
	"encoding/xml"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sealock/sealock/e2e/internal/need"
	"github.com/sealock/sealock/e2e/internal/proc"
	"github.com/sealock/sealock/e2e/internal/registry"
)

// TestConformance runs the OCI distribution-spec conformance suite with token
// authentication, TestConformance/<registry>, and wants every test to pass that passes
// on the same registry without sealock. Behind the front door nothing else fails, either,
// but what the stock registry there refuses by its settings or can't do.
func TestConformance(t *testing.T) {
	t.Parallel()
	need.Tool(t, "conformance")
	bare := newBaselines()
	for _, r := range rows() {
		t.Run(r.name, func(t *testing.T) {
			t.Parallel()
			if testing.Short() && r.plugin && r.kind != registry.V30 {
				t.Skip("clients that reach a registry directly get its own answers: make e2e-full asks each")
			}
			s := r.start(t)
			s.server.AddProject(t, "conformance", alice+":maintainer")
			want := bare.of(t, r.kind)
			got := conformance(t, s.host, alice, alicePassword)
			t.Logf("bare %s; through sealock %s", want, got)
			for _, name := range slices.Sorted(maps.Keys(want.passed)) {
				if got.passed[name] < want.passed[name] {
					t.Errorf("%s: passes %d times through sealock, want %d as on the bare registry", name, got.passed[name], want.passed[name])
				}
			}
			if r.plugin {
				return
			}
			for _, name := range got.failed {
				if !startsWithAny(name, refusedBy(r.name)) {
					t.Errorf("%s fails through sealock", name)
				}
			}
		})
	}
}

// refusedBy lists what the registry of a row fails by itself, by the beginnings of the
// tests' names. The registry inside sealock fails nothing.
func refusedBy(row string) []string {
	if row == "embedded" {
		return nil
	}
	refused := []string{
		"non-distributable-layers/", // validation.manifests.urls lets none in by default
		"sha512/",                   // manifests have a sha256 digest alone; blobs may have both
	}
	if row == "2.8.2" {
		for _, algorithm := range []string{"sha256", "sha512"} {
			refused = append(refused,
				algorithm+" blobs/chunked out-of-order",                                                           // taken instead of 416
				algorithm+" blobs/range requests/range 500-0", algorithm+" blobs/range requests/range 5000-10000", // 200 and 500 instead of 416
			)
		}
	}
	return refused
}

func startsWithAny(name string, beginnings []string) bool {
	name = strings.TrimPrefix(name, "OCI Conformance Test/")
	return slices.ContainsFunc(beginnings, func(b string) bool { return strings.HasPrefix(name, b) })
}

// baselines are the outcomes on registries without sealock, each made once.
type baselines struct {
	once map[registry.Kind]func(t *testing.T) outcome
}

func newBaselines() baselines {
	b := baselines{once: map[registry.Kind]func(t *testing.T) outcome{}}
	for _, kind := range []registry.Kind{registry.Debian28, registry.V30, registry.V31} {
		var once sync.Once
		var result outcome
		b.once[kind] = func(t *testing.T) outcome {
			t.Helper()
			once.Do(func() {
				stock := registry.Start(t, kind, proc.FreeAddr(t), "")
				result = conformance(t, stock.Addr, "", "")
			})
			return result
		}
	}
	return b
}

// of returns the outcome on a bare registry.
func (b baselines) of(t *testing.T, kind registry.Kind) outcome {
	t.Helper()
	result := b.once[kind](t)
	if len(result.passed) == 0 {
		t.Fatalf("conformance of a bare %s: nothing passed", kind)
	}
	return result
}

// outcome counts the tests of one run of the suite.
type outcome struct {
	passed                   map[string]int // by name; some names stand for several tests
	failed                   []string
	total, failures, skipped int
}

func (o outcome) String() string {
	passed := 0
	for _, n := range o.passed {
		passed += n
	}
	return fmt.Sprintf("%d tests: %d passed, %d failed, %d skipped", o.total, passed, o.failures, o.skipped)
}

// report is as much of a JUnit file as is needed.
type report struct {
	Suites []struct {
		Cases []struct {
			Name   string `xml:"name,attr"`
			Status string `xml:"status,attr"`
		} `xml:"testcase"`
	} `xml:"testsuite"`
}

// conformance runs the suite. It ends with a failure wherever one test fails, on every
// registry there is; what counts is its report.
func conformance(t *testing.T, host, user, pass string) outcome {
	t.Helper()
	dir := proc.Dir(t)
	out := proc.Run(proc.Command{
		Args:  []string{need.Tool(t, "conformance")},
		Limit: 3 * time.Minute, // hundreds of requests: other tests run beside it
		Dir:   dir,
		Env: []string{
			"PATH=" + need.Path(), "HOME=" + dir,
			"OCI_REGISTRY=" + host, "OCI_TLS=disabled", "OCI_VERSION=1.1",
			"OCI_USERNAME=" + user, "OCI_PASSWORD=" + pass,
			"OCI_REPO1=conformance/first", "OCI_REPO2=conformance/second",
		},
	})
	raw, err := os.ReadFile(filepath.Join(dir, "results", "junit.xml"))
	if err != nil {
		t.Fatalf("reading the report of the suite: %v\n%s", err, out)
	}
	var r report
	if err := xml.Unmarshal(raw, &r); err != nil {
		t.Fatalf("reading the report of the suite: %v", err)
	}
	return r.outcome()
}

func (r report) outcome() outcome {
	o := outcome{passed: map[string]int{}}
	for _, suite := range r.Suites {
		for _, c := range suite.Cases {
			o.total++
			switch c.Status {
			case "passed":
				o.passed[c.Name]++
			case "failure", "error":
				o.failures++
				o.failed = append(o.failed, c.Name)
			default:
				o.skipped++
			}
		}
	}
	return o
}
