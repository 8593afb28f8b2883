package main

import (
	"bytes"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/spf13/cobra"
)

// commands lists the command tree, without what cobra adds.
func commands(root *cobra.Command) []*cobra.Command {
	all := []*cobra.Command{root}
	for _, c := range root.Commands() {
		if c.Name() != "help" && c.Name() != "completion" {
			all = append(all, commands(c)...)
		}
	}
	return all
}

func testEnvironment() (*environment, *bytes.Buffer) {
	var out bytes.Buffer
	return &environment{Stdin: strings.NewReader(""), Stdout: &out, Stderr: &out, Getenv: func(string) string { return "" }}, &out
}

// Every command says in its help what it does, at more length if there is more to say, and shows an example that calls it.
func TestEveryCommandHasHelp(t *testing.T) {
	env, _ := testEnvironment()
	for _, c := range commands(newRootCommand(env)) {
		t.Run(c.CommandPath(), func(t *testing.T) {
			if c.Short == "" || strings.HasSuffix(c.Short, ".") {
				t.Errorf("Short = %q, want a line without a full stop", c.Short)
			}
			if c.Long == "" {
				t.Errorf("Long is empty, want what there is to know")
			}
			if !strings.Contains(c.Example, c.CommandPath()) {
				t.Errorf("Example = %q, want one with %q", c.Example, c.CommandPath())
			}
			if c.Args == nil && c.Runnable() {
				t.Errorf("Args is nil, want a check: words that are not understood must not be dropped")
			}
		})
	}
}

// Secrets never come by flag: they would stand in the shell's history and in the list of processes.
func TestNoSecretFlags(t *testing.T) {
	env, _ := testEnvironment()
	for _, c := range commands(newRootCommand(env)) {
		for _, name := range []string{"password", "token", "secret", "refresh-token"} {
			if c.Flags().Lookup(name) != nil {
				t.Errorf("%s has --%s, want no flag that takes a secret", c.CommandPath(), name)
			}
		}
	}
}

func TestErrorsAreOneSafeLine(t *testing.T) {
	env, out := testEnvironment()
	printError(env.Stderr, usagef("bad name %s", "x\ny\x1b[2J\u202e"))
	if got, want := out.String(), "sealock: bad name x y�[2J�\n"; got != want {
		t.Errorf("printError = %q, want %q", got, want)
	}
}

// What strangers named does not move the cursor of who lists it.
func TestTablesAreSafe(t *testing.T) {
	var out bytes.Buffer
	p, err := newPrinter(&out, outputTable)
	if err != nil {
		t.Fatal(err)
	}
	if err := p.print(nil, table{head: []string{"NAME", "ROLE"}, rows: [][]string{{"a\tb\nc\x1b]0;x\a", "guest"}}}); err != nil {
		t.Fatal(err)
	}
	if got, want := out.String(), "NAME         ROLE\na�b�c�]0;x�  guest\n"; got != want {
		t.Errorf("table = %q, want %q", got, want)
	}
}

// A server that answers is well only if it says so: Harbor's API has no other status than 200 for this.
func TestHealthReadsTheAnswer(t *testing.T) {
	for body, want := range map[string]int{
		`{"status":"healthy","components":[]}`:                                           exitOK,
		`{"status":"unhealthy","components":[{"name":"database","status":"unhealthy"}]}`: exitFailure,
		`<html>`: exitFailure,
	} {
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, body) }))
		env, _ := testEnvironment()
		if got := exitCode(run(t.Context(), env, []string{"health", server.URL})); got != want {
			t.Errorf("health of a server that says %s ends with %d, want %d", body, got, want)
		}
		server.Close()
	}
}
