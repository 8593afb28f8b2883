package main

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"time"

	"github.com/sealock/sealock/e2e/bench/load"
)

// withSealock starts a sealock with its data in home, lets fn use it, and stops it.
func withSealock(ctx context.Context, o options, home string, fn func(s *server, ready time.Duration) error, args ...string) error {
	if err := os.MkdirAll(home, 0o700); err != nil {
		return fmt.Errorf("making a folder: %w", err)
	}
	s, err := startSealock(ctx, o.Sealock, home, args...)
	if err != nil {
		return err
	}
	ready, err := s.answers(ctx)
	if err != nil {
		return err
	}
	return errors.Join(fn(s, ready), s.stop())
}

// measureStarts times starts with an empty and with a used data folder.
func measureStarts(ctx context.Context, o options, dir string) ([]row, error) {
	var first, second []float64
	for n := range o.Rounds {
		home := filepath.Join(dir, fmt.Sprintf("start-%d", n))
		for _, times := range []*[]float64{&first, &second} {
			err := withSealock(ctx, o, home, func(_ *server, ready time.Duration) error {
				*times = append(*times, ready.Seconds())
				return nil
			})
			if err != nil {
				return nil, err
			}
		}
	}
	cell := func(times []float64) string { return fmt.Sprintf("%.0f ms", 1000*median(times)) }
	return []row{
		{What: "start to first token, new data folder", Sealock: cell(first), Target: "< 1 s"},
		{What: "start to first token, used data folder", Sealock: cell(second), Target: "< 1 s"},
	}, nil
}

// measureMemory reads the memory of a server that has just started, and again after a push.
func measureMemory(ctx context.Context, o options, dir string) ([]row, error) {
	var started, pushed int64
	err := withSealock(ctx, o, filepath.Join(dir, "memory"), func(s *server, _ time.Duration) (err error) {
		if err := wait(ctx, o.Idle); err != nil {
			return err
		}
		if started, err = s.resident(); err != nil {
			return err
		}
		if err := s.furnish(ctx); err != nil {
			return err
		}
		if err := s.push(ctx, "team/app", o.Blob); err != nil {
			return err
		}
		if err := wait(ctx, o.Idle); err != nil {
			return err
		}
		pushed, err = s.resident()
		return err
	})
	if err != nil {
		return nil, err
	}
	cell := func(bytes int64) string { return fmt.Sprintf("%.1f MB", float64(bytes)/1e6) }
	return []row{
		{What: "memory (RSS), idle after the start", Sealock: cell(started), Target: "< 80 MB"},
		{What: fmt.Sprintf("memory (RSS), idle after a push of %.0f MB", float64(o.Blob)/1e6), Sealock: cell(pushed), Target: "< 80 MB"},
	}, nil
}

func wait(ctx context.Context, d time.Duration) error {
	select {
	case <-time.After(d):
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// push uploads a blob of random bytes and a manifest that names it.
func (s *server) push(ctx context.Context, repository string, size int64) error {
	a, err := s.token(ctx, tokenRequest{User: userName, Password: userPassword, Scope: "repository:" + repository + ":pull,push"})
	if err != nil {
		return err
	}
	blob := io.LimitReader(rand.Reader, size)
	content, err := io.ReadAll(blob)
	if err != nil {
		return fmt.Errorf("making a blob: %w", err)
	}
	p := pusher{client: http.DefaultClient, base: "http://" + s.Addr + "/v2/" + repository, token: a.AccessToken}
	return p.image(ctx, "v1", content, []byte("{}"))
}

// pusher pushes to one repository. Without a token it sends none.
type pusher struct {
	client      *http.Client
	base, token string
}

// image pushes a manifest with a layer and a configuration.
func (p pusher) image(ctx context.Context, tag string, layer, config []byte) error {
	for _, content := range [][]byte{layer, config} {
		if err := p.upload(ctx, content); err != nil {
			return err
		}
	}
	return p.putManifest(ctx, tag, config, layer)
}

// upload pushes one blob in two requests, as clients do.
func (p pusher) upload(ctx context.Context, content []byte) error {
	r, err := request(ctx, http.MethodPost, p.base+"/blobs/uploads/", p.token, nil)
	if err != nil {
		return err
	}
	resp, err := p.client.Do(r)
	if err != nil {
		return fmt.Errorf("starting an upload: %w", err)
	}
	if err := resp.Body.Close(); err != nil {
		return fmt.Errorf("starting an upload: %w", err)
	}
	if resp.StatusCode != http.StatusAccepted {
		return fmt.Errorf("starting an upload: got %s, want 202", resp.Status)
	}
	location, err := r.URL.Parse(resp.Header.Get("Location"))
	if err != nil {
		return fmt.Errorf("reading the upload's location: %w", err)
	}
	query, err := url.ParseQuery(location.RawQuery)
	if err != nil {
		return fmt.Errorf("reading the upload's location: %w", err)
	}
	query.Set("digest", digest(content))
	location.RawQuery = query.Encode()
	put, err := request(ctx, http.MethodPut, location.String(), p.token, content)
	if err != nil {
		return err
	}
	put.Header.Set("Content-Type", "application/octet-stream")
	_, err = ask(p.client, put, http.StatusCreated)
	return err
}

// descriptor is one of the OCI image specification.
type descriptor struct {
	MediaType string `json:"mediaType"`
	Digest    string `json:"digest"`
	Size      int    `json:"size"`
}

const manifestType = "application/vnd.oci.image.manifest.v1+json"

// manifestText is the manifest of an image.
func manifestText(config, layer []byte) ([]byte, error) {
	text, err := json.Marshal(map[string]any{
		"schemaVersion": 2,
		"mediaType":     manifestType,
		"config":        descriptor{"application/vnd.oci.image.config.v1+json", digest(config), len(config)},
		"layers":        []descriptor{{"application/vnd.oci.image.layer.v1.tar", digest(layer), len(layer)}},
	})
	if err != nil {
		return nil, fmt.Errorf("encoding the manifest: %w", err)
	}
	return text, nil
}

func (p pusher) putManifest(ctx context.Context, tag string, config, layer []byte) error {
	text, err := manifestText(config, layer)
	if err != nil {
		return err
	}
	r, err := request(ctx, http.MethodPut, p.base+"/manifests/"+tag, p.token, text)
	if err != nil {
		return err
	}
	r.Header.Set("Content-Type", manifestType)
	_, err = ask(p.client, r, http.StatusCreated)
	return err
}

func request(ctx context.Context, method, target, token string, body []byte) (*http.Request, error) {
	r, err := http.NewRequestWithContext(ctx, method, target, bytes.NewReader(body))
	if err != nil {
		return nil, fmt.Errorf("making a request: %w", err)
	}
	if token != "" {
		r.Header.Set("Authorization", "Bearer "+token)
	}
	return r, nil
}

func digest(content []byte) string { return fmt.Sprintf("sha256:%x", sha256.Sum256(content)) }

// measureTokens lets the smallest server and sealock answer the same requests in turns.
func measureTokens(ctx context.Context, o options, dir, floorBinary string) ([]row, error) {
	floor, err := startFloor(ctx, dir, floorBinary)
	if err != nil {
		return nil, err
	}
	var rows []row
	err = withSealock(ctx, o, filepath.Join(dir, "tokens"), func(s *server, _ time.Duration) error {
		flows, err := s.flows(ctx)
		if err != nil {
			return err
		}
		for _, f := range flows {
			more, err := measureFlow(ctx, o, f, floor, s)
			if err != nil {
				return fmt.Errorf("%s: %w", f.name, err)
			}
			rows = append(rows, more...)
		}
		return nil
	})
	return rows, errors.Join(err, floor.stop())
}

// flow is a way to get a token.
type flow struct {
	name    string
	request tokenRequest
	target  string
}

// flows lists the ways, each tried once, so that the password was seen before.
func (s *server) flows(ctx context.Context) ([]flow, error) {
	if err := s.furnish(ctx); err != nil {
		return nil, err
	}
	const scope = "repository:team/app:pull,push"
	login, err := s.token(ctx, tokenRequest{User: userName, Password: userPassword, Scope: scope, Offline: true})
	if err != nil {
		return nil, err
	}
	flows := []flow{
		{"GET, password seen before", tokenRequest{User: userName, Password: userPassword, Scope: scope}, "≥ 0.5"},
		{"GET, anonymous, public project", tokenRequest{Scope: "repository:library/app:pull"}, ""},
		{"POST, refresh token", tokenRequest{RefreshToken: login.RefreshToken, Scope: scope}, ""},
	}
	for _, f := range flows {
		if _, err := s.token(ctx, f.request); err != nil {
			return nil, fmt.Errorf("%s: %w", f.name, err)
		}
	}
	return flows, nil
}

// turn is what one server did in its turn.
type turn struct {
	rate float64       // answers a second
	cpu  time.Duration // of the server, for an answer
}

// measureFlow gives each server its turn in each round. The first round warms up and does not count.
func measureFlow(ctx context.Context, o options, f flow, floor *process, s *server) ([]row, error) {
	var rates, cpus, ratios, cpuRatios [2][]float64
	for round := range o.Rounds + 1 {
		var turns [2]turn
		for i, p := range []*process{floor, s.process} {
			var err error
			if turns[i], err = takeTurn(ctx, o, f, p); err != nil {
				return nil, fmt.Errorf("%s: %w", p.name(), err)
			}
		}
		if round == 0 {
			continue
		}
		for i, t := range turns {
			rates[i] = append(rates[i], t.rate)
			cpus[i] = append(cpus[i], t.cpu.Seconds())
		}
		ratios[0] = append(ratios[0], turns[1].rate/turns[0].rate)
		if turns[1].cpu > 0 {
			cpuRatios[0] = append(cpuRatios[0], turns[0].cpu.Seconds()/turns[1].cpu.Seconds())
		}
	}
	rate := func(list []float64) string { return fmt.Sprintf("%.0f/s", median(list)) }
	cpu := func(list []float64) string { return fmt.Sprintf("%.0f µs", 1e6*median(list)) }
	rows := []row{{
		What: "tokens: " + f.name, Floor: rate(rates[0]), Sealock: rate(rates[1]),
		Ratio: fmt.Sprintf("%.2f", median(ratios[0])), Target: f.target,
	}}
	if len(cpuRatios[0]) > 0 {
		rows = append(rows, row{
			What: "- the server's CPU time for one", Floor: cpu(cpus[0]), Sealock: cpu(cpus[1]),
			Ratio: fmt.Sprintf("%.2f", median(cpuRatios[0])),
		})
	}
	return rows, nil
}

// takeTurn loads one server.
func takeTurn(ctx context.Context, o options, f flow, p *process) (turn, error) {
	r, err := f.request.http(ctx, p.Addr)
	if err != nil {
		return turn{}, err
	}
	text, err := load.Render(r)
	if err != nil {
		return turn{}, err
	}
	before, err := p.cpu()
	if err != nil {
		return turn{}, err
	}
	result, err := load.Run(ctx, load.Plan{
		Addr: p.Addr, Request: text, Connections: o.Connections, Requests: o.Requests, Limit: o.Turn,
	})
	if err != nil {
		return turn{}, err
	}
	after, err := p.cpu()
	if err != nil {
		return turn{}, err
	}
	return turn{rate: result.Rate(), cpu: (after - before) / time.Duration(max(result.Answers, 1))}, nil
}
