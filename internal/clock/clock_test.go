package clock_test

import (
	"testing"
	"time"

	"github.com/sealock/sealock/internal/clock"
)

func TestManual(t *testing.T) {
	start := time.Date(2030, 1, 2, 3, 4, 5, 0, time.UTC)
	m := clock.NewManual(start)
	if got := m.Now(); !got.Equal(start) {
		t.Errorf("Now = %v, want %v", got, start)
	}
	m.Advance(time.Minute)
	if got := m.Now(); !got.Equal(start.Add(time.Minute)) {
		t.Errorf("Now a minute later = %v, want %v", got, start.Add(time.Minute))
	}
}

func TestSystem(t *testing.T) {
	before := time.Now()
	if got := (clock.System{}).Now(); got.Before(before) || got.After(time.Now()) {
		t.Errorf("Now = %v, want the time now", got)
	}
}
