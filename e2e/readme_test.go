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
}

// TestReadme types the first shell session of the README, against a real engine, and
// wants it to work as it stands. Only the port is another one, which may be free.
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
		t.Fatal("README.md: no console block that starts sealock serve and logs in with docker, want one")
	}
	typeSession(t, session, addr)
}

// readmeSession finds the first block in which sealock is started and docker logs in.
func readmeSession(text string) []step {
	for _, block := range consoleBlocks(text) {
		if strings.Contains(block, "sealock serve") && strings.Contains(block, "docker login") {
			return steps(block)
		}
	}
	return nil
}

func consoleBlocks(text string) []string {
	var blocks []string
	for _, fence := range []string{"```console\n", "```sh\n", "```shell\n"} {
		parts := strings.Split(text, fence)
		for _, part := range parts[1:] {
			block, _, _ := strings.Cut(part, "\n```")
			blocks = append(blocks, block)
		}
	}
	return blocks
}

// steps splits a block at its prompts; a command goes on after a backslash.
func steps(block string) []step {
	var all []step
	more := false
	lines := bufio.NewScanner(strings.NewReader(block))
	for lines.Scan() {
		line := lines.Text()
		command, prompt := strings.CutPrefix(line, "$ ")
		switch {
		case prompt:
			all = append(all, step{command: command})
		case more:
			all[len(all)-1].command += "\n" + line
		case len(all) > 0:
			last := &all[len(all)-1]
			last.shown = append(last.shown, line)
		}
		more = (prompt || more) && strings.HasSuffix(line, "\\")
	}
	return all
}

// typeSession runs the steps in one shell, one after the other. The shell prints a
// line after each step, with its exit code, so that it is known which one failed.
func typeSession(t *testing.T, session []step, addr string) {
	t.Helper()
	engines := client.StartEngines(t)
	s := client.NewSession(t, addr, engines)
	bin := filepath.Join(s.Dir, "bin")
	if err := os.MkdirAll(bin, 0o750); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(sealock.Binary(t), filepath.Join(bin, "sealock")); err != nil {
		t.Fatal(err)
	}
	fixtureImages(t, s, session)
	env := append(s.Env(), "PATH="+bin+":"+need.Path(), "SEALOCK_LISTEN="+addr)
	out := proc.Run(proc.Command{
		Args: []string{"bash", "-c", script(session, addr)}, Env: env, Dir: filepath.Join(s.Dir, "home"),
	})
	t.Log(out)
	for i, st := range session {
		printed, code := printedBy(out.Text, i)
		if code != "0" {
			t.Errorf("$ %s: got exit code %q, want 0; it printed\n%s", st.command, code, printed)
		}
		for _, line := range st.shown {
			if key := keyOutput(line); !strings.Contains(printed, key) {
				t.Errorf("$ %s: got\n%s\nwant the line %q", st.command, printed, key)
			}
		}
	}
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

// fixtureImages gives the engine the images that the session takes for granted:
// nothing is pulled from outside.
func fixtureImages(t *testing.T, s *client.Session, session []step) {
	t.Helper()
	for _, st := range session {
		words := strings.Fields(st.command)
		if len(words) >= 4 && words[0] == "docker" && words[1] == "tag" {
			rootfs := fixture.RootfsTar(t, s.Fresh("rootfs.tar"), unique("readme"))
			must(t, s.Run("docker", "import", rootfs, words[2]))
		}
	}
}
