package job

import (
	"slices"
	"strings"

	"github.com/sealock/sealock/internal/errs"
	"github.com/sealock/sealock/internal/secret"
	"github.com/sealock/sealock/store"
)

// How a webhook's target is told, and in which form.
const (
	NotifyHTTP  = "http"
	NotifySlack = "slack"

	PayloadDefault     = "Default"
	PayloadCloudEvents = "CloudEvents"
)

// EventTypes lists what a webhook can be told of.
func EventTypes() []string {
	return []string{
		"DELETE_ARTIFACT", "PULL_ARTIFACT", "PUSH_ARTIFACT", "QUOTA_EXCEED", "QUOTA_WARNING", "REPLICATION",
		"SCANNING_COMPLETED", "SCANNING_FAILED", "SCANNING_STOPPED", "TAG_RETENTION",
	}
}

// NotifyTypes lists how a target can be told.
func NotifyTypes() []string { return []string{NotifyHTTP, NotifySlack} }

// PayloadFormats lists in which forms a target of a type can be told.
func PayloadFormats(notifyType string) []string {
	if notifyType == NotifyHTTP {
		return []string{PayloadDefault, PayloadCloudEvents}
	}
	return []string{PayloadDefault}
}

const (
	maxTargets    = 10
	maxAuthHeader = 4096
)

// CheckWebhook says what is wrong with a policy, but for its secrets. Where an address may lead is asked when it is called.
func CheckWebhook(p store.WebhookPolicy) error {
	if err := CheckName("a webhook policy", p.Name); err != nil {
		return err
	}
	if len(p.EventTypes) == 0 {
		return errs.New(errs.Invalid, "the policy has no event_types").WithHint("write one or more of %s", strings.Join(EventTypes(), ", "))
	}
	for i, event := range p.EventTypes {
		if !slices.Contains(EventTypes(), event) {
			return errs.New(errs.Invalid, "there is no type of events %s", clip(event)).WithHint("write one or more of %s", strings.Join(EventTypes(), ", "))
		}
		if slices.Contains(p.EventTypes[:i], event) {
			return errs.New(errs.Invalid, "event_types names %s twice", event).WithHint("write it once")
		}
	}
	if len(p.Targets) == 0 || len(p.Targets) > maxTargets {
		return errs.New(errs.Invalid, "the policy has %d targets", len(p.Targets)).
			WithHint(`write 1 to %d, as in "targets":[{"type":"http","address":"https://hooks.example.com"}]`, maxTargets)
	}
	for _, t := range p.Targets {
		if err := checkTarget(t); err != nil {
			return err
		}
	}
	return nil
}

func checkTarget(t store.WebhookTarget) error {
	if !slices.Contains(NotifyTypes(), t.Type) {
		return errs.New(errs.Invalid, "there are no targets of the type %s", clip(t.Type)).WithHint("write http or slack")
	}
	if formats := PayloadFormats(t.Type); t.PayloadFormat != "" && !slices.Contains(formats, t.PayloadFormat) {
		return errs.New(errs.Invalid, "a target of the type %s can't have the payload format %s", t.Type, clip(t.PayloadFormat)).
			WithHint("write one of %s", strings.Join(formats, ", "))
	}
	_, err := checkURL("the address of a target", t.Address)
	return err
}

// CheckAuthHeader refuses what can't be the value of a header.
func CheckAuthHeader(value secret.Text) error {
	control := func(r rune) bool { return r < ' ' || r == 0x7f }
	if text := value.Reveal(); len(text) > maxAuthHeader || strings.ContainsFunc(text, control) {
		return errs.New(errs.Invalid, "auth_header is too long, or has a line break in it").WithHint("write the value of one Authorization header")
	}
	return nil
}
