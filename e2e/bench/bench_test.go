// Package bench_test measures sealock as a whole process, in ratios and in figures
// that a person can use. It asserts nothing: a busy machine is no fault.
package bench_test

import (
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/sealock/sealock/e2e/internal/need"
	"github.com/sealock/sealock/e2e/internal/proc"
	"github.com/sealock/sealock/e2e/internal/sealock"
)

func TestMain(m *testing.M) {
	proc.Supervise()
	os.Exit(run(m))
}

// run builds sealock and the floor once.
func run(m *testing.M) int {
	dir, err := os.MkdirTemp("", "sealock-bench-")
	if err != nil {
		fmt.Fprintln(os.Stderr, "making a folder:", err)
		return 1
	}
	defer os.RemoveAll(dir)
	if err := build(dir); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return m.Run()
}

func build(dir string) error {
	if os.Getenv(sealock.BinaryEnv) == "" {
		binary, err := sealock.Build(dir)
		if err != nil {
			return fmt.Errorf("before the benchmarks: %w", err)
		}
		if err := os.Setenv(sealock.BinaryEnv, binary); err != nil {
			return fmt.Errorf("before the benchmarks: %w", err)
		}
	}
	floor := filepath.Join(dir, "floor")
	out := proc.Run(proc.Command{Args: []string{"go", "build", "-o", floor, "./floor"}, Env: append(os.Environ(), "CGO_ENABLED=0")})
	if out.Err != nil {
		return fmt.Errorf("building the floor: %w\n%s", out.Err, out.Text)
	}
	if err := os.Setenv(floorEnv, floor); err != nil {
		return fmt.Errorf("before the benchmarks: %w", err)
	}
	return nil
}

const (
	floorEnv = "SEALOCK_E2E_FLOOR"
	user     = "alice"
	password = "Alice-bench-12345"
	clients  = 16
	round    = 2 * time.Second
	rounds   = 3
)

// BenchmarkToken asks for tokens as a password user that was seen before, and reports
// what part of the floor's figures sealock reaches: tokens a second of time, and
// tokens a second of the server's own processor time, which does not count the client.
func BenchmarkToken(b *testing.B) {
	server := startSealock(b)
	server.LogIn(b)
	server.AddUser(b, user, password)
	server.AddProject(b, "team", user+":maintainer")
	addr := proc.FreeAddr(b)
	floor := proc.Start(b, proc.Server{
		Name: "floor", Args: []string{os.Getenv(floorEnv), addr}, Env: []string{"PATH=" + need.Path()},
		Ready: proc.Answers("http://"+addr+"/service/token", http.StatusOK),
	})
	const query = "/service/token?service=sealock&scope=repository:team/app:pull,push"
	warm(b, server.URL+query)

	var byTime, byCPU, tokens []float64
	for range rounds {
		f := measure(b, floor, "http://"+addr+query)
		s := measure(b, server.Process(), server.URL+query)
		byTime = append(byTime, s.perSecond/f.perSecond)
		byCPU = append(byCPU, s.perCPU/f.perCPU)
		tokens = append(tokens, s.perSecond)
	}
	b.ReportMetric(0, "ns/op")
	b.ReportMetric(median(byTime), "of-floor")
	b.ReportMetric(median(byCPU), "of-floor-per-cpu")
	b.ReportMetric(median(tokens), "tokens/s")
}

// BenchmarkStart starts sealock in a new folder and in one that is there, up to the
// first token, and reads how much memory it then has.
func BenchmarkStart(b *testing.B) {
	server := sealock.Prepare(b, sealock.Options{Addr: proc.FreeAddr(b)})
	first := startToToken(b, server)
	server.Stop()
	second := startToToken(b, server)
	time.Sleep(time.Second)
	kb, err := residentKB(server.Process())
	if err != nil {
		b.Fatal(err)
	}
	b.ReportMetric(0, "ns/op")
	b.ReportMetric(float64(first.Milliseconds()), "ms-first-start")
	b.ReportMetric(float64(second.Milliseconds()), "ms-start")
	b.ReportMetric(float64(kb)/1024, "MB-idle")
}

func startSealock(b *testing.B) *sealock.Server {
	b.Helper()
	server := sealock.Prepare(b, sealock.Options{Addr: proc.FreeAddr(b)})
	server.Start(b)
	return server
}

// startToToken takes the time from the start of the process to the first token of the
// administrator. Readiness is polled every 25 ms, so that much may be added.
func startToToken(b *testing.B, server *sealock.Server) time.Duration {
	b.Helper()
	began := time.Now()
	server.Start(b)
	req := request(b, server.URL+"/service/token?service=sealock", "admin", sealock.AdminPassword)
	if _, err := ask(http.DefaultClient, req); err != nil {
		b.Fatal(err)
	}
	return time.Since(began)
}

type figures struct{ perSecond, perCPU float64 }

// measure asks for tokens with several clients for the time of a round.
func measure(b *testing.B, server *proc.Process, url string) figures {
	b.Helper()
	before, err := processorTime(server)
	if err != nil {
		b.Fatal(err)
	}
	began := time.Now()
	asked := flood(b, url, began.Add(round))
	elapsed := time.Since(began)
	after, err := processorTime(server)
	if err != nil {
		b.Fatal(err)
	}
	return figures{float64(asked) / elapsed.Seconds(), float64(asked) / (after - before).Seconds()}
}

func flood(b *testing.B, url string, until time.Time) int64 {
	b.Helper()
	var asked atomic.Int64
	var wg sync.WaitGroup
	transport := &http.Transport{MaxIdleConnsPerHost: clients}
	defer transport.CloseIdleConnections()
	client := &http.Client{Transport: transport}
	for range clients {
		wg.Go(func() {
			req := request(b, url, user, password)
			for time.Now().Before(until) {
				if _, err := ask(client, req); err != nil {
					b.Error(err)
					return
				}
				asked.Add(1)
			}
		})
	}
	wg.Wait()
	return asked.Load()
}

func warm(b *testing.B, url string) {
	b.Helper()
	if _, err := ask(http.DefaultClient, request(b, url, user, password)); err != nil {
		b.Fatal(err)
	}
}

func request(b *testing.B, url, name, pass string) *http.Request {
	b.Helper()
	req, err := http.NewRequestWithContext(b.Context(), http.MethodGet, url, nil)
	if err != nil {
		b.Fatal(err)
	}
	req.SetBasicAuth(name, pass)
	return req
}

func ask(client *http.Client, req *http.Request) (int64, error) {
	resp, err := client.Do(req)
	if err != nil {
		return 0, fmt.Errorf("asking for a token: %w", err)
	}
	defer resp.Body.Close()
	n, err := io.Copy(io.Discard, resp.Body)
	if err != nil {
		return n, fmt.Errorf("reading a token: %w", err)
	}
	if resp.StatusCode != http.StatusOK {
		return n, fmt.Errorf("asking for a token: got %s, want 200", resp.Status)
	}
	return n, nil
}

// processorTime reads how long a process has run so far.
func processorTime(p *proc.Process) (time.Duration, error) {
	pid, err := p.PID()
	if err != nil {
		return 0, fmt.Errorf("reading processor time: %w", err)
	}
	raw, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0, fmt.Errorf("reading processor time: %w", err)
	}
	_, rest, _ := strings.Cut(string(raw), ") ")
	fields := strings.Fields(rest)
	if len(fields) < 13 {
		return 0, fmt.Errorf("reading processor time: got %d fields, want 13", len(fields))
	}
	var ticks int64
	for _, field := range fields[11:13] { // utime and stime
		n, err := strconv.ParseInt(field, 10, 64)
		if err != nil {
			return 0, fmt.Errorf("reading processor time: %w", err)
		}
		ticks += n
	}
	return time.Duration(ticks) * 10 * time.Millisecond, nil
}

// residentKB reads how much memory a process has.
func residentKB(p *proc.Process) (int, error) {
	pid, err := p.PID()
	if err != nil {
		return 0, fmt.Errorf("reading memory: %w", err)
	}
	raw, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0, fmt.Errorf("reading memory: %w", err)
	}
	_, rest, _ := strings.Cut(string(raw), "VmRSS:")
	fields := strings.Fields(rest)
	if len(fields) == 0 {
		return 0, fmt.Errorf("reading memory: no VmRSS of process %d", pid)
	}
	kb, err := strconv.Atoi(fields[0])
	if err != nil {
		return 0, fmt.Errorf("reading memory: %w", err)
	}
	return kb, nil
}

func median(values []float64) float64 {
	slices.Sort(values)
	return values[len(values)/2]
}
