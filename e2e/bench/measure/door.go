package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"github.com/sealock/sealock/e2e/bench/load"
	"github.com/sealock/sealock/e2e/internal/need"
)

// doorRepository is where the images of the comparison are, doorTag the one with the large blob.
const (
	doorRepository = "team/app"
	doorTag        = "v1"
)

// site is a way to a registry that is measured.
type site struct {
	name   string
	addr   string
	bearer func(context.Context) (string, error) // a token for doorRepository
	memory func() (int64, error)                 // of what stands at the door
}

// doors are what is compared: nginx before a stock registry, sealock with the embedded registry, and sealock before the
// same stock registry. All hold the same image.
type doors struct {
	o        options
	sites    []*site
	layer    []byte
	config   []byte
	manifest string // its digest
}

// measureDoors compares sealock with nginx. The stock registry checks no tokens; sealock checks each.
func measureDoors(ctx context.Context, o options, dir string) (string, error) {
	for _, tool := range []string{"nginx", "docker-registry"} {
		if _, ok := need.Find(tool); !ok {
			return "not compared with nginx: " + tool + " is not installed, run hack/tools.sh --for bench\n", nil
		}
	}
	d := &doors{o: o, config: []byte(`{"architecture":"amd64","os":"linux"}`), layer: make([]byte, o.Blob)}
	if _, err := io.ReadFull(rand.NewChaCha8([32]byte{1}), d.layer); err != nil {
		return "", fmt.Errorf("making a blob: %w", err)
	}
	var text string
	err := withStock(ctx, dir, func(stock string) error {
		return withNginx(ctx, dir, stock, func(p *process) error {
			d.sites = append(d.sites, &site{
				name: "nginx + docker-registry", addr: p.Addr, memory: p.family,
				bearer: func(context.Context) (string, error) { return "", nil },
			})
			return withSealock(ctx, o, filepath.Join(dir, "door-embedded"), func(s *server, _ time.Duration) error {
				if err := s.furnish(ctx); err != nil {
					return err
				}
				d.sites = append(d.sites, s.site("sealock"))
				return withSealock(ctx, o, filepath.Join(dir, "door-separate"), func(s *server, _ time.Duration) (err error) {
					if err := s.furnish(ctx); err != nil {
						return err
					}
					d.sites = append(d.sites, s.site("sealock + docker-registry"))
					text, err = d.measure(ctx)
					return err
				}, "--registry-url", "http://"+stock)
			})
		})
	})
	return text, err
}

func (s *server) site(name string) *site {
	return &site{name: name, addr: s.Addr, memory: s.resident, bearer: func(ctx context.Context) (string, error) {
		a, err := s.token(ctx, tokenRequest{User: userName, Password: userPassword, Scope: "repository:" + doorRepository + ":pull,push"})
		return a.AccessToken, err
	}}
}

// doorTargets are what the two sealocks are to reach, as multiples of nginx.
type doorTargets struct{ embedded, separate string }

// measure pushes the image everywhere and compares request by request.
func (d *doors) measure(ctx context.Context) (string, error) {
	for _, s := range d.sites[:2] { // the third has the registry of the first
		p, err := d.pusher(ctx, s)
		if err != nil {
			return "", err
		}
		if err := p.image(ctx, doorTag, d.layer, d.config); err != nil {
			return "", fmt.Errorf("pushing to %s: %w", s.name, err)
		}
		if err := d.pushOthers(ctx, p); err != nil {
			return "", fmt.Errorf("pushing to %s: %w", s.name, err)
		}
	}
	text, err := manifestText(d.config, d.layer)
	if err != nil {
		return "", err
	}
	d.manifest = digest(text)
	lines := [][]string{{"", d.sites[0].name, d.sites[1].name, "ratio", "target", d.sites[2].name, "ratio", "target"}}
	for _, m := range []struct {
		what    string
		take    func(context.Context, *site) (float64, error)
		unit    string
		targets doorTargets
	}{
		{"GET of a manifest by tag", d.repeat(http.MethodGet, "/manifests/"+doorTag), "%.0f/s", doorTargets{"≥ 12", "≥ 1"}},
		{"GET of a manifest by digest", d.repeat(http.MethodGet, "/manifests/"+d.manifest), "%.0f/s", doorTargets{"≥ 12", "≥ 1"}},
		{"HEAD of a manifest by tag", d.repeat(http.MethodHead, "/manifests/"+doorTag), "%.0f/s", doorTargets{"≥ 12", "≥ 1"}},
		{"HEAD of a manifest by digest", d.repeat(http.MethodHead, "/manifests/"+d.manifest), "%.0f/s", doorTargets{"≥ 12", "≥ 1"}},
		{"GET of manifests by tag, each client another", d.each(http.MethodGet), "%.0f/s", doorTargets{"≥ 12", "≥ 1"}},
		{fmt.Sprintf("GET of a blob of %d MiB", d.o.Blob>>20), d.blobs, "%.2f GB/s", doorTargets{"≥ 3", "≥ 1"}},
		{fmt.Sprintf("%d small pushes", d.o.Pushes), d.pushes(), "%.0f/s", doorTargets{"≥ 1.2", ""}},
	} {
		cells, err := d.compare(ctx, m.take, m.unit, m.targets)
		if err != nil {
			return "", fmt.Errorf("%s: %w", m.what, err)
		}
		lines = append(lines, append([]string{m.what}, cells...))
	}
	crowd, err := d.crowd(ctx)
	if err != nil {
		return "", err
	}
	return markdown(append(lines, crowd...)), nil
}

// compare gives each its turn in each round. The first round warms up and does not count.
func (d *doors) compare(ctx context.Context, take func(context.Context, *site) (float64, error), unit string, targets doorTargets) ([]string, error) {
	values, ratios := make([][]float64, len(d.sites)), make([][]float64, len(d.sites))
	for round := range d.o.Rounds + 1 {
		var first float64
		for i, s := range d.sites {
			value, err := take(ctx, s)
			if err != nil {
				return nil, fmt.Errorf("%s: %w", s.name, err)
			}
			if i == 0 {
				first = value
			}
			if round > 0 {
				values[i], ratios[i] = append(values[i], value), append(ratios[i], value/first)
			}
		}
	}
	cells := []string{fmt.Sprintf(unit, median(values[0]))}
	for i, target := range []string{targets.embedded, targets.separate} {
		cells = append(cells, fmt.Sprintf(unit, median(values[i+1])), fmt.Sprintf("%.2f", median(ratios[i+1])), target)
	}
	return cells, nil
}

// plan is a load of one request.
func (d *doors) plan(ctx context.Context, s *site, method, path string, connections int) (load.Plan, error) {
	token, err := s.bearer(ctx)
	if err != nil {
		return load.Plan{}, err
	}
	r, err := request(ctx, method, "http://"+s.addr+"/v2/"+doorRepository+path, token, nil)
	if err != nil {
		return load.Plan{}, err
	}
	r.Body, r.ContentLength = http.NoBody, 0
	r.Header.Set("Accept", manifestType)
	text, err := load.Render(r)
	return load.Plan{Addr: s.addr, Request: text, Connections: connections, Requests: d.o.Requests, Limit: d.o.Turn}, err
}

// repeat returns what measures answers a second.
func (d *doors) repeat(method, path string) func(context.Context, *site) (float64, error) {
	return func(ctx context.Context, s *site) (float64, error) {
		p, err := d.plan(ctx, s, method, path, d.o.Connections)
		if err != nil {
			return 0, err
		}
		result, err := load.Run(ctx, p)
		return result.Rate(), err
	}
}

// otherTag names the image of one client among several.
func otherTag(client int) string { return fmt.Sprintf("of-client-%d", client) }

// pushOthers pushes an image for each client.
func (d *doors) pushOthers(ctx context.Context, p pusher) error {
	small := []byte("a layer of many")
	if err := p.upload(ctx, small); err != nil {
		return err
	}
	for i := range d.o.Connections {
		config := fmt.Appendf(nil, `{"architecture":"amd64","os":"linux","author":"client %d"}`, i)
		if err := p.upload(ctx, config); err != nil {
			return err
		}
		if err := p.putManifest(ctx, otherTag(i), config, small); err != nil {
			return err
		}
	}
	return nil
}

// each returns what measures answers a second where no two clients ask for the same.
func (d *doors) each(method string) func(context.Context, *site) (float64, error) {
	return func(ctx context.Context, s *site) (float64, error) {
		var all load.Plan
		for i := range d.o.Connections {
			p, err := d.plan(ctx, s, method, "/manifests/"+otherTag(i), d.o.Connections)
			if err != nil {
				return 0, err
			}
			if i == 0 {
				all = p
			} else {
				all.Others = append(all.Others, p.Request)
			}
		}
		result, err := load.Run(ctx, all)
		return result.Rate(), err
	}
}

// blobConnections is how many clients get a large blob at a time.
const blobConnections = 4

// blobs measures the gigabytes that come in a second.
func (d *doors) blobs(ctx context.Context, s *site) (float64, error) {
	p, err := d.plan(ctx, s, http.MethodGet, "/blobs/"+digest(d.layer), blobConnections)
	if err != nil {
		return 0, err
	}
	result, err := load.Run(ctx, p)
	return float64(result.Bytes) / 1e9 / result.Elapsed.Seconds(), err
}

// pushers is how many clients push at a time.
const pushers = 8

func (d *doors) pusher(ctx context.Context, s *site) (pusher, error) {
	token, err := s.bearer(ctx)
	return pusher{client: http.DefaultClient, base: "http://" + s.addr + "/v2/" + doorRepository, token: token}, err
}

// pushes returns what measures pushes a second, of images of which nothing was there before.
func (d *doors) pushes() func(context.Context, *site) (float64, error) {
	var n atomic.Int64
	return func(ctx context.Context, s *site) (float64, error) {
		p, err := d.pusher(ctx, s)
		if err != nil {
			return 0, err
		}
		transport := &http.Transport{MaxIdleConnsPerHost: pushers}
		defer transport.CloseIdleConnections()
		p.client = &http.Client{Transport: transport}
		var next atomic.Int64
		var wg sync.WaitGroup
		faults := make([]error, pushers)
		began := time.Now()
		for i := range pushers {
			wg.Go(func() {
				for next.Add(1) <= int64(d.o.Pushes) && faults[i] == nil {
					tag := fmt.Sprintf("push-%d", n.Add(1))
					faults[i] = p.image(ctx, tag, []byte("layer of "+tag), []byte("{\"of\":\""+tag+"\"}"))
				}
			})
		}
		wg.Wait()
		return float64(d.o.Pushes) / time.Since(began).Seconds(), errors.Join(faults...)
	}
}

// crowd measures the door while many connections are open: how long an answer takes, and memory.
func (d *doors) crowd(ctx context.Context) ([][]string, error) {
	waits, ratios := make([][]float64, len(d.sites)), make([][]float64, len(d.sites))
	memory := make([]int64, len(d.sites))
	for round := range d.o.Rounds + 1 {
		var first float64
		for i, s := range d.sites {
			wait, held, err := d.crowded(ctx, s)
			if err != nil {
				return nil, fmt.Errorf("%s with %d connections: %w", s.name, d.o.IdleConnections+d.o.BusyConnections, err)
			}
			if i == 0 {
				first = wait
			}
			memory[i] = max(memory[i], held)
			if round > 0 {
				waits[i], ratios[i] = append(waits[i], wait), append(ratios[i], wait/first)
			}
		}
	}
	what := fmt.Sprintf("%d idle and %d busy connections: ", d.o.IdleConnections, d.o.BusyConnections)
	p99, held := []string{what + "99 of 100 manifests within"}, []string{"- memory (RSS) of what is at the door"}
	for i := range d.sites {
		p99, held = append(p99, fmt.Sprintf("%.1f ms", 1e3*median(waits[i]))), append(held, fmt.Sprintf("%.0f MB", float64(memory[i])/1e6))
		if i > 0 {
			p99, held = append(p99, fmt.Sprintf("%.2f", median(ratios[i])), "≤ 1"), append(held, "", "< 200 MB")
		}
	}
	return [][]string{p99, held}, nil
}

// crowded loads one door while other connections are idle.
func (d *doors) crowded(ctx context.Context, s *site) (p99 float64, memory int64, err error) {
	for range d.o.IdleConnections {
		conn, err := new(net.Dialer).DialContext(ctx, "tcp", s.addr)
		if err != nil {
			return 0, 0, fmt.Errorf("connecting: %w", err)
		}
		defer conn.Close()
	}
	p, err := d.plan(ctx, s, http.MethodGet, "/manifests/"+doorTag, d.o.BusyConnections)
	if err != nil {
		return 0, 0, err
	}
	result, err := load.Run(ctx, p)
	if err != nil {
		return 0, 0, err
	}
	memory, err = s.memory()
	return result.P99.Seconds(), memory, err
}

const stockConfig = `version: 0.1
log:
  level: error
  accesslog:
    disabled: true
storage:
  filesystem:
    rootdirectory: %s
  delete:
    enabled: true
http:
  addr: %s
  secret: bench
`

// withStock starts Debian's registry without any authentication.
func withStock(ctx context.Context, dir string, fn func(addr string) error) error {
	addr, err := freeAddr(ctx)
	if err != nil {
		return err
	}
	config := filepath.Join(dir, "stock.yml")
	if err := os.WriteFile(config, fmt.Appendf(nil, stockConfig, filepath.Join(dir, "stock"), addr), 0o600); err != nil {
		return fmt.Errorf("configuring docker-registry: %w", err)
	}
	path, _ := need.Find("docker-registry")
	return withProcess(ctx, dir, addr, func(*process) error { return fn(addr) }, path, "serve", config)
}

// nginxConfig is nginx as the documents of registries have it, and as fast as it goes: nothing is kept back, connections to the
// registry stay open, and no request is logged.
const nginxConfig = `daemon off;
%[4]s
worker_processes auto;
worker_rlimit_nofile 8192;
pid %[1]s/nginx.pid;
error_log stderr error;
events { worker_connections 4096; }
http {
  access_log off;
  client_max_body_size 0;
  chunked_transfer_encoding on;
  client_body_temp_path %[1]s/nginx-body;
  proxy_temp_path %[1]s/nginx-proxy;
  fastcgi_temp_path %[1]s/nginx-fastcgi;
  uwsgi_temp_path %[1]s/nginx-uwsgi;
  scgi_temp_path %[1]s/nginx-scgi;
  upstream registry { server %[3]s; keepalive 256; keepalive_requests 1000000; }
  server {
    listen %[2]s;
    keepalive_requests 1000000;
    location / {
      proxy_pass http://registry;
      proxy_http_version 1.1;
      proxy_set_header Connection "";
      proxy_set_header Host $http_host;
      proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
      proxy_set_header X-Forwarded-Proto $scheme;
      proxy_buffering off;
      proxy_request_buffering off;
      proxy_read_timeout 900;
    }
  }
}
`

// withNginx starts Debian's nginx before the registry.
func withNginx(ctx context.Context, dir, stock string, fn func(*process) error) error {
	addr, err := freeAddr(ctx)
	if err != nil {
		return err
	}
	user := ""
	if os.Getuid() == 0 {
		user = "user root;" // its workers write below a folder of root's
	}
	config := filepath.Join(dir, "nginx.conf")
	if err := os.WriteFile(config, fmt.Appendf(nil, nginxConfig, dir, addr, stock, user), 0o600); err != nil {
		return fmt.Errorf("configuring nginx: %w", err)
	}
	path, _ := need.Find("nginx")
	return withProcess(ctx, dir, addr, fn, path, "-e", "stderr", "-p", dir, "-c", config)
}

// withProcess starts a server, waits until it answers, lets fn use it, and stops it.
func withProcess(ctx context.Context, dir, addr string, fn func(*process) error, args ...string) error {
	p, err := launch(ctx, dir, os.Environ(), args...)
	if err != nil {
		return err
	}
	p.cmd.Stdout = p.log
	p.Addr, p.Began = addr, time.Now()
	if err := p.cmd.Start(); err != nil {
		return fmt.Errorf("starting %s: %w", p.name(), err)
	}
	for {
		r, err := request(ctx, http.MethodGet, "http://"+addr+"/v2/", "", nil)
		if err == nil {
			_, err = do(r, http.StatusOK)
		}
		if err == nil {
			return errors.Join(fn(p), p.stop())
		}
		if ctx.Err() != nil || time.Since(p.Began) > startLimit {
			return errors.Join(fmt.Errorf("%s does not answer: %w", p.name(), err), p.stop())
		}
		time.Sleep(10 * time.Millisecond)
	}
}
