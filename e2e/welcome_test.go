package e2e_test

import (
	"bufio"
	"fmt"
	"os/exec"
	"strings"
	"syscall"
	"testing"

	"github.com/sealock/sealock/e2e/internal/need"
	"github.com/sealock/sealock/e2e/internal/proc"
)

// TestWelcome pastes what the first start prints into a shell: the password that was made up, a push and a pull.
func TestWelcome(t *testing.T) {
	t.Parallel()
	need.Tool(t, "docker")
	need.Root(t, "dockerd")
	addr := fmt.Sprintf("localhost:%d", proc.FreePort(t))
	typeSession(t, []step{
		{command: `make build && export PATH="$PWD/bin:$PATH"`},
		{command: `sealock serve > welcome.txt &`},
		{command: `for _ in $(seq 100); do grep -q 'docker pull' welcome.txt && break; sleep 0.05; done`},
		{command: `cat welcome.txt`, shown: []string{"password", "shown this once"}},
		{command: `sed -n 's/^  //p' welcome.txt > pasted.sh; wc -l < pasted.sh`, shown: []string{"4"}},
		{command: `bash -ex pasted.sh`, shown: []string{"Login Succeeded"}},
	}, addr)
}

// TestMakeRun runs the README's first command, with what the machine has of Go.
func TestMakeRun(t *testing.T) {
	need.Tool(t, "make")
	addr := fmt.Sprintf("localhost:%d", proc.FreePort(t))
	cmd := exec.CommandContext(t.Context(), "make", "-C", need.Repository(), "run", "ARGS=--listen "+addr+" --data-dir "+t.TempDir())
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGTERM) }
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatalf("make run: %v", err)
	}
	lines := bufio.NewScanner(out)
	ready := false
	for !ready && lines.Scan() {
		ready = strings.Contains(lines.Text(), "sealock is ready at http://"+addr)
	}
	if !ready {
		t.Errorf("make run ends without saying that sealock is ready: %v", cmd.Wait())
		return
	}
	if err := cmd.Cancel(); err != nil {
		t.Errorf("ending make run: %v", err)
	}
	_ = cmd.Wait() // it was ended
}
