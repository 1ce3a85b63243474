package nodetest_test

import (
	"runtime/debug"
	"testing"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) {
	debug.SetGCPercent(400) // a thousand servers come and go
	goleak.VerifyTestMain(m)
}
