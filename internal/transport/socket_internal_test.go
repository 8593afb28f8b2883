package transport

import (
	"errors"
	"io"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"testing"
)

// A socket that was handed over takes connections when the one who opened it has closed it: also a unix socket, whose file stays
// until the last one goes.
func TestSocketIsHandedOver(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s")
	for _, address := range []string{"127.0.0.1:0", unixPrefix + path} {
		first, err := Listen(t.Context(), address, 0o600, &Legacy{})
		if err != nil {
			t.Fatal(err)
		}
		b, err := first.Bequest()
		if err != nil {
			t.Fatal(err)
		}
		waiting, err := (&net.Dialer{}).DialContext(t.Context(), first.Addr().Network(), first.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		defer waiting.Close()
		if err := first.Close(); err != nil {
			t.Fatal(err)
		}
		second, err := Listen(t.Context(), address, 0o600, &Legacy{files: map[string]*os.File{b.Name: b.File}})
		if err != nil {
			t.Fatal(err)
		}
		defer second.Close()
		later, err := (&net.Dialer{}).DialContext(t.Context(), first.Addr().Network(), first.Addr().String())
		if err != nil {
			t.Fatalf("a client of %s after it was handed over: %v", address, err)
		}
		defer later.Close()
		for _, c := range []net.Conn{waiting, later} { // who waited while nobody took connections, and who came then
			taken, err := second.Accept()
			if err != nil {
				t.Fatal(err)
			}
			if from, ok := taken.RemoteAddr().(*net.TCPAddr); !ok || !from.IP.IsLoopback() {
				t.Errorf("a client of %s comes from %v, want this machine", address, taken.RemoteAddr())
			}
			_, _ = io.WriteString(taken, "hello") // the client sees
			_ = taken.Close()                     // the same
			if text, err := io.ReadAll(c); err != nil || string(text) != "hello" {
				t.Errorf("a client of %s reads %q, %v, want hello", address, text, err)
			}
		}
		if err := second.Remove(); err != nil {
			t.Error(err)
		}
	}
	if _, err := os.Stat(path); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("after the last one there is still a socket (%v)", err)
	}
}
