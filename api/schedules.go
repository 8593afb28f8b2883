package api

import (
	"context"
	"net/http"

	"github.com/labstack/echo/v4"

	"github.com/sealock/sealock/api/gen"
	"github.com/sealock/sealock/internal/errs"
	"github.com/sealock/sealock/project"
	"github.com/sealock/sealock/store"
)

func (h *handlers) GetGCSchedule(c echo.Context) error {
	return h.schedule(c, project.GarbageCollection())
}

func (h *handlers) CreateGCSchedule(c echo.Context) error {
	return h.createSchedule(c, project.GarbageCollection(), "/api/v2.0/system/gc/schedule")
}

func (h *handlers) UpdateGCSchedule(c echo.Context) error {
	return h.updateSchedule(c, project.GarbageCollection())
}

func (h *handlers) GetPurgeSchedule(c echo.Context) error { return h.schedule(c, project.AuditPurge()) }

func (h *handlers) CreatePurgeSchedule(c echo.Context) error {
	return h.createSchedule(c, project.AuditPurge(), "/api/v2.0/system/purgeaudit/schedule")
}

func (h *handlers) UpdatePurgeSchedule(c echo.Context) error {
	return h.updateSchedule(c, project.AuditPurge())
}

// schedule answers with an empty object where there is none, as clients of Harbor expect.
func (h *handlers) schedule(c echo.Context, j project.Job) error {
	return reply(c, func(ctx context.Context, who Caller) (gen.JobHistory, error) {
		s, there, err := h.Service.Schedule(ctx, who, j)
		if err != nil || !there {
			return gen.JobHistory{}, err
		}
		return gen.JobHistory{
			ID: &s.ID, JobName: &s.Job, JobKind: pointer("SCHEDULE"), JobParameters: &s.Parameters, JobStatus: pointer(""), Deleted: pointer(false),
			Schedule: &gen.ScheduleObj{
				Type: &s.Type, Cron: &s.Cron, NextScheduledTime: perhaps(project.NextRun(s, h.Now())),
			},
			CreationTime: pointer(s.CreatedAt.UTC()), UpdateTime: pointer(s.UpdatedAt.UTC()),
		}, nil
	})
}

func (h *handlers) createSchedule(c echo.Context, j project.Job, location string) error {
	return create(c, func(ctx context.Context, who Caller, req gen.Schedule) (string, error) {
		return location, h.Service.CreateSchedule(ctx, who, j, scheduleOf(req))
	})
}

func (h *handlers) updateSchedule(c echo.Context, j project.Job) error {
	return take(c, func(ctx context.Context, who Caller, req gen.Schedule) error {
		return h.Service.SetSchedule(ctx, who, j, scheduleOf(req))
	}, "schedule")
}

func scheduleOf(req gen.Schedule) project.NewSchedule {
	return project.NewSchedule{Type: value(req.Schedule.Type), Cron: value(req.Schedule.Cron), Parameters: req.Parameters}
}

func (h *handlers) ListSchedules(c echo.Context, params gen.ListSchedulesParams) error {
	task := func(s store.Schedule) gen.ScheduleTask {
		return gen.ScheduleTask{ID: s.ID, VendorType: s.Job, Cron: s.Cron, UpdateTime: s.UpdatedAt.UTC()}
	}
	return list(c, params.Page, params.PageSize, task, func(ctx context.Context, who Caller, w window) (project.List[store.Schedule], error) {
		return h.Service.ListSchedules(ctx, who, w.paging(""))
	})
}

// What there would be to see of a job service.

const monitor = "jobservice-monitor"

// every is how a path names all pools and all kinds of jobs.
const every = "all"

func (h *handlers) GetSchedulePaused(c echo.Context, job gen.JobType) error {
	return reply(c, func(ctx context.Context, who Caller) (gen.SchedulerStatus, error) {
		if err := h.allow(ctx, who, deed{resource: monitor, action: "list"}); err != nil {
			return gen.SchedulerStatus{}, err
		}
		if job != every {
			return gen.SchedulerStatus{}, errs.New(errs.Invalid, "schedules are not paused by the kind of job").WithHint("ask for all")
		}
		return gen.SchedulerStatus{}, nil
	})
}

func (h *handlers) ListWorkerPools(c echo.Context) error { return h.nothing(c, monitor, "list") }

func (h *handlers) ListJobQueues(c echo.Context) error { return h.nothing(c, monitor, "list") }

func (h *handlers) ListWorkers(c echo.Context, pool gen.PoolID) error {
	if pool != every {
		return h.noSuch(c, monitor, "list", "pool of workers")
	}
	return h.nothing(c, monitor, "list")
}

func (h *handlers) ActOnJobQueue(c echo.Context, _ gen.JobType) error {
	return h.cannot(c, monitor, "stop", errs.New(errs.Unsupported, "there are no queues: this server runs no jobs yet").WithHint("schedules are kept until it does"))
}

func (h *handlers) StopJob(c echo.Context, _ gen.JobID) error {
	return h.noSuch(c, monitor, "stop", "job")
}

func (h *handlers) GetJobLog(c echo.Context, _ gen.JobID) error {
	return h.noSuch(c, monitor, "read", "job")
}

func (h *handlers) ListGCRuns(c echo.Context, params gen.ListGCRunsParams) error {
	return h.noPage(c, page{params.Page, params.PageSize, params.Q, params.Sort, nil}, "garbage-collection", "list")
}

func (h *handlers) GetGCRun(c echo.Context, _ gen.GCID) error {
	return h.noRun(c, project.GarbageCollection(), "read")
}

func (h *handlers) StopGCRun(c echo.Context, _ gen.GCID) error {
	return h.noRun(c, project.GarbageCollection(), "stop")
}

func (h *handlers) GetGCLog(c echo.Context, _ gen.GCID) error {
	return h.noRun(c, project.GarbageCollection(), "read")
}

func (h *handlers) ListPurgeRuns(c echo.Context, params gen.ListPurgeRunsParams) error {
	return h.noPage(c, page{params.Page, params.PageSize, params.Q, params.Sort, nil}, "purge-audit", "list")
}

func (h *handlers) GetPurgeRun(c echo.Context, _ gen.PurgeID) error {
	return h.noRun(c, project.AuditPurge(), "read")
}

func (h *handlers) StopPurgeRun(c echo.Context, _ gen.PurgeID) error {
	return h.noRun(c, project.AuditPurge(), "stop")
}

func (h *handlers) GetPurgeLog(c echo.Context, _ gen.PurgeID) error {
	return h.noRun(c, project.AuditPurge(), "read")
}

func (h *handlers) noRun(c echo.Context, j project.Job, action string) error {
	return h.noSuch(c, j.Resource, action, "run of this job")
}

// nothing answers with an empty list to those who may do the action at system level.
func (h *handlers) nothing(c echo.Context, resource, action string) error {
	return reply(c, func(ctx context.Context, who Caller) ([]struct{}, error) {
		return []struct{}{}, h.allow(ctx, who, deed{resource: resource, action: action})
	})
}

// page is which part is wanted of a list that has none.
type page struct {
	number, size *int64
	q, sort      *string
	fields       fields // what such a list can be narrowed by; nil for what records of jobs can
}

// check refuses what a list with something in it would refuse.
func (p page) check() error {
	allowed := p.fields
	if allowed == nil {
		allowed = recordFields(fields{"name": textField("name"), "status": textField("status")})
	}
	if _, err := parseQuery(p.q, allowed); err != nil {
		return err
	}
	_, err := parseSort(p.sort, map[string]string{"id": "", "name": "", "status": "", "creation_time": "", "update_time": ""})
	return err
}

// noPage is nothing for a list that comes in pages.
func (h *handlers) noPage(c echo.Context, p page, resource, action string) error {
	asIs := func(v struct{}) struct{} { return v }
	return list(c, p.number, p.size, asIs, func(ctx context.Context, who Caller, _ window) (l project.List[struct{}], err error) {
		if err := h.allow(ctx, who, deed{resource: resource, action: action}); err != nil {
			return l, err
		}
		return l, p.check()
	})
}

// cannot answers with the error to those who may do the action, which this server can't do.
func (h *handlers) cannot(c echo.Context, resource, action string, why error) error {
	return done(c, func(ctx context.Context, who Caller) error {
		if err := h.allow(ctx, who, deed{resource: resource, action: action}); err != nil {
			return err
		}
		return why
	})
}

// noSuch answers that there is none.
func (h *handlers) noSuch(c echo.Context, resource, action, what string) error {
	return h.cannot(c, resource, action, errNone(what))
}

func errNone(what string) error {
	return errs.New(errs.NotFound, "there is no such %s", what).WithHint("this server has none")
}

// object answers with something fixed to those who may do the action.
func (h *handlers) object(c echo.Context, resource, action string, fixed map[string]any) error {
	r, err := asked(c)
	if err != nil {
		return err
	}
	if err := h.allow(r.ctx(), r.caller(), deed{resource: resource, action: action}); err != nil {
		return err
	}
	return c.JSON(http.StatusOK, fixed)
}
