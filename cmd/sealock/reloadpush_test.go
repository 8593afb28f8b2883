package main

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
)

// TestReloadDropsNoConnection replaces the policy, with a good and with a bad one, while a blob is on its way in: the
// push goes on over its connection, and the new policy counts for the next request.
func TestReloadDropsNoConnection(t *testing.T) {
	s := startSystem(t, nil)
	withAlice(t, s)
	token, _ := s.granted(t, "alice", "wonderland-1", wanted)
	server := httptest.NewServer(s.handler)
	defer server.Close()
	send := func(method, to string, body io.Reader) (status int, location string) {
		req, err := http.NewRequestWithContext(t.Context(), method, to, body)
		if err != nil {
			t.Error(err)
			return 0, ""
		}
		req.Header.Set("Authorization", "Bearer "+token)
		resp, err := server.Client().Do(req)
		if err != nil {
			t.Errorf("%s %s = %v, want an answer", method, to, err)
			return 0, ""
		}
		_ = resp.Body.Close() // the head is what counts
		return resp.StatusCode, resp.Header.Get("Location")
	}
	status, location := send(http.MethodPost, server.URL+"/v2/team/app/blobs/uploads/", nil)
	at, err := url.Parse(location)
	if err != nil || status != http.StatusAccepted {
		t.Fatalf("the start of an upload = %d, %v, want 202", status, err)
	}
	body, blob := io.Pipe()
	sent := make(chan int, 1)
	go func() {
		status, _ := send(http.MethodPatch, server.URL+at.RequestURI(), body)
		sent <- status
	}()
	half := strings.Repeat("x", 1<<20)
	if _, err := io.WriteString(blob, half); err != nil { // it has gone through the gate
		t.Fatal(err)
	}

	var now struct{ Policy string }
	if err := json.Unmarshal(s.api(t, http.MethodGet, "/policy", "", http.StatusOK).Body.Bytes(), &now); err != nil {
		t.Fatal(err)
	}
	replace := func(more string, status int) {
		text, err := json.Marshal(map[string]string{"policy": now.Policy + more})
		if err != nil {
			t.Fatal(err)
		}
		s.api(t, http.MethodPut, "/policy", string(text), status)
	}
	replace("p, nobody\n", http.StatusBadRequest)
	replace("p, user:alice, repository, team/**, push, deny\n", http.StatusOK)

	if _, err := io.WriteString(blob, half); err != nil {
		t.Errorf("the rest of the blob = %v, want it taken", err)
	}
	_ = blob.Close()
	if status := <-sent; status != http.StatusAccepted {
		t.Errorf("the upload that was under way ends with %d, want 202", status)
	}
	if status, _ := send(http.MethodPost, server.URL+"/v2/team/app/blobs/uploads/", nil); status != http.StatusForbidden {
		t.Errorf("the next upload = %d, want 403 by the new policy", status)
	}
}
