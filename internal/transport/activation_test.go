package transport_test

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/sealock/sealock/internal/testkit"
	"github.com/sealock/sealock/internal/transport"
)

// activatedEnv has the process that runs TestActivatedProcess listen there: addresses with blanks between them.
const activatedEnv = "TEST_ACTIVATED"

// TestActivatedProcess is a process that systemd started, if one may say so of a shell.
func TestActivatedProcess(t *testing.T) {
	addresses := os.Getenv(activatedEnv)
	if addresses == "" {
		t.Skip("it is for TestActivation to run")
	}
	legacy, err := transport.Inherit(os.Getenv)
	if err != nil {
		t.Fatal(err)
	}
	defer legacy.Close()
	for address := range strings.FieldsSeq(addresses) {
		l, err := transport.Listen(t.Context(), address, 0o600, legacy)
		if err != nil {
			t.Fatal(err)
		}
		b, err := l.Bequest()
		if err != nil {
			t.Fatal(err)
		}
		fmt.Printf("%s\n", b.Name) //nolint:forbidigo // to the test that started this
		if err := l.Remove(); err != nil {
			t.Error(err)
		}
		_ = b.File.Close() // a copy
		_ = l.Close()      // it was opened
	}
	if err := legacy.Unclaimed(); err != nil {
		fmt.Println(err) //nolint:forbidigo // the same
	}
}

// Sockets that were opened for this process are taken by what they listen on, and their files are left to whoever made them.
func TestActivation(t *testing.T) {
	shell := testkit.Need(t, "sh")
	path := filepath.Join(t.TempDir(), "s")
	port := testkit.FreePort(t)
	here, everywhere, another := fmt.Sprintf("127.0.0.1:%d", port), fmt.Sprintf(":%d", testkit.FreePort(t)), fmt.Sprintf("127.0.0.1:%d", testkit.FreePort(t))
	for _, tt := range []struct {
		name, pid string
		listen    []string
		want      []string
	}{
		{"all of them", "$$", []string{here, everywhere, "unix:" + path}, []string{"foreign socket " + here, "foreign socket " + everywhere, "foreign socket unix:" + path}},
		{"by name", "$$", []string{fmt.Sprintf("localhost:%d", port), everywhere, "unix:" + path}, []string{fmt.Sprintf("foreign socket localhost:%d", port)}},
		{"one too few", "$$", []string{everywhere, "unix:" + path}, []string{"systemd hands over a socket on " + here}},
		{"one of one's own", "$$", []string{here, everywhere, "unix:" + path, another}, []string{"\nsocket " + another}},
		{"another's", "1", []string{another}, []string{"\nsocket " + another}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var sockets []*os.File
			for _, l := range []net.Listener{listener(t, "tcp", here), listener(t, "tcp", strings.Replace(everywhere, ":", "[::]:", 1)), listener(t, "unix", path)} {
				open, ok := l.(interface{ File() (*os.File, error) })
				if !ok {
					t.Fatalf("%T has no file", l)
				}
				f, err := open.File()
				if err != nil {
					t.Fatal(err)
				}
				defer f.Close()
				sockets = append(sockets, f)
			}
			cmd := exec.CommandContext(t.Context(), shell, "-c", "LISTEN_PID="+tt.pid+` LISTEN_FDS=3 exec "$0" -test.run '^TestActivatedProcess$'`, os.Args[0])
			cmd.ExtraFiles, cmd.Env = sockets, append(os.Environ(), activatedEnv+"="+strings.Join(tt.listen, " "))
			out, err := cmd.CombinedOutput()
			if err != nil {
				t.Fatalf("%v\n%s", err, out)
			}
			for _, want := range tt.want {
				if !strings.Contains("\n"+string(out), want) {
					t.Errorf("a process that listens on %q says %q, want %q", tt.listen, out, want)
				}
			}
			if _, err := os.Stat(path); err != nil {
				t.Errorf("the file of the socket is gone: %v", err)
			}
		})
	}
}

func listener(t *testing.T, network, address string) net.Listener {
	t.Helper()
	l, err := (&net.ListenConfig{}).Listen(t.Context(), network, address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	return l
}
