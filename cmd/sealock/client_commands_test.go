package main

import "testing"

// Values stand in quotes where a character would mean something else to q, and only there.
func TestInQuery(t *testing.T) {
	for in, want := range map[string]string{
		"alice": "alice", "o'neill@corp": "o'neill@corp", "a=b": "a=b", "a~b": "a~b", "": "",
		"a,b": `"a,b"`, "{a}": `"{a}"`, "~a": `"~a"`, "(a": `"(a"`, "[a": `"[a"`, `"a`: `"\"a"`, `a\,`: `"a\\,"`,
	} {
		if got := inQuery(in); got != want {
			t.Errorf("inQuery(%q) = %s, want %s", in, got, want)
		}
	}
}
