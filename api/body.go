package api

import (
	"encoding/json"
	"errors"
	"io"
	"mime"
	"net/http"
	"strings"

	"github.com/sealock/sealock/internal/errs"
)

// maxBody bounds a body: a policy file of thousands of rules fits, and nothing else comes near.
const maxBody = 1 << 20

// bind reads a JSON object. Fields that are not known are ignored, as Harbor does and its clients rely on; the required
// ones must stand there, for fields whose absence would read as a choice.
func bind[B any](w http.ResponseWriter, r *http.Request, required ...string) (B, error) {
	var v B
	// A browser sends a form or plain text across sites without asking; JSON it does not.
	if media, _, _ := mime.ParseMediaType(r.Header.Get("Content-Type")); media != "application/json" {
		return v, errs.New(errs.Invalid, "the body is not of the type application/json").WithHint("send Content-Type: application/json")
	}
	text, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
	if err != nil {
		return v, unreadable(err)
	}
	var fields map[string]json.RawMessage
	if err := json.Unmarshal(text, &fields); err != nil || fields == nil {
		return v, errs.New(errs.Invalid, "the body is no JSON object").WithHint("check its syntax").Because(err)
	}
	for _, name := range required {
		if given, ok := fields[name]; !ok || string(given) == "null" {
			return v, errs.New(errs.Invalid, "the field %s is missing", name).WithHint("say which value it is to have")
		}
	}
	if err := json.Unmarshal(text, &v); err != nil {
		return v, mistyped(err)
	}
	return v, nil
}

func unreadable(err error) error {
	var large *http.MaxBytesError
	if errors.As(err, &large) {
		return errs.New(errs.Invalid, "the body is larger than %d bytes", large.Limit).WithHint("send less").Because(err)
	}
	return errs.New(errs.Invalid, "the body can't be read").WithHint("send it again").Because(err)
}

func mistyped(err error) error {
	var typ *json.UnmarshalTypeError
	if errors.As(err, &typ) && typ.Field != "" {
		return errs.New(errs.Invalid, "the field %s can't be a %s", typ.Field, strings.SplitN(typ.Value, " ", 2)[0]).
			WithHint("the document at /api/v2.0/openapi.json has the types").Because(err)
	}
	return errs.New(errs.Invalid, "the body does not fit").WithHint("the document at /api/v2.0/openapi.json has the types").Because(err)
}
