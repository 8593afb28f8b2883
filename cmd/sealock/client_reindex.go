package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/sealock/sealock/api/client"
	"github.com/sealock/sealock/internal/errs"
)

// reindexCommand is what the command of that name was asked for.
type reindexCommand struct {
	fresh, status, stop, detach bool
}

func newReindexCommand(env *environment) *cobra.Command {
	var rc reindexCommand
	cmd := &cobra.Command{
		Use: "reindex", Short: "Adopt what a registry holds: walk through it, and note it in the index",
		Long: `Walks through the registry behind the server and notes its repositories, artifacts and tags in the index: for a registry
that was filled before sealock came, or past it. Projects that are missing are made, private and nobody's. What the
registry does not have any more leaves the index. Nothing in the registry is changed, and pushes go on meanwhile.

The server does the walk, and goes on when this command ends. One that was stopped, failed or was cut off goes on where
it was. Artifacts that no tag leads to are found in the embedded registry only: a stock registry does not tell of them.`,
		Args: usageArgs(cobra.NoArgs),
		Example: `  sealock reindex                   # start, or go on, and watch
  sealock reindex --fresh           # from the beginning
  sealock reindex --status --output json
  sealock reindex --stop`,
	}
	cmd.Flags().BoolVar(&rc.fresh, "fresh", false, "from the beginning, also where the last walk stopped")
	cmd.Flags().BoolVar(&rc.status, "status", false, "only say how it stands")
	cmd.Flags().BoolVar(&rc.stop, "stop", false, "stop it; it can go on later")
	cmd.Flags().BoolVar(&rc.detach, "detach", false, "start it, and don't wait for its end")
	cmd.MarkFlagsMutuallyExclusive("status", "stop", "detach")
	cmd.MarkFlagsMutuallyExclusive("status", "stop", "fresh")
	return clientCommand(env, cmd, func(ctx context.Context, s *session, _ []string) error { return rc.run(ctx, env, s) })
}

func (rc reindexCommand) run(ctx context.Context, env *environment, s *session) error {
	switch {
	case rc.status:
		return s.sayReindex(ctx)
	case rc.stop:
		if err := done(s.api.StopReindexWithResponse(ctx)); err != nil {
			return err
		}
		return s.out.say(struct {
			Stopping bool `json:"stopping"`
		}{true}, "the walk stops; sealock reindex goes on with it")
	}
	resp, err := s.api.StartReindexWithResponse(ctx, &client.StartReindexParams{Fresh: pointer(rc.fresh)})
	if err != nil {
		return err
	}
	if resp.StatusCode() == http.StatusConflict && !rc.fresh {
		fmt.Fprintln(env.Stderr, "the registry is walked through already: this watches")
	} else if err := done(resp, nil); err != nil {
		return err
	}
	if rc.detach {
		return s.sayReindex(ctx)
	}
	return s.watchReindex(ctx, newReindexBar(env))
}

// reindexPoll is how often it is asked how far the walk is.
const reindexPoll = 500 * time.Millisecond

// watchReindex shows how the walk goes until it ends.
func (s *session) watchReindex(ctx context.Context, bar *reindexBar) error {
	for {
		st, err := s.reindex(ctx)
		if err != nil {
			bar.end()
			return err
		}
		if st.State != "running" && st.State != "stopping" {
			bar.end()
			return s.endOfReindex(st)
		}
		bar.show(st)
		select {
		case <-ctx.Done():
			bar.end()
			return errors.New("the server goes on with the walk: sealock reindex --status tells how far it is, --stop stops it")
		case <-time.After(reindexPoll):
		}
	}
}

// endOfReindex prints what came of the walk. One that failed fails the command.
func (s *session) endOfReindex(st client.Reindex) error {
	if err := s.out.print(st, reindexTable(st)); err != nil {
		return err
	}
	if st.State == "failed" {
		return errs.New(errs.Unavailable, "the walk failed: %s", told(st.Error)).WithHint("sealock reindex goes on where it was")
	}
	return nil
}

func (s *session) reindex(ctx context.Context) (client.Reindex, error) {
	return decode[client.Reindex](s.api.GetReindexWithResponse(ctx))
}

func (s *session) sayReindex(ctx context.Context) error {
	st, err := s.reindex(ctx)
	if err != nil {
		return err
	}
	return s.out.print(st, reindexTable(st))
}

func reindexTable(st client.Reindex) table {
	t := table{head: []string{"STATE", "REPOSITORIES", "ARTIFACTS", "TAGS", "PROJECTS MADE", "REMOVED", "LEFT"}, rows: [][]string{{
		st.State, fmt.Sprintf("%d of %d", st.Repositories, st.Total), fmt.Sprint(st.Artifacts), fmt.Sprint(st.Tags), fmt.Sprint(st.Projects),
		fmt.Sprint(st.Removed), fmt.Sprint(st.Skipped),
	}}}
	for _, n := range st.Notes {
		t.rows = append(t.rows, []string{"left: " + n.Repository, n.Reason})
	}
	return t
}

// reindexBar shows how far a walk is: as a bar on a terminal, else in a line now and then.
type reindexBar struct {
	w        io.Writer
	terminal bool
	drawn    bool
	said     time.Time
	last     string
}

// barLines is how often a line is written where there is no terminal.
const barLines = 10 * time.Second

func newReindexBar(env *environment) *reindexBar {
	f, ok := env.Stderr.(*os.File)
	return &reindexBar{w: env.Stderr, terminal: ok && term.IsTerminal(int(f.Fd()))}
}

func (b *reindexBar) show(st client.Reindex) {
	line := reindexLine(st)
	switch {
	case b.terminal:
		fmt.Fprintf(b.w, "\r\x1b[K%s", line)
		b.drawn = true
	case line != b.last && time.Since(b.said) >= barLines:
		fmt.Fprintln(b.w, line)
		b.said, b.last = time.Now(), line
	}
}

// end leaves the bar as it is.
func (b *reindexBar) end() {
	if b.drawn {
		fmt.Fprintln(b.w)
	}
}

const barWidth = 30

func reindexLine(st client.Reindex) string {
	phase := told(st.Phase)
	if phase != "walking" || st.Total == 0 {
		return fmt.Sprintf("%s: %d repositories", firstWord(phase, st.State), st.Total)
	}
	full := int(min(st.Repositories, st.Total) * barWidth / st.Total)
	return fmt.Sprintf("[%s%s] %d of %d repositories, %d artifacts", strings.Repeat("#", full), strings.Repeat(".", barWidth-full), st.Repositories, st.Total, st.Artifacts)
}

func firstWord(a, b string) string {
	if a != "" {
		return a
	}
	return b
}
