package e2e_test

import (
	"bufio"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/sealock/sealock/e2e/internal/client"
	"github.com/sealock/sealock/e2e/internal/fixture"
	"github.com/sealock/sealock/e2e/internal/need"
	"github.com/sealock/sealock/e2e/internal/proc"
	"github.com/sealock/sealock/e2e/internal/sealock"
)

// step is a command of a shell session and the lines that are printed below it.
type step struct {
	command string
	shown   []string
	refused bool // it has to fail, with the lines that are shown
}

// TestReadme types the first shell session of the README, against a real engine, and
// wants it to work as it stands; after it the refusals that the README shows. Only the
// port is another one, which may be free.
func TestReadme(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile(filepath.Join(need.Repository(), "README.md"))
	if err != nil {
		t.Fatalf("reading the README: %v", err)
	}
	need.Tool(t, "docker")
	need.Root(t, "dockerd")
	addr := fmt.Sprintf("localhost:%d", proc.FreePort(t))
	session := readmeSession(strings.ReplaceAll(string(text), "localhost:8080", addr))
	if len(session) == 0 {
		t.Fatal("README.md: no shell block that starts sealock serve and logs in with docker, want one")
	}
	typeSession(t, session, addr)
}

// readmeSession finds the first block in which sealock is started and docker logs in,
// and the refusals shown after it.
func readmeSession(text string) []step {
	for _, block := range blocks(text, "console", "sh", "shell") {
		if strings.Contains(block, "sealock serve") && strings.Contains(block, "docker login") {
			return append(steps(block), refusals(text)...)
		}
	}
	return nil
}

// refusals are the pushes that the README shows in plain text. The image has to be
// there under that name, which is not what the reader is to learn.
func refusals(text string) []step {
	var all []step
	for _, block := range blocks(text, "text") {
		for _, s := range steps(block) {
			if image, ok := strings.CutPrefix(s.command, "docker push "); ok && len(s.shown) > 0 {
				s.refused = true
				host, _, _ := strings.Cut(image, "/")
				all = append(all, step{command: "docker tag " + host + "/library/hello:v1 " + image}, s)
			}
		}
	}
	return all
}

// blocks returns the fenced blocks in these languages.
func blocks(text string, languages ...string) []string {
	var all []string
	for _, language := range languages {
		for _, part := range strings.Split(text, "```"+language+"\n")[1:] {
			block, _, _ := strings.Cut(part, "\n```")
			all = append(all, block)
		}
	}
	return all
}

// steps splits a block at its prompts, or takes every line for a command where there
// is no prompt. A command goes on after a backslash.
func steps(block string) []step {
	var all []step
	prompts := strings.Contains("\n"+block, "\n$ ")
	more := false
	lines := bufio.NewScanner(strings.NewReader(block))
	for lines.Scan() {
		line := lines.Text()
		command, begins := strings.CutPrefix(line, "$ ")
		if !prompts {
			begins = !more && strings.TrimSpace(line) != "" && !strings.HasPrefix(line, "#")
		}
		switch {
		case begins:
			all = append(all, step{command: command})
		case more:
			all[len(all)-1].command += "\n" + line
		case prompts && len(all) > 0:
			last := &all[len(all)-1]
			last.shown = append(last.shown, line)
		}
		more = (begins || more) && strings.HasSuffix(line, "\\")
	}
	return all
}

// typeSession runs the steps in one shell, one after the other. The shell prints a
// line after each step, with its exit code, so that it is known which one failed.
func typeSession(t *testing.T, session []step, addr string) {
	t.Helper()
	s := client.NewSession(t, addr, client.StartEngines(t))
	dir := filepath.Join(s.Dir, "home")
	checkout(t, dir)
	out := proc.Run(proc.Command{
		Args: []string{"bash", "-c", script(session, addr)}, Env: append(s.Env(), "SEALOCK_LISTEN="+addr), Dir: dir,
	})
	t.Log(out.Text)
	for i, st := range session {
		printed, code := printedBy(out.Text, i)
		if (code == "0") == st.refused {
			t.Errorf("$ %s: got exit code %s, want failure %v; it printed\n%s", st.command, code, st.refused, printed)
		}
		for _, line := range st.shown {
			if key := keyOutput(line); !strings.Contains(printed, key) {
				t.Errorf("$ %s: got\n%s\nwant the line %q", st.command, printed, key)
			}
		}
	}
}

// checkout stands for the folder in which the reader is, with what "make build" would
// leave there; that it does is for others to prove.
func checkout(t *testing.T, dir string) {
	t.Helper()
	fixture.File(t, filepath.Join(dir, "Makefile"), "build:\n\t@mkdir -p bin && cp "+sealock.Binary(t)+" bin/sealock\n")
}

// script makes a script of the steps. A server that is put into the background is
// waited for, as the person who types does, and ended with the script.
func script(session []step, addr string) string {
	var b strings.Builder
	b.WriteString("exec 2>&1\ntrap 'kill $(jobs -p) 2>/dev/null; wait' EXIT\n")
	for i, st := range session {
		b.WriteString(st.command + "\n")
		fmt.Fprintf(&b, "printf '\\n--- %d: %%d ---\\n' $?\n", i)
		if strings.HasSuffix(strings.TrimSpace(st.command), "&") {
			fmt.Fprintf(&b, "for _ in $(seq 200); do (echo > /dev/tcp/%s) 2>/dev/null && break; sleep 0.05; done\n", strings.Replace(addr, ":", "/", 1))
		}
	}
	return b.String()
}

// printedBy returns what was printed before the mark of a step and after the one
// before it, and the exit code in the mark.
func printedBy(text string, number int) (printed, code string) {
	before, after, ok := strings.Cut(text, fmt.Sprintf("\n--- %d: ", number))
	if !ok {
		return text, "none"
	}
	code, _, _ = strings.Cut(after, " ---")
	if _, since, ok := strings.Cut(before, fmt.Sprintf("\n--- %d: ", number-1)); ok {
		_, before, _ = strings.Cut(since, " ---\n")
	}
	return before, code
}

// keyOutput is the part of a line that has to be seen: up to the first ellipsis.
func keyOutput(line string) string {
	for _, cut := range []string{"…", "..."} {
		line, _, _ = strings.Cut(line, cut)
	}
	return strings.TrimSpace(line)
}
