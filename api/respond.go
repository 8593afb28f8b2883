package api

import (
	"context"
	"net/http"

	"github.com/labstack/echo/v4"

	"github.com/sealock/sealock/project"
)

// reply runs fn for the caller and answers with what it returns.
func reply[T any](c echo.Context, fn func(ctx context.Context, who Caller) (T, error)) error {
	r, err := asked(c)
	if err != nil {
		return err
	}
	v, err := fn(r.ctx(), r.caller())
	if err != nil {
		return err
	}
	return c.JSON(http.StatusOK, v)
}

// done runs fn for the caller and answers with 200 and nothing else, as Harbor does.
func done(c echo.Context, fn func(ctx context.Context, who Caller) error) error {
	r, err := asked(c)
	if err != nil {
		return err
	}
	if err := fn(r.ctx(), r.caller()); err != nil {
		return err
	}
	return c.NoContent(http.StatusOK)
}

// take reads the body and runs fn with it.
func take[B any](c echo.Context, fn func(ctx context.Context, who Caller, body B) error, required ...string) error {
	return done(c, func(ctx context.Context, who Caller) error {
		body, err := bind[B](c.Response(), c.Request(), required...)
		if err != nil {
			return err
		}
		return fn(ctx, who, body)
	})
}

// create reads the body, runs fn with it and answers with 201 and the place of what fn made.
func create[B any](c echo.Context, fn func(ctx context.Context, who Caller, body B) (location string, err error)) error {
	made, _, err := makeFrom(c, func(ctx context.Context, who Caller, body B) (string, struct{}, error) {
		location, err := fn(ctx, who, body)
		return location, struct{}{}, err
	})
	if err != nil {
		return err
	}
	c.Response().Header().Set(echo.HeaderLocation, made)
	return c.NoContent(http.StatusCreated)
}

// createAndTell is create with an answer: what is told of a new object this once.
func createAndTell[B, T any](c echo.Context, fn func(ctx context.Context, who Caller, body B) (location string, told T, err error)) error {
	made, told, err := makeFrom(c, fn)
	if err != nil {
		return err
	}
	c.Response().Header().Set(echo.HeaderLocation, made)
	return c.JSON(http.StatusCreated, told)
}

// makeFrom reads the body and runs fn with it.
func makeFrom[B, T any](c echo.Context, fn func(ctx context.Context, who Caller, body B) (string, T, error)) (location string, told T, err error) {
	r, err := asked(c)
	if err != nil {
		return "", told, err
	}
	body, err := bind[B](c.Response(), c.Request())
	if err != nil {
		return "", told, err
	}
	return fn(r.ctx(), r.caller(), body)
}

// list reads which page is wanted, runs fn and answers with what it returns, as show writes it.
func list[R, T any](
	c echo.Context, number, size *int64, show func(R) T,
	fn func(ctx context.Context, who Caller, w window) (project.List[R], error),
) error {
	r, err := asked(c)
	if err != nil {
		return err
	}
	w, err := newWindow(number, size)
	if err != nil {
		return err
	}
	l, err := fn(r.ctx(), r.caller(), w)
	if err != nil {
		return err
	}
	w.describe(c.Response().Header(), c.Request().URL, l.Total, len(l.Items), l.Last)
	items := make([]T, 0, len(l.Items)) // an empty list is [], never null
	for _, item := range l.Items {
		items = append(items, show(item))
	}
	return c.JSON(http.StatusOK, items)
}

// text is reply with plain text, as logs are.
func text(c echo.Context, fn func(ctx context.Context, who Caller) (string, error)) error {
	r, err := asked(c)
	if err != nil {
		return err
	}
	s, err := fn(r.ctx(), r.caller())
	if err != nil {
		return err
	}
	return c.String(http.StatusOK, s)
}
