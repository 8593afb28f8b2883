package store

import (
	"context"

	"github.com/sealock/sealock/auth"
)

// DeviceCode is a device's wish to be signed in, as it is kept; DeviceLimits is how many may be alive.
type (
	DeviceCode   = auth.DeviceCode
	DeviceLimits = auth.DeviceLimits
)

// DeviceCodes keeps device codes. What is past its end is found until DropExpiredTokens forgets it.
type DeviceCodes interface {
	// CreateDeviceCode keeps a new code. Conflict: the id or the user code is taken. TooMany: as many as the limits allow
	// are alive at c.CreatedAt, in all or from its address.
	CreateDeviceCode(ctx context.Context, c DeviceCode, limits DeviceLimits) error
	DeviceCode(ctx context.Context, id string) (DeviceCode, error)
	DeviceCodeByUserCode(ctx context.Context, userCode string) (DeviceCode, error)
	// UpdateDeviceCode changes Status, Subject, UserID, UserAsOf, Interval and PolledAt; the rest stays. A code goes with
	// the user that approved it.
	UpdateDeviceCode(ctx context.Context, id string, fn func(*DeviceCode) error) (DeviceCode, error)
}
