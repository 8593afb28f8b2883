package api

import (
	"context"
	"strconv"

	"github.com/labstack/echo/v4"

	"github.com/sealock/sealock/api/gen"
	"github.com/sealock/sealock/internal/errs"
	"github.com/sealock/sealock/project"
	"github.com/sealock/sealock/store"
)

// storageResource is what quotas are of.
const storageResource = "storage"

func (h *handlers) ListQuotas(c echo.Context, params gen.ListQuotasParams) error {
	return list(c, params.Page, params.PageSize, quotaOf, func(ctx context.Context, who Caller, w window) (l project.List[project.Quota], err error) {
		page, err := paging(params.Q, params.Sort, recordFields(fields{
			"hard.storage": numberField("storage_limit"), "used.storage": numberField("used"),
		}), map[string]string{
			"id": "id", "hard.storage": "storage_limit", "used.storage": "used", "creation_time": "creation_time", "update_time": "update_time",
		}, w)
		if err != nil {
			return l, err
		}
		q := project.QuotaQuery{Paging: page}
		if kind := value(params.Reference); kind != "" && kind != "project" {
			return l, errs.New(errs.Invalid, "there are no quotas of %s", quoted(string(kind))).WithHint("reference is project")
		}
		if params.ReferenceID != nil {
			if q.Project, err = strconv.ParseInt(*params.ReferenceID, 10, 64); err != nil || q.Project < 1 {
				return l, errs.New(errs.Invalid, "reference_id can't be %s", quoted(*params.ReferenceID)).WithHint("give a project's number")
			}
		}
		return h.Service.ListQuotas(ctx, who, q)
	})
}

func (h *handlers) GetQuota(c echo.Context, id gen.QuotaID) error {
	return reply(c, func(ctx context.Context, who Caller) (gen.Quota, error) {
		q, err := h.Service.Quota(ctx, who, id)
		return quotaOf(q), err
	})
}

func (h *handlers) UpdateQuota(c echo.Context, id gen.QuotaID) error {
	return take(c, func(ctx context.Context, who Caller, req gen.QuotaUpdateReq) error {
		hard, there := req.Hard[storageResource]
		if !there || len(req.Hard) != 1 {
			return errs.New(errs.Invalid, "hard does not say how much storage").WithHint(`send {"hard":{"storage":-1}}, -1 being any number of bytes`)
		}
		return h.Service.SetQuota(ctx, who, id, hard)
	}, "hard")
}

func quotaOf(q project.Quota) gen.Quota {
	return gen.Quota{
		ID: q.ID, Ref: gen.QuotaRef{ID: q.ID, Name: q.Name, OwnerName: q.OwnerName},
		Hard: gen.ResourceList{storageResource: q.Hard()}, Used: gen.ResourceList{storageResource: q.Used},
		CreationTime: q.CreatedAt.UTC(), UpdateTime: q.UpdatedAt.UTC(),
	}
}

func (h *handlers) GetProjectSummary(c echo.Context, ref gen.ProjectRef, params gen.GetProjectSummaryParams) error {
	return reply(c, func(ctx context.Context, who Caller) (gen.ProjectSummary, error) {
		sum, err := h.Service.Summary(ctx, who, projectRef(ref, params.XIsResourceName))
		if err != nil {
			return gen.ProjectSummary{}, err
		}
		out := gen.ProjectSummary{RepoCount: int64(sum.Repositories)}
		if sum.Members != nil {
			count := func(r store.Role) *int64 { return pointer(int64(sum.Members[r])) }
			out.ProjectAdminCount, out.MaintainerCount, out.DeveloperCount = count(store.RoleProjectAdmin), count(store.RoleMaintainer), count(store.RoleDeveloper)
			out.GuestCount, out.LimitedGuestCount = count(store.RoleGuest), count(store.RoleLimitedGuest)
		}
		if sum.Quota != nil {
			q := quotaOf(*sum.Quota)
			out.Quota = &gen.ProjectSummaryQuota{Hard: q.Hard, Used: q.Used}
		}
		return out, nil
	})
}

func (h *handlers) GetStatistics(c echo.Context) error {
	return reply(c, func(ctx context.Context, who Caller) (gen.Statistic, error) {
		st, all, err := h.Service.Statistics(ctx, who)
		out := gen.Statistic{
			PrivateProjectCount: int64(st.PrivateProjects), PrivateRepoCount: int64(st.PrivateRepositories),
			PublicProjectCount: int64(st.PublicProjects), PublicRepoCount: int64(st.PublicRepositories),
		}
		if all {
			out.TotalProjectCount = pointer(out.PrivateProjectCount + out.PublicProjectCount)
			out.TotalRepoCount = pointer(out.PrivateRepoCount + out.PublicRepoCount)
			out.TotalStorageConsumption = pointer(st.Bytes)
		}
		return out, err
	})
}
