package main

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/sealock/sealock/internal/errs"
)

func newHealthCommand(env *environment) *cobra.Command {
	return &cobra.Command{
		Use:   "health [URL]",
		Short: "Ask a server whether it is well; for container health checks",
		Long: `Asks /api/v2.0/health of the server at URL (default http://localhost:8080) and exits with 0 if every component is
healthy, else with 1. It needs no login.`,
		Example: `  sealock health
  HEALTHCHECK CMD ["/sealock", "health", "http://localhost:8080"]`,
		Args: usageArgs(cobra.MaximumNArgs(1)),
		RunE: func(cmd *cobra.Command, args []string) error {
			server := "http://localhost:8080"
			if len(args) == 1 {
				server = trimSlash(args[0])
			}
			return health(cmd, env, server)
		},
	}
}

func health(cmd *cobra.Command, env *environment, server string) error {
	req, err := http.NewRequestWithContext(cmd.Context(), http.MethodGet, server+"/api/v2.0/health", nil)
	if err != nil {
		return usagef("%q is no URL: write it like http://localhost:8080", server)
	}
	client := http.Client{Transport: env.HTTP, Timeout: 5 * time.Second}
	resp, err := client.Do(req)
	if err != nil {
		return errs.New(errs.Unavailable, "no answer from %s", server).WithHint("check that sealock serve runs there").Because(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, 64<<10))
	if err != nil {
		return errs.New(errs.Unavailable, "the answer of %s breaks off", server).WithHint("try again").Because(err)
	}
	if _, err := fmt.Fprintln(env.Stdout, printable(strings.TrimSpace(string(body)))); err != nil {
		return err
	}
	if resp.StatusCode != http.StatusOK {
		return errs.New(errs.Unavailable, "%s is not well", server).WithHint("the lines above and its log say what is down")
	}
	return nil
}
