package e2e_test

import (
	"fmt"
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
