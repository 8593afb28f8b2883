package job

import (
	"strings"
	"time"

	"github.com/robfig/cron/v3"

	"github.com/sealock/sealock/internal/errs"
)

// CheckCron refuses what is no schedule of six fields, as Harbor writes them: second, minute, hour, day of the month, month,
// day of the week. The second is 0: nothing is to run each second. A schedule whose time never comes is none.
func CheckCron(text string) error {
	const hint = "write six fields, second minute hour day month weekday: 0 0 3 * * * is three o'clock each night"
	fields := strings.FieldsFunc(text, func(r rune) bool { return r == ' ' }) // what else separates words is in no crontab
	if len(fields) != 6 || len(text) > 255 {
		return errs.New(errs.Invalid, "the schedule has not six fields").WithHint(hint)
	}
	if fields[0] != "0" {
		return errs.New(errs.Invalid, "the first field of the schedule, the second, is not 0").WithHint(hint)
	}
	schedule, err := cron.NewParser(cron.Second | cron.Minute | cron.Hour | cron.Dom | cron.Month | cron.Dow).Parse(text)
	if err != nil {
		return errs.New(errs.Invalid, "the schedule is none").WithHint(hint).Because(err)
	}
	if schedule.Next(time.Unix(0, 0).UTC()).IsZero() {
		return errs.New(errs.Invalid, "the time of the schedule never comes").WithHint("is there such a day in that month?")
	}
	return nil
}
