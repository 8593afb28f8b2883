package main

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"os"
	"regexp"
	"strings"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/sealock/sealock/cmd/internal/remote"
)

// helperMessage is what docker writes to a credential helper's standard input.
type helperMessage struct{ ServerURL, Username, Secret string }

// helperCommands are the commands of scripts about the credential helper:
//
//	message FILE HOST USER SECRET      write what store reads; $WORK/address and $WORK/spelled name the host, too
//	identity FILE HOST USER PASSWORD   the same with a refresh token of the server, as docker login gets it
//	refreshes FILE                     check that the refresh token in a message is alive
//	same-secret FILE FILE              check that two messages hold the same secret
//	push USER PASSWORD NAME:TAG [TEXT]  push a small image, which differs by the text, as clients do; its token's id is then
//	                             in $WORK/jti, its digest in $DIGEST
//	pull USER PASSWORD NAME:TAG  pull what push pushed
//	decide FILE USER PASSWORD approve|deny  answer the device login whose code stands in a file, soon, as a browser does
func helperCommands() map[string]func(*testscript.TestScript, bool, []string) {
	return map[string]func(*testscript.TestScript, bool, []string){
		"message": messageCmd, "identity": identityCmd, "refreshes": refreshesCmd, "same-secret": sameSecretCmd,
		"decide": decideCmd, "push": pushCmd, "pull": pullCmd,
	}
}

func messageCmd(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 4 {
		ts.Fatalf("usage: message FILE HOST USER SECRET")
	}
	text, err := json.Marshal(helperMessage{args[1], args[2], args[3]})
	ts.Check(err)
	for name, content := range map[string]string{args[0]: string(text), "address": ts.Getenv("ADDRESS") + "\n", "spelled": "http://" + ts.Getenv("ADDRESS") + "/v2/"} {
		ts.Check(os.WriteFile(ts.MkAbs(name), []byte(content), 0o600))
	}
}

func identityCmd(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 4 {
		ts.Fatalf("usage: identity FILE HOST USER PASSWORD")
	}
	t, err := askService(ts, url.Values{
		"grant_type": {"password"}, "username": {args[2]}, "password": {args[3]}, "access_type": {"offline"}, "client_id": {"docker"},
	})
	ts.Check(err)
	messageCmd(ts, false, []string{args[0], args[1], "<token>", t.RefreshToken})
}

func refreshesCmd(ts *testscript.TestScript, neg bool, args []string) {
	if len(args) != 1 {
		ts.Fatalf("usage: refreshes FILE")
	}
	_, err := askService(ts, url.Values{"grant_type": {"refresh_token"}, "refresh_token": {readMessage(ts, args[0]).Secret}})
	var refused *remote.Error
	switch {
	case neg && errors.As(err, &refused) && refused.Status == http.StatusUnauthorized:
	case neg || err != nil:
		ts.Fatalf("the refresh token gives %v", err)
	}
}

func sameSecretCmd(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: same-secret FILE FILE")
	}
	if a, b := readMessage(ts, args[0]), readMessage(ts, args[1]); a.Secret != b.Secret || a.Secret == "" {
		ts.Fatalf("the secrets differ: %q and %q", a.Secret, b.Secret)
	}
}

func readMessage(ts *testscript.TestScript, name string) (m helperMessage) {
	ts.Check(json.Unmarshal([]byte(ts.ReadFile(name)), &m))
	return m
}

func pushCmd(ts *testscript.TestScript, neg bool, args []string) {
	if len(args) != 3 && len(args) != 4 {
		ts.Fatalf("usage: push USER PASSWORD NAME:TAG [TEXT]")
	}
	name, tag, _ := strings.Cut(args[2], ":")
	t := tokenFor(ts, args[0], args[1], "repository:"+name+":pull,push")
	claims, err := base64.RawURLEncoding.DecodeString(strings.Split(t.AccessToken, ".")[1])
	ts.Check(err)
	var id struct{ JTI string }
	ts.Check(json.Unmarshal(claims, &id))
	ts.Setenv("JTI", id.JTI)
	ts.Check(os.WriteFile(ts.MkAbs("jti"), []byte(id.JTI), 0o600))

	const config = "{}"
	digest := fmt.Sprintf("sha256:%x", sha256.Sum256([]byte(config)))
	manifest := fmt.Sprintf(`{"schemaVersion":2,"mediaType":%q,"config":{"mediaType":"application/vnd.oci.empty.v1+json","size":2,"digest":%q},"layers":[],"annotations":{"text":%q}}`,
		manifestType, digest, strings.Join(args[3:], ""))
	ts.Setenv("DIGEST", fmt.Sprintf("sha256:%x", sha256.Sum256([]byte(manifest))))
	status, location := send(ts, t.AccessToken, http.MethodPost, "/v2/"+name+"/blobs/uploads/", "", "")
	if status == http.StatusAccepted {
		send(ts, t.AccessToken, http.MethodPut, location+"&digest="+digest, "application/octet-stream", config)
		status, _ = send(ts, t.AccessToken, http.MethodPut, "/v2/"+name+"/manifests/"+tag, manifestType, manifest)
	}
	if pushed := status == http.StatusCreated; pushed == neg {
		ts.Fatalf("the push of %s ends with %d", args[2], status)
	}
}

func pullCmd(ts *testscript.TestScript, neg bool, args []string) {
	if len(args) != 3 {
		ts.Fatalf("usage: pull USER PASSWORD NAME:TAG")
	}
	name, tag, _ := strings.Cut(args[2], ":")
	t := tokenFor(ts, args[0], args[1], "repository:"+name+":pull")
	status, _ := send(ts, t.AccessToken, http.MethodGet, "/v2/"+name+"/manifests/"+tag, "", "")
	if status == http.StatusOK {
		status, _ = send(ts, t.AccessToken, http.MethodGet, fmt.Sprintf("/v2/%s/blobs/sha256:%x", name, sha256.Sum256([]byte("{}"))), "", "")
	}
	if pulled := status == http.StatusOK; pulled == neg {
		ts.Fatalf("the pull of %s ends with %d", args[2], status)
	}
}

// tokenFor gets a token for a scope, or for the part of it that is granted.
func tokenFor(ts *testscript.TestScript, user, password, scope string) remote.Tokens {
	t, err := askService(ts, url.Values{"grant_type": {"password"}, "username": {user}, "password": {password}, "client_id": {"docker"}, "scope": {scope}})
	ts.Check(err)
	return t
}

const manifestType = "application/vnd.oci.image.manifest.v1+json"

// send asks the front door, and returns where the answer points to.
func send(ts *testscript.TestScript, token, method, path, contentType, body string) (status int, location string) {
	req, err := http.NewRequestWithContext(context.Background(), method, ts.Getenv("SERVER")+path, strings.NewReader(body))
	ts.Check(err)
	req.Header.Set("Authorization", "Bearer "+token)
	req.Header.Set("Content-Type", contentType)
	req.Header.Set("Accept", manifestType)
	resp, err := http.DefaultClient.Do(req)
	ts.Check(err)
	defer func() { _ = resp.Body.Close() }() // only its head counts
	location = resp.Header.Get("Location")
	if u, err := url.Parse(location); err == nil {
		location = u.RequestURI()
	}
	return resp.StatusCode, location
}

var (
	userCode  = regexp.MustCompile(`user_code=(\S+)`)
	formToken = regexp.MustCompile(`name="csrf" value="([^"]+)"`)
)

func decideCmd(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 4 {
		ts.Fatalf("usage: decide FILE USER PASSWORD approve|deny")
	}
	var code []string
	for end := time.Now().Add(20 * time.Second); code == nil; time.Sleep(20 * time.Millisecond) {
		said, _ := os.ReadFile(ts.MkAbs(args[0])) // it may not be there yet
		if code = userCode.FindStringSubmatch(string(said)); code == nil && time.Now().After(end) {
			ts.Fatalf("%s holds no code: %s", args[0], said)
		}
	}
	jar, err := cookiejar.New(nil)
	ts.Check(err)
	browser := &http.Client{Jar: jar}
	page := submit(ts, browser, "/sign-in", url.Values{"name": {args[1]}, "password": {args[2]}, "next": {"/device?user_code=" + code[1]}})
	token := formToken.FindStringSubmatch(page)
	if token == nil {
		ts.Fatalf("the page after the sign-in has no form: %s", page)
	}
	submit(ts, browser, "/device", url.Values{"csrf": {token[1]}, "user_code": {code[1]}, "decision": {args[3]}})
}

// submit sends a form as a browser does and returns the page that it ends at.
func submit(ts *testscript.TestScript, browser *http.Client, path string, form url.Values) string {
	server := ts.Getenv("SERVER")
	req, err := http.NewRequestWithContext(context.Background(), http.MethodPost, server+path, strings.NewReader(form.Encode()))
	ts.Check(err)
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	req.Header.Set("Origin", server)
	resp, err := browser.Do(req)
	ts.Check(err)
	defer func() { _ = resp.Body.Close() }() // all of it is read
	page, err := io.ReadAll(resp.Body)
	ts.Check(err)
	if resp.StatusCode != http.StatusOK {
		ts.Fatalf("%s answers %s: %s", path, resp.Status, page)
	}
	return string(page)
}

// askService asks for a token for the registry.
func askService(ts *testscript.TestScript, form url.Values) (remote.Tokens, error) {
	form.Set("service", "sealock")
	server := remote.Server{URL: ts.Getenv("SERVER"), HTTP: http.DefaultClient}
	return remote.PostForm[remote.Tokens](context.Background(), server, server.URL+"/service/token", form)
}
