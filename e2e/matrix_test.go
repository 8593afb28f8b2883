package e2e_test

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/sealock/sealock/e2e/internal/client"
)

// TestMatrix wants MATRIX.md to say what TestClients does.
func TestMatrix(t *testing.T) {
	t.Parallel()
	want := matrix()
	if os.Getenv("SEALOCK_UPDATE") != "" {
		if err := os.WriteFile("MATRIX.md", []byte(want), 0o600); err != nil {
			t.Fatalf("writing MATRIX.md: %v", err)
		}
	}
	got, err := os.ReadFile("MATRIX.md")
	if err != nil {
		t.Fatalf("reading MATRIX.md: %v", err)
	}
	if diff := cmp.Diff(want, string(got)); diff != "" {
		t.Errorf("MATRIX.md is not current (-want +got):\n%s\nmake it with: SEALOCK_UPDATE=1 go test -run TestMatrix .", diff)
	}
}

const matrixHead = `# What is tried with what

Made from the table that the tests run; do not edit. To make it again:
` + "`SEALOCK_UPDATE=1 go test -run TestMatrix .`" + `

Every cell is a test, ` + "`TestClients/<registry>/<client>/<operation>`" + `, and ` + "`make e2e-full`" + ` runs them all. Of these,
` + "`make test`" + ` runs a log-in, a push and a pull with every client at every registry, and the other operations
of a client at two registries: one behind the front proxy and one that is reached directly. A number instead of a mark
is something that the client can't do by design, and says why below. Versions are those of ` + "`hack/tools.sh`" + ` and of
Debian 12. The client http is no program: it sends the requests of the specification, one by one, and does everything
everywhere.
`

// matrix writes the whole file.
func matrix() string {
	var b strings.Builder
	b.WriteString(matrixHead)
	notes := &footnotes{}
	b.WriteString("\n## Registries\n\n")
	for _, r := range rows() {
		fmt.Fprintf(&b, "- `%s`: %s\n", r.name, r.title)
	}
	b.WriteString("\n## Operations\n\n")
	for _, o := range operations() {
		fmt.Fprintf(&b, "- `%s`: %s\n", o.name, o.title)
	}
	b.WriteString("\n## Clients and operations, the same at every registry\n\n")
	b.WriteString(clientTable(notes))
	b.WriteString("\n## Registries and clients\n\n")
	b.WriteString(registryTable(notes))
	b.WriteString("\n## Why not\n\n")
	for i, note := range notes.texts {
		fmt.Fprintf(&b, "%d. %s\n", i+1, note)
	}
	b.WriteString("\n## What is on the screen\n\n")
	b.WriteString(screens())
	return b.String()
}

// screens says where the message of a refusal is lost, whatever the server writes.
func screens() string {
	var mute []string
	for _, d := range client.Drivers() {
		if !d.Shows.Denied {
			mute = append(mute, d.Name)
		}
	}
	return "Every client says that a password is wrong. Every client shows why a push is refused by the front proxy, in the\n" +
		"server's words, except " + strings.Join(mute, " and ") + ", which prints the status of the answer and no more.\n"
}

func clientTable(notes *footnotes) string {
	names := make([]string, 0, len(operations()))
	for _, o := range operations() {
		names = append(names, string(o.name))
	}
	return table(names, func(d client.Driver, column int) string {
		return d.Cannot[operations()[column].name]
	}, notes)
}

func registryTable(notes *footnotes) string {
	names := make([]string, 0, len(rows()))
	for _, r := range rows() {
		names = append(names, r.name)
	}
	return table(names, func(d client.Driver, column int) string {
		return rows()[column].refuses[d.Name].why
	}, notes)
}

// table writes a line for each client; reason says why a cell is empty.
func table(columns []string, reason func(d client.Driver, column int) string, notes *footnotes) string {
	var b strings.Builder
	fmt.Fprintf(&b, "| client | %s |\n", strings.Join(columns, " | "))
	b.WriteString("|---|" + strings.Repeat(":-:|", len(columns)) + "\n")
	for _, d := range client.Drivers() {
		b.WriteString("| " + d.Name + " |")
		for i := range columns {
			mark := "✓"
			if why := reason(d, i); why != "" {
				mark = fmt.Sprintf("[%d](#why-not)", notes.number(d.Name, why))
			}
			b.WriteString(" " + mark + " |")
		}
		b.WriteString("\n")
	}
	return b.String()
}

// footnotes numbers reasons in the order in which they are met; clients that share a
// reason share the number.
type footnotes struct {
	texts   []string
	reasons []string
	names   [][]string
}

func (f *footnotes) number(name, why string) int {
	at := slices.Index(f.reasons, why)
	if at < 0 {
		at = len(f.reasons)
		f.reasons, f.names, f.texts = append(f.reasons, why), append(f.names, nil), append(f.texts, "")
	}
	if !slices.Contains(f.names[at], name) {
		f.names[at] = append(f.names[at], name)
	}
	f.texts[at] = strings.Join(f.names[at], ", ") + ": " + why + "."
	return at + 1
}

// TestDriversAreWhole wants each driver to do an operation or to say why it can't.
func TestDriversAreWhole(t *testing.T) {
	t.Parallel()
	for _, d := range client.Drivers() {
		has := map[client.Operation]bool{
			client.Login: d.Login != nil, client.Tags: d.Tags != nil, client.Catalog: d.Catalog != nil,
			client.Copy: d.Copy != nil, client.MountDenied: d.Remount != nil, client.Delete: d.Delete != nil,
			client.Expired: d.UseToken != nil, client.Push: d.Push != nil, client.Pull: d.Pull != nil,
		}
		for operation, able := range has {
			if excused := d.Cannot[operation] != ""; able == excused {
				t.Errorf("%s %s: got driver function %v and reason %q, want one of the two", d.Name, operation, able, d.Cannot[operation])
			}
		}
	}
}
