package auth

import (
	"net/http"
	"net/url"
	"time"

	"github.com/sealock/sealock/internal/httpx"
)

// PathVerify is the page where people type the code that a device shows them. It is not one of Endpoint's: it needs
// somebody who is signed in.
const PathVerify = "/device"

// ParamUserCode is the parameter of that page that holds the code, in the link that saves typing it.
const ParamUserCode = "user_code"

// deviceBody is the answer of the device authorization end-point (RFC 8628 section 3.2).
type deviceBody struct {
	DeviceCode string `json:"device_code"`
	UserCode   string `json:"user_code"`
	URI        string `json:"verification_uri"`
	Complete   string `json:"verification_uri_complete"`
	ExpiresIn  int64  `json:"expires_in"`
	Interval   int64  `json:"interval"`
}

// device hands out a device code and a user code (RFC 8628 section 3.1). The service that the tokens are to be for may
// be called audience, too, as other specifications do.
func (e *Endpoint) device(w http.ResponseWriter, r *http.Request) {
	req, err := e.parseDevice(w, r)
	if err != nil {
		e.Errors.WriteToken(w, r, e.unreadable(w, r, "device.request", err))
		return
	}
	grant, err := e.Devices.Request(r.Context(), req)
	if err != nil {
		e.Errors.WriteToken(w, r, err)
		return
	}
	page := e.Origins.Of(r).String() + PathVerify
	e.write(w, r, deviceBody{
		DeviceCode: grant.DeviceCode.Reveal(), UserCode: grant.UserCode,
		URI: page, Complete: page + "?" + url.Values{ParamUserCode: {grant.UserCode}}.Encode(),
		ExpiresIn: int64(grant.ExpiresIn / time.Second), Interval: int64(grant.Interval / time.Second),
	})
}

func (e *Endpoint) parseDevice(w http.ResponseWriter, r *http.Request) (DeviceRequest, error) {
	if r.Method != http.MethodPost {
		w.Header().Set("Allow", "POST")
		return DeviceRequest{}, methodNotAllowed(r)
	}
	r.Body = http.MaxBytesReader(w, r.Body, maxTokenForm)
	if err := r.ParseForm(); err != nil {
		return DeviceRequest{}, badRequest("the body is no form of at most %d bytes", maxTokenForm).
			WithHint("send application/x-www-form-urlencoded").Because(err)
	}
	common, err := e.common(w, r, r.PostForm)
	if err != nil {
		return DeviceRequest{}, err
	}
	req := DeviceRequest{
		ClientID: common.ClientID, Service: common.Service, Scope: common.Scope, Remote: common.Remote, RequestID: httpx.RequestID(w),
	}
	if req.Service == "" {
		req.Service = r.PostForm.Get("audience")
	}
	return req, nil
}
