package api

import (
	"context"
	"net/http"

	"github.com/labstack/echo/v4"

	"github.com/sealock/sealock/api/gen"
	"github.com/sealock/sealock/internal/errs"
	"github.com/sealock/sealock/project"
)

// What Harbor has and this server has not: what reads answers as Harbor does with none installed, and what would make
// something says that it can't be. Who may not do it is told that first.

func errNoScanner() error {
	return errs.New(errs.Precondition, "this server has no vulnerability scanner").WithHint("scan what you pull, with a client such as trivy or grype")
}

func errUnsupported(what string) error {
	return errs.New(errs.Unsupported, "this server has no %s", what).WithHint("leave it to a program beside it")
}

const (
	scanner   = "vulnerability scanner"
	p2p       = "peer-to-peer network"
	preheat   = "preheat policy"
	allowlist = "list of vulnerabilities that do not count"
)

// in runs fn for those who may do the action in a project.
func (h *handlers) in(c echo.Context, name string, isName *bool, resource, action string, fn func() error) error {
	r, err := asked(c)
	if err != nil {
		return err
	}
	if err := h.Service.MayIn(r.ctx(), r.caller(), projectRef(name, isName), resource, action); err != nil {
		return err
	}
	return fn()
}

// cannotIn is cannot in a project.
func (h *handlers) cannotIn(c echo.Context, name string, isName *bool, resource, action string, why error) error {
	return h.in(c, name, isName, resource, action, func() error { return why })
}

// noPageIn is noPage in a project.
func (h *handlers) noPageIn(c echo.Context, name string, isName *bool, p page, resource, action string) error {
	return h.in(c, name, isName, resource, action, func() error {
		asIs := func(v struct{}) struct{} { return v }
		return list(c, p.number, p.size, asIs, func(context.Context, Caller, window) (l project.List[struct{}], err error) { return l, p.check() })
	})
}

// forUser runs fn for whoever is signed in.
func (h *handlers) forUser(c echo.Context, fn func() error) error {
	r, err := asked(c)
	if err != nil {
		return err
	}
	if r.who.Anonymous() {
		return errNobody
	}
	return fn()
}

func (h *handlers) GetIcon(echo.Context, gen.IconDigest) error { return errNone("icon") }

func (h *handlers) GetCVEAllowlist(c echo.Context) error {
	return h.forUser(c, func() error {
		return c.JSON(http.StatusOK, map[string]any{"id": 0, "project_id": 0, "items": []string{}})
	})
}

func (h *handlers) ExportCVE(c echo.Context) error { return h.forUser(c, errNoScanner) }

func (h *handlers) ListCVEExports(c echo.Context) error {
	return h.forUser(c, func() error { return c.JSON(http.StatusOK, map[string]any{"items": []string{}}) })
}

func (h *handlers) GetCVEExport(c echo.Context, _ gen.ExecutionID) error {
	return h.forUser(c, func() error { return errNone("export") })
}

func (h *handlers) DownloadCVEExport(c echo.Context, _ gen.ExecutionID) error {
	return h.forUser(c, func() error { return errNone("export") })
}

// Artifacts are not looked for: there is nothing to scan them with.

func (h *handlers) ScanArtifact(c echo.Context, of gen.NamedProject, _ gen.RepositoryName, _ gen.ArtifactRef) error {
	return h.cannotIn(c, of, pointer(true), "scan", "create", errNoScanner())
}

func (h *handlers) StopArtifactScan(c echo.Context, of gen.NamedProject, _ gen.RepositoryName, _ gen.ArtifactRef) error {
	return h.cannotIn(c, of, pointer(true), "scan", "stop", errNoScanner())
}

func (h *handlers) GetArtifactScanLog(c echo.Context, of gen.NamedProject, _ gen.RepositoryName, _ gen.ArtifactRef, _ gen.ReportID) error {
	return h.cannotIn(c, of, pointer(true), "scan", "read", errNone("report"))
}

func (h *handlers) GetProjectScanner(c echo.Context, ref gen.ProjectRef, params gen.GetProjectScannerParams) error {
	return h.in(c, ref, params.XIsResourceName, "scanner", "read", func() error { return c.JSON(http.StatusOK, struct{}{}) })
}

func (h *handlers) ListProjectPreheatProviders(c echo.Context, ref gen.ProjectRef, params gen.ListProjectPreheatProvidersParams) error {
	return h.in(c, ref, params.XIsResourceName, "preheat-policy", "read", func() error { return c.JSON(http.StatusOK, []struct{}{}) })
}

func (h *handlers) ListScanners(c echo.Context, params gen.ListScannersParams) error {
	return h.noPage(c, page{params.Page, params.PageSize, params.Q, params.Sort, nil}, "scanner", "list")
}

func (h *handlers) CreateScanner(c echo.Context) error {
	return h.cannot(c, "scanner", "create", errUnsupported(scanner))
}

func (h *handlers) PingScanner(c echo.Context) error {
	return h.cannot(c, "scanner", "read", errUnsupported(scanner))
}

func (h *handlers) GetScanner(c echo.Context, _ gen.RegistrationID) error {
	return h.noSuch(c, "scanner", "read", scanner)
}

func (h *handlers) UpdateScanner(c echo.Context, _ gen.RegistrationID) error {
	return h.noSuch(c, "scanner", "update", scanner)
}

func (h *handlers) SetDefaultScanner(c echo.Context, _ gen.RegistrationID) error {
	return h.noSuch(c, "scanner", "update", scanner)
}

func (h *handlers) DeleteScanner(c echo.Context, _ gen.RegistrationID) error {
	return h.noSuch(c, "scanner", "delete", scanner)
}

func (h *handlers) GetScannerMetadata(c echo.Context, _ gen.RegistrationID) error {
	return h.noSuch(c, "scanner", "read", scanner)
}

func (h *handlers) GetScanAllMetrics(c echo.Context) error {
	return h.object(c, "scan-all", "read", map[string]any{"total": 0, "completed": 0, "ongoing": false})
}

func (h *handlers) GetScheduledScanMetrics(c echo.Context) error {
	return h.object(c, "scan-all", "read", map[string]any{"total": 0, "completed": 0, "ongoing": false})
}

func (h *handlers) GetScanAllSchedule(c echo.Context) error {
	return h.object(c, "scan-all", "read", map[string]any{})
}

func (h *handlers) CreateScanAllSchedule(c echo.Context) error {
	return h.cannot(c, "scan-all", "create", errNoScanner())
}

func (h *handlers) UpdateScanAllSchedule(c echo.Context) error {
	return h.cannot(c, "scan-all", "update", errNoScanner())
}

func (h *handlers) StopScanAll(c echo.Context) error {
	return h.cannot(c, "scan-all", "stop", errNoScanner())
}

func (h *handlers) SetCVEAllowlist(c echo.Context) error {
	return h.cannot(c, "configuration", "update", errUnsupported(allowlist))
}

func (h *handlers) GetSecuritySummary(c echo.Context) error {
	return h.object(c, "security-hub", "read", map[string]any{
		"critical_cnt": 0, "high_cnt": 0, "medium_cnt": 0, "low_cnt": 0, "none_cnt": 0, "unknown_cnt": 0, "total_vuls": 0, "scanned_cnt": 0,
		"total_artifact": 0, "fixable_cnt": 0, "dangerous_cves": []string{}, "dangerous_artifacts": []string{},
	})
}

func (h *handlers) ListVulnerabilities(c echo.Context, params gen.ListVulnerabilitiesParams) error {
	of := fields{"project_id": numberField("project_id")}
	for _, name := range []string{"cve_id", "severity", "cvss_score_v3", "repository_name", "digest", "package", "tag"} {
		of[name] = textField(name)
	}
	return h.noPage(c, page{params.Page, params.PageSize, params.Q, nil, of}, "security-hub", "list")
}

func (h *handlers) ListPreheatProviders(c echo.Context) error {
	return h.nothing(c, "preheat-instance", "list")
}

func (h *handlers) ListPreheatInstances(c echo.Context, params gen.ListPreheatInstancesParams) error {
	return h.noPage(c, page{params.Page, params.PageSize, params.Q, params.Sort, nil}, "preheat-instance", "list")
}

func (h *handlers) CreatePreheatInstance(c echo.Context) error {
	return h.cannot(c, "preheat-instance", "create", errUnsupported(p2p))
}

func (h *handlers) PingPreheatInstance(c echo.Context) error {
	return h.cannot(c, "preheat-instance", "read", errUnsupported(p2p))
}

func (h *handlers) GetPreheatInstance(c echo.Context, _ gen.PreheatInstance) error {
	return h.noSuch(c, "preheat-instance", "read", p2p)
}

func (h *handlers) UpdatePreheatInstance(c echo.Context, _ gen.PreheatInstance) error {
	return h.noSuch(c, "preheat-instance", "update", p2p)
}

func (h *handlers) DeletePreheatInstance(c echo.Context, _ gen.PreheatInstance) error {
	return h.noSuch(c, "preheat-instance", "delete", p2p)
}

func (h *handlers) SetProjectScanner(c echo.Context, ref gen.ProjectRef, params gen.SetProjectScannerParams) error {
	return h.cannotIn(c, ref, params.XIsResourceName, "scanner", "create", errNoScanner())
}

func (h *handlers) ListScannerCandidates(c echo.Context, ref gen.ProjectRef, params gen.ListScannerCandidatesParams) error {
	return h.noPageIn(c, ref, params.XIsResourceName, page{params.Page, params.PageSize, params.Q, params.Sort, nil}, "scanner", "create")
}

func (h *handlers) ListPreheatPolicies(c echo.Context, ref gen.ProjectRef, params gen.ListPreheatPoliciesParams) error {
	return h.noPageIn(c, ref, params.XIsResourceName, page{params.Page, params.PageSize, params.Q, params.Sort, nil}, "preheat-policy", "list")
}

func (h *handlers) CreatePreheatPolicy(c echo.Context, ref gen.ProjectRef, params gen.CreatePreheatPolicyParams) error {
	return h.cannotIn(c, ref, params.XIsResourceName, "preheat-policy", "create", errUnsupported(p2p))
}

func (h *handlers) GetPreheatPolicy(c echo.Context, ref gen.ProjectRef, _ gen.PreheatPolicy, params gen.GetPreheatPolicyParams) error {
	return h.cannotIn(c, ref, params.XIsResourceName, "preheat-policy", "read", errNone(preheat))
}

func (h *handlers) UpdatePreheatPolicy(c echo.Context, ref gen.ProjectRef, _ gen.PreheatPolicy, params gen.UpdatePreheatPolicyParams) error {
	return h.cannotIn(c, ref, params.XIsResourceName, "preheat-policy", "update", errNone(preheat))
}

func (h *handlers) RunPreheatPolicy(c echo.Context, ref gen.ProjectRef, _ gen.PreheatPolicy, params gen.RunPreheatPolicyParams) error {
	return h.cannotIn(c, ref, params.XIsResourceName, "preheat-policy", "update", errNone(preheat))
}

func (h *handlers) DeletePreheatPolicy(c echo.Context, ref gen.ProjectRef, _ gen.PreheatPolicy, params gen.DeletePreheatPolicyParams) error {
	return h.cannotIn(c, ref, params.XIsResourceName, "preheat-policy", "delete", errNone(preheat))
}

func (h *handlers) ListPreheatExecutions(c echo.Context, ref gen.ProjectRef, _ gen.PreheatPolicy, params gen.ListPreheatExecutionsParams) error {
	return h.cannotIn(c, ref, params.XIsResourceName, "preheat-policy", "read", errNone(preheat))
}

func (h *handlers) GetPreheatExecution(c echo.Context, ref gen.ProjectRef, _ gen.PreheatPolicy, _ gen.ExecutionID, params gen.GetPreheatExecutionParams) error {
	return h.cannotIn(c, ref, params.XIsResourceName, "preheat-policy", "read", errNone(preheat))
}

func (h *handlers) StopPreheatExecution(c echo.Context, ref gen.ProjectRef, _ gen.PreheatPolicy, _ gen.ExecutionID, params gen.StopPreheatExecutionParams) error {
	return h.cannotIn(c, ref, params.XIsResourceName, "preheat-policy", "update", errNone(preheat))
}

func (h *handlers) ListPreheatTasks(c echo.Context, ref gen.ProjectRef, _ gen.PreheatPolicy, _ gen.ExecutionID, params gen.ListPreheatTasksParams) error {
	return h.cannotIn(c, ref, params.XIsResourceName, "preheat-policy", "read", errNone(preheat))
}

func (h *handlers) GetPreheatLog(c echo.Context, ref gen.ProjectRef, _ gen.PreheatPolicy, _ gen.ExecutionID, _ gen.TaskID, params gen.GetPreheatLogParams) error {
	return h.cannotIn(c, ref, params.XIsResourceName, "preheat-policy", "read", errNone(preheat))
}
