package e2e_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/sealock/sealock/e2e/internal/fixture"
	"github.com/sealock/sealock/e2e/internal/registry"
)

// chaos is what pulls are made from while all of it changes.
type chaos struct {
	*ward
	blobs     [][]byte
	manifests [][]byte // all of one config and one layer
	tags      []string
	known     map[string][]byte // what has a digest
	bearers   atomic.Pointer[string]

	left                                atomic.Int64
	whole, parts, refused, cut, hungUps atomic.Int64
}

// TestPullsUnderChaos pulls blobs and manifests while others overwrite, delete and collect them, the registry is killed and
// sealock is restarted: what comes out whole has the digest that it was asked for by.
func TestPullsUnderChaos(t *testing.T) {
	t.Parallel()
	pulls := 500
	if soaking() {
		pulls = 5000
	}
	for _, kind := range []registry.Kind{"", registry.V31} {
		name := string(kind)
		if kind == "" {
			name = "embedded"
		}
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := &chaos{ward: admit(t, kind, ""), known: map[string][]byte{}}
			c.fill(t)
			files := c.server.Files(t)
			c.left.Store(int64(pulls))
			c.renew(t)
			var wg sync.WaitGroup
			for n := range 6 {
				wg.Go(func() { c.pull(t, rand.New(rand.NewPCG(uint64(n), 1))) }) // no secret
			}
			done := make(chan struct{})
			go func() { wg.Wait(); close(done) }()
			c.disturb(t, done)
			<-done
			t.Logf("%d whole, %d parts, %d refused, %d cut, %d hung up", c.whole.Load(), c.parts.Load(), c.refused.Load(), c.cut.Load(), c.hungUps.Load())
			if c.whole.Load() < int64(pulls)/4 || c.parts.Load() == 0 || c.refused.Load()+c.cut.Load() == 0 {
				t.Error("there was too little chaos, or too much")
			}
			c.issued = time.Time{}
			c.healthy(t)
			for _, b := range c.blobs {
				c.put(t, b)
			}
			c.settled(t, "chaos", append(files, make([]string, 8)...)) // as many connections to the registry as idle lets be kept
			c.idle(t)
		})
	}
}

func (c *chaos) fill(t *testing.T) {
	t.Helper()
	for n := range 10 {
		size := []int{100, 5000, 70_000, 1 << 20, 3 << 20}[n%5]
		blob := make([]byte, size)
		_, _ = io.ReadFull(stream{1 << 40}.from(int64(n)<<30+7), blob)
		c.blobs = append(c.blobs, blob)
		c.known[c.put(t, blob)] = blob
	}
	for n := range 12 {
		raw, err := json.Marshal(map[string]any{
			"schemaVersion": 2, "mediaType": fixture.MediaTypeManifest, "annotations": map[string]string{"n": fmt.Sprint(n), "pad": strings.Repeat("x", n*1000)},
			"config": fixture.Descriptor{MediaType: fixture.MediaTypeConfig, Digest: fixture.Digest(c.blobs[0]), Size: len(c.blobs[0])},
			"layers": []fixture.Descriptor{{MediaType: fixture.MediaTypeLayer, Digest: fixture.Digest(c.blobs[1]), Size: len(c.blobs[1])}},
		})
		if err != nil {
			t.Fatal(err)
		}
		c.manifests = append(c.manifests, raw)
		c.known[fixture.Digest(raw)] = raw
		c.tags = append(c.tags, fmt.Sprintf("t%d", n%4))
		c.must(t, http.StatusCreated, http.MethodPut, "/v2/team/app/manifests/"+c.tags[n], raw, "Content-Type", fixture.MediaTypeManifest)
	}
}

// renew gets another token.
func (c *chaos) renew(t *testing.T) {
	t.Helper()
	token := c.bearer(t)
	c.bearers.Store(&token)
}

// pull pulls one thing after the other over one connection after the other, as long as there is something to pull.
func (c *chaos) pull(t *testing.T, r *rand.Rand) {
	t.Helper()
	transport := &http.Transport{DisableCompression: true}
	defer transport.CloseIdleConnections()
	for c.left.Add(-1) >= 0 && !t.Failed() {
		c.one(t, r, transport)
	}
}

func (c *chaos) one(t *testing.T, r *rand.Rand, transport *http.Transport) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	digest := fixture.Digest(c.blobs[r.IntN(len(c.blobs))])
	path := "/v2/team/app/blobs/" + digest
	switch r.IntN(6) {
	case 0:
		digest = fixture.Digest(c.manifests[r.IntN(len(c.manifests))])
		path = "/v2/team/app/manifests/" + digest
	case 1:
		digest, path = "", "/v2/team/app/manifests/"+c.tags[r.IntN(len(c.tags))]
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, c.server.URL+path, nil)
	if err != nil {
		t.Error(err)
		return
	}
	req.Header.Set("Authorization", "Bearer "+*c.bearers.Load())
	req.Header.Set("Accept", fixture.MediaTypeManifest)
	if len(c.known[digest]) > 0 && r.IntN(3) == 0 {
		from := r.IntN(len(c.known[digest]))
		req.Header.Set("Range", fmt.Sprintf("bytes=%d-%d", from, from+r.IntN(200_000)))
	}
	resp, err := transport.RoundTrip(req)
	if err != nil {
		c.cut.Add(1)
		return
	}
	defer resp.Body.Close()
	if r.IntN(15) == 0 {
		c.hungUps.Add(1)
		return
	}
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		c.cut.Add(1)
		return
	}
	c.judge(t, path, digest, resp, body)
}

// judge fails unless a body that looks whole is what was asked for.
func (c *chaos) judge(t *testing.T, path, digest string, resp *http.Response, body []byte) {
	t.Helper()
	if digest == "" {
		digest = resp.Header.Get("Docker-Content-Digest")
	}
	switch resp.StatusCode {
	case http.StatusOK:
		c.whole.Add(1)
		if c.known[digest] == nil || fixture.Digest(body) != digest {
			t.Errorf("GET %s (%s) came out as %d bytes with digest %s", path, digest, len(body), fixture.Digest(body))
		}
	case http.StatusPartialContent:
		c.parts.Add(1)
		var from, to, all int
		_, err := fmt.Sscanf(resp.Header.Get("Content-Range"), "bytes %d-%d/%d", &from, &to, &all)
		if want := c.known[digest]; err != nil || all != len(want) || !bytes.Equal(body, want[from:to+1]) {
			t.Errorf("a part of %s came out wrong: %d bytes of %s, %v", path, len(body), resp.Header.Get("Content-Range"), err)
		}
	case http.StatusNotFound, http.StatusServiceUnavailable, http.StatusUnauthorized:
		c.refused.Add(1)
		if !json.Valid(body) {
			t.Errorf("GET %s = %d %q, want a registry error", path, resp.StatusCode, body)
		}
	default:
		t.Errorf("GET %s = %d %.200q, want it answered or refused", path, resp.StatusCode, body)
	}
}

// disturb does one thing after the other to what is pulled, until all is done. What it asks for may fail, as all else.
func (c *chaos) disturb(t *testing.T, done <-chan struct{}) {
	t.Helper()
	r := rand.New(rand.NewPCG(3, 3)) // no secret
	try := func(method, path string, body []byte, header ...string) {
		_, _ = c.send(t, method, path, bytes.NewReader(body), header...)
	}
	for n := 0; ; n++ {
		select {
		case <-done:
			return
		case <-time.After(20 * time.Millisecond):
		}
		if n%100 == 99 {
			c.renewed(t)
		}
		m, blob := r.IntN(len(c.manifests)), c.blobs[2+r.IntN(len(c.blobs)-2)] // those of the manifests stay
		switch n % 8 {
		case 0, 1, 2:
			try(http.MethodPut, "/v2/team/app/manifests/"+c.tags[r.IntN(len(c.tags))], c.manifests[m], "Content-Type", fixture.MediaTypeManifest)
		case 3:
			try(http.MethodDelete, "/v2/team/app/manifests/"+fixture.Digest(c.manifests[m]), nil)
		case 4:
			try(http.MethodDelete, "/v2/team/app/blobs/"+fixture.Digest(blob), nil)
			c.again(t, blob)
		case 5:
			c.collect(t, blob)
			c.again(t, blob)
		case 6:
			if n%24 == 6 {
				c.server.Signal(t, syscall.SIGHUP)
			}
		case 7:
			if c.stock != nil && n%16 == 7 {
				c.stock.Kill(t)
				c.stock.Again(t)
			}
		}
	}
}

// renewed is renew, for a server that is just being restarted.
func (c *chaos) renewed(t *testing.T) {
	t.Helper()
	if time.Since(c.issued) > 30*time.Second {
		time.Sleep(100 * time.Millisecond)
		c.renew(t)
	}
}

// again uploads a blob, if it can.
func (c *chaos) again(t *testing.T, blob []byte) {
	t.Helper()
	resp, err := c.send(t, http.MethodPost, "/v2/team/app/blobs/uploads/", nil)
	if location := resp.Header.Get("Location"); err == nil && location != "" {
		_, _ = c.send(t, http.MethodPut, ended(t, location, "digest", fixture.Digest(blob)), bytes.NewReader(blob))
	}
}

// collect removes the blob from the disk, as a collection of garbage does.
func (c *chaos) collect(t *testing.T, blob []byte) {
	t.Helper()
	root := filepath.Join(c.server.DataDir, "registry")
	if c.stock != nil {
		root = c.stock.Storage()
	}
	sum := strings.TrimPrefix(fixture.Digest(blob), "sha256:")
	if err := os.RemoveAll(filepath.Join(root, "docker/registry/v2/blobs/sha256", sum[:2], sum)); err != nil {
		t.Errorf("collecting a blob: %v", err)
	}
}
