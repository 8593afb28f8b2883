package e2e_test

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/sealock/sealock/e2e/internal/client"
	"github.com/sealock/sealock/e2e/internal/fixture"
	"github.com/sealock/sealock/e2e/internal/need"
	"github.com/sealock/sealock/e2e/internal/objectstore"
	"github.com/sealock/sealock/e2e/internal/postgres"
	"github.com/sealock/sealock/e2e/internal/proc"
	"github.com/sealock/sealock/e2e/internal/sealock"
	"github.com/sealock/sealock/e2e/internal/wire"
)

// TestStorage does all that is done with images on every kind of storage.
func TestStorage(t *testing.T) {
	t.Parallel()
	folder := filepath.Join(proc.Dir(t), "images")
	for _, row := range []struct {
		name   string
		start  func(testing.TB) *objectstore.Store
		more   []string // lines of the block
		status int      // of a blob
		long   bool     // its server takes minutes to install
	}{
		{"filesystem", func(testing.TB) *objectstore.Store {
			return &objectstore.Store{Driver: "filesystem", Values: map[string]string{"rootdirectory": folder}}
		}, nil, http.StatusOK, false},
		{"s3", objectstore.S3, nil, http.StatusTemporaryRedirect, false},
		{"s3 served through", objectstore.S3, []string{"redirect: {disable: true}"}, http.StatusOK, false},
		{"azure", objectstore.Azure, []string{"redirect: {disable: true}"}, http.StatusOK, true},
		{"gcs", objectstore.GCS, []string{"redirect: {disable: true}"}, http.StatusOK, true},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			if row.long && testing.Short() {
				t.Skip("its server takes minutes to install: run make e2e-full")
			}
			store := row.start(t)
			server := sealock.Prepare(t, sealock.Options{Addr: proc.FreeAddr(t), Settings: "registry:\n" + store.Block("  ", row.more...), Env: store.Env})
			server.Start(t)
			server.LogIn(t)
			s := &stored{server: server, w: wire.New(server.Addr, "admin", adminPassword), store: store, status: row.status}
			server.AddProject(t, "team")
			s.clients(t)
			s.chunks(t)
			s.tags(t)
			s.names(t)
			if _, err := os.Stat(filepath.Join(server.DataDir, "registry")); err == nil {
				t.Error("there are images in data_dir, want all in the storage")
			}
			if _, err := os.Stat(filepath.Join(folder, "docker", "registry", "v2", "blobs")); err != nil && row.name == "filesystem" {
				t.Errorf("rootdirectory holds no blobs: %v", err)
			}
		})
	}
}

// stored is a server and what it keeps images in.
type stored struct {
	server *sealock.Server
	w      *wire.Client
	store  *objectstore.Store
	status int
}

// clients pushes and pulls with real clients, overwrites, and fills the project.
func (s *stored) clients(t *testing.T) {
	t.Helper()
	d, oras := newDesk(t, s.server), driver(t, "oras")
	must(t, d.login("admin", adminPassword))
	must(t, oras.Login(d.Session, "admin", adminPassword))
	for _, c := range []client.Driver{d.crane, oras} {
		ref := d.ref("team/" + c.Name)
		for range 2 { // the second overwrites
			content := unique(ref.Repository)
			must(t, c.Push(d.Session, ref, content))
			got, out := c.Pull(d.Session, ref, "")
			must(t, out)
			if _, digest, err := s.w.Manifest(ref.Repository, ref.Tag); err != nil || got.Digest != "" && got.Digest != digest {
				t.Fatalf("%s pulled %s, and the tag stands for %s, %v", c.Name, got.Digest, digest, err)
			}
			if got.Dir == "" {
				continue
			}
			if found, err := fixture.HoldsFile(got.Dir, content); err != nil || !found {
				t.Fatalf("%s pulled something else than it pushed: %v", c.Name, err)
			}
		}
	}
	limit := func(bytes string) {
		t.Helper()
		if resp := calls(t, s.server, "PUT", "/projects/team", `{"storage_limit":`+bytes+`}`); resp.Status != http.StatusOK {
			t.Fatalf("PUT project = %d %s, want 200", resp.Status, resp.Body)
		}
	}
	limit("1")
	mustFail(t, d.push("team/full"), `project "team" is full`, `project \"team\" is full`)
	limit("-1")
	must(t, d.push("team/full"))
}

// do sends a request that must be answered so.
func (s *stored) do(t *testing.T, status int, r wire.Request) wire.Response {
	t.Helper()
	resp, err := s.w.Do(r)
	if err != nil || resp.Status != status {
		t.Fatalf("%s %s = %s, %v, want %d", r.Method, r.URL, resp, err, status)
	}
	return resp
}

// blob reads a part of a blob, wherever the server sends its client.
func (s *stored) blob(t *testing.T, repository, digest, bytes string, status int) []byte {
	t.Helper()
	header := http.Header{}
	if bytes != "" {
		header.Set("Range", "bytes="+bytes)
	}
	first := status
	if s.status != http.StatusOK {
		first = s.status
	}
	r := wire.Request{Method: http.MethodGet, URL: "/v2/" + repository + "/blobs/" + digest, Header: header}
	resp := s.do(t, first, r)
	if first == status {
		return resp.Body
	}
	location := resp.Header.Get("Location")
	if !strings.HasPrefix(location, "http://"+s.store.Addr+"/") || strings.Contains(location, objectstore.SecretKey) {
		t.Fatalf("Location = %q, want the store's own and no secret", location)
	}
	resp, err := s.w.Send(wire.Request{Method: http.MethodGet, URL: location, Header: header}) // without a token
	if err != nil || resp.Status != status {
		t.Fatalf("GET at the store = %s, %v, want %d", resp, err, status)
	}
	return resp.Body
}

// chunks uploads a blob in pieces, with restarts between them, and reads it whole, in part and mounted.
func (s *stored) chunks(t *testing.T) {
	t.Helper()
	blob := make([]byte, 12<<20) // more than a part of an S3 upload
	_, _ = rand.NewChaCha8([32]byte{7}).Read(blob)
	digest := fixture.Digest(blob)
	binary := http.Header{"Content-Type": {"application/octet-stream"}}
	location := s.do(t, http.StatusAccepted, wire.Request{Method: http.MethodPost, URL: "/v2/team/chunks/blobs/uploads/"}).Header.Get("Location")
	for from := 0; from < len(blob); {
		to := min(from+5<<20+1, len(blob))
		header := http.Header{"Content-Type": binary["Content-Type"], "Content-Range": {fmt.Sprintf("%d-%d", from, to-1)}}
		location = s.do(t, http.StatusAccepted, wire.Request{Method: http.MethodPatch, URL: location, Header: header, Body: blob[from:to]}).Header.Get("Location")
		s.server.Restart(t)
		status := s.do(t, http.StatusNoContent, wire.Request{Method: http.MethodGet, URL: location})
		if got, want := status.Header.Get("Range"), fmt.Sprintf("0-%d", to-1); got != want {
			t.Fatalf("Range of the upload after a restart = %q, want %q", got, want)
		}
		location = status.Header.Get("Location")
		from = to
	}
	s.do(t, http.StatusCreated, wire.Request{Method: http.MethodPut, URL: location + "&digest=" + digest, Header: binary})
	if got := s.blob(t, "team/chunks", digest, "", http.StatusOK); !bytes.Equal(got, blob) {
		t.Errorf("the blob = %d bytes, %s, want %d, %s", len(got), fixture.Digest(got), len(blob), digest)
	}
	if got := s.blob(t, "team/chunks", digest, "5242870-5242889", http.StatusPartialContent); !bytes.Equal(got, blob[5242870:5242890]) {
		t.Errorf("20 bytes of the blob = %x, want %x", got, blob[5242870:5242890])
	}
	if head := s.do(t, s.status, wire.Request{Method: http.MethodHead, URL: "/v2/team/chunks/blobs/" + digest}); head.Status == http.StatusOK && head.Header.Get("Content-Length") != fmt.Sprint(len(blob)) {
		t.Errorf("HEAD says %s bytes, want %d", head.Header.Get("Content-Length"), len(blob))
	}
	if resp, err := s.w.Mount("team/mounted", "team/chunks", digest); err != nil || resp.Status != http.StatusCreated {
		t.Errorf("mounting the blob = %s, %v, want 201", resp, err)
	}
	s.blob(t, "team/mounted", digest, "0-9", http.StatusPartialContent)
}

// tags pushes, overwrites and deletes tags and manifests.
func (s *stored) tags(t *testing.T) {
	t.Helper()
	const repository = "team/a/tags"
	var digests []string
	for _, tag := range []string{"one", "two", "two"} {
		image, err := fixture.NewImage(unique(repository))
		if err == nil {
			err = s.w.Push(repository, tag, image)
		}
		if err != nil {
			t.Fatal(err)
		}
		digests = append(digests, image.Digest())
		if _, got, err := s.w.Manifest(repository, tag); err != nil || got != image.Digest() {
			t.Errorf("tag %s = %s, %v, want %s", tag, got, err, image.Digest())
		}
	}
	s.do(t, http.StatusAccepted, wire.Request{Method: http.MethodDelete, URL: "/v2/" + repository + "/manifests/two"})
	if tags, err := s.w.Tags(repository); err != nil || !slices.Equal(tags, []string{"one"}) {
		t.Errorf("tags after one was deleted = %q, %v, want one", tags, err)
	}
	if _, _, err := s.w.Manifest(repository, digests[2]); err != nil {
		t.Errorf("the manifest of a deleted tag: %v, want it there", err)
	}
	if err := s.w.Delete(repository, digests[0]); err != nil {
		t.Error(err)
	}
	s.do(t, http.StatusNotFound, wire.Request{Method: http.MethodGet, URL: "/v2/" + repository + "/manifests/" + digests[0]})
	if there, err := s.w.HasTag(repository, "one"); err != nil || there {
		t.Errorf("the tag of a deleted manifest is there: %t, %v", there, err)
	}
}

// names lists repositories, renames their project and reads the storage anew.
func (s *stored) names(t *testing.T) {
	t.Helper()
	image, err := fixture.NewImage(unique("team/app"))
	if err == nil {
		err = s.w.Push("team/app", "kept", image)
	}
	if err != nil {
		t.Fatal(err)
	}
	catalog := func(want ...string) {
		t.Helper()
		if names, err := s.w.Catalog(); err != nil || !slices.Equal(names, want) {
			t.Errorf("catalog = %q, %v, want %q", names, err, want)
		}
	}
	catalog("team/a/tags", "team/app", "team/crane", "team/full", "team/oras")
	s.server.AddProject(t, "team-2") // it begins like the other
	if err := s.w.Push("team-2/app", "kept", image); err != nil {
		t.Fatal(err)
	}
	s.server.CLI(t, "project", "rename", "team", "crew")
	catalog("crew/a/tags", "crew/app", "crew/crane", "crew/full", "crew/oras", "team-2/app")
	if _, got, err := s.w.Manifest("crew/app", "kept"); err != nil || got != image.Digest() {
		t.Errorf("the manifest in the renamed project = %s, %v, want %s", got, err, image.Digest())
	}
	s.blob(t, "crew/app", fixture.Digest(image.Layer), "", http.StatusOK)
	history := calls(t, s.server, "GET", "/projects/crew/repositories/app/artifacts/kept/additions/build_history", "")
	if history.Status != http.StatusOK || !strings.Contains(string(history.Body), "sealock e2e") {
		t.Errorf("build history, of a blob that sealock reads = %d %s, want it", history.Status, history.Body)
	}
	pulls := calls(t, s.server, "GET", "/audit-logs?q=operation=pull", "")
	if pulls.Status != http.StatusOK || !strings.Contains(string(pulls.Body), "crew/app") {
		t.Errorf("pulls in the audit trail = %d %.300s, want those of crew/app", pulls.Status, pulls.Body)
	}
	s.server.CLI(t, "reindex", "--fresh")
	catalog("crew/a/tags", "crew/app", "crew/crane", "crew/full", "crew/oras", "team-2/app")
}

// TestStorageRefuses starts with a secret that opens nothing, and with a store that goes away: clients are told to try again,
// and the operator what is wrong.
func TestStorageRefuses(t *testing.T) {
	t.Parallel()
	store := objectstore.S3(t)
	server := serve(t, "registry:\n"+store.With(store.Secret, objectstore.WrongKey).Block("  "))
	server.AddProject(t, "team")
	server.Said(t, "the storage of the embedded registry can't be read: check registry.storage", 1)
	d := newDesk(t, server)
	must(t, d.login("admin", adminPassword))
	mustFail(t, d.push("team/app"), "the registry's storage can't be used at the moment", "503")
	w := wire.New(server.Addr, "admin", adminPassword)
	for _, path := range []string{"/v2/team/app/manifests/1", "/v2/team/app/blobs/sha256:" + strings.Repeat("a", 64), "/v2/team/app/tags/list"} {
		resp, err := w.Do(wire.Request{Method: http.MethodGet, URL: path})
		if err != nil || resp.Status != http.StatusServiceUnavailable || !strings.Contains(resp.Message(), "UNAVAILABLE: the registry's storage") || resp.Header.Get("Retry-After") == "" {
			t.Errorf("GET %s = %s, %v, want 503 that says so", path, resp, err)
		}
		if text := strings.ToLower(resp.Message()); strings.Contains(text, "signature") || strings.Contains(text, store.Addr) {
			t.Errorf("GET %s tells clients of the store: %s", path, resp.Message())
		}
	}
	server.Said(t, "SignatureDoesNotMatch", 2)
	if text, err := server.Output(); err != nil || strings.Contains(text, objectstore.WrongKey) {
		t.Errorf("the log holds the secret, or can't be read: %v", err)
	}

	server.Configure(t, "registry:\n"+store.Block("  "))
	server.Restart(t)
	must(t, d.push("team/app"))
	store.Stop()
	if resp, err := w.Do(wire.Request{Method: http.MethodGet, URL: "/v2/team/app/manifests/1.0.0"}); err != nil || resp.Status != http.StatusServiceUnavailable {
		t.Errorf("with the store gone = %s, %v, want 503", resp, err)
	}
}

// TestCloudsAreAsked starts with the block of each cloud whose own server only the long form has: the driver is there, takes its block and asks,
// and clients are told to try again when it is refused.
func TestCloudsAreAsked(t *testing.T) {
	t.Parallel()
	for driver, path := range map[string]string{"azure": "/images", "gcs": "/token"} {
		t.Run(driver, func(t *testing.T) {
			t.Parallel()
			store, asked := objectstore.Refusing(t, driver)
			server := serve(t, "registry:\n"+store.Block("  "))
			server.AddProject(t, "team")
			resp, err := wire.New(server.Addr, "admin", adminPassword).Do(wire.Request{Method: http.MethodGet, URL: "/v2/team/app/manifests/1"})
			if err != nil || resp.Status != http.StatusServiceUnavailable || !strings.Contains(resp.Message(), "UNAVAILABLE: the registry's storage") || resp.Header.Get("Retry-After") == "" {
				t.Errorf("GET of a manifest = %s, %v, want 503 that says so", resp, err)
			}
			if got := asked(); !strings.HasPrefix(got, path) {
				t.Errorf("the cloud was asked for %q, want %s", got, path)
			}
			if text, err := server.Output(); err != nil || strings.Contains(text, objectstore.SecretKey) || strings.Contains(text, "PRIVATE KEY") {
				t.Errorf("the log holds the secret, or can't be read: %v", err)
			}
		})
	}
}

// TestStorageIsCollected runs the stock registry's garbage collection over what sealock keeps, with the same block.
func TestStorageIsCollected(t *testing.T) {
	t.Parallel()
	store := objectstore.S3(t)
	server := serve(t, "registry:\n"+store.Block("  "))
	server.AddProject(t, "team")
	w := wire.New(server.Addr, "admin", adminPassword)
	var images []fixture.Image
	for _, tag := range []string{"kept", "gone"} {
		image, err := fixture.NewImage(unique(tag))
		if err == nil {
			err = w.Push("team/app", tag, image)
		}
		if err != nil {
			t.Fatal(err)
		}
		images = append(images, image)
	}
	if err := w.Delete("team/app", images[1].Digest()); err != nil {
		t.Fatal(err)
	}
	config := filepath.Join(proc.Dir(t), "config.yml")
	fixture.File(t, config, "version: 0.1\n"+store.Block("", "delete: {enabled: true}")+"http: {addr: '127.0.0.1:0'}\n")
	out := proc.Run(proc.Command{Args: []string{need.Tool(t, "registry-3.1.2"), "garbage-collect", config}, Env: os.Environ()})
	if out.Err != nil {
		t.Fatalf("garbage-collect:\n%s", out)
	}
	if _, err := w.Check("team/app", "kept", "kept"); err == nil || !strings.Contains(err.Error(), "307") {
		t.Errorf("the image that was kept: %v, want it and its blobs at the store", err)
	}
	gone := "/v2/team/app/blobs/" + fixture.Digest(images[1].Layer)
	if resp, err := w.Do(wire.Request{Method: http.MethodGet, URL: gone}); err != nil || resp.Status != http.StatusNotFound {
		t.Errorf("a layer that was collected = %s, %v, want 404", resp, err)
	}
	if err := w.Push("team/app", "gone", images[1]); err != nil {
		t.Errorf("pushing what was collected again: %v", err)
	}
}

// TestStorageOfReplicas runs two sealocks on one bucket and one database: what one changes counts at the other with the next
// request, and an upload may go on at either.
func TestStorageOfReplicas(t *testing.T) {
	t.Parallel()
	store := objectstore.S3(t)
	settings := "store: {url: '" + postgres.Start(t) + "'}\ntoken: {rotate_every: 0s}\nregistry:\n" + store.Block("  ")
	first := serve(t, settings)
	first.AddProject(t, "team")
	data := filepath.Join(proc.Dir(t), "data")
	for _, folder := range []string{"keys", "policy"} { // what replicas share beside the database and the bucket
		if err := os.CopyFS(filepath.Join(data, folder), os.DirFS(filepath.Join(first.DataDir, folder))); err != nil {
			t.Fatal(err)
		}
	}
	second := sealock.Prepare(t, sealock.Options{Addr: proc.FreeAddr(t), DataDir: data, Settings: settings})
	second.Start(t)
	a, b := wire.New(first.Addr, "admin", adminPassword), wire.New(second.Addr, "admin", adminPassword)
	push := func(w *wire.Client, tag string) string {
		t.Helper()
		image, err := fixture.NewImage(unique(tag))
		if err == nil {
			err = w.Push("team/app", tag, image)
		}
		if err != nil {
			t.Fatal(err)
		}
		return image.Digest()
	}
	tagged := func(w *wire.Client, tag, want string) {
		t.Helper()
		if _, got, err := w.Manifest("team/app", tag); err != nil || got != want {
			t.Errorf("tag %s at %s = %s, %v, want %s", tag, w.Base, got, err, want)
		}
	}
	gone := func(w *wire.Client, reference string) {
		t.Helper()
		resp, err := w.Do(wire.Request{Method: http.MethodGet, URL: "/v2/team/app/manifests/" + reference})
		if err != nil || resp.Status != http.StatusNotFound {
			t.Errorf("%s at %s = %s, %v, want 404", reference, w.Base, resp, err)
		}
	}
	for range 3 {
		digest := push(a, "latest")
		tagged(b, "latest", digest)
		tagged(a, "latest", digest)
		newer := push(b, "latest")
		tagged(a, "latest", newer)
		if err := a.Delete("team/app", newer); err != nil {
			t.Error(err)
		}
		gone(b, newer)
		gone(b, "latest")
		tagged(b, digest, digest)
	}
	push(a, "one")
	push(b, "two")
	if tags, err := a.Tags("team/app"); err != nil || !slices.Equal(tags, []string{"one", "two"}) {
		t.Errorf("tags = %q, %v, want one and two", tags, err)
	}

	blob := []byte("sent in turns")
	send := func(w *wire.Client, method, location string, body []byte, status int) string {
		t.Helper()
		if _, path, found := strings.Cut(location, "/v2/"); found {
			location = "/v2/" + path // at whichever
		}
		resp, err := w.Do(wire.Request{Method: method, URL: location, Body: body, Header: http.Header{"Content-Type": {"application/octet-stream"}}})
		if err != nil || resp.Status != status {
			t.Fatalf("%s at %s = %s, %v, want %d", method, w.Base, resp, err, status)
		}
		return resp.Header.Get("Location")
	}
	location := send(a, http.MethodPost, "/v2/team/app/blobs/uploads/", nil, http.StatusAccepted)
	location = send(b, http.MethodPatch, location, blob[:5], http.StatusAccepted)
	location = send(a, http.MethodPatch, location, blob[5:], http.StatusAccepted)
	send(b, http.MethodPut, location+"&digest="+fixture.Digest(blob), nil, http.StatusCreated)
	send(a, http.MethodGet, "/v2/team/app/blobs/"+fixture.Digest(blob), nil, http.StatusTemporaryRedirect)
}
