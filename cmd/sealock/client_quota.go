package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/dustin/go-humanize"
	"github.com/spf13/cobra"

	"github.com/sealock/sealock/api/client"
)

func newQuotaCommand(env *environment) *cobra.Command {
	return groupCommand("quota", "Say how much projects may hold", `  sealock quota list
  sealock quota set team 10GiB`,
		newQuotaListCommand(env), newQuotaShowCommand(env), newQuotaSetCommand(env))
}

// storage is what quotas are of.
const storage = "storage"

func newQuotaListCommand(env *environment) *cobra.Command {
	cmd := &cobra.Command{
		Use: "list", Short: "List what projects hold and may hold", Long: "List what projects hold and may hold.", Args: usageArgs(cobra.NoArgs),
		Example: `  sealock quota list
  sealock quota list --output json`,
	}
	return clientCommand(env, cmd, func(ctx context.Context, s *session, _ []string) error {
		quotas, err := pages[client.Quota](func(page int64) (answer, error) {
			return s.api.ListQuotasWithResponse(ctx, &client.ListQuotasParams{Page: &page, PageSize: pointer(largePage)})
		})
		if err != nil {
			return err
		}
		slices.SortFunc(quotas, func(a, b client.Quota) int { return cmp.Compare(a.Ref.Name, b.Ref.Name) }) // the API has no such order
		return s.out.print(quotas, quotaTable(quotas...))
	})
}

func newQuotaShowCommand(env *environment) *cobra.Command {
	cmd := &cobra.Command{
		Use: "show PROJECT", Short: "Show what a project holds and may hold", Long: "Show what a project holds and may hold.",
		Example: "  sealock quota show team",
		Args:    usageArgs(cobra.ExactArgs(1)), ValidArgsFunction: completeArgs(env, projectNames),
	}
	return clientCommand(env, cmd, func(ctx context.Context, s *session, args []string) error {
		q, err := s.quota(ctx, args[0])
		if err != nil {
			return err
		}
		return s.out.print(q, quotaTable(q))
	})
}

func newQuotaSetCommand(env *environment) *cobra.Command {
	var unlimited bool
	cmd := &cobra.Command{
		Use: "set PROJECT {SIZE | unlimited}", Short: "Say how much a project may hold",
		Long: `Say how much a project may hold: 500MiB, 10GB, 1.5TiB (MB, GB and TB are of 1000s, MiB, GiB and TiB of 1024s), or unlimited.
It may be less than what the project holds: then nothing more comes in.`,
		Example: `  sealock quota set team 10GiB
  sealock quota set team unlimited`,
		ValidArgsFunction: completeArgs(env, projectNames, func(context.Context, *session) []string { return []string{"unlimited"} }),
	}
	// The API calls it -1, which is a flag to a command line.
	cmd.Flags().BoolVarP(&unlimited, "unlimited", "1", false, "any number of bytes, as the API's -1")
	cmd.Args = usageArgs(func(cmd *cobra.Command, args []string) error {
		if unlimited {
			return cobra.ExactArgs(1)(cmd, args)
		}
		return cobra.ExactArgs(2)(cmd, args)
	})
	return clientCommand(env, cmd, func(ctx context.Context, s *session, args []string) error {
		bytes := int64(-1)
		if !unlimited {
			var err error
			if bytes, err = parseSize(args[1]); err != nil {
				return err
			}
		}
		p, err := s.project(ctx, args[0])
		if err != nil {
			return err
		}
		if err := done(s.api.UpdateQuotaWithResponse(ctx, p.ProjectID, client.QuotaUpdateReq{Hard: client.ResourceList{storage: bytes}})); err != nil {
			return err
		}
		q, err := s.quota(ctx, p.Name)
		if err != nil {
			return err
		}
		return s.out.say(q, "%s may hold %s now, and holds %s", p.Name, limitText(q.Hard[storage]), sizeText(q.Used[storage]))
	})
}

// quota reads the quota of a project from its summary, which those in the project may see, too. Everything else is the
// project's.
func (s *session) quota(ctx context.Context, project string) (client.Quota, error) {
	p, err := s.project(ctx, project)
	if err != nil {
		return client.Quota{}, err
	}
	sum, err := decode[client.ProjectSummary](s.api.GetProjectSummaryWithResponse(ctx, p.Name, &client.GetProjectSummaryParams{XIsResourceName: pointer(true)}))
	if err != nil {
		return client.Quota{}, err
	}
	if sum.Quota == nil {
		return client.Quota{}, errors.New("you may not see the quota of " + p.Name + ": ask an administrator of the project to add you")
	}
	return client.Quota{
		ID: p.ProjectID, Ref: client.QuotaRef{ID: p.ProjectID, Name: p.Name, OwnerName: p.OwnerName}, Hard: sum.Quota.Hard, Used: sum.Quota.Used,
		CreationTime: p.CreationTime, UpdateTime: p.UpdateTime,
	}, nil
}

func quotaTable(quotas ...client.Quota) table {
	t := table{head: []string{"PROJECT", "USED", "LIMIT", "FULL"}}
	for _, q := range quotas {
		full := "-"
		if hard := q.Hard[storage]; hard > 0 {
			full = fmt.Sprintf("%.0f%%", 100*float64(q.Used[storage])/float64(hard))
		}
		t.rows = append(t.rows, []string{q.Ref.Name, sizeText(q.Used[storage]), limitText(q.Hard[storage]), full})
	}
	return t
}

// limitText writes a limit for people; the API's -1 is none.
func limitText(bytes int64) string {
	if bytes < 0 {
		return "unlimited"
	}
	return sizeText(bytes)
}

// sizeText writes a number of bytes for people.
func sizeText(bytes int64) string { return humanize.IBytes(uint64(max(bytes, 0))) }

// parseSize reads a number of bytes as people write it; unlimited is the API's -1.
func parseSize(s string) (int64, error) {
	if s == "-1" || strings.EqualFold(s, "unlimited") {
		return -1, nil
	}
	n, err := humanize.ParseBytes(s)
	switch {
	case err != nil, strings.Contains(s, ","), n > 1<<62: // humanize takes 1,5GB for 15
		return 0, usagef("%q is no size: write it like 500MiB, 10GB, 1.5TiB or unlimited", s)
	case n == 0:
		return 0, usagef("%q holds nothing: write a size like 500MiB, or take away the right to push", s)
	}
	return int64(n), nil
}
