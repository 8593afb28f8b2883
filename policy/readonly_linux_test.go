package policy_test

import (
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"

	"github.com/sealock/sealock/internal/errs"
	"github.com/sealock/sealock/policy"
)

// A folder that can't be written, such as a mounted ConfigMap, is changed where it comes from, and the error says so.
func TestReplaceWhereNobodyMayWrite(t *testing.T) {
	w := open(t, mayPull)
	for path, mode := range map[string]os.FileMode{
		filepath.Dir(w.dir): 0o755, w.dir: 0o555, filepath.Join(w.dir, policy.PolicyFile): 0o444, filepath.Join(w.dir, policy.ModelFile): 0o444,
	} {
		if err := os.Chmod(path, mode); err != nil {
			t.Fatal(err)
		}
	}
	t.Cleanup(func() { _ = os.Chmod(w.dir, 0o755) }) // so that it can be removed
	// Root may write everywhere: this thread is somebody else to the file system, and ends with the test.
	runtime.LockOSThread()
	if os.Getuid() == 0 {
		const nobody = 65534
		_, _, _ = syscall.RawSyscall(syscall.SYS_SETFSUID, nobody, 0, 0) // it returns the id before, and no error
		defer func() { _, _, _ = syscall.RawSyscall(syscall.SYS_SETFSUID, 0, 0, 0) }()
	}
	_, err := w.Replace(t.Context(), policy.Text{Rules: "p, developer, repository, **, push, allow\n"}, policy.Edit{}, "")
	if !errs.Is(err, errs.Conflict) || !strings.Contains(err.Error(), "change it where it comes from") {
		t.Errorf("Replace() in a folder that can't be written = %v, want Conflict and how it is changed", err)
	}
	w.allow(t, "alice", "pull", "team/app")
	w.deny(t, "alice", "push", "team/app")
}
