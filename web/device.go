package web

import (
	"context"
	"net/http"

	"github.com/sealock/sealock/auth"
	"github.com/sealock/sealock/internal/errs"
)

// Devices lets people answer devices that wait to be signed in. [auth.Devices] does.
type Devices interface {
	Waiting(ctx context.Context, sub auth.Subject, typed, remote string) (auth.DeviceCode, error)
	Answer(ctx context.Context, a auth.DeviceAnswer) error
}

// DevicePages are where people type the code that a device shows them, see what it is that asks, and approve or deny it.
// A link may bring the code along, but never the answer.
func DevicePages(d Devices) []Page {
	p := devicePages{d}
	return []Page{
		{Method: http.MethodGet, Path: auth.PathVerify, Serve: p.look},
		{Method: http.MethodPost, Path: auth.PathVerify, Serve: p.answer},
	}
}

type devicePages struct{ devices Devices }

// deviceView is what the page shows: a form for the code, what waits, or how it ended.
type deviceView struct {
	Code      string // as it was typed
	Waiting   *auth.DeviceCode
	UserCode  string // of what waits, as the device shows it
	API       bool   // it wants everything, not images alone
	Elsewhere bool   // it has another address than this browser
	Done      string // "approve" or "deny"
}

const deviceTitle = "Sign in a device"

// look asks for the code, or shows what waits for it.
func (p devicePages) look(ctx context.Context, v *Visit) (Answer, error) {
	typed := v.Form.Get(auth.ParamUserCode)
	if typed == "" {
		return deviceForm("", nil), nil
	}
	c, err := p.devices.Waiting(ctx, v.Subject, typed, v.Remote)
	if err != nil {
		return deviceForm(typed, err), nil
	}
	return Answer{Page: "device", Title: deviceTitle, Data: deviceView{
		Waiting: &c, UserCode: auth.FormatUserCode(c.UserCode), API: c.Service == auth.APIService, Elsewhere: c.Remote != v.Remote,
	}}, nil
}

// deviceForm asks for the code, again if there is a problem.
func deviceForm(typed string, problem error) Answer {
	if len(typed) > maxTyped {
		typed = ""
	}
	return Answer{Page: "device", Title: deviceTitle, Data: deviceView{Code: typed}, Problem: problem}
}

// maxTyped is how long a code is that the form shows again.
const maxTyped = 40

// answer takes the person's decision.
func (p devicePages) answer(ctx context.Context, v *Visit) (Answer, error) {
	decision, typed := v.Form.Get("decision"), v.Form.Get(auth.ParamUserCode)
	if decision != "approve" && decision != "deny" {
		return deviceForm(typed, errs.New(errs.Invalid, "neither approved nor denied").WithHint("choose one of the two buttons")), nil
	}
	err := p.devices.Answer(ctx, auth.DeviceAnswer{
		Subject: v.Subject, UserCode: typed, Approve: decision == "approve", Remote: v.Remote, RequestID: v.RequestID,
	})
	if err != nil {
		return deviceForm(typed, err), nil
	}
	return Answer{Page: "device", Title: deviceTitle, Data: deviceView{Done: decision}}, nil
}
