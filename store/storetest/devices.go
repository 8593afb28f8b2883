package storetest

import (
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/sealock/sealock/auth"
	"github.com/sealock/sealock/internal/errs"
	"github.com/sealock/sealock/store"
)

func deviceCode(id, userCode string) store.DeviceCode {
	return store.DeviceCode{
		ID: id, SecretHash: []byte{0, 1, 0xff, '\''}, UserCode: userCode, ClientID: "helper", Service: "registry",
		Scope: "repository:team/app:pull", Remote: "192.0.2.1", Status: auth.DevicePending, Interval: 5 * time.Second,
		CreatedAt: when(0), ExpiresAt: when(10),
	}
}

// roomy are limits that a test does not meet.
func roomy() store.DeviceLimits { return store.DeviceLimits{All: 1000, PerRemote: 1000} }

func deviceCodes(t *testing.T, s store.Store) {
	ctx := t.Context()
	alice := user(t, s, "alice")
	want := deviceCode("one", "BCDFGHJK")
	ok(t, "CreateDeviceCode", s.CreateDeviceCode(ctx, want, roomy()))
	got := must[store.DeviceCode](t, "DeviceCode")(s.DeviceCode(ctx, "one"))
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("DeviceCode differs from what was stored (-want +got):\n%s", diff)
	}
	got = must[store.DeviceCode](t, "DeviceCodeByUserCode")(s.DeviceCodeByUserCode(ctx, "BCDFGHJK"))
	equal(t, "DeviceCodeByUserCode", got.ID, "one")
	for what, id := range map[string]string{"unknown": "two", "of another case": "ONE", "with NUL": "one\x00", "that is empty": ""} {
		_, err := s.DeviceCode(ctx, id)
		kind(t, "DeviceCode of an id "+what, err, errs.NotFound)
		_, err = s.DeviceCodeByUserCode(ctx, id)
		kind(t, "DeviceCodeByUserCode of a code "+what, err, errs.NotFound)
		_, err = s.UpdateDeviceCode(ctx, id, func(*store.DeviceCode) error { return nil })
		kind(t, "UpdateDeviceCode of an id "+what, err, errs.NotFound)
	}
	kind(t, "CreateDeviceCode with a taken id", s.CreateDeviceCode(ctx, deviceCode("one", "ZZZZZZZZ"), roomy()), errs.Conflict)
	kind(t, "CreateDeviceCode with a taken user code", s.CreateDeviceCode(ctx, deviceCode("two", "BCDFGHJK"), roomy()), errs.Conflict)
	kind(t, "CreateDeviceCode with nothing", s.CreateDeviceCode(ctx, store.DeviceCode{}, roomy()), errs.Invalid)

	want.Status, want.Subject, want.UserID, want.UserAsOf = auth.DeviceApproved, alice.Name, alice.ID, alice.UpdatedAt
	want.Interval, want.PolledAt = 15*time.Second, when(3)
	changed := must[store.DeviceCode](t, "UpdateDeviceCode")(s.UpdateDeviceCode(ctx, "one", func(c *store.DeviceCode) error {
		*c = want
		c.ID, c.UserCode, c.Service, c.ExpiresAt = "other", "other", "other", when(99) // what can't be changed stays
		return nil
	}))
	for what, got := range map[string]store.DeviceCode{"UpdateDeviceCode": changed, "DeviceCode": must[store.DeviceCode](t, "DeviceCode")(s.DeviceCode(ctx, "one"))} {
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s after a change (-want +got):\n%s", what, diff)
		}
	}
	refused := errs.New(errs.Denied, "no")
	_, err := s.UpdateDeviceCode(ctx, "one", func(c *store.DeviceCode) error { c.Status = auth.DeviceUsed; return refused })
	kind(t, "UpdateDeviceCode with a function that refuses", err, errs.Denied)
	equal(t, "Status after that", must[store.DeviceCode](t, "DeviceCode")(s.DeviceCode(ctx, "one")).Status, auth.DeviceApproved)
	_, err = s.UpdateDeviceCode(ctx, "one", func(c *store.DeviceCode) error { c.UserID = 4711; return nil })
	kind(t, "UpdateDeviceCode with a user that is not there", err, errs.NotFound)

	ok(t, "CreateDeviceCode", s.CreateDeviceCode(ctx, deviceCode("pending", "CCCCCCCC"), roomy()))
	ok(t, "DeleteUser", s.DeleteUser(ctx, alice.ID))
	_, err = s.DeviceCode(ctx, "one")
	kind(t, "DeviceCode that a user who is gone approved", err, errs.NotFound)
	equal(t, "DropExpiredTokens before the end", must[int](t, "DropExpiredTokens")(s.DropExpiredTokens(ctx, when(9))), 0)
	equal(t, "DropExpiredTokens", must[int](t, "DropExpiredTokens")(s.DropExpiredTokens(ctx, when(10))), 1)
	_, err = s.DeviceCode(ctx, "pending")
	kind(t, "DeviceCode that was dropped", err, errs.NotFound)
}

func deviceLimits(t *testing.T, s store.Store) {
	ctx := t.Context()
	limits := store.DeviceLimits{All: 3, PerRemote: 2}
	create := func(n int, remote string, at time.Time) error {
		c := deviceCode(fmt.Sprintf("id-%d", n), fmt.Sprintf("code-%d", n))
		c.Remote, c.CreatedAt, c.ExpiresAt = remote, at, at.Add(10*time.Minute)
		return s.CreateDeviceCode(ctx, c, limits)
	}
	ok(t, "CreateDeviceCode", create(1, "192.0.2.1", when(0)))
	ok(t, "CreateDeviceCode", create(2, "192.0.2.1", when(0)))
	kind(t, "a third from one address", create(3, "192.0.2.1", when(9)), errs.TooMany)
	ok(t, "one from another address", create(4, "192.0.2.2", when(5)))
	kind(t, "one more than all", create(5, "192.0.2.3", when(9)), errs.TooMany)
	ok(t, "one when two have ended", create(6, "192.0.2.1", when(10)))
}

// oneDeviceUse lets many use up an approved code at once: one may.
func oneDeviceUse(t *testing.T, s store.Store) {
	ctx := t.Context()
	c := deviceCode("one", "BCDFGHJK")
	c.Status = auth.DeviceApproved
	ok(t, "CreateDeviceCode", s.CreateDeviceCode(ctx, c, roomy()))
	var uses atomic.Int32
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			var mine bool
			_, err := s.UpdateDeviceCode(ctx, "one", func(c *store.DeviceCode) error {
				mine = c.Status == auth.DeviceApproved
				c.Status = auth.DeviceUsed
				return nil
			})
			if err != nil {
				t.Errorf("UpdateDeviceCode by many = %v, want no error", err)
			}
			if mine {
				uses.Add(1)
			}
		})
	}
	wg.Wait()
	equal(t, "uses of one device code", uses.Load(), 1)
}
