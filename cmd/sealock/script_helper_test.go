package main

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"os"

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
func helperCommands() map[string]func(*testscript.TestScript, bool, []string) {
	return map[string]func(*testscript.TestScript, bool, []string){
		"message": messageCmd, "identity": identityCmd, "refreshes": refreshesCmd, "same-secret": sameSecretCmd,
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

// askService asks for a token for the registry.
func askService(ts *testscript.TestScript, form url.Values) (remote.Tokens, error) {
	form.Set("service", "sealock")
	server := remote.Server{URL: ts.Getenv("SERVER"), HTTP: http.DefaultClient}
	return remote.PostForm[remote.Tokens](context.Background(), server, server.URL+"/service/token", form)
}
